import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RegistryError } from '../../errors.ts';
import type { Repository } from './repository.ts';
import { git, gitBytes, runGit } from './run.ts';

export interface TreeEntry {
  /** 100644 for a plain file. */
  mode: string;
  type: string;
  oid: string;
  /** Bytes of a blob; 0 for anything else. */
  size: number;
  /** Relative to the folder that was listed. */
  path: string;
}

export const plainFile = '100644';

/** No file of a registry is near this. A larger one is not read into memory. */
export const maximumBytes = 64 * 1024 * 1024;

/** Every file below a folder of a commit, at any depth; none when the folder is not there. */
export async function listFiles(repository: Repository, commit: string, folder: string): Promise<TreeEntry[]> {
  const listing = await gitBytes(repository.folder, [
    'ls-tree',
    '-r',
    '-l',
    '-z',
    '--full-tree',
    commit,
    '--',
    `${folder}/`,
  ]);
  return parseEntries(listing).map((entry) => ({ ...entry, path: entry.path.slice(folder.length + 1) }));
}

/** The names of the folders directly below a folder of a commit. */
export async function listFolders(repository: Repository, commit: string, folder: string): Promise<string[]> {
  const listing = await gitBytes(repository.folder, ['ls-tree', '-l', '-z', '--full-tree', commit, '--', `${folder}/`]);
  return parseEntries(listing)
    .filter((entry) => entry.type === 'tree')
    .map((entry) => entry.path.slice(folder.length + 1));
}

/** The entry of one path of a commit, or null. */
export async function entryAt(repository: Repository, commit: string, path: string): Promise<TreeEntry | null> {
  return (await entriesAt(repository, commit, [path])).find((entry) => entry.path === path) ?? null;
}

/** The entries of a few paths of a commit, those that are there, by their path from the top. */
export async function entriesAt(
  repository: Repository,
  commit: string,
  paths: readonly string[],
): Promise<TreeEntry[]> {
  return parseEntries(
    await gitBytes(repository.folder, ['ls-tree', '-l', '-z', '--full-tree', commit, '--', ...paths]),
  );
}

/** The bytes of blobs, by object name, in one process. @throws RegistryError when one is absent or far too large */
export async function readBlobs(repository: Repository, entries: readonly TreeEntry[]): Promise<Map<string, Buffer>> {
  refuseHuge(entries);
  const names = [...new Set(entries.map((entry) => entry.oid))];
  const contents = new Map<string, Buffer>();
  if (names.length === 0) return contents;
  const output = await gitBytes(repository.folder, ['cat-file', '--batch'], { input: `${names.join('\n')}\n` });
  let at = 0;
  for (const name of names) {
    const end = output.indexOf(0x0a, at);
    const [, type, size] = output.toString('utf8', at, end).split(' ');
    if (type !== 'blob') {
      throw unreadable(name, type ?? 'no answer');
    }
    contents.set(name, output.subarray(end + 1, end + 1 + Number(size)));
    at = end + 1 + Number(size) + 1;
  }
  return contents;
}

function unreadable(oid: string, what: string): RegistryError {
  return new RegistryError({
    found: `object ${oid} cannot be read (${what})`,
    remedy: 'The repository is damaged or a partial clone: run git fsck, or clone it in full',
  });
}

/** @throws RegistryError when one is far too large to be read into memory */
export function refuseHuge(entries: readonly TreeEntry[]): void {
  const huge = entries.find((entry) => entry.size > maximumBytes);
  if (huge === undefined) return;
  throw new RegistryError({
    found: `a file of ${huge.size} bytes`,
    where: huge.path,
    expected: `at most ${maximumBytes} bytes`,
  });
}

