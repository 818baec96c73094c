import type { Task } from '../../config/schema.ts';
import type { Requirement } from '../../config/forms.ts';
import type { Guardrail, Policy, Primary, Slice } from './schema.ts';
import { alphaOf, defaults } from '../../config/defaults.ts';
import { quantityOf } from '../../config/quantity.ts';
import { refuseEmptyRange } from '../../config/range.ts';
import { ConfigError } from '../../errors.ts';
import type { Severity } from '../../evidence/check.ts';
import { statedSize } from '../../evidence/difference.ts';
import { spendAlpha, type Spending } from './holdout.ts';
import { boundsOfGap } from './gaps.ts';
import { findMetric, metricsOf } from './metrics/catalogue.ts';
import { costMetric, costName } from './metrics/cost.ts';
import type { Metric } from './metrics/metric.ts';
import { declaredMetrics } from './metrics/sql.ts';

export interface PlannedMetric {
  metric: Metric;
  severity: Severity;
  /** Absent where the policy sets only a floor or a ceiling. */
  comparison: PlannedComparison | null;
  floor: number | null;
  ceiling: number | null;
}

export interface PlannedComparison {
  requirement: Requirement;
  /** Absolute, or a fraction of the champion's value. */
  margin: { kind: 'absolute' | 'relative'; value: number };
  /** The gain worth finding: what the number of rows is planned for when superiority is required. */
  minimumGain: number | null;
  /** Null: the whole evaluation set. */
  slices: { definitions: readonly Slice[]; minimumRows: number; required: readonly string[] } | null;
}

export interface Plan {
  task: Task;
  /** Level of the tests that let a candidate pass. */
  alpha: number;
  /** The policy's level, at which harm is demonstrated: alpha is never spent on guards, which would make them lenient. */
  guardAlpha: number;
  spending: Spending;
  /** Comparisons of the whole on fewer rows show nothing. */
  minimumRows: number;
  seed: number;
  primary: PlannedMetric;
  guardrails: PlannedMetric[];
  /** How the primary metric is held against the anchor; null where the policy names none. */
  anchor: PlannedComparison | null;
  /** Every metric that details report, gated or not. */
  reported: Metric[];
}

/** The level a requirement is judged at. */
export function alphaFor(plan: Pick<Plan, 'alpha' | 'guardAlpha'>, requirement: Requirement): number {
  return requirement === 'not-inferior' ? plan.guardAlpha : plan.alpha;
}

/**
 * Read the policy.
 * @param reuse decisions already made on the evaluation set
 * @param considered candidates that the one judged was chosen from: the level of what lets it pass is divided by them
 * @param custom the metrics that the policy defines itself; where they are not parsed yet, they are known by name
 * @throws ConfigError for an unknown metric, a missing margin, or the same check asked for twice
 */
export function planOf(
  policy: Policy,
  task: Task,
  reuse = 0,
  custom: readonly Metric[] = declaredMetrics(policy.metrics ?? [], task),
  considered = 1,
): Plan {
  const find = (name: string, where: string): Metric =>
    custom.find((metric) => metric.name === name) ?? metricOf(name, policy, task, where);
  const primary = plan(find, policy.primary, 'policy.primary', 'superior');
  const guardrails = (policy.guardrails ?? []).map((guardrail, index) => {
    const where = `policy.guardrails[${index}]`;
    const planned = plan(find, guardrail, where, 'non-inferior');
    if (planned.comparison !== null || planned.floor !== null || planned.ceiling !== null) return planned;
    throw new ConfigError({
      found: `the guardrail on ${guardrail.metric} has no requirement`,
      expected: 'a margin (to compare with the champion), a min or a max',
      where,
    });
  });
  const planned = [primary, ...guardrails];
  refuseTwice(planned, (each) => each.comparison?.slices === null, 'compared on the whole evaluation set');
  refuseTwice(planned, (each) => each.floor !== null, 'given a min');
  refuseTwice(planned, (each) => each.ceiling !== null, 'given a max');
  for (const [index, gate] of (policy.fairness?.gates ?? []).entries())
    boundsOfGap(gate, `policy.fairness.gates[${index}]`);
  const named = (policy.report ?? []).map((name, index) => find(name, `policy.report[${index}]`));
  const reported = [
    primary.metric,
    ...guardrails.map((each) => each.metric),
    ...custom,
    ...named,
    ...metricsOf(task).filter((metric) => metric.onRequest !== true),
  ];
  const guardAlpha = alphaOf(policy);
  const spending = spendAlpha(guardAlpha, policy.holdout, reuse);
  return {
    task,
    alpha: spending.alpha / considered,
    guardAlpha,
    spending,
    minimumRows: policy.min_rows ?? defaults.minRows,
    seed: policy.seed ?? defaults.seed,
    primary,
    guardrails,
    anchor: anchorOf(policy, primary.metric),
    reported: [...new Map(reported.map((metric) => [metric.name, metric])).values()],
  };
}

