import type { Fairness, Task } from '../config/schema.ts';
import { defaults } from '../config/defaults.ts';
import { ConfigError } from '../errors.ts';
import type { Check, Comparison } from '../evidence/check.ts';
import { shownDifference } from '../evidence/difference.ts';
import { stateOf, verdictOf } from './judge.ts';
import { alphaFor } from './plan.ts';
import { multinomial, randomFrom } from './random.ts';
import { decisionsOf, type Outputs, type Sample } from './sample.ts';
import { bcaInterval } from './statistics/bootstrap.ts';
import { mirrored, type PairedInterval } from './statistics/interval.ts';
import { clusterUnits, rowReplicates, rowUnits } from './statistics/resample.ts';
import { boundsText, capitalised, findingText, requirementText, shownText, valueText } from './wording.ts';

export type GapName = Fairness['gates'][number]['metric'];

/** Rates of one group, the favourable decision taken as positive. Null where no row can tell. */
export interface GroupRates {
  group: string;
  rows: number;
  selectionRate: number;
  truePositiveRate: number | null;
  falsePositiveRate: number | null;
  precision: number | null;
  accuracy: number;
}

/** Rows by sensitive group: null where the row's group was left out. */
export interface Groups {
  column: string;
  names: string[];
  /** Group number of each row, -1 for a row that is left out. */
  ofRow: Int32Array;
  /** Groups with fewer than min_rows rows. */
  small: { group: string; rows: number }[];
}

interface Gap {
  title: string;
  better: 'higher' | 'lower';
  /** The gap over groups. NaN where fewer than two groups have the rate. */
  of(rates: readonly GroupRates[]): number;
}

/** Gaps as fairlearn defines them: the largest difference (or smallest ratio) between any two groups. */
export const gaps: Record<GapName, Gap> = {
  demographic_parity_difference: {
    title: 'demographic parity difference',
    better: 'lower',
    of: (rates) => spread(rates, (rate) => rate.selectionRate),
  },
  demographic_parity_ratio: {
    title: 'demographic parity ratio',
    better: 'higher',
    of: (rates) => {
      const selected = rates.map((rate) => rate.selectionRate);
      return selected.length < 2 || Math.max(...selected) === 0
        ? Number.NaN
        : Math.min(...selected) / Math.max(...selected);
    },
  },
  equalized_odds_difference: {
    title: 'equalised odds difference',
    better: 'lower',
    of: (rates) =>
      Math.max(
        spread(rates, (rate) => rate.truePositiveRate),
        spread(rates, (rate) => rate.falsePositiveRate),
      ),
  },
  equal_opportunity_difference: {
    title: 'equal opportunity difference',
    better: 'lower',
    of: (rates) => spread(rates, (rate) => rate.truePositiveRate),
  },
  false_positive_rate_difference: {
    title: 'false positive rate difference',
    better: 'lower',
    of: (rates) => spread(rates, (rate) => rate.falsePositiveRate),
  },
  predictive_parity_difference: {
    title: 'predictive parity difference',
    better: 'lower',
    of: (rates) => spread(rates, (rate) => rate.precision),
  },
  accuracy_difference: {
    title: 'accuracy difference',
    better: 'lower',
    of: (rates) => spread(rates, (rate) => rate.accuracy),
  },
};

/** @param texts the sensitive column; a missing value is a group of its own */
export function groupsOf(column: string, texts: readonly (string | null)[], minimumRows: number): Groups {
  const counts = new Map<string, number>();
  const named = texts.map((text) => text ?? '(missing)');
  for (const name of named) counts.set(name, (counts.get(name) ?? 0) + 1);
  if (counts.size > 100) {
    throw new ConfigError({
      found: `column "${column}" has ${counts.size} different values`,
      expected: 'at most 100 groups',
      where: 'policy.fairness.columns',
    });
  }
  const names = [...counts.keys()].filter((name) => (counts.get(name) as number) >= minimumRows).sort();
  const numbers = new Map(names.map((name, number) => [name, number]));
  return {
    column,
    names,
    ofRow: Int32Array.from(named, (name) => numbers.get(name) ?? -1),
    small: [...counts.keys()]
      .filter((name) => !numbers.has(name))
      .sort()
      .map((group) => ({ group, rows: counts.get(group) as number })),
  };
}

/** Rates of every group. @param weights null counts every row once */
export function groupRates(
  sample: Sample,
  outputs: Outputs,
  groups: Groups,
  favourable: 0 | 1,
  weights: Float64Array | null = sample.weights,
): GroupRates[] {
  const decisions = decisionsOf(outputs);
  const cells = new Float64Array(groups.names.length * 4);
  for (let row = 0; row < sample.rows; row += 1) {
    const group = groups.ofRow[row] as number;
    if (group < 0) continue;
    const truth = sample.truth[row] === favourable ? 2 : 0;
    cells[group * 4 + truth + (decisions[row] === favourable ? 1 : 0)]! +=
      weights === null ? 1 : (weights[row] as number);
  }
  return ratesOf(groups.names, cells);
}

