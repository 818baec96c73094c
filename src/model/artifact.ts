import { pulledWith } from '../config/elsewhere.ts';
import { nearestPath } from '../config/near-path.ts';
import { createHash } from 'node:crypto';
import { constants, copyFile, mkdir, readFile, realpath, stat } from 'node:fs/promises';
import { dirname, join, posix, sep } from 'node:path';
import { ModelError, openingFault } from '../errors.ts';
import { canonicalJson } from '../evidence/canonical.ts';
import type { Artifact } from '../evidence/evidence.ts';
import type { Signature } from '../evidence/signature.ts';
import { fileDigest } from '../file-digest.ts';
import type { ModelProto } from './onnx.ts';

/** A model on this machine, its external data files included. */
export interface LocalArtifact extends Artifact {
  /** Absolute path of the model file. */
  path: string;
  /** The model file, then its external data files in the order of their names; paths are absolute. */
  files: { path: string; sha256: string; size: number }[];
  /** Null where its text is longer than any model of use has. */
  signature: Signature | null;
  /** What its metadata says; absent where that is longer than any of use. */
  metadata?: Record<string, string>;
}

/** Protobuf itself allows no larger message. */
const largestModel = 2 ** 31;

/** Characters of JSON: some ten thousand inputs. */
const longestSignature = 2 ** 20;

/**
 * Identify a model file. Of a single file `sha256` is the digest of its bytes; of a model with external data it is the
 * digest of the canonical JSON of `[{name: "model", sha256, size}, {name: <location>, sha256, size}, ...]`, locations sorted.
 * @throws ModelError for a file that is missing, empty, a Git LFS pointer, an HTML page, not ONNX or cut off, and for
 * external data that is missing, too short or outside the folder of the model (refused before it is opened)
 */
export async function localModel(path: string, uri: string): Promise<LocalArtifact> {
  const { bytes, model, sha256, size, files } = await modelFiles(path, uri, (_location, from) => Promise.resolve(from));
  const { signatureOf } = await import('./onnx.ts');
  const stated = signatureOf(model);
  const signature = JSON.stringify(stated).length > longestSignature ? null : stated;
  const metadata = Object.fromEntries(model.metadataProps.map(({ key, value }) => [key, value]));
  const isShort = JSON.stringify(metadata).length <= longestSignature;
  const identity = { role: 'model', uri, sha256, size: bytes.length + size } as const;
  return { ...identity, path, files, signature, ...(isShort ? { metadata } : {}) };
}

/** Which bytes a process loaded: `sha256` is that of the whole model, its external data included. */
export interface Opened {
  path: string;
  sha256: string;
}

/** @throws ModelError where a process opened other bytes than those that will be recorded */
export function requireSame(artifact: Pick<LocalArtifact, 'sha256' | 'uri'>, opened: Opened): void {
  if (opened.sha256 === artifact.sha256) return;
  throw new ModelError({
    found: `the model has changed since this run began: sha256 ${opened.sha256} was opened`,
    expected: `sha256 ${artifact.sha256}, which would be recorded`,
    where: artifact.uri.replace(/^file:/u, ''),
    remedy: 'Run again when no other process writes to the model',
  });
}

/** A model file as it was read, and copies of its external data: what was hashed, and nothing else, is what is loaded. */
export interface OpenedModel {
  uri: string;
  bytes: Buffer;
  model: ModelProto;
  opened: Opened;
  /** Holds copies of the files that the model declares, and no other file. */
  folder: string;
}

/**
 * Read a model for loading. Its external data is copied into `folder`, a private one: from there the runtime can load
 * nothing that the digest does not cover, and nothing that is changed meanwhile.
 * @throws ModelError as `localModel`
 */
export async function openModel(path: string, uri: string, folder: string): Promise<OpenedModel> {
  const { bytes, model, sha256 } = await modelFiles(path, uri, async (location, from) => {
    const to = join(folder, location);
    await mkdir(dirname(to), { recursive: true });
    await copyFile(from, to, constants.COPYFILE_FICLONE).catch((cause: NodeJS.ErrnoException) => {
      throw unreadableWeights(cause, location, uri);
    });
    return to;
  });
  return { uri, bytes, model, opened: { path, sha256 }, folder };
}

/** The files of a model and their digest. `take` says where the external data file at a location is to be read. */
async function modelFiles(
  path: string,
  address: string,
  take: (location: string, from: string) => Promise<string>,
): Promise<{ bytes: Buffer; model: ModelProto; sha256: string; size: number; files: LocalArtifact['files'] }> {
  const uri = typed(address);
  const bytes = await readModel(path, uri);
  const { parseModel } = await import('./onnx.ts');
  const model = parseModel(bytes, uri);
  const locations = [...model.externalData].toSorted(([a], [b]) => (a < b ? -1 : 1));
  const own = { path, sha256: createHash('sha256').update(bytes).digest('hex'), size: bytes.length };
  if (locations.length === 0) return { bytes, model, sha256: own.sha256, size: 0, files: [own] };
  // All are judged before the first is opened.
  const paths = await Promise.all(locations.map(([location]) => insideFolder(path, location, uri)));
  const files = [own];
  for (const [index, [location, needed]] of locations.entries()) {
    const beside = await take(innerPath(location, uri), paths[index] as string);
    const { size } = await stat(beside);
    if (size < needed) {
      throw new ModelError({
        found: `the external data ${quote(location)} has ${size} bytes`,
        expected: `at least ${needed} bytes, which the model refers to`,
        where: uri,
        remedy: 'The file is truncated or belongs to another model: upload it again',
      });
    }
    const sha256 = await fileDigest(beside).catch((cause: NodeJS.ErrnoException) => {
      throw unreadableWeights(cause, location, uri);
    });
    files.push({ path: beside, sha256, size });
  }
  const named = files.map(({ sha256, size }, index) => ({ name: locations[index - 1]?.[0] ?? 'model', sha256, size }));
  return {
    bytes,
    model,
    sha256: createHash('sha256').update(canonicalJson(named)).digest('hex'),
    size: files.slice(1).reduce((sum, file) => sum + file.size, 0),
    files,
  };
}

