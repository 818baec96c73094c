import { ConfigError } from '../../errors.ts';
import type { Predictions } from '../../model/predictions.ts';
import { contradictionOf } from '../../model/read-outputs/agree.ts';
import { rankScores, rocArea } from './metrics/ranked.ts';
import type { Outputs, Sample } from './sample.ts';

/** Standard errors beyond which no model is worse than chance by chance. */
const beyondChance = 6;

/**
 * Where nobody has said which score is of which class, the sorted labels were assumed. A model that is worse than chance so, and
 * better in another order, contradicts that: its scores may well be in that order.
 * @throws ConfigError that says both orders
 */
export function refuseAssumedOrder(
  { truth, names, classes }: Pick<Sample, 'truth' | 'names' | 'classes'>,
  { classesFrom }: Pick<Predictions, 'classesFrom'>,
  { scores }: Pick<Outputs, 'scores'>,
  where: string,
): void {
  if (classesFrom !== 'sorted' || scores === null || names === null) return;
  const assumed = listed(names.toSorted());
  if (classes === 2) {
    const positives = truth.reduce((sum, value) => sum + value, 0);
    const negatives = truth.length - positives;
    const area = rocArea(rankScores(scores, truth), null);
    const chance = Math.sqrt((truth.length + 1) / (12 * positives * negatives));
    if (!(0.5 - area > beyondChance * chance)) return;
    throw new ConfigError({
      found: `The model does not say which score belongs to which class. As the labels are sorted (${assumed}), it ranks worse than chance: ROC AUC is ${area.toFixed(3)}, and the other way round ${(1 - area).toFixed(3)}`,
      expected: `to know whether the scores are of the classes ${assumed} or of ${listed(names.toSorted().reverse())}`,
      where,
      remedy: `Set columns.classes: [${listed(names.toSorted().reverse())}], or the sorted order, where there are two scores a row. One score is that of columns.positive: correct that, or, where the model is just bad, set columns.classes: [${assumed}]`,
    });
  }
  const given = { values: scores, width: classes, positive: 1, cut: 0.5 };
  const read = contradictionOf({ ...given, labels: Int32Array.from(truth), classes: names });
  const order = (read?.order ?? null) as string[] | null;
  if (read === null || order === null) return;
  const turned = truth.map((value) => order.indexOf(names[value] as string));
  const other = contradictionOf({ ...given, labels: Int32Array.from(turned), classes: order })?.rows ?? 0;
  if (read.rows - other <= beyondChance * Math.sqrt(read.rows + other)) return;
  throw new ConfigError({
    found: `The model does not say which score belongs to which class. As the labels are sorted (${assumed}), ${read.rows} of ${truth.length} rows are predicted wrong, and in another order ${other}`,
    expected: `to know whether the scores are of the classes ${assumed} or of ${listed(order)}`,
    where,
    remedy: `Set columns.classes: [${listed(order)}], or the sorted order`,
  });
}

function listed(names: readonly string[]): string {
  return names.map((name) => JSON.stringify(name)).join(', ');
}
