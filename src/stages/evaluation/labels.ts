import { labelColumns } from '../../config/columns.ts';
import type { Columns, Task } from '../../config/schema.ts';
import { classPosition, classReader, classText, type ClassValue } from '../../data/class-text.ts';
import type { ColumnVectors, NumberColumn, TextColumn } from '../../data/dataset.ts';
import { ConfigError, DataError } from '../../errors.ts';
import { quoted, firstOf } from '../../wording.ts';
import type { Predictions } from '../../model/predictions.ts';

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

/** How the label columns are read: classes are texts, everything else numbers. */
export function labelUses(task: Task, columns: Columns): { texts: string[]; numbers: string[] } {
  const names = [...labelColumns(columns)];
  const classes = task === 'binary-classification' || task === 'multiclass-classification';
  return classes ? { texts: names, numbers: [] } : { texts: [], numbers: names };
}

/**
 * The labels: of one column, but for a multilabel task.
 * @param known the classes of each model, for tasks whose classes the configuration does not list
 * @throws DataError naming the first row whose label is missing or not one of the classes
 */
export function readLabels(
  vectors: ColumnVectors,
  task: Task,
  columns: Columns,
  known: readonly KnownClasses[],
  where: string,
): Labels {
  const names = labelColumns(columns);
  const [name] = names as [string];
  if (task === 'multilabel-classification') {
    return labelMatrix(
      names.map((each) => vectors.numbers.get(each) as NumberColumn),
      where,
    );
  }
  if (task === 'ranking') return { truth: relevance(vectors.numbers.get(name) as NumberColumn, where), classes: null };
  if (task === 'regression') {
    return { truth: readNumbers(vectors.numbers.get(name) as NumberColumn, where), classes: null };
  }
  const vector = vectors.texts.get(name) as TextColumn;
  const texts = labelTexts(vector, where);
  const classes =
    task === 'binary-classification'
      ? binaryClasses(vector, texts, columns, known, where)
      : manyClasses(texts, columns, known, where);
  const positions = new Map([...new Set(texts)].map((text) => [text, classPosition(text, classes)]));
  const truth = new Float64Array(texts.length);
  for (let row = 0; row < texts.length; row += 1) {
    const text = texts[row] as string;
    const position = positions.get(text) as number;
    if (position < 0) {
      throw new DataError({
        found: `row ${row + 1} has label ${quoted(text.slice(0, 80))} in column "${vector.name}"`,
        expected: `one of ${listed(classes)}`,
        where,
        remedy: 'Correct the row, or name the classes in columns.positive or columns.classes',
      });
    }
    truth[row] = position;
  }
  return { truth, classes };
}

/** Texts of the classes of a model, and how far they are to be believed. */
export interface KnownClasses {
  names: string[];
  from: Predictions['classesFrom'];
}

export function knownClasses(predictions: readonly Predictions[]): KnownClasses[] {
  return predictions.flatMap(({ classes, classesFrom }) =>
    classes === null ? [] : [{ names: classes.map(classText), from: classesFrom }],
  );
}

/** Names in a message: the first of them, where there are many. */
export function listed(names: readonly string[]): string {
  return firstOf(
    names.map((name) => JSON.stringify(name.slice(0, 80))),
    20,
  );
}

/** A column of finite numbers. @throws DataError naming the first row that has none */
export function readNumbers({ name, values }: NumberColumn, where: string): Float64Array {
  for (let row = 0; row < values.length; row += 1) {
    const value = values[row] as number;
    if (!Number.isFinite(value)) {
      throw new DataError({
        found: `row ${row + 1} has ${Number.isNaN(value) ? 'no value' : `the value ${value}`} in column "${name}"`,
        expected: 'a finite number in every row',
        where,
      });
    }
  }
  return values;
}

