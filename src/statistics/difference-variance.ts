/** Units of one arm, and the variance of one of them. */
export interface Spread {
  n: number;
  variance: number;
}

/**
 * Variance of a difference of two means. A small arm of a skewed value, such as what few users pay, has often not seen the tail: its
 * mean is too low and its own variance says that this is certain. So its variance is taken for no less than that of the other arm, the
 * more so the smaller it is beside that. Between arms of one size the skew cancels, and nothing is added.
 */
export function differenceVariance(a: Spread, b: Spread): number {
  const [small, large] = a.n < b.n ? [a, b] : [b, a];
  const unseen = (1 - small.n / large.n) * Math.max(0, large.variance - small.variance);
  return (small.variance + unseen) / small.n + large.variance / large.n;
}
