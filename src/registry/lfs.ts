import { copyFile, rename, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { after, RegistryError } from '../errors.ts';
import { fileDigest } from '../file-digest.ts';
import { cacheFolder, trimCache } from './artifact-cache.ts';
import { download, RefusedDownload } from './download.ts';
import { credentialsFor } from './git/credentials.ts';
import { usualRemotes } from './git/remote.ts';
import type { Repository } from './git/repository.ts';
import { runGit, textOf, type GitResult } from './git/run.ts';
import { withoutQuery, refuseHop, type Address } from './hops.ts';
import { lfsServer, type LfsServer } from './lfs-server.ts';
import { ask, jsonOf } from './objects/ask.ts';
import type { ArtifactAccess } from './workflow-artifact.ts';

/** What a file holds in the place of bytes that are kept in Git LFS. */
export interface LfsPointer {
  /** sha256 of the bytes. */
  oid: string;
  size: number;
}

/** A file of which a commit holds the pointer. */
export interface LfsFile {
  /** From the top of the repository, or an address; for messages. */
  path: string;
  pointer: LfsPointer;
}

/** An address that expires while it is used is asked for again, so many times in all. */
const asked = 3;
/** Objects that a server is asked about at once: as many as git-lfs asks for. */
const together = 100;
const batchTimeoutMs = 30_000;
const mediaType = 'application/vnd.git-lfs+json';

/**
 * Fetch the bytes of a pointer from the LFS server of the repository, verified: what is checked out is of one commit, and the bytes of
 * any other are on that server alone. Nothing is stored in `.git`; the object is kept with the other downloads.
 *
 * @param uri where the file was recorded to be, for messages
 * @throws RegistryError when they cannot be had
 */
export async function fetchLfsObject(
  repository: Repository,
  uri: string,
  pointer: LfsPointer,
  to: string,
  access: ArtifactAccess,
): Promise<void> {
  const cache = access.fresh === true ? null : await cacheFolder(pointer.oid);
  const whole = cache === null ? null : join(cache, 'object');
  if (whole !== null && (await isObject(whole, pointer))) return copyFile(whole, to);
  const remotes = await usualRemotes(repository);
  let fault: RegistryError | undefined;
  for (const remote of remotes.length === 0 ? [undefined] : remotes) {
    try {
      await fetchFrom(repository, remote, uri, pointer, whole === null ? to : `${whole}.part`, access);
      if (cache === null || whole === null) return;
      await rename(`${whole}.part`, whole);
      await trimCache(cache).catch(() => {});
      return await copyFile(whole, to);
    } catch (error) {
      if (!(error instanceof RegistryError)) throw error;
      fault ??= error;
    }
  }
  throw fault as RegistryError;
}

async function fetchFrom(
  repository: Repository,
  remote: string | undefined,
  uri: string,
  pointer: LfsPointer,
  to: string,
  access: ArtifactAccess,
): Promise<void> {
  const places = remote === undefined ? null : await placesOn(repository, remote, pointer.oid);
  if (places === null) return downloadObject(await lfsServer(repository, remote, uri), uri, pointer, to, access);
  for (const place of places) if (await isObject(place, pointer)) return copyFile(place, to);
  throw new RegistryError({
    found: `this is kept in Git LFS, and ${remote}, a folder, does not have object ${pointer.oid}`,
    where: uri,
    remedy: `Push the objects from a clone that has them: git lfs push --all ${remote}`,
  });
}

/**
 * Say before anything is recorded whether others can fetch the bytes of files. Where git-lfs is installed it pushes those that the remote
 * does not have; elsewhere, and of what the clone itself does not keep, the server or the folder that is the remote is asked.
 *
 * @throws RegistryError when they are not there
 */
export async function requireLfsObjects(
  repository: Repository,
  remote: string,
  files: readonly LfsFile[],
  access: ArtifactAccess,
): Promise<void> {
  const { folder } = repository;
  const hasLfs = (await runGit(folder, ['lfs', 'version'])).code === 0;
  const env = hasLfs ? await credentialsFor(repository, remote) : {};
  const push = (some: readonly LfsFile[]): Promise<GitResult> =>
    runGit(folder, ['lfs', 'push', '--object-id', remote, ...some.map(({ pointer }) => pointer.oid)], { env });
  for (let at = 0; at < files.length; at += together) {
    const some = files.slice(at, at + together);
    if (!hasLfs) {
      await requireOn(repository, remote, some, access);
      continue;
    }
    if ((await push(some)).code === 0) continue;
    // It gives up at the first that is not here, which the remote may have.
    for (const file of some) {
      const { code, stderr } = await push([file]);
      if (code === 0) continue;
      const asked = requireOn(repository, remote, [file], access);
      await asked.catch(
        after(RegistryError, () => {
          throw notPushed(file, `git lfs push: ${stderr.split('\n')[0] ?? ''}`);
        }),
      );
    }
  }
}

async function requireOn(
  repository: Repository,
  remote: string,
  files: readonly LfsFile[],
  access: ArtifactAccess,
): Promise<void> {
  const isFolder = (await placesOn(repository, remote, '')) !== null;
  if (!isFolder) {
    const server = await lfsServer(repository, remote, files[0]?.path ?? '');
    const objects = await batch(server, files, access);
    for (const { path, pointer } of files) objectOf(server, path, pointer, objects);
    return;
  }
  for (const file of files) {
    const { oid, size } = file.pointer;
    const places = (await placesOn(repository, remote, oid)) ?? [];
    const found = await Promise.all(places.map((place) => stat(place).catch(() => null)));
    if (!found.some((each) => each?.size === size)) throw notPushed(file, `${remote} does not have it`);
  }
}

/** Where a remote that is a folder keeps an object, bare or not; null: it is no folder. */
async function placesOn({ folder }: Repository, remote: string, oid: string): Promise<string[] | null> {
  const url = textOf(await runGit(folder, ['remote', 'get-url', '--', remote]));
  const local = /^file:\/\/(?:localhost)?(?=\/)/u.test(url);
  const place = local ? fileURLToPath(url) : /^[./]/u.test(url) ? resolve(folder, url) : null;
  if (place === null) return null;
  return [place, join(place, '.git')].map((each) =>
    join(each, 'lfs', 'objects', oid.slice(0, 2), oid.slice(2, 4), oid),
  );
}

function notPushed({ path, pointer }: LfsFile, why: string): RegistryError {
  return new RegistryError({
    found: `this is kept in Git LFS, and object ${pointer.oid.slice(0, 12)} was not pushed (${why})`,
    expected: 'an object that others can fetch',
    where: path,
    remedy: 'Nothing was recorded. Push them from a clone that has them: git lfs push --all origin',
  });
}

/** Goes on with what an earlier run left in `to`, which stays when the download breaks off. */
async function downloadObject(
  server: LfsServer,
  uri: string,
  pointer: LfsPointer,
  to: string,
  access: ArtifactAccess,
): Promise<void> {
  let begun = await stat(to).then(
    () => true,
    () => false,
  );
  for (let count = 1; ; count += 1) {
    const address = await addressOf(server, uri, pointer, access);
    try {
      await download(address, to, { limit: pointer.size, signal: access.signal });
    } catch (error) {
      const expired = error instanceof RefusedDownload && [400, 401, 403, 404, 410].includes(error.status);
      if (expired && count < asked) continue;
      throw error;
    }
    if (await isObject(to, pointer)) return;
    await rm(to, { force: true });
    if (!begun) break;
    // What an earlier run left may be at fault: once more, from nothing.
    begun = false;
  }
  throw new RegistryError({
    found: `the LFS server sent other bytes than those of object ${pointer.oid}`,
    expected: `${pointer.size} bytes with that sha256`,
    where: uri,
    remedy: 'Find out who changed them before anything else',
  });
}

async function isObject(path: string, { oid }: LfsPointer): Promise<boolean> {
  return (await fileDigest(path).catch(() => null)) === oid;
}

/** Where the bytes are. @throws RegistryError */
async function addressOf(
  server: LfsServer,
  uri: string,
  pointer: LfsPointer,
  access: ArtifactAccess,
): Promise<Address> {
  const { href, header = {} } = objectOf(server, uri, pointer, await batch(server, [{ path: uri, pointer }], access));
  if (!URL.canParse(href)) throw missingObject(server, uri, pointer, { message: 'invalid URL' });
  const at = new URL(href);
  await refuseHop(server.url, at);
  const headers = Object.entries(header).filter((each): each is [string, string] => typeof each[1] === 'string');
  return { url: at, headers: Object.fromEntries(headers) };
}

/** What the server answers of several objects ("Git LFS Batch API", docs/api/batch.md of git-lfs). */
async function batch(server: LfsServer, files: readonly LfsFile[], { signal }: ArtifactAccess): Promise<BatchObject[]> {
  const url = new URL(`${server.url.href}/objects/batch`);
  const json = {
    operation: 'download',
    transfers: ['basic'],
    objects: files.map(({ pointer: { oid, size } }) => ({ oid, size })),
    hash_algo: 'sha256',
  };
  const reply = await ask(
    { url, headers: server.headers },
    {
      json,
      headers: { accept: mediaType, 'content-type': mediaType },
      repeatable: true,
      server: 'the LFS server',
      timeoutMs: batchTimeoutMs,
      signal,
    },
  );
  const answer = jsonOf(reply);
  if (reply.status !== 200) throw refusedBatch(server, files[0]?.path ?? '', reply.status, answer['message']);
  return Array.isArray(answer['objects']) ? (answer['objects'] as BatchObject[]) : [];
}

/** How an object is downloaded. @throws RegistryError where the server does not have it as it is named */
function objectOf(
  server: LfsServer,
  uri: string,
  pointer: LfsPointer,
  objects: readonly BatchObject[],
): { href: string; header?: Record<string, unknown> } {
  const object = objects.find((each) => each?.oid === pointer.oid);
  const { href, header = {} } = object?.actions?.download ?? {};
  if (object?.error !== undefined || href === undefined) throw missingObject(server, uri, pointer, object?.error);
  if (object?.size !== pointer.size) {
    throw new RegistryError({
      found: `the LFS server has ${object?.size ?? 'no'} bytes of object ${pointer.oid}`,
      expected: `${pointer.size} bytes, as the repository says`,
      where: uri,
    });
  }
  return { href, header };
}

/** As far as it is looked at. */
interface BatchObject {
  oid?: string;
  size?: number;
  actions?: { download?: { href?: string; header?: Record<string, unknown> } };
  error?: { code?: number; message?: string };
}

function refusedBatch({ url, headers, note }: LfsServer, uri: string, status: number, message: unknown): RegistryError {
  const said = typeof message === 'string' ? `: ${message.slice(0, 200)}` : '';
  const token =
    headers === undefined
      ? 'Pass a token that may read the repository: the input token in a workflow, GITHUB_TOKEN elsewhere'
      : 'Give the token access to the repository (in a workflow: permissions: contents: read)';
  const remedy = [401, 403, 404].includes(status)
    ? token
    : status >= 300 && status < 400
      ? 'Set the remote to where the repository is now: git remote set-url origin <address>'
      : 'Check the answer of the server';
  return new RegistryError({
    found: `this is kept in Git LFS, and ${withoutQuery(url)} answered ${status}${said}`,
    where: uri,
    remedy: `${remedy}${note}`,
  });
}

function missingObject(
  { url, note }: LfsServer,
  uri: string,
  { oid }: LfsPointer,
  error: BatchObject['error'],
): RegistryError {
  const said = typeof error?.message === 'string' ? ` (${error.message.slice(0, 200)})` : '';
  return new RegistryError({
    found: `this is kept in Git LFS, and ${withoutQuery(url)} does not return object ${oid}${said}`,
    where: uri,
    remedy: `Push the objects from a clone that has them: git lfs push --all origin${note}`,
  });
}
