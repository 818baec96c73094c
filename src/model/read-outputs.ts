import type { Columns, Task } from '../config/schema.ts';
import { classPosition, classText, classValue, type ClassValue } from '../data/class-text.ts';
import { ConfigError, MismatchError } from '../errors.ts';
import type { Predictions, ReadingOptions, SettledReading } from './predictions.ts';
import { contradictionError, contradictionOf } from './read-outputs/agree.ts';
import { chooseOutputs, isLabelName, possibleLabels, type ChosenOutputs } from './read-outputs/choose.ts';
import { finalScores, kindOf, positiveColumn, refuseOtherClass } from './read-outputs/class-scores.ts';
import { classesOf, labelIndexes, labelReadings, type Classes } from './read-outputs/classes.ts';
import { readLabels, refuseOtherLabels } from './read-outputs/labels.ts';
import { refuseOtherOrders } from './read-outputs/other-orders.ts';
import { readerOf, type RowReader, type RowValues } from './read-outputs/rows.ts';
import {
  areLabels,
  areOpposite,
  rowOfTwoHeads,
  extend,
  oddities,
  refuseNonFinite,
  wrongWidth,
  type Range,
  type Scores,
} from './read-outputs/scores.ts';
import { refuseThreshold, thresholdIn } from './read-outputs/threshold.ts';
import type { LoadedModel, TensorValues } from './run.ts';
import { isFloating } from './tensor.ts';
import { counted } from '../wording.ts';

/** Gathers the outputs of batch after batch and reads them as predictions. */
export interface OutputReader {
  /** Take the outputs of the next `rows` rows. @throws ModelError */
  add(outputs: Readonly<Record<string, TensorValues>>, rows: number): void;
  /**
   * All rows read so far, and what is odd about them.
   * @param known how other rows of the model were read; else the texts of the labels of the data, asked for only where the model
   * does not say which classes there are
   * @throws ModelError when they are not usable, ConfigError where it is not clear what they mean
   */
  finish(known: Known): Promise<{ predictions: Predictions; warnings: string[] }>;
}

export type Known = { settled: SettledReading } | { dataLabels: () => Promise<readonly string[]> };

/**
 * Decide how the outputs of a model are read: which holds the scores, which the labels, what the classes are.
 * Scores are doubles of the model's own floats.
 * @param rows rows there will be in all
 * @throws ModelError, ConfigError when nothing can be read, or it is not clear which output to read
 */
