import { float, highWord, lowWord, words } from './double-words.ts';

/** A number without rounding: mantissa * 2^exponent. */
export interface Exact {
  mantissa: bigint;
  exponent: number;
}

export const nothing: Exact = { mantissa: 0n, exponent: 0 };

/** Doubles beyond this are left to the caller: their squares, or sums of many of them, are no doubles. */
export const largestSummed = 2 ** 500;

/** Numbers that are added before the bins are emptied: sums of so many words of 32 bits are exact in a double. */
const mostAdded = 2 ** 20;
/** Exponents that share an array of bins, so that columns of like numbers take little memory. */
const inChunk = 64;

/**
 * A sum of doubles without rounding, so that the order in which they come makes no difference: the two words of each fraction are
 * added up in bins by exponent (Neal, "Fast exact summation using small and large superaccumulators", 2015).
 */
export class ExactSum {
  /** Of `inChunk` exponents each: sums of the high words of their fractions, then of the low ones. */
  readonly #bins: (Float64Array | undefined)[] = [];
  #added = 0;
  /** The sum of what is no longer in the bins. */
  #before = nothing;

  /** @param value at most `largestSummed` */
  add(value: number): void {
    float[0] = value;
    const high = words[highWord] as number;
    const exponent = (high >>> 20) & 2047;
    const fraction = (high & 0xf_ffff) | (exponent === 0 ? 0 : 0x10_0000);
    const sign = high >>> 31 === 1 ? -1 : 1;
    const bins = (this.#bins[Math.trunc(exponent / inChunk)] ??= new Float64Array(2 * inChunk));
    const bin = exponent % inChunk;
    bins[bin]! += sign * fraction;
    bins[inChunk + bin]! += sign * (words[lowWord] as number);
    this.#added += 1;
    if (this.#added < mostAdded) return;
    this.#before = this.value;
    for (const each of this.#bins) each?.fill(0);
    this.#added = 0;
  }

  /** Add the square of a value: the rounded one, and what rounding took from it (Dekker 1971). */
  addSquare(value: number): void {
    const scaled = 134_217_729 * value;
    const high = scaled - (scaled - value);
    const low = value - high;
    const square = value * value;
    this.add(square);
    const lost = high * high - square + 2 * high * low + low * low;
    if (lost !== 0) this.add(lost);
  }

  get value(): Exact {
    let sum = this.#before;
    for (const [chunk, bins] of this.#bins.entries()) {
      if (bins === undefined) continue;
      for (let bin = 0; bin < inChunk; bin += 1) {
        const [high, low] = [bins[bin] as number, bins[inChunk + bin] as number];
        if (high === 0 && low === 0) continue;
        const exponent = Math.max(1, chunk * inChunk + bin) - 1075;
        sum = plus(sum, { mantissa: (BigInt(high) << 32n) + BigInt(low), exponent });
      }
    }
    return sum;
  }
}

export function plus(a: Exact, b: Exact): Exact {
  const exponent = Math.min(a.exponent, b.exponent);
  const at = ({ mantissa, exponent: own }: Exact): bigint => mantissa << BigInt(own - exponent);
  return { mantissa: at(a) + at(b), exponent };
}

export function times(a: Exact, b: Exact): Exact {
  return { mantissa: a.mantissa * b.mantissa, exponent: a.exponent + b.exponent };
}

/** The nearest double but for the last bit; the same for equal numbers, however they are written. */
export function quotient({ mantissa, exponent }: Exact, divisor: bigint): number {
  if (mantissa === 0n) return 0;
  const size = mantissa < 0n ? -mantissa : mantissa;
  const shift = Math.max(0, 80 + divisor.toString(2).length - size.toString(2).length);
  const ratio = (size << BigInt(shift)) / divisor;
  const spare = Math.max(0, ratio.toString(2).length - 64);
  const power = exponent - shift + spare;
  // In two steps, since a power beyond the doubles may have a product that is none.
  const half = Math.trunc(power / 2);
  const value = Number(ratio >> BigInt(spare)) * 2 ** half * 2 ** (power - half);
  return mantissa < 0n ? -value : value;
}

/** One text for each number: a hexadecimal mantissa that is odd, and a power of two: `-1f3p-52`. */
export function exactText({ mantissa, exponent }: Exact): string {
  if (mantissa === 0n) return '0p0';
  let size = mantissa < 0n ? -mantissa : mantissa;
  let power = exponent;
  while ((size & 1n) === 0n) {
    size >>= 1n;
    power += 1;
  }
  return `${mantissa < 0n ? '-' : ''}${size.toString(16)}p${power}`;
}

export const exactPattern = '^-?[0-9a-f]{1,800}p-?[0-9]{1,5}$';

/** @param text of `exactPattern` */
export function exactFrom(text: string): Exact {
  const [, sign = '', digits = '0', power = '0'] = /^(-?)([0-9a-f]+)p(-?[0-9]+)$/u.exec(text) ?? [];
  const size = BigInt(`0x${digits}`);
  return { mantissa: sign === '' ? size : -size, exponent: Number(power) };
}
