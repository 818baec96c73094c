import type { Columns, Task } from '../../config/schema.ts';
import { classPosition, classText, type ClassValue } from '../../data/class-text.ts';
import { ModelError } from '../../errors.ts';
import { sigmoid, softmax } from '../../probabilities.ts';
import type { Predictions, ReadingOptions } from '../predictions.ts';
import { isProbability, wrongWidth, type Scores } from './scores.ts';

type Read = Pick<Predictions, 'kind' | 'scores'>;

/** One score a row, of the positive class: the only column, the column of `columns.positive`, or the difference of two logits. */
export function readBinary(
  scores: Scores,
  columns: Columns,
  classes: readonly ClassValue[],
  reading: ReadingOptions,
): Read {
  if (scores.width > 2) {
    throw wrongWidth(
      scores,
      'one or two, for binary classification',
      'Set task: multiclass-classification, or name the output: {uri, output}',
    );
  }
  const positive = columns.positive ?? 1;
  const column = scores.width === 1 ? 0 : classPosition(positive, classes.map(classText));
  if (column < 0) {
    throw new ModelError({
      found: `The classes of the model are ${classes.map(String).join(', ')}; the positive class of the data is ${String(positive)}`,
      expected: 'the positive class among those of the model',
      remedy: 'Set columns.positive, or list the classes, in the order of the scores, in columns.classes',
    });
  }
  if (reading.transform === 'sigmoid') return { kind: 'probability', scores: pick(scores, column).map(sigmoid) };
  if (reading.transform === 'softmax') {
    return {
      kind: 'probability',
      scores:
        scores.width === 1 ? scores.values.map(sigmoid) : pick({ values: softmax(scores.values, 2), width: 2 }, column),
    };
  }
  if (isProbability(scores, 'binary-classification', reading))
    return { kind: 'probability', scores: pick(scores, column) };
  if (scores.width === 1) return { kind: 'score', scores: scores.values };
  const difference = Float64Array.from(
    { length: scores.values.length / 2 },
    (_, row) => (scores.values[row * 2 + column] as number) - (scores.values[row * 2 + 1 - column] as number),
  );
  return { kind: 'score', scores: difference };
}

/** A score of every class. @throws ModelError */
export function readClasses(scores: Scores, task: Task, classes: readonly ClassValue[], reading: ReadingOptions): Read {
  if (task === 'multiclass-classification' && classes.length < 2) {
    throw wrongWidth(
      scores,
      'a score for each of at least two classes',
      'Name the output that holds them: {uri, output}',
    );
  }
  if (reading.transform === 'sigmoid') return { kind: 'probability', scores: scores.values.map(sigmoid) };
  if (reading.transform === 'softmax') return { kind: 'probability', scores: softmax(scores.values, scores.width) };
  return { kind: isProbability(scores, task, reading) ? 'probability' : 'score', scores: scores.values };
}

function pick({ values, width }: Pick<Scores, 'values' | 'width'>, column: number): Float64Array {
  if (width === 1) return values;
  const picked = new Float64Array(values.length / width);
  for (let row = 0; row < picked.length; row += 1) picked[row] = values[row * width + column] as number;
  return picked;
}
