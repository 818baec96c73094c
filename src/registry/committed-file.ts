import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { copyFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { RegistryError } from '../errors.ts';
import { fileDigest } from '../file-digest.ts';
import { entriesAt, entryAt, readBlobs, type TreeEntry } from './git/objects.ts';
import { commitAt, isShallow, type Repository } from './git/repository.ts';
import { fetchQuietly, openToRead, usualRemotes } from './git/remote.ts';
import { gitBytes, gitEnvironment, gitSettings, partsOf } from './git/run.ts';
import { fetchLfsObject, requireLfsObjects, type LfsFile, type LfsPointer } from './lfs.ts';
import type { ArtifactAccess } from './workflow-artifact.ts';

/**
 * Write a file as a commit holds it to `to`; of one kept in Git LFS the bytes it points at, from here or from the LFS server.
 *
 * @param uri where it was recorded to be, for messages
 * @throws RegistryError when the commit or the file is not here, or the bytes cannot be had
 */
export async function extractCommitted(
  repository: Repository,
  uri: string,
  commit: string,
  path: string,
  to: string,
  access: ArtifactAccess,
): Promise<void> {
  if ((await findCommit(repository, commit)) !== 'here') {
    throw new RegistryError({
      found: `commit ${commit.slice(0, 12)}, which contains the model, is not in this clone`,
      where: uri,
      remedy: isShallow(repository)
        ? 'Clone the whole history (actions/checkout with fetch-depth: 0), or run git fetch --unshallow'
        : `Fetch it: git fetch origin ${commit}`,
    });
  }
  const entry = await entryAt(repository, commit, path);
  if (entry?.type !== 'blob') {
    throw new RegistryError({ found: `commit ${commit.slice(0, 12)} has no file ${path}`, where: uri });
  }
  const pointer = await pointerIn(repository, entry);
  if (pointer === null) return extractBlob(repository, entry.oid, to);
  const { oid } = pointer;
  // Git LFS: the repository holds a pointer, the bytes lie in the local store or, checked out, in the work tree.
  const places = [
    join(repository.commonFolder, 'lfs', 'objects', oid.slice(0, 2), oid.slice(2, 4), oid),
    ...(repository.bare ? [] : [join(repository.folder, path)]),
  ];
  for (const place of places) {
    const digest = await fileDigest(place).catch(() => null);
    if (digest === oid) return copyFile(place, to);
  }
  await fetchLfsObject(repository, uri, pointer, to, access);
}

/**
 * See that a commit is here: a checkout of one commit does not have that of the champion, and the remotes are asked for it.
 * `nowhere`: there are remotes, and all say that they do not have it either. `unknown`: it is not here, and no more can be said.
 */
export async function findCommit(repository: Repository, commit: string): Promise<'here' | 'nowhere' | 'unknown'> {
  if ((await commitAt(repository, commit)) !== null) return 'here';
  const depth = isShallow(repository) ? ['--depth=1'] : [];
  const remotes = [];
  for (const name of await usualRemotes(repository)) remotes.push(...(await openToRead(repository, name)));
  let denials = 0;
  for (const remote of remotes) {
    const { stderr } = await fetchQuietly(remote, [...depth, '--', remote.place, commit]);
    if ((await commitAt(repository, commit)) !== null) return 'here';
    if (/not our ref/u.test(stderr)) denials += 1;
  }
  return remotes.length > 0 && denials === remotes.length ? 'nowhere' : 'unknown';
}

/** Those of `paths` that a commit keeps in Git LFS. */
export async function filesInLfs(repository: Repository, commit: string, paths: readonly string[]): Promise<LfsFile[]> {
  const files: LfsFile[] = [];
  for (const entry of await entriesAt(repository, commit, paths)) {
    const pointer = await pointerIn(repository, entry);
    if (pointer !== null) files.push({ path: entry.path, pointer });
  }
  return files;
}

/**
 * See that others can fetch the bytes of files that are recorded as committed.
 *
 * @param remote that the clone pushes to
 * @throws RegistryError when they cannot
 */
export async function requireFetchable(
  repository: Repository,
  remote: string | undefined,
  files: readonly LfsFile[],
  access: ArtifactAccess,
): Promise<void> {
  const name = files.length === 0 ? undefined : (remote ?? (await usualRemotes(repository))[0]);
  if (name !== undefined) await requireLfsObjects(repository, name, files, access);
}

/**
 * Files at `paths`, or below them, as git wrote them to the work tree: `converted` with other bytes than the last commit has (other line
 * endings, another encoding, a filter), and `inLfs` with those that a pointer names. Told by their sizes, since data is large.
 *
 * @param paths from the top of the repository: files and folders
 */
export async function filesAsWritten(
  repository: Repository,
  paths: readonly string[],
): Promise<{ converted: string[]; inLfs: LfsFile[] }> {
  const converted: string[] = [];
  const inLfs: LfsFile[] = [];
  const commit = paths.length === 0 ? null : await commitAt(repository, 'HEAD');
  if (commit === null) return { converted, inLfs };
  const listed = await gitBytes(repository.folder, ['ls-files', '-z', '--full-name', '--', ...paths]);
  const names = new Set(partsOf(listed));
  for (const entry of await entriesAt(repository, commit, [], '-r')) {
    if (!names.has(entry.path)) continue;
    if (entry.type !== 'blob' || entry.mode === '120000') continue;
    const size = await stat(join(repository.folder, entry.path)).then(
      (file) => file.size,
      () => null,
    );
    if (size === null || size === entry.size) continue;
    const pointer = await pointerIn(repository, entry);
    if (pointer?.size === size) inLfs.push({ path: entry.path, pointer });
    else converted.push(entry.path);
  }
  return { converted, inLfs };
}

/** Streamed: a model may be larger than memory. */
async function extractBlob(repository: Repository, oid: string, to: string): Promise<void> {
  const child = spawn('git', [...gitSettings(repository.folder), 'cat-file', 'blob', oid], {
    cwd: repository.folder,
    env: gitEnvironment(),
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const ended = new Promise<number | null>((done) => child.on('close', done).on('error', () => done(null)));
  await pipeline(child.stdout, createWriteStream(to));
  if ((await ended) !== 0)
    throw new RegistryError({ found: `git could not read object ${oid}`, remedy: 'Run git fsck' });
}

/** What a Git LFS pointer names; null for any other file (git-lfs docs/spec.md: pointers are below 1024 bytes). */
export async function pointerIn(repository: Repository, entry: TreeEntry): Promise<LfsPointer | null> {
  if (entry.size >= 1024) return null;
  const text = (await readBlobs(repository, [entry])).get(entry.oid)?.toString('utf8') ?? '';
  if (!text.startsWith('version https://git-lfs.github.com/spec/')) return null;
  const oid = /^oid sha256:([0-9a-f]{64})$/mu.exec(text)?.[1];
  const size = /^size ([0-9]{1,15})$/mu.exec(text)?.[1];
  return oid === undefined || size === undefined ? null : { oid, size: Number(size) };
}
