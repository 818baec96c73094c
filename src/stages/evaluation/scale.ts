import type { Check } from '../../evidence/check.ts';
import { brief } from '../../wording.ts';
import type { Metric } from './metrics/metric.ts';
import type { Outputs, Sample } from './sample.ts';

/** Fewer rows show no scale. */
const fewestRows = 30;
/** R squared from which predictions follow the labels. */
const follows = 0.3;

/** What exports leave out after the last sum: the inverse of the transformation of a target, the link of an objective. */
const leftOut: readonly [name: string, turn: (value: number) => number][] = [
  ['exp(prediction)', Math.exp],
  ['exp(prediction) - 1', Math.expm1],
  ['prediction squared', (value) => value * value],
  ['sigmoid(prediction)', (value) => 1 / (1 + Math.exp(-value))],
];

/**
 * Predicted values that follow the labels, and yet are further from them than their mean is: those of a model that predicts a logarithm
 * are compared with one another as if they were values. A warning, since a model may be just biased.
 */
export function scaleChecks(
  sample: Sample,
  { name }: Pick<Metric, 'name'>,
  sides: { readonly [role in 'candidate' | 'champion']: Outputs | null },
): Check[] {
  // A quantile is far from the mean on purpose.
  if (name.startsWith('pinball_')) return [];
  const ofValues = sample.classes === 0 && sample.labels === undefined && sample.queries === undefined;
  if (!ofValues || sample.rows < fewestRows) return [];
  const found = Object.entries(sides).flatMap(([role, outputs]) => {
    const text = outputs === null || outputs.scores === null ? null : otherScale(sample, outputs.scores);
    return text === null ? [] : [{ role, ...text }];
  });
  if (found.length === 0) return [];
  const candidate = found.find(({ role }) => role === 'candidate');
  return [
    {
      id: 'evaluation/scale',
      title: 'Predictions on the scale of the labels',
      verdict: 'fail',
      severity: 'warn',
      message: `${found.map(({ role, own, other }) => `The predictions of the ${role} are further from the labels than their mean is (R squared ${own.toFixed(3)}), and yet follow them: ${other}.`).join(' ')} Predictions and labels must have the same scale: export the model with the step that transforms its predictions back (such as the inverse of a logarithm, or a unit factor), or use the label on which the model was trained.`,
      observed: (candidate ?? found[0])?.own ?? null,
      required: 0,
    },
  ];
}

/** R squared as they are, and which other reading follows the labels; null where they are near them, or follow them in none. */
function otherScale({ truth, weights }: Sample, scores: Float64Array): { own: number; other: string } | null {
  const own = moments(truth, scores, weights);
  if (!(own.explained < 0)) return null;
  const turned = leftOut
    .map(([name, turn]) => ({ name, explained: moments(truth, scores.map(turn), weights).explained }))
    .filter(({ explained }) => explained >= follows)
    .toSorted((one, another) => another.explained - one.explained);
  const [best] = turned;
  if (best !== undefined)
    return { own: own.explained, other: `${best.name} has R squared ${best.explained.toFixed(3)}` };
  if (!(own.correlation ** 2 >= follows)) return null;
  const { slope, intercept } = own;
  const line = `${brief(slope)} * prediction ${intercept < 0 ? '-' : '+'} ${brief(Math.abs(intercept))}`;
  return { own: own.explained, other: `${line} has R squared ${(own.correlation ** 2).toFixed(3)}` };
}

/** Of the line through labels over predictions, and what the predictions explain as they are. */
export function moments(truth: Float64Array, scores: Float64Array, weights: Float64Array | null) {
  let [mass, meanTruth, meanScore, truths, both, own, squares] = [0, 0, 0, 0, 0, 0, 0];
  for (let row = 0; row < truth.length; row += 1) {
    const weight = weights === null ? 1 : (weights[row] as number);
    if (weight === 0) continue;
    const [value, score] = [truth[row] as number, scores[row] as number];
    mass += weight;
    const [apartTruth, apartScore] = [value - meanTruth, score - meanScore];
    meanTruth += (weight / mass) * apartTruth;
    meanScore += (weight / mass) * apartScore;
    truths += weight * apartTruth * (value - meanTruth);
    own += weight * apartScore * (score - meanScore);
    both += weight * apartTruth * (score - meanScore);
    squares += weight * (value - score) ** 2;
  }
  const slope = both / own;
  return {
    explained: truths > 0 ? 1 - squares / truths : Number.NaN,
    correlation: both / Math.sqrt(truths * own),
    slope,
    intercept: meanTruth - slope * meanScore,
  };
}