/** Where a model file says its weights are, relative to its folder; each judged to stay inside it. @throws ModelError */
export async function externalLocations(path: string, uri: string): Promise<string[]> {
  const { parseModel } = await import('./onnx.ts');
  const locations = [...parseModel(await readModel(path, uri), uri).externalData.keys()];
  return locations.map((location) => innerPath(location, uri));
}

/** An address as a person wrote it: of a file the path alone. */
function typed(address: string): string {
  return address.replace(/^file:/u, '');
}

/** The bytes of a model file, once what often stands in its place is told apart. @throws ModelError */
export async function readModel(path: string, address: string): Promise<Buffer> {
  const uri = typed(address);
  const info = await stat(path).catch(async (cause: NodeJS.ErrnoException) => {
    const near = await nearestPath(path, uri, /\.onnx$/u);
    throw new ModelError({
      found: openingFault(cause),
      expected: 'an ONNX model',
      where: uri,
      remedy:
        pulledWith(path, uri) ??
        (near === undefined
          ? 'Check the path; a model kept elsewhere is named as {uri, sha256}'
          : `Did you mean ${JSON.stringify(near)}?`),
      cause,
    });
  });
  if (!info.isFile()) {
    throw new ModelError({
      found: info.isDirectory() ? 'this is a folder' : 'this is not a file',
      expected: 'an ONNX model',
      where: uri,
      remedy: 'Name the file itself',
    });
  }
  if (info.size === 0) {
    throw new ModelError({
      found: 'the file is empty',
      expected: 'an ONNX model',
      where: uri,
      remedy: 'Export or upload it again',
    });
  }
  if (info.size >= largestModel) {
    throw new ModelError({
      found: `the file has ${info.size} bytes`,
      expected: 'less than 2 GiB, the most that the ONNX format allows in one file',
      where: uri,
      remedy: 'Export the weights as external data',
    });
  }
  const bytes = await readFile(path).catch((cause: NodeJS.ErrnoException) => {
    throw new ModelError({
      found: openingFault(cause),
      expected: 'a readable ONNX model',
      where: uri,
      remedy: 'Check the permissions of the file',
      cause,
    });
  });
  const text = bytes.subarray(0, 512).toString('latin1');
  if (text.startsWith('version https://git-lfs')) {
    throw new ModelError({
      found: 'this is a Git LFS pointer, not the model',
      where: uri,
      remedy: "Run 'git lfs pull' first (actions/checkout: lfs: true)",
    });
  }
  if (/^\s*(?:<!doctype html|<html|<head|<\?xml)/iu.test(text)) {
    throw new ModelError({
      found: 'this is an HTML page, not a model: the download went wrong',
      where: uri,
      remedy: 'Open the URL in a browser: it probably serves a login or error page',
    });
  }
  return bytes;
}

/** Where an external data file lies. Refuses, without opening anything, what is not inside the folder of the model. */
async function insideFolder(model: string, location: string, uri: string): Promise<string> {
  const folder = dirname(model);
  const path = join(folder, innerPath(location, uri));
  const real = await realpath(path).catch(() => null);
  if (real === null) {
    throw new ModelError({
      found: `the model keeps its weights in ${quote(location)}, which is not there`,
      expected: 'the external data file beside the model',
      where: uri,
      remedy: 'Upload it together with the model',
    });
  }
  if (!real.startsWith((await realpath(folder)) + sep)) {
    throw new ModelError({
      found: `refused: the external data ${quote(location)} is a link to a file outside the folder of the model`,
      where: uri,
    });
  }
  const info = await stat(real).catch((cause: NodeJS.ErrnoException) => {
    throw unreadableWeights(cause, location, uri);
  });
  if (!info.isFile()) {
    throw new ModelError({
      found: `the external data ${quote(location)} is ${info.isDirectory() ? 'a folder' : 'not a file'}`,
      expected: 'the file that holds the weights, beside the model',
      where: uri,
      remedy: 'Export the model again, and upload it together with that file',
    });
  }
  return path;
}

function unreadableWeights(cause: NodeJS.ErrnoException, location: string, uri: string): ModelError {
  const full = cause.code === 'ENOSPC';
  return new ModelError({
    found: full
      ? `there is no room to copy the external data ${quote(location)} of the model`
      : `the external data ${quote(location)}: ${openingFault(cause)}`,
    expected: full ? undefined : 'a readable file beside the model',
    where: uri,
    remedy: full ? 'Free some space, or set TMPDIR to another folder' : 'Check the permissions of the file',
    cause,
  });
}

/** The location in its plainest form. @throws ModelError for one that leads out of the folder of the model */
function innerPath(location: string, uri: string): string {
  const normal = posix.normalize(location);
  // A step up that comes down again, too, leads elsewhere where a folder is a link.
  const climbs = location.split('/').includes('..') || normal.startsWith('/') || /^[a-z]:|[\\\0]/iu.test(location);
  // The runtime takes this name for an address in its memory.
  const memory = location.includes('_ORT_MEM_ADDR_');
  if (!climbs && !memory && normal !== '.' && location !== '') return normal;
  throw new ModelError({
    found: `refused: the model refers to a file outside its own folder (${quote(location)})`,
    expected: 'external data beside the model',
    where: uri,
    remedy: 'Do not use a model from a source that you do not trust',
  });
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 200));
}
