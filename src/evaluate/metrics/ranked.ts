import { sortedOrder } from '../sort.ts';

/** Rows from the highest score to the lowest, and where each run of equal scores ends: sorted once, read many times. */
export interface Ranked {
  order: Uint32Array;
  /** Positions in `order` just after the last row of each run of equal scores. */
  ends: Uint32Array;
  positive: Uint8Array;
}

/** @param isPositive one a row @throws never; `scores` must be finite */
export function rankScores(scores: Float64Array, isPositive: (row: number) => boolean): Ranked {
  const order = sortedOrder(scores).reverse();
  const ends: number[] = [];
  const positive = new Uint8Array(scores.length);
  for (let place = 0; place < order.length; place += 1) {
    const row = order[place] as number;
    positive[row] = isPositive(row) ? 1 : 0;
    if (place + 1 === order.length || scores[order[place + 1] as number] !== scores[row]) ends.push(place + 1);
  }
  return { order, ends: Uint32Array.from(ends), positive };
}

/** Calls `visit` with the summed weights of positives and negatives of each run of equal scores, best first. */
function eachRun(
  ranked: Ranked,
  weights: Float64Array | null,
  visit: (positives: number, negatives: number) => void,
): void {
  let place = 0;
  for (const end of ranked.ends) {
    let positives = 0;
    let negatives = 0;
    for (; place < end; place += 1) {
      const row = ranked.order[place] as number;
      const weight = weights === null ? 1 : (weights[row] as number);
      if (ranked.positive[row] === 1) positives += weight;
      else negatives += weight;
    }
    visit(positives, negatives);
  }
}

/** Area under the ROC curve, ties counting one half; NaN where one class has no weight. */
export function rocArea(ranked: Ranked, weights: Float64Array | null): number {
  let above = 0;
  let positiveTotal = 0;
  let negativeTotal = 0;
  eachRun(ranked, weights, (positives, negatives) => {
    above += negatives * (positiveTotal + positives / 2);
    positiveTotal += positives;
    negativeTotal += negatives;
  });
  return positiveTotal > 0 && negativeTotal > 0 ? above / (positiveTotal * negativeTotal) : Number.NaN;
}

/** Average precision, step-wise and without interpolation, as scikit-learn; NaN without a positive. */
export function averagePrecision(ranked: Ranked, weights: Float64Array | null): number {
  let sum = 0;
  let hits = 0;
  let seen = 0;
  eachRun(ranked, weights, (positives, negatives) => {
    hits += positives;
    seen += positives + negatives;
    if (positives > 0) sum += positives * (hits / seen);
  });
  return hits > 0 ? sum / hits : Number.NaN;
}

/** A point of the ROC curve and of the precision-recall curve, at one threshold. */
export interface CurvePoint {
  threshold: number;
  falsePositiveRate: number;
  recall: number;
  precision: number;
}

/** The curves, thinned to at most about `limit` points evenly spaced over the rows. */
export function curvePoints(
  ranked: Ranked,
  scores: Float64Array,
  weights: Float64Array | null,
  limit: number,
): CurvePoint[] {
  const runs: { positives: number; negatives: number }[] = [];
  eachRun(ranked, weights, (positives, negatives) => runs.push({ positives, negatives }));
  const positiveTotal = runs.reduce((sum, run) => sum + run.positives, 0);
  const negativeTotal = runs.reduce((sum, run) => sum + run.negatives, 0);
  const points: CurvePoint[] = [];
  const step = (positiveTotal + negativeTotal) / limit;
  let hits = 0;
  let alarms = 0;
  let next = 0;
  for (const [index, run] of runs.entries()) {
    hits += run.positives;
    alarms += run.negatives;
    if (hits + alarms < next && index < runs.length - 1) continue;
    next = hits + alarms + step;
    points.push({
      threshold: scores[ranked.order[(ranked.ends[index] as number) - 1] as number] as number,
      falsePositiveRate: negativeTotal === 0 ? 0 : alarms / negativeTotal,
      recall: positiveTotal === 0 ? 0 : hits / positiveTotal,
      precision: hits / (hits + alarms),
    });
  }
  return points;
}
