import gammainc from '@stdlib/math-base-special-gammainc';
import { sizeOf, type Sample } from './bins.ts';
import { twoSampleKolmogorovP } from './kolmogorov.ts';
import { sum } from '../statistics/sums.ts';

/** Counts of one binning of two samples: `reference[i]` and `current[i]` are of the same bin or category. */
export interface PairedCounts {
  reference: readonly number[];
  current: readonly number[];
}

/** Shares below this stand as this in PSI and KL, which are infinite otherwise. */
const leastShare = 1e-4;

/** Population stability index: sum of (current - reference) ln(current / reference) over bins, shares floored at 1e-4. */
export function psi(counts: PairedCounts): number {
  return sumOver(counts, leastShare, (p, q) => (q - p) * Math.log(q / p));
}

/** Kullback-Leibler divergence of the current from the reference shares, in nats, shares floored at 1e-4. */
export function klDivergence(counts: PairedCounts): number {
  return sumOver(counts, leastShare, (p, q) => q * Math.log(q / p));
}

/** Jensen-Shannon distance: the root of the divergence in bits, 0 to 1. */
export function jensenShannonDistance(counts: PairedCounts): number {
  const term = (share: number, middle: number): number => (share === 0 ? 0 : share * Math.log2(share / middle));
  const divergence = sumOver(counts, 0, (p, q) => (term(p, (p + q) / 2) + term(q, (p + q) / 2)) / 2);
  return Math.sqrt(Math.max(0, divergence));
}

/**
 * Population stability index with half a count added to every bin, less what sampling alone gives on average:
 * (B - 1)(1/n + 1/m), never below 0. Comparable between sample sizes, where `psi` is not.
 */
export function correctedPsi({ reference, current }: PairedCounts): number {
  const bins = reference.length;
  const smoothed = { reference: reference.map((count) => count + 0.5), current: current.map((count) => count + 0.5) };
  const spread = 1 / sum(reference) + 1 / sum(current);
  return Math.max(0, sumOver(smoothed, 0, (p, q) => (q - p) * Math.log(q / p)) - (bins - 1) * spread);
}

export interface ChiSquared {
  statistic: number;
  degreesOfFreedom: number;
  p: number;
}

/** Pearson's test that both samples share one distribution over the bins, without continuity correction. Empty bins are left out. */
export function chiSquared(counts: PairedCounts): ChiSquared {
  const cells = counts.reference
    .map((count, index) => [count, counts.current[index] as number] as const)
    .filter(([a, b]) => a + b > 0);
  const n = sum(counts.reference);
  const m = sum(counts.current);
  let statistic = 0;
  for (const [a, b] of cells) {
    const expectedA = ((a + b) * n) / (n + m);
    const expectedB = ((a + b) * m) / (n + m);
    statistic += (a - expectedA) ** 2 / expectedA + (b - expectedB) ** 2 / expectedB;
  }
  const degreesOfFreedom = Math.max(0, cells.length - 1);
  return { statistic, degreesOfFreedom, p: chiSquaredP(statistic, degreesOfFreedom) };
}

/** P(chi-squared >= statistic). 1 where there is nothing to compare. */
export function chiSquaredP(statistic: number, degreesOfFreedom: number): number {
  if (degreesOfFreedom === 0) return 1;
  return gammainc(statistic / 2, degreesOfFreedom / 2, true, true);
}

/** Cramer's V of the 2 x K table, 0 to 1. */
export function cramersV({ statistic }: ChiSquared, rows: number): number {
  return Math.sqrt(statistic / rows);
}

/** Kolmogorov-Smirnov distance of two samples, and its two-sided p-value. */
export function kolmogorovSmirnov(reference: Sample, current: Sample): { distance: number; p: number } {
  const [n, m] = [sizeOf(reference), sizeOf(current)];
  let distance = 0;
  overMerged(reference, current, (atReference, atCurrent) => {
    distance = Math.max(distance, Math.abs(atReference / n - atCurrent / m));
  });
  return { distance, p: twoSampleKolmogorovP(distance, n, m) };
}

/** Wasserstein-1 distance of two samples, in units of the values. */
export function wasserstein(reference: Sample, current: Sample): number {
  const [n, m] = [sizeOf(reference), sizeOf(current)];
  let sum = 0;
  overMerged(reference, current, (atReference, atCurrent, width) => {
    sum += Math.abs(atReference / n - atCurrent / m) * width;
  });
  return sum;
}

/** Both distribution functions after each distinct value, with the way to the next one (0 after the last). */
function overMerged(a: Sample, b: Sample, visit: (upToA: number, upToB: number, width: number) => void): void {
  const [left, right] = [a.values, b.values];
  let i = 0;
  let j = 0;
  while (i < left.length || j < right.length) {
    const value = Math.min(left[i] ?? Number.POSITIVE_INFINITY, right[j] ?? Number.POSITIVE_INFINITY);
    if (left[i] === value) i++;
    if (right[j] === value) j++;
    const next = Math.min(left[i] ?? Number.POSITIVE_INFINITY, right[j] ?? Number.POSITIVE_INFINITY);
    visit(a.upTo[i - 1] ?? 0, b.upTo[j - 1] ?? 0, i === left.length && j === right.length ? 0 : next - value);
  }
}

function sumOver(
  { reference, current }: PairedCounts,
  least: number,
  term: (referenceShare: number, currentShare: number) => number,
): number {
  const n = sum(reference);
  const m = sum(current);
  let total = 0;
  for (const [bin, count] of reference.entries()) {
    total += term(Math.max(least, count / n), Math.max(least, (current[bin] as number) / m));
  }
  return total;
}
