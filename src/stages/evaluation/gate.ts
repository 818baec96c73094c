import type { Check, Comparison, Verdict } from '../../evidence/check.ts';
import { shownDifference, statedSize } from '../../evidence/difference.ts';
import { capitalised, counted } from '../../wording.ts';
import { compareMetric, type MetricComparison } from './compare.ts';
import { comparisonOf, isUsable, marginFor, marginOn, relativeMargin, tooLittle, toldComparison } from './judge.ts';
import { metricValue, type Metric } from './metrics/metric.ts';
import { countingQueries } from './metrics/ranking.ts';
import { alphaFor, type Plan, type PlannedComparison, type PlannedMetric } from './plan.ts';
import { outputRows, sampleRows, type Outputs, type Sample } from './sample.ts';
import type { SliceRows } from './slices.ts';
import { holm } from '../../statistics/multiplicity.ts';
import { comparisonText, requirementText, valueText, verdictOf } from '../comparison.ts';

export interface Gate {
  plan: Plan;
  sample: Sample;
  candidate: Outputs;
}

export interface ChampionGate extends Gate {
  champion: Outputs;
}

/** A check against the champion, with the comparison it rests on; null where there was none to make. */
export interface Compared {
  check: Check;
  slice: SliceRows | null;
  comparison: MetricComparison | null;
}

/** Checks of the primary metric and the guardrails against the champion. @param families slices of each guardrail, in order */
export function* comparisonChecks(gate: ChampionGate, families: readonly (SliceRows[] | null)[]): Generator<Compared> {
  for (const [index, planned] of [gate.plan.primary, ...gate.plan.guardrails].entries()) {
    if (planned.comparison === null) continue;
    const slices = index === 0 ? null : (families[index - 1] ?? null);
    if (slices === null) yield wholeCheck(gate, planned, planned.comparison);
    else yield* sliceChecks(gate, planned, planned.comparison, slices);
  }
}

/** Absolute floors and ceilings of the candidate. */
export function floorChecks({ plan, sample, candidate }: Gate): Check[] {
  return [plan.primary, ...plan.guardrails].flatMap(({ metric, floor, ceiling, severity }) => {
    const bounds = [
      { bound: floor, word: 'floor', limit: 'at least', holds: (value: number) => value >= (floor as number) },
      { bound: ceiling, word: 'ceiling', limit: 'at most', holds: (value: number) => value <= (ceiling as number) },
    ] as const;
    return bounds.flatMap(({ bound, word, limit, holds }): Check[] => {
      if (bound === null) return [];
      const id = `evaluation/${metric.name}-${word}`;
      const title = `${capitalised(metric.title)}: ${word}`;
      const problem = cannotCompute(metric, sample, { candidate });
      if (problem !== null) return [uncomputable(id, title, severity, problem, bound)];
      const value = metricValue(metric, sample, candidate);
      if (!Number.isFinite(value)) {
        return [uncomputable(id, title, severity, { verdict: 'fail', reason: `${metric.title} is not finite` }, bound)];
      }
      const passes = holds(value);
      return [
        {
          id,
          title,
          verdict: passes ? 'pass' : 'fail',
          severity,
          message: `${capitalised(metric.title)} is ${valueText(value)}, ${passes ? 'within' : 'outside'} the policy's bound of ${limit} ${bound}.`,
          observed: value,
          required: bound,
          limit,
        },
      ];
    });
  });
}

/** What stands in the champion's place, and the comparison where it was made already. */
interface InPlace {
  name: 'anchor';
  version: string;
  known: MetricComparison | null;
}

/** The comparison on the whole evaluation set. @param other what `gate.champion` is, if it is not the champion */
export function wholeCheck(
  gate: ChampionGate,
  { metric, severity }: PlannedMetric,
  planned: PlannedComparison,
  other?: InPlace,
): Compared {
  const { plan, sample } = gate;
  const alpha = alphaFor(plan, planned.requirement);
  const rival = other?.name ?? 'champion';
  const id = `evaluation/${metric.name}${other === undefined ? '' : `@${rival}`}`;
  const title = `${capitalised(metric.title)} against the ${rival}`;
  const not = (problem: Problem): Compared => {
    const check = uncomputable(id, title, severity, problem, statedRequirement(planned, metric));
    return { check, slice: null, comparison: null };
  };
  const problem = cannotCompute(metric, sample, gate, rival);
  if (problem !== null) return not(problem);
  const compared =
    other?.known ??
    compareMetric(metric, sample, gate.champion, gate.candidate, {
      seed: plan.seed,
      level: alpha,
      relative: relativeMargin(planned),
    });
  const unusable = notFinite(compared, rival) ?? (isUsable(compared.interval, alpha) ? null : unboundedOf(compared));
  if (unusable !== null) return not(unusable);
  const margin = marginFor(planned, compared);
  const little = tooLittle(compared, plan.minimumRows);
  const bounds = {
    ...comparisonOf(compared, { margin, alpha }),
    ...(other === undefined ? {} : { anchor: other.version }),
  };
  const verdict =
    little === null ? verdictOf(planned.requirement, bounds.lower, bounds.upper, margin) : ('inconclusive' as const);
  const comparison = toldComparison(bounds, planned, compared, verdict, { little, minimumRows: plan.minimumRows });
  const unplanned =
    verdict === 'inconclusive' && comparison.outlook === undefined && planned === plan.primary.comparison;
  const advice = unplanned
    ? '; set policy.primary.min_gain, the smallest gain worth detecting, to see how many rows are needed'
    : outlookOf(comparison);
  return {
    check: {
      id,
      title,
      verdict,
      severity,
      message: `${capitalised(comparisonText(metric, comparison))}${little === null ? '' : `, since ${little}`}${advice}.`,
      observed: compared.candidate,
      required: requiredText(planned, comparison),
      comparison,
    },
    slice: null,
    comparison: compared,
  };
}

