import type { Columns, Task } from '../config/schema.ts';
import { ModelError } from '../errors.ts';
import type { Predictions, ReadingOptions } from './predictions.ts';
import type { LoadedModel, TensorValues } from './run.ts';

/** Gathers the outputs of batch after batch and reads them as predictions. */
export interface OutputReader {
  /** Take the outputs of a batch of which the first `rows` rows count. @throws ModelError */
  add(outputs: Readonly<Record<string, TensorValues>>, rows: number): void;
  /** All rows read so far as predictions. @throws ModelError when they are not usable */
  finish(): Predictions;
}

type ClassValue = string | number | boolean;

const floating = new Set(['float', 'double', 'float16']);
/** Rows of class probabilities may miss 1 by this much: half precision and quantised models do. */
const sumTolerance = 0.01;

/**
 * Decide how the outputs of a model are read: which holds the scores, which the labels, what the classes are.
 * Scores are doubles of the model's own floats.
 * @param rows rows there will be in all
 * @throws ModelError when the named output is not there, or nothing can be read
 */
export function outputReader(
  model: LoadedModel,
  task: Task,
  columns: Columns,
  reading: ReadingOptions,
  rows: number,
): OutputReader {
  const scoreName = scoreOutput(model, reading);
  const labelName =
    task === 'regression' ? undefined : model.outputs.find((output) => !floating.has(output.type))?.name;
  if (scoreName === undefined && labelName === undefined) {
    throw new ModelError({ found: 'The model has no output of scores or labels', expected: 'a tensor of numbers' });
  }
  let scores: Float64Array | null = null;
  let width = 0;
  let values: ClassValue[] | null = labelName === undefined ? null : [];
  let done = 0;
  return {
    add(outputs, count) {
      if (scoreName !== undefined) {
        const tensor = outputs[scoreName] as TensorValues;
        const [, ...rest] = tensor.dims;
        const found = rest.reduce((product, each) => product * each, 1);
        if ((tensor.dims[0] ?? 1) < count || (width !== 0 && found !== width)) {
          throw new ModelError({
            found: `Output ${scoreName} has dimensions ${JSON.stringify(tensor.dims)} for ${count} rows`,
            expected: 'one row of scores for each row of features',
          });
        }
        width = found;
        scores ??= new Float64Array(rows * width);
        scores.set((tensor.data as Float32Array).subarray(0, count * width), done * width);
      }
      if (labelName !== undefined && values !== null) {
        const data = (outputs[labelName] as TensorValues).data;
        for (let row = 0; row < count; row++) values.push(labelValue(data[row]));
      }
      done += count;
    },
    finish() {
      const classes = task === 'regression' ? null : classesOf(model, columns, task, width, values);
      if (scores !== null) refuseNonFinite(scores, width, scoreName ?? '');
      const read = readScores(scores, width, task, columns, classes, reading, scoreName ?? '');
      const labels = values === null || classes === null ? null : labelIndexes(values, classes);
      values = null;
      return { rows: done, classes, labels, threshold: reading.threshold ?? 0.5, ...read };
    },
  };
}

function scoreOutput(model: LoadedModel, reading: ReadingOptions): string | undefined {
  const candidates = model.outputs.filter((output) => floating.has(output.type));
  if (reading.output !== undefined) {
    if (!candidates.some((output) => output.name === reading.output)) {
      throw new ModelError({
        found: `The model has no output of numbers named ${JSON.stringify(reading.output)}`,
        expected: `one of: ${model.outputs.map((output) => `${output.name} (${output.type})`).join(', ')}`,
      });
    }
    return reading.output;
  }
  if (candidates.length <= 1) return candidates[0]?.name;
  const named = candidates.filter((output) => /prob/iu.test(output.name));
  if (named.length === 1) return named[0]?.name;
  throw new ModelError({
    found: `The model has ${candidates.length} outputs of numbers: ${candidates.map((output) => output.name).join(', ')}`,
    expected: 'to know which one holds the scores',
    remedy: 'Name it: candidate: {uri, output}',
  });
}

function classesOf(
  model: LoadedModel,
  columns: Columns,
  task: Task,
  width: number,
  labels: readonly ClassValue[] | null,
): ClassValue[] {
  const count = width <= 1 ? 2 : width;
  const own = model.inspection.classes ?? columns.classes ?? null;
  if (own !== null && (width === 0 || own.length === count)) return [...own];
  if (own !== null && width > 1) {
    throw new ModelError({
      found: `The model scores ${width} classes and there are ${own.length} class labels: ${own.slice(0, 10).join(', ')}`,
      expected: 'one label for each score',
      remedy: 'List them, in the order of the scores, in columns.classes',
    });
  }
  if (task === 'binary-classification' && labels !== null && labels.some((label) => typeof label === 'boolean'))
    return [false, true];
  if (width === 0 && labels !== null) return [...new Set(labels)].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  return Array.from({ length: count }, (_, index) => index);
}