export function outputReader(
  model: Pick<LoadedModel, 'outputs' | 'inspection'>,
  task: Task,
  columns: Columns,
  reading: ReadingOptions,
  rows: number,
): OutputReader {
  const numeric = task === 'regression' || task === 'ranking';
  const many = task === 'multilabel-classification';
  const outputs = withoutConstants(model, reading);
  const chosen = chooseOutputs(outputs, { task, columns, output: reading.output });
  const { ranked, unlike } = (numeric ? undefined : originOf(model, chosen.scores)) ?? {};
  if (unlike !== undefined) {
    throw new MismatchError({
      found: `Output ${chosen.scores} has ${unlike === 'turned' ? 'the scores of a classifier with inverted sign: the highest is that of the least likely class' : 'a score for each pair of classes (SVMClassifier without probabilities)'}`,
      expected: 'one score for each class: the higher, the more likely',
      remedy:
        'Export such scores (for an SVM: probability=True), or name another output, such as the labels: {uri, output}',
    });
  }
  if (ranked === true) {
    throw new MismatchError({
      found: `Output ${chosen.scores} has only the highest scores of each row, without their classes (TopK, ReduceMax)`,
      expected: 'one score for each class, in the same order in every row',
      remedy: 'Export the scores before this operator, or name another output: {uri, output}',
    });
  }
  const scoreOf = readerOf(model.outputs, chosen.scores, task, columns);
  const labelOf = readerOf(model.outputs, chosen.labels, task, columns);
  const asked = reading.output === undefined && chosen.labels === null && !numeric && !many;
  const witnesses =
    asked && chosen.scores !== null
      ? possibleLabels(outputs, chosen.scores).map((name) => labelWitness(name, rows))
      : [];
  let values: Float64Array | null = null;
  let width = 0;
  let type = 'double';
  let done = 0;
  const range: Range = { lowest: Number.POSITIVE_INFINITY, highest: Number.NEGATIVE_INFINITY, nan: false };
  let labels: Int32Array | null = null;
  let each = 1;
  /** Distinct labels in the order they appear. */
  const seen = new Map<ClassValue, number>();

  /** Null: this is none of labels, since it does not have one of every row, as a list of the classes. */
  const labelsIn = (outputs: Readonly<Record<string, TensorValues>>, count: number): RowValues | null => {
    const [name, read] = [chosen.labels, labelOf];
    if (name === null || read === null) return null;
    const tensor = outputs[name] as TensorValues;
    const beside = chosen.scores !== null && reading.output === undefined && !isLabelName(name);
    if (beside && !tensor.dims.includes(count) && tensor.data.length !== count) ignored = true;
    return ignored ? null : read(tensor, count);
  };
  let ignored = false;

  return {
    add(outputs, count) {
      if (chosen.scores !== null && scoreOf !== null) {
        const tensor = outputs[chosen.scores] as TensorValues;
        const read = scoreOf(tensor, count);
        ({ width } = read);
        ({ type } = tensor);
        values ??= new Float64Array(rows * width);
        copyNumbers(read.data, values, done * width);
        extend(range, values.subarray(done * width, (done + count) * width));
      }
      const read = labelsIn(outputs, count);
      if (chosen.labels !== null && read !== null) {
        const tensor = outputs[chosen.labels] as TensorValues;
        each = read.width;
        if (!many && each !== 1) {
          throw new MismatchError({
            found: `Output ${chosen.labels} has dimensions [${tensor.dims.join(', ')}] for ${counted(count, 'rows')}`,
            expected: 'one label for every row',
            remedy: /^u?int8$/u.test(tensor.type)
              ? `Its type is ${tensor.type}: convert quantised scores to floats in the model (DequantizeLinear)`
              : 'Name the output of the scores: {uri, output}, or set the task of the model',
          });
        }
        labels ??= new Int32Array(rows * each);
        noteLabels(read.data, tensor.type, labels, done * each, seen);
      }
      for (const witness of witnesses) witness.add(outputs, count, done);
      done += count;
    },
    async finish(known) {
      const scores = values === null ? null : { values, width, name: chosen.scores as string, type, range };
      if (scores !== null) refuseNonFinite(scores);
      const warnings = oddities(scores);
      if (ignored) labels = null;
      const given = { scores, labels, seen: [...seen.keys()], rows: done, chosen };
      if (numeric) return { predictions: readValues(given, reading), warnings };
      if (many) {
        const origin = originOf(model, chosen.scores ?? chosen.labels);
        if ('dataLabels' in known && columns.classes === undefined)
          refuseOtherLabels(model.inspection, origin, columns);
        const { labels: decided, seen: found, chosen: names } = given;
        const outputs = { scores, given: decided, values: found, rows: done, labelName: names.labels, origin };
        return { predictions: readLabels(outputs, columns, reading), warnings };
      }
      const predictions = await readClasses(given, model, task, columns, reading, known, warnings);
      if (scores !== null && 'dataLabels' in known) {
        for (const witness of witnesses) witness.refuseOtherOrder(scores, predictions, columns);
      }
      return { predictions, warnings };
    },
  };
}

/**
 * An output that no name says to be that of the labels is not read. But where it is the class of the highest score in every row, under
 * another order of the classes, that is their order.
 */
