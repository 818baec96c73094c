import { labelColumns } from '../../config/columns.ts';
import type { Columns } from '../../config/schema.ts';
import type { ClassValue } from '../../data/class-text.ts';
import { ConfigError, MismatchError } from '../../errors.ts';
import { thresholdAt, type Predictions, type ReadingOptions } from '../predictions.ts';
import type { ModelInspection } from '../inspect.ts';
import type { OutputOrigin } from '../output-origins.ts';
import { refuseOtherOrders } from './other-orders.ts';
import { finalScores } from './class-scores.ts';
import { isProbability, refuseTwice, wrongWidth, type Scores } from './scores.ts';
import { refuseThreshold, thresholdIn } from './threshold.ts';

/** What a model says of several labels a row. */
export interface LabelOutputs {
  scores: Scores | null;
  /** Of every label, a position among `values`. */
  given: Int32Array | null;
  values: readonly ClassValue[];
  rows: number;
  labelName: string | null;
  /** Where the scores come from: the model may name their columns. */
  origin: OutputOrigin | undefined;
}

/** Every label for itself; the columns of scores are in the order of the label columns, unless the model names its own. */
export function readLabels(
  { scores, given, values, rows, labelName, origin }: LabelOutputs,
  columns: Columns,
  reading: ReadingOptions,
): Predictions {
  const classes = labelsOf(origin, labelColumns(columns));
  const has = values.map((value) => value === 1 || value === true);
  const other = values.find((value) => ![0, 1, false, true].includes(value as number));
  if (other !== undefined) {
    throw new MismatchError({
      found: `Output ${labelName} has the value ${JSON.stringify(other)}`,
      expected: '0 or 1 for each label, as task: multilabel-classification requires',
      remedy: 'Set the task of the model',
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
  const { transform } = reading;
  if (transform === 'softmax') {
    throw new ConfigError({
      found: 'transform: softmax for several labels per row',
      expected: 'sigmoid, or none',
      remedy: 'Choose the transform: candidate: {uri, transform: sigmoid}',
    });
  }
  refuseTwice(scores, 'multilabel-classification', reading);
  const kind =
    transform === 'sigmoid' || isProbability(scores, 'multilabel-classification', reading) ? 'probability' : 'score';
  refuseThreshold(kind, reading.threshold);
  const made = finalScores(scores, { task: 'multilabel-classification', kind, transform, positive: 1 });
  const threshold = thresholdIn(
    transform === 'sigmoid' ? 'double' : scores.type,
    reading.threshold ?? (kind === 'score' ? 0 : 0.5),
  );
  if (decided !== null && reading.threshold === undefined && reading.output === undefined) {
    refuseContradiction(made, decided, classes, threshold, scores.name, labelName);
  }
  return { ...common, kind, scores: made, threshold };
}

/** Decisions that are not those of the scores: which counts is not for us to say. */
function refuseContradiction(
  scores: Float64Array,
  decided: Int32Array,
  classes: readonly string[],
  threshold: Predictions['threshold'],
  scoreName: string,
  labelName: string | null,
): void {
  let count = 0;
  let first = -1;
  for (let at = 0; at < scores.length; at += 1) {
    const above = (scores[at] as number) - thresholdAt(threshold, at % classes.length);
    if (Math.abs(above) <= 1e-6 || above > 0 === (decided[at] === 1)) continue;
    if (first < 0) first = at;
    count += 1;
  }
  if (count === 0) return;
  const label = JSON.stringify(classes[first % classes.length]);
  throw new ConfigError({
    found: `Output ${labelName} contradicts the scores of output ${scoreName} in ${count} of ${scores.length} labels (the first: row ${Math.floor(first / classes.length) + 1}, ${label}, is ${decided[first]} at a score of ${scores[first]})`,
    expected: 'both outputs in the order of columns.label, and labels that agree with the scores at the threshold',
    remedy: `State which output decides: {uri, output: ${scoreName}} for the scores ({uri, threshold: [...]} to move the thresholds), or {uri, output: ${labelName}} for the labels`,
  });
}

/** Metadata that lists the labels in another order. @throws ConfigError */
export function refuseOtherLabels(
  inspection: Pick<ModelInspection, 'metadata' | 'classLists'>,
  origin: OutputOrigin | undefined,
  columns: Columns,
): void {
  const names = labelColumns(columns);
  if (ownLabels(origin, names) === null) refuseOtherOrders(inspection, names, 'label');
}

/** The model's own names of the labels where they are those of the data, else the label columns in their order. */
function labelsOf(origin: OutputOrigin | undefined, columns: readonly string[]): string[] {
  return ownLabels(origin, columns) ?? [...columns];
}

function ownLabels(origin: OutputOrigin | undefined, columns: readonly string[]): string[] | null {
  const own = origin?.classes?.map(String) ?? [];
  return own.length === columns.length && columns.every((name) => own.includes(name)) ? own : null;
}
