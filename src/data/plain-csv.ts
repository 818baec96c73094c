import { isUtf8 } from 'node:buffer';
import { createHash, type Hash } from 'node:crypto';
import { fileDigest } from '../file-digest.ts';
import { sum } from '../statistics/sums.ts';
import { booleanTexts, notANumber } from './grammar.ts';
import { kind } from './kinds.ts';
import {
  allowsNumber,
  areFewTogether,
  judgedTogether,
  mostExact,
  powers,
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
import { plainRows, type Places, type RowsLoop, type RowsMemory } from './plain-rows.ts';
import { isPacked, type CsvDialect } from './relation.ts';
import { longestNumber } from './written-decimals.ts';

export interface PlainCsv {
  rows: number;
  /** Of each column the bits of `kind` of all its cells. */
  kinds: readonly number[];
  /** Of each column the cells with a value. */
  present: readonly number[];
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
  let asking = asked?.() ?? Promise.resolve(null);
  const form = async (): Promise<CsvForm> => {
    const rules = await asking;
    return { width, delimiter, header: header === undefined, rules: rules === null ? null : cellRules(rules, names) };
  };
  const parts: CsvPart[] = [];
  const files: number[] = [];
  const sha256s: string[] = [];
  for (const path of paths) {
    const found = (await inPieces(path, form, least)) ?? (await inOne(path));
    if (found === null) return null;
    parts.push(...found.parts);
    files.push(sum(found.parts.map(({ rows }) => rows)));
    if (found.sha256 !== undefined) sha256s.push(found.sha256);
    if (!areFewTogether(parts)) asking = Promise.resolve(null);
  }
  const together = joined(parts, width);
  if (together === null) return null;
  const digests = sha256s.length === paths.length ? { sha256s } : {};
  const { judged } = judgedTogether(await asking, parts);
  return { ...together, ...digests, ...(judged === undefined ? {} : { judged: { ...judged, files } }) };

  async function inOne(path: string): Promise<ScannedFile | null> {
    const hash = isPacked(path) ? null : createHash('sha256');
    const part = await scanCsv({ path }, await form(), hash);
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
async function inPieces(path: string, form: () => Promise<CsvForm>, least?: number): Promise<ScannedFile | null> {
  const pieces = await piecesOf(path, least);
  if (pieces === null) return null;
  const [found, sha256] = await Promise.all([
    scanned(
      pieces.map(async (piece) => {
        const asked = await form();
        return { format: 'csv', piece, ...asked, header: asked.header && piece.start === 0 };
      }),
    ),
    fileDigest(path),
  ]);
  const parts = (found as (CsvPart | null)[]).filter((each) => each !== null);
  return parts.length < pieces.length ? null : { parts, sha256 };
}

/** What stands in some rows. */
interface CsvPart {
  rows: number;
  kinds: Uint8Array;
  present: Float64Array;
  lineBreaks: boolean;
  ends: 'unknown' | 'lf' | 'crlf';
  judged?: JudgedPart;
}

/** Null where lines end in two ways. */
function joined(parts: readonly CsvPart[], width: number): PlainCsv | null {
  const ends = new Set(parts.map((part) => part.ends).filter((each) => each !== 'unknown'));
  if (ends.size > 1) return null;
  const columns = Array.from({ length: width }, (_, column) => column);
  return {
    rows: sum(parts.map(({ rows }) => rows)),
    kinds: columns.map((column) => parts.reduce((bits, { kinds }) => bits | (kinds[column] ?? 0), 0)),
    present: columns.map((column) => sum(parts.map(({ present }) => present[column] ?? 0))),
    lineBreaks: parts.some(({ lineBreaks }) => lineBreaks),
  };
}

/**
 * Look at a file, or at a piece of it that begins with a row and ends with one.
 * @param hash gets the bytes
 * @returns null where a row is not plain, or there is no memory for the loop
 */
export async function scanCsv(
  piece: Pick<Piece, 'path'> | Piece,
  { width, delimiter, header, rules }: CsvForm,
  hash: Hash | null = null,
): Promise<CsvPart | null> {
  const table = plainTable(width, delimiter, rules);
  if (table === null) return null;
  try {
    return await scanWith(table, piece, header, hash);
  } finally {
    table.release();
  }
}

async function scanWith(
  table: PlainRows,
  piece: Pick<Piece, 'path'> | Piece,
  header: boolean,
  hash: Hash | null,
): Promise<CsvPart | null> {
  let inHeader = header;
  const take = (bytes: Buffer): number => {
    // Of the first cell it is no part, which the engine knows.
    if (inFront && !header && byteOrderMark.equals(bytes.subarray(0, 3))) return -1;
    inFront = false;
    // Whole lines, though the last ones may be within quotes.
    const lines = bytes.subarray(0, bytes.lastIndexOf(newline) + 1);
    let at = 0;
    if (inHeader) {
      at = table.read(lines, 0, 1);
      if (at > 0) table.forget();
      inHeader = at === 0;
    }
    if (!inHeader && !table.broken) at = table.read(lines, at);
    return table.broken || !isUtf8(bytes.subarray(0, at)) ? -1 : at;
  };
  let inFront = !('start' in piece) || piece.start === 0;
  const rest = await takeRows(
    piece,
    take,
    (bytes) => hash?.update(bytes),
    (size) => table.room(size),
  );
  if (rest === null) return null;
  // Of what is in the memory nothing is left in `rest` where that grows.
  const { length } = rest;
  if (length > 0) {
    const end = table.lineEnd();
    const last = table.room(length + end.length);
    last.set(end, length);
    if (take(last) !== last.length) return null;
  }
  return table.found();
}

/** Null where the address space is too small (`ulimit -v`), which every memory of WebAssembly takes gigabytes of, or there is none of it. */
function plainTable(width: number, delimiter: string, rules: CsvRules | null): PlainRows | null {
  try {
    return new PlainRows(width, delimiter.charCodeAt(0), rules);
  } catch (cause) {
    if (cause instanceof RangeError || cause instanceof ReferenceError) return null;
    throw cause;
  }
}

const byteOrderMark = Buffer.from([0xef, 0xbb, 0xbf]);
// Each by itself: of those that come out of a list the compiler does not know that they are constant.
const tab = 0x09;
const newline = 0x0a;
const carriageReturn = 0x0d;
const quote = 0x22;
const minus = 0x2d;
const point = 0x2e;
const zero = 0x30;
const nine = 0x39;

/** How the cells of each column are passed, and what is asked of them, as far as that is soon told, in the memory of `plainRows`. */
function tablesOf(width: number, delimiter: number, rules: CsvRules | null): { places: Places; bytes: Buffer } {
  const asked = Array.from({ length: width }, (_, column) => rules?.columns[column]);
  const texts = asked.map((column) => (column === undefined ? anyText : column.text));
  const automata = [
    ...new Set(texts.flatMap((text) => (text === null || text.automaton === null ? [] : [text.automaton]))),
  ];
  let size = 0;
  const placeFor = (bytes: number): number => {
    const place = size;
    size += Math.ceil(bytes / 8) * 8;
    return place;
  };
  placeFor(8);
  const places: Places = {
    columnsAt: placeFor(columnSize * width),
    endingAt: placeFor(256),
    beginningsAt: placeFor(256),
    powersAt: placeFor(8 * powers.length),
    gapsAt: placeFor(4 * width),
    acceptsAt: placeFor(automata.reduce((sum, { ends }) => sum + ends.length, 0)),
    statesAt: placeFor(automata.reduce((sum, { next }) => sum + 4 * next.length, 0)),
  };
  const bytes = Buffer.alloc(size);
  const ending = bytes.subarray(places.endingAt, places.endingAt + 256);
  ending.fill(2, 0, 9);
  ending[quote] = 2;
  for (const byte of [delimiter, newline, carriageReturn]) ending[byte] = 1;
  bytes.set(beginnings, places.beginningsAt);
  for (const [power, each] of powers.entries()) bytes.writeDoubleLE(each, places.powersAt + 8 * power);
  const entries = new Map<unknown, number>();
  let states = 0;
  for (const automaton of automata) {
    const entry = places.statesAt + 1024 * states;
    entries.set(automaton, entry);
    for (const [at, to] of automaton.next.entries())
      bytes.writeInt32LE(to < 0 || ending[at % 256] !== 0 ? stops : entry + 4 * to, entry + 4 * at);
    bytes.set(automaton.ends, places.acceptsAt + states);
    states += automaton.ends.length;
  }
  for (const [column, text] of texts.entries()) {
    const at = places.columnsAt + columnSize * column;
    bytes.writeInt32LE(entries.get(text?.automaton) ?? 0, at + field.entry);
    // No character has more than four bytes; and what is empty is no text.
    const shortest =
      text === null ? Infinity : Math.max(1, text.automaton === null ? 4 * text.minLength : text.minLength);
    bytes.writeInt32LE(Math.min(shortest, most32), at + field.shortest);
    bytes.writeInt32LE(Math.min(text?.maxLength ?? 0, most32), at + field.longest);
    const own = asked[column];
    const number = own === undefined ? anyNumber : boundsOf(own, rules);
    bytes.writeDoubleLE(number?.minimum ?? 0, at + field.least);
    bytes.writeDoubleLE(number?.maximum ?? 0, at + field.greatest);
    bytes[at + field.bounded] = Number(number !== null);
    bytes[at + field.whole] = Number(number?.whole === true);
    const isTruth = own === undefined || own.cells.boolean;
    bytes[at + field.truths] = isTruth ? Number(own?.true !== false) + 2 * Number(own?.false !== false) : 0;
  }
  return { places, bytes };
}

/** As assembly/plain-rows.ts has them. */
const columnSize = 48;
const field = {
  entry: 0,
  shortest: 4,
  longest: 8,
  missing: 12,
  least: 16,
  greatest: 24,
  kinds: 32,
  bounded: 34,
  whole: 35,
  truths: 36,
};
const unclear = 256;
const most32 = 2 ** 31 - 1;

/** The bounds that are all that is asked of the numbers of a column; null where there is more. */
function boundsOf({ cells, number }: CellRules, rules: CsvRules | null): typeof anyNumber | null {
  if (!cells.number || number === null || number.multiplesOf.length > 0 || (rules?.numbers.length ?? 0) > 0)
    return null;
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, among, whole } = number;
  if (exclusiveMinimum > -Infinity || exclusiveMaximum < Infinity) return null;
  if (among === null) return { minimum, maximum, whole };
  // Whole numbers that follow one another, as of a label.
  const sorted = among.toSorted((a, b) => a - b);
  const least = sorted[0] ?? 0.5;
  const greatest = sorted.at(-1) ?? 0.5;
  const follow = sorted.every((each, at) => each === least + at) && Math.max(-least, greatest) < mostExact;
  return follow && Number.isInteger(least)
    ? { minimum: Math.max(minimum, least), maximum: Math.min(maximum, greatest), whole: true }
    : null;
}

const anyText = { minLength: 0, maxLength: Infinity, automaton: null };
const anyNumber = { minimum: -Infinity, maximum: Infinity, whole: false };

/** Rows in the memory of WebAssembly, which passes them; what is rare it asks here. All places are of that memory. */
class PlainRows {
  readonly #width: number;
  readonly #memory: RowsMemory;
  readonly #loop: RowsLoop;
  readonly #tables: Buffer;
  readonly #columnsAt: number;
  /** All of the memory. */
  #bytes: Buffer;
  #lineBreaks = false;
  /** Null: nobody asks, or too many rows are not clear. */
  #rules: CsvRules | null;
  #told = new RowsToJudge();
  /** Nothing of it is used after that. */
  readonly release: () => void;

  constructor(width: number, delimiter: number, rules: CsvRules | null) {
    this.#width = width;
    this.#rules = rules;
    const { places, bytes } = tablesOf(width, delimiter, rules);
    this.#tables = bytes;
    this.#columnsAt = places.columnsAt;
    const { loop, memory, release } = plainRows({
      askCell: (start, end, column) => {
        const spelled = kindOf(this.#bytes, start, end);
        return this.#allows(this.#bytes, start, end, column, spelled) ? spelled : spelled | unclear;
      },
      askNumber: (start, end, column, value, places, isWhole) =>
        this.#allowsNumber(this.#bytes, start, end, column, value, places, isWhole !== 0),
      askClosing: (start, to) => this.#closing(this.#bytes, start, to),
      tellUnclear: (start, end, row) => this.#keep(this.#bytes, start, end, row),
    });
    [this.#loop, this.#memory, this.#bytes] = [loop, memory, Buffer.from(memory.buffer)];
    this.release = release;
    this.room(0);
    bytes.copy(this.#bytes);
    loop.width.value = width;
    loop.delimiter.value = delimiter;
    loop.idColumn.value = rules?.id ?? -1;
    for (const [name, place] of Object.entries(places)) loop[name as keyof Places].value = place;
  }

  get broken(): boolean {
    return this.#loop.broken.value !== 0;
  }

  /** What was read so far has names of columns. */
  forget(): void {
    this.#tables.copy(this.#bytes);
    this.#loop.rows.value = 0;
    this.#loop.firstId.value = Infinity;
    this.#loop.lastId.value = -Infinity;
    this.#told = new RowsToJudge();
  }

  found(): CsvPart {
    const columns = Array.from({ length: this.#width }, (_, column) => this.#columnsAt + columnSize * column);
    const kinds = Uint8Array.from(columns, (at) => this.#bytes[at + field.kinds] as number);
    const { rows, ends, firstId, lastId } = this.#loop;
    this.#told.addIds(firstId.value, lastId.value);
    const id = this.#rules?.id ?? -1;
    const judged = this.#rules === null ? {} : { judged: this.#told.found((kinds[id] ?? 0) <= kind.whole) };
    return {
      ...judged,
      rows: rows.value,
      kinds,
      present: Float64Array.from(columns, (at) => rows.value - this.#bytes.readUInt32LE(at + field.missing)),
      lineBreaks: this.#lineBreaks,
      ends: (['unknown', 'lf', 'crlf'] as const)[ends.value] as CsvPart['ends'],
    };
  }

  lineEnd(): Buffer {
    return Buffer.from(this.#loop.ends.value === 2 ? '\r\n' : '\n');
  }

  /** A place for rows behind the tables: the same whenever it is asked for, with what it has. */
  room(size: number): Buffer {
    const start = this.#tables.length;
    // The loop looks at sixteen bytes at once.
    const pages = Math.ceil((start + size + 16) / 65_536);
    const more = pages - this.#memory.buffer.byteLength / 65_536;
    if (more > 0) this.#memory.grow(more);
    this.#bytes = Buffer.from(this.#memory.buffer);
    return this.#bytes.subarray(start, start + size);
  }

  /**
   * The place after the last whole row, or after the first so many; before one that is not plain (`broken`).
   * @param bytes in `room`; the last of them is a line end, so that no cell goes beyond
   */
  read(bytes: Buffer, from: number, most = Infinity): number {
    const start = bytes.byteOffset;
    return this.#loop.read(start + from, start + bytes.length, most) - start;
  }

  /** A row that is not clear. */
  #keep(bytes: Buffer, start: number, end: number, row: number): void {
    if (this.#rules === null) return;
    const text = hasControl(bytes, start, end) ? null : bytes.toString('utf8', start, end);
    if (!this.#told.addUnclear(row, text)) this.#rules = null;
  }

  /** The quote that ends a cell; -1 where nobody knows yet whether another one follows, or there is none. */
  #closing(bytes: Buffer, start: number, to: number): number {
    for (let at = start; ; at += 2) {
      while (at < to && bytes[at] !== quote) {
        if (bytes[at] === newline) this.#lineBreaks = true;
        at += 1;
      }
      if (at + 1 >= to) return -1;
      if (bytes[at + 1] !== quote) return at;
    }
  }

  #allowsNumber(
    bytes: Buffer,
    start: number,
    end: number,
    column: number,
    value: number,
    places: number,
    isWhole: boolean,
  ): boolean {
    if (this.#rules === null) return true;
    const { cells, number, text } = this.#rules.columns[column] as CellRules;
    if (!cells.number) return allowsText(bytes, start, end, text);
    return number !== null && allowsNumber(number, this.#rules.numbers, value, places, isWhole);
  }

  /** The value of a cell is what the contract is judged by: see `textCellReader`. */
  #allows(bytes: Buffer, start: number, end: number, column: number, spelled: number): boolean {
    if (this.#rules === null) return true;
    const rules = this.#rules.columns[column] as CellRules;
    const { cells, missing, number, text } = rules;
    if (spelled === 0) return missing;
    if (spelled === kind.notANumber && (cells.number || !cells.any)) return cells.number && missing;
    if (spelled < kind.notANumber && cells.number)
      return number !== null && allowsWritten(bytes, start, end, number, this.#rules.numbers);
    if (spelled === kind.boolean && cells.boolean)
      return ((bytes[start] as number) | 0x20) === 0x74 ? rules.true : rules.false;
    return allowsText(bytes, start, end, text);
  }
}

/** Of line ends in cells the engine may take another view. */
function hasControl(bytes: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if ((bytes[at] as number) < 0x20 && bytes[at] !== tab) return true;
  return false;
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
      if (state < 0) return false;
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

/** How a number or a word of the grammar may begin, by byte: 0 where none does. */
const digit = 1;
const sign = 2;
const letter = 3;
const beginnings = new Uint8Array(256);
beginnings.fill(digit, zero, nine + 1);
for (const byte of Buffer.from('+-')) beginnings[byte] = sign;
for (const byte of Buffer.from('tTfFnN')) beginnings[byte] = letter;

/** What a cell spells, as `kindOfCell` says it in SQL; 0 where it is empty. */
function kindOf(bytes: Buffer, start: number, end: number): number {
  if (start === end) return 0;
  const begins = beginnings[bytes[start] as number];
  if (begins === 0) return kind.text;
  if (begins !== letter) {
    const number = kindOfNumber(bytes, start, end);
    if (number !== 0) return number;
  }
  return kindOfWord(bytes, start, end);
}

function kindOfNumber(bytes: Buffer, start: number, end: number): number {
  const first = bytes[start] === minus ? start + 1 : start;
  let at = afterDigits(bytes, first, end);
  const digits = at - first;
  if (digits === 0 || (bytes[first] === zero && digits > 1)) return 0;
  let found: number = at - start <= 18 ? kind.whole : at - start <= 37 ? kind.wide : kind.fraction;
  if (at < end && bytes[at] === point) {
    const fraction = at + 1;
    at = afterDigits(bytes, fraction, end);
    if (at === fraction) return 0;
    found = kind.fraction;
  }
  if (at < end) {
    if (bytes[at] !== 0x65 && bytes[at] !== 0x45) return 0;
    at += 1;
    if (bytes[at] === minus || bytes[at] === 0x2b) at += 1;
    if (at >= end || afterDigits(bytes, at, end) < end) return 0;
    found = kind.fraction;
  }
  return found;
}

/** Of words whose case is no matter letters are compared in lower case: that is one bit of theirs. */
const words = [
  ...[...booleanTexts.true, ...booleanTexts.false].map((text) => ({ text, is: kind.boolean, fold: 0 })),
  ...notANumber.map((text) => ({ text, is: kind.notANumber, fold: 0x20 })),
].map(({ text, ...others }) => ({ ...others, bytes: Buffer.from(text) }));

/** Of a cell that begins as words do. A text made of each takes longer than all else. */
function kindOfWord(bytes: Buffer, start: number, end: number): number {
  for (const word of words) {
    let at = end - start === word.bytes.length ? 0 : -1;
    while (at >= 0 && at < word.bytes.length)
      at = ((bytes[start + at] as number) | word.fold) === word.bytes[at] ? at + 1 : -1;
    if (at >= 0) return word.is;
  }
  return kind.text;
}

function afterDigits(bytes: Buffer, start: number, end: number): number {
  let at = start;
  while (at < end && (bytes[at] as number) >= zero && (bytes[at] as number) <= nine) at += 1;
  return at;
}