/** A column for each label, of 0 and 1 or of false and true. */
function labelMatrix(vectors: readonly NumberColumn[], where: string): Labels {
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

function relevance(vector: NumberColumn, where: string): Float64Array {
  const values = readNumbers(vector, where);
  const negative = values.findIndex((value) => value < 0);
  if (negative < 0) return values;
  throw new DataError({
    found: `row ${negative + 1} has the relevance ${values[negative]} in column "${vector.name}"`,
    expected: 'a relevance of at least 0 (0: not relevant)',
    where,
  });
}

/** The labels as texts of classes. @throws DataError for a row without one, and for two labels that would be one class */
function labelTexts(vector: TextColumn, where: string): string[] {
  const classOf = classReader(vector.name, where);
  return vector.values.map((text, row) => {
    if (text !== null) return classOf(text, row);
    throw new DataError({
      found: `row ${row + 1} has no label in column "${vector.name}"`,
      expected: 'a label in every row of the evaluation set',
      where,
    });
  });
}

/** The negative, then the positive class. */
function binaryClasses(
  vector: TextColumn,
  texts: readonly string[],
  columns: Columns,
  known: readonly KnownClasses[],
  where: string,
): string[] {
  const positive = classText(columns.positive ?? 1);
  if (texts.length > 0 && texts.every((text) => text === 'true' || text === 'false')) {
    if (['true', '1'].includes(positive)) return ['false', 'true'];
    if (['false', '0'].includes(positive)) return ['true', 'false'];
    throw new DataError({
      found: `column "${vector.name}" contains true and false, but columns.positive is ${JSON.stringify(positive)}`,
      expected: 'true or false',
      where,
      remedy: 'Correct columns.positive',
    });
  }
  if (columns.classes !== undefined) {
    const others = configuredClasses(columns.classes).filter((name) => name !== positive);
    if (others.length === 1) return [others[0] as string, positive];
    throw new DataError({
      found: `${columns.classes.length} classes`,
      expected: `two, one of them "${positive}"`,
      where: 'columns.classes',
    });
  }
  // The classes 1 and 2 of a model are not the labels 0 and 1, though both know a 1.
  for (const { names, from } of known) if (from === undefined) refuseShifted(names, [...new Set(texts)], where);
  if (positive === '1' || positive === '0') {
    const labels = [...new Set(texts)];
    // Of -1 and 1 the second is 1, by size and by place.
    if (columns.positive !== undefined && labels.toSorted().join() === '-1,1' && positive === '1') return ['-1', '1'];
    refuseOtherPair(labels, columns, where);
    return positive === '1' ? ['0', '1'] : ['1', '0'];
  }
  const other = texts.find((text) => text !== positive);
  if (other === undefined && texts.length > 0) {
    // Where no row says it, a model may: its two classes are those of the task.
    const own = known.find(({ names, from }) => from === undefined && names.length === 2 && names.includes(positive));
    return [own?.names.find((name) => name !== positive) ?? `not ${positive}`, positive];
  }
  if (!texts.includes(positive)) {
    throw new DataError({
      found: `no row has the positive label ${JSON.stringify(positive)} in column "${vector.name}"`,
      where,
      remedy: 'Check columns.positive',
    });
  }
  return [other as string, positive];
}

/** Two classes that are not 0 and 1 can be those of the task, but nobody has said which of them is which. @throws ConfigError */
function refuseOtherPair(labels: readonly string[], { positive }: Columns, where: string): void {
  if (labels.length !== 2 || labels.every((label) => label === '0' || label === '1')) return;
  const named = positive === undefined ? undefined : labels.find((label) => label === classText(positive));
  const own = named ?? labels.toSorted().at(-1);
  const other = labels.find((label) => label !== own) as string;
  const both = own === '0' || (own === '1' && !(Number(other) < 0));
  throw new ConfigError({
    found: `the labels in ${where} are ${listed(labels.toSorted())}`,
    expected: `"0" and "1", as columns.positive is ${positive === undefined ? 'not set' : classText(positive)}`,
    where: 'columns.positive',
    remedy: [
      ...(named === undefined ? [`Name the positive label, such as positive: ${JSON.stringify(own)}`] : []),
      ...(both
        ? [
            `List both labels in columns.classes, in the order of the model's outputs, such as classes: [${other}, ${own}]`,
          ]
        : []),
    ].join('. '),
  });
}

function manyClasses(
  texts: readonly string[],
  columns: Columns,
  known: readonly KnownClasses[],
  where: string,
): string[] {
  if (columns.classes !== undefined) return configuredClasses(columns.classes);
  const names = [...new Set(texts)];
  for (const { names: own, from } of known) if (from === undefined) refuseShifted(own, names, where);
  for (const name of known.flatMap((each) => believed(each, texts))) {
    if (classPosition(name, names) < 0) names.push(name);
  }
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

/**
 * Classes of a model that rows may well have none of. Those of a model that knows none of the labels are not of these data, those
 * that are counted must hold every label, and those that were predicted prove nothing: a misspelt one would be always wrong.
 */
function believed({ names, from }: KnownClasses, labels: readonly string[]): readonly string[] {
  const isOwn = (label: string): boolean => classPosition(label, names) >= 0;
  if (from === 'predicted') return [];
  return (from === 'counted' ? labels.every(isOwn) : labels.some(isOwn)) ? names : [];
}

/**
 * Classes that are the numbers of labels in a list, next to labels that are numbers themselves: 0, 1 and 2 may stand for 1, 2 and 3,
 * and a sound model would be wrong on every row.
 * @throws ConfigError where one number more or less makes every label a class, and as they are some is none
 */
function refuseShifted(classes: readonly string[], labels: readonly string[], where: string): void {
  const isClass = (label: string): boolean => classPosition(label, classes) >= 0;
  if (labels.every(isClass) || !labels.every((label) => /^-?[0-9]{1,9}$/u.test(label))) return;
  for (const shift of [-1, 1]) {
    if (!labels.every((label) => isClass(String(Number(label) + shift)))) continue;
    throw new ConfigError({
      found: `the model's classes are ${listed(classes)}, and the labels in ${where} are ${listed(labels.toSorted((a, b) => Number(a) - Number(b)))}`,
      expected: `labels that are classes of the model: are the classes these labels, or their positions starting ${shift < 0 ? 'at 0' : 'at 1'}?`,
      where: 'columns.classes',
      remedy: 'List the label of each class in the order of the model, such as classes: [1, 2, 3]',
    });
  }
}

function configuredClasses(classes: readonly ClassValue[]): string[] {
  const names = classes.map(classText);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice === undefined) return names;
  throw new ConfigError({
    found: `the class ${JSON.stringify(twice)} twice`,
    expected: 'each class once',
    where: 'columns.classes',
  });
}
