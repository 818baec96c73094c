import { normalQuantile } from './distributions.ts';

export interface Bounds {
  lower: number;
  upper: number;
}

/**
 * Wilson's score interval of a share (J. Am. Stat. Assoc. 1927): one-sided bounds at level `alpha` each, so `alpha` 0.025 for a
 * two-sided interval of 95%. Without any trial everything is possible.
 */
export function wilson(hits: number, trials: number, alpha: number): Bounds {
  if (trials === 0) return { lower: 0, upper: 1 };
  const z = normalQuantile(1 - alpha);
  const square = z * z;
  const share = hits / trials;
  const centre = (share + square / (2 * trials)) / (1 + square / trials);
  const radius =
    (z / (1 + square / trials)) * Math.sqrt((share * (1 - share)) / trials + square / (4 * trials * trials));
  // What was seen in every trial, or in none, is not excluded by a rounding.
  return {
    lower: hits === 0 ? 0 : Math.max(0, centre - radius),
    upper: hits === trials ? 1 : Math.min(1, centre + radius),
  };
}
