import type { Task } from '../../config/schema.ts';
import type { Requirement } from '../../config/forms.ts';
import type { Fairness } from './schema.ts';
import { defaults } from '../../config/defaults.ts';
import { ConfigError } from '../../errors.ts';
import type { Check, Comparison } from '../../evidence/check.ts';
import { shownDifference } from '../../evidence/difference.ts';
import { capitalised, counted } from '../../wording.ts';
import { boundsOfGap, gaps, rateTitles, type Gap, type Rate } from './gaps.ts';
import { minimumClusters } from './judge.ts';
import { alphaFor } from './plan.ts';
import { multinomial, randomFrom } from '../../statistics/random.ts';
import { decisionsOf, type Outputs, type Sample } from './sample.ts';
import { standardErrorInterval } from './statistics/bootstrap.ts';
import { unknownInterval, type PairedInterval } from './statistics/interval.ts';
import { holm } from '../../statistics/multiplicity.ts';
import { clusterUnits, rowReplicates, rowUnits } from './statistics/resample.ts';
import { boundsText, findingText, requirementText, shownText, stateOf, valueText, verdictOf } from '../comparison.ts';

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
  /** Rows of each of these groups, whatever their weights. */
  sizes: number[];
  /** Group number of each row, -1 for a row that is left out. */
  ofRow: Int32Array;
  /** Groups with fewer than min_rows rows. */
  small: { group: string; rows: number }[];
}

/** The two groups furthest apart, and the rate in which they are. */
interface Widest {
  rate: Rate;
  least: string;
  most: string;
}

/** Where the gap is widest; null where fewer than two groups have a rate it compares. */
function widestOf(gap: Gap, rates: readonly GroupRates[]): Widest | null {
  let widest: Widest | null = null;
  let value = Number.NEGATIVE_INFINITY;
  for (const rate of gap.rates) {
    const known = rates.filter((each) => each[rate] !== null).sort((a, b) => (a[rate] as number) - (b[rate] as number));
    const [least, most] = [known[0], known.at(-1)];
    // As fairlearn: odds are those of all groups that have them, and both rates must be there.
    if (least === undefined || most === undefined || known.length < 2) return null;
    const distance = (most[rate] as number) - (least[rate] as number);
    if (distance <= value) continue;
    value = distance;
    widest = { rate, least: least.group, most: most.group };
  }
  return widest;
}

/** How far apart these two groups are, in this direction; NaN where either has no such rate. */
function apart({ better }: Gap, rates: readonly GroupRates[], { rate, least, most }: Widest): number {
  const valueOf = (group: string): number => rates.find((each) => each.group === group)?.[rate] ?? Number.NaN;
  if (better === 'lower') return valueOf(most) - valueOf(least);
  return valueOf(most) === 0 ? Number.NaN : valueOf(least) / valueOf(most);
}

/** The gap over groups. NaN where fewer than two groups have the rate. */
export function gapOf(gap: Gap, rates: readonly GroupRates[]): number {
  const widest = widestOf(gap, rates);
  return widest === null ? Number.NaN : apart(gap, rates, widest);
}

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
    sizes: names.map((name) => counts.get(name) as number),
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
  return ratesOf(groups, cells);
}

