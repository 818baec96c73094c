import { tCdf, tQuantile } from './distributions.ts';
import type { PairedInterval } from './interval.ts';
import { pointInterval } from './paired-mean.ts';

/**
 * Interval from a statistic with one of g random groups of units left out at a time: delta -+ t[g - 1] * se, the variance
 * (g - 1) / g * sum of squared distances from their mean. Kott, "The delete-a-group jackknife" (J. Official Statistics 17, 2001);
 * consistent for quantiles too where groups are large (Shao and Wu, Ann. Statist. 17, 1989). Not for extremes, such as a maximum.
 */
export function jackknifeInterval(delta: number, left: Float64Array, method: string): PairedInterval {
  const groups = left.length;
  // One unit says nothing of how others differ.
  if (groups < 2) return pointInterval(Number.NaN, method);
  const mean = left.reduce((sum, value) => sum + value, 0) / groups;
  const squares = left.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const standardError = Math.sqrt(((groups - 1) / groups) * squares);
  if (standardError === 0) return pointInterval(delta, method);
  const freedom = groups - 1;
  return {
    delta,
    standardError,
    method,
    lower: (alpha) => delta - tQuantile(1 - alpha, freedom) * standardError,
    upper: (alpha) => delta + tQuantile(1 - alpha, freedom) * standardError,
    pBelow: (value) => tCdf((delta - value) / standardError, freedom),
    pAbove: (value) => tCdf((value - delta) / standardError, freedom),
  };
}
