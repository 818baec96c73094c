import { rankScores } from '../metrics/ranked.ts';
import type { Effects } from './few.ts';

export interface DeLong {
  champion: number;
  candidate: number;
  championVariance: number;
  candidateVariance: number;
  covariance: number;
  /** candidate - champion */
  delta: number;
  standardError: number;
  /** What each row adds to the error of the difference. */
  effects: Effects;
  /** Both models put every row at the same place among those of the other class: the difference is 0 by construction. */
  sameOrder: boolean;
}

/**
 * Areas under two correlated ROC curves, with their covariance. DeLong, DeLong and Clarke-Pearson (Biometrics 1988) in the
 * fast form of Sun and Xu (IEEE Signal Processing Letters 2014): one sort a model, from which the placements
 * follow; ties count one half; n - 1 denominators.
 * Needs at least two positives and two negatives.
 */
export function delong(positive: ArrayLike<number>, champion: Float64Array, candidate: Float64Array): DeLong {
  const first = placements(positive, champion);
  const second = placements(positive, candidate);
  const scatter = scatterOf(positive, first, second);
  const sameOrder = first.ofRow.every((place, row) => place === second.ofRow[row]);
  const scaleOf = (count: number): number => 1 / Math.sqrt(count * (count - 1));
  const [ofPositives, ofNegatives] = [scaleOf(first.m), scaleOf(first.n)];
  const delta = second.area - first.area;
  const values = first.ofRow.map(
    (place, row) => ((second.ofRow[row] as number) - place - delta) * (positive[row] === 1 ? ofPositives : ofNegatives),
  );
  const over = ([positives, negatives]: readonly [number, number]): number =>
    positives / (first.m - 1) / first.m + negatives / (first.n - 1) / first.n;
  return {
    champion: first.area,
    candidate: second.area,
    championVariance: over(scatter.champion),
    candidateVariance: over(scatter.candidate),
    covariance: over(scatter.both),
    delta,
    standardError: Math.sqrt(over(scatter.difference)),
    effects: { values, multiplicity: null },
    sameOrder,
  };
}

/** For each positive the share of negatives below it, for each negative the share of positives above it; ties one half. */
interface Placements {
  area: number;
  ofRow: Float64Array;
  /** Positives and negatives. */
  m: number;
  n: number;
}

function placements(truth: ArrayLike<number>, scores: Float64Array): Placements {
  const { order, ends, positive } = rankScores(scores, truth);
  let m = 0;
  for (let place = 0; place < positive.length; place += 1) m += positive[place] as number;
  const n = order.length - m;
  const ofRow = new Float64Array(order.length);
  let area = 0;
  let positivesAbove = 0;
  let negativesAbove = 0;
  let start = 0;
  for (let run = 0; run < ends.length; run += 1) {
    const end = ends[run] as number;
    let positives = 0;
    for (let place = start; place < end; place += 1) positives += positive[place] as number;
    const negatives = end - start - positives;
    const ofPositive = (n - negativesAbove - negatives / 2) / n;
    const ofNegative = (positivesAbove + positives / 2) / m;
    for (let place = start; place < end; place += 1) {
      ofRow[order[place] as number] = positive[place] === 1 ? ofPositive : ofNegative;
    }
    area += positives * (n - negativesAbove - negatives / 2);
    positivesAbove += positives;
    negativesAbove += negatives;
    start = end;
  }
  return { area: area / m / n, ofRow, m, n };
}

/**
 * Sums of squares and products of the placements about their means, of positives and of negatives. Those of the difference come from the
 * differences themselves: no cancellation when the models nearly agree.
 */
function scatterOf(
  positive: ArrayLike<number>,
  champion: Placements,
  candidate: Placements,
): Record<'champion' | 'candidate' | 'both' | 'difference', [number, number]> {
  const scatter = {
    champion: [0, 0] as [number, number],
    candidate: [0, 0] as [number, number],
    both: [0, 0] as [number, number],
    difference: [0, 0] as [number, number],
  };
  // The mean placement of either class is the area.
  for (const label of [1, 0] as const) {
    let [first, second, both, difference] = [0, 0, 0, 0];
    for (let row = 0; row < champion.ofRow.length; row += 1) {
      if ((positive[row] === 1) !== (label === 1)) continue;
      const a = (champion.ofRow[row] as number) - champion.area;
      const b = (candidate.ofRow[row] as number) - candidate.area;
      first += a * a;
      second += b * b;
      both += a * b;
      difference += (b - a) * (b - a);
    }
    const place = 1 - label;
    scatter.champion[place] = first;
    scatter.candidate[place] = second;
    scatter.both[place] = both;
    scatter.difference[place] = difference;
  }
  return scatter;
}
