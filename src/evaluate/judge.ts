import { defaults } from '../config/defaults.ts';
import type { Requirement } from '../config/schema.ts';
import { ConfigError } from '../errors.ts';
import type { Comparison, ComparisonState, Verdict } from '../evidence/check.ts';
import { shownDifference } from '../evidence/difference.ts';
import type { MetricComparison } from './compare.ts';
import type { PlannedComparison } from './plan.ts';
import type { PairedInterval } from './statistics/interval.ts';
import { rowsForPower, rowsNeeded } from './statistics/power.ts';
import { findingText, outlookText } from './wording.ts';

/** Where delta stands, from its one-sided bounds and the margin. */
export function stateOf(lower: number, upper: number, margin: number): ComparisonState {
  if (lower > 0) return 'superior';
  if (upper < -margin) return 'inferior';
  return lower > -margin ? 'non-inferior' : 'inconclusive';
}

/** What the requirement makes of the bounds: what neither passes nor fails is inconclusive. */
export function verdictOf(requirement: Requirement, lower: number, upper: number, margin: number): Verdict {
  switch (requirement) {
    case 'superior':
      return lower > 0 ? 'pass' : upper <= 0 ? 'fail' : 'inconclusive';
    case 'non-inferior':
      return lower > -margin ? 'pass' : upper < -margin ? 'fail' : 'inconclusive';
    case 'not-inferior':
      return upper < -margin ? 'fail' : 'pass';
  }
}

/** The tolerated loss in units of delta. @throws ConfigError for a relative margin on a champion that is not positive */
export function marginFor(planned: PlannedComparison, compared: MetricComparison): number {
  if (planned.margin.kind === 'absolute') return planned.margin.value;
  if (compared.champion > 0) return planned.margin.value * compared.champion;
  throw new ConfigError({
    found: `relative_margin on ${compared.metric.name}, where the champion has ${compared.champion}`,
    expected: 'a champion with a positive value',
    where: 'policy',
    remedy: 'State an absolute margin',
  });
}

/** The comparison as evidence keeps it. All numbers are finite. */
export function comparisonOf(
  compared: MetricComparison,
  planned: { margin: number; alpha: number; slice?: string },
): Comparison {
  const { interval } = compared;
  const lower = interval.lower(planned.alpha);
  const upper = interval.upper(planned.alpha);
  const state = stateOf(lower, upper, planned.margin);
  return {
    metric: compared.metric.name,
    ...(planned.slice === undefined ? {} : { slice: planned.slice }),
    scale: compared.metric.scale,
    champion: compared.champion,
    candidate: compared.candidate,
    delta: interval.delta,
    lower,
    upper,
    margin: planned.margin,
    alpha: planned.alpha,
    state,
    ...(lower > -planned.margin && upper < 0 ? { worseWithinMargin: true } : {}),
    method: interval.method,
    n: compared.rows,
    ...(interval.seed === undefined ? {} : { seed: interval.seed }),
    ...(compared.lowEvidence.length === 0 ? {} : { lowEvidence: compared.lowEvidence }),
  };
}

/** The comparison with what it shows in words and, where that settles nothing, with what would. */
export function toldComparison(
  comparison: Comparison,
  planned: PlannedComparison,
  compared: MetricComparison,
  verdict: Verdict,
): Comparison {
  const { margin } = shownDifference(comparison);
  return {
    ...comparison,
    finding: findingText(planned.requirement, comparison, margin),
    ...(verdict === 'inconclusive' ? outlookOf(comparison, planned, compared) : {}),
  };
}

/**
 * Rows for 80% power at the planned delta: 0 where non-inferiority is required, the policy's `min_gain` where superiority is.
 * Nothing where the policy plans for no gain; null where more rows of this kind cannot help.
 */
function outlookOf(
  { margin, alpha, delta, slice }: Comparison,
  { requirement, minimumGain }: PlannedComparison,
  { rows, unit, metric, interval }: MetricComparison,
): Pick<Comparison, 'rowsNeeded' | 'outlook'> {
  const gap = requirement === 'superior' ? minimumGain : margin;
  if (gap === null) return {};
  const power = defaults.planningPower;
  const input = { rows, standardError: interval.standardError, gap, alpha, power };
  const needed = rowsNeeded(input);
  const enough = rowsForPower(input) <= rows;
  return {
    rowsNeeded: needed,
    outlook: outlookText(needed, {
      requirement,
      scale: metric.scale,
      gap,
      power,
      delta,
      rows,
      unit,
      enough,
      onSlice: slice !== undefined,
    }),
  };
}

/** Whether an interval says anything: neither undefined nor infinite. */
export function isUsable(interval: PairedInterval, alpha: number): boolean {
  return [interval.delta, interval.lower(alpha), interval.upper(alpha)].every(Number.isFinite);
}
