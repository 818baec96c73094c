/** Finite numbers in ascending order: each as often as it occurs, or different ones with how often each occurs. */
export type Sample = Float64Array | CountedSample;

export interface CountedSample {
  /** Ascending and different. */
  values: Float64Array;
  /** How many numbers of the sample are at most the value at the same place. */
  upTo: Float64Array;
}

/** @param counts by value, in any order */
export function countedSample(counts: Iterable<readonly [value: number, count: number]>): CountedSample {
  const sorted = [...counts].sort(([a], [b]) => a - b);
  let sum = 0;
  return {
    values: Float64Array.from(sorted, ([value]) => value),
    upTo: Float64Array.from(sorted, ([, count]) => (sum += count)),
  };
}

export function sizeOf(sample: Sample): number {
  return sample instanceof Float64Array ? sample.length : (sample.upTo.at(-1) ?? 0);
}

/** The number that has `index` others before it. */
function nth(sample: Sample, index: number): number {
  if (sample instanceof Float64Array) return sample[index] as number;
  return sample.values[firstAbove(sample.upTo, index)] as number;
}

/** How many numbers are at most `limit`. */
function countUpTo(sample: Sample, limit: number): number {
  if (sample instanceof Float64Array) return firstAbove(sample, limit);
  return sample.upTo[firstAbove(sample.values, limit) - 1] ?? 0;
}

/**
 * Quantiles of a sample by linear interpolation (Hyndman and Fan's type 7, numpy's default).
 * @param sorted not empty
 */
export function quantile(sorted: Sample, probability: number): number {
  const last = sizeOf(sorted) - 1;
  const position = last * probability;
  const below = Math.floor(position);
  const low = nth(sorted, below);
  const high = nth(sorted, Math.min(below + 1, last));
  const fraction = position - below;
  // As numpy does, from the nearer end: rounding then keeps the order of quantiles.
  return fraction < 0.5 ? low + (high - low) * fraction : high - (high - low) * (1 - fraction);
}

/**
 * Inner edges of `bins` bins of equal reference share: the quantiles without repetition and without both ends, so that the outer
 * bins are open. A constant sample has its value as the one edge.
 */
export function innerEdges(sorted: Sample, bins: number): number[] {
  const edges: number[] = [];
  for (let bin = 0; bin <= bins; bin++) {
    // As numpy's linspace rounds: an edge that falls on an atom must fall on the same one.
    const edge = quantile(sorted, bin === bins ? 1 : bin * (1 / bins));
    if (edges.at(-1) !== edge) edges.push(edge);
  }
  return edges.length === 1 ? edges : edges.slice(1, -1);
}

/** How many values lie in each bin (a, b] of these inner edges; the outer bins are open. One pass over the sorted values. */
export function countsOf(sorted: Sample, edges: readonly number[]): number[] {
  const counts: number[] = [];
  let before = 0;
  for (const edge of edges) {
    const upTo = countUpTo(sorted, edge);
    counts.push(upTo - before);
    before = upTo;
  }
  counts.push(sizeOf(sorted) - before);
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
export function edgesWithAtoms(sorted: Sample, bins: number): number[] {
  const edges = new Set(innerEdges(sorted, bins));
  const atom = sizeOf(sorted) / bins;
  let before = 0;
  for (const { value, upTo } of steps(sorted)) {
    if (upTo - before >= atom) edges.add(value).add(nextBelow(value));
    before = upTo;
  }
  return [...edges].sort((a, b) => a - b);
}

/** Each different number, ascending, with how many are at most it. */
function* steps(sample: Sample): Generator<{ value: number; upTo: number }> {
  if (!(sample instanceof Float64Array)) {
    for (const [index, value] of sample.values.entries()) yield { value, upTo: sample.upTo[index] as number };
    return;
  }
  for (let upTo = 0; upTo < sample.length;) {
    const value = sample[upTo] as number;
    upTo = firstAbove(sample, value);
    yield { value, upTo };
  }
}

const bits = new DataView(new ArrayBuffer(8));

/** The largest double below a finite value. */
function nextBelow(value: number): number {
  if (value === 0) return -Number.MIN_VALUE;
  bits.setFloat64(0, value);
  bits.setBigInt64(0, bits.getBigInt64(0) + (value > 0 ? -1n : 1n));
  return bits.getFloat64(0);
}
