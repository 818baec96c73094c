import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, posix } from 'node:path';
import { ModelError, RegistryError } from '../errors.ts';
import type { Artifact } from '../evidence/index.ts';
import { fileDigest } from '../file-digest.ts';
import {
  objectAddress,
  objectForms,
  objectStore,
  objectUri,
  shownAddress,
  type ObjectAddress,
} from '../object-address.ts';
import { externalLocations, localModel } from '../model/artifact.ts';
import { unpack } from './archive.ts';
import { committedPlace } from './artifact-uri.ts';
import { extractCommitted } from './committed-file.ts';
import { download, RefusedDownload } from './download.ts';
import { openRepository, type Repository } from './git/repository.ts';
import type { Address } from './hops.ts';
import { besideObject, explainedRefusal, openObject } from './objects/open.ts';
import type { OpenedObject } from './objects/opened.ts';
import { assetName, isReleaseAddress, releaseAsset } from './release-asset.ts';
import type { ArtifactAccess } from './workflow-artifact.ts';

/** Bytes of a download whose size nobody stated. */
const maximumBytes = 4 * 1024 ** 3;

/** What is to be had: `sha256` is not known of what only its archive vouches for, `size` 0 where nobody stated it. */
export interface Wanted {
  role: Artifact['role'] | 'archive' | 'data' | 'layer';
  uri: string;
  sha256: string | undefined;
  size: number;
}

/** The repository that committed files are taken from: its folder, or how it is opened. */
export type CommittedIn = string | (() => Promise<Repository>);

/**
 * Put a file into a folder, a model's external data files beside it, and verify their digest.
 * @returns the absolute path of the file
 * @throws RegistryError when they cannot be had or are not what is wanted
 */
