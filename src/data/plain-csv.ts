import { isUtf8 } from 'node:buffer';
import { createHash, type Hash } from 'node:crypto';
import { fileDigest } from '../file-digest.ts';
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
import { isPacked, type CsvDialect } from './relation.ts';
import { longestNumber } from './written-decimals.ts';

/** What the cells of plain CSV are. */
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
    files.push(found.parts.reduce((sum, { rows }) => sum + rows, 0));
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
    if (inHeader) {
      at = table.read(lines, 0, 1);
      if (at > 0) table.forget();
      inHeader = at === 0;
    }
    if (!inHeader && !table.broken) at = table.read(lines, at);
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
// Each by itself: of those that come out of a list the compiler does not know that they are constant.
const tab = 0x09;
const newline = 0x0a;
const carriageReturn = 0x0d;
const quote = 0x22;
const minus = 0x2d;
const point = 0x2e;
const zero = 0x30;
const nine = 0x39;

/** How the cells of each column that are no numbers are passed, and what is asked of them and of numbers, as far as that is soon told. */
interface Ways {
  /** By state and byte the state that follows, as an `Automaton` has it: `stops` where the cell ends too. */
  next: Int32Array;
  /** By state, a 256th of it: 1 where a text may end. */
  accepts: Uint8Array;
  /** Of each column the state in front of a cell; 0 where texts have no automaton. */
  entries: Uint32Array;
  /** Of each column the bytes of a text that is certainly allowed, if it is accepted. */
  shortest: Float64Array;
  longest: Float64Array;
  /** Of each column 1 where a number is allowed by no more than these bounds, and by whether it is whole. */
  bounded: Uint8Array;
  whole: Uint8Array;
  least: Float64Array;
  greatest: Float64Array;
}

function waysOf(width: number, rules: CsvRules | null, ending: Uint8Array): Ways {
  const asked = Array.from({ length: width }, (_, column) => rules?.columns[column]);
  const texts = asked.map((column) => (column === undefined ? anyText : column.text));
  // Column after column; the first state is that of texts without an automaton, which is not asked.
  const next: number[] = Array.from({ length: 256 }, () => 0);
  const accepts = [1];
  const places = new Map<unknown, number>([[null, 0]]);
  const entries = texts.map((text) => {
    const automaton = text?.automaton ?? null;
    const known = places.get(automaton);
    if (automaton === null || known !== undefined) return known ?? 0;
    const place = next.length;
    places.set(automaton, place);
    for (const [at, to] of automaton.next.entries()) next.push(to < 0 || ending[at % 256] !== 0 ? stops : place + to);
    for (const each of automaton.ends) accepts.push(each);
    return place;
  });
  const numbers = asked.map((column) => {
    if (rules === null || column === undefined) return anyNumber;
    const { cells, number } = column;
    if (!cells.number || number === null || number.among !== null || number.multiplesOf.length > 0) return null;
    const { exclusiveMinimum, exclusiveMaximum } = number;
    return exclusiveMinimum > -Infinity || exclusiveMaximum < Infinity || rules.numbers.length > 0 ? null : number;
  });
  return {
    next: Int32Array.from(next),
    accepts: Uint8Array.from(accepts),
    entries: Uint32Array.from(entries),
    shortest: Float64Array.from(texts, (text) => {
      if (text === null) return Infinity;
      // No character has more than four bytes; and what is empty is no text.
      return Math.max(1, text.automaton === null ? 4 * text.minLength : text.minLength);
    }),
    longest: Float64Array.from(texts, (text) => text?.maxLength ?? 0),
    bounded: Uint8Array.from(numbers, (number) => Number(number !== null)),
    whole: Uint8Array.from(numbers, (number) => Number(number?.whole === true)),
    least: Float64Array.from(numbers, (number) => number?.minimum ?? 0),
    greatest: Float64Array.from(numbers, (number) => number?.maximum ?? 0),
  };
}

const anyText = { minLength: 0, maxLength: Infinity, automaton: null };
const anyNumber = { minimum: -Infinity, maximum: Infinity, whole: false };

