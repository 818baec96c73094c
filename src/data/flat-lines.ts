import { isUtf8 } from 'node:buffer';
import { kind } from './kinds.ts';
import {
  allowsNumber,
  anyText,
  judgedTogether,
  RowsToJudge,
  stops,
  type Automaton,
  type JudgedLines,
  type JudgedPart,
  type LineRules,
  type ValueRules,
} from './line-rules.ts';
import { takeRows } from './lines.ts';
import { piecesOf, scanned, type Piece } from './pieces.ts';
import type { DatasetColumn } from './relation.ts';
import { clarity, hasRun, isExact, longestNumber } from './written-decimals.ts';

/** What stands in one column of flat JSONL. */
export interface FlatColumn {
  name: string;
  /** Bits of `kind` of all its values. */
  kinds: number;
  /** Rows with a value other than null. */
  present: number;
  nulls: number;
  digits: NonNullable<DatasetColumn['flat']>['digits'];
}

/**
 * One look at every byte of JSONL whose rows are flat objects: several times faster than the engine's, which parses a line for each
 * question. Null where some line is anything else, be it valid or not: then the engine says what it is.
 */
export async function flatColumns(
  paths: readonly string[],
  /** What is asked of the rows on the way. */
  rules: LineRules | null = null,
  /** The least bytes that are worth a thread of their own. */
  least?: number,
): Promise<Flat | null> {
  const parts: FlatPart[] = [];
  for (const path of paths) {
    const pieces = await piecesOf(path, least);
    const found =
      pieces === null
        ? [await scanFlat({ path }, rules)]
        : ((await scanned(pieces.map((piece) => ({ format: 'jsonl', piece, rules })))) as (FlatPart | null)[]);
    const flat = found.filter((part) => part !== null);
    if (flat.length < found.length) return null;
    parts.push(...flat);
  }
  const columns = new Map<string, FlatColumn>();
  let rows = 0;
  for (const part of parts) {
    rows += part.rows;
    for (const column of part.columns) {
      const known = columns.get(column.name);
      columns.set(column.name, known === undefined ? column : both(known, column));
    }
  }
  if (rows === 0 || columns.size > most) return null;
  return { rows, columns: [...columns.values()], ...judgedTogether(rules, parts) };
}

export interface Flat {
  rows: number;
  columns: FlatColumn[];
  judged?: JudgedLines;
}

export interface FlatPart {
  rows: number;
  columns: FlatColumn[];
  judged?: JudgedPart;
}

function both(one: FlatColumn, other: FlatColumn): FlatColumn {
  return {
    name: one.name,
    kinds: one.kinds | other.kinds,
    present: one.present + other.present,
    nulls: one.nulls + other.nulls,
    digits: clarity[Math.max(clarity.indexOf(one.digits), clarity.indexOf(other.digits))] as FlatColumn['digits'],
  };
}

/** Look at a file, or at a piece of it that ends with a line. Null where a line is not flat. */
export async function scanFlat(
  piece: Pick<Piece, 'path'> | Piece,
  rules: LineRules | null = null,
): Promise<FlatPart | null> {
  const lines = new FlatLines(rules);
  const rest = await takeRows(piece, (bytes) => {
    const end = bytes.lastIndexOf(newline) + 1;
    return lines.add(bytes.subarray(0, end)) ? end : -1;
  });
  if (rest === null) return null;
  if (rest.length > 0 && !lines.add(Buffer.concat([rest, Buffer.of(newline)]))) return null;
  return lines.found();
}

const [newline, quote, backslash, comma, colon, minus, point] = [0x0a, 0x22, 0x5c, 0x2c, 0x3a, 0x2d, 0x2e];
const [zero, nine, open, close] = [0x30, 0x39, 0x7b, 0x7d];
/** More columns are no table. */
const most = 10_000;

/** What is known of one column so far. */
interface Column {
  name: string;
  place: number;
  /** Its name with quotes and the colon. */
  key: Buffer;
  kinds: number;
  present: number;
  nulls: number;
  /** A place of `clarity`. */
  digits: number;
  /** The last row that had the key. */
  seen: number;
  /** 1 where every row must have it. */
  required: number;
  /** Null: nobody asks. */
  values: ValueRules | null;
  automaton: Automaton;
  isId: boolean;
}

class FlatLines {
  rows = 0;
  readonly #byName = new Map<string, Column>();
  /** In the order of their first rows, which is that of the keys of most rows. */
  readonly #columns: Column[] = [];
  /** Null: nobody asks, or too many rows are not clear. */
  #rules: LineRules | null;
  readonly #rulesOf: ReadonlyMap<string, ValueRules>;
  readonly #numbers: readonly number[];
  /** Of the row that is being read: whether it is clear so far, and how many of the required columns it has. */
  #clear = true;
  #required = 0;
  readonly #told = new RowsToJudge();

