import { defaults } from '../config/defaults.ts';
import type { Requirement } from '../config/schema.ts';
import { ConfigError } from '../errors.ts';
import type { Comparison, ComparisonState, Verdict } from '../evidence/check.ts';
import type { MetricComparison } from './compare.ts';
import type { PlannedComparison } from './plan.ts';
import type { PairedInterval } from './statistics/interval.ts';
import { rowsNeeded, rowsWithoutDifference } from './statistics/power.ts';

/** Fewer clusters than this show nothing: see docs/statistics.md. */
export const minimumClusters = 5;

/** Why a comparison shows nothing whatever its numbers are, if so. */
export function tooLittle(compared: MetricComparison, minimumRows: number): string | null {
  const { rows, unit, clusters, interval } = compared;
  if (rows < minimumRows) return `it has ${countOf(rows, unit)}, fewer than min_rows ${minimumRows}`;
  if (clusters !== null && clusters < minimumClusters)
    return `its rows lie in ${countOf(clusters, 'clusters')}, fewer than ${minimumClusters}`;
  return interval.unknown ?? null;
}

/** "1 row", "2 rows". */
function countOf(count: number, unit: 'rows' | 'queries' | 'clusters'): string {
  return `${count} ${count === 1 ? { rows: 'row', queries: 'query', clusters: 'cluster' }[unit] : unit}`;
}

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

/** The outcome in the words of the requirement: it says what the verdict says. */
export function outcomeText(verdict: Verdict, state: ComparisonState, requirement: Requirement): string {
  if (verdict === 'inconclusive') return 'inconclusive';
  if (verdict === 'fail' && state !== 'inferior')
    return requirement === 'superior' ? 'not superior' : `not ${requirement}`;
  return verdict === 'pass' && state === 'inconclusive' ? 'inconclusive, no harm demonstrated' : state;
}

/** The tolerated loss in units of delta; null for a relative margin on a champion that is not positive. */
export function marginOn(planned: PlannedComparison, compared: MetricComparison): number | null {
  if (planned.margin.kind === 'absolute') return planned.margin.value;
  return compared.champion > 0 ? planned.margin.value * compared.champion : null;
}

/** The tolerated loss on the whole evaluation set. @throws ConfigError for a relative margin on a champion that is not positive */
export function marginFor(planned: PlannedComparison, compared: MetricComparison): number {
  const margin = marginOn(planned, compared);
  if (margin !== null) return margin;
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
  planned: { margin: number; alpha: number; level?: number; slice?: string },
): Comparison {
  const { interval } = compared;
  const lower = interval.lower(planned.alpha);
  const upper = interval.upper(planned.alpha);
  const state = stateOf(lower, upper, planned.margin);
  const evidence = [...compared.lowEvidence, ...unresolved(interval, planned.level ?? planned.alpha)];
  return {
    metric: compared.metric.name,
    ...(planned.slice === undefined ? {} : { slice: planned.slice }),
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
    ...(evidence.length === 0 ? {} : { lowEvidence: evidence }),
  };
}

function unresolved({ resolved = 0 }: PairedInterval, level: number): string[] {
  if (level >= resolved) return [];
  const shown = (value: number): number => Number(value.toPrecision(2));
  return [`draws show levels down to ${shown(resolved)}: at ${shown(level)} a parametric tail stands in for them`];
}

/**
 * Rows for 80% power at the planned delta: 0 where non-inferiority is required, the policy's `min_gain` where superiority is.
 * Undefined where the policy plans for no gain; null where more rows of this kind cannot help.
 */
export function plannedRows(
  planned: PlannedComparison,
  compared: MetricComparison,
  margin: number,
  alpha: number,
): number | null | undefined {
  const gap = planned.requirement === 'superior' ? planned.minimumGain : margin;
  if (gap === null) return undefined;
  if (compared.interval.nothingDiffers === true && planned.requirement !== 'superior')
    return rowsWithoutDifference({ rows: compared.rows, bound: -compared.interval.lower(alpha), gap });
  return rowsNeeded({
    rows: compared.rows,
    standardError: compared.interval.standardError,
    gap,
    alpha,
    power: defaults.planningPower,
  });
}

/** Whether an interval says anything: neither undefined nor infinite. */
export function isUsable(interval: PairedInterval, alpha: number): boolean {
  return [interval.delta, interval.lower(alpha), interval.upper(alpha)].every(Number.isFinite);
}
