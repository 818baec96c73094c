import { quantile, sampleOf, type Sample } from './bins.ts';

/** Numbers that differ by less, relative to their size, are one: what single precision and another order of summing leave. */
const ofSize = 1e-6;
/** And so are those that differ by less of the interquartile range of the reference: such a change is none. */
const ofSpread = 1e-4;
/** Whole numbers are as they are, however large: codes, dates as numbers. */
const belowWhole = 0.5;

/**
 * Two samples, the first not empty, in which numbers that are all but equal are one and the same: 0.1 as a double and 0.1 in single precision have to be
 * one atom, since a bin of its own is no wider than the number. Samples are given back as they are where there is none such.
 */
export function withSameNumbers(reference: Sample, current: Sample): [Sample, Sample] {
  const spread = ofSpread * (quantile(reference, 0.75) - quantile(reference, 0.25));
  const sides = [reference.values, current.values] as const;
  const merged: (Float64Array | undefined)[] = [undefined, undefined];
  const at: [number, number] = [0, 0];
  let [first, last] = [Number.NaN, -Infinity];
  while (at[0] < sides[0].length || at[1] < sides[1].length) {
    const side = (sides[0][at[0]] ?? Infinity) <= (sides[1][at[1]] ?? Infinity) ? 0 : 1;
    const place = at[side]++;
    const value = sides[side][place] as number;
    if (value > last) {
      first = value;
      last = value + Math.min(belowWhole, Math.max(Math.abs(value) * ofSize, spread));
    } else if (value !== first) (merged[side] ??= sides[side].slice())[place] = first;
  }
  return [rebuilt(reference, merged[0]), rebuilt(current, merged[1])];
}

/** How many different numbers there are, where those that are all but equal are one. */
export function distinctNumbers(sample: Sample): number {
  if (sample.values.length === 0) return 0;
  return withSameNumbers(sample, sampleOf(new Float64Array()))[0].values.length;
}

function rebuilt(sample: Sample, merged: Float64Array | undefined): Sample {
  return merged === undefined ? sample : withoutRepeats({ values: merged, upTo: sample.upTo });
}

/** A sample some of whose values have become equal. */
export function withoutRepeats({ values, upTo }: Sample): Sample {
  // Of equal ones the last knows how many numbers are at most that.
  const kept = values.map((_, index) => index).filter((index) => values[index] !== values[index + 1]);
  return { values: kept.map((index) => values[index] as number), upTo: kept.map((index) => upTo[index] as number) };
}
