import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import type { Entry, ZipFile } from 'yauzl';
import { RegistryError } from '../errors.ts';

/*
 * Zip archives that others made: nothing in them is believed. Only one named file at a time is taken out, to a path that the caller
 * chooses, and what is written is counted.
 */

/** Their names are held in memory. */
const mostEntries = 100_000;

/**
 * The file of an archive that an address means: the one it names, or the only one, or the only ONNX model.
 *
 * @param uri the address, for messages
 * @throws RegistryError when there is none or more than one, with what is there
 */
export function chosenFile(archive: string, named: string | undefined, uri: string): Promise<string> {
  return reading(archive, uri, async (zip) => (await entryOf(zip, named, uri)).fileName);
}

/**
 * Write a file of an archive to `to`.
 *
 * @param limit more bytes than this are refused, whatever the archive says of its size
 * @throws RegistryError when there is no such file, for one that is encrypted, a link or too large, and for a damaged archive
 */
export async function unpack(archive: string, file: string, to: string, limit: number, uri: string): Promise<void> {
  await reading(archive, uri, async (zip) => {
    const entry = await entryOf(zip, file, uri);
    refuseUnusual(entry, uri);
    let size = 0;
    await pipeline(
      await zip.openReadStreamPromise(entry),
      async function* counted(chunks: AsyncIterable<Buffer>) {
        for await (const chunk of chunks) {
          size += chunk.length;
          if (size > limit) {
            throw new RegistryError({ found: `${quoted(file)} has more than ${limit} bytes`, where: uri });
          }
          yield chunk;
        }
      },
      createWriteStream(to),
    );
  });
}

async function reading<T>(archive: string, uri: string, work: (zip: ZipFile) => Promise<T>): Promise<T> {
  const { openPromise } = await import('yauzl');
  try {
    const zip = await openPromise(archive, { autoClose: false });
    try {
      return await work(zip);
    } finally {
      zip.close();
    }
  } catch (error) {
    if (error instanceof RegistryError) throw error;
    throw new RegistryError({
      found: `this cannot be read as a zip archive (${(error as Error).message})`,
      where: uri,
      remedy: 'Upload it again with actions/upload-artifact and its default archive: true',
      cause: error,
    });
  }
}

async function entryOf(zip: ZipFile, named: string | undefined, uri: string): Promise<Entry> {
  if (zip.entryCount > mostEntries) {
    throw new RegistryError({
      found: `the archive has ${zip.entryCount} entries`,
      expected: `at most ${mostEntries}`,
      where: uri,
    });
  }
  const all: Entry[] = [];
  // Names that are absolute or lead out of the archive are an error of yauzl's.
  for await (const entry of zip.eachEntry()) if (!entry.fileName.endsWith('/')) all.push(entry);
  const models = all.filter(({ fileName }) => fileName.endsWith('.onnx'));
  const fitting =
    named !== undefined ? all.filter(({ fileName }) => fileName === named) : all.length === 1 ? all : models;
  const [only] = fitting;
  if (only !== undefined && fitting.length === 1) return only;
  throw notThere(
    uri,
    named,
    all.map(({ fileName }) => fileName),
  );
}

function refuseUnusual(entry: Entry, uri: string): void {
  // The upper half is the mode of the file on Unix (APPNOTE.TXT, 4.4.15).
  const isLink = ((entry.externalFileAttributes >>> 16) & 0o170_000) === 0o120_000;
  if (!isLink && !entry.isEncrypted()) return;
  throw new RegistryError({
    found: `refused: ${quoted(entry.fileName)} is ${isLink ? 'a link' : 'encrypted'}`,
    expected: 'a regular file, as actions/upload-artifact stores it',
    where: uri,
  });
}

function notThere(uri: string, named: string | undefined, all: readonly string[]): RegistryError {
  const times = all.filter((name) => name === named).length;
  const shown = all.slice(0, 20).map(quoted).join(', ');
  const there =
    all.length === 0 ? 'it is empty' : `it holds ${shown}${all.length > 20 ? `, ${all.length} in all` : ''}`;
  const found =
    named === undefined
      ? 'it is not clear which file of the archive is meant'
      : `the archive has ${times === 0 ? 'no file' : `${times} files`} ${quoted(named)}`;
  return new RegistryError({
    found: `${found}: ${there}`,
    expected: named === undefined ? 'one file, or one file that ends in .onnx' : 'this file, once',
    where: uri,
    remedy: 'Name the file after #, by its path in the archive',
  });
}

function quoted(name: string): string {
  return JSON.stringify(name.slice(0, 200));
}