  constructor(rules: LineRules | null) {
    this.#rules = rules;
    this.#numbers = rules?.numbers ?? [];
    this.#rulesOf = new Map(rules?.columns);
  }

  found(): FlatPart {
    const whole = !this.#columns.some(({ isId, kinds }) => isId && kinds > kind.whole);
    const judged = this.#rules === null ? {} : { judged: this.#told.found(whole) };
    return { rows: this.rows, columns: this.columns(), ...judged };
  }

  columns(): FlatColumn[] {
    return this.#columns.map(({ name, kinds, present, nulls, digits }) => ({
      name,
      kinds,
      present,
      nulls,
      digits: clarity[digits] as FlatColumn['digits'],
    }));
  }

  /** Whole lines: the last byte is a line end, which nothing that is read below goes beyond. False where one is not flat. */
  add(bytes: Buffer): boolean {
    if (!isUtf8(bytes)) return false;
    for (let at = 0; at < bytes.length;) {
      this.#clear = true;
      this.#required = 0;
      at = this.#object(bytes, at);
      if (at < 0) return false;
      at = afterSpace(bytes, at);
      if (bytes[at] !== newline) return false;
      at += 1;
      if (this.#rules !== null && !(this.#clear && this.#required === this.#rules.required.length)) this.#addUnclear();
    }
    return true;
  }

  #addUnclear(): void {
    if (!this.#told.addUnclear(this.rows)) this.#rules = null;
  }

  /** All below give the place after what they read, or -1. */
  #object(bytes: Buffer, start: number): number {
    if (bytes[start] !== open) return -1;
    this.rows += 1;
    let at = afterSpace(bytes, start + 1);
    if (bytes[at] === close) return at + 1;
    for (let expected = 0; ; expected++) {
      let column = this.#columns[expected];
      // Most rows have their keys in one order, written in one way.
      let after = column === undefined ? -1 : afterBytes(bytes, at, column.key);
      if (column === undefined || after < 0) {
        if (bytes[at] !== quote) return -1;
        let end = at + 1;
        while (bytes[end] !== quote) {
          // A key that is written with escapes may be one that is written without.
          if (bytes[end] === backslash || (bytes[end] as number) < 0x20) return -1;
          end += 1;
        }
        column = this.#column(bytes.subarray(at, end + 1));
        if (column === undefined) return -1;
        expected = column.place;
        after = afterSpace(bytes, end + 1);
        if (bytes[after] !== colon) return -1;
        after += 1;
      }
      if (column.seen === this.rows) return -1;
      column.seen = this.rows;
      this.#required += column.required;
      at = this.#value(bytes, afterSpace(bytes, after), column);
      if (at < 0) return -1;
      at = afterSpace(bytes, at);
      if (bytes[at] === close) return at + 1;
      if (bytes[at] !== comma) return -1;
      at = afterSpace(bytes, at + 1);
    }
  }

  /** The column of a key. @param written with its quotes */
  #column(written: Buffer): Column | undefined {
    const name = written.toString('utf8', 1, written.length - 1);
    const known = this.#byName.get(name);
    if (known !== undefined || name === '' || this.#columns.length === most) return known;
    const rules = this.#rules;
    const values = rules === null ? null : (this.#rulesOf.get(name) ?? rules.others);
    const column: Column = {
      name,
      place: this.#columns.length,
      key: Buffer.concat([written, Buffer.of(colon)]),
      kinds: 0,
      present: 0,
      nulls: 0,
      digits: 0,
      seen: 0,
      required: Number(rules?.required.includes(name) === true),
      values,
      automaton: values?.text?.automaton ?? anyText,
      isId: name === rules?.id,
    };
    this.#byName.set(name, column);
    this.#columns.push(column);
    return column;
  }

  #value(bytes: Buffer, start: number, column: Column): number {
    const { values } = column;
    switch (bytes[start]) {
      case quote:
        count(column, kind.text);
        return this.#text(bytes, start + 1, column);
      case 0x74:
        count(column, kind.boolean);
        if (values?.true === false) this.#clear = false;
        return afterBytes(bytes, start, trueBytes);
      case 0x66:
        count(column, kind.boolean);
        if (values?.false === false) this.#clear = false;
        return afterBytes(bytes, start, falseBytes);
      case 0x6e:
        if (values?.null === false) this.#clear = false;
        column.nulls += 1;
        return afterBytes(bytes, start, nullBytes);
      default:
        return this.#number(bytes, start, column);
    }
  }

  #text(bytes: Buffer, start: number, { automaton: { next, ends }, values }: Column): number {
    let at = start;
    let state = 0;
    for (let follows = 0; ; at++) {
      follows = next[state + (bytes[at] as number)] as number;
      if (follows === stops) break;
      state = follows;
    }
    // Bytes beyond one for each character.
    let more = 0;
    let matches = ends[state >> 8] === 1;
    if (bytes[at] !== quote) {
      matches = next === anyText.next;
      for (; bytes[at] !== quote; at++) {
        const byte = bytes[at] as number;
        if (byte < 0x20) return -1;
        if (byte >= 0x80) more += Number(byte < 0xc0);
        else if (byte === backslash) {
          const end = afterEscape(bytes, at + 1);
          if (end < 0) return -1;
          more += end - 1 - at;
          at = end - 1;
        }
      }
    }
    if (values !== null) {
      const length = at - start - more;
      const { text } = values;
      if (text === null || !matches || length < text.minLength || length > text.maxLength) this.#clear = false;
    }
    return at + 1;
  }

  #number(bytes: Buffer, start: number, column: Column): number {
    const negative = bytes[start] === minus;
    const first = negative ? start + 1 : start;
    let at = first;
    let value = 0;
    for (let byte = bytes[at] as number; byte >= zero && byte <= nine; byte = bytes[++at] as number)
      value = value * 10 + (byte - zero);
    const digits = at - first;
    if (digits === 0 || (bytes[first] === zero && digits > 1)) return -1;
    let found: number = kind.whole;
    let rounded = digits > 18;
    let places = 0;
    if (bytes[at] === point) {
      found = kind.fraction;
      const fraction = at + 1;
      at = fraction;
      for (let byte = bytes[at] as number; byte >= zero && byte <= nine; byte = bytes[++at] as number)
        value = value * 10 + (byte - zero);
      places = at - fraction;
      if (places === 0) return -1;
      rounded = digits > 10;
    }
    if (bytes[at] === 0x65 || bytes[at] === 0x45) {
      found = kind.fraction;
      rounded = true;
      const power = at + 1;
      at = power;
      if (bytes[at] === minus || bytes[at] === 0x2b) at += 1;
      const end = afterDigits(bytes, at);
      // Of larger powers a double may be infinite, or nothing.
      if (end === at || end - at > 2) return -1;
      at = end;
      places -= Number(bytes.toString('latin1', power, end));
    }
    if (found === kind.whole && digits > 18) {
      if (digits > 19 || first > start) return -1;
      found = kind.wide;
    }
    if (at - start > longestNumber || (found === kind.whole && first > start && bytes[first] === zero)) return -1;
    const { values } = column;
    if (values !== null) {
      // Whoever judges each number needs to know no more of all of them.
      if (rounded || at - start > 15) column.digits = 2;
      const { number } = values;
      const isWhole = found !== kind.fraction;
      if (number === null || !allowsNumber(number, this.#numbers, negative ? -value : value, places, isWhole))
        this.#clear = false;
      if (column.isId) this.#told.addId(negative ? -value : value);
    } else if ((rounded || at - start > 15) && column.digits !== 2) {
      const unclear = (rounded || hasRun(bytes, first, at)) && !isExact(bytes.toString('latin1', start, at));
      column.digits = Math.max(column.digits, unclear ? 2 : 1);
    }
    count(column, found);
    return at;
  }
}

