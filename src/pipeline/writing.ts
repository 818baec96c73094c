import { mkdtemp, rename, rmdir, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { UsageError } from '../errors.ts';
import { makeFolder } from '../make-folder.ts';

/** What keeps us from writing a file, in a person's words, and what helps. No bug of ours is among these. */
const obstacles: Readonly<Record<string, { found: string; remedy: string }>> = {
  EACCES: {
    found: 'this user has no write permission here',
    remedy: 'Give this user write permission, or choose another path',
  },
  EPERM: {
    found: 'this user has no write permission here',
    remedy: 'Give this user write permission, or choose another path',
  },
  EROFS: { found: 'the file system is read-only', remedy: 'Choose another path' },
  ENOENT: { found: 'a folder cannot be created here', remedy: 'Choose another path' },
  ENOTDIR: { found: 'there is a file where a folder is needed', remedy: 'Move the file, or choose another path' },
  EEXIST: { found: 'there is a file where a folder is needed', remedy: 'Move the file, or choose another path' },
  EISDIR: { found: 'there is a folder where a file is needed', remedy: 'Move the folder, or choose another path' },
  ENOSPC: { found: 'the disk is full', remedy: 'Free some space, or choose a path on another disk' },
  EDQUOT: { found: 'the quota of this user is used up', remedy: 'Free some space, or choose a path on another disk' },
};

/** Do `write`, which writes to `path` and to nothing else. @throws UsageError naming what is in the way, and where */
export async function writing<T>(path: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (cause) {
    const obstacle = obstacles[codeOf(cause)];
    if (obstacle === undefined) throw cause;
    throw new UsageError({ ...obstacle, expected: `to write ${path}`, where: await nearestThere(path), cause });
  }
}

/** A file appears whole or not at all. @throws UsageError where it cannot be written */
export function writeWhole(path: string, content: string | Uint8Array): Promise<void> {
  return writing(path, async () => {
    await makeFolder(dirname(path));
    const temporary = `${path}.${process.pid}.tmp`;
    await writeFile(temporary, content);
    await rename(temporary, path);
  });
}

/** Ask before the long work whether files can be written into a folder, which is made. @throws UsageError where they cannot */
export function requireWritable(folder: string): Promise<void> {
  return writing(folder, async () => {
    await makeFolder(folder);
    await rmdir(await mkdtemp(join(folder, '.writable-')));
  });
}

/** DuckDB writes files too, and says in words what the system said. */
function codeOf(cause: unknown): string {
  if (!(cause instanceof Error)) return '';
  if ('code' in cause && typeof cause.code === 'string') return cause.code;
  return cause.message.includes('No space left on device') ? 'ENOSPC' : '';
}

/** The path, or the nearest folder above it that is there: that is what is in the way. */
async function nearestThere(path: string): Promise<string> {
  const above = dirname(path);
  return stat(path).then(
    () => path,
    () => (above === path ? path : nearestThere(above)),
  );
}
