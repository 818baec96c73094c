import { classText } from '../data/class-text.ts';
import { normalCdf } from '../statistics/distributions.ts';
import { countsOf, edgesWithAtoms, innerEdges, quantile, sampleOf, sizeOf, type Sample } from './bins.ts';
import { withSameNumbers } from './same-numbers.ts';
import {
  chiSquared,
  chiSquaredP,
  correctedPsi,
  cramersV,
  jensenShannonDistance,
  klDivergence,
  kolmogorovSmirnov,
  psi,
  wasserstein,
  type PairedCounts,
} from './measures.ts';
import { sum } from '../statistics/sums.ts';

/** The values of one numeric column. NaN is missing; infinities are counted apart, since they have no place among quantiles. */
export interface NumericValues {
  kind: 'number';
  /** Finite values. */
  sorted: Sample;
  missing: number;
  infinite: { negative: number; positive: number };
}

/** The values of one column of categories, as texts. */
export interface CategoricalValues {
  kind: 'category';
  counts: ReadonlyMap<string, number>;
  missing: number;
  /** Rows of categories too rare to be told apart, which are not in `counts`; in a profile that was published. */
  rare?: number;
}

export type ColumnValues = NumericValues | CategoricalValues;

/** The values of rows of a column of numbers. @param values NaN where there is none */
export function numericValues(values: Float64Array): NumericValues {
  const found: NumericValues = {
    kind: 'number',
    sorted: sampleOf(values),
    missing: 0,
    infinite: { negative: 0, positive: 0 },
  };
  for (const value of values) {
    if (Number.isNaN(value)) found.missing += 1;
    else if (value === Infinity) found.infinite.positive += 1;
    else if (value === -Infinity) found.infinite.negative += 1;
  }
  return found;
}

