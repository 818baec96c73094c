import { readFile } from 'node:fs/promises';

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
