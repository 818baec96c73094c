import type { Columns, Task } from '../config/schema.ts';
import { DataError } from '../errors.ts';
import { columnTexts, type ColumnVector } from '../data/dataset.ts';

/** The labels of a dataset as a sample takes them. */
export interface Labels {
  /** Class numbers, the target of a regression, the relevance of a ranking; multilabel: row-major [rows x labels] of 0 and 1. */
  truth: Float64Array;
  /**
   * Class names in the order of their numbers; null for regression and ranking. Binary: the negative, then the positive class.
   * Multilabel: the names of the labels.
   */
  classes: string[] | null;
}

const maximumClasses = 1000;

/**
 * Read the label columns: one, but for a multilabel task.
 * @param known classes the models say they have, for tasks whose classes the configuration does not list
 * @throws DataError naming the first row whose label is missing or not one of the classes
 */
export function readLabels(
  vectors: readonly ColumnVector[],
  task: Task,
  columns: Columns,
  known: readonly string[],
  where: string,
): Labels {
  if (task === 'multilabel-classification') return labelMatrix(vectors, where);
  const vector = vectors[0] as ColumnVector;
  if (task === 'ranking') return { truth: relevance(vector, where), classes: null };
  if (task === 'regression') return { truth: readNumbers(vector, where), classes: null };
  const texts = labelTexts(vector, where);
  const classes =
    task === 'binary-classification'
      ? binaryClasses(vector, texts, columns, where)
      : manyClasses(texts, columns, known, where);
  const numbers = new Map(classes.map((name, number) => [name, number]));
  const truth = new Float64Array(texts.length);
  for (let row = 0; row < texts.length; row += 1) {
    const text = texts[row] as string;
    const number = numbers.get(text);
    if (number !== undefined) {
      truth[row] = number;
      continue;
    }
    throw new DataError({
      found: `row ${row + 1} has label ${JSON.stringify(text.slice(0, 80))} in column "${vector.name}"`,
      expected: `one of ${classes
        .slice(0, 20)
        .map((name) => JSON.stringify(name))
        .join(', ')}`,
      where,
      remedy: 'Correct the row, or name the classes in columns.positive or columns.classes',
    });
  }
  return { truth, classes };
}

/** A column of finite numbers. @throws DataError naming the first row that has none */
export function readNumbers(vector: ColumnVector, where: string): Float64Array {
  if (vector.kind === 'text') {
    throw new DataError({ found: `column "${vector.name}" holds text`, expected: 'numbers', where });
  }
  const values = vector.kind === 'number' ? vector.values : Float64Array.from(vector.values);
  for (let row = 0; row < values.length; row += 1) {
    if (vector.nulls?.[row] === 1 || !Number.isFinite(values[row])) {
      throw new DataError({
        found: `row ${row + 1} has ${vector.nulls?.[row] === 1 ? 'no value' : `the value ${values[row]}`} in column "${vector.name}"`,
        expected: 'a finite number in every row',
        where,
      });
    }
  }
  return values;
}

/** A column for each label, of 0 and 1 or of false and true. */
function labelMatrix(vectors: readonly ColumnVector[], where: string): Labels {
  const width = vectors.length;
  const truth = new Float64Array((vectors[0]?.values.length ?? 0) * width);
  for (const [label, vector] of vectors.entries()) {
    for (const [row, value] of readNumbers(vector, where).entries()) {
      if (value !== 0 && value !== 1) {
        throw new DataError({
          found: `row ${row + 1} has the value ${value} in column "${vector.name}"`,
          expected: '0 or 1 in every column of columns.label',
          where,
        });
      }
      truth[row * width + label] = value;
    }
  }
  return { truth, classes: vectors.map(({ name }) => name) };
}

function relevance(vector: ColumnVector, where: string): Float64Array {
  const values = readNumbers(vector, where);
  const negative = values.findIndex((value) => value < 0);
  if (negative < 0) return values;
  throw new DataError({
    found: `row ${negative + 1} has the relevance ${values[negative]} in column "${vector.name}"`,
    expected: 'a relevance of at least 0 (0: not relevant)',
    where,
  });
}

/** A class as text, the same for 1, 1.0 and "1". */
export function classText(value: string | number | boolean): string {
  return String(value);
}

function labelTexts(vector: ColumnVector, where: string): string[] {
  const texts = columnTexts(vector);
  const missing = texts.indexOf(null);
  if (missing >= 0) {
    throw new DataError({
      found: `row ${missing + 1} has no label in column "${vector.name}"`,
      expected: 'a label in every row of the evaluation set',
      where,
    });
  }
  return texts as string[];
}

function binaryClasses(vector: ColumnVector, texts: readonly string[], columns: Columns, where: string): string[] {
  const positive = classText(columns.positive ?? 1);
  if (vector.kind === 'boolean') {
    if (['true', '1'].includes(positive)) return ['false', 'true'];
    if (['false', '0'].includes(positive)) return ['true', 'false'];
    throw new DataError({
      found: `column "${vector.name}" holds true and false, and columns.positive is ${JSON.stringify(positive)}`,
      expected: 'true or false',
      where,
      remedy: 'Correct columns.positive',
    });
  }
  if (columns.classes !== undefined) {
    const others = columns.classes.map(classText).filter((name) => name !== positive);
    if (others.length === 1) return [others[0] as string, positive];
    throw new DataError({
      found: `${columns.classes.length} classes`,
      expected: `two, one of them "${positive}"`,
      where: 'columns.classes',
    });
  }
  if (positive === '1') return ['0', '1'];
  if (positive === '0') return ['1', '0'];
  const other = texts.find((text) => text !== positive);
  if (other === undefined && texts.length > 0) return [`not ${positive}`, positive];
  if (!texts.includes(positive)) {
    throw new DataError({
      found: `no row has the positive label ${JSON.stringify(positive)} in column "${vector.name}"`,
      where,
      remedy: 'Check columns.positive',
    });
  }
  return [other as string, positive];
}

function manyClasses(texts: readonly string[], columns: Columns, known: readonly string[], where: string): string[] {
  if (columns.classes !== undefined) return columns.classes.map(classText);
  const names = [...new Set([...known, ...texts])];
  if (names.length > maximumClasses) {
    throw new DataError({
      found: `${names.length} different labels`,
      expected: `at most ${maximumClasses} classes`,
      where,
    });
  }
  const numeric = names.every((name) => name.trim() !== '' && Number.isFinite(Number(name)));
  return numeric ? names.sort((a, b) => Number(a) - Number(b)) : names.sort();
}