function count(column: Column, found: number): void {
  column.kinds |= found;
  column.present += 1;
}

const [trueBytes, falseBytes, nullBytes] = ['true', 'false', 'null'].map((word) => Buffer.from(word)) as [
  Buffer,
  Buffer,
  Buffer,
];

function afterSpace(bytes: Buffer, start: number): number {
  let at = start;
  while (bytes[at] === 0x20 || bytes[at] === 0x09 || bytes[at] === 0x0d) at += 1;
  return at;
}

function afterDigits(bytes: Buffer, start: number): number {
  let at = start;
  while ((bytes[at] as number) >= zero && (bytes[at] as number) <= nine) at += 1;
  return at;
}

function afterBytes(bytes: Buffer, start: number, word: Buffer): number {
  for (let at = 0; at < word.length; at++) if (bytes[start + at] !== word[at]) return -1;
  return start + word.length;
}

/** Of half a surrogate pair, and of the character of number 0, the engine and JavaScript do not say the same. */
const escapes =
  /^(?:["\\/bfnrt]|u(?!0000)(?:[0-9a-cA-CefEF][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2}|[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}))/u;

function afterEscape(bytes: Buffer, start: number): number {
  const length = escapes.exec(bytes.toString('latin1', start, start + 11))?.[0].length;
  return length === undefined ? -1 : start + length;
}
