import { labelColumns } from '../config/columns.ts';
import type { Columns, Task } from '../config/schema.ts';
import { ModelError } from '../errors.ts';
import type { Predictions, ReadingOptions } from './predictions.ts';
import type { LoadedModel, TensorValues } from './run.ts';
import { isFloating } from './tensor.ts';

/** Gathers the outputs of batch after batch and reads them as predictions. */
export interface OutputReader {
  /** Take the outputs of the next `rows` rows. @throws ModelError */
  add(outputs: Readonly<Record<string, TensorValues>>, rows: number): void;
  /** All rows read so far, and what is odd about them. @throws ModelError when they are not usable */
  finish(): { predictions: Predictions; warnings: string[] };
}

type ClassValue = string | number | boolean;
/** Where the scores of a task stand: what to do with them depends on nothing else. */
interface Scores extends Matrix {
  name: string;
  range: Range;
}

interface Matrix {
  values: Float64Array;
  width: number;
}

interface Range {
  lowest: number;
  highest: number;
  nan: boolean;
}

/** Rows of class probabilities may miss 1 by this much: half precision and quantised models do. */
const sumTolerance = 0.01;
const roundingTolerance = 1e-6;

/**
 * Decide how the outputs of a model are read: which holds the scores, which the labels, what the classes are.
 * Scores are doubles of the model's own floats.
 * @param rows rows there will be in all
 * @throws ModelError when the named output is not there, nothing can be read, or it is not clear which output to read
 */
export function outputReader(
  model: LoadedModel,
  task: Task,
  columns: Columns,
  reading: ReadingOptions,
  rows: number,
): OutputReader {
  const numeric = task === 'regression' || task === 'ranking';
  /** Several labels a row: how many. */
  const many = task === 'multilabel-classification' ? labelColumns(columns).length : null;
  const scoreName = scoreOutput(model, reading, numeric);
  const labelName = numeric ? undefined : labelOutput(model);
  if (scoreName === undefined && labelName === undefined) {
    throw new ModelError({
      found: `The model has no output of scores or labels: ${listOutputs(model)}`,
      expected: 'a tensor of numbers',
    });
  }
  let values: Float64Array | null = null;
  let width = 0;
  let done = 0;
  const range: Range = { lowest: Number.POSITIVE_INFINITY, highest: Number.NEGATIVE_INFINITY, nan: false };
  const labels = labelName === undefined ? null : new Int32Array(rows * (many ?? 1));
  /** Distinct labels in the order they appear. */
  const seen = new Map<ClassValue, number>();

  return {
    add(outputs, count) {
      if (scoreName !== undefined) {
        const tensor = positiveScores(outputs[scoreName] as TensorValues, many, count);
        const found = tensor.data.length / count;
        if (!Number.isInteger(found) || found === 0 || (values !== null && found !== width)) {
          throw new ModelError({
            found: `Output ${scoreName} has dimensions [${tensor.dims.join(', ')}] for ${count} rows`,
            expected: 'as many scores for every row',
          });
        }
        width = found;
        values ??= new Float64Array(rows * width);
        copyNumbers(tensor.data, values, done * width);
        extend(range, values.subarray(done * width, (done + count) * width));
      }
      if (labelName !== undefined && labels !== null) {
        const { data, dims, type } = outputs[labelName] as TensorValues;
        const each = many ?? 1;
        if (data.length !== count * each) {
          throw new ModelError({
            found: `Output ${labelName} has dimensions [${dims.join(', ')}] for ${count} rows`,
            expected: many === null ? 'one label for every row' : `0 or 1 for each of ${many} labels of every row`,
          });
        }
        for (let at = 0; at < data.length; at += 1) {
          const label =
            type === 'bool'
              ? data[at] === 1
              : typeof data[at] === 'bigint'
                ? Number(data[at])
                : (data[at] as string | number);
          let index = seen.get(label);
          if (index === undefined) seen.set(label, (index = seen.size));
          labels[done * each + at] = index;
        }
      }
      done += count;
    },
    finish() {
      const scores = values === null ? null : { values, width, name: scoreName as string, range };
      if (scores !== null) refuseNonFinite(scores);
      const warnings = oddities(scores);
      const threshold = reading.threshold ?? 0.5;
      if (numeric) {
        if (width !== 1)
          throw wrongWidth(
            scores as Scores,
            'one predicted value a row',
            'Name the output that holds it: {uri, output}',
          );
        return {
          predictions: { rows: done, classes: null, kind: 'value', scores: values, labels: null, threshold },
          warnings,
        };
      }
      if (many !== null) return { predictions: readLabels(scores, labels, [...seen.keys()], done), warnings };
      const classes = classesOf(model, columns, task, width, [...seen.keys()]);
      const indexes = labels === null ? null : labelIndexes(labels, [...seen.keys()], classes);
      if (scores === null) {
        warnings.push(
          'The model gives labels only: accuracy, F1 and McNemar can be computed; ROC AUC, log loss, Brier and calibration cannot.',
        );
        return {
          predictions: { rows: done, classes, kind: 'label', scores: null, labels: indexes, threshold },
          warnings,
        };
      }
      const read =
        task === 'binary-classification'
          ? readBinary(scores, columns, classes, reading)
          : readClasses(scores, task, classes, reading);
      return {
        predictions: {
          rows: done,
          classes,
          labels: indexes,
          ...read,
          // 0 is where the probability of a logit is 0.5.
          threshold: reading.threshold ?? (read.kind === 'score' ? 0 : 0.5),
        },
        warnings,
      };
    },
  };

  /** Every label for itself; the columns of scores are in the order of the label columns, unless the model names its own. */
  function readLabels(
    scores: Scores | null,
    given: Int32Array | null,
    values: readonly ClassValue[],
    count: number,
  ): Predictions {
    const classes = labelsOf(model, labelColumns(columns));
    const has = values.map((value) => value === 1 || value === true);
    const other = values.find((value) => ![0, 1, false, true].includes(value as number));
    if (other !== undefined) {
      throw new ModelError({
        found: `Output ${labelName} has the value ${JSON.stringify(other)}`,
        expected: '0 or 1 for each label',
      });
    }
    const decided = given === null ? null : given.map((index) => (has[index] === true ? 1 : 0));
    const common = { rows: count, classes, labels: decided };
    if (scores === null) return { ...common, kind: 'label', scores: null, threshold: reading.threshold ?? 0.5 };
    if (scores.width !== classes.length) {
      throw wrongWidth(
        scores,
        `${classes.length}, one for each of columns.label`,
        'Name the output that holds them: {uri, output}',
      );
    }
    if (reading.transform === 'softmax') {
      throw new ModelError({
        found: 'transform: softmax for several labels a row',
        expected: 'sigmoid, or none',
        remedy: 'Choose the transform: candidate: {uri, transform: sigmoid}',
      });
    }
    const sigmoids = reading.transform === 'sigmoid';
    const kind = sigmoids || isProbability(scores, task, reading) ? 'probability' : 'score';
    return {
      ...common,
      kind,
      scores: sigmoids ? scores.values.map(sigmoid) : scores.values,
      threshold: reading.threshold ?? (kind === 'score' ? 0 : 0.5),
    };
  }
}

