import { tQuantile } from './distributions.ts';

/** How many times the champion's value the candidate's is, with one-sided bounds. */
export interface Ratio {
  value: number;
  lower: number;
  upper: number;
  /** Pairs it rests on. */
  pairs: number;
}

/**
 * The ratio of two costs measured in pairs close in time: the geometric mean of the pairs' ratios, and the paired t interval of
 * their logarithms. What drifts, drifts in both of a pair. One-sided level `alpha` each. Costs are positive.
 */
export function ratioOf(candidate: readonly number[], champion: readonly number[], alpha: number): Ratio {
  const logs = candidate.map((cost, pair) => Math.log(cost / (champion[pair] as number)));
  const { value, lower, upper } = meanBounds(logs, alpha);
  return { value: Math.exp(value), lower: Math.exp(lower), upper: Math.exp(upper), pairs: logs.length };
}

/** Mean of independent values with the t interval; bounds of fewer than two values are infinite. */
export function meanBounds(values: readonly number[], alpha: number): { value: number; lower: number; upper: number } {
  const count = values.length;
  const value = values.reduce((sum, each) => sum + each, 0) / count;
  if (count < 2) return { value, lower: Number.NEGATIVE_INFINITY, upper: Number.POSITIVE_INFINITY };
  const squares = values.reduce((sum, each) => sum + (each - value) ** 2, 0);
  const reach = tQuantile(1 - alpha, count - 1) * Math.sqrt(squares / (count - 1) / count);
  return { value, lower: value - reach, upper: value + reach };
}

/** The middle value, or the mean of the two in the middle. */
export function median(values: ArrayLike<number>): number {
  const sorted = Float64Array.from(values).sort();
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}
