import { randomFrom } from '../../../statistics/random.ts';
import { errorOf, fewInterval, type Effects } from './few.ts';
import { pointInterval, studentInterval, type PairedInterval } from './interval.ts';
import { withTail } from './tail.ts';

/** From this many units on, a t interval is used; below it, a studentised bootstrap. */
const largeSample = 1000;
/** Differences that vary by less than this share of their mean differ by rounding alone. */
const rounding = 1e-12;

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
 * on skewed losses; where few units carry the difference, that of few units. Where all units differ alike it is exact.
 * With weights, the ratio is linearised: its residuals take the part of the differences.
 */
export function pairedMeanInterval(ratio: PairedRatio, seed: number, resamples: number): PairedInterval {
  const { mean: delta, residuals, effects } = linearised(ratio);
  const units = residuals.length;
  const standardError = errorOf(effects);
  if (units > 1 && standardError <= rounding * Math.abs(delta)) return pointInterval(delta, 'paired-constant');
  const few = fewInterval(delta, effects);
  if (few !== null) return few;
  if (units >= largeSample) return studentInterval(delta, standardError, units - 1, 'paired-t');
  if (!(standardError > 0)) return pointInterval(delta, 'paired-t');
  const random = randomFrom(seed);
  const studentised = new Float64Array(resamples);
  // Sums of residuals, weights and their products give the mean and the error of a resample in one pass, without cancellation.
  const { weights } = ratio;
  for (let resample = 0; resample < resamples; resample += 1) {
    let [sum, squares, drawn, products, massSquares] = [0, 0, 0, 0, 0];
    for (let draw = 0; draw < units; draw += 1) {
      const unit = random.integer(units);
      const residual = residuals[unit] as number;
      const weight = weights === null ? 1 : (weights[unit] as number);
      sum += residual;
      squares += residual * residual;
      drawn += weight;
      products += residual * weight;
      massSquares += weight * weight;
    }
    const shift = sum / drawn;
    const scatter = squares - 2 * shift * products + shift * shift * massSquares;
    const error = Math.sqrt((Math.max(0, scatter) / (units - 1)) * units) / drawn;
    // A resample that hardly varies says nothing of scale: that of the whole stands in.
    studentised[resample] = shift / Math.max(error, 1e-3 * standardError);
  }
  studentised.sort();
  const quantile = (probability: number): number =>
    studentised[Math.min(resamples - 1, Math.max(0, Math.ceil(probability * (resamples + 1)) - 1))] as number;
  const drawn: PairedInterval = {
    delta,
    standardError,
    method: 'bootstrap-t',
    seed,
    lower: (alpha) => delta - quantile(1 - alpha) * standardError,
    upper: (alpha) => delta - quantile(alpha) * standardError,
    pBelow: (value) => share(studentised, (each) => each <= (delta - value) / standardError),
    pAbove: (value) => share(studentised, (each) => each >= (delta - value) / standardError),
  };
  return withTail(drawn, resamples, units - 1);
}

/** The mean, what each unit is away from it, and what it adds to its error. */
export function linearised({ differences, weights }: PairedRatio): {
  mean: number;
  residuals: Float64Array;
  effects: Effects;
} {
  const units = differences.length;
  const mass = weights === null ? units : weights.reduce((sum, weight) => sum + weight, 0);
  const mean = differences.reduce((sum, difference) => sum + difference, 0) / mass;
  const residuals = differences.map(
    (difference, unit) => difference - mean * (weights === null ? 1 : (weights[unit] as number)),
  );
  const scale = Math.sqrt(units / Math.max(1, units - 1)) / mass;
  return { mean, residuals, effects: { values: residuals.map((each) => scale * each), multiplicity: null } };
}

function share(values: Float64Array, holds: (value: number) => boolean): number {
  let count = 1;
  for (const value of values) if (holds(value)) count += 1;
  return count / (values.length + 1);
}
