import { scoresOf, type Outputs, type Sample } from '../sample.ts';

/** Smallest probability the log loss sees: the spacing of doubles at 1, as scikit-learn. */
const epsilon = Number.EPSILON;

/** -ln of the probability given to the true class, one a row. Multiclass rows are first divided by their sum. */
export function logLosses(sample: Sample, outputs: Outputs): Float64Array {
  const scores = scoresOf(outputs);
  const losses = new Float64Array(sample.rows);
  for (let row = 0; row < sample.rows; row += 1) {
    losses[row] = clippedLog(trueClassProbability(sample, scores, row));
  }
  return losses;
}

/** Squared distance of the probabilities from the truth: binary (p - y)^2; multiclass summed over classes. */
export function brierLosses(sample: Sample, outputs: Outputs): Float64Array {
  const scores = scoresOf(outputs);
  const { rows, classes, truth } = sample;
  const losses = new Float64Array(rows);
  for (let row = 0; row < rows; row += 1) {
    if (classes === 2) {
      losses[row] = ((scores[row] as number) - (truth[row] as number)) ** 2;
      continue;
    }
    let sum = 0;
    for (let label = 0; label < classes; label += 1) {
      sum += ((scores[row * classes + label] as number) - (truth[row] === label ? 1 : 0)) ** 2;
    }
    losses[row] = sum;
  }
  return losses;
}

function trueClassProbability({ classes, truth }: Sample, scores: Float64Array, row: number): number {
  const label = truth[row] as number;
  if (classes === 2) return label === 1 ? (scores[row] as number) : 1 - (scores[row] as number);
  let sum = 0;
  for (let each = 0; each < classes; each += 1) sum += scores[row * classes + each] as number;
  return (scores[row * classes + label] as number) / sum;
}

/** -ln of a probability kept away from 0 and 1. */
export function clippedLog(probability: number): number {
  return -Math.log(Math.min(1 - epsilon, Math.max(epsilon, probability)));
}