/** Store contents as blobs exactly as they are. Returns their object names, in order. */
export async function writeBlobs(repository: Repository, contents: readonly Uint8Array[]): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'contender-blobs-'));
  try {
    const paths = contents.map((_, index) => join(folder, String(index)));
    await Promise.all(contents.map((bytes, index) => writeFile(paths[index] as string, bytes)));
    const input = `${paths.join('\n')}\n`;
    return (await git(repository.folder, ['hash-object', '-w', '--no-filters', '--stdin-paths'], { input })).split(
      '\n',
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * The tree of `commit` (null: an empty one) with some plain files added or replaced. Only the folders on the way to them are read and
 * written, so the cost does not grow with the repository, and no index is involved.
 */
export async function treeWith(
  repository: Repository,
  commit: string | null,
  files: ReadonlyMap<string, string>,
): Promise<string> {
  return writeLevel(
    repository,
    commit === null ? null : `${commit}^{tree}`,
    [...files].map(([path, oid]) => ({ parts: path.split('/'), oid })),
  );
}

/** Names are handled as bytes (latin1): a repository may hold names that are not UTF-8, and they must survive. */
async function writeLevel(
  repository: Repository,
  tree: string | null,
  files: readonly { parts: string[]; oid: string }[],
): Promise<string> {
  const listing = tree === null ? Buffer.alloc(0) : await gitBytes(repository.folder, ['ls-tree', '-z', tree]);
  const entries = new Map(parseEntries(listing, 'latin1').map((entry) => [entry.path, entry]));
  for (const file of files.filter((each) => each.parts.length === 1)) {
    const name = asBytes(file.parts[0] as string);
    entries.set(name, { mode: plainFile, type: 'blob', oid: file.oid, size: 0, path: name });
  }
  const deeper = files.filter((each) => each.parts.length > 1);
  for (const folder of new Set(deeper.map((each) => each.parts[0] as string))) {
    const name = asBytes(folder);
    const known = entries.get(name);
    if (known !== undefined && known.type !== 'tree') {
      throw new RegistryError({
        found: `${folder} is committed as a ${known.mode === '120000' ? 'symbolic link' : known.type}`,
        expected: 'a folder of the registry',
        remedy: 'Remove it, or set registry.path to another folder',
      });
    }
    const inside = deeper
      .filter((each) => each.parts[0] === folder)
      .map(({ parts, oid }) => ({ parts: parts.slice(1), oid }));
    const oid = await writeLevel(repository, known?.oid ?? null, inside);
    entries.set(name, { mode: '040000', type: 'tree', oid, size: 0, path: name });
  }
  const lines = [...entries.values()].map((entry) => `${entry.mode} ${entry.type} ${entry.oid}\t${entry.path}\0`);
  // --missing: neighbours that a partial clone has not fetched are named, not read.
  return git(repository.folder, ['mktree', '-z', '--missing'], { input: Buffer.from(lines.join(''), 'latin1') });
}

/** Write a commit on top of `parent`, or the first of a branch. The author is git's configured one, or Contender where git knows nobody. */
export async function writeCommit(
  repository: Repository,
  tree: string,
  parent: string | null,
  message: string,
): Promise<string> {
  const args = ['commit-tree', tree, ...(parent === null ? [] : ['-p', parent])];
  return git(repository.folder, args, { input: message, env: await identity(repository) });
}

/** The object name git gives to a blob with these bytes. */
export function blobOid(bytes: Uint8Array, algorithm: Repository['objectFormat'] = 'sha1'): string {
  return createHash(algorithm).update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
}

/** Who commits and tags: git's configured person, or Contender where git knows nobody. */
export async function identity(
  repository: Repository,
): Promise<Record<`GIT_${'AUTHOR' | 'COMMITTER'}_${'NAME' | 'EMAIL'}`, string>> {
  const configured = await runGit(repository.folder, ['config', '--null', '--get-regexp', '^user\\.(name|email)$']);
  const values = new Map(
    configured.stdout
      .toString('utf8')
      .split('\0')
      .map((entry) => [entry.slice(0, entry.indexOf('\n')), entry.slice(entry.indexOf('\n') + 1)]),
  );
  const [name, email] = [values.get('user.name'), values.get('user.email')];
  const person = name && email ? { name, email } : { name: 'contender', email: 'contender@localhost' };
  const from = (variable: string, fallback: string): string => process.env[variable]?.trim() || fallback;
  return {
    GIT_AUTHOR_NAME: from('GIT_AUTHOR_NAME', person.name),
    GIT_AUTHOR_EMAIL: from('GIT_AUTHOR_EMAIL', person.email),
    GIT_COMMITTER_NAME: from('GIT_COMMITTER_NAME', person.name),
    GIT_COMMITTER_EMAIL: from('GIT_COMMITTER_EMAIL', person.email),
  };
}

function parseEntries(listing: Buffer, encoding: 'utf8' | 'latin1' = 'utf8'): TreeEntry[] {
  return listing
    .toString(encoding)
    .split('\0')
    .filter((line) => line !== '')
    .map((line) => {
      const tab = line.indexOf('\t');
      const [mode = '', type = '', oid = '', size = '0'] = line.slice(0, tab).split(/ +/u);
      // What git cannot read has the size BAD, and would be taken for a file that is not there.
      if (!/^(?:\d+|-)$/u.test(size)) throw unreadable(oid, `it is ${line.slice(tab + 1)}`);
      return { mode, type, oid, size: size === '-' ? 0 : Number(size), path: line.slice(tab + 1) };
    });
}

function asBytes(name: string): string {
  return Buffer.from(name, 'utf8').toString('latin1');
}
