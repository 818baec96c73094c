import { residentBytes, statOf } from '../processes.ts';
import type { Observation } from './target.ts';

// Linux counts the CPU time of a process in ticks of 1/100 s for user space, whatever the kernel's own rate.
export const ticksPerSecond = 100;

export interface ProcessUsage {
  memoryBytes: number;
  /** CPU time used since the process started, in seconds. */
  cpuSeconds: number;
}

/** Resident memory and CPU time of a process, from /proc (proc(5)); null where there is none. */
export async function processUsage(pid: number): Promise<ProcessUsage | null> {
  const [memoryBytes, stat] = await Promise.all([residentBytes(pid), statOf(pid)]);
  if (memoryBytes === null || stat === null) return null;
  return { memoryBytes, cpuSeconds: (Number(stat.fields[11]) + Number(stat.fields[12])) / ticksPerSecond };
}

/** Watches a process. @param exited how it ended; undefined while it runs @param used what it uses; null where nobody can tell */
export function processObserver(exited: () => string | undefined, used: () => Promise<ProcessUsage | null>) {
  const meter = cpuMeter();
  return async (): Promise<Observation> => {
    const exit = exited();
    if (exit !== undefined) return { memoryBytes: null, cpuPercent: null, alive: false, exit };
    const usage = await used();
    if (usage === null) return { memoryBytes: null, cpuPercent: null, alive: true };
    return { memoryBytes: usage.memoryBytes, cpuPercent: meter(usage.cpuSeconds), alive: true };
  };
}

/** Turn a growing count of CPU seconds into percent of one core since the call before. */
export function cpuMeter(): (cpuSeconds: number) => number | null {
  let before: { at: number; cpuSeconds: number } | null = null;
  return (cpuSeconds) => {
    const now = { at: performance.now(), cpuSeconds };
    const percent =
      before === null || now.at === before.at
        ? null
        : Math.max(0, ((cpuSeconds - before.cpuSeconds) / ((now.at - before.at) / 1000)) * 100);
    before = now;
    return percent;
  };
}
