import { defaults } from '../../config/defaults.ts';
import { ConfigError } from '../../errors.ts';
import type { Comparison, Verdict } from '../../evidence/check.ts';
import { shownDifference } from '../../evidence/difference.ts';
import type { MetricComparison } from './compare.ts';
import type { PlannedComparison } from './plan.ts';
import type { PairedInterval } from './statistics/interval.ts';
import { rowsForPower, rowsNeeded, rowsWithoutDifference, type PowerInput } from './statistics/power.ts';
import { findingText, nothingShown, outlookText, stateOf } from '../comparison.ts';
import { counted } from '../../wording.ts';

/** Fewer clusters than this show nothing: see docs/statistics.md. */
export const minimumClusters = 5;

/** Why a comparison shows nothing whatever its numbers are, if so. */
export function tooLittle(compared: MetricComparison, minimumRows: number): string | null {
  const { rows, unit, clusters, interval } = compared;
  if (rows < minimumRows) return `it has ${counted(rows, unit)}, fewer than min_rows ${minimumRows}`;
  if (clusters !== null && clusters < minimumClusters)
    return `its rows lie in ${counted(clusters, 'clusters')}, fewer than ${minimumClusters}`;
  return interval.unknown ?? null;
}

/** The tolerated loss in units of delta; null for a relative margin on a champion that is not positive. */
export function marginOn(planned: PlannedComparison, compared: MetricComparison): number | null {
  if (planned.margin.kind === 'absolute') return planned.margin.value;
  return compared.champion > 0 ? planned.margin.value * compared.champion : null;
}

/** The tolerated loss that a verdict rests on, as a share of the champion's value; 0 where it is a number, or no loss is tolerated. */
export function relativeMargin({ margin, requirement }: PlannedComparison): number {
  return margin.kind === 'relative' && requirement !== 'superior' ? margin.value : 0;
}

/** The tolerated loss on the whole evaluation set. @throws ConfigError for a relative margin on a champion that is not positive */
export function marginFor(planned: PlannedComparison, compared: MetricComparison): number {
  const margin = marginOn(planned, compared);
  if (margin !== null) return margin;
  throw new ConfigError({
    found: `relative_margin on ${compared.metric.name} cannot be used: the value of the champion is ${compared.champion}`,
    expected: 'a champion with a positive value',
    where: 'policy',
    remedy: 'Set an absolute margin',
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
    ...(evidence.length === 0 ? {} : { lowEvidence: evidence }),
  };
}

function unresolved({ resolved = 0 }: PairedInterval, level: number): string[] {
  if (level >= resolved) return [];
  const shown = (value: number): number => Number(value.toPrecision(2));
  return [`draws show levels down to ${shown(resolved)}: at ${shown(level)} a parametric tail replaces them`];
}

/**
 * The comparison with what it shows in words and, where that settles nothing, with what would.
 * @param few why there is too little to show anything, if so, and the fewest rows that may
 */
export function toldComparison(
  comparison: Comparison,
  planned: PlannedComparison,
  compared: MetricComparison,
  verdict: Verdict,
  few: { little: string | null; minimumRows: number } = { little: null, minimumRows: 0 },
): Comparison {
  const { margin } = shownDifference(comparison);
  return {
    ...comparison,
    requirement: planned.requirement,
    ...(few.little === null
      ? { finding: findingText(planned.requirement, comparison, margin) }
      : { state: 'inconclusive' as const, finding: nothingShown }),
    ...(verdict === 'inconclusive' ? outlookOf(comparison, planned, compared, few.minimumRows) : {}),
  };
}

/**
 * Rows for 80% power at the planned delta: 0 where non-inferiority is required, the policy's `min_gain` where superiority is. A gain that
 * is smaller than planned, or that nothing is planned for, is planned for as it was measured: rows may still show it.
 * Nothing where the policy plans for no gain and none was measured; null where more rows of this kind cannot help.
 */
function outlookOf(
  { margin, alpha, delta, slice }: Comparison,
  { requirement, minimumGain }: PlannedComparison,
  { rows, unit, metric, interval }: MetricComparison,
  minimumRows: number,
): Pick<Comparison, 'rowsNeeded' | 'outlook'> {
  const superior = requirement === 'superior';
  const plannedGap = superior ? minimumGain : margin;
  const power = defaults.planningPower;
  const inputFor = (gap: number): PowerInput => ({ rows, standardError: interval.standardError, gap, alpha, power });
  const asMeasured = superior && delta > 0 && (plannedGap === null || rowsForPower(inputFor(plannedGap)) <= rows);
  const gap = asMeasured ? delta : plannedGap;
  if (gap === null) return rows < minimumRows ? { rowsNeeded: minimumRows } : {};
  const input = inputFor(gap);
  // Where nothing differs there is no standard error to plan with.
  const alike = interval.nothingDiffers === true && !superior;
  const planned = alike ? rowsWithoutDifference({ rows, bound: -interval.lower(alpha), gap }) : rowsNeeded(input);
  const needed = rows < minimumRows ? Math.max(planned ?? 0, minimumRows) : planned;
  const enough = !alike && rowsForPower(input) <= rows;
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
      asMeasured,
      onSlice: slice !== undefined,
    }),
  };
}

/** Whether an interval says anything: neither undefined nor infinite. */
export function isUsable(interval: PairedInterval, alpha: number): boolean {
  return [interval.delta, interval.lower(alpha), interval.upper(alpha)].every(Number.isFinite);
}