function labelWitness(name: string, rows: number) {
  const labels = new Int32Array(rows);
  const seen = new Map<ClassValue, number>();
  let usable = true;
  return {
    add(outputs: Readonly<Record<string, TensorValues>>, count: number, start: number) {
      const tensor = outputs[name];
      if (!usable || tensor === undefined) return;
      usable = tensor.dims.includes(count) && tensor.data.length === count && seen.size <= 1000;
      if (usable) noteLabels(tensor.data, tensor.type, labels, start, seen);
    },
    /** @throws ConfigError that names the order */
    refuseOtherOrder(scores: Scores, { classes: known, scores: made, kind }: Predictions, columns: Columns): void {
      const classes = known ?? [];
      const { width } = scores;
      const names = classes.map(classText);
      if (!usable || seen.size < 2 || classes.length !== Math.max(2, width)) return;
      if (![...seen.keys()].every((label) => classPosition(label, names) >= 0)) return;
      const read =
        width === 1
          ? { values: made as Float64Array, width, positive: positiveColumn(classes, columns) }
          : { values: scores.values, width, positive: 1 };
      const given = {
        ...read,
        cut: kind === 'score' ? 0 : 0.5,
        labels: labelIndexes(labels, [...seen.keys()], classes),
        classes,
      };
      const found = contradictionOf(given);
      const order = found?.order ?? null;
      if (found === null || order === null) return;
      const turned = given.labels.map((index) => order.indexOf(classes[index] as ClassValue));
      if (contradictionOf({ ...given, labels: turned, classes: width === 1 ? classes : order }) !== null) return;
      throw contradictionError(found, {
        ...given,
        scoreName: scores.name,
        labelName: name,
        stated: columns.classes !== undefined,
        unnamed: true,
      });
    },
  };
}

interface Given {
  scores: Scores | null;
  /** Of every row, a position among `seen`. */
  labels: Int32Array | null;
  seen: readonly ClassValue[];
  rows: number;
  chosen: ChosenOutputs;
}

function readValues({ scores, rows }: Given, reading: ReadingOptions): Predictions {
  if (scores?.width !== 1) {
    throw wrongWidth(
      scores as Scores,
      'one predicted value per row',
      'Name the output that holds it: {uri, output}. Of several values in one output, such as quantiles, export each as an output of its own',
    );
  }
  return {
    rows,
    classes: null,
    kind: 'value',
    scores: scores.values,
    labels: null,
    threshold: reading.threshold ?? 0.5,
  };
}

/** The columns p and 1 - p: those of binary classifiers are 1 - p and p. */
function complementError(name: string, classes: readonly ClassValue[]): ConfigError {
  const [first, second] = classes.map((each) => JSON.stringify(classText(each)));
  return new ConfigError({
    found: `The model does not state which score belongs to which class. The columns of output ${name} are p and 1 - p, in this order`,
    expected: `a statement whether p is the score of the class ${second}, as usual, or of ${first}, as the order of the classes suggests`,
    remedy: `Set columns.classes: [${second}, ${first}], or the other order`,
  });
}

/** One score beside the labels 0 and 1 is of 1, by convention; of the positive class, by ours. */
function refuseNegative({ positive, classes }: Columns): void {
  const name = classText(positive ?? 1);
  if (classes !== undefined || (name !== '0' && name !== 'false')) return;
  const other = name === '0' ? '1' : 'true';
  throw new ConfigError({
    found: `The model has one score per row and does not state its class, and columns.positive is ${name}`,
    expected: `a statement whether it is the score of ${other}, as in most models of two classes, or of ${name}, the positive class`,
    remedy: `Set columns.positive: ${other}, export the scores of both classes, or, if the score is that of ${name}, state so with columns.classes: ["${other}", "${name}"]`,
  });
}

const mislabelled =
  'onnxruntime 1.26 and later gives wrong labels for some tree models with two classes (microsoft/onnxruntime#28557).';

function sameClasses(own: readonly ClassValue[] | null, classes: readonly ClassValue[]): boolean {
  return own?.length === classes.length && own.every((each, at) => classText(each) === classText(classes[at] ?? ''));
}

