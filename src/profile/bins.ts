import { quantileOf } from '../statistics/quantile.ts';

/** Finite numbers, each once, with how often it occurs. */
export interface Sample {
  /** Ascending and different. */
  values: Float64Array;
  /** How many numbers of the sample are at most the value at the same place. */
  upTo: Float64Array;
}

/** @param numbers in any order; those that are not finite are left out */
export function sampleOf(numbers: Float64Array): Sample {
  const values = numbers.filter(Number.isFinite).sort();
  const upTo = new Float64Array(values.length);
  let different = 0;
  for (let index = 0; index < values.length; index++) {
    if (index === 0 || values[index] !== values[different - 1]) different++;
    values[different - 1] = values[index] as number;
    upTo[different - 1] = index + 1;
  }
  return { values: values.slice(0, different), upTo: upTo.slice(0, different) };
}

/** @param counts by value, in any order */
export function countedSample(counts: Iterable<readonly [value: number, count: number]>): Sample {
  const sorted = [...counts].sort(([a], [b]) => a - b);
  let sum = 0;
  return {
    values: Float64Array.from(sorted, ([value]) => value),
    upTo: Float64Array.from(sorted, ([, count]) => (sum += count)),
  };
}

export function sizeOf({ upTo }: Sample): number {
  return upTo.at(-1) ?? 0;
}

/** The number that has `index` others before it. */
function nth({ values, upTo }: Sample, index: number): number {
  return values[firstAbove(upTo, index)] as number;
}

/** How many numbers are at most `limit`. */
function countUpTo({ values, upTo }: Sample, limit: number): number {
  return upTo[firstAbove(values, limit) - 1] ?? 0;
}

/** @param sample not empty */
export function quantile(sample: Sample, probability: number): number {
  return quantileOf(sizeOf(sample), probability, (place) => nth(sample, place));
}

/**
 * Inner edges of `bins` bins of equal reference share: the quantiles without repetition and without both ends, so that the outer
 * bins are open. A constant sample has its value as the one edge.
 */
export function innerEdges(sample: Sample, bins: number): number[] {
  const edges: number[] = [];
  for (let bin = 0; bin <= bins; bin++) {
    // As numpy's linspace rounds: an edge that falls on an atom must fall on the same one.
    const edge = quantile(sample, bin === bins ? 1 : bin * (1 / bins));
    if (edges.at(-1) !== edge) edges.push(edge);
  }
  return edges.length === 1 ? edges : edges.slice(1, -1);
}

/** How many values lie in each bin (a, b] of these inner edges; the outer bins are open. */
export function countsOf(sample: Sample, edges: readonly number[]): number[] {
  const counts: number[] = [];
  let before = 0;
  for (const edge of edges) {
    const upTo = countUpTo(sample, edge);
    counts.push(upTo - before);
    before = upTo;
  }
  counts.push(sizeOf(sample) - before);
  return counts;
}

/** The place of the first one above `limit`, by bisection. */
function firstAbove(sorted: Float64Array, limit: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] as number) <= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Inner edges of at most about `bins` bins of equal reference share in which a value that many rows have (an atom: at least a
 * bin's share) has a bin to itself, (the double below it, it]. Without that, a shift from below an atom onto it goes unseen, and a
 * constant reference hides everything smaller.
 */
export function edgesWithAtoms(sample: Sample, bins: number): number[] {
  const edges = new Set(innerEdges(sample, bins));
  const atom = sizeOf(sample) / bins;
  let before = 0;
  for (const [index, upTo] of sample.upTo.entries()) {
    const value = sample.values[index] as number;
    if (upTo - before >= atom) edges.add(value).add(nextBelow(value));
    before = upTo;
  }
  return [...edges].sort((a, b) => a - b);
}

const bits = new DataView(new ArrayBuffer(8));

/** The largest double below a finite value. */
function nextBelow(value: number): number {
  if (value === 0) return -Number.MIN_VALUE;
  bits.setFloat64(0, value);
  bits.setBigInt64(0, bits.getBigInt64(0) + (value > 0 ? -1n : 1n));
  return bits.getFloat64(0);
}
