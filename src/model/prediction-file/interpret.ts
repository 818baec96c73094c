import { labelColumns } from '../../config/columns.ts';
import type { Columns, Task } from '../../config/schema.ts';
import { DataError } from '../../errors.ts';
import { inUnitInterval, rowNotAddingUp } from '../../probabilities.ts';
import type { Predictions } from '../predictions.ts';
import type { JoinedRows } from './join.ts';
import { scoreColumn, wrongWidth, type PredictionReference } from './layout.ts';

interface Context {
  reference: PredictionReference;
  /** Rows of the data. */
  rows: number;
  columns: Columns;
  task: Task;
}

/** The rows of a file of predictions as what they mean. @throws DataError for what they cannot mean */
export function interpret(joined: JoinedRows, context: Context): Predictions {
  if (context.task === 'multilabel-classification') return interpretLabels(joined, context);
  const { reference, rows, columns, task } = context;
  const { texts, layout } = joined;
  const { scores: names } = layout;
  const where = reference.predictions;
  const width = names.length;
  const scores = width === 0 ? null : joined.values;
  const threshold = reference.threshold ?? 0.5;
  if (task === 'regression' || task === 'ranking') {
    if (width !== 1) throw wrongWidth(width, 'one column of predicted values', where);
    return { rows, classes: null, kind: 'value', scores, labels: null, threshold };
  }
  if (scores !== null) refuseNonProbabilities(scores, width, task, where);
  const classes = classesOf(width, texts, names, columns);
  const labels = texts === null ? null : labelIndexes(texts, classes, where);
  if (scores === null) return { rows, classes, kind: 'label', scores, labels, threshold };
  if (task !== 'binary-classification') {
    if (width < 2) throw wrongWidth(width, 'a column of probabilities for each class', where);
    if (classes.length !== width) throw wrongWidth(width, `${classes.length} columns, one for each class`, where);
    return { rows, classes, kind: 'probability', scores, labels, threshold };
  }
  if (width > 2) throw wrongWidth(width, 'one column, of the positive class, or two', where);
  const positive = width === 1 ? 0 : classes.findIndex((each) => String(each) === String(columns.positive ?? 1));
  if (positive < 0) {
    throw new DataError({
      found: `the scores are of the classes ${classes.join(', ')}`,
      expected: `the positive class ${String(columns.positive ?? 1)} among them`,
      where,
      remedy: 'List the classes in the order of the columns in columns.classes',
    });
  }
  const own = width === 1 ? scores : scores.filter((_, index) => index % 2 === positive);
  return { rows, classes, kind: 'probability', scores: own, labels, threshold };
}

/** A score (if there are any), then a decision (if there are any), of every label. */
function interpretLabels({ values, layout }: JoinedRows, { reference, rows, columns, task }: Context): Predictions {
  const where = reference.predictions;
  const classes = labelColumns(columns);
  const count = layout.scores.length + layout.decisions.length;
  const part = (from: number): Float64Array =>
    values.filter((_, at) => at % count >= from && at % count < from + classes.length);
  const scores = layout.scores.length === 0 ? null : part(0);
  const decided = layout.decisions.length === 0 ? null : part(layout.scores.length);
  if (scores !== null) refuseNonProbabilities(scores, classes.length, task, where);
  const other = decided?.findIndex((value) => value !== 0 && value !== 1) ?? -1;
  if (decided !== null && other >= 0) {
    throw new DataError({
      found: `row ${Math.floor(other / classes.length) + 1} of the data has ${decided[other]} in ${layout.decisions[other % classes.length]}`,
      expected: '0 or 1 for every label',
      where,
    });
  }
  return {
    rows,
    classes,
    kind: scores === null ? 'label' : 'probability',
    scores,
    labels: decided === null ? null : Int32Array.from(decided),
    threshold: reference.threshold ?? 0.5,
  };
}

function classesOf(
  width: number,
  texts: readonly string[] | null,
  names: readonly string[],
  columns: Columns,
): (string | number)[] {
  const prefix = `${scoreColumn}_`;
  const named = names.map((name) => (name.startsWith(prefix) ? name.slice(prefix.length) : null));
  const { classes } = columns;
  // Columns that name the very classes of the configuration say which is which, in whatever order they stand.
  if (classes !== undefined) {
    const own = named.map((name) => classes.find((each) => String(each) === name));
    return new Set(own).size === classes.length && !own.includes(undefined) ? (own as typeof classes) : [...classes];
  }
  if (width > 1 && !named.includes(null)) return named.map((name) => value(name as string));
  if (width > 1) return names.map((_, index) => index);
  const found = new Set(texts ?? []);
  if (found.size === 0 || [...found].every((text) => text === '0' || text === '1')) return [0, 1];
  return [...found].toSorted().map(value);
}

/** What is written as a number is one, if it reads back the same. */
function value(text: string): string | number {
  return String(Number(text)) === text ? Number(text) : text;
}

function labelIndexes(texts: readonly string[], classes: readonly (string | number)[], where: string): Int32Array {
  const index = new Map(classes.map((each, position) => [String(each), position]));
  return Int32Array.from(texts, (text, row) => {
    const position = index.get(text) ?? index.get(String(Number(text)));
    if (position !== undefined) return position;
    throw new DataError({
      found: `row ${row + 1} is predicted ${JSON.stringify(text)}`,
      expected: `one of the classes ${classes.slice(0, 20).join(', ')}`,
      where,
      remedy: 'List every class in columns.classes',
    });
  });
}

function refuseNonProbabilities(scores: Float64Array, width: number, task: Task, where: string): void {
  const outside = scores.findIndex((score) => !inUnitInterval(score));
  if (outside >= 0) {
    throw new DataError({
      found: `row ${Math.floor(outside / width) + 1} of the data is given the probability ${scores[outside]}`,
      expected: 'probabilities in [0, 1]',
      where,
      remedy: 'Write probabilities, not raw scores',
    });
  }
  if (width === 1 || task === 'multilabel-classification') return;
  const other = rowNotAddingUp(scores, width);
  if (other === null) return;
  throw new DataError({
    found: `the class probabilities of row ${other.row + 1} of the data add up to ${other.sum}`,
    expected: '1',
    where,
    remedy: 'Write the probabilities of all classes, not raw scores',
  });
}
