import { readFile } from 'node:fs/promises';
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
  const [status, fields] = await Promise.all([
    readFile(`/proc/${pid}/status`, 'utf8').catch(() => null),
    statFields(pid),
  ]);
  const resident = /^VmRSS:\s+(\d+) kB$/mu.exec(status ?? '')?.[1];
  if (resident === undefined || fields === null) return null;
  return {
    memoryBytes: Number(resident) * 1024,
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / ticksPerSecond,
  };
}

/** When a process started, in ticks since the machine did: with the pid, an identity that is never used twice. */
export async function processStart(pid: number): Promise<string | null> {
  return (await statFields(pid))?.[19] ?? null;
}

/** The fields of /proc/pid/stat after the name of the program, which may hold spaces and parentheses. */
async function statFields(pid: number): Promise<string[] | null> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
  return stat === null ? null : stat.slice(stat.lastIndexOf(')') + 2).split(' ');
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
