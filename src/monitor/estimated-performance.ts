/*
 * How well a classifier does where nobody has labels yet, from its calibrated probabilities alone (CBPE; Kivimäki et al.,
 * arXiv 2505.05295): right as long as the probabilities are, so it sees a change of the data and none of what they mean.
 */

/** Estimated from n rows; null where there is nothing to divide by. */
export interface EstimatedPerformance {
  rows: number;
  accuracy: number;
  /** Standard deviation of the accuracy that will be seen. */
  accuracySd: number;
  precision: number | null;
  recall: number | null;
  f1: number | null;
  auc: number | null;
}

/**
 * @param probabilities calibrated, that a row is of the positive class
 * @param positive whether the row is predicted to be
 * @param scores what the rows are ranked by (default: the probabilities)
 */
export function estimatePerformance(
  probabilities: Float64Array,
  positive: (row: number) => boolean,
  scores: Float64Array = probabilities,
): EstimatedPerformance {
  const rows = probabilities.length;
  let [right, variance, truePositive, falsePositive, falseNegative] = [0, 0, 0, 0, 0];
  for (let row = 0; row < rows; row++) {
    const p = probabilities[row] as number;
    variance += p * (1 - p);
    if (positive(row)) {
      truePositive += p;
      falsePositive += 1 - p;
      right += p;
    } else {
      falseNegative += p;
      right += 1 - p;
    }
  }
  const ratio = (above: number, below: number): number | null => (below > 0 ? above / below : null);
  return {
    rows,
    accuracy: right / rows,
    accuracySd: Math.sqrt(variance) / rows,
    precision: ratio(truePositive, truePositive + falsePositive),
    recall: ratio(truePositive, truePositive + falseNegative),
    f1: ratio(2 * truePositive, 2 * truePositive + falsePositive + falseNegative),
    auc: expectedAuc(probabilities, scores),
  };
}

/**
 * Sum over pairs i != j of p_i (1 - p_j) ([s_i > s_j] + half of [s_i = s_j]), over the sum of p_i (1 - p_j): a row is no pair with
 * itself.
 */
function expectedAuc(p: Float64Array, scores: Float64Array): number | null {
  const order = [...scores.keys()].sort((a, b) => (scores[a] as number) - (scores[b] as number));
  let [ordered, negativesBelow, positives, negatives, itself] = [0, 0, 0, 0, 0];
  for (let start = 0; start < order.length;) {
    let end = start;
    let [tiedPositives, tiedNegatives, tiedSelf] = [0, 0, 0];
    const score = scores[order[start] as number];
    for (; end < order.length && scores[order[end] as number] === score; end++) {
      const each = p[order[end] as number] as number;
      tiedPositives += each;
      tiedNegatives += 1 - each;
      tiedSelf += each * (1 - each);
    }
    ordered += tiedPositives * negativesBelow + (tiedPositives * tiedNegatives - tiedSelf) / 2;
    negativesBelow += tiedNegatives;
    positives += tiedPositives;
    negatives += tiedNegatives;
    itself += tiedSelf;
    start = end;
  }
  const pairs = positives * negatives - itself;
  return pairs > 0 ? ordered / pairs : null;
}

/** The mean confidence of each row's predicted class, which is the estimated accuracy, and its standard deviation. */
export function meanConfidence(confidences: Float64Array): { mean: number; sd: number } {
  let [sum, variance] = [0, 0];
  for (const q of confidences) {
    sum += q;
    variance += q * (1 - q);
  }
  return { mean: sum / confidences.length, sd: Math.sqrt(variance) / confidences.length };
}
