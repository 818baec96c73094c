import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { RegistryError } from '../errors.ts';
import { fileDigest } from '../file-digest.ts';
import { entryAt, readBlobs, type TreeEntry } from './git/objects.ts';
import { commitAt, isShallow, type Repository } from './git/repository.ts';
import { gitEnvironment, gitSettings } from './git/run.ts';

/**
 * Write a file as a commit holds it to `to`; of one kept in Git LFS the bytes it points at.
 *
 * @param uri where it was recorded to be, for messages
 * @throws RegistryError when the commit, the file or its bytes are not here
 */
export async function extractCommitted(
  repository: Repository,
  uri: string,
  commit: string,
  path: string,
  to: string,
): Promise<void> {
  if ((await commitAt(repository, commit)) === null) {
    throw new RegistryError({
      found: `commit ${commit.slice(0, 12)}, which holds the model, is not in this clone`,
      where: uri,
      remedy: (await isShallow(repository))
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
  // Git LFS: the repository holds a pointer, the bytes lie in the local store or, checked out, in the work tree.
  const places = [
    join(repository.commonFolder, 'lfs', 'objects', pointer.slice(0, 2), pointer.slice(2, 4), pointer),
    ...(repository.bare ? [] : [join(repository.folder, path)]),
  ];
  for (const place of places) {
    const digest = await fileDigest(place).catch(() => null);
    if (digest === pointer) return copyFile(place, to);
  }
  throw new RegistryError({
    found: 'the model is kept in Git LFS and its bytes are not here',
    where: uri,
    remedy: `Fetch them: git lfs fetch origin ${commit} (in a workflow: actions/checkout with lfs: true)`,
  });
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

/** The sha256 a Git LFS pointer names; null for any other file (git-lfs docs/spec.md: pointers are below 1024 bytes). */
export async function pointerIn(repository: Repository, entry: TreeEntry): Promise<string | null> {
  if (entry.size >= 1024) return null;
  const text = (await readBlobs(repository, [entry])).get(entry.oid)?.toString('utf8') ?? '';
  if (!text.startsWith('version https://git-lfs.github.com/spec/')) return null;
  return /^oid sha256:([0-9a-f]{64})$/mu.exec(text)?.[1] ?? null;
}
