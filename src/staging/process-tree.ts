import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { residentBytes, statOf } from '../processes.ts';
import { ticksPerSecond, type ProcessUsage } from './process-usage.ts';

/** A process and all it started, also what left its group or its parent: they carry a mark in their environment. */
export interface ProcessTree {
  /** The first process, which leads a session of its own. */
  root: number;
  /** `NAME=value` that stands in the environment of every process of the tree. */
  mark: string;
}

interface ProcessEntry {
  pid: number;
  name: string;
  parent: number;
  session: number;
  group: number;
  state: string;
  ticks: number;
}

/** Numbers of the processes of the tree that live; on a system without /proc only the first, whose group stands for all. */
async function membersOf(tree: ProcessTree): Promise<number[]> {
  const entries = await allProcesses();
  if (entries === null) return isAlive(tree.root) ? [tree.root] : [];
  return (await livingOf(tree, entries)).map(({ pid }) => pid);
}

async function livingOf({ root, mark }: ProcessTree, entries: readonly ProcessEntry[]): Promise<ProcessEntry[]> {
  const found = new Set(related(entries, root).map(({ pid }) => pid));
  await Promise.all(
    entries.map(async ({ pid, state }) => {
      if (found.has(pid) || state === 'Z') return;
      const environment = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '');
      if (environment.split('\0').includes(mark)) found.add(pid);
    }),
  );
  found.delete(process.pid);
  return entries.filter(({ pid }) => found.has(pid));
}

/** What the tree uses: memory in proportion where processes share it, and the CPU time also of those that have ended. Null: it has ended. */
export async function treeUsage(tree: ProcessTree): Promise<ProcessUsage | null> {
  const entries = await allProcesses();
  const members = entries === null ? [] : await livingOf(tree, entries);
  if (members.length === 0) return null;
  const memory = await Promise.all(members.map(({ pid }) => memoryOf(pid)));
  return {
    memoryBytes: memory.reduce((sum, bytes) => sum + bytes, 0),
    cpuSeconds: members.reduce((sum, { ticks }) => sum + ticks, 0) / ticksPerSecond,
  };
}

/** What engines of containers and their helpers are called; the kernel keeps 15 characters of a name. */
const engineName =
  /^(?:dockerd|docker-proxy|containerd(?:-shim.*)?|podman|conmon|rootlessport|slirp4netns|pasta(?:\..*)?)$/u;

/** CPU time of the engines of containers so far, in seconds, which work for a container beside its own processes. Null: not known. */
export async function engineSeconds(): Promise<number | null> {
  const engines = (await allProcesses())?.filter(({ name }) => engineName.test(name));
  return engines === undefined ? null : engines.reduce((sum, { ticks }) => sum + ticks, 0) / ticksPerSecond;
}

/** End the tree: ask first, then force it. Nothing of it lives afterwards. */
export async function endTree(tree: ProcessTree, graceMs: number): Promise<void> {
  const deadline = performance.now() + graceMs;
  let members = await membersOf(tree);
  if (members.length === 0) return;
  signal(tree.root, members, 'SIGTERM');
  for (let pause = 10; members.length > 0 && performance.now() < deadline; pause = Math.min(2 * pause, 100)) {
    await sleep(pause);
    members = await membersOf(tree);
  }
  // What is started meanwhile is found in the next round.
  for (let round = 0; members.length > 0 && round < 100; round += 1) {
    signal(tree.root, members, 'SIGKILL');
    await sleep(20);
    members = await membersOf(tree);
  }
}

function signal(root: number, members: readonly number[], name: NodeJS.Signals): void {
  for (const pid of [-root, ...members]) {
    try {
      process.kill(pid, name);
    } catch {
      // It is gone already, or is not ours to end.
    }
  }
}

/** Those of the session or the group of the first, and the descendants of all these. Zombies have ended. */
function related(entries: readonly ProcessEntry[], root: number): ProcessEntry[] {
  const found = new Set(
    entries
      .filter(({ pid, session, group }) => pid === root || session === root || group === root)
      .map(({ pid }) => pid),
  );
  for (let before = -1; before !== found.size;) {
    before = found.size;
    for (const { pid, parent } of entries) if (found.has(parent)) found.add(pid);
  }
  return entries.filter(({ pid, state }) => found.has(pid) && state !== 'Z' && state !== 'X');
}

/** proc(5), /proc/pid/stat: state, parent, group, session, ..., user and system time, and those of children that were waited for. */
async function allProcesses(): Promise<ProcessEntry[] | null> {
  const names = await readdir('/proc').catch(() => null);
  if (names === null) return null;
  const entries = await Promise.all(
    names
      .filter((name) => /^[0-9]+$/u.test(name))
      .map(async (name): Promise<ProcessEntry | null> => {
        const stat = await statOf(Number(name));
        if (stat === null) return null;
        const { fields } = stat;
        const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
        return {
          pid: Number(name),
          name: stat.name,
          state: fields[0] ?? '',
          parent: Number(fields[1]),
          group: Number(fields[2]),
          session: Number(fields[3]),
          ticks,
        };
      }),
  );
  return entries.filter((entry) => entry !== null);
}

/** Pages that several processes hold count once, shared out among them, where the kernel tells (proc(5), smaps_rollup). */
async function memoryOf(pid: number): Promise<number> {
  const rollup = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8').catch(() => '');
  const shared = /^Pss:\s+(\d+) kB$/mu.exec(rollup)?.[1];
  return shared === undefined ? ((await residentBytes(pid)) ?? 0) : Number(shared) * 1024;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
