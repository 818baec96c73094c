/**
 * What is asked of the rows of flat JSONL while they are looked at: a row is clear where each of its values is one that these certainly
 * allow. Of the others nothing is said. Plain data, for threads.
 */
export interface LineRules {
  /** Whose rules they are. */
  key: string;
  /** The column that tells rows apart. */
  id: string | null;
  columns: readonly (readonly [name: string, values: ValueRules])[];
  /** Of columns that are not named. */
  others: ValueRules;
  required: readonly string[];
  /** Numbers that a longer one may be taken for, whole ones of few digits aside. */
  numbers: readonly number[];
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
  multiplesOf: readonly number[];
  among: readonly number[] | null;
}

export interface TextRules {
  /** In characters. */
  minLength: number;
  maxLength: number;
  automata: readonly Automaton[];
}

/** Says of a text of ASCII whether a regular expression has a match in it. It begins in state 0. */
export interface Automaton {
  /** By state and byte, 128 for each state: the state that follows. */
  next: Uint16Array;
  /** By state: 1 where the text may end. */
  ends: Uint8Array;
}

/** What `LineRules` say of all rows. */
export interface JudgedLines {
  /** The key of the rules. */
  by: string;
  /** Numbers of the rows, from 1, that are not certainly valid, in order. */
  unclear: readonly number[];
  /** Whether each id that there is is a whole number, and greater than those before it. */
  idsGrow: boolean;
}

/** A larger scale is no power of ten that a double is. */
const powers = Array.from({ length: 23 }, (_, power) => Number(`1e${power}`));

/** Digits of whole numbers that are doubles, each of them. */
const mostExact = 1e15;

/**
 * Whether a number is certainly allowed.
 * @param digits its digits without point and sign, as far as a double holds them, of at most 30
 * @param places how many of them come after the point, less the exponent
 */
export function allowsNumber(
  rules: NumberRules,
  numbers: readonly number[],
  { digits, places, negative, whole }: { digits: number; places: number; negative: boolean; whole: boolean },
): boolean {
  if (places > 22 || places < -22) return false;
  const size = places < 0 ? digits * (powers[-places] as number) : digits / (powers[places] as number);
  const value = negative ? -size : size;
  let error = 0;
  if (digits >= mostExact) {
    // Rounding of up to 30 digits adds up to less than half of this.
    error = size * 1e-14;
    if (rules.whole && !whole) return false;
    if (rules.among !== null || rules.multiplesOf.length > 0) return false;
    // Its double may be whole, or one of these, where the number is not: nobody can judge it.
    if (!whole && Math.abs(value - Math.round(value)) <= error) return false;
    for (const each of numbers) if (Math.abs(value - each) <= error) return false;
  } else {
    if (rules.whole && value !== Math.trunc(value)) return false;
    if (rules.among !== null && !rules.among.includes(value)) return false;
    for (const each of rules.multiplesOf) if (value % each !== 0 || size >= mostExact) return false;
  }
  return (
    value - error >= rules.minimum &&
    value + error <= rules.maximum &&
    value - error > rules.exclusiveMinimum &&
    value + error < rules.exclusiveMaximum
  );
}

/** Whether the text that begins and ends here, of so many characters, is certainly allowed. */
export function allowsText(rules: TextRules, bytes: Buffer, start: number, end: number, length: number): boolean {
  if (length < rules.minLength || length > rules.maxLength) return false;
  for (const { next, ends } of rules.automata) {
    // It has escapes, or characters that are not of ASCII.
    if (length < end - start) return false;
    let state = 0;
    for (let at = start; at < end; at++) state = next[state * 128 + (bytes[at] as number)] as number;
    if (ends[state] !== 1) return false;
  }
  return true;
}
