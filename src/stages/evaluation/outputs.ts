import type { Task } from '../../config/schema.ts';
import { classPosition } from '../../data/class-text.ts';
import { highestColumn, isPositive, labelsTellTies } from '../../model/decisions.ts';
import { thresholdAt, type Predictions } from '../../model/predictions.ts';
import { addsUpToOne, inUnitInterval } from '../../probabilities.ts';
import { quoted, seenOf } from '../../wording.ts';
import { listed } from './labels.ts';
import type { Outputs } from './sample.ts';

export type OutputsResult =
  | {
      ok: true;
      outputs: Outputs;
      /** Decisions at the threshold itself, or among equal highest scores, that the model's own labels made. */
      tied: number;
    }
  | {
      ok: false;
      message: string;
      /** Nothing is wrong with the model itself: it and the configuration speak of other classes, or of other scores. */
      mismatch?: true;
    };

/**
 * A model's predictions in the terms of the sample: scores by class number, decisions by threshold or highest score, and ties by the
 * model's own labels, else by the threshold or the first of the classes.
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
        return mismatch(
          `row ${Math.floor(outside / width) + 1} is given the probability ${String(scores[outside])}, outside [0, 1]; set transform: sigmoid or softmax if these are raw scores`,
        );
      }
    }
  }
  if (task === 'regression' || task === 'ranking') {
    return scores === null ? refuse('there are no predicted values') : usable(scores, null, null, 0);
  }
  if (task === 'multilabel-classification') return labelOutputs(predictions, classes as readonly string[], rows);
  return task === 'binary-classification'
    ? binaryOutputs(predictions, classes as readonly string[])
    : classOutputs(predictions, classes as readonly string[], rows);
}

function binaryOutputs(predictions: Predictions, names: readonly string[]): OutputsResult {
  const { scores, threshold, kind, labelsDecide } = predictions;
  const limit = thresholdAt(threshold);
  if (scores === null || labelsDecide === true) {
    const decided = labelDecisions(predictions, names);
    if (typeof decided === 'string') return mismatch(decided);
    const tied = scores === null ? 0 : scores.reduce((sum, score) => sum + (score === limit ? 1 : 0), 0);
    return usable(scores, kind, decided, tied);
  }
  const own = labelsTellTies(predictions) ? labelNumbers(predictions, names) : null;
  let tied = 0;
  const decisions = new Int32Array(scores.length).map((_, row) => {
    const score = scores[row] as number;
    const label = own?.[row];
    if (score === limit && label !== undefined && label >= 0) tied += 1;
    return isPositive(score, limit, label) ? 1 : 0;
  });
  return usable(scores, kind, decisions, tied);
}

/** The class number of each label a model gives, -1 where it is none. */
function labelNumbers(
  { labels, classes }: Pick<Predictions, 'labels' | 'classes'>,
  names: readonly string[],
): Int32Array | null {
  const numbers = (classes ?? names).map((each) => classPosition(each, names));
  return labels?.map((label) => numbers[label] ?? -1) ?? null;
}

/** The class numbers of the labels a model gives, or why there are none. */
function labelDecisions({ labels, classes }: Predictions, names: readonly string[]): Int32Array | string {
  if (labels === null) return 'there are neither scores nor labels';
  const numbers = labelNumbers({ labels, classes }, names) as Int32Array;
  const unknown = numbers.indexOf(-1);
  if (unknown < 0) return numbers;
  const found = classes?.[labels[unknown] as number];
  const share = typeof found === 'string' && /^0?\.\d+(?:e-\d+)?$|^\de-\d+$/iu.test(found);
  const remedy = share
    ? 'where these are probabilities, name their column: {predictions, score}'
    : 'predict exactly these labels, or name the classes in columns.classes (and columns.positive)';
  const alike = typeof found === 'string' ? names.find((name) => seenOf(name) === seenOf(found)) : undefined;
  const shown = typeof found === 'string' ? quoted(found) : String(found);
  const unlike = alike === undefined ? '' : `, which only looks like ${quoted(alike)}`;
  return `row ${unknown + 1} is predicted ${shown}${unlike}, and the classes are ${listed(names)}; ${remedy}`;
}

