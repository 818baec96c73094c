import type { Task } from '../config/schema.ts';
import { thresholdAt, type Predictions } from '../model/predictions.ts';
import { addsUpToOne, inUnitInterval } from '../probabilities.ts';
import { classText } from './labels.ts';
import type { Outputs } from './sample.ts';

export type OutputsResult = { ok: true; outputs: Outputs } | { ok: false; message: string };

/**
 * A model's predictions in the terms of the sample: scores by class number, decisions by threshold or first highest score.
 * What cannot be used (not finite, not a probability, an unknown class) is refused with the row it was found in.
 */
export function outputsOf(
  predictions: Predictions,
  task: Task,
  classes: readonly string[] | null,
  rows: number,
): OutputsResult {
  if (predictions.rows !== rows) return refuse(`there are ${predictions.rows} predictions for ${rows} rows`);
  const { scores } = predictions;
  if (scores !== null) {
    const width = Math.max(1, Math.round(scores.length / Math.max(1, rows)));
    const bad = scores.findIndex((score) => !Number.isFinite(score));
    if (bad >= 0)
      return refuse(
        `row ${Math.floor(bad / width) + 1} is predicted ${String(scores[bad])}, which is not a finite number`,
      );
    if (predictions.kind === 'probability') {
      const outside = scores.findIndex((score) => !inUnitInterval(score));
      if (outside >= 0) {
        return refuse(
          `row ${Math.floor(outside / width) + 1} is given the probability ${String(scores[outside])}, outside [0, 1]; set transform: sigmoid or softmax if these are raw scores`,
        );
      }
    }
  }
  if (task === 'regression' || task === 'ranking') {
    return scores === null
      ? refuse('there are no predicted values')
      : { ok: true, outputs: { scores, probabilities: false, decisions: null } };
  }
  if (task === 'multilabel-classification') return labelOutputs(predictions, classes as readonly string[], rows);
  return task === 'binary-classification'
    ? binaryOutputs(predictions, classes as readonly string[])
    : classOutputs(predictions, classes as readonly string[], rows);
}

function binaryOutputs(
  { scores, labels, classes, threshold, kind }: Predictions,
  names: readonly string[],
): OutputsResult {
  if (scores !== null) {
    const limit = thresholdAt(threshold);
    const decisions = new Int32Array(scores.length);
    for (let row = 0; row < scores.length; row += 1) decisions[row] = (scores[row] as number) >= limit ? 1 : 0;
    return { ok: true, outputs: { scores, probabilities: kind === 'probability', decisions } };
  }
  if (labels === null) return refuse('there are neither scores nor labels');
  const positive = (classes ?? [0, 1]).map((value) => sameClass(classText(value), names[1] as string));
  return {
    ok: true,
    outputs: {
      scores: null,
      probabilities: false,
      decisions: Int32Array.from(labels, (label) => (positive[label] === true ? 1 : 0)),
    },
  };
}

/** Every label is decided for itself, by its threshold. */
function labelOutputs(
  { scores, labels, classes, threshold, kind }: Predictions,
  names: readonly string[],
  rows: number,
): OutputsResult {
  const own = (classes ?? []).map(classText);
  const numbers = names.map((name) => own.indexOf(name));
  const given = scores ?? labels;
  if (given === null) return refuse('there are neither scores nor labels');
  if (own.length !== names.length || numbers.includes(-1))
    return refuse(`it predicts the labels ${own.join(', ')}; those of the data are ${names.join(', ')}`);
  if (given.length !== rows * names.length)
    return refuse(`there are ${given.length} values for ${rows} rows and ${names.length} labels`);
  const placed = scores === null ? null : new Float64Array(given.length);
  const decisions = new Int32Array(given.length);
  for (let row = 0; row < rows; row += 1) {
    for (const [label, number] of numbers.entries()) {
      const place = row * names.length + label;
      const value = given[row * names.length + number] as number;
      if (placed !== null) placed[place] = value;
      decisions[place] = (placed === null ? value === 1 : value >= thresholdAt(threshold, number)) ? 1 : 0;
    }
  }
  return { ok: true, outputs: { scores: placed, probabilities: kind === 'probability', decisions } };
}

function classOutputs(
  { scores, labels, classes, kind }: Predictions,
  names: readonly string[],
  rows: number,
): OutputsResult {
  const own = classes?.map(classText) ?? names;
  const numbers = own.map((name) => names.indexOf(name));
  const unknown = numbers.indexOf(-1);
  if (unknown >= 0)
    return refuse(
      `it predicts class ${JSON.stringify(own[unknown])}, which is not among the classes ${names.join(', ')}`,
    );
  if (scores === null) {
    if (labels === null) return refuse('there are neither scores nor labels');
    return {
      ok: true,
      outputs: {
        scores: null,
        probabilities: false,
        decisions: Int32Array.from(labels, (label) => numbers[label] as number),
      },
    };
  }
  if (scores.length !== rows * own.length)
    return refuse(`there are ${scores.length} scores for ${rows} rows and ${own.length} classes`);
  const spread = new Float64Array(rows * names.length);
  if (kind !== 'probability') spread.fill(Number.MIN_SAFE_INTEGER);
  const decisions = new Int32Array(rows);
  for (let row = 0; row < rows; row += 1) {
    let sum = 0;
    let highest = Number.NEGATIVE_INFINITY;
    for (const [column, number] of numbers.entries()) {
      const score = scores[row * own.length + column] as number;
      sum += score;
      spread[row * names.length + number] = score;
    }
    for (let number = 0; number < names.length; number += 1) {
      const score = spread[row * names.length + number] as number;
      if (score > highest) {
        highest = score;
        decisions[row] = number;
      }
    }
    if (kind === 'probability' && !addsUpToOne(sum)) {
      return refuse(
        `the class probabilities of row ${row + 1} add up to ${sum}; set transform: softmax if these are raw scores`,
      );
    }
  }
  return { ok: true, outputs: { scores: spread, probabilities: kind === 'probability', decisions } };
}

function sameClass(a: string, b: string): boolean {
  return a === b || (['1', 'true'].includes(a) && ['1', 'true'].includes(b));
}

function refuse(message: string): OutputsResult {
  return { ok: false, message };
}