/** Whose fault it is that a value is no number: a candidate's fails, a champion's shows nothing of the candidate. */
function notFinite({ metric, candidate, champion }: MetricComparison, rival = 'champion'): Problem | null {
  if (!Number.isFinite(candidate)) return { verdict: 'fail', reason: `${metric.title} of the candidate is not finite` };
  return Number.isFinite(champion)
    ? null
    : { verdict: 'inconclusive', reason: `${metric.title} of the ${rival} is not finite` };
}

/** Both values are numbers, and nothing bounds their difference. */
function unboundedOf({ interval }: MetricComparison): Problem {
  return { verdict: 'inconclusive', reason: interval.unknown ?? 'the bounds of the difference are not finite' };
}

/** One guardrail over its slices: one family for Holm's correction of "demonstrated harm". */
function* sliceChecks(
  gate: ChampionGate,
  planned: PlannedMetric,
  comparison: PlannedComparison,
  slices: readonly SliceRows[],
): Generator<Compared> {
  const { metric } = planned;
  const required = new Set(comparison.slices?.required ?? []);
  const minimumRows = comparison.slices?.minimumRows ?? 1;
  const alpha = alphaFor(gate.plan, comparison.requirement);
  const guarded = comparison.requirement === 'not-inferior';
  // Holm's correction asks the smallest p-value at alpha over the number of slices.
  const level = guarded ? alpha / Math.max(1, slices.length) : alpha;
  const unjudged = (slice: SliceRows, reason: string, verdict: Verdict): Compared => ({
    check: unjudgedSlice(planned, slice.name, reason, { verdict, required: required.has(slice.name) }),
    slice,
    comparison: null,
  });
  const compared: { slice: SliceRows; result: MetricComparison; margin: number }[] = [];
  for (const slice of slices) {
    const part = sampleRows(gate.sample, slice.rows);
    const [champion, candidate] = (['champion', 'candidate'] as const).map((side) => ({
      ...outputRows(gate[side], gate.sample, slice.rows),
      ...(slice.measured === undefined ? {} : { measured: slice.measured[side] }),
    })) as [Outputs, Outputs];
    const size = part.queries === undefined ? part.rows : countingQueries(part).length;
    const few =
      size < minimumRows
        ? `it has ${part.queries === undefined ? counted(size, 'rows') : `${counted(size, 'queries')} that ${size === 1 ? 'counts' : 'count'}`}, fewer than min_rows ${minimumRows}`
        : part.weights?.every((weight) => weight === 0) === true
          ? 'all its rows have the weight 0'
          : null;
    const problem = few ?? cannotCompute(metric, part, { champion, candidate })?.reason ?? null;
    const absent = required.has(slice.name) ? 'fail' : 'skipped';
    if (problem !== null) {
      yield unjudged(slice, problem, absent);
      continue;
    }
    const result = compareMetric(metric, part, champion, candidate, {
      seed: gate.plan.seed,
      level,
      relative: relativeMargin(comparison),
    });
    const broken = notFinite(result);
    const margin = marginOn(comparison, result);
    const unclear =
      broken?.reason ??
      (margin === null
        ? `relative_margin needs a champion with a positive value, and it has ${result.champion}`
        : null) ??
      tooLittle(result, minimumRows) ??
      (isUsable(result.interval, alpha) ? null : unboundedOf(result).reason);
    if (broken?.verdict === 'fail') yield unjudged(slice, broken.reason, 'fail');
    // Nobody's fault: a slice that must be shown is open, and so is one that looks harmed; one that is guarded shows no harm.
    else if (unclear !== null || margin === null) {
      const open = required.has(slice.name) || !guarded || (margin !== null && result.interval.delta < -margin);
      yield unjudged(slice, unclear ?? '', open ? 'inconclusive' : 'skipped');
    } else compared.push({ slice, result, margin });
  }
  const harm = holm(compared.map(({ result, margin }) => result.interval.pBelow(-margin)));
  for (const [index, each] of compared.entries()) {
    yield {
      check: sliceCheck(gate.plan, planned, comparison, each, harm[index] as number, compared.length),
      slice: each.slice,
      comparison: each.result,
    };
  }
}

