import { labelColumns } from '../config/columns.ts';
import type { Columns, Task } from '../config/schema.ts';
import type { ClassValue } from '../data/class-text.ts';
import { ModelError } from '../errors.ts';
import type { Predictions, ReadingOptions } from './predictions.ts';
import { labelOutput, listOutputs, scoreOutput } from './read-outputs/choose.ts';
import { readBinary, readClasses } from './read-outputs/class-scores.ts';
import { classesOf, labelIndexes } from './read-outputs/classes.ts';
import { positiveScores, readLabels } from './read-outputs/labels.ts';
import { extend, oddities, refuseNonFinite, wrongWidth, type Range, type Scores } from './read-outputs/scores.ts';
import type { LoadedModel, TensorValues } from './run.ts';

/** Gathers the outputs of batch after batch and reads them as predictions. */
export interface OutputReader {
  /** Take the outputs of the next `rows` rows. @throws ModelError */
  add(outputs: Readonly<Record<string, TensorValues>>, rows: number): void;
  /** All rows read so far, and what is odd about them. @throws ModelError when they are not usable */
  finish(): { predictions: Predictions; warnings: string[] };
}

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
      if (many !== null) {
        const outputs = { scores, given: labels, values: [...seen.keys()], rows: done, labelName };
        return { predictions: readLabels(outputs, model, columns, reading), warnings };
      }
      const known = classesOf(model, columns, task, width, [...seen.keys()]);
      const { classes } = known;
      const indexes = labels === null ? null : labelIndexes(labels, [...seen.keys()], classes);
      if (scores === null) {
        warnings.push(
          'The model gives labels only: accuracy, F1 and McNemar can be computed; ROC AUC, log loss, Brier and calibration cannot.',
        );
        return {
          predictions: { rows: done, ...known, kind: 'label', scores: null, labels: indexes, threshold },
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
          ...known,
          labels: indexes,
          ...read,
          // 0 is where the probability of a logit is 0.5.
          threshold: reading.threshold ?? (read.kind === 'score' ? 0 : 0.5),
        },
        warnings,
      };
    },
  };
}

function copyNumbers(data: TensorValues['data'], target: Float64Array, start: number): void {
  if (data instanceof Float32Array || data instanceof Float64Array) target.set(data, start);
  else for (let index = 0; index < data.length; index += 1) target[start + index] = Number(data[index]);
}
