import { remembered } from '../remember.ts';
import { orderOf } from '../sort.ts';

/** Rows from the highest score to the lowest, and where each run of equal scores ends: sorted once, read many times. */
export interface Ranked {
  order: Uint32Array;
  /** Places in `order` just after the last row of each run of equal scores. */
  ends: Uint32Array;
  /** 1 where the row at that place of `order` is positive. */
  positive: Uint8Array;
}

/** Ranks finite scores; rows of truth 1 are the positive ones. Ranked once for all who ask. */
export const rankScores = remembered((scores: Float64Array, truth: ArrayLike<number>): Ranked => {
  const order = Uint32Array.from(orderOf(scores)).reverse();
  const rows = order.length;
  const ends = new Uint32Array(rows);
  const positive = new Uint8Array(rows);
  let runs = 0;
  for (let place = 0; place < rows; place += 1) {
    const row = order[place] as number;
    positive[place] = truth[row] === 1 ? 1 : 0;
    if (place > 0 && scores[row] !== scores[order[place - 1] as number]) ends[runs++] = place;
  }
  if (rows > 0) ends[runs++] = rows;
  return { order, ends: ends.slice(0, runs), positive };
});

/** Calls `visit` with the summed weights of positives and negatives of each run of equal scores, best first. */
function eachRun(
  { order, ends, positive }: Ranked,
  weights: Float64Array | null,
  visit: (positives: number, negatives: number) => void,
): void {
  let place = 0;
  for (let run = 0; run < ends.length; run += 1) {
    const end = ends[run] as number;
    let positives = 0;
    let negatives = 0;
    for (; place < end; place += 1) {
      const weight = weights === null ? 1 : (weights[order[place] as number] as number);
      if (positive[place] === 1) positives += weight;
      else negatives += weight;
    }
    visit(positives, negatives);
  }
}

function classTotals(ranked: Ranked, weights: Float64Array | null): [positives: number, negatives: number] {
  let positiveTotal = 0;
  let negativeTotal = 0;
  eachRun(ranked, weights, (positives, negatives) => {
    positiveTotal += positives;
    negativeTotal += negatives;
  });
  return [positiveTotal, negativeTotal];
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
  const { order, ends, positive } = ranked;
  const hitsOf = new Float64Array(ends.length);
  const seenOf = new Float64Array(ends.length);
  const precisionOf = new Float64Array(ends.length);
  let hits = 0;
  let seen = 0;
  let sum = 0;
  let run = 0;
  eachRun(ranked, weights, (positives, negatives) => {
    hits += positives;
    seen += positives + negatives;
    const precision = seen === 0 ? 0 : hits / seen;
    sum += positives * precision;
    hitsOf[run] = positives;
    seenOf[run] = seen;
    precisionOf[run] = precision;
    run += 1;
  });
  const average = sum / hits;
  const influence = new Float64Array(order.length);
  // Sums over the runs from the last to the present one, which are those a row of the present run has an effect on.
  let inverse = 0;
  let precise = 0;
  for (run = ends.length - 1; run >= 0; run -= 1) {
    const positives = hitsOf[run] as number;
    const total = seenOf[run] as number;
    const precision = precisionOf[run] as number;
    if (total > 0) {
      inverse += positives / total;
      precise += (positives * precision) / total;
    }
    for (let place = run === 0 ? 0 : (ends[run - 1] as number); place < (ends[run] as number); place += 1) {
      const label = positive[place] as number;
      influence[order[place] as number] =
        ((label === 1 ? precision - average : 0) + label * inverse - precise) * (seen / hits);
    }
  }
  return influence;
}

/** Influence of each row on the area under the ROC curve: how many of the other class it is ordered rightly with, ties one half. */
export function rocAreaInfluence(ranked: Ranked, weights: Float64Array | null): Float64Array {
  const { order, ends, positive } = ranked;
  const [positiveTotal, negativeTotal] = classTotals(ranked, weights);
  const area = rocArea(ranked, weights);
  const all = positiveTotal + negativeTotal;
  const influence = new Float64Array(order.length);
  let above = 0;
  let alarms = 0;
  let run = 0;
  eachRun(ranked, weights, (positives, negatives) => {
    const ofPositive = (1 - (alarms + negatives / 2) / negativeTotal - area) * (all / positiveTotal);
    const ofNegative = ((above + positives / 2) / positiveTotal - area) * (all / negativeTotal);
    for (let place = run === 0 ? 0 : (ends[run - 1] as number); place < (ends[run] as number); place += 1) {
      influence[order[place] as number] = positive[place] === 1 ? ofPositive : ofNegative;
    }
    above += positives;
    alarms += negatives;
    run += 1;
  });
  return influence;
}

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
  const [positiveTotal, negativeTotal] = classTotals(ranked, weights);
  const points: CurvePoint[] = [];
  const { order, ends } = ranked;
  const step = (positiveTotal + negativeTotal) / limit;
  let hits = 0;
  let alarms = 0;
  let next = 0;
  let run = 0;
  eachRun(ranked, weights, (positives, negatives) => {
    hits += positives;
    alarms += negatives;
    run += 1;
    if (hits + alarms < next && run < ends.length) return;
    next = hits + alarms + step;
    points.push({
      threshold: scores[order[(ends[run - 1] as number) - 1] as number] as number,
      falsePositiveRate: negativeTotal === 0 ? 0 : alarms / negativeTotal,
      recall: positiveTotal === 0 ? 0 : hits / positiveTotal,
      precision: hits / (hits + alarms),
    });
  });
  return points;
}

/** Do two models put the rows in the same order, ties being ties of both? */
export function sameOrder(one: Float64Array, other: Float64Array): boolean {
  const order = orderOf(one);
  for (let place = 1; place < order.length; place += 1) {
    const [before, here] = [order[place - 1] as number, order[place] as number];
    const step = (scores: Float64Array): number => Math.sign((scores[here] as number) - (scores[before] as number));
    if (step(one) !== step(other)) return false;
  }
  return one.length === other.length;
}
