/**
 * What is asked of the rows of flat JSONL, or of plain CSV, while they are looked at: a row is clear where each of its values is one that
 * these certainly allow. Of the others nothing is said. Plain data, for threads.
 */
export interface LineRules {
  /** Whose rules they are. */
  key: string;
  /** The column that tells rows apart. */
  id: string | null;
  columns: readonly (readonly [name: string, values: ColumnRules])[];
  /** Of columns that are not named. */
  others: ColumnRules;
  required: readonly string[];
  /** Numbers that a longer one may be taken for, whole ones of few digits aside. */
  numbers: readonly number[];
}

export interface ColumnRules extends ValueRules {
  /** What the text of a cell may spell, and whether no value is null. Where `any` type is not named other cells say whether NaN is a value. */
  cells: { number: boolean; boolean: boolean; null: boolean; any: boolean };
}

/** The values of a column that are certainly allowed. */
export interface ValueRules {
  null: boolean;
  true: boolean;
  false: boolean;
  number: NumberRules | null;
  text: TextRules | null;
}

export interface NumberRules {
  minimum: number;
  maximum: number;
  exclusiveMinimum: number;
  exclusiveMaximum: number;
  whole: boolean;
  multiplesOf: readonly Decimal[];
  among: readonly number[] | null;
}

/** As a number is written. */
export interface Decimal {
  digits: number;
  /** How many of them come after the point, less the exponent. */
  places: number;
}

export interface TextRules {
  /** In characters. */
  minLength: number;
  maxLength: number;
  automaton: Automaton | null;
}

/** Says of a text of JSON without escapes, all of ASCII, whether a regular expression has a match in it. It begins in state 0. */
export interface Automaton {
  /** By state and byte: the state that follows, each a multiple of 256; `stops`, below all of them, of all bytes that no such text has. */
  next: Int32Array;
  /** By state, a 256th of it: 1 where the text may end. */
  ends: Uint8Array;
}

export const stops = -1;

/** Finds a match in every text. */
export const anyText: Automaton = {
  next: Int32Array.from({ length: 256 }, (_, byte) => (isPlain(byte) ? 0 : stops)),
  ends: Uint8Array.of(1),
};

/** Whether a byte is a character that stands for itself in a text of JSON. */
export function isPlain(byte: number): boolean {
  return byte >= 0x20 && byte < 0x80 && byte !== 0x22 && byte !== 0x5c;
}

/** What `LineRules` say of all rows. */
export interface JudgedLines {
  /** The key of the rules. */
  by: string;
  /** Numbers of the rows, from 1, that are not certainly valid, in order. */
  unclear: readonly number[];
  /** Of CSV these rows as they are written, without line ends; not where a cell has one. */
  texts?: readonly string[];
  /** Of each file how many rows it has. */
  files?: readonly number[];
  /** Whether each id that there is is a whole number, and greater than those before it. */
  idsGrow: boolean;
}

/** The same of some rows that follow one another. */
export interface JudgedPart {
  unclear: readonly number[];
  texts?: readonly string[];
  /** Of these rows together. */
  length: number;
  /** Where they grow. */
  ids: { first: number; last: number } | null;
}

/** What parts in their order say together; nothing where one of them says nothing. */
export function judgedTogether(
  rules: LineRules | null,
  parts: readonly { rows: number; judged?: JudgedPart }[],
): { judged?: JudgedLines } {
  const unclear: number[][] = [];
  const texts = parts.flatMap(({ judged }) => (judged?.texts === undefined ? [] : [judged.texts]));
  let rows = 0;
  let last: number | null = -Infinity;
  for (const { rows: inPart, judged } of parts) {
    if (rules === null || judged === undefined) return {};
    const { ids } = judged;
    const before = rows;
    unclear.push(judged.unclear.map((row) => before + row));
    last = last !== null && ids !== null && last < ids.first ? Math.max(last, ids.last) : null;
    rows += inPart;
  }
  if (rules === null) return {};
  return {
    judged: {
      by: rules.key,
      unclear: unclear.flat(),
      ...(texts.length === parts.length ? { texts: texts.flat() } : {}),
      idsGrow: last !== null,
    },
  };
}

/** Of more rows that are not clear, of more of all, or of longer ones, the engine has the better look. */
const mostUnclear = 200_000;
const fewUnclear = 10_000;
const mostShare = 0.25;
const mostText = 32 * 1024 * 1024;