/** One class a row. Adds to the warnings what is taken for granted. */
async function readClasses(
  { scores, labels, seen, rows, chosen }: Given,
  model: Pick<LoadedModel, 'inspection'>,
  task: Task,
  columns: Columns,
  reading: ReadingOptions,
  from: Known,
  warnings: string[],
): Promise<Predictions> {
  const width = scores?.width ?? 0;
  const origin = originOf(model, chosen.scores ?? chosen.labels);
  const settled = 'settled' in from ? from.settled : null;
  const { classes, classesFrom } = await classesFor();
  const labelOrigin = originOf(model, chosen.labels);
  const own = labelOrigin !== undefined && labelOrigin.source === origin?.source ? labelOrigin : undefined;
  if (settled === null && width === 1 && task === 'binary-classification') refuseOtherClass(classes, origin, columns);
  // Who states the order of the classes and names the scores has said what counts, whatever the labels are keys of.
  const isSettled = columns.classes !== undefined && reading.output !== undefined;
  const written = labels === null ? null : (settled?.labelValues ?? labelsWritten());
  let indexes = labels === null || written === null ? null : labelIndexes(labels, seen, written);
  const common = {
    rows,
    classes,
    ...(classesFrom === undefined ? {} : { classesFrom }),
    ...(written === null || written.every((value, index) => value === classes[index]) ? {} : { labelValues: written }),
  };
  if (scores === null) {
    warnings.push(
      'The model gives labels only: accuracy, F1 and McNemar can be computed; ROC AUC, log loss, Brier and calibration cannot.',
    );
    if (labelOrigin?.trees === 'each class' && classes.length === 2)
      warnings.push(`${mislabelled} Use the scores instead.`);
    return { ...common, labels: indexes, kind: 'label', scores: null, threshold: reading.threshold ?? 0.5 };
  }
  if (settled === null && areLabels(scores)) {
    warnings.push(
      `All scores (output ${scores.name}) are 0 or 1: are they labels instead of probabilities? ROC AUC, log loss, Brier and calibration mean little for such scores.`,
    );
  }
  if (settled === null && reading.transform === 'softmax' && areOpposite(scores)) {
    warnings.push(
      `transform: softmax, and the two scores of each row (output ${scores.name}) are z and -z: their softmax is the sigmoid of 2 z. For trees and linear models the probability is the sigmoid of z: set transform: sigmoid.`,
    );
  }
  // Of scores a and b, softmax decides by a < b, the sigmoid of one of them by 0 < b.
  const asked = settled === null && reading.transform === 'sigmoid' && task === 'binary-classification';
  const apart = asked ? rowOfTwoHeads(scores) : null;
  if (apart !== null) {
    warnings.push(
      `transform: sigmoid, and output ${scores.name} has a score for each of the two classes, whose sigmoids in row ${apart} do not add up to 1: only the score of the positive class is used. This is right for two outputs that were each trained with a sigmoid; for a network that was trained with softmax, set transform: softmax.`,
    );
  }
  const kind = settled?.kind ?? kindOf(scores, task, classes, reading);
  if (settled === null) refuseThreshold(kind, reading.threshold);
  const binary = task === 'binary-classification';
  const positive = binary && (width > 1 || indexes !== null) ? positiveColumn(classes, columns) : 1;
  const made = finalScores(scores, { task, kind, transform: reading.transform, positive });
  // 0 is where the probability of a logit is 0.5.
  const cut = kind === 'score' ? 0 : 0.5;
  let labelsAgree = false;
  if (indexes !== null && settled === null) {
    const compared =
      width === 1
        ? { labels: indexes, values: made, width, classes, positive, cut }
        : { labels: indexes, values: scores.values, width, classes, positive, cut };
    const found = contradictionOf(compared);
    labelsAgree = found === null;
    const byRuntime = found !== null && own?.trees !== undefined && sameClasses(own.classes, classes);
    const decided = reading.output !== undefined || (binary && reading.threshold !== undefined);
    if (byRuntime && classes.length === 2) {
      // The node names the classes of its own scores, and its label is the class of the highest by definition.
      warnings.push(
        `${mislabelled} In ${found.rows} of ${rows} rows output ${chosen.labels} is not the class of the highest score of output ${scores.name}: Contender uses the scores, and that output must not be used in production.`,
      );
      indexes = null;
    } else if (found !== null && (found.order !== null || !decided)) {
      const names = { scoreName: scores.name, labelName: chosen.labels as string };
      const stated = columns.classes !== undefined;
      const positions = !stated && common.labelValues !== undefined;
      throw contradictionError(found, { ...compared, ...names, stated, positions });
    }
  }
  // One score has no order: `positive` says what it is of, and labels beside it were compared with it.
  if (settled === null && width > 1 && (classesFrom === 'sorted' || classesFrom === 'counted')) {
    refuseOtherOrders(model.inspection, classes);
    if (origin?.complementLast === true) throw complementError(scores.name, classes);
  }
  if (settled === null && width === 1 && classesFrom === 'counted' && indexes === null) refuseNegative(columns);
  if (classesFrom === 'sorted' && settled === null) {
    warnings.push(
      width === 1
        ? `The model does not state the class of its only score: Contender assumes the positive class, ${classText(columns.positive ?? 1)}.`
        : `The model does not state which score belongs to which class: Contender assumes the order of the sorted labels, ${classes.slice(0, 10).map(String).join(', ')}. Set columns.classes if the order is another.`,
    );
  }
  const transformed = reading.transform === 'sigmoid' || reading.transform === 'softmax';
  const isAssumed = width === 1 && !labelsAgree && classesFrom !== undefined && origin?.classes?.length !== 1;
  return {
    ...common,
    ...(isAssumed
      ? { assumedPositive: `columns.classes: [${classes.map((each) => JSON.stringify(classText(each))).join(', ')}]` }
      : {}),
    labels: indexes,
    kind,
    scores: made,
    threshold: thresholdIn(transformed ? 'double' : scores.type, reading.threshold ?? cut),
  };

  /** Of two readings that fit, the one that no score contradicts. */
  function likeliest([first, other]: (readonly ClassValue[])[]): readonly ClassValue[] {
    const contradicts = (values: readonly ClassValue[]): boolean =>
      contradictionOf({
        labels: labelIndexes(labels as Int32Array, seen, values),
        values: (scores as Scores).values,
        width,
        classes,
        positive: 1,
        cut: 0,
      }) !== null;
    return other !== undefined && contradicts(first as ClassValue[]) && !contradicts(other)
      ? other
      : (first as ClassValue[]);
  }

  /** Beside scores that the configuration names, what holds no class is no output of labels. */
  function labelsWritten(): readonly ClassValue[] | null {
    try {
      return likeliest(labelReadings(classes, own, seen, { fromOne: width > 1, settled: isSettled }));
    } catch (error) {
      if (scores === null || reading.output === undefined || !(error instanceof ConfigError)) throw error;
      return null;
    }
  }

  async function classesFor(): Promise<Classes> {
    if (!('settled' in from)) {
      return classesOf({ columns, task, width, origin, seen, dataLabels: from.dataLabels });
    }
    const known = from.settled.classes ?? [];
    return {
      classes: [...known],
      ...(from.settled.classesFrom === undefined ? {} : { classesFrom: from.settled.classesFrom }),
    };
  }
}