/**
 * Scores row by row. Exporters of models with one classifier a label stack their probabilities: [labels, rows, 2], of which the
 * last are those of having the label.
 */
function positiveScores(tensor: TensorValues, labels: number | null, rows: number): TensorValues {
  const [first, second, third, ...rest] = tensor.dims;
  if (labels === null || first !== labels || second !== rows || third !== 2 || rest.length > 0) return tensor;
  const data = Float64Array.from({ length: rows * labels }, (_, at) =>
    Number(tensor.data[((at % labels) * rows + Math.floor(at / labels)) * 2 + 1]),
  );
  return { type: tensor.type, dims: [rows, labels], data };
}

/** The model's own names of the labels where they are those of the data, else the label columns in their order. */
function labelsOf(model: LoadedModel, columns: readonly string[]): string[] {
  const own = model.inspection.classes?.map(String) ?? [];
  const same = own.length === columns.length && columns.every((name) => own.includes(name));
  return same ? own : [...columns];
}

function scoreOutput(model: LoadedModel, reading: ReadingOptions, numeric: boolean): string | undefined {
  const candidates = model.outputs.filter(({ type }) =>
    numeric ? type !== 'string' && type !== 'bool' : isFloating(type),
  );
  if (reading.output !== undefined) {
    if (candidates.some(({ name }) => name === reading.output)) return reading.output;
    throw new ModelError({
      found: `The model has no output of numbers named ${JSON.stringify(reading.output)}`,
      expected: `one of: ${listOutputs(model)}`,
    });
  }
  if (candidates.length <= 1) return candidates[0]?.name;
  const named = candidates.filter(({ name }) => (numeric ? /pred|variable|value|score/iu : /prob/iu).test(name));
  if (named.length === 1) return named[0]?.name;
  throw new ModelError({
    found: `The model has ${candidates.length} outputs of numbers: ${candidates.map(({ name }) => name).join(', ')}`,
    expected: 'to know which one holds the scores',
    remedy: 'Name it: candidate: {uri, output}',
  });
}