function readScores(
  scores: Float64Array | null,
  width: number,
  task: Task,
  columns: Columns,
  classes: readonly ClassValue[] | null,
  reading: ReadingOptions,
  name: string,
): Pick<Predictions, 'kind' | 'scores'> {
  if (scores === null) return { kind: 'label', scores: null };
  if (task === 'regression' || task === 'ranking') {
    if (width !== 1) {
      throw new ModelError({
        found: `Output ${name} has ${width} values a row`,
        expected: 'one predicted value a row',
      });
    }
    return { kind: 'value', scores };
  }
  const transformed = transform(scores, width, reading.transform ?? 'none');
  const kind = probabilities(transformed, width, task) ? 'probability' : 'score';
  if (kind === 'score' && reading.transform === undefined) {
    const extreme = transformed.reduce((most, score) => (Math.abs(score) > Math.abs(most) ? score : most), 0);
    throw new ModelError({
      found: `Output ${name} is not a probability: ${extreme > 1 || extreme < 0 ? `values up to ${extreme}, outside [0, 1]` : 'rows do not sum to 1'}. Is it a raw score?`,
      expected: 'probabilities',
      remedy: 'Choose the transform: candidate: {uri, transform: sigmoid | softmax | none}',
    });
  }
  if (task !== 'binary-classification') return { kind, scores: transformed };
  return { kind, scores: ofPositive(transformed, width, columns, classes) };
}

/** The score of the positive class: the only column, or the column of `columns.positive`. */
function ofPositive(
  scores: Float64Array,
  width: number,
  columns: Columns,
  classes: readonly ClassValue[] | null,
): Float64Array {
  if (width === 1) return scores;
  if (width !== 2) {
    throw new ModelError({
      found: `The model scores ${width} classes`,
      expected: 'two, for binary classification',
      remedy: 'Set task: multiclass-classification',
    });
  }
  const positive = String(columns.positive ?? 1);
  const index = classes?.findIndex((value) => String(value) === positive) ?? 1;
  const column = index < 0 ? 1 : index;
  return Float64Array.from({ length: scores.length / 2 }, (_, row) => scores[row * 2 + column] as number);
}

function transform(scores: Float64Array, width: number, how: 'none' | 'sigmoid' | 'softmax'): Float64Array {
  if (how === 'none') return scores;
  if (how === 'sigmoid' || width === 1) return scores.map((score) => 1 / (1 + Math.exp(-score)));
  const result = new Float64Array(scores.length);
  for (let start = 0; start < scores.length; start += width) {
    const row = scores.subarray(start, start + width);
    const most = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
    const sum = row.reduce((total, score) => total + Math.exp(score - most), 0);
    for (let index = 0; index < width; index++) result[start + index] = Math.exp((row[index] as number) - most) / sum;
  }
  return result;
}

function probabilities(scores: Float64Array, width: number, task: Task): boolean {
  if (scores.some((score) => score < -1e-6 || score > 1 + 1e-6)) return false;
  if (width <= 1 || task === 'multilabel-classification') return true;
  for (let start = 0; start < scores.length; start += width) {
    let sum = 0;
    for (let index = 0; index < width; index++) sum += scores[start + index] as number;
    if (Math.abs(sum - 1) > sumTolerance) return false;
  }
  return true;
}

function refuseNonFinite(scores: Float64Array, width: number, name: string): void {
  let bad = 0;
  let first = -1;
  for (let index = 0; index < scores.length; index++) {
    if (!Number.isFinite(scores[index])) {
      if (first < 0) first = index;
      bad++;
    }
  }
  if (bad === 0) return;
  const value = scores[first];
  throw new ModelError({
    found: `${bad} of ${scores.length} predictions ${bad === 1 ? 'is' : 'are'} ${Number.isNaN(value) ? 'NaN' : 'not finite'} (first: row ${Math.floor(first / width) + 1}, output ${name})`,
    expected: 'a finite number for every row',
    remedy: 'Find what the model makes of that row; such rows are never dropped silently',
  });
}

function labelIndexes(values: readonly ClassValue[], classes: readonly ClassValue[]): Int32Array {
  const index = new Map(classes.map((value, position) => [String(value), position]));
  return Int32Array.from(values, (value, row) => {
    const position = index.get(String(value));
    if (position === undefined) {
      throw new ModelError({
        found: `The model labels row ${row + 1} ${JSON.stringify(value)}`,
        expected: `one of its classes: ${classes.slice(0, 10).map(String).join(', ')}`,
        remedy: 'List the classes in columns.classes',
      });
    }
    return position;
  });
}

function labelValue(value: unknown): ClassValue {
  if (typeof value === 'bigint') return Number(value);
  return typeof value === 'string' || typeof value === 'boolean' ? value : Number(value);
}
