import { isUtf8 } from 'node:buffer';
import { createHash, type Hash } from 'node:crypto';
import { fileDigest } from '../file-digest.ts';
import { booleanOf, isNotANumber } from './grammar.ts';
import { kind } from './kinds.ts';
import {
  allowsNumber,
  judgedTogether,
  RowsToJudge,
  stops,
  type JudgedLines,
  type JudgedPart,
  type LineRules,
  type NumberRules,
  type TextRules,
} from './line-rules.ts';
import { cellRules, type CellRules, type CsvForm, type CsvRules } from './csv-rules.ts';
import { takeRows } from './lines.ts';
import { piecesOf, scanned, type Piece } from './pieces.ts';
import { isPacked, type CsvDialect } from './relation.ts';
import { clarity, hasRun, isExact, longestNumber } from './written-decimals.ts';

/** What the cells of plain CSV are. */
export interface PlainCsv {
  rows: number;
  /** Of each column the bits of `kind` of all its cells. */
  kinds: readonly number[];
  /** Of each column the cells with a value. */
  present: readonly number[];
  /** Of each column that of its numbers; unclear too where one is -0, which is a text of its own, and where many had to be looked at. */
  digits: readonly (typeof clarity)[number][];
  /** Whether a cell goes over several lines. */
  lineBreaks: boolean;
  /** Digest of each file as hexadecimal digits, where they are not packed. */
  sha256s?: readonly string[];
  judged?: JudgedLines;
}

/**
 * How many rows CSV has, and of each column what its cells spell together and how many have a value: a fraction of the time that the
 * engine takes for the same. Null where a line is written in any way that is not plain RFC 4180, be it an error or not: then the
 * engine says what it is.
 * @param names of the columns, as the header has them
 * @param asked what is asked of the rows on the way
 */
export async function plainCsv(
  paths: readonly string[],
  names: readonly string[],
  { delimiter = ',', quote: around = '"', decimal = '.', missing = [], header }: CsvDialect = {},
  asked: (() => Promise<LineRules | null>) | null = null,
  /** The least bytes that are worth a thread of their own. */
  least?: number,
): Promise<PlainCsv | null> {
  if (around !== '"' || decimal !== '.' || missing.length > 0) return null;
  // Numbers are told before it is known where their cell ends.
  if (delimiter.length !== 1 || delimiter > '~' || /[0-9.-]/u.test(delimiter)) return null;
  const width = names.length;
  const rules = (await asked?.()) ?? null;
  const form = {
    width,
    delimiter,
    header: header === undefined,
    rules: rules === null ? null : cellRules(rules, names),
  };
  const parts: CsvPart[] = [];
  const sha256s: string[] = [];
  for (const path of paths) {
    const found = (await inPieces(path, form, least)) ?? (await inOne(path));
    if (found === null) return null;
    parts.push(...found.parts);
    if (found.sha256 !== undefined) sha256s.push(found.sha256);
  }
  const together = joined(parts, width);
  if (together === null) return null;
  const digests = sha256s.length === paths.length ? { sha256s } : {};
  return { ...together, ...digests, ...judgedTogether(rules, parts) };

  async function inOne(path: string): Promise<ScannedFile | null> {
    const hash = isPacked(path) ? null : createHash('sha256');
    const part = await scanCsv({ path }, form, hash);
    return part === null ? null : { parts: [part], ...(hash === null ? {} : { sha256: hash.digest('hex') }) };
  }
}

interface ScannedFile {
  parts: CsvPart[];
  sha256?: string;
}

/**
 * Several pieces at once. A row of the first piece begins where the file does, and every piece ends with a row, so that the next one
 * begins with one too. Null where that is not so, as within quotes, or a row is not plain: one look at the whole tells.
 */
