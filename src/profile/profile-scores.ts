import { categoryColumn, numberColumn, summaryOf } from './columns.ts';
import { NumberSketcher } from './number-sketch.ts';
import { profileSchemaId, type ColumnProfile, type Profile, type ProfileSource } from './profile.ts';

/** What a model predicts for each row of a dataset. */
export interface PredictedRows {
  rows: number;
  /** Names of the classes or labels; null where it predicts numbers. */
  classes: readonly string[] | null;
  /** One a row, or row-major one for each class or label; null: there are labels alone. */
  scores: Float64Array | null;
  /** Index into `classes`, or -1: one a row. Null where the scores decide. */
  labels: Int32Array | null;
  /** Each label is predicted for itself. */
  multilabel: boolean;
}

/** Labels that have a column of their own. */
const mostLabels = 100;

/**
 * A summary of what a model predicts: `score` of one number a row; `class` and `confidence`, the largest score, of several classes;
 * `score: <label>` of several labels.
 */
export function profileScores(predicted: PredictedRows, source: Omit<ProfileSource, 'counted'>): Profile {
  return {
    schema: profileSchemaId,
    form: 'summary',
    sources: [{ ...source, counted: [[0, predicted.rows]] }],
    rows: predicted.rows,
    columns: columnsOf(predicted).map(summaryOf),
  };
}

function columnsOf({ rows, classes, scores, labels, multilabel }: PredictedRows): ColumnProfile[] {
  const names = classes ?? [];
  const classColumn = (indices: Int32Array): ColumnProfile => {
    const counts = new Map<string, number>();
    let missing = 0;
    for (const index of indices) {
      const name = names[index];
      if (name === undefined) missing += 1;
      else counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    return categoryColumn({ name: 'class', type: 'VARCHAR', missing }, counts);
  };
  if (scores === null) return labels === null || multilabel ? [] : [classColumn(labels)];
  const width = rows === 0 ? 1 : scores.length / rows;
  if (width === 1) return [numbers('score', scores)];
  if (multilabel) {
    return names.slice(0, mostLabels).map((name, at) =>
      numbers(
        `score: ${name}`,
        Float64Array.from({ length: rows }, (_, row) => scores[row * width + at] as number),
      ),
    );
  }
  const largest = new Float64Array(rows).fill(Number.NaN);
  const chosen = new Int32Array(rows).fill(-1);
  for (let row = 0; row < rows; row++) {
    for (let at = 0; at < width; at++) {
      const score = scores[row * width + at] as number;
      if (score > (largest[row] as number) || (at === 0 && !Number.isNaN(score))) {
        largest[row] = score;
        chosen[row] = at;
      }
    }
  }
  return [classColumn(labels ?? chosen), numbers('confidence', largest)];
}

function numbers(name: string, values: Float64Array): ColumnProfile {
  const sketcher = new NumberSketcher();
  for (const value of values) sketcher.add(value);
  const { missing, nan, infinite, sketch } = sketcher;
  return numberColumn({ name, type: 'DOUBLE', missing, nan, infinite }, sketch);
}
