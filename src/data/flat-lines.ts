import { isUtf8 } from 'node:buffer';
import { kind } from './kinds.ts';
import { allowsNumber, allowsText, type JudgedLines, type LineRules, type ValueRules } from './line-rules.ts';
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
  const parts: (FlatPart | null)[] = [];
  for (const path of paths) {
    const pieces = await piecesOf(path, least);
    const found =
      pieces === null
        ? [await scanFlat({ path }, rules)]
        : ((await scanned(pieces.map((piece) => ({ format: 'jsonl', piece, rules })))) as (FlatPart | null)[]);
    parts.push(...found);
    if (found.includes(null)) return null;
  }
  const columns = new Map<string, FlatColumn>();
  let rows = 0;
  const unclear: number[][] = [];
  let last: number | null = -Infinity;
  for (const part of parts) {
    if (part?.judged !== undefined) {
      const { unclear: inPart, ids } = part.judged;
      unclear.push(inPart.map((row) => rows + row));
      last = last !== null && ids !== null && last < ids.first ? Math.max(last, ids.last) : null;
    }
    rows += part?.rows ?? 0;
    for (const column of part?.columns ?? []) {
      const known = columns.get(column.name);
      columns.set(column.name, known === undefined ? column : both(known, column));
    }
  }
  if (rows === 0 || columns.size > most) return null;
  const judged =
    rules !== null && unclear.length === parts.length
      ? { judged: { by: rules.key, unclear: unclear.flat(), idsGrow: last !== null } }
      : {};
  return { rows, columns: [...columns.values()], ...judged };
}

export interface Flat {
  rows: number;
  columns: FlatColumn[];
  judged?: JudgedLines;
}

export interface FlatPart {
  rows: number;
  columns: FlatColumn[];
  judged?: {
    unclear: number[];
    /** Where they grow. */
    ids: { first: number; last: number } | null;
  };
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
/** Of more rows that are not clear the engine has the better look. */
const mostUnclear = 200_000;

class FlatLines {
  rows = 0;
  readonly #names = new Map<string, number>();
  /** Each with the quote that ends it. */
  readonly #keys: Buffer[] = [];
  readonly #kinds = new Uint8Array(most);
  /** Places of `clarity`. */
  readonly #digits = new Uint8Array(most);
  readonly #present = new Float64Array(most);
  readonly #nulls = new Float64Array(most);
  /** The last row that had the key. */
  readonly #seen = new Float64Array(most);
  /** Null: nobody asks, or too many rows are not clear. */
  #rules: LineRules | null;
  readonly #rulesOf = new Map<string, ValueRules>();
  /** By column. */
  readonly #values: (ValueRules | null)[] = [];
  readonly #isRequired = new Uint8Array(most);
  /** Of the row that is being read: whether it is clear so far, and how many of the required columns it has. */
  #clear = true;
  #required = 0;
  readonly #unclear: number[] = [];
  #idColumn = -1;
  #firstId = Infinity;
  #lastId = -Infinity;
  #idsGrow = true;

  constructor(rules: LineRules | null) {
    this.#rules = rules;
    for (const [name, values] of rules?.columns ?? []) this.#rulesOf.set(name, values);
  }

  found(): FlatPart {
    const ids = this.#idsGrow ? { first: this.#firstId, last: this.#lastId } : null;
    const judged = this.#rules === null ? {} : { judged: { unclear: this.#unclear, ids } };
    return { rows: this.rows, columns: this.columns(), ...judged };
  }

