/*
 * Inference on means that holds at every time at once, so that it may be looked at as often as wanted and stopped at will.
 * `alpha` is the level over all looks.
 */

/**
 * Log of the mixture likelihood ratio (mSPRT) of an estimate `delta` with variance `variance` against no effect, the effect having a
 * normal prior of variance `tau2`. The always-valid p-value is the least exp(-value) so far. Johari et al., Oper. Res. 2022,
 * arXiv 1512.04922.
 */
export function mixtureEvidence(delta: number, variance: number, tau2: number): number {
  return 0.5 * Math.log(variance / (variance + tau2)) + (tau2 * delta * delta) / (2 * variance * (variance + tau2));
}

/**
 * What to multiply a standard error with for an asymptotic confidence sequence (Waudby-Smith et al., arXiv 2103.06476).
 * @param n units so far, of both arms
 * @param tuned units at which it is tightest
 * @param sides 2: an interval at level alpha; 1: one bound at level alpha
 */
export function sequenceFactor(n: number, tuned: number, alpha: number, sides: 1 | 2 = 2): number {
  if (n <= 0) return Number.POSITIVE_INFINITY;
  const level = sides === 2 ? alpha : 2 * alpha;
  const log = Math.log(level);
  const q = (n * (-2 * log + Math.log(1 - 2 * log))) / tuned;
  const inner = sides === 2 ? Math.log(Math.sqrt(q + 1) / alpha) : Math.log(1 + Math.sqrt(q + 1) / (2 * alpha));
  return Math.sqrt(((2 * (q + 1)) / q) * inner);
}