class PlainRows {
  broken = false;
  #ends: 'unknown' | 'lf' | 'crlf' = 'unknown';
  #rows = 0;
  #lineBreaks = false;
  /** Of each column the bits of `kind` of its cells. */
  readonly #kinds: Uint8Array;
  /** Of each column the cells without a value. */
  readonly #missing: Float64Array;
  /** Those of the row that is being read. */
  readonly #gaps: Uint32Array;
  readonly #delimiter: number;
  /** By byte: 1 where a cell without quotes ends, 2 where it is not plain. */
  readonly #stops = new Uint8Array(256);
  readonly #ways: Ways;
  /** Null: nobody asks, or too many rows are not clear. */
  #rules: CsvRules | null;
  #told = new RowsToJudge();

  constructor(width: number, delimiter: number, rules: CsvRules | null) {
    this.#rules = rules;
    this.#kinds = new Uint8Array(width);
    this.#missing = new Float64Array(width);
    this.#gaps = new Uint32Array(width);
    this.#delimiter = delimiter;
    this.#stops.fill(2, 0, 9);
    this.#stops[quote] = 2;
    for (const byte of [delimiter, newline, carriageReturn]) this.#stops[byte] = 1;
    this.#ways = waysOf(width, rules, this.#stops);
  }

  /** What was read so far has names of columns. */
  forget(): void {
    this.#rows = 0;
    this.#told = new RowsToJudge();
    for (const each of [this.#kinds, this.#missing]) each.fill(0);
  }

  found(): CsvPart {
    const id = this.#rules?.id ?? -1;
    const judged = this.#rules === null ? {} : { judged: this.#told.found((this.#kinds[id] ?? 0) <= kind.whole) };
    return {
      ...judged,
      rows: this.#rows,
      kinds: this.#kinds,
      present: this.#missing.map((each) => this.#rows - each),
      lineBreaks: this.#lineBreaks,
      ends: this.#ends,
    };
  }

  lineEnd(): Buffer {
    return Buffer.from(this.#ends === 'crlf' ? '\r\n' : '\n');
  }

  /**
   * The place after the last whole row, or after the first so many; before one that is not plain (`broken`). What is hot is in one loop,
   * without calls, over arrays of one type.
   * @param bytes the last of them is a line end, so that no cell goes beyond
   */
  read(bytes: Buffer, from: number, most = Infinity): number {
    const kinds = this.#kinds;
    const delimiter = this.#delimiter;
    const ending = this.#stops;
    const { next, accepts, entries, shortest, longest, bounded, whole, least, greatest } = this.#ways;
    const width = kinds.length;
    const idColumn = this.#rules?.id ?? -1;
    const missing = this.#gaps;
    let start = from;
    for (let left = most; start < bytes.length && left > 0; left--) {
      let clear = true;
      let id: number | null = null;
      let at = start;
      let gaps = 0;
      for (let column = 0; column < width; column++) {
        let first = at;
        let byte = bytes[at] as number;
        const begins = beginnings[byte] as number;
        let told = false;
        let spelled = -1;
        if (begins === digit || byte === minus) {
          // Most numbers are told, and judged, as they are passed: digits, and a fraction.
          if (byte === minus) at += 1;
          const wholes = at;
          let value = 0;
          for (let each = (bytes[at] as number) ^ zero; each <= 9; each = (bytes[++at] as number) ^ zero)
            value = value * 10 + each;
          const end = at;
          const isWhole = bytes[at] !== point;
          if (!isWhole) {
            at += 1;
            for (let each = (bytes[at] as number) ^ zero; each <= 9; each = (bytes[++at] as number) ^ zero)
              value = value * 10 + each;
          }
          const places = isWhole ? 0 : at - end - 1;
          told =
            ending[bytes[at] as number] === 1 &&
            end > wholes &&
            (isWhole || places > 0) &&
            (bytes[wholes] !== zero || (end === wholes + 1 && (byte !== minus || !isWhole))) &&
            at - first <= (isWhole ? 18 : longestNumber);
          if (told) {
            kinds[column] = (kinds[column] as number) | (isWhole ? kind.whole : kind.fraction);
            if (byte === minus) value = -value;
            if (column === idColumn && isWhole) id = value;
            if (bounded[column] === 1 && places < powers.length) {
              // See `allowsNumber`.
              const isHeld = value < mostExact && value > -mostExact;
              if (!isWhole) value /= powers[places] as number;
              const error = isHeld ? 0 : Math.abs(value) * 1e-13;
              if (!(value - error >= (least[column] as number) && value + error <= (greatest[column] as number)))
                clear = false;
              if (whole[column] === 1 && (isHeld ? value !== Math.trunc(value) : !isWhole)) clear = false;
              if (!isHeld && !isWhole && Math.abs(value - Math.round(value)) <= error) clear = false;
            } else clear &&= this.#allowsNumber(bytes, first, at, column, value, places, isWhole);
          } else at = first;
        }
        if (!told && byte !== quote) {
          let state = entries[column] as number;
          if (state === 0) while (ending[byte] === 0) byte = bytes[++at] as number;
          else
            for (let to = next[state + byte] as number; to >= 0; to = next[state + byte] as number) {
              state = to;
              byte = bytes[++at] as number;
            }
          const length = at - first;
          if (
            accepts[state >> 8] === 1 &&
            ending[byte] === 1 &&
            length >= (shortest[column] as number) &&
            length <= (longest[column] as number) &&
            // A byte order mark may be none of the text.
            bytes[first] !== 0xef
          ) {
            spelled = begins === 0 ? kind.text : kindOf(bytes, first, at);
            told = spelled === kind.text;
            if (told) kinds[column] = (kinds[column] as number) | kind.text;
          }
        }
        if (!told) {
          let end = at;
          if (byte === quote && at === first) {
            first += 1;
            end = this.#closing(bytes, first);
            if (end < 0) return start;
            at = end + 1;
          } else {
            while (ending[bytes[at] as number] === 0) at += 1;
            if (ending[bytes[at] as number] === 2) return this.#refuse(start);
            end = at;
          }
          if (spelled < 0) spelled = kindOf(bytes, first, end);
          if (spelled === 0) missing[gaps++] = column;
          kinds[column] = (kinds[column] as number) | spelled;
          if (column === idColumn && spelled === kind.whole) id = Number(bytes.toString('latin1', first, end));
          clear &&= this.#allows(bytes, first, end, column, spelled);
        }
        if (column < width - 1) {
          if (bytes[at] !== delimiter) return this.#refuse(start);
          at += 1;
        }
      }
      const end = at;
      const crlf = bytes[at] === carriageReturn;
      if (crlf) at += 1;
      // A line without anything may be no row.
      if (bytes[at] !== newline || (width === 1 && at - start <= 1)) return this.#refuse(start);
      const ends = crlf ? 'crlf' : 'lf';
      if (this.#ends === 'unknown') this.#ends = ends;
      if (this.#ends !== ends) return this.#refuse(start);
      this.#rows += 1;
      for (; gaps > 0; gaps--) {
        const column = missing[gaps - 1] as number;
        this.#missing[column] = (this.#missing[column] as number) + 1;
      }
      if (id !== null) this.#told.addId(id);
      if (!clear) this.#keep(bytes, start, end);
      start = at + 1;
    }
    return start;
  }

  /** A row that is not clear. */
  #keep(bytes: Buffer, start: number, end: number): void {
    if (this.#rules === null) return;
    const text = hasControl(bytes, start, end) ? null : bytes.toString('utf8', start, end);
    if (!this.#told.addUnclear(this.#rows, text)) this.#rules = null;
  }

  /** The quote that ends a cell; -1 where nobody knows yet whether another one follows, or there is none. */
  #closing(bytes: Buffer, start: number): number {
    for (let at = start; ; at += 2) {
      while (at < bytes.length && bytes[at] !== quote) {
        if (bytes[at] === newline) this.#lineBreaks = true;
        at += 1;
      }
      if (at + 1 >= bytes.length) return -1;
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

  #refuse(start: number): number {
    this.broken = true;
    return start;
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
