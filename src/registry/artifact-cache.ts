import { access, constants, readdir, rm, stat, utimes } from 'node:fs/promises';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { makeFolder } from '../make-folder.ts';

/** What is kept at most; beyond it the least recently used goes. */
const maximumBytes = 10 * 1024 ** 3;

/**
 * The folder that keeps the files of a downloaded artifact between runs, named after its digest, made if need be: below
 * CONTENDER_CACHE, or XDG_CACHE_HOME or ~/.cache. Null where nothing can be kept. What is in it is to be verified at every use.
 */
export async function cacheFolder(sha256: string): Promise<string | null> {
  const root = cacheRoot();
  if (root === null) return null;
  const folder = join(root, sha256);
  try {
    await makeFolder(folder, 0o700);
    await access(folder, constants.W_OK);
    const now = new Date();
    await utimes(folder, now, now);
    return folder;
  } catch {
    return null;
  }
}

/** Remove what was not used for longest, until the rest is within the limit. `kept` stays in any case. */
export async function trimCache(kept: string): Promise<void> {
  const root = cacheRoot();
  if (root === null) return;
  const folders = await Promise.all(
    (await readdir(root)).map(async (name) => {
      const path = join(root, name);
      return { path, used: (await stat(path)).mtimeMs, bytes: await bytesIn(path) };
    }),
  );
  let total = folders.reduce((sum, { bytes }) => sum + bytes, 0);
  for (const { path, bytes } of folders.toSorted((a, b) => a.used - b.used)) {
    if (total <= maximumBytes) return;
    if (path === kept) continue;
    await rm(path, { recursive: true, force: true });
    total -= bytes;
  }
}

function cacheRoot(): string | null {
  const named = process.env['CONTENDER_CACHE'];
  if (named !== undefined && named !== '') return isAbsolute(named) ? join(named, 'artifacts') : null;
  const shared = process.env['XDG_CACHE_HOME'];
  if (shared !== undefined && isAbsolute(shared)) return join(shared, 'contender', 'artifacts');
  return isAbsolute(homedir()) ? join(homedir(), '.cache', 'contender', 'artifacts') : null;
}

async function bytesIn(folder: string): Promise<number> {
  const names = await readdir(folder, { recursive: true });
  const sizes = await Promise.all(names.map(async (name) => (await stat(join(folder, name))).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}