/** Every label is decided for itself, by its threshold. */
function labelOutputs(predictions: Predictions, names: readonly string[], rows: number): OutputsResult {
  const { scores, labels, classes, threshold, kind, labelsDecide } = predictions;
  const own = (classes ?? []).map(String);
  const numbers = names.map((name) => own.indexOf(name));
  const given = scores ?? labels;
  if (given === null) return refuse('there are neither scores nor labels');
  if (own.length !== names.length || numbers.includes(-1))
    return mismatch(`it predicts the labels ${own.join(', ')}; those of the data are ${names.join(', ')}`);
  if (given.length !== rows * names.length)
    return refuse(`there are ${given.length} values for ${rows} rows and ${names.length} labels`);
  const placed = scores === null ? null : new Float64Array(given.length);
  const decided = scores === null || labelsDecide === true ? labels : null;
  const decisions = new Int32Array(given.length);
  let tied = 0;
  for (let row = 0; row < rows; row += 1) {
    for (const [label, number] of numbers.entries()) {
      const place = row * names.length + label;
      const at = row * names.length + number;
      const value = given[at] as number;
      if (placed !== null) placed[place] = value;
      const limit = thresholdAt(threshold, number);
      const own = labelsTellTies(predictions, number) ? labels?.[at] : undefined;
      if (scores !== null && value === limit && (own !== undefined || decided !== null)) tied += 1;
      decisions[place] = (decided === null ? isPositive(value, limit, own) : decided[at] === 1) ? 1 : 0;
    }
  }
  return usable(placed, kind, decisions, tied);
}

function classOutputs(predictions: Predictions, names: readonly string[], rows: number): OutputsResult {
  const { scores, classes, kind } = predictions;
  const given = scores === null || predictions.labelsDecide === true ? labelDecisions(predictions, names) : null;
  if (typeof given === 'string') return mismatch(given);
  if (scores === null) return usable(scores, null, given, 0);
  const own = classes ?? names;
  const numbers = own.map((name) => classPosition(name, names));
  const unknown = numbers.indexOf(-1);
  if (unknown >= 0)
    return mismatch(
      `it has the class ${JSON.stringify(own[unknown])}, which is not among the classes ${listed(names)}; list every class in columns.classes`,
    );
  if (scores.length !== rows * own.length)
    return refuse(`there are ${scores.length} scores for ${rows} rows and ${own.length} classes`);
  const spread = new Float64Array(rows * names.length);
  if (kind !== 'probability') spread.fill(Number.MIN_SAFE_INTEGER);
  const labelled = given ?? labelNumbers(predictions, names);
  const highest = new Int32Array(rows);
  let tied = 0;
  for (let row = 0; row < rows; row += 1) {
    let sum = 0;
    for (const [column, number] of numbers.entries()) {
      const score = scores[row * own.length + column] as number;
      sum += score;
      spread[row * names.length + number] = score;
    }
    const label = labelled?.[row];
    const found = highestColumn(spread, row * names.length, names.length, label);
    highest[row] = found.column;
    if (found.tied && label === found.column) tied += 1;
    if (kind === 'probability' && !addsUpToOne(sum)) {
      return mismatch(
        `the class probabilities of row ${row + 1} add up to ${sum}; set transform: softmax if these are raw scores`,
      );
    }
  }
  return usable(spread, kind, given ?? highest, tied);
}

function usable(
  scores: Outputs['scores'],
  kind: Predictions['kind'] | null,
  decisions: Outputs['decisions'],
  tied: number,
): OutputsResult {
  return { ok: true, outputs: { scores, probabilities: kind === 'probability', decisions }, tied };
}

function refuse(message: string): OutputsResult {
  return { ok: false, message };
}

function mismatch(message: string): OutputsResult {
  return { ok: false, message, mismatch: true };
}
