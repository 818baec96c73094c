import type { Task } from '../../config/schema.ts';
import { reported, type Check, type Verdict } from '../../evidence/check.ts';
import { capitalised } from '../../wording.ts';
import type { Baseline } from './baselines.ts';
import { compareMetric, type MetricComparison } from './compare.ts';
import { cannotCompute, type Gate } from './gate.ts';
import { isUsable, tooLittle } from './judge.ts';
import { findMetric } from './metrics/catalogue.ts';
import { metricValue, type Metric } from './metrics/metric.ts';
import type { Sample } from './sample.ts';
import { deltaText, valueText, verdictOf } from '../comparison.ts';

/**
 * Checks of a model that has no champion to beat: it must be shown better than models that use no features, on the
 * primary metric, and the policy must allow a first model at all (the decision enforces that; here it is reported).
 */
export function firstModelChecks(gate: Gate, allowed: boolean, rivals: readonly Baseline[]): Check[] {
  return [
    reported(
      'evaluation/first-model',
      'First model',
      `There is no champion yet: the candidate is compared with its floors and with baselines that use no features${allowed ? '' : '; the policy does not allow a first model (allow_first)'}.`,
      'no champion',
    ),
    sanityBaseline(gate, rivals),
  ];
}

function sanityBaseline({ plan, sample, candidate }: Gate, rivals: readonly Baseline[]): Check {
  const { metric, replaced } = tellingMetric(plan, sample, rivals);
  const common = {
    id: 'evaluation/sanity-baseline',
    title: 'Comparison with baselines that use no features',
    severity: 'block',
  } as const;
  const uncompared = (verdict: Verdict, what: string, observed: number | null = null): Check => ({
    ...common,
    verdict,
    message: `${capitalised(metric.title)} ${what}.`,
    observed,
    required: 'better',
  });
  const problem = cannotCompute(metric, sample, { candidate });
  if (problem !== null) return uncompared(problem.verdict, `could not be computed: ${problem.reason}`);
  const value = metricValue(metric, sample, candidate);
  if (!Number.isFinite(value)) return uncompared('fail', 'of the candidate is not finite');
  // A baseline without a value, such as the Poisson deviance of a median of 0, is none.
  const results = rivals.flatMap(({ name, outputs }) => {
    const compared = compareMetric(metric, sample, outputs, candidate, { seed: plan.seed, level: plan.alpha });
    return Number.isFinite(compared.champion) ? [judged(name, compared, plan)] : [];
  });
  const hardest = results.reduce<(typeof results)[number] | null>(
    (worst, each) => (worst === null || isHarder(each, worst) ? each : worst),
    null,
  );
  if (hardest === null) return uncompared('inconclusive', 'has no value for any baseline that uses no features', value);
  const { name, compared, verdict, lower, little } = hardest;
  const bound = Number.isFinite(lower) ? ` (lower bound of the gain ${deltaText(metric, lower)})` : '';
  const outcome = {
    pass: `better by at least ${deltaText(metric, lower).replace(/^[+]/u, '')}`,
    fail: `not better${bound}`,
    inconclusive: `not shown to be better${bound}`,
  }[verdict];
  const why = `${replaced === null ? '' : `; ${replaced.title} of a baseline that uses no features can be perfect`}${little === null ? '' : `; ${little}`}`;
  return {
    ...common,
    verdict,
    message: `${capitalised(metric.title)} is ${valueText(value)} against ${valueText(compared.champion)} of ${name}: ${outcome}${why}.`,
    observed: value,
    required: `better than ${name} (${valueText(compared.champion)})`,
  };
}

interface Judged {
  name: string;
  compared: MetricComparison;
  verdict: 'pass' | 'fail' | 'inconclusive';
  lower: number;
  /** Why the comparison shows nothing, if so. */
  little: string | null;
}

/** The verdict is that of any comparison that requires superiority. */
function judged(name: string, compared: MetricComparison, { alpha, minimumRows }: Gate['plan']): Judged {
  const { interval } = compared;
  const [lower, upper] = [interval.lower(alpha), interval.upper(alpha)];
  const little = tooLittle(compared, minimumRows);
  const open = little !== null || !isUsable(interval, alpha);
  // Who decides every row as the baseline does is not better than it.
  const verdict =
    interval.nothingDiffers === true ? 'fail' : open ? 'inconclusive' : verdictOf('superior', lower, upper, 0);
  return { name, compared, verdict, lower: open ? Number.NaN : lower, little };
}

const hardness = { fail: 2, inconclusive: 1, pass: 0 } as const;

function isHarder(one: Judged, other: Judged): boolean {
  const apart = hardness[one.verdict] - hardness[other.verdict];
  return apart === 0 ? one.lower < other.lower : apart > 0;
}

/**
 * The primary metric, unless a model that uses no features can be perfect on it (the recall of whoever calls everything positive, the
 * calibration of class shares): it cannot tell a model from none, and one that can takes its place.
 */
function tellingMetric(
  { primary: { metric }, task }: Gate['plan'],
  sample: Sample,
  rivals: readonly Baseline[],
): { metric: Metric; replaced: Metric | null } {
  const perfect = rivals.some(({ outputs }) => {
    if (cannotCompute(metric, sample, { candidate: outputs }) !== null) return false;
    const value = metricValue(metric, sample, outputs);
    return metric.better === 'lower' ? Math.abs(value) < 1e-9 : metric.scale === 'share' && value > 1 - 1e-9;
  });
  const name = perfect ? standIns[metric.needs][task] : undefined;
  return name === undefined || name === metric.name
    ? { metric, replaced: null }
    : { metric: findMetric(name, task, 'policy.primary'), replaced: metric };
}

const standIns: Record<Metric['needs'], Partial<Record<Task, string>>> = {
  decisions: {
    'binary-classification': 'balanced_accuracy',
    'multiclass-classification': 'balanced_accuracy',
    'multilabel-classification': 'f1_macro',
  },
  scores: { regression: 'rmse' },
  probabilities: {
    'binary-classification': 'brier',
    'multiclass-classification': 'brier',
    'multilabel-classification': 'brier',
  },
};
