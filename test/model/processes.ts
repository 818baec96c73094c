import { readdir, readFile } from 'node:fs/promises';

/** Ids of the processes with models that this process (or another) started and that live. */
export async function predictionProcesses(parent: number = process.pid): Promise<number[]> {
  const found: number[] = [];
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/u.test(name)) continue;
    const status = await statusOf(name);
    const command = await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '');
    if (status.includes(`PPid:\t${parent}\n`) && /(?:predict|model)-process/u.test(command) && !ended(status)) {
      found.push(Number(name));
    }
  }
  return found;
}

export async function isAlive(pid: number): Promise<boolean> {
  const status = await statusOf(String(pid));
  return status !== '' && !ended(status);
}

function statusOf(pid: string): Promise<string> {
  return readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
}

/** A zombie lives no more; it only waits to be counted. */
function ended(status: string): boolean {
  return /^State:\s+Z/mu.test(status);
}
