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

/**
 * Influence of each row on the average precision: its own precision, if positive, and its effect on the precision at every positive
 * that does not come before it.
 */
export function averagePrecisionInfluence(ranked: Ranked, weights: Float64Array | null): Float64Array {
  const runs: { positives: number; seen: number; precision: number }[] = [];
  let hits = 0;
  let seen = 0;
  let sum = 0;
  eachRun(ranked, weights, (positives, negatives) => {
    hits += positives;
    seen += positives + negatives;
    const precision = seen === 0 ? 0 : hits / seen;
    sum += positives * precision;
    runs.push({ positives, seen, precision });
  });
  const average = sum / hits;
  const influence = new Float64Array(ranked.order.length);
  // Sums over the runs from the last to the present one, which are those a row of the present run has an effect on.
  let inverse = 0;
  let precise = 0;
  for (let index = runs.length - 1; index >= 0; index -= 1) {
    const { positives, seen: total, precision } = runs[index] as (typeof runs)[number];
    if (total > 0) {
      inverse += positives / total;
      precise += (positives * precision) / total;
    }
    const start = index === 0 ? 0 : (ranked.ends[index - 1] as number);
    for (let place = start; place < (ranked.ends[index] as number); place += 1) {
      const row = ranked.order[place] as number;
      const label = ranked.positive[row] as number;
      influence[row] = ((label === 1 ? precision - average : 0) + label * inverse - precise) * (seen / hits);
    }
  }
  return influence;
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
