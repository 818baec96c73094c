import { labelColumns } from '../../config/columns.ts';
import type { Columns, Task } from '../../config/schema.ts';
import { classPosition, classReader, classText, type ClassValue } from '../../data/class-text.ts';
import { DataError } from '../../errors.ts';
import { inUnitInterval, rowNotAddingUp } from '../../probabilities.ts';
import type { Predictions } from '../predictions.ts';
import type { JoinedRows } from './join.ts';
import { areOfTheirLabels, contradictionOf } from '../read-outputs/agree.ts';
import { refuseThreshold, scoreType, thresholdIn } from '../read-outputs/threshold.ts';
import { namedAfter, wrongWidth, type PredictionReference } from './layout.ts';

interface Context {
  reference: PredictionReference;
  /** Rows of the data. */
  rows: number;
  columns: Columns;
  task: Task;
}

/** The rows of a file of predictions as what they mean. @throws DataError for what they cannot mean */
export function interpret(joined: JoinedRows, context: Context): Predictions {
  const { reference, rows, columns, task } = context;
  if (task !== 'regression' && task !== 'ranking') refuseThreshold('probability', reference.threshold);
  if (task === 'multilabel-classification') return interpretLabels(joined, context);
  const { texts, layout } = joined;
  const { scores: names } = layout;
  const where = reference.predictions;
  const width = names.length;
  const scores = width === 0 ? null : joined.values;
  const threshold = thresholdIn(scores === null ? 'double' : scoreType(scores), reference.threshold ?? 0.5);
  if (task === 'regression' || task === 'ranking') {
    if (width !== 1) throw wrongWidth(width, 'one column of predicted values', where);
    return { rows, classes: null, kind: 'value', scores, labels: null, threshold };
  }
  if (scores !== null) refuseNonProbabilities(scores, names, task, where);
  const known = classesOf(joined, columns, where);
  const { classes } = known;
  const labels = texts === null ? null : labelIndexes(texts, classes, layout.predicted ?? '', where);
  const common = { rows, ...known, labels, threshold };
  if (scores === null) return { ...common, kind: 'label', scores };
  const decides = labels === null || reference.threshold !== undefined ? {} : { labelsDecide: true as const };
  if (task !== 'binary-classification') {
    if (width < 2) throw wrongWidth(width, 'a column of probabilities for each class', where);
    if (classes.length !== width) throw wrongWidth(width, `${classes.length} columns, one for each class`, where);
    refuseOtherOrder(common, scores, 0, context);
    return { ...common, ...decides, kind: 'probability', scores };
  }
  if (width > 2) throw wrongWidth(width, 'one column, of the positive class, or two', where);
  const own = width === 1 ? loneScores(scores, joined, context) : positiveScores(scores, classes, columns, where);
  refuseOtherOrder(common, own, classPosition(columns.positive ?? 1, classes.map(classText)), context);
  const positive = classText(columns.positive ?? 1);
  const isNamed =
    columns.classes !== undefined ||
    width === 2 ||
    own !== scores ||
    classPosition(layout.scored?.[0] ?? '', [positive]) >= 0;
  const assumed = isNamed || labels !== null ? {} : { assumedPositive: `name their column score_${positive}` };
  return { ...common, ...decides, ...assumed, kind: 'probability', scores: own };
}

/**
 * Labels may follow another rule than the highest score (a threshold, priors), but scores that agree with them in another order of
 * the classes are in that order.
 */
function refuseOtherOrder(
  { rows, classes, labels }: { rows: number; classes: readonly ClassValue[]; labels: Int32Array | null },
  scores: Float64Array,
  positive: number,
  { reference }: Context,
): void {
  const width = scores.length / rows;
  if (labels === null || positive < 0 || classes.length !== Math.max(width, 2)) return;
  const given = { labels, values: scores, width, classes, positive, cut: 0.5 };
  if (areOfTheirLabels(given)) {
    const name = JSON.stringify(classText(classes[positive] as ClassValue));
    throw new DataError({
      found:
        'no score is below 0.5, and no threshold separates the two predicted labels: each score looks like the confidence in the label predicted for its row',
      expected: `scores of the class ${name}`,
      where: reference.predictions,
      remedy: `Write the probability of ${name} in every row (1 - score if the other label is predicted); or remove the scores, if only metrics of labels are needed`,
    });
  }
  if (reference.threshold !== undefined || new Set(labels).size !== classes.length) return;
  const found = contradictionOf(given);
  if (found === null || found.order === null) return;
  throw new DataError({
    found: `the predicted labels contradict the scores in ${found.rows} of ${rows} rows (the first is row ${found.row + 1} of the data)`,
    expected:
      width === 1
        ? `scores of the class ${JSON.stringify(classText(classes[positive] as ClassValue))}: these are the scores of the other class`
        : `scores in the order ${found.order.map(classText).join(', ')}, which agrees with the labels; they were read in the order ${classes.map(classText).join(', ')}`,
    where: reference.predictions,
    remedy: 'Correct the columns of the scores, or name them in the order of the classes: {predictions, score: [...]}',
  });
}