/** The values of rows of a column of texts; classes of one name, such as 1 and 1.0, are one. @param values null where there is none */
export function categoricalValues(values: Iterable<string | null>): CategoricalValues {
  const counts = new Map<string, number>();
  let missing = 0;
  for (const value of values) {
    if (value === null) {
      missing += 1;
      continue;
    }
    const name = classText(value);
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return { kind: 'category', counts, missing };
}

/** Raw measures, in the conventions of scipy and numpy: see docs/drift.md. Null where a measure is not of this kind of column. */
export interface DriftMeasures {
  kind: 'number' | 'category';
  /** Rows with a value, reference and current. */
  n: [reference: number, current: number];
  missing: [reference: number, current: number];
  psi: number;
  /** Nats, of current from reference. */
  kl: number;
  js_distance: number;
  ks: number | null;
  ks_p: number | null;
  /** In units of the column. */
  wasserstein: number | null;
  /** Divided by the interquartile range of the reference; null where that is 0. */
  wasserstein_over_iqr: number | null;
  chi_squared: number;
  cramers_v: number;
  /** p-value of the test of the distribution: see `ColumnDrift.tests`. */
  p: number;
}

/** One question put to a column: has this changed by more than sampling explains, and by how much? */
export interface DriftTest {
  of: 'distribution' | 'missing' | 'new-categories';
  /** What the threshold is compared with: corrected PSI, or a change of a share. */
  effect: number;
  /** Of a distribution: the PSI of the bins that decide, before its correction. */
  psi?: number;
  p: number;
}

export interface ColumnDrift {
  measures: DriftMeasures;
  /** Of what the values are; see `missingTest` for those that are not there. */
  tests: DriftTest[];
  /** The bins of the raw measures, for charts. */
  bins: PairedCounts & { /** inner edges, (a, b] */ edges?: number[]; categories?: string[] };
}

const rawBins = 10;
const testBins = 10;
/** Pearson's test needs about this many expected rows in a cell (Cochran 1954). */
const leastExpected = 5;

/** Compare the values of one column of two samples. Both must have rows with a value. */
export function columnDrift(reference: ColumnValues, current: ColumnValues): ColumnDrift {
  return isNumeric(reference) && isNumeric(current)
    ? numericDrift(reference, current)
    : categoricalDrift(asCategories(reference), asCategories(current));
}

/** Infinities alone have no quantiles. */
function isNumeric(values: ColumnValues): values is NumericValues {
  return values.kind === 'number' && sizeOf(values.sorted) > 0;
}

/** All rows, with a value and without. */
export function rowsOf(values: ColumnValues): number {
  return presentOf(values) + values.missing;
}

export function presentOf(values: ColumnValues): number {
  if (values.kind === 'number') return sizeOf(values.sorted) + values.infinite.negative + values.infinite.positive;
  return (values.rare ?? 0) + sum(values.counts.values());
}

function numericDrift(reference: NumericValues, current: NumericValues): ColumnDrift {
  const [before, now] = [reference.sorted, current.sorted];
  const edges = innerEdges(before, rawBins);
  const raw = { reference: countsOf(before, edges), current: countsOf(now, edges) };
  const { distance, p: ksP } = kolmogorovSmirnov(before, now);
  const distance1 = wasserstein(before, now);
  const iqr = quantile(before, 0.75) - quantile(before, 0.25);
  // The raw measures are of the numbers as they are.
  const [sameBefore, sameNow] = withSameNumbers(before, now);
  const unchanged = sameBefore === before && sameNow === now;
  const testedKsP = unchanged ? ksP : kolmogorovSmirnov(sameBefore, sameNow).p;
  const ownEdges = edgesWithAtoms(sameBefore, testBins);
  const withInfinite = ({ infinite }: NumericValues, sorted: Sample): number[] => [
    infinite.negative,
    ...countsOf(sorted, ownEdges),
    infinite.positive,
  ];
  const tested = mergeNeighbours({
    reference: withInfinite(reference, sameBefore),
    current: withInfinite(current, sameNow),
  });
  // Two tests of one question: the bins see changes of shape, the distribution functions see shifts.
  const p = Math.min(1, 2 * Math.min(chiSquared(tested).p, testedKsP));
  const ofNumbers = {
    ks: distance,
    ks_p: ksP,
    wasserstein: distance1,
    wasserstein_over_iqr: iqr > 0 ? distance1 / iqr : null,
  };
  return {
    measures: measuresOf(reference, current, raw, sizeOf(before) + sizeOf(now), p, ofNumbers),
    tests: [{ of: 'distribution', effect: correctedPsi(tested), psi: psi(tested), p }],
    bins: { ...raw, edges },
  };
}

/** @param counted rows in the bins */
function measuresOf(
  reference: ColumnValues,
  current: ColumnValues,
  raw: PairedCounts,
  counted: number,
  p: number,
  ofNumbers: Pick<DriftMeasures, 'ks' | 'ks_p' | 'wasserstein' | 'wasserstein_over_iqr'>,
): DriftMeasures {
  const whole = chiSquared(raw);
  return {
    kind: reference.kind,
    n: [presentOf(reference), presentOf(current)],
    missing: [reference.missing, current.missing],
    psi: psi(raw),
    kl: klDivergence(raw),
    js_distance: jensenShannonDistance(raw),
    ...ofNumbers,
    chi_squared: whole.statistic,
    cramers_v: cramersV(whole, counted),
    p,
  };
}

function categoricalDrift(before: CategoricalValues, now: CategoricalValues): ColumnDrift {
  const [reference, current] = withoutRare(before, now);
  const categories = [...new Set([...reference.counts.keys(), ...current.counts.keys()])].sort();
  const countsIn = ({ counts }: CategoricalValues): number[] => categories.map((name) => counts.get(name) ?? 0);
  const raw = { reference: countsIn(reference), current: countsIn(current) };
  const [n, m] = [presentOf(reference), presentOf(current)];
  const tested = poolRare(raw, n, m);
  const { p } = chiSquared(tested);
  const ofNumbers = { ks: null, ks_p: null, wasserstein: null, wasserstein_over_iqr: null };
  return {
    measures: measuresOf(reference, current, raw, n + m, p, ofNumbers),
    tests: [
      { of: 'distribution', effect: correctedPsi(tested), psi: psi(tested), p },
      before.rare === undefined ? newCategoriesTest(raw, n, m) : moreRareTest(before, current, n, m),
    ],
    bins: { ...raw, categories },
  };
}

/** Where the rare categories of the reference are not told apart, those of the current sample that it does not name are one with them. */
function withoutRare(reference: CategoricalValues, current: CategoricalValues): [CategoricalValues, CategoricalValues] {
  if (reference.rare === undefined) return [reference, current];
  const counts = new Map<string, number>();
  let rare = 0;
  for (const [name, count] of current.counts) {
    if (reference.counts.has(name)) counts.set(name, count);
    else rare += count;
  }
  return [
    { ...reference, counts: new Map([...reference.counts, [rareCategories, reference.rare]]), rare: 0 },
    { ...current, counts: counts.set(rareCategories, rare) },
  ];
}

/** The one name of all rare categories; no category is a text of two characters of control. */
const rareCategories = '\u0000(rare)';

/** The same question where it is not known which rare categories the reference has: do more rows have one than had there? */
function moreRareTest({ rare = 0 }: CategoricalValues, current: CategoricalValues, n: number, m: number): DriftTest {
  const now = current.counts.get(rareCategories) ?? 0;
  const effect = Math.max(0, now / m - rare / n);
  const pooled = (now + rare) / (n + m);
  // As if each side had a row more, since of few rows the normal distribution promises too much.
  const error = Math.sqrt(Math.max(pooled, 1 / (n + m)) * (1 - pooled) * (1 / n + 1 / m));
  const p = effect === 0 || error === 0 ? 1 : 1 - normalCdf((now / m - (rare + 1) / n) / error);
  return { of: 'new-categories', effect, p };
}

/**
 * Rows of the current sample in categories that the reference has none of. Two ways in which that is more than chance, each at half
 * of the level: one category so frequent that its rows would not all fall on one side (each falls there with probability
 * m / (n + m), over all categories as frequent); or more rows of rare ones than the categories that the reference has once lead to
 * expect (Good, Biometrika 40, 1953), with the variances of both counts.
 */
function newCategoriesTest({ reference, current }: PairedCounts, n: number, m: number): DriftTest {
  let fresh = 0;
  let freshSquared = 0;
  let largest = 0;
  let singletons = 0;
  for (const [index, count] of reference.entries()) {
    const now = current[index] as number;
    if (count === 1) singletons++;
    if (count > 0) continue;
    fresh += now;
    freshSquared += now ** 2;
    largest = Math.max(largest, now);
  }
  const effect = Math.max(0, fresh / m - singletons / n);
  if (fresh === 0) return { of: 'new-categories', effect, p: 1 };
  const asFrequent = reference.filter((count, index) => count + (current[index] as number) >= largest).length;
  const oneSided = asFrequent * (m / (n + m)) ** largest;
  const error = Math.sqrt(freshSquared / m ** 2 + (singletons + 1) / n ** 2);
  const beyondExpected = 1 - normalCdf((fresh / m - (singletons + 1) / n) / error);
  return { of: 'new-categories', effect, p: Math.min(1, 2 * Math.min(oneSided, beyondExpected)) };
}

/** The change of the share of missing values; a 2 x 2 table with Yates's correction, which is on the safe side where counts are few. */
export function missingTest(reference: ColumnValues, current: ColumnValues): DriftTest {
  const [a, n, b, m] = [reference.missing, rowsOf(reference), current.missing, rowsOf(current)];
  const effect = Math.abs(b / m - a / n);
  const [missing, present] = [a + b, n + m - a - b];
  if (missing === 0 || present === 0) return { of: 'missing', effect, p: 1 };
  const excess = Math.max(0, Math.abs(a * (m - b) - b * (n - a)) - (n + m) / 2);
  const statistic = ((n + m) * excess ** 2) / (missing * present * n * m);
  return { of: 'missing', effect, p: chiSquaredP(statistic, 1) };
}

/** Join bins with their left neighbour until every cell has enough expected rows. */
function mergeNeighbours({ reference, current }: PairedCounts): PairedCounts {
  const n = sum(reference);
  const m = sum(current);
  const merged: [number, number][] = [];
  let open: [number, number] = [0, 0];
  for (const [index, count] of reference.entries()) {
    open = [open[0] + count, open[1] + (current[index] as number)];
    if (!isEnough(open, n, m)) continue;
    merged.push(open);
    open = [0, 0];
  }
  const last = merged.pop() ?? [0, 0];
  merged.push([last[0] + open[0], last[1] + open[1]]);
  return { reference: merged.map(([a]) => a), current: merged.map(([, b]) => b) };
}

/** Put the categories with too few expected rows together. */
function poolRare({ reference, current }: PairedCounts, n: number, m: number): PairedCounts {
  const pooled: [number, number] = [0, 0];
  const kept: [number, number][] = [];
  for (const [index, count] of reference.entries()) {
    const cell: [number, number] = [count, current[index] as number];
    if (isEnough(cell, n, m)) kept.push(cell);
    else {
      pooled[0] += cell[0];
      pooled[1] += cell[1];
    }
  }
  if (pooled[0] + pooled[1] > 0) kept.push(pooled);
  return { reference: kept.map(([a]) => a), current: kept.map(([, b]) => b) };
}

function isEnough([a, b]: readonly [number, number], n: number, m: number): boolean {
  return ((a + b) * Math.min(n, m)) / (n + m) >= leastExpected;
}

/** A column that is numeric on one side only is compared as text: the change of kind is what shows. */
export function asCategories(values: ColumnValues): CategoricalValues {
  if (values.kind === 'category') return values;
  const counts = new Map<string, number>();
  const { sorted } = values;
  for (const [at, value] of sorted.values.entries()) {
    counts.set(String(value), (sorted.upTo[at] as number) - (sorted.upTo[at - 1] ?? 0));
  }
  if (values.infinite.negative > 0) counts.set('-Infinity', values.infinite.negative);
  if (values.infinite.positive > 0) counts.set('Infinity', values.infinite.positive);
  return { kind: 'category', counts, missing: values.missing };
}
