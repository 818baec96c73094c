import { cannotCompute } from './gate.ts';
import { metricValue, type Metric } from './metrics/metric.ts';
import { randomFrom } from '../../statistics/random.ts';
import type { Outputs, Sample } from './sample.ts';
import { orderOf } from './sort.ts';

/** A model that uses no features. */
export interface Baseline {
  name: string;
  outputs: Outputs;
}

/** As many constants are tried: of many classes the most frequent, of a target its quantiles. */
const mostConstants = 20;
const quantiles = 200;

/** Predictions that look at no feature, among them the best constant for the metric. */
export function baselines(sample: Sample, metric: Metric, seed: number): Baseline[] {
  if (sample.labels !== undefined) return labelBaselines(sample, sample.labels, seed);
  if (sample.queries !== undefined) {
    const random = randomFrom(seed);
    const scores = Float64Array.from({ length: sample.rows }, () => random.uniform());
    return [baseline('a random order', scores)];
  }
  return sample.classes === 0 ? valueBaselines(sample, metric) : classBaselines(sample, metric, seed);
}

/** What decides tells probabilities. */
function baseline(name: string, scores: Float64Array, decisions: Int32Array | null = null): Baseline {
  return { name, outputs: { scores, probabilities: decisions !== null, decisions } };
}

/** The mean, the median, and the quantile that the metric likes best. */
function valueBaselines(sample: Sample, metric: Metric): Baseline[] {
  const { rows, truth, weights } = sample;
  const order = orderOf(truth);
  const weightOf = (row: number): number => (weights === null ? 1 : (weights[row] as number));
  const mass = Float64Array.from(order, weightOf).reduce((sum, weight) => sum + weight, 0);
  const mean = truth.reduce((sum, value, row) => sum + weightOf(row) * value, 0) / mass;
  const quantilesOf = (count: number): number[] => {
    const values: number[] = [];
    let below = 0;
    for (const row of order) {
      below += weightOf(row);
      while (values.length < count - 1 && below >= ((values.length + 1) / count) * mass * (1 - 1e-12))
        values.push(truth[row] as number);
    }
    return values;
  };
  const constant = (value: number, name = `the constant ${Number(value.toPrecision(4))}`): Baseline =>
    baseline(name, new Float64Array(rows).fill(value));
  const tried = [...new Set(quantilesOf(quantiles))].map((value) => constant(value));
  return [
    constant(mean, 'the mean'),
    ...quantilesOf(2).map((median) => constant(median, 'the median')),
    ...best(tried, sample, metric),
  ];
}

/** Classes by how often they occur, a draw by that, and the class that the metric likes best for every row. */
function classBaselines(sample: Sample, metric: Metric, seed: number): Baseline[] {
  const { rows, classes, truth, weights } = sample;
  const shares = new Float64Array(classes);
  for (const [row, label] of truth.entries()) shares[label]! += weights === null ? 1 : (weights[row] as number);
  const mass = shares.reduce((sum, share) => sum + share, 0);
  for (let label = 0; label < classes; label += 1) shares[label]! /= mass;
  const byShare = [...shares.keys()].sort((a, b) => (shares[b] as number) - (shares[a] as number));
  const majority = byShare[0] as number;
  const width = classes === 2 ? 1 : classes;
  const prior = classes === 2 ? Float64Array.of(shares[1] as number) : shares;
  const scores = Float64Array.from({ length: rows * width }, (_, index) => prior[index % width] as number);
  const always = (label: number, name: string): Baseline => baseline(name, scores, new Int32Array(rows).fill(label));
  const random = randomFrom(seed);
  const drawn = Int32Array.from({ length: rows }, () => {
    let left = random.uniform();
    const label = shares.findIndex((share) => (left -= share) < 0);
    return label < 0 ? majority : label;
  });
  const certain = new Float64Array(rows * width);
  for (let row = 0; row < rows; row += 1) {
    if (width === 1) certain[row] = drawn[row] as number;
    else certain[row * width + (drawn[row] as number)] = 1;
  }
  const tried = byShare
    .slice(1, mostConstants)
    .map((label) => always(label, `class ${JSON.stringify(sample.names?.[label] ?? String(label))} for every row`));
  return [
    always(majority, 'the majority class'),
    ...best(tried, sample, metric),
    baseline('random guesses by class frequency', certain, drawn),
  ];
}

/** Every label for itself: what most rows have, all of them, and a draw by how often rows have it. */
function labelBaselines({ rows, truth, weights }: Sample, labels: number, seed: number): Baseline[] {
  const shares = new Float64Array(labels);
  const mass = weights === null ? rows : weights.reduce((sum, weight) => sum + weight, 0);
  for (const [at, value] of truth.entries()) {
    const weight = weights === null ? 1 : (weights[Math.floor(at / labels)] as number);
    shares[at % labels]! += (weight * value) / mass;
  }
  const random = randomFrom(seed);
  const shareAt = (at: number): number => shares[at % labels] as number;
  const drawn = Int32Array.from(truth, (_, at) => (random.uniform() < shareAt(at) ? 1 : 0));
  const scores = Float64Array.from(truth, (_, at) => shareAt(at));
  const most = Int32Array.from(truth, (_, at) => (shareAt(at) > 0.5 ? 1 : 0));
  return [
    baseline('the majority value of each label', scores, most),
    // F1 rewards giving what is rare to everyone.
    baseline('every label for every row', scores, new Int32Array(truth.length).fill(1)),
    baseline('random guesses by label frequency', Float64Array.from(drawn), drawn),
  ];
}

/** The baseline of the best value, if any has one; of a metric that only the database computes the first. */
function best(tried: readonly Baseline[], sample: Sample, metric: Metric): Baseline[] {
  if (metric.kind === 'sql') return tried.slice(0, 1);
  let found: Baseline[] = [];
  let highest = Number.NEGATIVE_INFINITY;
  for (const each of tried) {
    if (cannotCompute(metric, sample, { candidate: each.outputs }) !== null) continue;
    const value = metricValue(metric, sample, each.outputs) * (metric.better === 'higher' ? 1 : -1);
    if (!(value > highest)) continue;
    found = [each];
    highest = value;
  }
  return found;
}
