import { sortedOrder } from '../sort.ts';
import { normalCdf, normalQuantile } from './distributions.ts';
import type { PairedInterval } from './interval.ts';

export interface DeLong {
  champion: number;
  candidate: number;
  championVariance: number;
  candidateVariance: number;
  covariance: number;
  /** candidate - champion */
  delta: number;
  standardError: number;
}

/**
 * Areas under two correlated ROC curves, with their covariance. DeLong, DeLong and Clarke-Pearson (Biometrics 1988) in the
 * fast form of Sun and Xu (IEEE Signal Processing Letters 2014): one sort a model, from which the placements
 * follow without ranks; ties count one half; n - 1 denominators.
 * Needs at least two positives and two negatives.
 */
export function delong(positive: ArrayLike<number>, champion: Float64Array, candidate: Float64Array): DeLong {
  const first = placements(positive, champion);
  const second = placements(positive, candidate);
  const covariance = (a: Placements, b: Placements): number =>
    sampleCovariance(a.positives, b.positives) / a.positives.length +
    sampleCovariance(a.negatives, b.negatives) / a.negatives.length;
  const championVariance = covariance(first, first);
  const candidateVariance = covariance(second, second);
  // The variance of the difference from the differences themselves: no cancellation when the models nearly agree.
  const difference: Placements = {
    area: second.area - first.area,
    positives: second.positives.map((value, index) => value - (first.positives[index] as number)),
    negatives: second.negatives.map((value, index) => value - (first.negatives[index] as number)),
  };
  return {
    champion: first.area,
    candidate: second.area,
    championVariance,
    candidateVariance,
    covariance: covariance(first, second),
    delta: difference.area,
    standardError: Math.sqrt(covariance(difference, difference)),
  };
}

/** Normal interval about `delta`. */
export function normalInterval(delta: number, standardError: number, method: string): PairedInterval {
  const tail = (value: number): number =>
    standardError > 0 ? normalCdf((delta - value) / standardError) : delta < value ? 0 : 1;
  return {
    delta,
    standardError,
    method,
    lower: (alpha) => delta - normalQuantile(1 - alpha) * standardError,
    upper: (alpha) => delta + normalQuantile(1 - alpha) * standardError,
    pBelow: tail,
    pAbove: (value) => (standardError > 0 ? 1 - tail(value) : delta > value ? 0 : 1),
  };
}

/** For each positive the share of negatives below it, for each negative the share of positives above it; ties one half. */
interface Placements {
  area: number;
  positives: Float64Array;
  negatives: Float64Array;
}

function placements(positive: ArrayLike<number>, scores: Float64Array): Placements {
  const order = sortedOrder(scores);
  let m = 0;
  for (let row = 0; row < positive.length; row += 1) m += positive[row] === 1 ? 1 : 0;
  const n = scores.length - m;
  const ofRow = new Float64Array(scores.length);
  let below = { positives: 0, negatives: 0 };
  for (let start = 0; start < order.length;) {
    const score = scores[order[start] as number];
    let end = start;
    let positives = 0;
    for (; end < order.length && scores[order[end] as number] === score; end += 1) {
      if (positive[order[end] as number] === 1) positives += 1;
    }
    const negatives = end - start - positives;
    const ofPositive = (below.negatives + negatives / 2) / n;
    const ofNegative = 1 - (below.positives + positives / 2) / m;
    for (let place = start; place < end; place += 1) {
      const row = order[place] as number;
      ofRow[row] = positive[row] === 1 ? ofPositive : ofNegative;
    }
    below = { positives: below.positives + positives, negatives: below.negatives + negatives };
    start = end;
  }
  const ofPositives = ofRow.filter((_, row) => positive[row] === 1);
  return { area: mean(ofPositives), positives: ofPositives, negatives: ofRow.filter((_, row) => positive[row] !== 1) };
}

function sampleCovariance(a: Float64Array, b: Float64Array): number {
  const meanA = mean(a);
  const meanB = mean(b);
  let sum = 0;
  for (let index = 0; index < a.length; index += 1) {
    sum += ((a[index] as number) - meanA) * ((b[index] as number) - meanB);
  }
  return sum / (a.length - 1);
}

function mean(values: Float64Array): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}
