import type { Task } from '../../config/schema.ts';
import { classPosition } from '../../data/class-text.ts';
import { thresholdAt, type Predictions } from '../../model/predictions.ts';
import { addsUpToOne, inUnitInterval } from '../../probabilities.ts';
import { listed } from './labels.ts';
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

function binaryOutputs(predictions: Predictions, names: readonly string[]): OutputsResult {
  const { scores, threshold, kind } = predictions;
  const probabilities = scores !== null && kind === 'probability';
  if (scores === null || predictions.labelsDecide === true) {
    const decided = labelDecisions(predictions, names);
    return typeof decided === 'string'
      ? refuse(decided)
      : { ok: true, outputs: { scores, probabilities, decisions: decided } };
  }
  const limit = thresholdAt(threshold);
  const decisions = Int32Array.from(scores, (score) => (score >= limit ? 1 : 0));
  return { ok: true, outputs: { scores, probabilities, decisions } };
}

/** The class numbers of the labels a model gives, or why there are none. */
function labelDecisions({ labels, classes }: Predictions, names: readonly string[]): Int32Array | string {
  if (labels === null) return 'there are neither scores nor labels';
  const numbers = (classes ?? names).map((each) => classPosition(each, names));
  const unknown = labels.findIndex((label) => (numbers[label] ?? -1) < 0);
  if (unknown < 0) return labels.map((label) => numbers[label] as number);
  const found = classes?.[labels[unknown] as number];
  return `row ${unknown + 1} is predicted ${JSON.stringify(found)}, and the classes are ${listed(names)}; predict these very labels, or name the classes in columns.classes (and columns.positive)`;
}

/** Every label is decided for itself, by its threshold. */
function labelOutputs(
  { scores, labels, classes, threshold, kind, labelsDecide }: Predictions,
  names: readonly string[],
  rows: number,
): OutputsResult {
  const own = (classes ?? []).map(String);
  const numbers = names.map((name) => own.indexOf(name));
  const given = scores ?? labels;
  if (given === null) return refuse('there are neither scores nor labels');
  if (own.length !== names.length || numbers.includes(-1))
    return refuse(`it predicts the labels ${own.join(', ')}; those of the data are ${names.join(', ')}`);
  if (given.length !== rows * names.length)
    return refuse(`there are ${given.length} values for ${rows} rows and ${names.length} labels`);
  const placed = scores === null ? null : new Float64Array(given.length);
  const decided = scores === null || labelsDecide === true ? labels : null;
  const decisions = new Int32Array(given.length);
  for (let row = 0; row < rows; row += 1) {
    for (const [label, number] of numbers.entries()) {
      const place = row * names.length + label;
      const at = row * names.length + number;
      const value = given[at] as number;
      if (placed !== null) placed[place] = value;
      decisions[place] = (decided === null ? value >= thresholdAt(threshold, number) : decided[at] === 1) ? 1 : 0;
    }
  }
  return { ok: true, outputs: { scores: placed, probabilities: kind === 'probability', decisions } };
}

function classOutputs(predictions: Predictions, names: readonly string[], rows: number): OutputsResult {
  const { scores, classes, kind } = predictions;
  const given = scores === null || predictions.labelsDecide === true ? labelDecisions(predictions, names) : null;
  if (typeof given === 'string') return refuse(given);
  if (scores === null) return { ok: true, outputs: { scores, probabilities: false, decisions: given } };
  const own = classes ?? names;
  const numbers = own.map((name) => classPosition(name, names));
  const unknown = numbers.indexOf(-1);
  if (unknown >= 0)
    return refuse(
      `it has the class ${JSON.stringify(own[unknown])}, which is not among the classes ${listed(names)}; list every class in columns.classes`,
    );
  if (scores.length !== rows * own.length)
    return refuse(`there are ${scores.length} scores for ${rows} rows and ${own.length} classes`);
  const spread = new Float64Array(rows * names.length);
  if (kind !== 'probability') spread.fill(Number.MIN_SAFE_INTEGER);
  const highestScored = new Int32Array(rows);
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
        highestScored[row] = number;
      }
    }
    if (kind === 'probability' && !addsUpToOne(sum)) {
      return refuse(
        `the class probabilities of row ${row + 1} add up to ${sum}; set transform: softmax if these are raw scores`,
      );
    }
  }
  const decisions = given ?? highestScored;
  return { ok: true, outputs: { scores: spread, probabilities: kind === 'probability', decisions } };
}

function refuse(message: string): OutputsResult {
  return { ok: false, message };
}