/** @param cells per group: negatives refused, negatives selected, positives refused, positives selected */
function ratesOf(names: readonly string[], cells: Float64Array): GroupRates[] {
  return names.flatMap((group, index) => {
    const [trueNegatives, falsePositives, falseNegatives, truePositives] = cells.subarray(
      index * 4,
      index * 4 + 4,
    ) as unknown as [number, number, number, number];
    const rows = trueNegatives + falsePositives + falseNegatives + truePositives;
    if (rows === 0) return [];
    return [
      {
        group,
        rows,
        selectionRate: (falsePositives + truePositives) / rows,
        truePositiveRate: share(truePositives, falseNegatives + truePositives),
        falsePositiveRate: share(falsePositives, trueNegatives + falsePositives),
        precision: share(truePositives, falsePositives + truePositives),
        accuracy: (truePositives + trueNegatives) / rows,
      },
    ];
  });
}

interface FairnessInput {
  fairness: Fairness;
  task: Task;
  sample: Sample;
  champion: Outputs | null;
  candidate: Outputs;
  alpha: number;
  /** Level at which harm is demonstrated. */
  guardAlpha: number;
  seed: number;
  /** The sensitive columns as text. */
  texts: ReadonlyMap<string, readonly (string | null)[]>;
}

/** Checks of the gaps between groups, and what a report shows of them. */
export function fairnessChecks(input: FairnessInput): { checks: Check[]; details: Record<string, unknown>[] } {
  const { fairness, task, sample, champion, candidate } = input;
  if (task !== 'binary-classification') {
    throw new ConfigError({
      found: `fairness for ${task}`,
      expected: 'binary-classification',
      where: 'policy.fairness',
    });
  }
  const favourable = fairness.favourable === 'negative' ? 0 : 1;
  const checks: Check[] = [];
  const details: Record<string, unknown>[] = [];
  for (const column of fairness.columns) {
    const groups = groupsOf(column, input.texts.get(column) ?? [], fairness.min_rows ?? defaults.minRows);
    for (const { group, rows } of groups.small) checks.push(smallGroup(column, group, rows));
    details.push({
      column,
      favourable: sample.names?.[favourable] ?? favourable,
      candidate: groupRates(sample, candidate, groups, favourable),
      ...(champion === null ? {} : { champion: groupRates(sample, champion, groups, favourable) }),
    });
    for (const [index, gate] of fairness.gates.entries()) {
      checks.push(...gateChecks(input, gate, `policy.fairness.gates[${index}]`, groups, favourable));
    }
  }
  return { checks, details };
}

function gateChecks(
  input: FairnessInput,
  gate: Fairness['gates'][number],
  where: string,
  groups: Groups,
  favourable: 0 | 1,
): Check[] {
  const { sample, champion, candidate } = input;
  const gap = gaps[gate.metric];
  if (gate.margin === undefined && gate.max === undefined && gate.min === undefined) {
    throw new ConfigError({
      found: `the gate on ${gate.metric} asks for nothing`,
      expected: 'a max, a min or a margin',
      where,
    });
  }
  const severity = gate.severity ?? 'block';
  const id = `evaluation/${gate.metric}@${groups.column}`;
  const title = `${capitalised(gap.title)} by ${groups.column}`;
  const value = gap.of(groupRates(sample, candidate, groups, favourable));
  if (!Number.isFinite(value)) {
    return [
      {
        id,
        title,
        severity,
        verdict: 'fail',
        message: `${title} could not be computed: fewer than two groups have the rate it compares.`,
        observed: null,
        required: gate.max ?? gate.min ?? null,
      },
    ];
  }
  const checks: Check[] = [];
  for (const [bound, word, holds] of [
    [gate.max, 'most', value <= (gate.max ?? 0)],
    [gate.min, 'least', value >= (gate.min ?? 0)],
  ] as const) {
    if (bound === undefined) continue;
    checks.push({
      id: `${id}-${word === 'most' ? 'ceiling' : 'floor'}`,
      title,
      severity,
      verdict: holds ? 'pass' : 'fail',
      message: `${title} is ${valueText(value)} (${extremes(groupRates(sample, candidate, groups, favourable))}), ${holds ? 'within' : 'outside'} the policy's bound of at ${word} ${bound}.`,
      observed: value,
      required: bound,
      limit: `at ${word}`,
    });
  }
  if (gate.margin === undefined || champion === null) return checks;
  const before = gap.of(groupRates(sample, champion, groups, favourable));
  const requirement = gate.require ?? 'not-inferior';
  const alpha = alphaFor(input, requirement);
  const interval = changeInterval(input, champion, gap, groups, favourable);
  const lower = interval.lower(alpha);
  const upper = interval.upper(alpha);
  if (![before, lower, upper].every(Number.isFinite)) {
    return [
      ...checks,
      {
        id,
        title,
        severity,
        verdict: 'fail',
        message: `${title} of the champion could not be computed.`,
        observed: value,
        required: null,
      },
    ];
  }
  const verdict = verdictOf(requirement, lower, upper, gate.margin);
  const state = stateOf(lower, upper, gate.margin);
  const bounds: Comparison = {
    metric: gate.metric,
    slice: groups.column,
    scale: 'share',
    champion: before,
    candidate: value,
    delta: interval.delta,
    lower,
    upper,
    margin: gate.margin,
    alpha,
    state,
    method: interval.method,
    n: sample.rows,
    seed: input.seed,
  };
  const { margin } = shownDifference(bounds);
  const comparison = { ...bounds, finding: findingText(requirement, bounds, margin) };
  checks.push({
    id,
    title,
    severity,
    verdict,
    message: `${title} is ${valueText(value)} against the champion's ${valueText(before)} (${boundsText(gap.better, bounds)}): ${shownText(comparison)}.`,
    observed: value,
    required: requirementText(requirement, margin),
    comparison,
  });
  return checks;
}

