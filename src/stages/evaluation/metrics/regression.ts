import type { Task } from '../../../config/schema.ts';
import { scoresOf, type Outputs, type Sample } from '../sample.ts';
import { sortedOrder } from '../sort.ts';
import type { Evaluator, Metric, Untitled } from './metric.ts';
import { mean } from '../../../statistics/sums.ts';

const regression: readonly Task[] = ['regression'];
const loss = { better: 'lower', scale: 'value', needs: 'scores', tasks: regression } as const;
const gain = { better: 'higher', scale: 'value', needs: 'scores', tasks: regression } as const;

/** Metrics of a regression. e is prediction - target, y the target. */
export const regressionMetrics: readonly Untitled[] = [
  ofErrors('mse', (e) => e * e),
  ofErrors('mae', Math.abs),
  ofErrors('rmse', (e) => e * e, { value: (means) => Math.sqrt(means[0] as number) }),
  { ...loss, kind: 'statistic', name: 'medae', prepare: medianOfErrors },
  {
    // Rows whose target is 0 have no percentage and do not count.
    ...loss,
    kind: 'moments',
    name: 'mape',
    terms: (sample, outputs) => [
      errors(sample, outputs, (e, y) => (y === 0 ? 0 : Math.abs(e / y))),
      errors(sample, outputs, (_, y) => (y === 0 ? 0 : 1)),
    ],
    value: (means) => (means[0] as number) / (means[1] as number),
    undefinedOn: (sample) => (sample.truth.some((y) => y !== 0) ? null : 'every target is 0'),
  },
  ofErrors('smape', (e, y) => (e === 0 ? 0 : (2 * Math.abs(e)) / (Math.abs(y) + Math.abs(y + e)))),
  {
    ...gain,
    kind: 'moments',
    name: 'r2',
    undefinedOn: constantTarget,
    terms: (sample, outputs) => [errors(sample, outputs, (e) => e * e), ...targetMoments(sample)],
    value: (means) => 1 - (means[0] as number) / variance(means[2] as number, means[1] as number),
  },
  {
    ...gain,
    kind: 'moments',
    name: 'explained_variance',
    undefinedOn: constantTarget,
    terms: (sample, outputs) => {
      const centre = mean(errors(sample, outputs, (e) => e));
      return [
        errors(sample, outputs, (e) => (e - centre) ** 2),
        ...targetMoments(sample),
        errors(sample, outputs, (e) => e - centre),
      ];
    },
    value: (means) =>
      1 - variance(means[0] as number, means[3] as number) / variance(means[2] as number, means[1] as number),
  },
  ofErrors('absolute_bias', (e) => e, { value: (means) => Math.abs(means[0] as number) }),
  // Infinite, and so refused, where a prediction is not positive.
  ofErrors('poisson_deviance', poissonDeviance, {
    undefinedOn: (sample) => (sample.truth.every((y) => y >= 0) ? null : 'a target is negative'),
  }),
];

/** The pinball loss of a quantile, `pinball_0.9`; undefined for any other name. */
export function quantileMetric(name: string): Untitled | undefined {
  const match = /^pinball_(0?\.[0-9]{1,6})$/u.exec(name);
  const quantile = Number(match?.[1]);
  if (!(quantile > 0 && quantile < 1)) return undefined;
  // However its number is written, it is called the same.
  const title = `pinball loss at ${quantile}`;
  return Object.assign(
    ofErrors(name, (e) => (e < 0 ? -quantile * e : (1 - quantile) * e)),
    { title },
  );
}

/** A function of the mean of a loss that each row has of its own. */
function ofErrors(
  name: string,
  of: (error: number, target: number) => number,
  more: Partial<Pick<Extract<Metric, { kind: 'moments' }>, 'value' | 'undefinedOn'>> = {},
): Untitled {
  return { ...loss, kind: 'moments', name, terms: (sample, outputs) => [errors(sample, outputs, of)], ...more };
}

function errors(sample: Sample, outputs: Outputs, of: (error: number, target: number) => number): Float64Array {
  const predicted = scoresOf(outputs);
  return sample.truth.map((target, row) => of((predicted[row] as number) - target, target));
}

/** First and second moment of the target about its mean: about 0 they would lose digits where the mean is large. */
function targetMoments(sample: Sample): [Float64Array, Float64Array] {
  const centre = mean(sample.truth);
  return [sample.truth.map((y) => y - centre), sample.truth.map((y) => (y - centre) ** 2)];
}

function variance(second: number, first: number): number {
  return second - first * first;
}

function constantTarget(sample: Sample): string | null {
  return sample.truth.some((y) => y !== sample.truth[0]) ? null : 'every target is the same';
}

function poissonDeviance(error: number, target: number): number {
  const predicted = target + error;
  if (predicted <= 0) return Number.POSITIVE_INFINITY;
  return 2 * ((target === 0 ? 0 : target * Math.log(target / predicted)) + error);
}

/** Median of the absolute errors: half the weight lies below it; the mean of the two middle ones where it falls between. */
function medianOfErrors(sample: Sample, outputs: Outputs): Evaluator {
  const absolute = errors(sample, outputs, Math.abs);
  const order = sortedOrder(absolute);
  return (weights) => {
    const weightAt = (place: number): number => (weights === null ? 1 : (weights[order[place] as number] as number));
    let total = 0;
    for (let place = 0; place < order.length; place += 1) total += weightAt(place);
    let below = 0;
    for (let place = 0; place < order.length; place += 1) {
      below += weightAt(place);
      if (below < total / 2) continue;
      const value = absolute[order[place] as number] as number;
      if (below > total / 2) return value;
      let next = place + 1;
      while (next < order.length && weightAt(next) === 0) next += 1;
      return next === order.length ? value : (value + (absolute[order[next] as number] as number)) / 2;
    }
    return Number.NaN;
  };
}
