import { createHash } from 'node:crypto';
import { deflateSync } from 'node:zlib';
import { RegistryError } from '../../errors.ts';
import { maximumBytes, tooLarge, type GitObject } from './object-stream.ts';
import { askedOnce, type Repository } from './repository.ts';
import { git, gitBytes, moreSpace, partsOf, runGit } from './run.ts';

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

/** Every file below a folder of a commit, at any depth; none when the folder is not there. */
export async function listFiles(repository: Repository, commit: string, folder: string): Promise<TreeEntry[]> {
  const entries = await entriesAt(repository, commit, [`${folder}/`], '-r');
  return entries.map((entry) => ({ ...entry, path: entry.path.slice(folder.length + 1) }));
}

/** The names of the folders directly below a folder of a commit. */
export async function listFolders(repository: Repository, commit: string, folder: string): Promise<string[]> {
  const entries = await entriesAt(repository, commit, [`${folder}/`]);
  return entries.filter(({ type }) => type === 'tree').map(({ path }) => path.slice(folder.length + 1));
}

/** The entry of one path of a commit, or null. */
export async function entryAt(repository: Repository, commit: string, path: string): Promise<TreeEntry | null> {
  return (await entriesAt(repository, commit, [path])).find((entry) => entry.path === path) ?? null;
}

/** The entries of a few paths of a commit, those that are there, by their path from the top. @param options of git ls-tree */
export async function entriesAt(
  { folder }: Repository,
  commit: string,
  paths: readonly string[],
  ...options: string[]
): Promise<TreeEntry[]> {
  return parseEntries(
    await gitBytes(folder, ['ls-tree', ...options, '-l', '-z', '--full-tree', commit, '--', ...paths]),
  );
}

/** The bytes of blobs, by object name. @throws RegistryError when one is absent or far too large */
export async function readBlobs(repository: Repository, entries: readonly TreeEntry[]): Promise<Map<string, Buffer>> {
  const huge = entries.find((entry) => entry.size > maximumBytes);
  if (huge !== undefined) throw tooLarge(huge.size, huge.path);
  const names = [...new Set(entries.map((entry) => entry.oid))];
  const objects = await repository.objects.read(names);
  return new Map(names.map((name, index) => [name, bytesOf(name, 'blob', objects[index])]));
}

function bytesOf(name: string, type: 'blob' | 'tree', object: GitObject | null | undefined): Buffer {
  if (object?.type === type) return object.bytes;
  throw unreadable(name, object?.type ?? 'missing');
}

function unreadable(oid: string, what: string): RegistryError {
  return new RegistryError({
    found: `object ${oid} cannot be read (${what})`,
    remedy: 'The repository is damaged or a partial clone: run git fsck, or clone it in full',
  });
}

export interface NewObject {
  type: 'blob' | 'tree' | 'tag';
  bytes: Uint8Array;
}

/** As packs count types (gitformat-pack). */
const packedTypes = { tree: 2, blob: 3, tag: 4 };

/** Store objects exactly as they are, all through one git process, which is given a pack and unpacks it. @throws RegistryError */
export async function writeObjects(repository: Repository, objects: readonly NewObject[]): Promise<void> {
  const header = Buffer.from('PACK\0\0\0\x02\0\0\0\0', 'latin1');
  header.writeUInt32BE(objects.length, 8);
  const packed = objects.flatMap(({ type, bytes }) => [
    packedHeader(type, bytes.length),
    deflateSync(bytes, { level: 1 }),
  ]);
  const pack = Buffer.concat([header, ...packed]);
  const input = Buffer.concat([pack, createHash(repository.objectFormat).update(pack).digest()]);
  const stored = await runGit(repository.folder, ['unpack-objects', '-q'], { input });
  if (stored.code === 0) return;
  throw new RegistryError({
    found: `git cannot store anything: ${stored.stderr.split('\n')[0] ?? ''}`,
    where: repository.folder,
    remedy: moreSpace(stored.stderr, repository.folder) ?? 'Make the repository writable for this user',
  });
}

/** Say before long work whether something can be stored. @throws RegistryError where not */
export function requireStorable(repository: Repository): Promise<void> {
  return writeObjects(repository, [{ type: 'blob', bytes: new Uint8Array() }]);
}

/** Four bits of the size beside the type, and seven in each byte after it; the first bit of a byte says that another follows. */
function packedHeader(type: NewObject['type'], size: number): Uint8Array {
  const bytes = [(packedTypes[type] << 4) | (size & 15)];
  for (let rest = Math.floor(size / 16); rest > 0; rest >>>= 7) {
    bytes[bytes.length - 1] = (bytes.at(-1) as number) | 0x80;
    bytes.push(rest & 0x7f);
  }
  return Uint8Array.from(bytes);
}

/** The name git gives to an object. */
export function objectName({ type, bytes }: NewObject, algorithm: Repository['objectFormat']): string {
  return createHash(algorithm).update(`${type} ${bytes.length}\0`).update(bytes).digest('hex');
}

