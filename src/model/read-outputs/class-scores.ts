import type { Columns, Task } from '../../config/schema.ts';
import { classPosition, classText, type ClassValue } from '../../data/class-text.ts';
import { ConfigError, MismatchError } from '../../errors.ts';
import { sigmoid, softmax } from '../../probabilities.ts';
import type { OutputOrigin } from '../output-origins.ts';
import type { Predictions, ReadingOptions } from '../predictions.ts';
import { isProbability, refuseTwice, wrongWidth, type Scores } from './scores.ts';

/** What makes the scores of `Predictions` of the values that a model gives. */
export interface Making {
  task: Task;
  kind: Predictions['kind'];
  transform: ReadingOptions['transform'];
  /** Binary: which of two columns is of the positive class. */
  positive: number;
}

/** Row-major values of a model as the scores of `Predictions`: the same offline and served. */
export function finalScores({ values, width }: Pick<Scores, 'values' | 'width'>, making: Making): Float64Array {
  const { task, kind, transform, positive } = making;
  if (task !== 'binary-classification') {
    if (transform === 'sigmoid') return values.map(sigmoid);
    return transform === 'softmax' ? softmax(values, width) : values;
  }
  if (transform === 'sigmoid') return pick({ values, width }, positive).map(sigmoid);
  if (transform === 'softmax') {
    return width === 1 ? values.map(sigmoid) : pick({ values: softmax(values, width), width }, positive);
  }
  if (kind === 'probability' || width === 1) return pick({ values, width }, positive);
  return Float64Array.from(
    { length: values.length / 2 },
    (_, row) => (values[row * 2 + positive] as number) - (values[row * 2 + 1 - positive] as number),
  );
}

/** Position of the positive class among those of the model. @throws ConfigError where it is none of them */
export function positiveColumn(classes: readonly ClassValue[], columns: Columns): number {
  const positive = columns.positive ?? 1;
  const column = classPosition(positive, classes.map(classText));
  if (column >= 0) return column;
  throw new ConfigError({
    found: `The classes of the model are ${classes.map(String).join(', ')}, and columns.positive is ${columns.positive === undefined ? `not set (${positive})` : String(positive)}`,
    expected: 'the positive class as one of the classes of the model',
    remedy: 'Set columns.positive, or list the classes, in the order of the scores, in columns.classes',
  });
}

/** The graph may say of which class its only score is: then of the positive one. @throws MismatchError */
export function refuseOtherClass(
  classes: readonly ClassValue[],
  origin: OutputOrigin | undefined,
  columns: Columns,
): void {
  const [own] = origin?.classes ?? [];
  if (own === undefined || origin?.classes?.length !== 1) return;
  const named = classPosition(own, classes.map(classText));
  // A classifier of encoded labels: 0 and 1 are positions.
  const position = named < 0 ? classPosition(own, ['0', '1']) : named;
  if (position < 0 || position === positiveColumn(classes, columns)) return;
  throw new MismatchError({
    found: `The only score of the model belongs to the class ${JSON.stringify(classText(classes[position] as ClassValue))}`,
    expected: `a score of the positive class, ${JSON.stringify(classText(columns.positive ?? 1))}`,
    remedy: 'Export the scores of both classes, or set columns.positive to the class of the score',
  });
}

/** Are the scores of a classifier of one class a row probabilities? @throws MismatchError for what is neither these nor said to be raw */
export function kindOf(
  scores: Scores,
  task: Task,
  classes: readonly ClassValue[],
  reading: ReadingOptions,
): 'probability' | 'score' {
  if (task === 'binary-classification' && scores.width > 2) {
    throw wrongWidth(
      scores,
      'one or two, for binary classification',
      'Set task: multiclass-classification, or name the output: {uri, output}',
    );
  }
  if (task === 'multiclass-classification' && classes.length < 2) {
    throw wrongWidth(
      scores,
      'a score for each of at least two classes',
      'Name the output that holds them: {uri, output}',
    );
  }
  refuseTwice(scores, task, reading);
  if (reading.transform === 'sigmoid' || reading.transform === 'softmax') return 'probability';
  return isProbability(scores, task, reading) ? 'probability' : 'score';
}

function pick({ values, width }: Pick<Scores, 'values' | 'width'>, column: number): Float64Array {
  if (width === 1) return values;
  const picked = new Float64Array(values.length / width);
  for (let row = 0; row < picked.length; row += 1) picked[row] = values[row * width + column] as number;
  return picked;
}
