import type { Dirent } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { basename, dirname, join, relative, sep } from 'node:path';
import { DataError, openingFault } from '../errors.ts';
import { digest } from '../evidence/canonical.ts';
import { fileDigest } from '../file-digest.ts';
import type { DatasetPart } from './relation.ts';
import { matches } from './wildcards.ts';

const mostParts = 1000;
/** Names of files of rows. */
export const dataFile = /\.(?:parquet|(?:csv|jsonl|ndjson)(?:\.(?:gz|zst))?)$/iu;

/**
 * The files that a path stands for, by name: itself; those that `*` and `?` match in any part of it; or, of a folder, all data files
 * in it and in the folders below, without those whose name begins with `_` or `.`, which programs put beside data.
 * A file with such a name as it stands goes first. Nothing is reached through a link.
 * @throws DataError where there is none, a link, or in a folder another file
 */
export async function partsOf(path: string, uri: string): Promise<DatasetPart[]> {
  const info = await lstat(path).catch(() => null);
  if (info?.isDirectory() === true) {
    const found = await filesBelow(path, uri);
    if (found.length === 0) throw none(uri, 'there are no data files in this folder');
    return asParts(path, uri, found);
  }
  if (info !== null || !/[*?]/u.test(path)) return [{ path, uri, name: basename(path) }];
  const found = await matching(path, uri);
  if (found.length === 0) throw none(uri, 'no file matches');
  return asParts(dirname(path.slice(0, path.search(/[*?]/u) + 1)), uri, found);
}

/** Identity of several files: the digest of `[{name, sha256}, ...]`; of one file its own. */
export function digestOfParts(parts: readonly Required<DatasetPart>[]): string {
  const [only] = parts;
  if (only !== undefined && parts.length === 1) return only.sha256;
  return digest(parts.map(({ name, sha256 }) => ({ name, sha256 })));
}

/** Identity of what a path stands for. @throws DataError, and what reading throws */
export async function digestOfFiles(path: string, uri: string): Promise<string> {
  const parts = await partsOf(path, uri);
  return digestOfParts(
    await Promise.all(parts.map(async (part) => ({ ...part, sha256: await fileDigest(part.path) }))),
  );
}

function asParts(base: string, uri: string, paths: readonly string[]): DatasetPart[] {
  if (paths.length > mostParts) {
    throw new DataError({
      found: `${paths.length} files`,
      expected: `at most ${mostParts}`,
      where: uri,
      remedy: 'Write fewer, larger files, or name fewer files',
    });
  }
  const shown = uri.slice(0, /[*?]/u.test(uri) ? uri.search(/[*?]/u) : undefined);
  const folder = /[*?]/u.test(uri) ? shown.slice(0, shown.lastIndexOf('/') + 1) : `${shown.replace(/\/+$/u, '')}/`;
  return paths
    .map((path) => ({ path, name: relative(base, path).split(sep).join('/') }))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ path, name }) => ({ path, name, uri: folder + name }));
}

async function filesBelow(folder: string, uri: string): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await entriesOf(folder, uri)) {
    if (/^[._]/u.test(entry.name)) continue;
    const path = join(folder, entry.name);
    if (entry.isSymbolicLink()) throw link(entry.name, uri);
    if (entry.isDirectory()) found.push(...(await filesBelow(path, uri)));
    else if (entry.isFile() && dataFile.test(entry.name)) found.push(path);
    else {
      throw new DataError({
        found: `${JSON.stringify(entry.name.slice(0, 200))} is not a data file`,
        expected: 'a folder of .csv, .jsonl, .ndjson (each may end in .gz or .zst) or .parquet files',
        where: uri,
        remedy: 'Move it to another folder, or name the files with a wildcard, such as *.parquet',
      });
    }
  }
  return found;
}

async function matching(path: string, uri: string): Promise<string[]> {
  const start = path.slice(0, path.search(/[*?]/u) + 1);
  let found = [dirname(start)];
  const patterns = relative(found[0] as string, path).split(sep);
  for (const [index, pattern] of patterns.entries()) {
    const last = index === patterns.length - 1;
    const next: string[] = [];
    for (const folder of found) {
      for (const entry of await entriesOf(folder, uri)) {
        if (!matches(pattern, entry.name) || (entry.name.startsWith('.') && !pattern.startsWith('.'))) continue;
        if (entry.isSymbolicLink()) throw link(entry.name, uri);
        if (last ? entry.isFile() : entry.isDirectory()) next.push(join(folder, entry.name));
      }
    }
    found = next;
  }
  return found;
}

function entriesOf(folder: string, uri: string): Promise<Dirent[]> {
  return readdir(folder, { withFileTypes: true }).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return [];
    throw new DataError({
      found: openingFault(cause),
      expected: 'a folder that can be read',
      where: uri,
      remedy: 'Check its permissions',
      cause,
    });
  });
}

function link(name: string, uri: string): DataError {
  return new DataError({
    found: `${JSON.stringify(name.slice(0, 200))} is a link`,
    expected: 'real files and folders, so that no file outside is read',
    where: uri,
    remedy: 'Replace the link with the file',
  });
}

function none(uri: string, found: string): DataError {
  return new DataError({ found, expected: 'files of rows', where: uri, remedy: 'Check the path' });
}
