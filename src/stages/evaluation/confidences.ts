import type { Check } from '../../evidence/check.ts';
import { ConfigError } from '../../errors.ts';
import type { Predictions } from '../../model/predictions.ts';
import { mean } from '../../statistics/sums.ts';
import { percent } from '../../wording.ts';
import { beyondChance, chanceOfArea, clearly } from './assumed-order.ts';
import { rankScores, rocArea } from './metrics/ranked.ts';
import type { Outputs, Sample } from './sample.ts';

/** Of labels that were made before the last rounding. */
const rounding = 1e-6;

/**
 * How sure a classifier is of what it predicts, whichever class that is, is never below one half: read as the score of the positive class
 * it makes every row positive. Refused where nobody says of which class the scores are, and they do not rank the rows either.
 * @throws ConfigError that says both readings
 */
export function refuseConfidences(
  sample: Pick<Sample, 'truth' | 'names' | 'classes' | 'weights'>,
  { assumedPositive }: Pick<Predictions, 'assumedPositive'>,
  outputs: Outputs,
  where: string,
): void {
  const found = assumedPositive === undefined ? null : positiveAlways(sample, outputs);
  if (found === null) return;
  const area = rocArea(rankScores(found.scores, sample.truth), sample.weights);
  if (area - 0.5 > Math.max(clearly, beyondChance * chanceOfArea(sample.truth))) return;
  throw new ConfigError({
    found: `${found.text}, and the scores do not rank these rows (ROC AUC ${area.toFixed(3)}). They look like the confidence in the label predicted for each row`,
    expected: `a statement whether they are scores of the class ${found.positive}`,
    where,
    remedy: `Write the probability of ${found.positive} in every row (1 - confidence if the other class is predicted). If the scores already are these probabilities, state so: ${assumedPositive}`,
  });
}

/** What may be such scores, and may as well be those of a bad model: a warning. */
export function confidenceChecks(
  sample: Sample,
  sides: { readonly [role in 'candidate' | 'champion']: Outputs | null },
): Check[] {
  const found = Object.entries(sides).flatMap(([role, outputs]) => {
    const each = outputs === null ? null : positiveAlways(sample, outputs);
    return each === null ? [] : [{ role, ...each }];
  });
  const [first] = found;
  if (first === undefined) return [];
  return [
    {
      id: 'evaluation/one-sided-scores',
      title: 'Scores that are never below one half',
      verdict: 'fail',
      severity: 'warn',
      message: `${found.map(({ role, text }) => `Of the ${role}: ${text}.`).join(' ')} Are they the confidence in the label predicted for each row, or was a sigmoid applied twice? Write the probability of ${first.positive}.`,
      observed: first.mean,
      required: first.share,
    },
  ];
}

/** Scores of two classes that are all at or above one half, and beyond chance higher than the share of the positive class; else null. */
function positiveAlways(
  { truth, names, classes, labels }: Pick<Sample, 'truth' | 'names' | 'classes' | 'labels'>,
  { probabilities, scores }: Outputs,
): { scores: Float64Array; mean: number; share: number; positive: string; text: string } | null {
  if (!probabilities || scores === null || classes !== 2 || labels !== undefined || names === null) return null;
  if (scores.length !== truth.length || scores.some((score) => score < 0.5 - rounding)) return null;
  const [average, share] = [mean(scores), mean(truth)];
  // Rows of one class say nothing of how the scores would rank others.
  if (share === 0 || share === 1) return null;
  const chance = Math.sqrt((share * (1 - share)) / truth.length);
  if (!(average - share > Math.max(clearly, beyondChance * chance))) return null;
  const positive = JSON.stringify(names[1]);
  return {
    scores,
    mean: average,
    share,
    positive,
    text: `no score is below 0.5 (their mean is ${average.toFixed(3)}), so at a threshold of 0.5 every row would be ${positive}, but only ${percent(share, 3)} of the rows are`,
  };
}