export async function fetchInto(
  folder: string,
  source: Source,
  repository: CommittedIn,
  wanted: Wanted,
  options: ArtifactAccess,
): Promise<string> {
  const path = join(folder, fileName(source.path));
  const kept = await exists(path);
  const taken: string[] = [];
  const limit = wanted.size > 0 ? wanted.size : maximumBytes;
  const take = async (from: Source, to: string): Promise<void> => {
    taken.push(to);
    // What this run has brought already, as champion and as anchor, stays the same file: it is held while it is read.
    if (await exists(to)) return;
    await mkdir(dirname(to), { recursive: true });
    const partial = `${to}.part`;
    if ('address' in from) await downloadFrom(from.address, partial, limit, options);
    else if ('object' in from) await downloadObject(from, partial, limit, options);
    else {
      const extracted =
        'archive' in from
          ? unpack(from.archive, from.path, partial, limit, wanted.uri)
          : extractCommitted(
              await openRepository(typeof repository === 'string' ? repository : await repository(), {
                github: options.github,
              }),
              wanted.uri,
              from.commit,
              from.path,
              partial,
              options,
            );
      await extracted.catch(async (error: unknown) => {
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
      found === wanted.sha256 || wanted.role !== 'model' ? [] : await readableLocations(path, wanted.uri);
    for (const location of locations) await take(beside(source, location), join(folder, location));
    return locations.length > 0 ? (await localModel(path, wanted.uri)).sha256 : found;
  };
  const discard = async (): Promise<void> => {
    for (const each of taken.splice(0)) await rm(each, { force: true });
  };
  const begun = kept || (await exists(`${path}.part`));
  const isWanted = (sha256: string): boolean => wanted.sha256 === undefined || sha256 === wanted.sha256;
  let found = await fetchOnce().catch(async (error: unknown) => {
    await discard();
    throw error;
  });
  if (!isWanted(found) && begun) {
    // What an earlier run left may be at fault: once more, from nothing.
    await discard();
    found = await fetchOnce();
  }
  if (isWanted(found)) return path;
  await discard();
  throw otherBytes(wanted, found);
}

/** Of a private repository only the API gives the files of releases. */
async function downloadFrom(address: Address, to: string, limit: number, options: ArtifactAccess): Promise<void> {
  const limits = { limit, signal: options.signal };
  try {
    await download(address, to, limits);
  } catch (error) {
    const asset =
      error instanceof RefusedDownload && [401, 403, 404].includes(error.status) && options.github !== undefined
        ? await releaseAsset(address.url, options.github, options.log)
        : null;
    if (asset === null) throw error;
    await download(asset, to, limits);
  }
}

/** What an address of a store vouches for is verified whatever else is: it may be all that is known. */
async function downloadObject(
  { object, opened }: Extract<Source, { object: ObjectAddress }>,
  to: string,
  limit: number,
  { signal }: ArtifactAccess,
): Promise<void> {
  const ready = opened ?? (await openObject(object, signal));
  const uri = objectUri(ready.object);
  try {
    await download(ready.address, to, { limit, signal });
  } catch (error) {
    throw explainedRefusal(error, ready, uri);
  }
  const found = ready.sha256 === undefined ? undefined : await fileDigest(to);
  if (found === ready.sha256) return;
  await rm(to, { force: true });
  throw otherBytes({ role: 'layer', uri, sha256: ready.sha256, size: 0 }, found ?? '');
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** Where the bytes of one file are: in a commit of this repository, at an address, in a store, or in an archive on this machine. */
export type Source =
  | { commit: string; path: string }
  | { address: Address; path: string }
  | { object: ObjectAddress; path: string; opened?: OpenedObject }
  | { archive: string; path: string };

export function sourceOf(uri: string): Source {
  const committed = committedPlace(uri);
  if (committed !== null) return committed;
  if (/^https?:/u.test(uri) && URL.canParse(uri)) {
    const url = new URL(uri);
    return { address: { url }, path: url.pathname };
  }
  const object = objectAddress(uri);
  if (object !== null) return objectSource(object);
  const store = objectStore(uri);
  throw new RegistryError({
    found: `${shownAddress(uri)} cannot be fetched`,
    expected:
      store === null
        ? 'an address of the form git:<commit>:<path>, an https URL, or an object in a store'
        : objectForms[store],
    remedy: 'Register the model again under an address that can be fetched',
  });
}

export function objectSource(object: ObjectAddress, opened?: OpenedObject): Source {
  const path = object.key ?? (object.store === 'oci' ? object.repository : '');
  return { object, path, ...(opened === undefined ? {} : { opened }) };
}

/** The file at `location`, relative to the folder of another. */
function beside(source: Source, location: string): Source {
  if ('object' in source) return objectSource(besideObject(source.object, location));
  if (!('address' in source)) return { ...source, path: posix.join(posix.dirname(source.path), location) };
  // A release has no folders.
  const name = isReleaseAddress(source.address.url) ? assetName(basename(location)) : location;
  const url = new URL(name.split('/').map(encodeURIComponent).join('/'), source.address.url);
  url.search = source.address.url.search;
  return { address: { url }, path: url.pathname };
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

/** The bytes were had, and are not those that are wanted. */
export class OtherBytes extends RegistryError {}

function otherBytes({ role, uri, sha256 }: Wanted, found: string): OtherBytes {
  const what: Partial<Record<Wanted['role'], string>> = {
    archive: 'the archive that was uploaded',
    data: 'the data that the configuration names',
    layer: 'the layer that the manifest names',
  };
  const meant = what[role] ?? 'the recorded model';
  return new OtherBytes({
    found: `the bytes have sha256 ${found}`,
    expected: sha256,
    where: shownAddress(uri),
    remedy: `They are not ${meant}. Find out who changed them before anything else`,
  });
}

/** The last part of a path or address, safe as a file name. */
export function fileName(source: string): string {
  const name = basename(source).replace(/[^A-Za-z0-9._-]/gu, '_');
  return /^\.*$/u.test(name) ? 'model' : name.slice(-100);
}
