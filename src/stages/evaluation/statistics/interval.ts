import { normalCdf, normalQuantile, tCdf, tQuantile } from '../../../statistics/distributions.ts';

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
  /** Why nothing is known of delta, where the bounds are NaN. */
  unknown?: string;
  /** No unit differs: what width there is shrinks with the units, not with their root. */
  nothingDiffers?: true;
  /** Smallest level at which the draws themselves show the bounds; below it they follow a parametric tail. */
  resolved?: number;
  lower(alpha: number): number;
  upper(alpha: number): number;
  /** One-sided p-value against "delta is at least `value`". */
  pBelow(value: number): number;
  /** One-sided p-value against "delta is at most `value`". */
  pAbove(value: number): number;
}

export function normalInterval(delta: number, standardError: number, method: string): PairedInterval {
  return studentInterval(delta, standardError, Number.POSITIVE_INFINITY, method);
}

/** Student's t interval about `delta`; normal where the degrees of freedom are infinite. */
export function studentInterval(delta: number, standardError: number, freedom: number, method: string): PairedInterval {
  if (standardError === 0) return pointInterval(delta, method);
  const { quantile, cdf } = student(freedom);
  return {
    delta,
    standardError,
    method,
    lower: (alpha) => delta - quantile(1 - alpha) * standardError,
    upper: (alpha) => delta + quantile(1 - alpha) * standardError,
    pBelow: (value) => cdf((delta - value) / standardError),
    pAbove: (value) => cdf((value - delta) / standardError),
  };
}

/** Quantile and distribution function of Student's t; of the normal where the degrees of freedom are many. */
export function student(freedom: number): { quantile(p: number): number; cdf(z: number): number } {
  if (freedom > 1e6) return { quantile: normalQuantile, cdf: normalCdf };
  return { quantile: (p) => tQuantile(p, freedom), cdf: (z) => tCdf(z, freedom) };
}

/** As wide as both. @param other of delta + shift */
export function widerOf(own: PairedInterval, other: PairedInterval, shift: number): PairedInterval {
  if (other.unknown !== undefined) return own;
  return {
    ...own,
    standardError: Math.max(own.standardError, other.standardError),
    lower: (alpha) => Math.min(own.lower(alpha), other.lower(alpha) - shift),
    upper: (alpha) => Math.max(own.upper(alpha), other.upper(alpha) - shift),
    pBelow: (value) => Math.max(own.pBelow(value), other.pBelow(value + shift)),
    pAbove: (value) => Math.max(own.pAbove(value), other.pAbove(value + shift)),
  };
}

/** An interval without width: every unit says the same. Whoever reads it must say that it rests on little. */
export function pointInterval(delta: number, method: string): PairedInterval {
  return {
    delta,
    standardError: 0,
    method,
    lower: () => delta,
    upper: () => delta,
    pBelow: (value) => (delta < value ? 0 : 1),
    pAbove: (value) => (delta > value ? 0 : 1),
  };
}

/**
 * Every unit says the same, and none can differ by more than 1: as many units as a score interval allows for may do so that were
 * not seen, z^2 / (units + z^2) of them (Tango, Stat. Med. 17, 1998, without discordant pairs).
 */
export function agreedInterval(delta: number, units: number): PairedInterval {
  const farthest = 1 + Math.abs(delta);
  const width = (alpha: number): number => {
    const square = normalQuantile(1 - alpha) ** 2;
    return (farthest * square) / (units + square);
  };
  const level = (distance: number): number => {
    const share = Math.min(1, distance / farthest);
    return share === 1 ? 0 : normalCdf(-Math.sqrt((units * share) / (1 - share)));
  };
  return scoreInterval(delta, 0, { width, level });
}

/** Bounds as far on either side, where none differs. @param level at which the width is this distance */
export function scoreInterval(
  delta: number,
  standardError: number,
  { width, level }: { width(alpha: number): number; level(distance: number): number },
): PairedInterval {
  const tail = (distance: number): number => (distance > 0 ? level(distance) : 1 - level(-distance));
  return {
    delta,
    standardError,
    method: 'score-agreement',
    ...(delta === 0 ? { nothingDiffers: true as const } : {}),
    lower: (alpha) => delta - width(alpha),
    upper: (alpha) => delta + width(alpha),
    pBelow: (value) => tail(value - delta),
    pAbove: (value) => tail(delta - value),
  };
}

/** No interval: the data say nothing of how far delta may be from the truth. */
export function unknownInterval(delta: number, reason: string): PairedInterval {
  const nothing = (): number => Number.NaN;
  return {
    delta,
    standardError: Number.NaN,
    method: 'none',
    unknown: reason,
    lower: nothing,
    upper: nothing,
    pBelow: () => 1,
    pAbove: () => 1,
  };
}

/**
 * The interval without what cannot be: bounds on the wrong side of the estimate (BCa corrects too far where nearly all replicates lie
 * on one side of it), and bounds beyond the `reach`, the largest difference two models can have.
 */
export function within(interval: PairedInterval, reach: number): PairedInterval {
  const { delta, lower, upper, pBelow, pAbove } = interval;
  if (interval.unknown !== undefined || interval.method === 'paired-constant') return interval;
  return {
    ...interval,
    lower: (alpha) => Math.max(-reach, Math.min(delta, lower(alpha))),
    upper: (alpha) => Math.min(reach, Math.max(delta, upper(alpha))),
    pBelow: (value) => (value > reach ? 0 : value <= delta ? Math.max(0.5, pBelow(value)) : pBelow(value)),
    pAbove: (value) => (value < -reach ? 0 : value >= delta ? Math.max(0.5, pAbove(value)) : pAbove(value)),
  };
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
