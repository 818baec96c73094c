import { isUtf8 } from 'node:buffer';
import { booleanOf, isNotANumber } from './grammar.ts';
import { kind } from './kinds.ts';
import { byteStream, longestLine } from './lines.ts';
import type { CsvDialect } from './relation.ts';

/**
 * How many rows CSV has, and of each column what its cells spell together and how many have a value: a fraction of the time that the
 * engine takes for the same. Null where a line is written in any way that is not plain RFC 4180, be it an error or not: then the
 * engine says what it is.
 * @param width how many columns the header names
 */
export async function plainCsv(
  paths: readonly string[],
  width: number,
  { delimiter = ',', quote: around = '"', decimal = '.', missing = [], header }: CsvDialect = {},
): Promise<{ rows: number; kinds: readonly number[]; present: readonly number[]; lineBreaks: boolean } | null> {
  if (around !== '"' || decimal !== '.' || missing.length > 0 || delimiter.length !== 1 || delimiter > '~') return null;
  const table = new PlainCsv(width, delimiter.charCodeAt(0));
  for (const path of paths) {
    let rest: Buffer = Buffer.alloc(0);
    let inHeader = header === undefined;
    const add = (bytes: Buffer): boolean => {
      // Whole lines, though the last ones may be within quotes.
      const lines = bytes.subarray(0, bytes.lastIndexOf(newline) + 1);
      let at = 0;
      for (let next = 0; at < lines.length; at = next) {
        next = table.row(lines, at, !inHeader);
        if (next === at) break;
        inHeader = false;
      }
      rest = bytes.subarray(at);
      return !table.broken && rest.length <= longestLine && isUtf8(bytes.subarray(0, at));
    };
    for await (const piece of byteStream(path)) {
      if (!add(rest.length === 0 ? (piece as Buffer) : Buffer.concat([rest, piece as Buffer]))) return null;
    }
    if (rest.length > 0 && (!add(Buffer.concat([rest, table.lineEnd()])) || rest.length > 0)) return null;
  }
  return { rows: table.rows, kinds: [...table.kinds], present: [...table.present], lineBreaks: table.lineBreaks };
}

const [newline, carriageReturn, quote, minus, point, zero, nine] = [0x0a, 0x0d, 0x22, 0x2d, 0x2e, 0x30, 0x39];

class PlainCsv {
  rows = 0;
  broken = false;
  /** Whether a cell goes over several lines. */
  lineBreaks = false;
  readonly kinds: Uint8Array;
  readonly present: Float64Array;
  /** Of the row that is being read. */
  readonly #found: Uint8Array;
  readonly #delimiter: number;
  #ends: 'unknown' | 'lf' | 'crlf' = 'unknown';

  constructor(width: number, delimiter: number) {
    this.kinds = new Uint8Array(width);
    this.present = new Float64Array(width);
    this.#found = new Uint8Array(width);
    this.#delimiter = delimiter;
  }

  lineEnd(): Buffer {
    return Buffer.from(this.#ends === 'crlf' ? '\r\n' : '\n');
  }

  /**
   * The place after the row that begins here; `start` where it has no end, or is not plain (`broken`).
   * @param bytes the last of them is a line end, so that no cell goes beyond
   */
  row(bytes: Buffer, start: number, counted: boolean): number {
    const found = this.#found;
    const delimiter = this.#delimiter;
    const width = found.length;
    let at = start;
    for (let column = 0; column < width; column++) {
      const first = at;
      if (bytes[at] === quote) {
        let doubled = false;
        for (at += 1; ; at++) {
          at = bytes.indexOf(quote, at);
          // At the end of the bytes nobody knows whether another quote follows.
          if (at === -1 || at + 1 >= bytes.length) return start;
          if (bytes[at + 1] !== quote) break;
          doubled = true;
          at += 1;
        }
        found[column] = doubled ? kind.text : kindOf(bytes, first + 1, at);
        at += 1;
      } else {
        for (;;) {
          const byte = bytes[at] as number;
          if (byte === delimiter || byte === newline || byte === carriageReturn) break;
          if (byte === quote || byte < 0x09) return this.#refuse(start);
          at += 1;
        }
        found[column] = kindOf(bytes, first, at);
      }
      if (column < width - 1) {
        if (bytes[at] !== delimiter) return this.#refuse(start);
        at += 1;
      }
    }
    const crlf = bytes[at] === carriageReturn;
    if (crlf) at += 1;
    // A line without anything may be no row.
    if (bytes[at] !== newline || (width === 1 && at - start <= 1)) return this.#refuse(start);
    const ends = crlf ? 'crlf' : 'lf';
    if (this.#ends === 'unknown') this.#ends = ends;
    if (this.#ends !== ends) return this.#refuse(start);
    if (!this.lineBreaks) this.lineBreaks = bytes.indexOf(newline, start) < at;
    if (counted) this.#count();
    return at + 1;
  }

  #count(): void {
    this.rows += 1;
    for (let column = 0; column < this.#found.length; column++) {
      const found = this.#found[column] as number;
      if (found === 0) continue;
      this.kinds[column] = (this.kinds[column] as number) | found;
      this.present[column] = (this.present[column] as number) + 1;
    }
  }

  #refuse(start: number): number {
    this.broken = true;
    return start;
  }
}

const wordsBegin: ReadonlySet<number | undefined> = new Set(Buffer.from('tTfFnN+-'));

/** What a cell spells, as `kindOfCell` says it in SQL; 0 where it is empty. */
function kindOf(bytes: Buffer, start: number, end: number): number {
  if (start === end) return 0;
  const number = kindOfNumber(bytes, start, end);
  if (number !== 0) return number;
  // A word for a boolean or for NaN.
  if (end - start < 3 || end - start > 5 || !wordsBegin.has(bytes[start])) return kind.text;
  const text = bytes.toString('latin1', start, end);
  if (booleanOf(text) !== null) return kind.boolean;
  return isNotANumber(text) ? kind.notANumber : kind.text;
}

function kindOfNumber(bytes: Buffer, start: number, end: number): number {
  const first = bytes[start] === minus ? start + 1 : start;
  let at = afterDigits(bytes, first, end);
  if (at === first || (bytes[first] === zero && at - first > 1)) return 0;
  if (at === end) return end - start <= 18 ? kind.whole : end - start <= 37 ? kind.wide : kind.fraction;
  if (bytes[at] === point) {
    const fraction = at + 1;
    at = afterDigits(bytes, fraction, end);
    if (at === fraction) return 0;
  }
  if (at < end) {
    if (bytes[at] !== 0x65 && bytes[at] !== 0x45) return 0;
    at += 1;
    if (bytes[at] === minus || bytes[at] === 0x2b) at += 1;
    if (at >= end || afterDigits(bytes, at, end) < end) return 0;
  }
  return kind.fraction;
}

function afterDigits(bytes: Buffer, start: number, end: number): number {
  let at = start;
  while (at < end && (bytes[at] as number) >= zero && (bytes[at] as number) <= nine) at += 1;
  return at;
}
