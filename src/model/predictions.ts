import type { ClassValue } from '../data/class-text.ts';
import type { Stability, UnknownValues } from './shards.ts';

/** Predictions of one model for every row of a dataset, in the order of the dataset. */
export interface Predictions {
  rows: number;
  /** Values of the classes in the order of the model, or names of the labels; null for regression and ranking. */
  classes: readonly ClassValue[] | null;
  /** Where nobody says which classes there are: they are counted from 0, the sorted labels of the data, or those predicted. */
  classesFrom?: 'counted' | 'sorted' | 'predicted';
  /** `score` is uncalibrated (a logit, a margin); `label` means labels only; `value` is a regression or ranking output. */
  kind: 'probability' | 'score' | 'label' | 'value';
  /** Binary: [rows], of the positive class. Multiclass and multilabel: row-major [rows x classes]. Regression: [rows]. */
  scores: Float64Array | null;
  /** Index into `classes` of the label the model itself gave, where it gave one. Multilabel: 0 or 1, [rows x classes]. */
  labels: Int32Array | null;
  /** Binary: nobody says that the one score a row is of the positive class; how to say it. */
  assumedPositive?: string | undefined;
  /** What the model writes for each class in its output of labels, where that is not the class itself. */
  labelValues?: readonly ClassValue[];
  /** The labels decide, and not the scores beside them: a file of predictions says so. */
  labelsDecide?: true;
  /** Decision threshold for binary: a score at or above it is positive. Multilabel: one for all labels, or one each. */
  threshold: number | readonly number[];
}

/** How predictions are read, whatever the rows: what is served, or predicted of changed rows, is read the same way. */
export type SettledReading = Omit<Predictions, 'rows' | 'scores' | 'labels'>;

export function settledReading(predictions: Predictions): SettledReading {
  const settled: Partial<Predictions> = { ...predictions };
  for (const ofRows of ['rows', 'scores', 'labels'] as const) delete settled[ofRows];
  return settled as SettledReading;
}

/** The decision threshold of a label, or the only one. */
export function thresholdAt(threshold: Predictions['threshold'], label = 0): number {
  return typeof threshold === 'number' ? threshold : (threshold[label] as number);
}

/** How far two answers to the same row may differ: by `absolute`, or by `relative` of the larger one. */
export interface Tolerance {
  absolute: number;
  relative: number;
}

/** Whether two answers are one within the tolerance. */
export function isClose(one: number, other: number, { absolute, relative }: Tolerance): boolean {
  if (one === other || (Number.isNaN(one) && Number.isNaN(other))) return true;
  if (!Number.isFinite(one) || !Number.isFinite(other)) return false;
  return Math.abs(one - other) <= Math.max(absolute, relative * Math.max(Math.abs(one), Math.abs(other)));
}

/** A model that cannot predict is a result to report, not an exception. */
export type PredictionResult =
  | {
      ok: true;
      predictions: Predictions;
      /** Odd, but usable: constant output, labels only. */
      warnings?: string[];
      /** Of a model that was run here: whether it has one answer to a row. */
      stability?: Stability;
      /** Of such a model too: the columns with values that it has no code for. */
      unknownValues?: UnknownValues[];
      /** Of such a model too: features that it was fed in the order of the data, since nobody names another. */
      featuresInDataOrder?: string[];
    }
  | { ok: false; fault: { code: string; message: string } };

/** How the outputs of a model are to be read, where its signature does not say it. */
export interface ReadingOptions {
  /** Name of the output that holds the scores. */
  output?: string | undefined;
  /** What makes probabilities of raw scores. */
  transform?: 'none' | 'sigmoid' | 'softmax' | undefined;
  /** Decision threshold for binary; for multilabel one for all labels, or one each. */
  threshold?: number | readonly number[] | undefined;
}