function labelOutput(model: LoadedModel): string | undefined {
  const candidates = model.outputs.filter(({ type }) => !isFloating(type));
  return (candidates.find(({ name }) => /label|class|pred/iu.test(name)) ?? candidates[0])?.name;
}

function listOutputs(model: LoadedModel): string {
  return model.outputs.map(({ name, type }) => `${name} (${type})`).join(', ');
}

function copyNumbers(data: TensorValues['data'], target: Float64Array, start: number): void {
  if (data instanceof Float32Array || data instanceof Float64Array) target.set(data, start);
  else for (let index = 0; index < data.length; index += 1) target[start + index] = Number(data[index]);
}

/** While the values are at hand: a pass of its own over many rows takes longer. */
function extend(range: Range, values: Float64Array): void {
  let { lowest, highest, nan } = range;
  for (let index = 0; index < values.length; index += 1) {
    const value = values[index] as number;
    if (value < lowest) lowest = value;
    if (value > highest) highest = value;
    if (Number.isNaN(value)) nan = true;
  }
  Object.assign(range, { lowest, highest, nan });
}

/** The model's own class labels, else the configured ones, else what its labels or the number of its scores say. */
function classesOf(
  model: LoadedModel,
  columns: Columns,
  task: Task,
  width: number,
  seen: readonly ClassValue[],
): ClassValue[] {
  const count = width === 1 && task === 'binary-classification' ? 2 : width;
  const own = model.inspection.classes ?? columns.classes ?? null;
  if (own !== null) {
    if (width === 0 || own.length === count) return [...own];
    throw new ModelError({
      found: `The model gives ${width} scores a row and there are ${own.length} class labels: ${own.slice(0, 10).join(', ')}`,
      expected: 'one score for each label',
      remedy: 'List the classes, in the order of the scores, in columns.classes; or name the output: {uri, output}',
    });
  }
  if (seen.some((label) => typeof label === 'boolean')) return [false, true];
  const numbers = Array.from({ length: count === 0 ? 2 : count }, (_, index) => index);
  if (seen.every((label) => numbers.includes(label as number))) return numbers;
  // Labels only, or labels such as -1 and 1: in their order, if there is one for each score.
  const sorted = seen.toSorted((a, b) => (a < b ? -1 : 1));
  if (width === 0 || sorted.length === count) return sorted;
  throw new ModelError({
    found: `The model gives ${width} scores a row and labels such as ${seen.slice(0, 5).map(String).join(', ')}`,
    expected: 'to know which score belongs to which label',
    remedy: 'List the classes, in the order of the scores, in columns.classes',
  });
}

function labelIndexes(labels: Int32Array, seen: readonly ClassValue[], classes: readonly ClassValue[]): Int32Array {
  const positions = seen.map((label) => {
    const position = classes.findIndex((each) => sameClass(each, label));
    if (position >= 0) return position;
    throw new ModelError({
      found: `The model predicts the label ${JSON.stringify(label)}`,
      expected: `one of its classes: ${classes.slice(0, 10).map(String).join(', ')}`,
      remedy: 'List every class in columns.classes',
    });
  });
  return labels.map((index) => positions[index] as number);
}

function sameClass(a: ClassValue, b: ClassValue): boolean {
  const text = (value: ClassValue): string => (typeof value === 'boolean' ? String(Number(value)) : String(value));
  return text(a) === text(b);
}

type Read = Pick<Predictions, 'kind' | 'scores'>;