function anchorOf({ anchor }: Policy, metric: Metric): PlannedComparison | null {
  if (anchor === undefined) return null;
  const value = quantityOf(anchor.margin, metric, 'difference', 'policy.anchor.margin');
  return { requirement: 'non-inferior', margin: { kind: 'absolute', value }, minimumGain: null, slices: null };
}

/** The metric of a name. @throws ConfigError */
export function metricOf(name: string, { cost }: Policy, task: Task, where: string): Metric {
  if (name !== costName) return findMetric(name, task, where);
  if (cost !== undefined) return costMetric(cost, task);
  throw new ConfigError({
    found: `${costName} is used without costs`,
    expected: 'policy.cost, which states what decisions cost',
    where,
  });
}

function plan(
  find: (name: string, where: string) => Metric,
  entry: Primary | Guardrail,
  where: string,
  requirement: Requirement,
): PlannedMetric {
  const metric = find(entry.metric, `${where}.metric`);
  const slices = 'slices' in entry ? entry.slices : undefined;
  const read = (key: string, stated: number | string | undefined, role: 'difference' | 'bound'): number | null =>
    stated === undefined ? null : quantityOf(stated, metric, role, `${where}.${key}`);
  const minimumGain = read('min_gain', 'min_gain' in entry ? entry.min_gain : undefined, 'difference');
  const margin = read('margin', entry.margin, 'difference');
  const common = {
    metric,
    severity: entry.severity ?? 'block',
    floor: read('min', entry.min, 'bound'),
    ceiling: read('max', entry.max, 'bound'),
  } as const;
  refuseEmptyRange({ min: common.floor, max: common.ceiling }, where);
  const compares =
    where === 'policy.primary' ||
    entry.margin !== undefined ||
    entry.relative_margin !== undefined ||
    entry.require !== undefined ||
    slices !== undefined;
  if (!compares) return { ...common, comparison: null };
  const mode = 'mode' in entry ? entry.mode : undefined;
  const required =
    entry.require ?? (slices === undefined ? requirement : mode === 'prove' ? 'non-inferior' : 'not-inferior');
  return {
    ...common,
    comparison: {
      requirement: required,
      margin: marginOf(entry, metric, margin, required, where),
      minimumGain,
      slices:
        slices === undefined
          ? null
          : {
              definitions: slices,
              minimumRows: ('min_rows' in entry ? entry.min_rows : undefined) ?? defaults.minRows,
              required: ('required' in entry ? entry.required : undefined) ?? [],
            },
    },
  };
}

function marginOf(
  entry: Primary | Guardrail,
  metric: Metric,
  margin: number | null,
  requirement: Requirement,
  where: string,
): PlannedComparison['margin'] {
  if (margin !== null && entry.relative_margin !== undefined) {
    throw new ConfigError({ found: 'both margin and relative_margin', expected: 'one of them', where });
  }
  if (margin !== null) return { kind: 'absolute', value: margin };
  if (entry.relative_margin !== undefined) {
    const { scale, title } = metric;
    const value = entry.relative_margin;
    if (scale !== 'share' || value < 1) return { kind: 'relative', value };
    throw new ConfigError({
      found: `${value} for ${title}: ${value} would be ${statedSize(100 * value, 'value')}% of the champion's value${value < 100 ? `; write ${Number(`${value}e-2`)}` : ''}`,
      expected: 'a number less than 1',
      where: `${where}.relative_margin`,
    });
  }
  // Superiority is judged against 0; every other requirement against the margin, for which there is no default.
  if (requirement === 'superior') return { kind: 'absolute', value: 0 };
  throw new ConfigError({
    found: `no margin for ${entry.metric}`,
    expected: `the largest tolerated loss of ${entry.metric}`,
    where,
    remedy:
      'Add margin (in the units of the metric; for a share, 0.01 or 1pp is one percentage point) or relative_margin',
  });
}

function refuseTwice(planned: readonly PlannedMetric[], applies: (each: PlannedMetric) => boolean, what: string): void {
  const names = planned.filter(applies).map((each) => each.metric.name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice === undefined) return;
  throw new ConfigError({ found: `${twice} is ${what} more than once`, expected: 'each metric once', where: 'policy' });
}
