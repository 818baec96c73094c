import { thresholdAt, type Predictions } from './predictions.ts';

/**
 * Whether a score is positive: at or above the threshold. At the threshold itself the label decides that the model gave, where it
 * gave one: 1 or 0; -1 or undefined, there is none.
 */
export function isPositive(score: number, limit: number, label: number | undefined): boolean {
  return score === limit && label === 0 ? false : score >= limit;
}

/** The column of the highest score of a row: of several that are equal the one that the model labelled, else the first. */
export function highestColumn(
  scores: Float64Array,
  start: number,
  width: number,
  label: number | undefined,
): { column: number; tied: boolean } {
  let column = 0;
  let highest = Number.NEGATIVE_INFINITY;
  let tied = false;
  for (let each = 0; each < width; each += 1) {
    const score = scores[start + each] as number;
    if (score > highest) {
      highest = score;
      column = each;
      tied = false;
    } else if (score === highest) tied = true;
  }
  if (tied && label !== undefined && label >= 0 && scores[start + label] === highest) column = label;
  return { column, tied };
}

/** The model's own labels are made at the threshold that decides, so that they tell what it does at the threshold itself. */
export function labelsTellTies({ labels, kind, threshold }: Predictions, label = 0): boolean {
  return labels !== null && thresholdAt(threshold, label) === (kind === 'score' ? 0 : 0.5);
}
