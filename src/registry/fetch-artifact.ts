import { join } from 'node:path';
import { RegistryError } from '../errors.ts';
import { addressOfFile, workflowArtifact, type Artifact, type WorkflowArtifact } from '../evidence/index.ts';
import { isPinned, objectAddress, objectUri } from '../object-address.ts';
import { chosenFile } from './archive.ts';
import { cacheFolder, trimCache } from './artifact-cache.ts';
import {
  fetchInto,
  fileName,
  objectSource,
  sourceOf,
  type CommittedIn,
  type Source,
  type Wanted,
} from './fetch-files.ts';
import { withoutQuery } from './hops.ts';
import { openObject } from './objects/open.ts';
import { releaseAddress } from './release-asset.ts';
import { explained, storedArtifact, UnavailableArtifact, type ArtifactAccess } from './workflow-artifact.ts';

export interface FetchOptions extends ArtifactAccess {
  /** The release of the version, by its tag: it has the file of an artifact of a workflow run that is gone. */
  release?: string | undefined;
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
  repository: CommittedIn,
  artifact: Artifact,
  folder: string,
  options: FetchOptions,
): Promise<string> {
  try {
    return (await fetchFrom(repository, artifact, folder, options)).path;
  } catch (error) {
    const uri = error instanceof UnavailableArtifact ? inRelease(artifact.uri, options) : null;
    if (!(error instanceof UnavailableArtifact) || uri === null) throw error;
    try {
      const { path } = await fetchFrom(repository, { ...artifact, uri }, folder, options);
      options.log.info(`${error.fault.found}: taken from ${uri} instead.`);
      return path;
    } catch (other) {
      if (!(other instanceof RegistryError)) throw other;
      throw new RegistryError({
        ...error.fault,
        found: `${error.fault.found}; from the other address: ${other.message}`,
      });
    }
  }
}

export interface FetchedModel {
  path: string;
  /** The address it came from, the file in an archive named, and the version of an object in a store. */
  uri: string;
}

/** The same for a model that a person named, without a digest where the address vouches for the bytes. @throws RegistryError */
export function fetchNamed(
  repository: CommittedIn,
  model: Pick<Wanted, 'uri' | 'sha256'>,
  folder: string,
  options: FetchOptions,
): Promise<FetchedModel> {
  return fetchFrom(repository, { ...model, role: 'model', size: 0 }, folder, options);
}

/** The same for data at an address, whose query may be a secret. @throws RegistryError */
export async function fetchData(
  repository: CommittedIn,
  address: string,
  sha256: string,
  folder: string,
  options: FetchOptions,
): Promise<FetchedModel> {
  if (objectAddress(address) !== null) {
    return fetchFrom(repository, { role: 'data', uri: address, sha256, size: 0 }, folder, options);
  }
  const url = new URL(address);
  const wanted: Wanted = { role: 'data', uri: withoutQuery(url), sha256, size: 0 };
  const path = await fetchKept(folder, { address: { url }, path: url.pathname }, repository, wanted, options);
  return { path, uri: wanted.uri };
}

async function fetchFrom(
  repository: CommittedIn,
  wanted: Wanted,
  folder: string,
  options: FetchOptions,
): Promise<FetchedModel> {
  const object = objectAddress(wanted.uri);
  if (object !== null && !isPinned(object)) {
    // Which version it is now must be known, be the bytes kept or not: it is what is recorded.
    const opened = await openObject(object, options.signal);
    const uri = objectUri(opened.object);
    return {
      path: await fetchKept(folder, objectSource(opened.object, opened), repository, { ...wanted, uri }, options),
      uri,
    };
  }
  const artifact = workflowArtifact(wanted.uri);
  if (artifact === null) {
    return { path: await fetchKept(folder, sourceOf(wanted.uri), repository, wanted, options), uri: wanted.uri };
  }
  const archive = await fetchArchive(artifact, repository, wanted, join(folder, 'archive'), options);
  const path = await chosenFile(archive, artifact.file, wanted.uri);
  return {
    path: await fetchInto(folder, { archive, path }, repository, wanted, options),
    uri: addressOfFile(wanted.uri, path),
  };
}

/** The archive of an artifact of a workflow run, verified where GitHub states its digest. */
async function fetchArchive(
  artifact: WorkflowArtifact,
  repository: CommittedIn,
  { uri, sha256 }: Wanted,
  folder: string,
  options: FetchOptions,
): Promise<string> {
  const stored = await storedArtifact(uri, artifact, options);
  if (stored.sha256 === null && sha256 === undefined) {
    throw new RegistryError({
      found: 'the server states no digest of this artifact of a workflow run',
      expected: '{uri, sha256}',
      where: uri,
      remedy: 'Add the sha256 of the file',
    });
  }
  const wanted: Wanted = { role: 'archive', uri, sha256: stored.sha256 ?? undefined, size: 0 };
  try {
    return await fetchKept(folder, { address: stored.address, path: 'archive.zip' }, repository, wanted, options);
  } catch (error) {
    throw explained(error, uri, options.github?.token);
  }
}

/** Where the release of the version has the file of an artifact of a workflow run; null where there is none. */
function inRelease(uri: string, { release, github }: FetchOptions): string | null {
  const artifact = workflowArtifact(uri);
  if (artifact?.file === undefined || release === undefined) return null;
  return releaseAddress(artifact.site, github?.repository ?? artifact.repository, release, fileName(artifact.file));
}

/** Into the folder that keeps downloads from run to run, where there is one and it will do; else into `folder`. */
async function fetchKept(
  folder: string,
  source: Source,
  repository: CommittedIn,
  wanted: Wanted,
  options: FetchOptions,
): Promise<string> {
  const { sha256 } = wanted;
  const keep = ('address' in source || 'object' in source) && sha256 !== undefined && options.fresh !== true;
  const cache = keep ? await cacheFolder(sha256) : null;
  if (cache === null) return fetchInto(folder, source, repository, wanted, options);
  const path = await fetchInto(cache, source, repository, wanted, options);
  await trimCache(cache).catch(() => {});
  return path;
}
