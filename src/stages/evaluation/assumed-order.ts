import { ConfigError } from '../../errors.ts';
import type { Predictions } from '../../model/predictions.ts';
import { contradictionOf } from '../../model/read-outputs/agree.ts';
import { rankScores, rocArea } from './metrics/ranked.ts';
import type { Outputs, Sample } from './sample.ts';

/** Standard errors beyond which no model is worse than chance by chance. */
export const beyondChance = 6;

/** And by how much, of ROC AUC and of all rows: rows of few clusters say less than their number. */
export const clearly = 0.1;

/**
 * Where nobody has said which score is of which class, the order of the labels was assumed. A model that is worse than chance so, and
 * better in another order, contradicts that: its scores may well be in that order.
 * @throws ConfigError that says both orders
 */
export function refuseAssumedOrder(
  { truth, names, classes, weights }: Pick<Sample, 'truth' | 'names' | 'classes' | 'weights'>,
  {
    classesFrom,
    labels,
    labelValues,
    labelsDecide,
  }: Pick<Predictions, 'classesFrom' | 'labels' | 'labelValues' | 'labelsDecide'>,
  { scores }: Pick<Outputs, 'scores'>,
  where: string,
): void {
  if ((classesFrom !== 'sorted' && classesFrom !== 'counted') || scores === null || names === null) return;
  // Labels of its own, that the scores agree with, say which classes these are, unless they may be keys that count them.
  const isCounted = names.every((name, index) => name === String(index + 1));
  if (labels !== null && labelValues === undefined && (labelsDecide === true || !isCounted)) return;
  if (classes === 2) {
    if (areInOrder(scores, truth, weights)) return;
    const area = rocArea(rankScores(scores, truth), weights);
    if (!(0.5 - area > Math.max(clearly, beyondChance * chanceOfArea(truth)))) return;
    const [negative, positive] = names.map((name) => JSON.stringify(name));
    throw new ConfigError({
      found: `The model does not state which score belongs to which class. Read as scores of the class ${positive}, they rank worse than chance: ROC AUC is ${area.toFixed(3)}; read as scores of the other class it is ${(1 - area).toFixed(3)}`,
      expected: `a statement whether the scores are of the class ${positive} or of ${negative}`,
      where,
      remedy: `If a row has two scores, set columns.classes in their order: [${negative}, ${positive}] or [${positive}, ${negative}]. A single score belongs to columns.positive: correct that setting; if the score really is of ${positive}, set columns.classes: [${negative}, ${positive}]`,
    });
  }
  const given = { values: scores, width: classes, positive: 1, cut: 0.5 };
  const read = contradictionOf({ ...given, labels: Int32Array.from(truth), classes: names });
  if (read === null) return;
  const order = read.order as string[] | null;
  const bySmallest = read.rows * 2 > truth.length ? rightBySmallest(scores, truth, classes) : 0;
  const turned = order === null ? null : truth.map((value) => order.indexOf(names[value] as string));
  const other =
    turned === null || order === null
      ? read.rows
      : (contradictionOf({ ...given, labels: Int32Array.from(turned), classes: order })?.rows ?? 0);
  if (bySmallest > truth.length - other) {
    throw new ConfigError({
      found: `The true class has the lowest score in ${bySmallest} of ${truth.length} rows, but the highest in at most ${truth.length - read.rows}: the scores look like distances, costs or negative logarithms`,
      expected: 'scores that are highest for the predicted class',
      where,
      remedy: `Invert the sign of the scores in the model, or choose another output: {uri, output}. If the highest score is the prediction and the model is simply poor, state the order of its outputs: columns.classes: [${listed(names)}]`,
    });
  }
  if (order === null) return;
  if (read.rows - other <= Math.max(clearly * truth.length, beyondChance * Math.sqrt(read.rows + other))) return;
  throw new ConfigError({
    found: `The model does not state which score belongs to which class. In the order of the labels ${read.rows} of ${truth.length} rows are predicted wrongly, in another order only ${other}`,
    expected: `a statement whether the scores are of the classes ${listed(names)} or of ${listed(order)}`,
    where,
    remedy: `Set columns.classes: [${listed(order)}], or the other order`,
  });
}

/** Standard error of the ROC AUC of scores that say nothing of the classes. */
export function chanceOfArea(truth: Float64Array): number {
  const positives = truth.reduce((sum, value) => sum + value, 0);
  return Math.sqrt((truth.length + 1) / (12 * positives * (truth.length - positives)));
}

/**
 * Rows whose class has the smallest score alone; 0 unless they are clearly more than those where it has the highest, and a class has it
 * clearly more often in its own rows than in others, as a mean over the classes: a model that answers all rows alike is no such one.
 */
function rightBySmallest(scores: Float64Array, truth: Float64Array, classes: number): number {
  const [rows, own, elsewhere] = [new Float64Array(classes), new Float64Array(classes), new Float64Array(classes)];
  let highest = 0;
  for (const [row, label] of truth.entries()) {
    const of = scores.subarray(row * classes, (row + 1) * classes);
    rows[label]! += 1;
    const least = of.indexOf(Math.min(...of));
    if (of.indexOf(of[least] as number, least + 1) < 0) (least === label ? own : elsewhere)[least]! += 1;
    if (of.every((value) => value <= (of[label] as number))) highest += 1;
  }
  const sum = (values: Float64Array): number => values.reduce((total, value) => total + value, 0);
  const gains = rows.map((count, label) =>
    count === 0 || count === truth.length ? 0 : own[label]! / count - elsewhere[label]! / (truth.length - count),
  );
  const right = sum(own);
  const isClear = right - highest > Math.max(clearly * truth.length, beyondChance * Math.sqrt(right + highest));
  return isClear && sum(gains) > clearly * rows.filter((count) => count > 0).length ? right : 0;
}

/** Rows that say whether all rows need to be ranked, which takes a while. */
const fewRows = 20_000;

/** Whether the scores of some of very many rows rank no worse than chance. */
function areInOrder(scores: Float64Array, truth: Float64Array, weights: Float64Array | null): boolean {
  const step = Math.floor(truth.length / fewRows);
  if (step < 2) return false;
  const some = (values: Float64Array): Float64Array => values.filter((_, row) => row % step === 0);
  return rocArea(rankScores(some(scores), some(truth)), weights === null ? null : some(weights)) >= 0.5;
}

function listed(names: readonly string[]): string {
  return names.map((name) => JSON.stringify(name)).join(', ');
}
