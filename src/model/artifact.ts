import { createHash } from 'node:crypto';
import { open, readFile, realpath, stat } from 'node:fs/promises';
import { dirname, join, posix, sep } from 'node:path';
import { ModelError, openingFault } from '../errors.ts';
import { canonicalJson } from '../evidence/canonical.ts';
import type { Artifact } from '../evidence/evidence.ts';
import type { Signature } from '../evidence/signature.ts';
import { fileDigest } from '../file-digest.ts';

/** A model on this machine, its external data files included. */
export interface LocalArtifact extends Artifact {
  /** Absolute path of the model file. */
  path: string;
  /** The model file, then its external data files in the order of their names; paths are absolute. */
  files: { path: string; sha256: string; size: number }[];
  /** Null where its text is longer than any model of use has. */
  signature: Signature | null;
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
  const bytes = await readModel(path, uri);
  const { parseModel, signatureOf } = await import('./onnx.ts');
  const model = parseModel(bytes, uri);
  const stated = signatureOf(model);
  const signature = JSON.stringify(stated).length > longestSignature ? null : stated;
  const { externalData } = await import('./external-data.ts');
  const locations = [...externalData(model)].toSorted(([a], [b]) => (a < b ? -1 : 1));
  const own = { path, sha256: createHash('sha256').update(bytes).digest('hex'), size: bytes.length };
  if (locations.length === 0) {
    return { role: 'model', uri, sha256: own.sha256, size: own.size, path, files: [own], signature };
  }
  // All are judged before the first is opened.
  const paths = await Promise.all(locations.map(([location]) => insideFolder(path, location, uri)));
  const files = [own];
  for (const [index, [location, needed]] of locations.entries()) {
    const beside = paths[index] as string;
    const { size } = await stat(beside);
    if (size < needed) {
      throw new ModelError({
        found: `the external data ${quote(location)} has ${size} bytes`,
        expected: `at least ${needed} bytes, which the model refers to`,
        where: uri,
        remedy: 'The file is cut off or of another model: upload it again',
      });
    }
    files.push({ path: beside, sha256: await fileDigest(beside), size });
  }
  const named = files.map(({ sha256, size }, index) => ({ name: locations[index - 1]?.[0] ?? 'model', sha256, size }));
  return {
    role: 'model',
    uri,
    sha256: createHash('sha256').update(canonicalJson(named)).digest('hex'),
    size: files.reduce((sum, file) => sum + file.size, 0),
    path,
    files,
    signature,
  };
}

/** Where a model file says its weights are, relative to its folder; each judged to stay inside it. @throws ModelError */
export async function externalLocations(path: string, uri: string): Promise<string[]> {
  const { parseModel } = await import('./onnx.ts');
  const { externalData } = await import('./external-data.ts');
  const locations = [...externalData(parseModel(await readModel(path, uri), uri)).keys()];
  return locations.map((location) => innerPath(location, uri));
}

/** The bytes of a model file, once what often stands in its place is told apart. @throws ModelError */
export async function readModel(path: string, uri: string): Promise<Buffer> {
  const info = await stat(path).catch((cause: NodeJS.ErrnoException) => {
    throw new ModelError({
      found: openingFault(cause),
      expected: 'an ONNX model',
      where: uri,
      remedy: 'Check the path; a model kept elsewhere is named as {uri, sha256}',
      cause,
    });
  });
  if (!info.isFile()) throw new ModelError({ found: 'this is not a file', expected: 'an ONNX model', where: uri });
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
  const head = Buffer.alloc(Math.min(512, info.size));
  const file = await open(path);
  try {
    await file.read(head, 0, head.length, 0);
  } finally {
    await file.close();
  }
  const text = head.toString('latin1');
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
      remedy: 'Open the address in a browser: a login or an error page is what a machine gets there',
    });
  }
  return readFile(path);
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
  return path;
}

/** The location in its plainest form. @throws ModelError for one that leads out of the folder of the model */
function innerPath(location: string, uri: string): string {
  const normal = posix.normalize(location);
  const climbs =
    normal === '..' || normal.startsWith('../') || normal.startsWith('/') || /^[a-z]:|[\\\0]/iu.test(location);
  if (!climbs && location !== '') return normal;
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