/** Interval on the change of a gap: rows drawn within their group (as joint counts), or whole clusters. Positive is better. */
function changeInterval(
  { sample, candidate, seed }: FairnessInput,
  champion: Outputs,
  gap: Gap,
  groups: Groups,
  favourable: 0 | 1,
): PairedInterval {
  const change = (weights: Float64Array | null): number =>
    gap.of(groupRates(sample, candidate, groups, favourable, weights)) -
    gap.of(groupRates(sample, champion, groups, favourable, weights));
  const plain = sample.weights === null && sample.clusters === null;
  const resamples = 2000;
  const values = plain
    ? jointReplicates({ sample, champion, candidate, gap, groups, favourable, resamples, seed })
    : rowReplicates({
        statistic: change,
        units: sample.clusters === null ? rowUnits(sample.rows, groups.ofRow) : clusterUnits(sample.clusters),
        rows: sample.rows,
        base: sample.weights,
        resamples: 500,
        seed,
      });
  const interval = bcaInterval({
    delta: change(sample.weights),
    values,
    acceleration: 0,
    seed,
    method: sample.clusters === null ? 'bootstrap-groups' : 'bootstrap-clusters',
  });
  return gap.better === 'higher' ? interval : mirrored(interval);
}

function jointReplicates(input: {
  sample: Sample;
  champion: Outputs;
  candidate: Outputs;
  gap: Gap;
  groups: Groups;
  favourable: 0 | 1;
  resamples: number;
  seed: number;
}): Float64Array {
  const { sample, champion, candidate, gap, groups, favourable, resamples, seed } = input;
  const [before, after] = [decisionsOf(champion), decisionsOf(candidate)];
  const joint = groups.names.map(() => new Float64Array(8));
  for (let row = 0; row < sample.rows; row += 1) {
    const cells = joint[groups.ofRow[row] as number];
    if (cells === undefined) continue;
    const bit = (value: number | undefined): number => (value === favourable ? 1 : 0);
    cells[bit(sample.truth[row]) * 4 + bit(before[row]) * 2 + bit(after[row])]! += 1;
  }
  const totals = joint.map((cells) => cells.reduce((sum, cell) => sum + cell, 0));
  const random = randomFrom(seed);
  const drawn = new Float64Array(8);
  const sides = [new Float64Array(joint.length * 4), new Float64Array(joint.length * 4)] as const;
  return Float64Array.from({ length: resamples }, () => {
    sides[0].fill(0);
    sides[1].fill(0);
    for (const [group, cells] of joint.entries()) {
      multinomial(random, totals[group] as number, cells, drawn);
      for (let cell = 0; cell < 8; cell += 1) {
        const truth = cell & 4 ? 2 : 0;
        sides[0][group * 4 + truth + (cell & 2 ? 1 : 0)]! += drawn[cell] as number;
        sides[1][group * 4 + truth + (cell & 1)]! += drawn[cell] as number;
      }
    }
    return gap.of(ratesOf(groups.names, sides[1])) - gap.of(ratesOf(groups.names, sides[0]));
  });
}

function spread(rates: readonly GroupRates[], of: (rate: GroupRates) => number | null): number {
  const values = rates.map(of).filter((value) => value !== null);
  return values.length < 2 ? Number.NaN : Math.max(...values) - Math.min(...values);
}

function share(part: number, whole: number): number | null {
  return whole === 0 ? null : part / whole;
}

function extremes(rates: readonly GroupRates[]): string {
  const sorted = [...rates].sort((a, b) => a.selectionRate - b.selectionRate);
  const [least, most] = [sorted[0], sorted.at(-1)];
  if (least === undefined || most === undefined) return 'no group';
  return `selected: ${valueText(least.selectionRate)} of ${least.group}, ${valueText(most.selectionRate)} of ${most.group}`;
}

function smallGroup(column: string, group: string, rows: number): Check {
  return {
    id: `evaluation/fairness@${column}=${group.slice(0, 100)}`,
    title: `Fairness by ${column}`,
    verdict: 'skipped',
    severity: 'info',
    message: `Group ${column}=${group.slice(0, 100)} was left out of the fairness gaps: it has ${rows} rows, fewer than min_rows.`,
    observed: rows,
    required: null,
  };
}
