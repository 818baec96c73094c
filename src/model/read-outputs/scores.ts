import type { Task } from '../../config/schema.ts';
import { MismatchError, ModelError, type Fault } from '../../errors.ts';
import { inUnitInterval, rowNotAddingUp, sigmoid } from '../../probabilities.ts';
import type { ReadingOptions } from '../predictions.ts';

/** The scores of all rows, row by row, and the output they are of. */
export interface Scores {
  values: Float64Array;
  width: number;
  name: string;
  /** ONNX's name of the type of its elements. */
  type: string;
  range: Range;
}

export interface Range {
  lowest: number;
  highest: number;
  nan: boolean;
}

/** While the values are at hand: a pass of its own over many rows takes longer. */
export function extend(range: Range, values: Float64Array): void {
  let { lowest, highest, nan } = range;
  for (let index = 0; index < values.length; index += 1) {
    const value = values[index] as number;
    if (value < lowest) lowest = value;
    if (value > highest) highest = value;
    if (Number.isNaN(value)) nan = true;
  }
  Object.assign(range, { lowest, highest, nan });
}

/**
 * Are these probabilities? What is not, and is not said to be anything else (by its name, or by transform: none), is an error:
 * nobody may compute a log loss on raw scores unawares.
 */
export function isProbability(scores: Scores, task: Task, reading: ReadingOptions): boolean {
  const { values, width, name } = scores;
  const { lowest, highest } = scores.range;
  const raw = reading.transform === 'none' || isRawName(name);
  const outside = !inUnitInterval(lowest, highest);
  const other = outside || width === 1 || task === 'multilabel-classification' ? null : rowNotAddingUp(values, width);
  if (!outside && other === null) return true;
  if (raw) return false;
  if (other !== null) {
    throw new MismatchError({
      found: `Output ${name} has values in [0, 1], but the scores of row ${other.row + 1} do not add up to 1`,
      expected: 'probabilities of the classes, which add up to 1 in each row',
      remedy:
        'If each is the probability of its class against the rest, divide it by the sum of its row in the model, or set transform: none, which uses their order alone. If these are raw scores, set the transform: candidate: {uri, transform: sigmoid | softmax}',
    });
  }
  throw new MismatchError({
    found: `Output ${name} is not a probability: values from ${lowest} to ${highest}, outside [0, 1]. Is it a raw score?`,
    expected: 'probabilities',
    remedy: 'Set the transform: candidate: {uri, transform: sigmoid | softmax | none}',
  });
}

/** `withdrawal` and `marginal` do not say it. */
function isRawName(name: string): boolean {
  return /logit|margin(?!al)|decision|(?<![a-z])raw/iu.test(name) || name.includes('Raw');
}

/** Fewer raw scores than this may all lie in [0, 1] by chance. */
const fewRows = 30;

/**
 * A transform makes probabilities of raw scores; of probabilities it makes others, by which every row may be positive.
 * @throws MismatchError for scores that are probabilities already, and have no name of raw ones
 */
export function refuseTwice({ values, width, name, range }: Scores, task: Task, { transform }: ReadingOptions): void {
  refuseLogProbabilities();
  if ((transform !== 'sigmoid' && transform !== 'softmax') || isRawName(name)) return;
  if (!inUnitInterval(range.lowest, range.highest)) return;
  const each = width === 1 || task === 'multilabel-classification';
  const whole = !each && rowNotAddingUp(values, width) === null;
  if (!whole && values.length / width < fewRows) return;
  throw new MismatchError({
    found: `transform: ${transform}, but output ${name} already has probabilities: all of its values lie in [0, 1]${whole ? ', and each row adds up to 1' : ''}`,
    expected: 'raw scores to transform',
    remedy: 'Remove the transform; or, if these are raw scores, rename the output ("logits")',
  });

  /** Their sigmoid is p / (1 + p), never more than one half. */
  function refuseLogProbabilities(): void {
    if (transform !== 'sigmoid' || task === 'multilabel-classification' || width === 1 || range.highest > 1e-6) return;
    if (values.length / width < fewRows || rowNotAddingUp(values.map(Math.exp), width) !== null) return;
    throw new MismatchError({
      found: `transform: sigmoid, but output ${name} has log probabilities: exp(value) adds up to 1 in each row`,
      expected: 'transform: softmax, which turns them into probabilities',
      remedy: 'Set it: {uri, transform: softmax}',
    });
  }
}

/** Scores that are no numbers, and the rows (from 0) that have some. */
export class NonFiniteError extends ModelError {
  readonly rows: readonly number[];
  constructor(fault: Fault, rows: readonly number[]) {
    super(fault);
    this.rows = rows;
  }
}

/** @throws NonFiniteError that counts the rows and names the first */
export function refuseNonFinite({ values, width, name, range }: Scores): void {
  if (!range.nan && Number.isFinite(range.lowest) && Number.isFinite(range.highest)) return;
  const bad: number[] = [];
  for (let row = 0; row < values.length / width; row += 1) {
    let finite = true;
    for (let index = row * width; index < (row + 1) * width; index += 1)
      if (!Number.isFinite(values[index])) finite = false;
    if (!finite) bad.push(row);
  }
  const [first = -1] = bad;
  const worst = values.subarray(first * width, (first + 1) * width).find((value) => !Number.isFinite(value));
  throw new NonFiniteError(
    {
      found: `${bad.length} of ${values.length / width} predictions ${bad.length === 1 ? 'is' : 'are'} ${Number.isNaN(worst) ? 'NaN' : 'infinite'} (first: row ${first + 1}, output ${name})`,
      expected: 'a finite number for every row',
      remedy:
        'Check what the model computes for that row: a missing value of a feature is passed as NaN. No metric is computed, because such rows are never dropped silently',
    },
    bad,
  );
}

/** What is usable, but hardly meant. */
export function oddities(scores: Scores | null): string[] {
  if (scores === null || scores.values.length <= scores.width) return [];
  const { values, width } = scores;
  for (let index = width; index < values.length; index += 1) if (values[index] !== values[index % width]) return [];
  return [
    `All predictions are equal (${values.subarray(0, Math.min(width, 5)).join(', ')}): almost certainly a broken export.`,
  ];
}

/** Whether the two scores of every row are z and -z, as trees and linear models of two classes have them. */
export function areOpposite({ values, width }: Scores): boolean {
  return width === 2 && values.every((value, at) => value === -(values[at ^ 1] as number));
}

/** The first row (from 1) of two scores whose sigmoids are no probabilities of two classes, as those of z and -z are; null: none. */
export function rowOfTwoHeads({ values, width }: Scores): number | null {
  const unlike = width === 2 ? rowNotAddingUp(values.map(sigmoid), width) : null;
  return unlike === null ? null : unlike.row + 1;
}

/** Whether no score is between 0 and 1, and not all are equal: what a classifier decided, or a tree that was grown to its end. */
export function areLabels({ values, range }: Scores): boolean {
  return range.lowest === 0 && range.highest === 1 && values.every((value) => value === 0 || value === 1);
}

export function wrongWidth({ width, name }: Scores, expected: string, remedy: string): MismatchError {
  return new MismatchError({
    found: `Output ${name} has ${width} value${width === 1 ? '' : 's'} per row`,
    expected,
    remedy,
  });
}