function originOf(
  { inspection }: Pick<LoadedModel, 'inspection'>,
  output: string | null,
): LoadedModel['inspection']['origins'][string] | undefined {
  return output === null ? undefined : inspection.origins[output];
}

/** A list of the classes is no output of labels, though a fixed batch may have as many rows. */
function withoutConstants(
  { outputs, inspection }: Pick<LoadedModel, 'outputs' | 'inspection'>,
  reading: ReadingOptions,
): LoadedModel['outputs'] {
  const left = outputs.filter(
    ({ name, type }) => isFloating(type) || name === reading.output || !inspection.constantOutputs.includes(name),
  );
  return left.length === 0 ? outputs : left;
}

function noteLabels(
  data: ReturnType<RowReader>['data'],
  type: string,
  labels: Int32Array,
  start: number,
  seen: Map<ClassValue, number>,
): void {
  for (let at = 0; at < data.length; at += 1) {
    const value = data[at] as number | bigint | string | boolean;
    const label = type === 'bool' ? Boolean(value) : classValue(value);
    let index = seen.get(label);
    if (index === undefined) seen.set(label, (index = seen.size));
    labels[start + at] = index;
  }
}

function copyNumbers(data: ReturnType<RowReader>['data'], target: Float64Array, start: number): void {
  if (data instanceof Float32Array || data instanceof Float64Array) target.set(data, start);
  else for (let index = 0; index < data.length; index += 1) target[start + index] = Number(data[index]);
}
