import { normalCdf, normalQuantile } from '../../../statistics/distributions.ts';
import { firstFrom } from '../../../statistics/quantile.ts';
import { student, studentInterval, unknownInterval, type PairedInterval } from './interval.ts';
import { withTail } from './tail.ts';
import { mean } from '../../../statistics/sums.ts';

/** Replicates of delta under resampling, and what is needed to correct their bias and skew. */
export interface Replicates {
  delta: number;
  /** Undefined replicates (NaN) are left out. */
  values: Float64Array;
  /** Acceleration: a sixth of the skewness of the influence of one unit. 0 gives the bias-corrected interval. */
  acceleration: number;
  /**
   * Independent observations that carry the difference, where they are few: the levels are then those of Student's t with one
   * less degree of freedom, since a bootstrap of few observations is too narrow (Hesterberg, "What teachers should know about the
   * bootstrap", Am. Stat. 2015, expanded percentiles). Absent: the normal.
   */
  observations?: number;
  method: string;
  seed: number;
}

/**
 * Bias-corrected and accelerated bootstrap interval. Efron, "Better bootstrap confidence intervals", JASA 82 (1987).
 * Unknown where no replicate has a value, or all have the same: a median of few distinct values may not move for any of them.
 */
export function bcaInterval(replicates: Replicates): PairedInterval {
  const { delta, values, acceleration, method, seed } = replicates;
  const levels = levelsOf(replicates.observations);
  const sorted = values.filter((value) => !Number.isNaN(value)).sort();
  const count = sorted.length;
  if (count === 0) return unknownInterval(delta, 'it has no value when rows are resampled');
  if (sorted[0] === sorted[count - 1]) return unknownInterval(delta, 'the difference is the same in every resample');
  const bias = normalQuantile(clampShare(shareBelow(sorted, delta), count));
  const quantile = (z: number): number => {
    const shifted = bias + z;
    const probability = normalCdf(bias + shifted / Math.max(1e-9, 1 - acceleration * shifted));
    return quantileAt(sorted, probability);
  };
  // The level at which a bound equals `value`: the correction inverted.
  const level = (value: number): number => {
    const shifted = normalQuantile(clampShare(shareBelow(sorted, value), count)) - bias;
    return shifted / Math.max(1e-9, 1 + acceleration * shifted) - bias;
  };
  const drawn: PairedInterval = {
    delta,
    standardError: standardDeviation(sorted),
    method,
    seed,
    lower: (alpha) => quantile(-levels.quantile(1 - alpha)),
    upper: (alpha) => quantile(levels.quantile(1 - alpha)),
    pBelow: (value) => 1 - levels.cdf(level(value)),
    pAbove: (value) => levels.cdf(level(value)),
  };
  return withTail(drawn, count, levels.freedom);
}

/**
 * Normal interval (t of few observations) about delta with the standard error of the replicates: for statistics with kinks, such as a sum of absolute values.
 * Near a kink replicates lie to one side of the estimate, which the BCa interval takes for a bias and overcorrects, while their spread
 * is at worst too large.
 */
export function standardErrorInterval({
  delta,
  values,
  observations,
  method,
  seed,
}: Omit<Replicates, 'acceleration'>): PairedInterval {
  const defined = values.filter((value) => !Number.isNaN(value));
  if (defined.length === 0) return unknownInterval(delta, 'it has no value when rows are resampled');
  const interval = studentInterval(delta, standardDeviation(defined), levelsOf(observations).freedom, method);
  return { ...interval, seed };
}

function levelsOf(observations = Number.POSITIVE_INFINITY): {
  freedom: number;
  quantile(p: number): number;
  cdf(z: number): number;
} {
  if (observations > 1000) return { freedom: Number.POSITIVE_INFINITY, ...student(Number.POSITIVE_INFINITY) };
  const freedom = Math.max(1, observations - 1);
  const scale = Math.sqrt((freedom + 1) / freedom);
  const { quantile, cdf } = student(freedom);
  return { freedom, quantile: (p) => scale * quantile(p), cdf: (z) => cdf(z / scale) };
}

function shareBelow(sorted: Float64Array, value: number): number {
  const below = firstFrom(sorted, value);
  let end = below;
  while (end < sorted.length && sorted[end] === value) end += 1;
  return (below + end) / 2 / sorted.length;
}

/** Neither 0 nor 1: B replicates cannot show a probability below 1 / (B + 1). */
function clampShare(share: number, count: number): number {
  return Math.min(count / (count + 1), Math.max(1 / (count + 1), share));
}

function quantileAt(sorted: Float64Array, probability: number): number {
  const place = Math.min(sorted.length - 1, Math.max(0, probability * (sorted.length - 1)));
  const low = Math.floor(place);
  const below = sorted[low] as number;
  const above = sorted[Math.min(low + 1, sorted.length - 1)] as number;
  return below + (above - below) * (place - low);
}

function standardDeviation(values: Float64Array): number {
  const middle = mean(values);
  let squares = 0;
  for (const value of values) squares += (value - middle) ** 2;
  return Math.sqrt(squares / Math.max(1, values.length - 1));
}
