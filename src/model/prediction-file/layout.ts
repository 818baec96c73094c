import { labelColumns } from '../../config/columns.ts';
import type { Columns, ModelReference, Task } from '../../config/schema.ts';
import { classPosition, classText } from '../../data/class-text.ts';
import { requireColumns, type Dataset } from '../../data/dataset.ts';
import { DataError } from '../../errors.ts';

export type PredictionReference = Extract<ModelReference, { predictions: string }>;

/** Names that a file of predictions has by default: `writePredictionFile` uses them too. */
export const scoreColumn = 'score';
export const labelColumn = 'prediction';

/** Which columns of a file of predictions hold what. */
export interface Layout {
  scores: string[];
  /** Multilabel: a column of 0 and 1 for each label. */
  decisions: string[];
  /** The predicted label of every other classification. */
  predicted: string | null;
  /** Of scores in columns named `score_<class>`: the classes, in their order. */
  scored: string[] | null;
  /** Label columns of the data that the file has too. */
  truth: string[];
}

/** The layout of a file. @throws DataError for columns that are not there, or are not as many as there must be */
export function layoutOf(shard: Dataset, reference: PredictionReference, columns: Columns, task: Task): Layout {
  const names = shard.columns.map(({ name }) => name);
  if (task === 'multilabel-classification') return labelsLayout(shard, names, reference, columns);
  const { score, label } = reference;
  if (typeof label === 'object')
    throw wrongWidth(label.length, 'one column of predicted labels', reference.predictions);
  const predictsValues = task === 'regression' || task === 'ranking';
  const predicted = label ?? (!predictsValues && names.includes(labelColumn) ? labelColumn : null);
  let scores = score === undefined ? [] : typeof score === 'string' ? [score] : [...score];
  if (score === undefined) {
    const usual = (predictsValues ? [scoreColumn, labelColumn] : [scoreColumn]).filter((name) => names.includes(name));
    if (usual.length > 1) throw severalValues(usual, reference.predictions);
    scores = usual.length === 1 ? usual : names.filter((name) => name.startsWith(`${scoreColumn}_`));
  }
  if (scores.length === 0 && (predicted === null || predictsValues)) {
    throw new DataError({
      found: `there is no column ${JSON.stringify(scoreColumn)}`,
      expected: `the predictions in one of: ${names.slice(0, 20).join(', ')}`,
      where: reference.predictions,
      remedy: 'Name the column: {predictions, score} (or {predictions, label} for labels only)',
    });
  }
  if (predicted !== null) requireColumns(shard, [predicted]);
  return {
    scores,
    decisions: [],
    predicted,
    scored: classesNamed(scores),
    truth: labelColumns(columns).filter((name) => name !== predicted && names.includes(name)),
  };
}

function severalValues(names: readonly string[], where: string): DataError {
  return new DataError({
    found: `columns ${names.join(' and ')} may both hold the predicted values`,
    expected: 'one column of predicted values',
    where,
    remedy: 'Name the column: {predictions, score}',
  });
}

function classesNamed(scores: readonly string[]): string[] | null {
  const prefix = `${scoreColumn}_`;
  if (scores.length === 0 || !scores.every((name) => name.startsWith(prefix))) return null;
  return scores.map((name) => classText(name.slice(prefix.length)));
}

/**
 * The class or label that each column of a list is named after, as in `p_spam` and `p_ham`, or `spam_probability`: a list in another
 * order than that of the classes would be read as the scores of others.
 * @returns null where the names do not say it of every column, or of two say the same
 * @throws DataError where their ends say another order than their beginnings
 */
export function namedAfter(columns: readonly string[], known: readonly string[]): string[] | null {
  const [atEnd, atBeginning] = [ends, beginnings].map((partsOf) => {
    const positions = columns.map((column) => {
      const part = partsOf(column).find((each) => classPosition(each, known) >= 0);
      return part === undefined ? -1 : classPosition(part, known);
    });
    if (positions.includes(-1) || new Set(positions).size < columns.length) return null;
    return positions.map((position) => known[position] as string);
  }) as [string[] | null, string[] | null];
  if (atEnd === null || atBeginning === null || atEnd.join('\n') === atBeginning.join('\n'))
    return atEnd ?? atBeginning;
  throw new DataError({
    found: `the names of the columns ${columns.slice(0, 20).join(', ')} are ambiguous: they start with ${atBeginning.slice(0, 20).join(', ')} and end with ${atEnd.slice(0, 20).join(', ')}`,
    expected: 'one class in each column name',
    remedy: 'Rename the columns, such as score_<class>',
  });
}

/** The name itself, what stands after each character that is no letter and no digit, and the digits at its end: the longest first. */
function ends(name: string): string[] {
  return [name, ...separators(name).map((at) => name.slice(at + 1)), ...(/[0-9]+$/u.exec(name) ?? [])];
}

function beginnings(name: string): string[] {
  return separators(name)
    .map((at) => name.slice(0, at))
    .toReversed();
}

function separators(name: string): number[] {
  return [...name.matchAll(/[^\p{L}\p{N}]/gu)].map(({ index }) => index);
}

/** A score, or a predicted 0 or 1, of every label. */
function labelsLayout(
  shard: Dataset,
  names: readonly string[],
  reference: PredictionReference,
  columns: Columns,
): Layout {
  const labels = labelColumns(columns);
  const named = (given: string | readonly string[] | undefined, prefix: string): string[] => {
    if (given !== undefined) {
      const listed = typeof given === 'string' ? [given] : [...given];
      const order = listed.length === labels.length ? namedAfter(listed, labels) : null;
      return order === null ? listed : labels.map((name) => listed[order.indexOf(name)] as string);
    }
    const own = labels.map((name) => `${prefix}_${name}`);
    // All of them, if any: a missing one is named by whoever requires them.
    return own.some((name) => names.includes(name)) ? own : [];
  };
  const scores = named(reference.score, scoreColumn);
  const decisions = named(reference.label, labelColumn);
  if (scores.length === 0 && decisions.length === 0) {
    throw new DataError({
      found: `there are no columns ${labels.map((name) => `${scoreColumn}_${name}`).join(', ')}`,
      expected: `a score, or a predicted 0 or 1, of each label in: ${names.slice(0, 20).join(', ')}`,
      where: reference.predictions,
      remedy:
        'Name the columns, one for each of columns.label: {predictions, score: [...]} or {predictions, label: [...]}',
    });
  }
  for (const { length } of [scores, decisions]) {
    if (length > 0 && length !== labels.length) {
      throw wrongWidth(length, `${labels.length}, one for each label`, reference.predictions);
    }
  }
  requireColumns(shard, decisions);
  return {
    scores,
    decisions,
    predicted: null,
    scored: null,
    truth: labels.filter((name) => !decisions.includes(name) && names.includes(name)),
  };
}

export function wrongWidth(width: number, expected: string, where: string): DataError {
  return new DataError({
    found: `there ${width === 1 ? 'is 1 column' : `are ${width} columns`} of scores`,
    expected,
    where,
    remedy: 'Name the columns: {predictions, score: [...]}',
  });
}