/** @param cells per group: negatives refused, negatives selected, positives refused, positives selected */
function ratesOf({ names, sizes }: Groups, cells: Float64Array): GroupRates[] {
  return names.flatMap((group, index) => {
    const [trueNegatives, falsePositives, falseNegatives, truePositives] = cells.subarray(
      index * 4,
      index * 4 + 4,
    ) as unknown as [number, number, number, number];
    const total = trueNegatives + falsePositives + falseNegatives + truePositives;
    if (total === 0) return [];
    return [
      {
        group,
        rows: sizes[index] as number,
        selectionRate: (falsePositives + truePositives) / total,
        truePositiveRate: share(truePositives, falseNegatives + truePositives),
        falsePositiveRate: share(falsePositives, trueNegatives + falsePositives),
        precision: share(truePositives, falsePositives + truePositives),
        accuracy: (truePositives + trueNegatives) / total,
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

/** A comparison of a gap with the champion's, before it is known how many others there are. */
interface Pending extends Pick<Check, 'id' | 'title' | 'severity'> {
  requirement: Requirement;
  margin: number;
  interval: PairedInterval;
  /** Groups without a rate, as a sentence; empty where there is none. */
  left: string;
  better: Gap['better'];
  of: Pick<Comparison, 'metric' | 'slice' | 'scale' | 'champion' | 'candidate'>;
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
  const found: (Check | Pending)[] = [];
  const details: Record<string, unknown>[] = [];
  for (const column of fairness.columns) {
    const groups = groupsOf(column, input.texts.get(column) ?? [], fairness.min_rows ?? defaults.minRows);
    for (const { group, rows } of groups.small) found.push(smallGroup(column, group, rows));
    details.push({
      column,
      favourable: sample.names?.[favourable] ?? favourable,
      candidate: groupRates(sample, candidate, groups, favourable),
      ...(champion === null ? {} : { champion: groupRates(sample, champion, groups, favourable) }),
    });
    for (const [index, gate] of fairness.gates.entries()) {
      found.push(...gateChecks(input, gate, `policy.fairness.gates[${index}]`, groups, favourable));
    }
  }
  // One family for "demonstrated harm", as slices are: every gate on every column.
  const guarded = found.flatMap((each) => ('interval' in each && each.requirement === 'not-inferior' ? [each] : []));
  const corrected = holm(guarded.map(({ interval, margin }) => interval.pBelow(-margin)));
  const harm = new Map(guarded.map((each, index) => [each, corrected[index] as number]));
  const checks = found.map((each) =>
    'interval' in each ? changeCheck(input, each, harm.get(each) ?? null, guarded.length) : each,
  );
  return { checks, details };
}

function gateChecks(
  input: FairnessInput,
  gate: Fairness['gates'][number],
  where: string,
  groups: Groups,
  favourable: 0 | 1,
): (Check | Pending)[] {
  const { sample, champion, candidate } = input;
  const gap = gaps[gate.metric];
  const { most, least, margin } = boundsOfGap(gate, where);
  const severity = gate.severity ?? 'block';
  const id = `evaluation/${gate.metric}@${groups.column}`;
  const title = `${capitalised(gap.title)} by ${groups.column}`;
  const rates = groupRates(sample, candidate, groups, favourable);
  const widest = widestOf(gap, rates);
  const value = widest === null ? Number.NaN : apart(gap, rates, widest);
  const leftOut = leftOutText(gap, sample, favourable, [{ of: '', rates }]);
  if (widest === null || !Number.isFinite(value)) {
    return [
      {
        id,
        title,
        severity,
        verdict: 'fail',
        message: `${title} could not be computed: ${widest === null ? 'fewer than two groups have the rate it compares' : `nobody is ${rateTitles[widest.rate]} in any group`}.${leftOut}`,
        observed: null,
        required: most ?? least,
      },
    ];
  }
  const checks: (Check | Pending)[] = [];
  for (const [bound, word, holds] of [
    [most, 'most', value <= (most ?? 0)],
    [least, 'least', value >= (least ?? 0)],
  ] as const) {
    if (bound === null) continue;
    checks.push({
      id: `${id}-${word === 'most' ? 'ceiling' : 'floor'}`,
      title,
      severity,
      verdict: holds ? 'pass' : 'fail',
      message: `${title} is ${valueText(value)} (${extremes(rates, widest)}), ${holds ? 'within' : 'outside'} the policy's bound of at ${word} ${bound}.${leftOut}`,
      observed: value,
      required: bound,
      limit: `at ${word}`,
    });
  }
  if (margin === null || champion === null) return checks;
  const theirs = groupRates(sample, champion, groups, favourable);
  const before = gapOf(gap, theirs);
  const left = leftOutText(gap, sample, favourable, [
    { of: ' of the candidate', rates },
    { of: ' of the champion', rates: theirs },
  ]);
  const interval = changeInterval(input, champion, { gap, widest, groups, favourable });
  const requirement = gate.require ?? 'not-inferior';
  const of = { metric: gate.metric, slice: groups.column, scale: 'share', champion: before, candidate: value } as const;
  return [...checks, { id, title, severity, requirement, margin, interval, left, better: gap.better, of }];
}

/** @param harm p-value of demonstrated harm, corrected; null where the requirement is another */
function changeCheck(
  input: FairnessInput,
  { id, title, severity, requirement, margin, interval, left, better, of }: Pending,
  harm: number | null,
  family: number,
): Check {
  const { champion: before, candidate: value } = of;
  const common = { id, title, severity, observed: value };
  const alpha = alphaFor(input, requirement);
  const lower = interval.lower(alpha);
  const upper = interval.upper(alpha);
  if (![before, lower, upper].every(Number.isFinite)) {
    const why = Number.isFinite(before) ? (interval.unknown ?? 'its bounds are not finite') : 'it has no value';
    const what = Number.isFinite(before) ? `The change of ${title}` : `${title} of the champion`;
    const message = `${what} could not be computed: ${why}.${left}`;
    return { ...common, verdict: 'inconclusive', message, required: null };
  }
  const verdict =
    harm === null ? verdictOf(requirement, lower, upper, margin) : harm < alpha ? ('fail' as const) : ('pass' as const);
  const uncorrected = stateOf(lower, upper, margin);
  const withdrawn = harm !== null && verdict === 'pass' && uncorrected === 'inferior';
  const state = withdrawn ? 'inconclusive' : uncorrected;
  const { delta, method } = interval;
  const drawn = { method, n: input.sample.rows, seed: input.seed };
  const bounds: Comparison = { ...of, delta, lower, upper, margin, alpha, state, ...drawn };
  const stated = shownDifference(bounds).margin;
  const comparison = { ...bounds, finding: findingText(requirement, bounds, stated) };
  const correction =
    harm !== null && family > 1 && (verdict === 'fail' || withdrawn)
      ? ` (p = ${harm.toPrecision(2)}, corrected for ${family} gaps)`
      : '';
  return {
    ...common,
    verdict,
    message: `${title} is ${valueText(value)} against the champion's ${valueText(before)} (${boundsText(better, bounds)}): ${shownText(comparison)}${correction}.${left}`,
    required: requirementText(requirement, stated, margin > 0),
    comparison,
  };
}

interface Change {
  gap: Gap;
  /** Where the candidate's gap is widest. */
  widest: Widest;
  groups: Groups;
  favourable: 0 | 1;
}

/**
 * Interval on the change of a gap: rows drawn within their group (as joint counts), or whole clusters. Positive is better.
 *
 * A largest difference has kinks, and is biased upward the more the smaller it is: a champion without a gap seems to have one, and a
 * candidate with one seems to have lost less. The lower bound is therefore that of the two groups between which the candidate's gap is
 * widest: the champion's gap is at least theirs, so that the candidate has improved at least as much as they have (an
 * intersection-union argument; taking the groups that look worst makes it the more cautious). The upper bound is normal.
 */
function changeInterval(input: FairnessInput, champion: Outputs, change: Change): PairedInterval {
  const { sample, candidate, seed } = input;
  const { gap, widest, groups, favourable } = change;
  const improvements = (before: readonly GroupRates[], after: readonly GroupRates[]): [number, number] => {
    const sign = gap.better === 'higher' ? 1 : -1;
    return [
      sign * (gapOf(gap, after) - gapOf(gap, before)),
      sign * (apart(gap, after, widest) - apart(gap, before, widest)),
    ];
  };
  const under = (weights: Float64Array | null): [number, number] =>
    improvements(
      groupRates(sample, champion, groups, favourable, weights),
      groupRates(sample, candidate, groups, favourable, weights),
    );
  const { clusters } = sample;
  const units = clusters === null ? rowUnits(sample.rows, groups.ofRow) : clusterUnits(clusters);
  const resamples = sample.weights === null && clusters === null ? 2000 : 500;
  const replicates = [new Float64Array(resamples), new Float64Array(resamples)] as const;
  const keep = (at: number, [whole, fixed]: readonly [number, number]): void => {
    replicates[0][at] = whole;
    replicates[1][at] = fixed;
  };
  if (sample.weights === null && clusters === null) {
    let at = 0;
    for (const { before, after } of jointReplicates(input, champion, change, resamples)) {
      keep(at, improvements(before, after));
      at += 1;
    }
  } else {
    let at = 0;
    const statistic = (weights: Float64Array): number => {
      keep(at, under(weights));
      at += 1;
      return 0;
    };
    rowReplicates({ statistic, units, rows: sample.rows, base: sample.weights, resamples, seed });
  }
  const [delta, fixed] = under(sample.weights);
  const method = clusters === null ? 'bootstrap-groups' : 'bootstrap-clusters';
  if (clusters !== null && units.count < minimumClusters)
    return unknownInterval(delta, `rows lie in ${units.count} clusters, fewer than ${minimumClusters}`);
  const observations = clusters === null ? {} : { observations: units.count };
  const [whole, pair] = [
    standardErrorInterval({ delta, values: replicates[0], method, seed, ...observations }),
    standardErrorInterval({ delta: fixed, values: replicates[1], method, seed, ...observations }),
  ];
  return {
    ...whole,
    lower: (alpha) => Math.min(delta, pair.lower(alpha)),
    pAbove: (value) => (value >= delta ? Math.max(0.5, pair.pAbove(value)) : pair.pAbove(value)),
  };
}

/** Rates of both models by group, the rows of every group drawn anew. */
function* jointReplicates(
  { sample, candidate, seed }: FairnessInput,
  champion: Outputs,
  { groups, favourable }: Change,
  resamples: number,
): Generator<{ before: GroupRates[]; after: GroupRates[] }> {
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
  for (let resample = 0; resample < resamples; resample += 1) {
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
    yield { before: ratesOf(groups, sides[0]), after: ratesOf(groups, sides[1]) };
  }
}

function share(part: number, whole: number): number | null {
  return whole === 0 ? null : part / whole;
}

/** "true positive rate: 0.5000 of A, 0.9000 of B" */
function extremes(rates: readonly GroupRates[], { rate, least, most }: Widest): string {
  const of = (group: string): string =>
    `${valueText(rates.find((each) => each.group === group)?.[rate] ?? Number.NaN)} of ${group}`;
  return `${rateTitles[rate]}: ${of(least)}, ${of(most)}`;
}

/** " Left out: C has no true positive rate (no row is labelled 1)." Empty where every group has every rate that is compared. */
function leftOutText(
  gap: Gap,
  { names }: Sample,
  favourable: 0 | 1,
  sides: readonly { of: string; rates: readonly GroupRates[] }[],
): string {
  const label = (each: 0 | 1): string => JSON.stringify(names?.[each] ?? String(each));
  const other = favourable === 1 ? 0 : 1;
  const reasons: Partial<Record<Rate, string>> = {
    truePositiveRate: `no row is labelled ${label(favourable)}`,
    falsePositiveRate: `no row is labelled ${label(other)}`,
    precision: `no row is predicted ${label(favourable)}`,
  };
  // What hangs on labels alone is the same for both models.
  const found = gap.rates.flatMap((rate) =>
    sides.flatMap(({ of, rates }) =>
      rates.flatMap((each) =>
        each[rate] === null
          ? [
              `${each.group.slice(0, 100)} has no ${rateTitles[rate]}${rate === 'precision' ? of : ''} (${reasons[rate] ?? 'it has no value'})`,
            ]
          : [],
      ),
    ),
  );
  return found.length === 0 ? '' : ` Excluded: ${[...new Set(found)].join('; ')}.`;
}

function smallGroup(column: string, group: string, rows: number): Check {
  return {
    id: `evaluation/fairness@${column}=${group.slice(0, 100)}`,
    title: `Fairness by ${column}`,
    verdict: 'skipped',
    severity: 'info',
    message: `Group ${column}=${group.slice(0, 100)} was excluded from the fairness gaps: it has ${counted(rows, 'rows')}, fewer than min_rows.`,
    observed: rows,
    required: null,
  };
}