/** A lone column is of the positive class, unless its name says that it is of the other. */
function loneScores(scores: Float64Array, { layout, labels }: JoinedRows, context: Context): Float64Array {
  const { reference, columns } = context;
  const [name] = layout.scored ?? [];
  if (name === undefined) return scores;
  const positive = classText(columns.positive ?? 1);
  const known = columns.classes?.map(classText) ?? [...labels];
  if (classPosition(positive, known) < 0) known.push(positive);
  const position = classPosition(name, known);
  if (position === classPosition(positive, known)) return scores;
  if (position >= 0) return scores.map((score) => 1 - score);
  if (reference.score !== undefined) return scores;
  throw new DataError({
    found: `the only scores are in column ${JSON.stringify(layout.scores[0])}, but there is no class ${JSON.stringify(name)}`,
    expected: `scores of one of the classes ${known.slice(0, 20).join(', ')}`,
    where: reference.predictions,
    remedy: `Name the column of the scores of ${JSON.stringify(positive)}: {predictions, score}; or list the classes in columns.classes`,
  });
}

function positiveScores(
  scores: Float64Array,
  classes: readonly ClassValue[],
  columns: Columns,
  where: string,
): Float64Array {
  const positive = classPosition(columns.positive ?? 1, classes.map(classText));
  if (positive >= 0) return scores.filter((_, index) => index % 2 === positive);
  throw new DataError({
    found: `the scores are of the classes ${classes.join(', ')}`,
    expected: `the positive class ${String(columns.positive ?? 1)} as one of them`,
    where,
    remedy: 'List the classes in the order of the columns in columns.classes',
  });
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
  if (scores !== null) refuseNonProbabilities(scores, layout.scores, task, where);
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
    ...(scores === null || decided === null || reference.threshold !== undefined ? {} : { labelsDecide: true }),
    threshold: thresholdIn(scores === null ? 'double' : scoreType(scores), reference.threshold ?? 0.5),
  };
}

/** The classes of the columns of scores, in their order; without such columns those of the configuration, or those predicted. */
function classesOf(
  { layout: { scores, scored: prefixed }, texts, labels }: JoinedRows,
  columns: Columns,
  where: string,
): { classes: ClassValue[] } & Pick<Predictions, 'classesFrom'> {
  const several = scores.length > 1;
  const configured = columns.classes?.map(classText);
  const counted = scores.map((_, index) => String(index));
  const scored = prefixed ?? (several ? namedAfter(scores, configured ?? [...new Set([...labels, ...counted])]) : null);
  if (configured !== undefined) {
    const named = several ? (scored ?? []).filter((name) => classPosition(name, configured) >= 0) : [];
    // Columns that name the very classes of the configuration say which is which, in whatever order they stand.
    if (named.length === configured.length) return { classes: named };
    if (named.length === 0) return { classes: configured };
    throw new DataError({
      found: `some of the columns ${scores.slice(0, 20).join(', ')} are named after a class and others are not`,
      expected: `one column for each of the classes ${configured.slice(0, 20).join(', ')}`,
      where,
      remedy: 'Name the columns in the order of columns.classes: {predictions, score: [...]}',
    });
  }
  if (several && scored !== null) return { classes: scored };
  if (several) return { classes: scores.map((_, index) => index), classesFrom: 'counted' };
  if (texts === null) return { classes: [0, 1], classesFrom: 'counted' };
  return { classes: [...new Set(texts.map(classText))].toSorted(), classesFrom: 'predicted' };
}

function labelIndexes(
  texts: readonly string[],
  classes: readonly ClassValue[],
  column: string,
  where: string,
): Int32Array {
  const names = classes.map(classText);
  const positions = new Map<string, number>();
  const classOf = classReader(column, where);
  return Int32Array.from(texts, (text, row) => {
    const position = positions.get(text) ?? classPosition(classOf(text, row), names);
    positions.set(text, position);
    if (position >= 0) return position;
    throw new DataError({
      found: `row ${row + 1} is predicted ${JSON.stringify(text.slice(0, 80))}`,
      expected: `one of the classes ${names.slice(0, 20).join(', ')}`,
      where,
      remedy: 'Predict exactly these labels, or list every class in columns.classes',
    });
  });
}

function refuseNonProbabilities(scores: Float64Array, columns: readonly string[], task: Task, where: string): void {
  const width = columns.length;
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
    found: `the class probabilities of row ${other.row + 1} of the data (${columns.slice(0, 20).join(', ')}) add up to ${other.sum}`,
    expected: '1',
    where,
    remedy:
      'Write the probabilities of all classes, not raw scores; if one of these columns is no class, list those of the classes: {predictions, score: [...]}',
  });
}