function sliceCheck(
  plan: Plan,
  { metric, severity }: PlannedMetric,
  planned: PlannedComparison,
  { slice, result, margin }: { slice: SliceRows; result: MetricComparison; margin: number },
  harm: number,
  family: number,
): Check {
  const alpha = alphaFor(plan, planned.requirement);
  const guarded = planned.requirement === 'not-inferior';
  const level = guarded ? alpha / family : alpha;
  const bounds = comparisonOf(result, { margin, alpha, level, slice: slice.name });
  const verdict: Verdict = guarded
    ? harm < alpha
      ? 'fail'
      : 'pass'
    : verdictOf(planned.requirement, bounds.lower, bounds.upper, margin);
  // Below the margin by its own bound, but not once the number of slices is accounted for: not demonstrated.
  const withdrawn = guarded && verdict === 'pass' && bounds.state === 'inferior';
  const told = toldComparison(
    { ...bounds, ...(withdrawn ? { state: 'inconclusive' as const } : {}) },
    planned,
    result,
    verdict,
  );
  const correction =
    guarded && (verdict === 'fail' || withdrawn) ? ` (p = ${harm.toPrecision(2)}, corrected for ${family} slices)` : '';
  // The row of a slice says itself why a loss of more than the margin does not decide.
  const comparison = { ...told, finding: `${told.finding ?? told.state}${correction}` };
  return {
    id: `evaluation/${metric.name}@${slice.name}`,
    title: `${capitalised(metric.title)} on ${slice.name}`,
    verdict,
    severity,
    message: `${capitalised(comparisonText(metric, comparison))}${outlookOf(comparison)}.`,
    observed: result.candidate,
    required: requiredText(planned, comparison),
    comparison,
  };
}

function unjudgedSlice(
  { metric, severity }: PlannedMetric,
  name: string,
  reason: string,
  { verdict, required }: { verdict: Verdict; required: boolean },
): Check {
  return {
    id: `evaluation/${metric.name}@${name}`,
    title: `${capitalised(metric.title)} on ${name}`,
    verdict,
    severity: verdict === 'skipped' ? 'info' : severity,
    message: `${capitalised(metric.title)} on ${name} was not compared: ${reason}${required ? ', and the policy requires it' : ''}.`,
    observed: null,
    required: verdict === 'skipped' ? null : 'a comparison on this slice',
  };
}

function requiredText({ requirement, margin }: PlannedComparison, comparison: Comparison): string {
  return requirementText(requirement, shownDifference(comparison).margin, margin.value > 0);
}

/** The same where nothing was compared. */
function statedRequirement({ requirement, margin }: PlannedComparison, { scale }: Metric): string {
  const { kind, value } = margin;
  const size = kind === 'absolute' ? statedSize(value, scale) : `${statedSize(100 * value, 'value')}%`;
  return requirementText(requirement, size, value > 0);
}

function outlookOf({ outlook }: Comparison): string {
  return outlook === undefined ? '' : `; ${outlook}`;
}

interface Problem {
  verdict: Verdict;
  reason: string;
}

/**
 * Why the metric cannot be computed, if so. A sample it means nothing on shows nothing (inconclusive), and so does a champion
 * without the outputs it needs; a candidate without them fails.
 */
export function cannotCompute(
  metric: Metric,
  sample: Sample,
  outputs: { candidate: Outputs; champion?: Outputs },
  rival = 'champion',
): Problem | null {
  const undefinedOn = metric.undefinedOn?.(sample) ?? null;
  if (undefinedOn !== null) return { verdict: 'inconclusive', reason: undefinedOn };
  const lacks = (each: Outputs): string | null => {
    if (metric.needs === 'decisions') return each.decisions === null ? 'makes no class decisions' : null;
    if (each.scores === null) return 'has labels without scores';
    return metric.needs === 'probabilities' && !each.probabilities
      ? 'gives scores that are not probabilities (set transform: sigmoid or softmax)'
      : null;
  };
  const candidate = lacks(outputs.candidate);
  if (candidate !== null) return { verdict: 'fail', reason: `the candidate ${candidate}` };
  const champion = outputs.champion === undefined ? null : lacks(outputs.champion);
  return champion === null ? null : { verdict: 'inconclusive', reason: `the ${rival} ${champion}` };
}

function uncomputable(
  id: string,
  title: string,
  severity: Check['severity'],
  problem: Problem,
  required: Check['required'],
): Check {
  return {
    id,
    title,
    verdict: problem.verdict,
    severity,
    message: `${title} could not be computed: ${problem.reason}.`,
    observed: null,
    required,
  };
}
