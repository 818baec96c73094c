import { TextDecoder } from 'node:util';
import { jsonRow, lineBatches } from './lines.ts';

export interface JsonlFault {
  line: number;
  found: string;
  expected: string;
  remedy: string;
}

/** The first line that is no JSON object whose keys all differ, also in the objects within it; null where there is none. */
export async function jsonlFault(path: string, uri: string): Promise<JsonlFault | null> {
  const utf8 = new TextDecoder('utf-8', { fatal: true });
  for await (const lines of lineBatches(path, uri)) {
    for (const { number, bytes } of lines) {
      if (bytes.subarray(0, 3).equals(byteOrderMark)) {
        return {
          line: number,
          found: 'the line starts with a byte order mark (BOM)',
          expected: 'UTF-8 without it, as JSON is defined in RFC 8259',
          remedy: 'Save the file as UTF-8 without a BOM',
        };
      }
      const { value, broken } = jsonRow(utf8, bytes);
      if (broken !== undefined) {
        return { line: number, found: broken, expected: 'one JSON object a line', remedy: 'Fix this line' };
      }
      const twice = namesIn(bytes) === keysOf(value) ? undefined : keyTwice(utf8.decode(bytes));
      if (twice !== undefined) {
        return {
          line: number,
          found: `an object has the key ${JSON.stringify(twice.slice(0, 200))} twice`,
          expected: 'each key once',
          remedy: 'Write each key once',
        };
      }
    }
  }
  return null;
}

const byteOrderMark = Buffer.from('\uFEFF');

/** How many names of keys a JSON text has: its colons outside of strings. */
function namesIn(bytes: Buffer): number {
  let count = 0;
  let quoted = false;
  for (let index = 0; index < bytes.length; index++) {
    const byte = bytes[index];
    if (byte === 0x22) quoted = !quoted;
    else if (!quoted) count += byte === 0x3a ? 1 : 0;
    // Whatever a backslash stands before is none of the two.
    else if (byte === 0x5c) index += 1;
  }
  return count;
}

/** How many keys a value has, with those of all that is in it: of names that are alike JSON.parse keeps one. */
function keysOf(value: unknown): number {
  let count = 0;
  const left = [value];
  while (left.length > 0) {
    const each = left.pop();
    if (typeof each !== 'object' || each === null) continue;
    const values: unknown[] = Array.isArray(each) ? each : Object.values(each);
    if (!Array.isArray(each)) count += values.length;
    for (const inner of values) if (typeof inner === 'object') left.push(inner);
  }
  return count;
}

function keyTwice(text: string): string | undefined {
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
