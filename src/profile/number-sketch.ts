import { countNumber, mergeRegisters, noValues, type Registers } from './distinct.ts';
import { float, highWord, lowWord, words } from './double-words.ts';
import { ExactSum, largestSummed, nothing, plus, type Exact } from './exact-sum.ts';

/** Buckets that a sketch has at most. */
export const mostBuckets = 2048;

/**
 * What is kept of many finite numbers. Numbers that differ only in the last `shift` bits of their magnitude (of 63: exponent and
 * fraction) are one bucket; the shift is the least that leaves no more than `mostBuckets` of them. So up to that many different
 * numbers are kept as they are, and more are rounded as far as need be, by relative size. Since any coarser sketch follows from a
 * finer one, sketches of parts merge to exactly that of the whole.
 */
export interface NumberSketch {
  n: number;
  /** Null: of no numbers. */
  min: number | null;
  max: number | null;
  sum: Exact;
  squares: Exact;
  /** Numbers that are too large to be summed. */
  huge: number;
  shift: number;
  /** Counts by the number of least magnitude in the bucket. */
  buckets: Map<number, number>;
  registers: Registers;
}

/** The number of least magnitude in the bucket that a number is in. */
export function truncated(value: number, shift: number): number {
  if (shift === 0) return value === 0 ? 0 : value;
  float[0] = value;
  if (shift < 32) words[lowWord] = ((words[lowWord] as number) >>> shift) << shift;
  else {
    words[lowWord] = 0;
    const high = shift - 32;
    if (high > 0) words[highWord] = (((words[highWord] as number) >>> high) << high) >>> 0;
  }
  const found = float[0];
  return found === 0 ? 0 : found;
}

/** The number that stands for a bucket: the middle one; of the bucket around 0, 0. */
export function representative(bucket: number, shift: number): number {
  if (shift === 0 || bucket === 0) return bucket;
  float[0] = bucket;
  const word = shift <= 32 ? lowWord : highWord;
  words[word] = ((words[word] as number) | (1 << ((shift - 1) % 32))) >>> 0;
  const middle = float[0];
  return Number.isFinite(middle) ? middle : bucket;
}

/** Sketches the numbers of a column, row by row. */
export class NumberSketcher {
  /** Rows without a number. */
  missing = 0;
  /** Those of them that have NaN. */
  nan = 0;
  readonly infinite: [negative: number, positive: number] = [0, 0];
  #n = 0;
  #min = Infinity;
  #max = -Infinity;
  #huge = 0;
  #shift = 0;
  #buckets = new Map<number, number>();
  readonly #sum = new ExactSum();
  readonly #squares = new ExactSum();
  readonly #registers = noValues();

  /** @param value null where there is none */
  add(value: number | null): void {
    if (value === null || !Number.isFinite(value)) {
      if (value === Infinity || value === -Infinity) this.infinite[value < 0 ? 0 : 1] += 1;
      else this.missing += 1;
      if (Number.isNaN(value)) this.nan += 1;
      return;
    }
    this.#n += 1;
    if (value < this.#min) this.#min = value;
    if (value > this.#max) this.#max = value;
    if (Math.abs(value) > largestSummed) this.#huge += 1;
    else {
      this.#sum.add(value);
      this.#squares.addSquare(value);
    }
    const bucket = truncated(value, this.#shift);
    const before = this.#buckets.get(bucket);
    if (before !== undefined && this.#shift === 0) {
      this.#buckets.set(bucket, before + 1);
      return;
    }
    countNumber(this.#registers, value);
    this.#buckets.set(bucket, (before ?? 0) + 1);
    if (before === undefined && this.#buckets.size > mostBuckets) {
      ({ shift: this.#shift, buckets: this.#buckets } = fitted(this.#buckets, this.#shift, mostBuckets));
    }
  }

  get sketch(): NumberSketch {
    return {
      n: this.#n,
      // A sum and 0 have no sign of their own.
      min: this.#n === 0 ? null : this.#min + 0,
      max: this.#n === 0 ? null : this.#max + 0,
      sum: this.#sum.value,
      squares: this.#squares.value,
      huge: this.#huge,
      shift: this.#shift,
      buckets: this.#buckets,
      registers: this.#registers,
    };
  }
}

export const emptySketch: NumberSketch = {
  n: 0,
  min: null,
  max: null,
  sum: nothing,
  squares: nothing,
  huge: 0,
  shift: 0,
  buckets: new Map(),
  registers: noValues(),
};

export function mergeSketches(one: NumberSketch, other: NumberSketch): NumberSketch {
  const shift = Math.max(one.shift, other.shift);
  const together = coarser(one.buckets, shift);
  for (const [bucket, count] of coarser(other.buckets, shift)) {
    together.set(bucket, (together.get(bucket) ?? 0) + count);
  }
  const either = (choose: (...values: number[]) => number, a: number | null, b: number | null): number | null =>
    a === null ? b : b === null ? a : choose(a, b);
  return {
    n: one.n + other.n,
    min: either(Math.min, one.min, other.min),
    max: either(Math.max, one.max, other.max),
    sum: plus(one.sum, other.sum),
    squares: plus(one.squares, other.squares),
    huge: one.huge + other.huge,
    ...fitted(together, shift, mostBuckets),
    registers: mergeRegisters(one.registers, other.registers),
  };
}

/** The same with buckets that differ in no less than `shift` bits. @param shift at least that of the buckets */
export function coarser(buckets: ReadonlyMap<number, number>, shift: number): Map<number, number> {
  const found = new Map<number, number>();
  for (const [bucket, count] of buckets) {
    const wider = truncated(bucket, shift);
    found.set(wider, (found.get(wider) ?? 0) + count);
  }
  return found;
}

/** As fine as so many buckets allow: at the least shift, from `shift` on, that leaves no more than `most`. */
export function fitted(
  buckets: Map<number, number>,
  shift: number,
  most: number,
): { shift: number; buckets: Map<number, number> } {
  let [low, high, found] = [shift, shift, buckets];
  // Wider buckets are never more. One step is enough of most sketches, some forty of the first that is too large.
  for (let step = 1; found.size > most && high < 63; step *= 2) {
    [low, high] = [high, Math.min(63, high + step)];
    found = coarser(buckets, high);
  }
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    const tried = coarser(buckets, middle);
    if (tried.size > most) low = middle;
    else [high, found] = [middle, tried];
  }
  return { shift: high, buckets: found };
}
