import { TextDecoder } from 'node:util';
import { DataError } from '../errors.ts';
import { jsonRow, lineBatches } from './lines.ts';

/**
 * The first line that is no JSON object whose keys all differ, also in the objects within it; null where there is none.
 * @param known what the engine said: it read every line as a JSON object, so that only keys are looked at, or it could not, so that
 *   there is a reason
 * @param cause what the engine said of it
 * @throws DataError for a line that is too long
 */
export async function jsonlFault(
  path: string,
  uri: string,
  known: 'parsed' | 'unreadable',
  cause?: unknown,
): Promise<DataError | null> {
  const utf8 = new TextDecoder('utf-8', { fatal: true });
  for await (const lines of lineBatches(path, uri)) {
    for (const { number, bytes } of lines) {
      const where = `${uri}:${number}`;
      if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) {
        return new DataError({
          found: 'the line starts with a byte order mark (BOM)',
          expected: 'UTF-8 without a byte order mark, as RFC 8259 requires for JSON',
          where,
          remedy: 'Save the file as UTF-8 without a BOM',
          cause,
        });
      }
      const broken = known === 'parsed' ? undefined : jsonRow(utf8, bytes).broken;
      if (broken !== undefined) {
        const remedy = /list|comma/u.test(broken)
          ? 'Write each object on its own line, with nothing around or between them'
          : 'Fix this line';
        return new DataError({ found: broken, expected: 'one JSON object per line', where, remedy, cause });
      }
      const half = known === 'unreadable' ? halfOfPair.exec(bytes.toString('latin1'))?.[0] : undefined;
      if (half !== undefined) {
        return new DataError({
          found: `a text contains half of a surrogate pair (${half}), which is not a character`,
          expected: 'whole surrogate pairs, or the character itself',
          where,
          remedy: 'Write the text again, as UTF-8',
          cause,
        });
      }
      const twice = mayRepeatKey(bytes) ? keyTwice(utf8.decode(bytes)) : undefined;
      if (twice !== undefined) {
        return new DataError({
          found: `an object has the key ${JSON.stringify(twice.slice(0, 200))} twice`,
          expected: 'each key once',
          where,
          remedy: 'Write each key once',
          cause,
        });
      }
    }
  }
  return null;
}

const high = String.raw`\\u[dD][89abAB][0-9a-fA-F]{2}`;
const low = String.raw`\\u[dD][c-fC-F][0-9a-fA-F]{2}`;
/** An escape that is no half of a pair: JavaScript reads it, and the engine does not. */
const halfOfPair = new RegExp(`(?<!\\\\)(?:${high}(?!${low})|(?<!${high})${low})`, 'u');

/** Whether two keys of one object may be alike: a quick look at the bytes, that may be wrong only where it says yes. */
function mayRepeatKey(bytes: Buffer): boolean {
  // Hashes of the keys of all objects that are open, and where those of each object, or of a list, begin.
  const keys: number[] = [];
  const begins: number[] = [];
  let size = 0;
  let begin = 0;
  let last = 0;
  let escaped = false;
  for (let index = 0; index < bytes.length; index++) {
    switch (bytes[index]) {
      case 0x22:
        last = 0x811c9dc5;
        escaped = false;
        for (index += 1; index < bytes.length && bytes[index] !== 0x22; index++) {
          if (bytes[index] === 0x5c) {
            escaped = true;
            index += 1;
          }
          last = Math.imul(last ^ (bytes[index] ?? 0), 0x01000193);
        }
        break;
      case 0x3a:
        // Escapes write one key in several ways; of many keys a set knows more.
        if (escaped || size - begin > 64) return true;
        for (let key = begin; key < size; key++) if (keys[key] === last) return true;
        keys[size] = last;
        size += 1;
        break;
      case 0x7b:
      case 0x5b:
        begins.push(begin);
        begin = size;
        break;
      case 0x7d:
      case 0x5d:
        size = begin;
        begin = begins.pop() ?? 0;
        break;
    }
  }
  return false;
}

/** The first key that stands twice in one object of a text of JSON. */
export function keyTwice(text: string): string | undefined {
  const open: (Set<string> | null)[] = [];
  let last = '';
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\]:]/gu)) {
    if (token === '{') open.push(new Set());
    else if (token === '[') open.push(null);
    else if (token === '}' || token === ']') open.pop();
    else if (token !== ':') last = token;
    else {
      const key = JSON.parse(last) as string;
      const seen = open.at(-1);
      if (seen?.has(key) === true) return key;
      seen?.add(key);
    }
  }
  return undefined;
}