  columns(): FlatColumn[] {
    return [...this.#names].map(([name, index]) => ({
      name,
      kinds: this.#kinds[index] ?? 0,
      present: this.#present[index] ?? 0,
      nulls: this.#nulls[index] ?? 0,
      digits: clarity[this.#digits[index] ?? 0] as FlatColumn['digits'],
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
    if (this.#unclear.push(this.rows) > mostUnclear) this.#rules = null;
  }

  /** All below give the place after what they read, or -1. */
  #object(bytes: Buffer, start: number): number {
    if (bytes[start] !== open) return -1;
    this.rows += 1;
    let at = afterSpace(bytes, start + 1);
    if (bytes[at] === close) return at + 1;
    for (let expected = 0; ;) {
      if (bytes[at] !== quote) return -1;
      const column = this.#column(bytes, at + 1, expected);
      if (column < 0 || this.#seen[column] === this.rows) return -1;
      this.#seen[column] = this.rows;
      this.#required += this.#isRequired[column] as number;
      expected = column + 1;
      at = afterSpace(bytes, at + 1 + (this.#keys[column] as Buffer).length);
      if (bytes[at] !== colon) return -1;
      at = this.#value(bytes, afterSpace(bytes, at + 1), column);
      if (at < 0) return -1;
      at = afterSpace(bytes, at);
      if (bytes[at] === close) return at + 1;
      if (bytes[at] !== comma) return -1;
      at = afterSpace(bytes, at + 1);
    }
  }

  /** The column of the key that begins here: most rows have their keys in one order. */
  #column(bytes: Buffer, start: number, expected: number): number {
    const key = this.#keys[expected];
    if (key !== undefined) {
      let length = 0;
      while (length < key.length && bytes[start + length] === key[length]) length += 1;
      if (length === key.length) return expected;
    }
    let end = start;
    while (bytes[end] !== quote) {
      // A key that is written with escapes may be one that is written without.
      if (bytes[end] === backslash || (bytes[end] as number) < 0x20) return -1;
      end += 1;
    }
    if (end === start) return -1;
    const name = bytes.toString('utf8', start, end);
    const known = this.#names.get(name);
    if (known !== undefined) return known;
    if (this.#keys.length === most) return -1;
    this.#names.set(name, this.#keys.length);
    this.#ask(name, this.#keys.length);
    return this.#keys.push(Buffer.from(bytes.subarray(start, end + 1))) - 1;
  }

  #ask(name: string, column: number): void {
    const rules = this.#rules;
    this.#values.push(rules === null ? null : (this.#rulesOf.get(name) ?? rules.others));
    this.#isRequired[column] = Number(rules?.required.includes(name) === true);
    if (name === rules?.id) this.#idColumn = column;
  }

  #value(bytes: Buffer, start: number, column: number): number {
    const rules = this.#values[column] as ValueRules | null;
    switch (bytes[start]) {
      case quote:
        this.#count(column, kind.text);
        if (column === this.#idColumn) this.#idsGrow = false;
        return rules === null ? afterText(bytes, start + 1) : this.#text(bytes, start + 1, rules.text);
      case 0x74:
        this.#count(column, kind.boolean);
        if (rules?.true === false) this.#clear = false;
        if (column === this.#idColumn) this.#idsGrow = false;
        return afterWord(bytes, start, trueBytes);
      case 0x66:
        this.#count(column, kind.boolean);
        if (rules?.false === false) this.#clear = false;
        if (column === this.#idColumn) this.#idsGrow = false;
        return afterWord(bytes, start, falseBytes);
      case 0x6e:
        if (rules?.null === false) this.#clear = false;
        this.#nulls[column] = (this.#nulls[column] as number) + 1;
        return afterWord(bytes, start, nullBytes);
      default:
        return rules === null ? this.#number(bytes, start, column) : this.#judgedNumber(bytes, start, column, rules);
    }
  }

  #text(bytes: Buffer, start: number, rules: ValueRules['text']): number {
    let at = start;
    // Bytes beyond one for each character.
    let more = 0;
    for (; ; at++) {
      const byte = bytes[at] as number;
      if (byte === quote) break;
      if (byte < 0x20) return -1;
      if (byte >= 0x80) more += Number(byte < 0xc0);
      else if (byte === backslash) {
        const end = afterEscape(bytes, at + 1);
        if (end < 0) return -1;
        more += end - 1 - at;
        at = end - 1;
      }
    }
    if (rules === null || !allowsText(rules, bytes, start, at, at - start - more)) this.#clear = false;
    return at + 1;
  }

  /** The same as `#number`, which says first whether it is one. */
  #judgedNumber(bytes: Buffer, start: number, column: number, { number: rules }: ValueRules): number {
    const end = this.#number(bytes, start, column);
    if (end < 0) return -1;
    const negative = bytes[start] === minus;
    let digits = 0;
    let places = 0;
    let step = 0;
    let at = negative ? start + 1 : start;
    for (; at < end; at++) {
      const byte = bytes[at] as number;
      if (byte === point) step = 1;
      else if (byte > nine) break;
      else {
        digits = digits * 10 + byte - zero;
        places += step;
      }
    }
    const hasPower = at < end;
    if (hasPower) places -= Number(bytes.toString('latin1', at + 1, end));
    const whole = step === 0 && !hasPower;
    if (column === this.#idColumn) {
      const id = negative ? -digits : digits;
      if (!whole || digits >= 1e15 || !(this.#lastId < id)) this.#idsGrow = false;
      if (this.#firstId === Infinity) this.#firstId = id;
      this.#lastId = id;
    }
    const numbers = this.#rules?.numbers;
    const known = rules !== null && numbers !== undefined && end - start <= longestJudged;
    if (!known || !allowsNumber(rules, numbers, { digits, places, negative, whole })) this.#clear = false;
    return end;
  }

  #number(bytes: Buffer, start: number, column: number): number {
    const first = bytes[start] === minus ? start + 1 : start;
    let at = afterDigits(bytes, first);
    const digits = at - first;
    if (digits === 0 || (bytes[first] === zero && digits > 1)) return -1;
    let found: number = kind.whole;
    let rounded = digits > 18;
    if (bytes[at] === point) {
      found = kind.fraction;
      const end = afterDigits(bytes, at + 1);
      if (end === at + 1) return -1;
      at = end;
      rounded = digits > 10;
    }
    if (bytes[at] === 0x65 || bytes[at] === 0x45) {
      found = kind.fraction;
      rounded = true;
      at += 1;
      if (bytes[at] === minus || bytes[at] === 0x2b) at += 1;
      const end = afterDigits(bytes, at);
      // Of larger powers a double may be infinite, or nothing.
      if (end === at || end - at > 2) return -1;
      at = end;
    }
    if (found === kind.whole && digits > 18) {
      if (digits > 19 || first > start) return -1;
      found = kind.wide;
    }
    if (at - start > longestNumber || (found === kind.whole && first > start && bytes[first] === zero)) return -1;
    if ((rounded || at - start > 15) && this.#digits[column] !== 2) {
      // Whoever judges each number needs to know no more of all of them.
      const unclear =
        this.#rules !== null ||
        ((rounded || hasRun(bytes, first, at)) && !isExact(bytes.toString('latin1', start, at)));
      this.#digits[column] = Math.max(this.#digits[column] as number, unclear ? 2 : 1);
    }
    this.#count(column, found);
    return at;
  }

  #count(column: number, found: number): void {
    this.#kinds[column] = (this.#kinds[column] as number) | found;
    this.#present[column] = (this.#present[column] as number) + 1;
  }
}

/** Bytes of a number whose digits a double holds nearly. */
const longestJudged = 32;

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

function afterWord(bytes: Buffer, start: number, word: Buffer): number {
  for (let at = 0; at < word.length; at++) if (bytes[start + at] !== word[at]) return -1;
  return start + word.length;
}

function afterText(bytes: Buffer, start: number): number {
  for (let at = start; ; at++) {
    const byte = bytes[at] as number;
    if (byte === quote) return at + 1;
    if (byte < 0x20) return -1;
    if (byte === backslash) {
      at = afterEscape(bytes, at + 1) - 1;
      if (at < 0) return -1;
    }
  }
}

/** Of half a surrogate pair, and of the character of number 0, the engine and JavaScript do not say the same. */
const escapes =
  /^(?:["\\/bfnrt]|u(?!0000)(?:[0-9a-cA-CefEF][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2}|[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}))/u;

function afterEscape(bytes: Buffer, start: number): number {
  const length = escapes.exec(bytes.toString('latin1', start, start + 11))?.[0].length;
  return length === undefined ? -1 : start + length;
}
