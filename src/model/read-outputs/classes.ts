import type { Columns, Task } from '../../config/schema.ts';
import { classPosition, classText, type ClassValue } from '../../data/class-text.ts';
import { ConfigError } from '../../errors.ts';
import type { OutputOrigin } from '../output-origins.ts';
import type { Predictions } from '../predictions.ts';
import { firstOf } from '../../wording.ts';

export interface ClassesInput {
  columns: Columns;
  task: Task;
  /** Scores a row; 0: there are labels only. */
  width: number;
  /** Where the scores, or else the labels, come from. */
  origin: OutputOrigin | undefined;
  /** Labels that the model gave. */
  seen: readonly ClassValue[];
  /** Texts of the labels of the data; asked for only where nobody else says which classes there are. */
  dataLabels: () => Promise<readonly string[]>;
}

export type Classes = { classes: ClassValue[] } & Pick<Predictions, 'classesFrom'>;

/**
 * The classes of a model, in the order of its scores: those of the configuration, else those of the node that feeds the output,
 * else 0, 1, 2, ... where the labels of the data are such numbers, else the sorted labels where there is one for each score.
 * @throws ConfigError where none of these says it
 */
export async function classesOf(input: ClassesInput): Promise<Classes> {
  const { columns, task, width, origin, seen } = input;
  const count = width === 1 && task === 'binary-classification' ? 2 : width;
  // One score, and the class it is of: `refuseOtherClass` looks at that.
  const own = count !== width && origin?.classes?.length === width ? null : (origin?.classes ?? null);
  const stated = columns.classes ?? own;
  if (stated !== null) {
    // Several scores, which nobody reads where there are labels alone, may have one label.
    const told = width === 0 && columns.classes === undefined ? [...new Set(stated)] : stated;
    refuseMerged(told, columns.classes === undefined ? 'The model has the class' : 'columns.classes has');
    if (width === 0 || stated.length === count) return { classes: [...stated] };
    const whose = columns.classes === undefined ? 'the model names' : 'columns.classes names';
    throw new ConfigError({
      found: `The model gives ${width} scores per row and ${whose} ${stated.length} classes: ${listed(stated)}`,
      expected: 'one score for each class',
      remedy: 'List the classes, in the order of the scores, in columns.classes; or name the output: {uri, output}',
    });
  }
  if (seen.some((label) => typeof label === 'boolean')) return { classes: [false, true] };
  const numbers = Array.from({ length: count === 0 ? 2 : count }, (_, index) => index);
  if (width === 0) {
    if (seen.every((label) => numbers.includes(label as number))) return { classes: numbers, classesFrom: 'predicted' };
    return { classes: sortedClasses(seen.map(classText)), classesFrom: 'predicted' };
  }
  return unstated(numbers, input, await input.dataLabels());
}

/** @throws ConfigError for two classes of one text, and for numbers that several classes may have been rounded to */
function refuseMerged(classes: readonly ClassValue[], whose: string): void {
  const names = classes.map(classText);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  const large = classes.find((value) => typeof value === 'number' && Math.abs(value) > Number.MAX_SAFE_INTEGER);
  if (twice === undefined && large === undefined) return;
  throw new ConfigError({
    found:
      large === undefined
        ? `${whose} ${JSON.stringify(twice)} twice: ${listed(classes)}`
        : `${whose} ${large}, a number beyond 2^53 that several classes may have been rounded to`,
    expected: 'a different name for each class',
    remedy: `List the classes, in the order of the scores, in columns.classes${large === undefined ? '' : ', as texts: ["9007199254740993", ...]'}`,
  });
}

