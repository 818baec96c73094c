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
 * fast form of Sun and Xu (IEEE Signal Processing Letters 2014): midranks, so ties count one half; n - 1 denominators.
 * Needs at least two positives and two negatives.
 */
export function delong(positive: ArrayLike<number>, champion: Float64Array, candidate: Float64Array): DeLong {
  const positives: number[] = [];
  const negatives: number[] = [];
  for (let row = 0; row < positive.length; row += 1) (positive[row] === 1 ? positives : negatives).push(row);
  const first = placements(positives, negatives, champion);
  const second = placements(positives, negatives, candidate);
  const covariance = (a: Placements, b: Placements): number =>
    sampleCovariance(a.positives, b.positives) / positives.length +
    sampleCovariance(a.negatives, b.negatives) / negatives.length;
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

/** Normal interval on the difference of the areas. */
export function delongInterval({ delta, standardError }: DeLong): PairedInterval {
  const tail = (value: number): number =>
    standardError > 0 ? normalCdf((delta - value) / standardError) : delta < value ? 0 : 1;
  return {
    delta,
    standardError,
    method: 'delong',
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

function placements(positives: readonly number[], negatives: readonly number[], scores: Float64Array): Placements {
  const ofPositives = Float64Array.from(positives, (row) => scores[row] as number);
  const ofNegatives = Float64Array.from(negatives, (row) => scores[row] as number);
  const pooled = new Float64Array(scores.length);
  pooled.set(ofPositives);
  pooled.set(ofNegatives, ofPositives.length);
  const ranks = midranks(pooled);
  const positiveRanks = midranks(ofPositives);
  const negativeRanks = midranks(ofNegatives);
  const m = positives.length;
  const n = negatives.length;
  let rankSum = 0;
  for (let index = 0; index < m; index += 1) rankSum += ranks[index] as number;
  return {
    area: (rankSum - (m * (m + 1)) / 2) / (m * n),
    positives: positiveRanks.map((rank, index) => ((ranks[index] as number) - rank) / n),
    negatives: negativeRanks.map((rank, index) => 1 - ((ranks[m + index] as number) - rank) / m),
  };
}

/** Ranks from 1; equal values share the mean of their ranks. */
export function midranks(values: Float64Array): Float64Array {
  const order = sortedOrder(values);
  const ranks = new Float64Array(values.length);
  for (let start = 0; start < order.length;) {
    const value = values[order[start] as number];
    let end = start + 1;
    while (end < order.length && values[order[end] as number] === value) end += 1;
    for (let place = start; place < end; place += 1) ranks[order[place] as number] = (start + 1 + end) / 2;
    start = end;
  }
  return ranks;
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
