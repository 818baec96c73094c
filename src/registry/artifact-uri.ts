import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { copyFile, mkdir, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, posix, relative, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { ModelError, RegistryError } from '../errors.ts';
import type { Artifact } from '../evidence/index.ts';
import { fileDigest } from '../file-digest.ts';
import type { Log } from '../log.ts';
import { externalLocations, localModel } from '../model/artifact.ts';
import { cacheFolder, trimCache } from './artifact-cache.ts';
import { download, RefusedDownload } from './download.ts';
import { entryAt, readBlobs, type TreeEntry } from './git/objects.ts';
import { commitAt, isShallow, openRepository, type Repository } from './git/repository.ts';
import { gitEnvironment, gitSettings } from './git/run.ts';
import { releaseAsset, type AssetAccess } from './release-asset.ts';

/** Bytes of a download whose size nobody stated. */
const maximumBytes = 4 * 1024 ** 3;

/**
 * The address under which a model's bytes can be found for as long as the repository lives: `git:<commit>:<path>`.
 *
 * @param repository a folder in the repository
 * @param path absolute path of the model file
 * @param beside absolute paths of its external data files, which must be committed too
 * @throws RegistryError when a file is not committed as it is
 */
export async function immutableModelUri(
  repository: string,
  path: string,
  beside: readonly string[] = [],
): Promise<string> {
  const opened = await openRepository(repository);
  const commit = await commitAt(opened, 'HEAD');
  for (const each of beside) await committedPath(opened, commit, each);
  return `git:${commit}:${await committedPath(opened, commit, path)}`;
}

/** The path of a file in a commit that holds it as it is. @throws RegistryError */
async function committedPath(opened: Repository, commit: string | null, path: string): Promise<string> {
  const inside = relative(opened.folder, await realpath(path))
    .split(sep)
    .join('/');
  const remedy = `Commit it first: git add ${shellWord(inside)} && git commit`;
  if (inside.startsWith('../') || isAbsolute(inside)) {
    throw new RegistryError({
      found: `${path} is outside the repository`,
      expected: 'a committed file, so that what the registry names cannot change',
      remedy: 'Copy it into the repository and commit it, or name an https URL with its sha256',
    });
  }
  const entry = commit === null ? null : await entryAt(opened, commit, inside);
  if (commit === null || entry?.type !== 'blob') {
    throw new RegistryError({
      found: 'this file is not committed',
      expected: 'a committed file, so that what the registry names cannot change',
      where: inside,
      remedy,
    });
  }
  const { size } = await stat(path);
  const named = await fileDigest(path, opened.objectFormat, `blob ${size}\0`);
  if (named !== entry.oid) {
    const pointer = await pointerIn(opened, entry);
    if (pointer === null || pointer !== (await fileDigest(path))) {
      throw new RegistryError({
        found: 'this file differs from the committed one',
        expected: `its content as in commit ${commit.slice(0, 12)}`,
        where: inside,
        remedy,
      });
    }
  }
  return inside;
}

export interface FetchOptions {
  /** Take from where it is recorded to be, whatever earlier runs kept of it: for who must know that it is still there. */
  fresh?: boolean;
  /** For files of releases of private repositories. */
  github?: AssetAccess | undefined;
  log: Log;
  signal?: AbortSignal | undefined;
}

/**
 * Bring the bytes of a recorded artifact to this machine, a model's external data files beside it, and verify their digest. What is
 * downloaded is kept for the next run, a download that broke off too, which goes on where it ended.
 *
 * @param folder where what comes from the repository is put
 * @returns the absolute path of the file, which is not to be changed
 * @throws RegistryError when they cannot be had or are not the recorded bytes
 */
export async function fetchArtifact(
  repository: string,
  artifact: Artifact,
  folder: string,
  options: FetchOptions,
): Promise<string> {
  const source = sourceOf(artifact.uri);
  const cache = 'url' in source && options.fresh !== true ? await cacheFolder(artifact.sha256) : null;
  if (cache === null) return fetchInto(folder, source, repository, artifact, options);
  const path = await fetchInto(cache, source, repository, artifact, options);
  await trimCache(cache).catch(() => {});
  return path;
}

async function fetchInto(
  folder: string,
  source: Source,
  repository: string,
  artifact: Artifact,
  options: FetchOptions,
): Promise<string> {
  const path = join(folder, fileName(source.path));
  const kept = await exists(path);
  const taken: string[] = [];
  const take = async (from: Source, to: string): Promise<void> => {
    taken.push(to);
    if ('url' in from && (await exists(to))) return;
    await mkdir(dirname(to), { recursive: true });
    const partial = `${to}.part`;
    if ('url' in from) await downloadFrom(from.url, partial, artifact, options);
    else {
      const opened = await openRepository(repository);
      await extract(opened, artifact.uri, from.commit, from.path, partial).catch(async (error: unknown) => {
        await rm(partial, { force: true });
        throw error;
      });
    }
    // Another process may have been first, with the same bytes.
    await rename(partial, to).catch(async (error: unknown) => {
      if (!(await exists(to))) throw error;
    });
  };
  const fetchOnce = async (): Promise<string> => {
    await take(source, path);
    const found = await fileDigest(path);
    // The digest of a model with external data is of all its files; which they are the model itself says.
    const locations =
      found === artifact.sha256 || artifact.role !== 'model' ? [] : await readableLocations(path, artifact.uri);
    for (const location of locations) await take(beside(source, location), join(folder, location));
    return locations.length > 0 ? (await localModel(path, artifact.uri)).sha256 : found;
  };
  const discard = async (): Promise<void> => {
    for (const each of taken.splice(0)) await rm(each, { force: true });
  };
  const begun = kept || (await exists(`${path}.part`));
  let found = await fetchOnce().catch(async (error: unknown) => {
    await discard();
    throw error;
  });
  if (found !== artifact.sha256 && begun) {
    // What an earlier run left may be at fault: once more, from nothing.
    await discard();
    found = await fetchOnce();
  }
  if (found === artifact.sha256) return path;
  await discard();
  throw otherBytes(artifact, found);
}

/** Of a private repository only the API gives the files of releases. */
async function downloadFrom(url: URL, to: string, { size }: Artifact, options: FetchOptions): Promise<void> {
  const limits = { limit: size > 0 ? size : maximumBytes, signal: options.signal };
  try {
    await download({ url }, to, limits);
  } catch (error) {
    const asset =
      error instanceof RefusedDownload && [401, 403, 404].includes(error.status) && options.github !== undefined
        ? await releaseAsset(url, options.github, options.log)
        : null;
    if (asset === null) throw error;
    await download(asset, to, limits);
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** Where the bytes of one file are: in a commit of this repository, or at an address. */
type Source = { commit: string; path: string } | { url: URL; path: string };

function sourceOf(uri: string): Source {
  const git = /^git:([0-9a-f]{40}|[0-9a-f]{64}):(.+)$/su.exec(uri);
  if (git !== null) return { commit: git[1] as string, path: git[2] as string };
  if (/^https?:/u.test(uri) && URL.canParse(uri)) {
    const url = new URL(uri);
    return { url, path: url.pathname };
  }
  throw new RegistryError({
    found: `${uri} cannot be fetched`,
    expected: 'git:<commit>:<path> or an https URL',
    remedy: 'Register the model again under an address that stays',
  });
}

/** The file at `location`, relative to the folder of another. */
function beside(source: Source, location: string): Source {
  if ('commit' in source) return { commit: source.commit, path: posix.join(posix.dirname(source.path), location) };
  const url = new URL(location.split('/').map(encodeURIComponent).join('/'), source.url);
  url.search = source.url.search;
  return { url, path: url.pathname };
}

/** What is not a model has no external data: it is told by its digest. */
async function readableLocations(path: string, uri: string): Promise<string[]> {
  try {
    return await externalLocations(path, uri);
  } catch (error) {
    if (error instanceof ModelError && !error.fault.found.startsWith('refused')) return [];
    throw error;
  }
}

async function extract(repository: Repository, uri: string, commit: string, path: string, to: string): Promise<void> {
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

function otherBytes(artifact: Artifact, found: string): RegistryError {
  return new RegistryError({
    found: `the bytes have sha256 ${found}`,
    expected: artifact.sha256,
    where: artifact.uri,
    remedy: 'They are not the recorded model. Find out who changed them before anything else',
  });
}

/** The sha256 a Git LFS pointer names; null for any other file (git-lfs docs/spec.md: pointers are below 1024 bytes). */
async function pointerIn(repository: Repository, entry: TreeEntry): Promise<string | null> {
  if (entry.size >= 1024) return null;
  const text = (await readBlobs(repository, [entry])).get(entry.oid)?.toString('utf8') ?? '';
  if (!text.startsWith('version https://git-lfs.github.com/spec/')) return null;
  return /^oid sha256:([0-9a-f]{64})$/mu.exec(text)?.[1] ?? null;
}

/** The last part of a path or address, safe as a file name. */
function fileName(source: string): string {
  const name = basename(source).replace(/[^A-Za-z0-9._-]/gu, '_');
  return /^\.*$/u.test(name) ? 'model' : name.slice(-100);
}

function shellWord(text: string): string {
  return /^[A-Za-z0-9._/-]+$/u.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