function unstated(
  numbers: readonly number[],
  { columns, task, width }: ClassesInput,
  data: readonly string[],
): Classes {
  const binary = task === 'binary-classification';
  const positive = binary ? classText(columns.positive ?? 1) : null;
  const known = sortedClasses(positive === null ? data : [...data, positive]);
  const counted = numbers.map(String);
  const isCounted = (labels: readonly string[]): boolean => labels.every((label) => classPosition(label, counted) >= 0);
  if (isCounted(known)) {
    const ambiguous = !binary && known.length > 0 && known.length < width && !known.includes('0');
    if (!ambiguous) return { classes: [...numbers], classesFrom: 'counted' };
    throw new ConfigError({
      found: `The model gives ${width} scores per row without naming their classes, and the labels of the data are ${listed(known)}`,
      expected: `a statement whether the scores are of the classes ${counted.join(', ')} or of ${counted.map((each) => Number(each) + 1).join(', ')}`,
      remedy: 'List the classes, in the order of the scores, in columns.classes',
    });
  }
  if (known.length === numbers.length) {
    refuseTwoOrders(known, width);
    return { classes: known, classesFrom: 'sorted' };
  }
  if (positive !== null && data.length === 2 && !data.includes(positive)) {
    throw new ConfigError({
      found: `the labels of the data are ${listed(sortedClasses(data))}, and columns.positive is ${columns.positive === undefined ? `not set (${positive})` : positive}`,
      expected: 'the positive label as one of them',
      remedy: 'Name it in columns.positive',
    });
  }
  throw new ConfigError({
    found: `The model gives ${width} score${width === 1 ? '' : 's'} per row without naming ${width === 1 ? 'its class' : 'their classes'}; the data has ${known.length} labels: ${listed(known)}`,
    expected: 'a statement which score belongs to which label',
    remedy:
      width === 1 && !binary
        ? 'Export a score for each class, or, if the output holds the predicted label, export it as integers or text'
        : 'List the classes, in the order of the scores, in columns.classes',
  });
}

/** Names with numbers in them have two orders. @throws ConfigError where c2 is before c10 in one and after it in the other */
function refuseTwoOrders(known: readonly string[], width: number): void {
  if (known.every((name) => Number.isFinite(Number(name)))) return;
  const padded = (name: string): string => name.replaceAll(/[0-9]+/gu, (digits) => digits.padStart(20, '0'));
  const byNumber = known.toSorted((a, b) => (padded(a) < padded(b) ? -1 : 1));
  if (byNumber.every((name, index) => name === known[index])) return;
  throw new ConfigError({
    found: `The model gives ${width} scores per row without naming their classes, and the labels of the data can be ordered in two ways`,
    expected: `a statement whether the scores are of the classes ${listed(known)} or of ${listed(byNumber)}`,
    remedy: 'List the classes, in the order of the scores, in columns.classes',
  });
}

/** Distinct texts of classes: numbers by size, others as text. */
function sortedClasses(texts: readonly string[]): string[] {
  const names = [...new Set(texts)];
  const numeric = names.every((name) => name.trim() !== '' && Number.isFinite(Number(name)));
  return numeric ? names.sort((a, b) => Number(a) - Number(b)) : names.sort();
}

/**
 * What the label output may write for each class: the class itself, what the graph says, or the position among the classes, from 0
 * or (keys of ML.NET) from 1. The first is the likeliest; a second one is for the scores to tell from it.
 * @param origin of the labels; of the same source as the scores
 * @throws ConfigError for a label that is none of these
 */
export function labelReadings(
  classes: readonly ClassValue[],
  origin: OutputOrigin | undefined,
  seen: readonly ClassValue[],
  { fromOne, settled }: { fromOne: boolean; settled: boolean },
): (readonly ClassValue[])[] {
  const positions = classes.map((_, index) => index);
  const keys = positions.map((position) => position + 1);
  const own = origin?.classes?.length === classes.length ? origin.classes : null;
  const names = classes.map(classText);
  const sameNames = own !== null && own.every((each) => classPosition(each, names) >= 0);
  const readings =
    own !== null && !sameNames
      ? [own, classes, positions]
      : origin !== undefined && own === null
        ? [positions, classes]
        : [classes, positions];
  const fitting = [...readings, ...(fromOne ? [keys] : [])].filter((values) => {
    const texts = values.map(classText);
    return seen.every((label) => classPosition(label, texts) >= 0);
  });
  const [first] = fitting;
  if (first !== undefined) return (first === positions || settled) && fitting.includes(keys) ? [first, keys] : [first];
  const other = seen.find((label) => classPosition(label, names) < 0) as ClassValue;
  throw new ConfigError({
    found: `The model predicts the label ${JSON.stringify(other)}`,
    expected: `one of its classes: ${listed(classes)}`,
    remedy:
      'List every class, in the order of the scores, in columns.classes; or name the output of the scores: {uri, output}',
  });
}

/** Labels as positions among the classes. */
export function labelIndexes(
  labels: Int32Array,
  seen: readonly ClassValue[],
  values: readonly ClassValue[],
): Int32Array {
  const texts = values.map(classText);
  const positions = seen.map((label) => classPosition(label, texts));
  return labels.map((index) => positions[index] as number);
}

function listed(classes: readonly ClassValue[]): string {
  return firstOf(classes.map(String), 10);
}
