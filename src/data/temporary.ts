import { existsSync, rmSync } from 'node:fs';
import { lstat, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DataError } from '../errors.ts';
import { isGone, thisProcess, type Owner } from '../processes.ts';

const kinds = ['duckdb', 'models', 'process', 'weights', 'workspace'] as const;
const ownerFile = 'contender-owner.json';
const made = new Set<string>();
process.once('exit', removeMade);

/**
 * A private folder for temporary files, gone when this process ends. It says whose it is: a process that is killed cannot remove it.
 * @throws DataError where there is no room or no right to make one
 */
export async function temporaryFolder(kind: (typeof kinds)[number]): Promise<string> {
  try {
    const folder = await mkdtemp(join(tmpdir(), `contender-${kind}-`));
    for (const each of made) if (!existsSync(each)) made.delete(each);
    made.add(folder);
    await writeFile(join(folder, ownerFile), JSON.stringify(await thisProcess()));
    return folder;
  } catch (cause) {
    throw new DataError({
      found: `temporary files cannot be created: ${cause instanceof Error ? cause.message : String(cause)}`,
      where: tmpdir(),
      remedy: 'Free some space, or set TMPDIR to another folder',
      cause,
    });
  }
}

/** A private folder for as long as `work` takes. @throws DataError as `temporaryFolder` */
export async function withTemporaryFolder<T>(
  kind: (typeof kinds)[number],
  work: (folder: string) => Promise<T>,
): Promise<T> {
  const folder = await temporaryFolder(kind);
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** What an end in the middle leaves. */
function removeMade(): void {
  for (const folder of made) {
    try {
      rmSync(folder, { recursive: true, force: true });
    } catch {
      // It stays, and is swept later.
    }
  }
}

/** Remove the temporary folders of processes that are gone for certain. What cannot be removed stays. */
export async function sweepTemporaryFolders(): Promise<void> {
  const names = await readdir(tmpdir()).catch(() => []);
  await Promise.all(
    names
      .filter((name) => kinds.some((kind) => name.startsWith(`contender-${kind}-`)))
      .map((name) => removeStale(join(tmpdir(), name)).catch(() => {})),
  );
}

async function removeStale(folder: string): Promise<void> {
  const info = await lstat(folder);
  // Of others' folders nothing is believed, nor of links.
  if (!info.isDirectory() || info.uid !== process.getuid?.()) return;
  const owner = JSON.parse(await readFile(join(folder, ownerFile), 'utf8')) as Owner;
  if (await isGone(owner)) await rm(folder, { recursive: true, force: true });
}