async function inPieces(path: string, form: CsvForm, least?: number): Promise<ScannedFile | null> {
  const pieces = await piecesOf(path, least);
  if (pieces === null) return null;
  const [found, sha256] = await Promise.all([
    scanned(
      pieces.map((piece) => ({ format: 'csv', piece, ...form, header: form.header && piece.start === 0 }) as const),
    ),
    fileDigest(path),
  ]);
  const parts = (found as (CsvPart | null)[]).filter((each) => each !== null);
  return parts.length < pieces.length ? null : { parts, sha256 };
}

/** What stands in some rows; `digits` are places of `clarity`. */
interface CsvPart {
  rows: number;
  kinds: Uint8Array;
  present: Float64Array;
  digits: Uint8Array;
  lineBreaks: boolean;
  ends: 'unknown' | 'lf' | 'crlf';
  judged?: JudgedPart;
}

/** Null where lines end in two ways. */
function joined(parts: readonly CsvPart[], width: number): PlainCsv | null {
  const ends = new Set(parts.map((part) => part.ends).filter((each) => each !== 'unknown'));
  if (ends.size > 1) return null;
  const columns = Array.from({ length: width }, (_, column) => column);
  const over = (of: (part: CsvPart) => number, join: (one: number, other: number) => number): number =>
    parts.reduce((sum, part) => join(sum, of(part)), 0);
  return {
    rows: over(
      ({ rows }) => rows,
      (one, other) => one + other,
    ),
    kinds: columns.map((column) =>
      over(
        ({ kinds }) => kinds[column] ?? 0,
        (one, other) => one | other,
      ),
    ),
    present: columns.map((column) =>
      over(
        ({ present }) => present[column] ?? 0,
        (one, other) => one + other,
      ),
    ),
    digits: columns.map(
      (column) => clarity[over(({ digits }) => digits[column] ?? 0, Math.max)] as (typeof clarity)[number],
    ),
    lineBreaks: parts.some(({ lineBreaks }) => lineBreaks),
  };
}

/**
 * Look at a file, or at a piece of it that begins with a row and ends with one.
 * @param hash gets the bytes
 * @returns null where a row is not plain
 */
export async function scanCsv(
  piece: Pick<Piece, 'path'> | Piece,
  { width, delimiter, header, rules }: CsvForm,
  hash: Hash | null = null,
): Promise<CsvPart | null> {
  const table = new PlainRows(width, delimiter.charCodeAt(0), rules);
  let inHeader = header;
  const take = (bytes: Buffer): number => {
    // Of the first cell it is no part, which the engine knows.
    if (inFront && !header && byteOrderMark.equals(bytes.subarray(0, 3))) return -1;
    inFront = false;
    // Whole lines, though the last ones may be within quotes.
    const lines = bytes.subarray(0, bytes.lastIndexOf(newline) + 1);
    let at = 0;
    for (let next = 0; at < lines.length; at = next) {
      next = table.row(lines, at, !inHeader);
      if (next === at) break;
      inHeader = false;
    }
    return table.broken || !isUtf8(bytes.subarray(0, at)) ? -1 : at;
  };
  let inFront = !('start' in piece) || piece.start === 0;
  const rest = await takeRows(piece, take, (bytes) => hash?.update(bytes));
  if (rest === null) return null;
  if (rest.length > 0) {
    const last = Buffer.concat([rest, table.lineEnd()]);
    if (take(last) !== last.length) return null;
  }
  return table.found();
}

const byteOrderMark = Buffer.from([0xef, 0xbb, 0xbf]);
const [tab, newline, carriageReturn, quote, minus, point, zero, nine] = [
  0x09, 0x0a, 0x0d, 0x22, 0x2d, 0x2e, 0x30, 0x39,
];

