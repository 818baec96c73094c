/** A number without rounding: mantissa * 2^exponent. */
export interface Exact {
  mantissa: bigint;
  exponent: number;
}

export const nothing: Exact = { mantissa: 0n, exponent: 0 };

/** Doubles beyond this are left to the caller: their squares, or sums of many of them, are no doubles. */
export const largestSummed = 2 ** 500;

/**
 * A sum of doubles without rounding, so that the order in which they come makes no difference: partial sums that do not overlap
 * (Shewchuk, "Adaptive precision floating-point arithmetic", 1997; Python's `math.fsum`).
 */
export class ExactSum {
  readonly #partials: number[] = [];

  /** @param value at most `largestSummed` */
  add(value: number): void {
    const partials = this.#partials;
    let sum = value;
    let kept = 0;
    for (let index = 0; index < partials.length; index++) {
      const partial = partials[index] as number;
      const high = sum + partial;
      const low = Math.abs(sum) < Math.abs(partial) ? sum - (high - partial) : partial - (high - sum);
      if (low !== 0) partials[kept++] = low;
      sum = high;
    }
    partials.length = kept;
    if (sum !== 0) partials.push(sum);
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
    return this.#partials.map(exactOf).reduce(plus, nothing);
  }
}

const double = new DataView(new ArrayBuffer(8));

function exactOf(value: number): Exact {
  double.setFloat64(0, value);
  const bits = double.getBigUint64(0);
  const biased = Number((bits >> 52n) & 0x7ffn);
  const fraction = bits & 0xf_ffff_ffff_ffffn;
  const mantissa = biased === 0 ? fraction : fraction | (1n << 52n);
  return { mantissa: value < 0 ? -mantissa : mantissa, exponent: Math.max(1, biased) - 1075 };
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
