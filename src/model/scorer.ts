import type { Predictions } from './predictions.ts';

/** What predictions are worth on some rows of the evaluation set: made by the evaluation, handed to whoever asks. */
export interface Scorer {
  rows: number;
  metric: { name: string; title: string; better: 'higher' | 'lower'; scale: 'share' | 'value' };
  /** Read the predictions of these rows; what cannot be used is refused with the reason. */
  read(predictions: Predictions): { ok: true; scored: Scored } | { ok: false; message: string };
  /** One-sided bounds at `alpha` of a statistic of row weights (null: the rows as they are), rows or clusters drawn anew. */
  bounds(statistic: (weights: Float64Array | null) => number, alpha: number): Bounds;
}

export interface Scored {
  /** The metric under these row weights; null counts the rows as they are. */
  value(weights: Float64Array | null): number;
  /** Class numbers, one a row; multilabel: 0 or 1, [rows x labels]; null where nothing is decided. */
  decisions: Int32Array | null;
  /** By class number, as `Predictions.scores`; null where there are labels only. */
  scores: Float64Array | null;
}

export interface Bounds {
  value: number;
  lower: number;
  upper: number;
  method: string;
}

/** How many decisions there are and how many of them differ: of a row with several labels, one that differs is enough. */
export function changedDecisions(before: Scored, after: Scored, rows: number): number {
  if (before.decisions === null || after.decisions === null) return 0;
  const width = before.decisions.length / rows;
  const changed = new Uint8Array(rows);
  for (const [place, decision] of before.decisions.entries()) {
    if (decision !== after.decisions[place]) changed[Math.floor(place / width)] = 1;
  }
  return changed.reduce((sum, each) => sum + each, 0);
}
