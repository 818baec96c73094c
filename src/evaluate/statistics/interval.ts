/**
 * What a paired method knows of delta = candidate - champion, in raw units (not yet oriented).
 * `lower` and `upper` are one-sided bounds; `pBelow` inverts `upper`: at level alpha, `upper(alpha) < value` exactly where
 * `pBelow(value) < alpha`. `pAbove` inverts `lower` in the same way.
 */
export interface PairedInterval {
  delta: number;
  standardError: number;
  method: string;
  seed?: number;
  lower(alpha: number): number;
  upper(alpha: number): number;
  /** One-sided p-value against "delta is at least `value`". */
  pBelow(value: number): number;
  /** One-sided p-value against "delta is at most `value`". */
  pAbove(value: number): number;
}

/** The same interval for champion - candidate, so that positive is better for a metric where lower is better. */
export function mirrored(interval: PairedInterval): PairedInterval {
  return {
    ...interval,
    delta: interval.delta === 0 ? 0 : -interval.delta,
    lower: (alpha) => -interval.upper(alpha),
    upper: (alpha) => -interval.lower(alpha),
    pBelow: (value) => interval.pAbove(-value),
    pAbove: (value) => interval.pBelow(-value),
  };
}
