import type { Check } from '../evidence/check.ts';
import { compareMetric } from './compare.ts';
import { cannotCompute, type Gate } from './gate.ts';
import { isUsable } from './judge.ts';
import { randomFrom } from './random.ts';
import type { Outputs, Sample } from './sample.ts';
import { capitalised, deltaText, valueText } from './wording.ts';

/**
 * Checks of a model that has no champion to beat: it must be shown better than models that look at no feature, on the
 * primary metric, and the policy must allow a first model at all (the decision enforces that; here it is told).
 */
export function firstModelChecks(gate: Gate, allowed: boolean, rivals: readonly Baseline[]): Check[] {
  return [
    {
      id: 'evaluation/first-model',
      title: 'First model',
      verdict: 'pass',
      severity: 'info',
      message: `There is no champion yet: the candidate is judged by its floors and against models that look at no feature${allowed ? '' : '; the policy does not allow a first model (allow_first)'}.`,
      observed: 'no champion',
      required: null,
    },
    sanityBaseline(gate, rivals),
  ];
}

export interface Baseline {
  name: string;
  outputs: Outputs;
}

/** Predictions that look at no feature. */
export function baselines(sample: Sample, seed: number): Baseline[] {
  const { rows, classes, truth } = sample;
  if (sample.labels !== undefined) return labelBaselines(sample, sample.labels, seed);
  if (sample.queries !== undefined) {
    const random = randomFrom(seed);
    const scores = Float64Array.from({ length: rows }, () => random.uniform());
    return [{ name: 'a random order', outputs: { scores, probabilities: false, decisions: null } }];
  }
  if (classes === 0) {
    const sorted = Float64Array.from(truth).sort();
    const mean = truth.reduce((sum, value) => sum + value, 0) / rows;
    const median = sorted[Math.floor((rows - 1) / 2)] as number;
    const constant = (value: number): Outputs => ({
      scores: new Float64Array(rows).fill(value),
      probabilities: false,
      decisions: null,
    });
    return [
      { name: 'the mean', outputs: constant(mean) },
      { name: 'the median', outputs: constant(median) },
    ];
  }
  const shares = new Float64Array(classes);
  for (const label of truth) shares[label]! += 1 / rows;
  const majority = shares.indexOf(Math.max(...shares));
  const width = classes === 2 ? 1 : classes;
  const prior = classes === 2 ? Float64Array.of(shares[1] as number) : shares;
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
  return [
    {
      name: 'the majority class',
      outputs: {
        scores: Float64Array.from({ length: rows * width }, (_, index) => prior[index % width] as number),
        probabilities: true,
        decisions: new Int32Array(rows).fill(majority),
      },
    },
    { name: 'a draw by class frequency', outputs: { scores: certain, probabilities: true, decisions: drawn } },
  ];
}

/** Every label for itself: what most rows have, all of them, and a draw by how often rows have it. */
function labelBaselines({ rows, truth }: Sample, labels: number, seed: number): Baseline[] {
  const shares = new Float64Array(labels);
  for (const [at, value] of truth.entries()) shares[at % labels]! += value / rows;
  const random = randomFrom(seed);
  const shareAt = (at: number): number => shares[at % labels] as number;
  const drawn = Int32Array.from(truth, (_, at) => (random.uniform() < shareAt(at) ? 1 : 0));
  const scores = Float64Array.from(truth, (_, at) => shareAt(at));
  const most = Int32Array.from(truth, (_, at) => (shareAt(at) > 0.5 ? 1 : 0));
  return [
    { name: 'what most rows have of each label', outputs: { scores, probabilities: true, decisions: most } },
    // F1 rewards giving what is rare to everyone.
    {
      name: 'every label for every row',
      outputs: { scores, probabilities: true, decisions: new Int32Array(truth.length).fill(1) },
    },
    {
      name: 'a draw by label frequency',
      outputs: { scores: Float64Array.from(drawn), probabilities: true, decisions: drawn },
    },
  ];
}

function sanityBaseline({ plan, sample, candidate }: Gate, rivals: readonly Baseline[]): Check {
  const { metric } = plan.primary;
  const common = {
    id: 'evaluation/sanity-baseline',
    title: 'Against models that look at no feature',
    severity: 'block',
  } as const;
  const problem = cannotCompute(metric, sample, { candidate });
  if (problem !== null) {
    return {
      ...common,
      verdict: problem.verdict,
      message: `${capitalised(metric.title)} could not be computed: ${problem.reason}.`,
      observed: null,
      required: 'better',
    };
  }
  const results = rivals.map(({ name, outputs }) => ({
    name,
    compared: compareMetric(metric, sample, outputs, candidate, { seed: plan.seed }),
  }));
  const lowerOf = ({ compared }: (typeof results)[number]): number =>
    isUsable(compared.interval, plan.alpha) ? compared.interval.lower(plan.alpha) : Number.NEGATIVE_INFINITY;
  const hardest = results.reduce((worst, each) => (lowerOf(each) < lowerOf(worst) ? each : worst));
  const lower = lowerOf(hardest);
  const passes = lower > 0;
  const { champion, candidate: value } = hardest.compared;
  return {
    ...common,
    verdict: passes ? 'pass' : 'fail',
    message: Number.isFinite(lower)
      ? `${capitalised(metric.title)} is ${valueText(value)} against ${valueText(champion)} of ${hardest.name} (lower bound of the gain ${deltaText(metric, lower)}): ${passes ? 'better' : 'not shown to be better'}.`
      : `${capitalised(metric.title)} could not be compared with ${hardest.name}.`,
    observed: Number.isFinite(value) ? value : null,
    required: `better than ${hardest.name} (${valueText(champion)})`,
  };
}