function areFew(count: number, rows: number, length: number): boolean {
  return (count <= fewUnclear || count <= mostShare * rows) && count <= mostUnclear && length <= mostText;
}

/** Whether parts have no more rows that are not clear than one of them may have. */
export function areFewTogether(parts: readonly { rows: number; judged?: JudgedPart }[]): boolean {
  let [count, rows, length] = [0, 0, 0];
  for (const { rows: inPart, judged } of parts) {
    if (judged === undefined) return false;
    count += judged.unclear.length;
    rows += inPart;
    length += judged.length;
  }
  return areFew(count, rows, length);
}

/** Collects what is said of rows, one after the other. */
export class RowsToJudge {
  readonly #unclear: number[] = [];
  /** Those that are kept; null where one may not be. */
  #texts: string[] | null = [];
  #length = 0;
  #first = Infinity;
  #last = -Infinity;
  #grow = true;

  /**
   * False: there are too many.
   * @param text null where the row cannot be read without the engine
   */
  addUnclear(row: number, text: string | null = null): boolean {
    if (text === null) this.#texts = null;
    this.#texts?.push(text ?? '');
    this.#length += text?.length ?? 0;
    return areFew(this.#unclear.push(row), row, this.#length);
  }

  /** A whole one. Above 1e15 it may be rounded. */
  addId(id: number): void {
    if (!(this.#last < id) || Math.abs(id) >= mostExact) this.#grow = false;
    if (this.#first === Infinity) this.#first = id;
    this.#last = id;
  }

  /** All ids, from their first to their last, which is NaN where they do not grow. */
  addIds(first: number, last: number): void {
    if (first === Infinity) return;
    [this.#first, this.#last, this.#grow] = [first, last, !Number.isNaN(last)];
  }

  /** @param whole whether each id was one */
  found(whole: boolean): JudgedPart {
    const ids = this.#grow && whole ? { first: this.#first, last: this.#last } : null;
    const texts = this.#texts === null ? {} : { texts: this.#texts };
    return { unclear: this.#unclear, ...texts, length: this.#length, ids };
  }
}

/** Those that are doubles. Of others there is no number here, which no comparison allows. */
export const powers = Array.from({ length: 23 }, (_, power) => Number(`1e${power}`));

/** Digits of whole numbers that are doubles, each of them. */
export const mostExact = 1e15;

/**
 * Whether a number is certainly allowed.
 * @param digits its digits without the point, as far as a double holds them: at most 100
 * @param places how many of them come after the point, less the exponent
 * @param whole whether it is written as a whole number
 */
export function allowsNumber(
  rules: NumberRules,
  numbers: readonly number[],
  digits: number,
  places: number,
  whole: boolean,
): boolean {
  const value = places < 0 ? digits * (powers[-places] as number) : digits / (powers[places] as number);
  let error = 0;
  if (digits < mostExact && digits > -mostExact) {
    if (rules.whole && value !== Math.trunc(value)) return false;
    if (rules.among !== null && !rules.among.includes(value)) return false;
    for (const each of rules.multiplesOf) if (!isMultiple(digits, places, each)) return false;
  } else {
    if ((rules.whole && !whole) || rules.among !== null || rules.multiplesOf.length > 0) return false;
    // Rounding after each digit adds up to less than a quarter of this.
    error = Math.abs(value) * 1e-13;
    // Its double may be whole, or one of these, where the number is not: nobody can judge it.
    if (!whole && Math.abs(value - Math.round(value)) <= error) return false;
    for (const each of numbers) if (Math.abs(value - each) <= error) return false;
  }
  return (
    value - error >= rules.minimum &&
    value + error <= rules.maximum &&
    value - error > rules.exclusiveMinimum &&
    value + error < rules.exclusiveMaximum
  );
}

/** Whether a number is certainly a multiple of another, as both are written: in whole numbers of the same power of ten. */
function isMultiple(digits: number, places: number, of: Decimal): boolean {
  const more = of.places - places;
  const dividend = more > 0 ? digits * (powers[more] as number) : digits;
  const divisor = more < 0 ? of.digits * (powers[-more] as number) : of.digits;
  return Math.abs(dividend) < mostExact && dividend % divisor === 0;
}