/** The object name git gives to a blob with these bytes. */
export function blobOid(bytes: Uint8Array, algorithm: Repository['objectFormat'] = 'sha1'): string {
  return objectName({ type: 'blob', bytes }, algorithm);
}

/**
 * The tree of `commit` (null: an empty one) with some plain files added or replaced, or taken away. Only the folders on the way to them are read and
 * written, so the cost does not grow with the repository, and no index is involved.
 *
 * @param files bytes by path; null: no such file
 */
export async function treeWith(
  repository: Repository,
  commit: string | null,
  files: ReadonlyMap<string, Uint8Array | null>,
): Promise<string> {
  const objects: NewObject[] = [];
  const changed = [...files].map(([path, bytes]) => {
    const parts = path.split('/');
    if (bytes === null) return { parts, oid: null };
    objects.push({ type: 'blob', bytes });
    return { parts, oid: blobOid(bytes, repository.objectFormat) };
  });
  const { oid } = await addLevel(repository, commit === null ? null : `${commit}^{tree}`, changed, objects);
  await writeObjects(repository, objects);
  return oid;
}

/**
 * Names are handled as bytes (latin1): a repository may hold names that are not UTF-8, and they must survive. Neighbours that a partial
 * clone has not fetched are named, not read.
 *
 * @param objects is given the trees to store
 */
async function addLevel(
  repository: Repository,
  tree: string | null,
  files: readonly { parts: string[]; oid: string | null }[],
  objects: NewObject[],
): Promise<{ oid: string; empty: boolean }> {
  const entries = new Map((tree === null ? [] : await readTree(repository, tree)).map((entry) => [entry.name, entry]));
  for (const file of files.filter((each) => each.parts.length === 1)) {
    const name = asBytes(file.parts[0] as string);
    if (file.oid === null) entries.delete(name);
    else entries.set(name, { mode: plainFile, oid: file.oid, name });
  }
  const deeper = files.filter((each) => each.parts.length > 1);
  for (const folder of new Set(deeper.map((each) => each.parts[0] as string))) {
    const name = asBytes(folder);
    const known = entries.get(name);
    if (known !== undefined && known.mode !== treeMode) {
      const what = { '120000': 'symbolic link', '160000': 'commit' }[known.mode] ?? 'blob';
      throw new RegistryError({
        found: `${folder} is committed as a ${what}`,
        expected: 'a folder for the registry',
        remedy: 'Remove it, or set registry.path to another folder',
      });
    }
    const inside = deeper
      .filter((each) => each.parts[0] === folder)
      .map(({ parts, oid }) => ({ parts: parts.slice(1), oid }));
    const { oid, empty } = await addLevel(repository, known?.oid ?? null, inside, objects);
    if (empty) entries.delete(name);
    else entries.set(name, { mode: treeMode, oid, name });
  }
  // git's order: by bytes, a folder as if its name ended with a slash.
  const key = ({ mode, name }: TreeLine): string => (mode === treeMode ? `${name}/` : name);
  const lines = [...entries.values()].toSorted((a, b) => (key(a) < key(b) ? -1 : 1));
  const bytes = Buffer.concat(
    lines.flatMap(({ mode, oid, name }) => [Buffer.from(`${mode} ${name}\0`, 'latin1'), Buffer.from(oid, 'hex')]),
  );
  objects.push({ type: 'tree', bytes });
  return { oid: objectName({ type: 'tree', bytes }, repository.objectFormat), empty: lines.length === 0 };
}

/** A line of a tree object; its name is bytes (latin1). */
interface TreeLine {
  mode: string;
  oid: string;
  name: string;
}

const treeMode = '40000';

async function readTree(repository: Repository, tree: string): Promise<TreeLine[]> {
  const bytes = bytesOf(tree, 'tree', (await repository.objects.read([tree]))[0]);
  const width = repository.objectFormat === 'sha256' ? 32 : 20;
  const lines: TreeLine[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = bytes.indexOf(0, at);
    const [, mode = '', name = ''] = /^0*(\d+) (.*)$/su.exec(bytes.toString('latin1', at, end)) ?? [];
    at = end + 1 + width;
    lines.push({ mode, name, oid: bytes.toString('hex', end + 1, at) });
  }
  return lines;
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

/** Who commits and tags: git's configured person, or Contender where git knows nobody. */
export async function identity(
  repository: Repository,
): Promise<Record<`GIT_${'AUTHOR' | 'COMMITTER'}_${'NAME' | 'EMAIL'}`, string>> {
  const values = await settings(repository, '^user\\.(name|email)$');
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

/** The settings of git whose names match a pattern. */
const settings = askedOnce(async ({ folder }, pattern) => {
  const { stdout } = await runGit(folder, ['config', '--null', '--get-regexp', pattern]);
  return new Map(
    partsOf(stdout).map((entry) => [entry.slice(0, entry.indexOf('\n')), entry.slice(entry.indexOf('\n') + 1)]),
  );
});

function parseEntries(listing: Buffer): TreeEntry[] {
  return partsOf(listing).map((line) => {
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
