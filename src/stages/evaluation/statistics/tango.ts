import { bisected } from '../../../statistics/bisection.ts';
import { normalCdf, normalQuantile } from '../../../statistics/distributions.ts';
import type { PairedInterval } from './interval.ts';

/** Pairs of outcomes on the same rows. */
export interface PairedCounts {
  /** Rows where only the candidate succeeds; a weighted sample counts in effective rows, which are no whole numbers. */
  gained: number;
  /** Rows where only the champion succeeds. */
  lost: number;
  /** All rows, concordant ones included. */
  rows: number;
}

/**
 * Score interval for the difference of paired proportions, (gained - lost) / rows.
 * Tango, "Equivalence test and confidence interval for the difference in proportions for the paired-sample design",
 * Statistics in Medicine 17 (1998) 891-908. Needs no discordant pair: with none, the bounds are -+ z^2 / (rows + z^2).
 */
export function tangoInterval(counts: PairedCounts): PairedInterval {
  const { gained, lost, rows } = counts;
  return {
    delta: (gained - lost) / rows,
    standardError: Math.sqrt(Math.max(0, gained + lost - (gained - lost) ** 2 / rows)) / rows,
    method: 'tango-score',
    ...(gained + lost === 0 ? { nothingDiffers: true as const } : {}),
    lower: (alpha) => differenceAt(counts, normalQuantile(1 - alpha)),
    upper: (alpha) => differenceAt(counts, -normalQuantile(1 - alpha)),
    pBelow: (value) => normalCdf(tangoScore(counts, value)),
    pAbove: (value) => normalCdf(-tangoScore(counts, value)),
  };
}

/** Tango's score statistic of "the difference is `difference`": standard normal under it, decreasing in `difference`. */
export function tangoScore({ gained, lost, rows }: PairedCounts, difference: number): number {
  const linear = -gained - lost + (2 * rows - gained + lost) * difference;
  const constant = -lost * difference * (1 - difference);
  const discriminant = Math.sqrt(Math.max(0, linear * linear - 8 * rows * constant));
  // Of the two forms of the root, the one that does not subtract nearly equal numbers.
  const onlyChampion = linear <= 0 ? (discriminant - linear) / (4 * rows) : (-2 * constant) / (linear + discriminant);
  const variance = rows * (2 * onlyChampion + difference * (1 - difference));
  const distance = gained - lost - rows * difference;
  if (variance > 0) return distance / Math.sqrt(variance);
  return distance === 0 ? 0 : Math.sign(distance) * Infinity;
}

/** Where the score has this value, to 1e-15: it decreases from +infinity at -1 to -infinity at 1. */
function differenceAt(counts: PairedCounts, z: number): number {
  const [low, high] = bisected(-1, 1, 51, (difference) => !(tangoScore(counts, difference) > z));
  return (low + high) / 2;
}