class PlainRows {
  broken = false;
  #rows = 0;
  #lineBreaks = false;
  readonly #kinds: Uint8Array;
  readonly #present: Float64Array;
  /** Places of `clarity`. */
  readonly #digits: Uint8Array;
  /** Numbers that had to be compared with their doubles. */
  readonly #compared: Uint8Array;
  /** Of the row that is being read. */
  readonly #found: Uint8Array;
  readonly #delimiter: number;
  /** By byte: 1 where a cell without quotes ends, 2 where it is not plain. */
  readonly #stops = new Uint8Array(256);
  #ends: 'unknown' | 'lf' | 'crlf' = 'unknown';
  /** Null: nobody asks, or too many rows are not clear. */
  #rules: CsvRules | null;
  readonly #told = new RowsToJudge();
  /** Of the row that is being read: whether it is clear so far, and its id where that is a whole number. */
  #clear = true;
  #id = 0;

  constructor(width: number, delimiter: number, rules: CsvRules | null) {
    this.#rules = rules;
    this.#kinds = new Uint8Array(width);
    this.#present = new Float64Array(width);
    this.#digits = new Uint8Array(width);
    this.#compared = new Uint8Array(width);
    this.#found = new Uint8Array(width);
    this.#delimiter = delimiter;
    this.#stops.fill(2, 0, 9);
    this.#stops[quote] = 2;
    for (const byte of [delimiter, newline, carriageReturn]) this.#stops[byte] = 1;
  }

