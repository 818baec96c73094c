import { readFileSync } from 'node:fs';
import { performance, type EventLoopUtilization } from 'node:perf_hooks';
import { observeCpuLimit } from './cpu-limit.ts';

/** How busy the machine and this process were over a stretch of time, as fractions of it. */
export interface HostLoad {
  /** Event loop of the load generator: 1 is a thread that never waits. */
  eventLoop: number;
  /** CPU time of this process over wall time; above 1 with several threads. */
  cpu: number;
  /** CPU time the hypervisor gave to other machines; null where /proc/stat does not say. */
  steal: number | null;
  /** The same of processes that are neither ours nor the target's, where no CPU was left for it; null or missing where that is not known. */
  others?: number | null;
  /** Time in which a CPU limit around this process, and so around what it started, held it back; null or missing where there is none. */
  throttled?: number | null;
}

/** Ticks of all CPUs together since boot. */
export interface CpuTicks {
  total: number;
  /** Nobody wanted them. */
  idle: number;
  steal: number;
  /** Of no process: what the network and the disks asked for. */
  interrupts: number;
}

/** Start observing; the returned function says how busy the host was since. */
export function observeHost(): () => HostLoad {
  const loop: EventLoopUtilization = performance.eventLoopUtilization();
  const cpu = process.cpuUsage();
  const ticks = cpuTicks();
  const start = performance.now();
  const throttled = observeCpuLimit();
  return () => {
    const used = process.cpuUsage(cpu);
    const now = cpuTicks();
    const total = ticks === null || now === null ? 0 : now.total - ticks.total;
    return {
      eventLoop: performance.eventLoopUtilization(loop).utilization,
      cpu: (used.user + used.system) / 1000 / Math.max(1, performance.now() - start),
      steal: ticks === null || now === null || total === 0 ? null : (now.steal - ticks.steal) / total,
      throttled: throttled(),
    };
  };
}

/** proc(5), /proc/stat: user nice system idle iowait irq softirq steal. Null where it does not say. */
export function cpuTicks(): CpuTicks | null {
  try {
    const line = readFileSync('/proc/stat', 'utf8').split('\n', 1)[0] ?? '';
    const ticks = line.split(/\s+/u).slice(1, 9).map(Number);
    if (ticks.length < 8 || ticks.some((tick) => !Number.isFinite(tick))) return null;
    return {
      total: ticks.reduce((sum, tick) => sum + tick, 0),
      idle: Number(ticks[3]) + Number(ticks[4]),
      steal: Number(ticks[7]),
      interrupts: Number(ticks[5]) + Number(ticks[6]),
    };
  } catch {
    return null; // not Linux
  }
}