/** One score a row, of the positive class: the only column, the column of `columns.positive`, or the difference of two logits. */
function readBinary(scores: Scores, columns: Columns, classes: readonly ClassValue[], reading: ReadingOptions): Read {
  if (scores.width > 2) {
    throw wrongWidth(
      scores,
      'one or two, for binary classification',
      'Set task: multiclass-classification, or name the output: {uri, output}',
    );
  }
  const positive = columns.positive ?? 1;
  const column = scores.width === 1 ? 0 : classes.findIndex((each) => sameClass(each, positive));
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
      scores: scores.width === 1 ? scores.values.map(sigmoid) : pick(softmax(scores), column),
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

function readClasses(scores: Scores, task: Task, classes: readonly ClassValue[], reading: ReadingOptions): Read {
  if (task === 'multiclass-classification' && classes.length < 2) {
    throw wrongWidth(
      scores,
      'a score for each of at least two classes',
      'Name the output that holds them: {uri, output}',
    );
  }
  if (reading.transform === 'sigmoid') return { kind: 'probability', scores: scores.values.map(sigmoid) };
  if (reading.transform === 'softmax') return { kind: 'probability', scores: softmax(scores).values };
  return { kind: isProbability(scores, task, reading) ? 'probability' : 'score', scores: scores.values };
}

/**
 * Are these probabilities? What is not, and is not said to be anything else (by its name, or by transform: none), is an error:
 * nobody may compute a log loss on raw scores unawares.
 */
function isProbability(scores: Scores, task: Task, reading: ReadingOptions): boolean {
  const { values, width, name } = scores;
  const { lowest, highest } = scores.range;
  const raw = reading.transform === 'none' || /logit|margin|decision|raw/iu.test(name);
  const outside = lowest < -roundingTolerance || highest > 1 + roundingTolerance;
  const row = outside || width === 1 || task === 'multilabel-classification' ? -1 : rowNotSummingToOne(values, width);
  if (!outside && row < 0) return true;
  if (raw) return false;
  throw new ModelError({
    found: outside
      ? `Output ${name} is not a probability: values from ${lowest} to ${highest}, outside [0, 1]. Is it a raw score?`
      : `Output ${name} is not a probability: the scores of row ${row + 1} do not add up to 1. Are they raw scores?`,
    expected: 'probabilities',
    remedy: 'Choose the transform: candidate: {uri, transform: sigmoid | softmax | none}',
  });
}

function rowNotSummingToOne(values: Float64Array, width: number): number {
  for (let start = 0; start < values.length; start += width) {
    let sum = 0;
    for (let index = 0; index < width; index += 1) sum += values[start + index] as number;
    if (Math.abs(sum - 1) > sumTolerance) return start / width;
  }
  return -1;
}

function pick({ values, width }: Matrix, column: number): Float64Array {
  if (width === 1) return values;
  const picked = new Float64Array(values.length / width);
  for (let row = 0; row < picked.length; row += 1) picked[row] = values[row * width + column] as number;
  return picked;
}

function sigmoid(score: number): number {
  return 1 / (1 + Math.exp(-score));
}

function softmax({ values, width }: Matrix): Matrix {
  const result = new Float64Array(values.length);
  for (let start = 0; start < values.length; start += width) {
    const row = values.subarray(start, start + width);
    const most = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
    const sum = row.reduce((total, score) => total + Math.exp(score - most), 0);
    for (let index = 0; index < width; index += 1)
      result[start + index] = Math.exp((row[index] as number) - most) / sum;
  }
  return { values: result, width };
}

function refuseNonFinite({ values, width, name, range }: Scores): void {
  if (!range.nan && Number.isFinite(range.lowest) && Number.isFinite(range.highest)) return;
  let bad = 0;
  let first = -1;
  for (let row = 0; row < values.length / width; row += 1) {
    let finite = true;
    for (let index = row * width; index < (row + 1) * width; index += 1)
      if (!Number.isFinite(values[index])) finite = false;
    if (finite) continue;
    if (first < 0) first = row;
    bad += 1;
  }
  const worst = values.subarray(first * width, (first + 1) * width).find((value) => !Number.isFinite(value));
  throw new ModelError({
    found: `${bad} of ${values.length / width} predictions ${bad === 1 ? 'is' : 'are'} ${Number.isNaN(worst) ? 'NaN' : 'infinite'} (first: row ${first + 1}, output ${name})`,
    expected: 'a finite number for every row',
    remedy: 'Find what the model makes of that row; no metric is computed, and such rows are never dropped silently',
  });
}

/** What is usable, but hardly meant. */
function oddities(scores: Scores | null): string[] {
  if (scores === null || scores.values.length <= scores.width) return [];
  const { values, width } = scores;
  for (let index = width; index < values.length; index += 1) if (values[index] !== values[index % width]) return [];
  return [
    `All predictions are equal (${values.subarray(0, Math.min(width, 5)).join(', ')}): almost certainly a broken export.`,
  ];
}

function wrongWidth({ width, name }: Scores, expected: string, remedy: string): ModelError {
  return new ModelError({
    found: `Output ${name} has ${width} value${width === 1 ? '' : 's'} a row`,
    expected,
    remedy,
  });
}