  found(): CsvPart {
    const id = this.#rules?.id ?? -1;
    const judged = this.#rules === null ? {} : { judged: this.#told.found((this.#kinds[id] ?? 0) <= kind.whole) };
    return {
      ...judged,
      rows: this.#rows,
      kinds: this.#kinds,
      present: this.#present,
      digits: this.#digits,
      lineBreaks: this.#lineBreaks,
      ends: this.#ends,
    };
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
    const ending = this.#stops;
    const width = found.length;
    const rules = this.#rules;
    this.#clear = true;
    let at = start;
    for (let column = 0; column < width; column++) {
      if (bytes[at] === quote) {
        const first = at + 1;
        let doubled = false;
        for (at = first; ; at++) {
          // At the end of the bytes nobody knows whether another quote follows.
          while (at < bytes.length && bytes[at] !== quote) {
            if (bytes[at] === newline) this.#lineBreaks = true;
            at += 1;
          }
          if (at + 1 >= bytes.length) return start;
          if (bytes[at + 1] !== quote) break;
          doubled = true;
          at += 1;
        }
        found[column] = doubled ? kind.text : this.#kindOf(bytes, first, at, column, counted);
        if (rules !== null) this.#judge(bytes, first, at, column, rules);
        at += 1;
      } else {
        const first = at;
        // Most numbers are told as they are passed: digits, and a fraction.
        if (bytes[at] === minus) at += 1;
        const digits = at;
        let value = 0;
        for (let each = (bytes[at] as number) ^ zero; each <= 9; each = (bytes[++at] as number) ^ zero)
          value = value * 10 + each;
        const wholeEnd = at;
        if (bytes[at] === point && at > digits) {
          at += 1;
          for (let each = (bytes[at] as number) ^ zero; each <= 9; each = (bytes[++at] as number) ^ zero)
            value = value * 10 + each;
        }
        const plain =
          ending[bytes[at] as number] === 1 &&
          at - first <= 15 &&
          wholeEnd > digits &&
          (bytes[digits] !== zero || (wholeEnd - digits === 1 && (digits === first || at > wholeEnd))) &&
          at !== wholeEnd + 1;
        if (plain) {
          const whole = at === wholeEnd;
          found[column] = whole ? kind.whole : kind.fraction;
          if (rules !== null) {
            const { cells, number, text } = rules.columns[column] as CellRules;
            if (digits > first) value = -value;
            const allowed = cells.number
              ? number !== null && allowsNumber(number, rules.numbers, value, whole ? 0 : at - wholeEnd - 1, whole)
              : allowsText(bytes, first, at, text);
            if (!allowed) {
              this.#clear = false;
              // So few digits leave no doubt.
              if (cells.number && counted) this.#told.broken = true;
            }
            if (column === rules.id) this.#id = value;
          }
        } else {
          while (ending[bytes[at] as number] === 0) at += 1;
          if (ending[bytes[at] as number] === 2) return this.#refuse(start);
          found[column] = this.#kindOf(bytes, first, at, column, counted);
          if (rules !== null) this.#judge(bytes, first, at, column, rules);
        }
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
    if (counted) this.#count();
    return at + 1;
  }

  #count(): void {
    const [found, kinds, present] = [this.#found, this.#kinds, this.#present];
    this.#rows += 1;
    if (this.#rules !== null) {
      if (found[this.#rules.id] === kind.whole) this.#told.addId(this.#id);
      if (!this.#clear && !this.#told.addUnclear(this.#rows)) this.#rules = null;
    }
    for (let column = 0; column < found.length; column++) {
      const each = found[column] as number;
      if (each === 0) continue;
      kinds[column] = (kinds[column] as number) | each;
      present[column] = (present[column] as number) + 1;
    }
  }

  /** The value of a cell is what the contract is judged by: see `textCellReader`. */
  #judge(bytes: Buffer, start: number, end: number, column: number, { columns, numbers, id }: CsvRules): void {
    const rules = columns[column] as CellRules;
    const { cells, missing, number, text } = rules;
    const found = this.#found[column] as number;
    if (column === id && found === kind.whole) this.#id = Number(bytes.toString('latin1', start, end));
    let allowed: boolean;
    if (found === 0) allowed = missing;
    else if (found === kind.notANumber && (cells.number || !cells.any)) allowed = cells.number && missing;
    else if (found < kind.notANumber && cells.number)
      allowed = number !== null && allowsWritten(bytes, start, end, number, numbers);
    else if (found === kind.boolean && cells.boolean)
      allowed = ((bytes[start] as number) | 0x20) === 0x74 ? rules.true : rules.false;
    else allowed = allowsText(bytes, start, end, text);
    if (!allowed) this.#clear = false;
  }

  /** What a cell spells, as `kindOfCell` says it in SQL; 0 where it is empty. */
  #kindOf(bytes: Buffer, start: number, end: number, column: number, counted: boolean): number {
    if (start === end) return 0;
    const begins = beginnings[bytes[start] as number];
    if (begins === 0) return kind.text;
    if (begins !== letter) {
      const number = this.#kindOfNumber(bytes, start, end, column, counted);
      if (number !== 0) return number;
    }
    // A word for a boolean or for NaN.
    if (end - start < 3 || end - start > 5 || begins === digit) return kind.text;
    if (end - start === 4 && isWord(bytes, start, trueBytes)) return kind.boolean;
    if (end - start === 5 && isWord(bytes, start, falseBytes)) return kind.boolean;
    const text = bytes.toString('latin1', start, end);
    if (booleanOf(text) !== null) return kind.boolean;
    return isNotANumber(text) ? kind.notANumber : kind.text;
  }

  #kindOfNumber(bytes: Buffer, start: number, end: number, column: number, counted: boolean): number {
    const first = bytes[start] === minus ? start + 1 : start;
    let at = afterDigits(bytes, first, end);
    const digits = at - first;
    if (digits === 0 || (bytes[first] === zero && digits > 1)) return 0;
    let found: number = at - start <= 18 ? kind.whole : at - start <= 37 ? kind.wide : kind.fraction;
    let rounded = digits > 18;
    let unclear = at - start > longestNumber || (at === end && first > start && bytes[first] === zero);
    if (at < end && bytes[at] === point) {
      const fraction = at + 1;
      at = afterDigits(bytes, fraction, end);
      if (at === fraction) return 0;
      found = kind.fraction;
      rounded = digits > 10;
    }
    if (at < end) {
      if (bytes[at] !== 0x65 && bytes[at] !== 0x45) return 0;
      at += 1;
      if (bytes[at] === minus || bytes[at] === 0x2b) at += 1;
      if (at >= end || afterDigits(bytes, at, end) < end) return 0;
      found = kind.fraction;
      rounded = true;
      // Of larger powers a double may be infinite, or nothing.
      unclear ||= end - at > 2;
    }
    if (!counted || this.#digits[column] === 2) return found;
    unclear ||= end - start > longestNumber;
    if (!unclear && (rounded || hasRun(bytes, start, end))) {
      const compared = (this.#compared[column] as number) + 1;
      this.#compared[column] = compared;
      unclear = compared > mostCompared || !isExact(bytes.toString('latin1', start, end));
    }
    if (unclear) this.#digits[column] = 2;
    else if (rounded || end - start > 15) this.#digits[column] = 1;
    return found;
  }

  #refuse(start: number): number {
    this.broken = true;
    return start;
  }
}

/** A number of the grammar, however it is written. */
function allowsWritten(
  bytes: Buffer,
  start: number,
  end: number,
  rules: NumberRules,
  numbers: readonly number[],
): boolean {
  if (end - start > longestNumber) return false;
  const negative = bytes[start] === minus;
  let value = 0;
  let places = 0;
  let whole = true;
  let at = negative ? start + 1 : start;
  for (; at < end; at++) {
    const each = (bytes[at] as number) ^ zero;
    if (each <= 9) {
      value = value * 10 + each;
      if (!whole) places += 1;
    } else if (bytes[at] === point) whole = false;
    else {
      places -= Number(bytes.toString('latin1', at + 1, end));
      whole = false;
      break;
    }
  }
  return allowsNumber(rules, numbers, negative ? -value : value, places, whole);
}

/** Of a text with other characters than an automaton knows nothing is said. A quote in it is doubled. */
function allowsText(bytes: Buffer, start: number, end: number, rules: TextRules | null): boolean {
  if (rules === null) return false;
  const { automaton, minLength, maxLength } = rules;
  let length = end - start;
  if (automaton !== null) {
    const { next, ends } = automaton;
    let state = 0;
    for (let at = start; at < end; at++) {
      state = next[state + (bytes[at] as number)] as number;
      if (state === stops) return false;
    }
    if (ends[state >> 8] !== 1) return false;
  } else {
    // A byte order mark may be none of the text.
    if (byteOrderMark.every((byte, at) => bytes[start + at] === byte)) return false;
    // No character has more than four bytes; and without quotes around it no text has a line end.
    if (bytes[start - 1] !== quote && length >= 4 * minLength && length <= maxLength) return true;
    for (let at = start; at < end; at++) {
      const byte = bytes[at] as number;
      // Of line ends in cells the engine may take another view.
      if (byte <= carriageReturn && byte !== tab) return false;
      if ((byte & 0xc0) === 0x80) length -= 1;
      else if (byte === quote) length -= 0.5;
    }
  }
  return length >= minLength && length <= maxLength;
}

/** It takes longer than to have the engine read the texts of the column. */
const mostCompared = 200;

/** How a number or a word of the grammar may begin, by byte: 0 where none does. */
const [digit, sign, letter] = [1, 2, 3];
const beginnings = new Uint8Array(256);
beginnings.fill(digit, zero, nine + 1);
for (const byte of Buffer.from('+-')) beginnings[byte] = sign;
for (const byte of Buffer.from('tTfFnN')) beginnings[byte] = letter;

/** As most programs write them: a text made of each takes longer than all else. */
const [trueBytes, falseBytes] = [Buffer.from('true'), Buffer.from('false')];

function isWord(bytes: Buffer, start: number, word: Buffer): boolean {
  for (let at = 0; at < word.length; at++) if (bytes[start + at] !== word[at]) return false;
  return true;
}

function afterDigits(bytes: Buffer, start: number, end: number): number {
  let at = start;
  while (at < end && (bytes[at] as number) >= zero && (bytes[at] as number) <= nine) at += 1;
  return at;
}
