import { labelColumns } from '../../config/columns.ts';
import type { Columns } from '../../config/schema.ts';
import type { ClassValue } from '../../data/class-text.ts';
import { ModelError } from '../../errors.ts';
import { sigmoid } from '../../probabilities.ts';
import type { Predictions, ReadingOptions } from '../predictions.ts';
import type { LoadedModel, TensorValues } from '../run.ts';
import { isProbability, wrongWidth, type Scores } from './scores.ts';

/** What a model says of several labels a row. */
export interface LabelOutputs {
  scores: Scores | null;
  /** Of every label, a position among `values`. */
  given: Int32Array | null;
  values: readonly ClassValue[];
  rows: number;
  labelName: string | undefined;
}

/** Every label for itself; the columns of scores are in the order of the label columns, unless the model names its own. */
export function readLabels(
  { scores, given, values, rows, labelName }: LabelOutputs,
  model: LoadedModel,
  columns: Columns,
  reading: ReadingOptions,
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
  const common = { rows, classes, labels: decided };
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
  const kind = sigmoids || isProbability(scores, 'multilabel-classification', reading) ? 'probability' : 'score';
  return {
    ...common,
    kind,
    scores: sigmoids ? scores.values.map(sigmoid) : scores.values,
    threshold: reading.threshold ?? (kind === 'score' ? 0 : 0.5),
  };
}

/**
 * Scores row by row. Exporters of models with one classifier a label stack their probabilities: [labels, rows, 2], of which the
 * last are those of having the label.
 */
export function positiveScores(tensor: TensorValues, labels: number | null, rows: number): TensorValues {
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
