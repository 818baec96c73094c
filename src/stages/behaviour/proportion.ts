import binomialCdf from '@stdlib/stats-base-dists-binomial-cdf';
import { bisected } from '../../statistics/bisection.ts';

/**
 * Exact one-sided bounds, at level `alpha` each, of the probability behind `hits` in `total` (Clopper and Pearson, Biometrika 1934):
 * the least probability that gives so many hits in more than `alpha` of samples, and the greatest that gives so few.
 */
export function proportionBounds(hits: number, total: number, alpha: number): { lower: number; upper: number } {
  return {
    lower: hits === 0 ? 0 : crossing((p) => 1 - binomialCdf(hits - 1, total, p) >= alpha),
    upper: hits === total ? 1 : crossing((p) => binomialCdf(hits, total, p) < alpha),
  };
}

/** Where in [0, 1] a condition begins to hold, to 1e-12. */
function crossing(holds: (p: number) => boolean): number {
  const [low, high] = bisected(0, 1, 40, holds);
  return (low + high) / 2;
}
