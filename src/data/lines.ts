import { createReadStream, readSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { isMainThread } from 'node:worker_threads';
import * as zlib from 'node:zlib';
import type { Readable, Transform } from 'node:stream';
import type { TextDecoder } from 'node:util';
import { DataError } from '../errors.ts';
import { packingOf } from './relation.ts';

/** Longest line or cell accepted, in bytes. */
export const longestLine = 16 * 1024 * 1024;

const blockSize = 1024 * 1024;

export interface Line {
  /** 1-based line of the file. */
  number: number;
  bytes: Buffer;
}

/** Of Node before 22.15 there is none for Zstandard. */
const zstd = (zlib as { createZstdDecompress?: (options: { chunkSize: number }) => Transform }).createZstdDecompress;

/** @throws DataError for Zstandard where this Node has none */
export function unpacker(packing: 'gzip' | 'zstd'): Transform {
  const options = { chunkSize: 256 * 1024 };
  if (packing === 'gzip') return zlib.createGunzip(options);
  if (zstd !== undefined) return zstd(options);
  throw new DataError({
    found: `Node ${process.versions.node} does not read Zstandard`,
    expected: 'Node 22.15 or later, or gzip',
    remedy: 'Run a later Node, or compress the data with gzip',
  });
}

/** The bytes of a file, unpacked when its name ends in .gz or .zst. */
export function byteStream(path: string): Readable {
  const raw = createReadStream(path, { highWaterMark: blockSize });
  const packing = packingOf(path);
  if (packing === null) return raw;
  const unpacked = unpacker(packing);
  raw.on('error', (cause) => unpacked.destroy(cause));
  unpacked.on('close', () => raw.destroy());
  return raw.pipe(unpacked);
}

/**
 * Give the bytes of a file to a reader that takes them as far as they are whole rows; what it leaves comes again, with more after it.
 * They are read into one buffer, which grows with the longest row, and are good until `take` returns.
 * @param take says how many bytes it took, or -1 to end
 * @param onRead gets each byte once
 * @returns what is left at the end: bytes after the last line end; null where `take` ended it, or the rest is longer than a line may be
 */
export async function takeRows(
  { path, start, end }: { path: string; start?: number; end?: number },
  take: (bytes: Buffer) => number,
  onRead?: (bytes: Buffer) => void,
  /** Gives a larger buffer, which begins with what the one before it has. */
  room: (size: number, before?: Buffer) => Buffer = ownRoom,
): Promise<Buffer | null> {
  let buffer = room(2 * blockSize);
  let length = 0;
  for await (const read of blocks()) {
    onRead?.(buffer.subarray(length, length + read));
    length += read;
    const taken = take(buffer.subarray(0, length));
    if (taken < 0) return null;
    buffer.copyWithin(0, taken, length);
    length -= taken;
    if (length > longestLine) return null;
  }
  return buffer.subarray(0, length);

  /** Puts the next bytes behind those that are there, and says how many. */
  async function* blocks(): AsyncGenerator<number> {
    if (packingOf(path) !== null) {
      for await (const bytes of byteStream(path)) {
        makeRoom((bytes as Buffer).length);
        yield (bytes as Buffer).copy(buffer, length);
      }
      return;
    }
    const file = await open(path);
    try {
      for (let at = start ?? 0; ;) {
        makeRoom(blockSize);
        const most = Math.min(blockSize, (end ?? Infinity) - at);
        // A thread that does nothing else waits for no other.
        const bytesRead = isMainThread
          ? (await file.read(buffer, length, most, at)).bytesRead
          : readSync(file.fd, buffer, length, most, at);
        if (bytesRead === 0) return;
        at += bytesRead;
        yield bytesRead;
      }
    } finally {
      await file.close();
    }
  }

  function makeRoom(more: number): void {
    if (length + more <= buffer.length) return;
    buffer = room(2 * (length + more), buffer.subarray(0, length));
  }
}

function ownRoom(size: number, before?: Buffer): Buffer {
  const larger = Buffer.allocUnsafe(size);
  before?.copy(larger);
  return larger;
}

/**
 * The lines of a file that are not blank, in batches, without their line ends.
 * @throws DataError for a line longer than 16 MiB
 */
export async function* lineBatches(path: string, uri: string): AsyncGenerator<Line[]> {
  let rest = Buffer.alloc(0);
  let number = 0;
  for await (const piece of byteStream(path)) {
    const bytes = Buffer.concat([rest, piece as Buffer]);
    const lines: Line[] = [];
    let start = 0;
    for (let end = bytes.indexOf(10); end !== -1; end = bytes.indexOf(10, start)) {
      number += 1;
      const line = bytes.subarray(start, end);
      if (!isBlank(line)) lines.push({ number, bytes: line });
      start = end + 1;
    }
    rest = bytes.subarray(start);
    if (rest.length > longestLine) {
      throw new DataError({
        found: 'a line is longer than 16 MiB',
        expected: 'one row per line',
        where: `${uri}:${number + 1}`,
      });
    }
    if (lines.length > 0) yield lines;
  }
  if (!isBlank(rest)) yield [{ number: number + 1, bytes: rest }];
}

/** Space, tab and carriage return are JSON's white space within a line. */
function isBlank(line: Buffer): boolean {
  return line.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0d);
}

export interface JsonRow {
  value: unknown;
  /** Why there is no object: the line is not JSON, not UTF-8, or not an object. */
  broken?: string;
}

/** The object of one line, by `readJson`. */
export function jsonRow(utf8: TextDecoder, bytes: Buffer): JsonRow {
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    return { value: undefined, broken: 'the line is not UTF-8' };
  }
  const value = readJson(text);
  if (value === undefined) return { value, broken: notJson(text.trim()) };
  if (typeof value.read === 'object' && value.read !== null && !Array.isArray(value.read)) return { value: value.read };
  return { value: value.read, broken: Array.isArray(value.read) ? beginsList : 'the line is not a JSON object' };
}

const beginsList = 'the line begins a list, as in a file of JSON that is no JSON Lines';

function notJson(text: string): string {
  if (text.startsWith('[')) return beginsList;
  if (text.endsWith(',') && parse(text.slice(0, -1)) !== undefined)
    return 'the line ends with a comma after its object';
  return 'the line is not JSON';
}

const stringOrOther = /"(?:[^"\\]|\\.)*"|(-?)\b(?:(nan)|inf(?:inity)?)\b/giu;

/**
 * The value of a text of JSON; undefined where it is none. What programs write of numbers that JSON does not have is read as in the
 * cells of every format: NaN is null, and an infinity is one, which is no number to a contract.
 */
export function readJson(text: string): { read: unknown } | undefined {
  return (
    parse(text) ??
    parse(
      text.replace(stringOrOther, (token: string, sign: string | undefined, nan: string | undefined) => {
        if (token.startsWith('"')) return token;
        return nan === undefined ? `${sign ?? ''}1e999` : 'null';
      }),
    )
  );
}

function parse(text: string): { read: unknown } | undefined {
  try {
    return { read: JSON.parse(text) as unknown };
  } catch {
    return undefined;
  }
}
