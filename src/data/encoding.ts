import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { DataError } from '../errors.ts';
import { byteStream } from './lines.ts';
import type { CsvDialect, DatasetFormat, DatasetPart } from './relation.ts';

/**
 * CSV files in the encoding that the engine reads: written again into a folder where the dialect names another one than UTF-8.
 * @throws DataError for an encoding that is not known, and for bytes that are none of its characters
 */
export async function inUtf8(
  parts: readonly DatasetPart[],
  format: DatasetFormat,
  { encoding = 'utf-8' }: CsvDialect = {},
  folder: string,
): Promise<readonly DatasetPart[]> {
  if (format !== 'csv' || /^utf-?8$/iu.test(encoding)) return parts;
  const files: DatasetPart[] = [];
  for (const [index, part] of parts.entries()) {
    const path = join(folder, `${index}.csv`);
    const decoder = decoderOf(encoding);
    await pipeline(
      byteStream(part.path),
      async function* decoded(pieces: AsyncIterable<Buffer>) {
        for await (const piece of pieces) yield decoder.decode(piece, { stream: true });
        yield decoder.decode();
      },
      createWriteStream(path, { mode: 0o600 }),
    ).catch((cause: unknown) => {
      if ((cause as NodeJS.ErrnoException).code !== 'ERR_ENCODING_INVALID_ENCODED_DATA') throw cause;
      throw new DataError({
        found: `bytes that are not valid ${encoding}`,
        expected: 'text in the encoding that data.csv.encoding names',
        where: part.uri,
        remedy: 'Correct data.csv.encoding, or write the file as UTF-8',
        cause,
      });
    });
    files.push({ ...part, path });
  }
  return files;
}

function decoderOf(encoding: string): InstanceType<typeof TextDecoder> {
  try {
    return new TextDecoder(encoding, { fatal: true });
  } catch (cause) {
    throw new DataError({
      found: `the encoding ${JSON.stringify(encoding.slice(0, 80))}`,
      expected: 'a name such as utf-8, windows-1252, iso-8859-15, utf-16le or shift_jis',
      where: 'data.csv.encoding',
      remedy: 'See https://encoding.spec.whatwg.org/#names-and-labels',
      cause,
    });
  }
}
