import type { ChildProcess } from 'node:child_process';
import { readFile, readlink } from 'node:fs/promises';
import { hostname } from 'node:os';

/** Which process holds something, told so that another process can be sure when it is gone. */
export interface Owner {
  host: string;
  /** Changes with every start of the machine; null where the system does not say. */
  boot: string | null;
  /** Process numbers mean something only inside one namespace (a container has its own). */
  namespace: string | null;
  pid: number;
  /** Start of the process in clock ticks after boot: process numbers are used again. */
  started: string | null;
}

export async function thisProcess(): Promise<Owner> {
  return { ...(await place()), pid: process.pid, started: (await processState(process.pid))?.started ?? null };
}

/** Whether the owner is certainly gone. Where that cannot be known (another machine or container) the answer is no. */
export async function isGone(owner: Owner): Promise<boolean> {
  const here = await place();
  if (owner.host !== here.host) return false;
  if (owner.boot !== here.boot) return true;
  if (owner.namespace !== here.namespace) return false;
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
  if (owner.started === null) return false;
  const state = await processState(owner.pid);
  // A zombie is dead, only not yet waited for.
  return state !== null && (state.zombie || state.started !== owner.started);
}

async function place(): Promise<Pick<Owner, 'host' | 'boot' | 'namespace'>> {
  return {
    host: hostname(),
    boot: (await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => null))?.trim() ?? null,
    namespace: await readlink('/proc/self/ns/pid').catch(() => null),
  };
}

async function processState(pid: number): Promise<{ zombie: boolean; started: string } | null> {
  const fields = (await statOf(pid))?.fields;
  return fields?.[19] === undefined ? null : { zombie: fields[0] === 'Z' || fields[0] === 'X', started: fields[19] };
}

/** The fields of /proc/<pid>/stat, proc(5), after the name of the program, which may hold spaces and parentheses. Null: there is none. */
export async function statOf(pid: number): Promise<{ name: string; fields: string[] } | null> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
  if (stat === null) return null;
  const end = stat.lastIndexOf(')');
  return { name: stat.slice(stat.indexOf('(') + 1, end), fields: stat.slice(end + 2).split(' ') };
}

/** Resident memory of a process; null where it is not told. */
export async function residentBytes(pid: number): Promise<number | null> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  const kilobytes = /^VmRSS:\s+(\d+) kB$/mu.exec(status)?.[1];
  return kilobytes === undefined ? null : Number(kilobytes) * 1024;
}

/** How a process ended, in words. */
export function endText(code: number | null, signal: NodeJS.Signals | null): string {
  return signal === null ? `exit code ${code}` : `signal ${signal}`;
}

/** Wait for the end of a process, and kill it where it does not end by itself. */
export async function endedOrKilled(child: ChildProcess, ended: Promise<unknown>, graceMs: number): Promise<void> {
  const timer = setTimeout(() => child.kill('SIGKILL'), graceMs);
  await ended;
  clearTimeout(timer);
}

/** The variables of these names that are set here, for a process that is to have no others. */
export function environmentOf(names: readonly string[]): NodeJS.ProcessEnv {
  return Object.fromEntries(
    names.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  );
}
