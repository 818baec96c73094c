import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { DataError } from '../errors.ts';
import { fileDigest } from '../file-digest.ts';
import { unpacker } from './lines.ts';
import { packingOf } from './relation.ts';

/**
 * One pass over the bytes of a file, to its end.
 * @returns the digest of the bytes as they are stored, as hexadecimal digits
 * @throws DataError when the packed stream ends early or is damaged
 */
export async function readWhole(path: string, uri: string): Promise<string> {
  const packing = packingOf(path);
  if (packing === null) return fileDigest(path);
  const hash = createHash('sha256');
  await pipeline(
    // Larger pieces than the stream's own of 64 KiB: a third of the time.
    createReadStream(path, { highWaterMark: 2 ** 20 }),
    async function* digested(pieces: AsyncIterable<Buffer>) {
      for await (const piece of pieces) {
        hash.update(piece);
        yield piece;
      }
    },
    unpacker(packing),
    async (pieces: AsyncIterable<Buffer>) => {
      for await (const _ of pieces);
    },
  ).catch((cause: NodeJS.ErrnoException) => {
    throw packingFault(cause, uri, packing);
  });
  return hash.digest('hex');
}

function packingFault(cause: NodeJS.ErrnoException, uri: string, packing: 'gzip' | 'zstd'): Error {
  if (cause.code?.startsWith('Z') !== true) return cause;
  const early = cause.code === 'Z_BUF_ERROR';
  return new DataError({
    found: early
      ? `the ${packing} stream ends early (the file is cut off)`
      : `the ${packing} stream is damaged (${cause.message.slice(0, 100)})`,
    expected: `a whole ${packing} file`,
    where: uri,
    remedy: early ? 'Copy or download the file again, or write it again' : 'Write the file again',
    cause,
  });
}
