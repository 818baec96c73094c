import { readdir, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pulledWith } from '../../config/elsewhere.ts';
import { matches } from '../../data/wildcards.ts';
import { DataError, openingFault } from '../../errors.ts';
import { digest } from '../../evidence/canonical.ts';
import { fileDigest } from '../../file-digest.ts';

/** Identity of a file of predictions, or of all its shards: the digest of `[{name, sha256, size}, ...]`. @throws DataError */
export async function digestFiles(path: string): Promise<{ sha256: string; size: number }> {
  const paths = await filesOf(path, path);
  const files = await Promise.all(
    paths.map(async (each) => ({
      name: basename(each),
      sha256: await fileDigest(each),
      size: (await stat(each)).size,
    })),
  ).catch((cause: NodeJS.ErrnoException) => {
    throw unreadable(cause, path);
  });
  const [only] = files;
  if (only !== undefined && files.length === 1) return { sha256: only.sha256, size: only.size };
  return { sha256: digest(files), size: files.reduce((sum, file) => sum + file.size, 0) };
}

/** The file itself, or the shards that a wildcard in its last part stands for, by name. @throws DataError */
export async function filesOf(path: string, where: string): Promise<string[]> {
  const there = await stat(path).then(
    (info) => {
      // Nothing else ends, or waits for nobody.
      if (info.isFile() || info.isDirectory()) return true;
      throw new DataError({
        found: 'this is not a file (a pipe or a device?)',
        expected: 'predictions as CSV or Parquet',
        where,
        remedy: 'Write the predictions to a file',
      });
    },
    (cause: NodeJS.ErrnoException) => {
      if (cause.code === 'ENOENT') return false;
      throw unreadable(cause, where);
    },
  );
  if (there) return [path];
  const pattern = basename(path);
  const folder = dirname(path);
  const several = /[*?]/u.test(pattern);
  const names = several ? await namesIn(folder, where) : [];
  const found = names.filter((name) => matches(pattern, name)).toSorted();
  if (found.length > 0) return Promise.all(found.map((name) => shardOf(folder, name, where)));
  throw new DataError({
    found: several ? 'no file matches' : 'there is no such file',
    expected: 'predictions as CSV or Parquet',
    where,
    remedy: pulledWith(path, where) ?? 'Check the path of the predictions',
  });
}

function namesIn(folder: string, where: string): Promise<string[]> {
  return readdir(folder).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return [];
    throw unreadable(cause, where);
  });
}

function unreadable(cause: NodeJS.ErrnoException, where: string): DataError {
  return new DataError({
    found: cause.code === 'EISDIR' ? 'this is a folder' : openingFault(cause),
    expected: 'readable predictions as CSV or Parquet',
    where,
    remedy: 'Check the path of the predictions and its permissions',
    cause,
  });
}

/** A wildcard finds what lies in its folder, and no link that leads out of it. */
async function shardOf(folder: string, name: string, where: string): Promise<string> {
  const path = join(folder, name);
  const [own, real] = await Promise.all([realpath(folder), realpath(path).catch(() => path)]);
  if (real === path || dirname(real) === own) return path;
  throw new DataError({
    found: `${JSON.stringify(name.slice(0, 200))} is a link to a file outside the folder`,
    expected: 'all shards in the same folder',
    where,
    remedy: 'Replace the link with the file',
  });
}
