import { randomFrom } from '../random.ts';
import { tCdf, tQuantile } from './distributions.ts';
import type { PairedInterval } from './interval.ts';

/** From this many units on, a t interval is used; below it, a studentised bootstrap. */
export const largeSample = 1000;

/** A sum of differences over a sum of weights, by independent unit (a row, or a cluster of rows). */
export interface PairedRatio {
  /** Summed weighted difference of each unit, candidate - champion. */
  differences: Float64Array;
  /** Summed weight of each unit; null where every unit counts 1. */
  weights: Float64Array | null;
}

/**
 * Interval on a (weighted) mean of paired differences. With unit weights and at least `largeSample` units this is the paired t
 * interval; below, the bootstrap-t (Efron and Tibshirani, An Introduction to the Bootstrap, chapter 12), which keeps its level
 * on skewed losses. With weights, the ratio is linearised: its residuals take the part of the differences.
 */
export function pairedMeanInterval(ratio: PairedRatio, seed: number, resamples: number): PairedInterval {
  const units = ratio.differences.length;
  const all = meanAndError(ratio);
  const delta = all.mean;
  const standardError = all.error;
  if (units < 2 || !(standardError > 0)) return pointInterval(delta, 'paired-t');
  if (units >= largeSample) {
    const freedom = units - 1;
    return {
      delta,
      standardError,
      method: 'paired-t',
      lower: (alpha) => delta - tQuantile(1 - alpha, freedom) * standardError,
      upper: (alpha) => delta + tQuantile(1 - alpha, freedom) * standardError,
      pBelow: (value) => tCdf((delta - value) / standardError, freedom),
      pAbove: (value) => tCdf((value - delta) / standardError, freedom),
    };
  }
  const random = randomFrom(seed);
  const studentised = new Float64Array(resamples);
  // Sums of residuals, weights and their products give the mean and the error of a resample in one pass, without cancellation.
  const { differences, weights } = ratio;
  const residuals = differences.map(
    (difference, unit) => difference - delta * (weights === null ? 1 : (weights[unit] as number)),
  );
  for (let resample = 0; resample < resamples; resample += 1) {
    let [sum, squares, mass, products, massSquares] = [0, 0, 0, 0, 0];
    for (let draw = 0; draw < units; draw += 1) {
      const unit = random.integer(units);
      const residual = residuals[unit] as number;
      const weight = weights === null ? 1 : (weights[unit] as number);
      sum += residual;
      squares += residual * residual;
      mass += weight;
      products += residual * weight;
      massSquares += weight * weight;
    }
    const shift = sum / mass;
    const scatter = squares - 2 * shift * products + shift * shift * massSquares;
    const error = Math.sqrt((Math.max(0, scatter) / (units - 1)) * units) / mass;
    // A resample of equal differences says nothing of scale: it is as extreme as its mean says.
    studentised[resample] = error > 1e-9 * standardError ? shift / error : Math.sign(shift) * Number.MAX_VALUE;
  }
  studentised.sort();
  const quantile = (probability: number): number =>
    studentised[Math.min(resamples - 1, Math.max(0, Math.ceil(probability * (resamples + 1)) - 1))] as number;
  return {
    delta,
    standardError,
    method: 'bootstrap-t',
    seed,
    lower: (alpha) => delta - quantile(1 - alpha) * standardError,
    upper: (alpha) => delta - quantile(alpha) * standardError,
    pBelow: (value) => share(studentised, (each) => each <= (delta - value) / standardError),
    pAbove: (value) => share(studentised, (each) => each >= (delta - value) / standardError),
  };
}

/** An interval without width: the data vary in nothing. Whoever reads it must say that it rests on little. */
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

function meanAndError({ differences, weights }: PairedRatio): { mean: number; error: number } {
  const units = differences.length;
  let numerator = 0;
  let denominator = 0;
  for (let unit = 0; unit < units; unit += 1) {
    numerator += differences[unit] as number;
    denominator += weights === null ? 1 : (weights[unit] as number);
  }
  const mean = numerator / denominator;
  let squares = 0;
  for (let unit = 0; unit < units; unit += 1) {
    const residual = (differences[unit] as number) - mean * (weights === null ? 1 : (weights[unit] as number));
    squares += residual * residual;
  }
  return { mean, error: Math.sqrt((squares / (units - 1)) * units) / denominator };
}

function share(values: Float64Array, holds: (value: number) => boolean): number {
  let count = 1;
  for (const value of values) if (holds(value)) count += 1;
  return count / (values.length + 1);
}
