/**
 * Quantiles of a sorted sample by linear interpolation (Hyndman and Fan's type 7, numpy's default).
 * @param sorted ascending, without NaN, not empty
 */
export function quantile(sorted: Float64Array, probability: number): number {
  const position = (sorted.length - 1) * probability;
  const below = Math.floor(position);
  const low = sorted[below] as number;
  const high = sorted[Math.min(below + 1, sorted.length - 1)] as number;
  const fraction = position - below;
  // As numpy does, from the nearer end: rounding then keeps the order of quantiles.
  return fraction < 0.5 ? low + (high - low) * fraction : high - (high - low) * (1 - fraction);
}

/**
 * Inner edges of `bins` bins of equal reference share: the quantiles without repetition and without both ends, so that the outer
 * bins are open. A constant sample has its value as the one edge.
 */
export function innerEdges(sorted: Float64Array, bins: number): number[] {
  const edges: number[] = [];
  for (let bin = 0; bin <= bins; bin++) {
    // As numpy's linspace rounds: an edge that falls on an atom must fall on the same one.
    const edge = quantile(sorted, bin === bins ? 1 : bin * (1 / bins));
    if (edges.at(-1) !== edge) edges.push(edge);
  }
  return edges.length === 1 ? edges : edges.slice(1, -1);
}

/** How many values lie in each bin (a, b] of these inner edges; the outer bins are open. One pass over the sorted values. */
export function countsOf(sorted: Float64Array, edges: readonly number[]): number[] {
  const counts: number[] = [];
  let before = 0;
  for (const edge of edges) {
    const upTo = firstAbove(sorted, edge);
    counts.push(upTo - before);
    before = upTo;
  }
  counts.push(sorted.length - before);
  return counts;
}

/** The number of values that are at most `limit`, by bisection. */
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
export function edgesWithAtoms(sorted: Float64Array, bins: number): number[] {
  const edges = new Set(innerEdges(sorted, bins));
  const atom = sorted.length / bins;
  for (let start = 0; start < sorted.length;) {
    const value = sorted[start] as number;
    const end = firstAbove(sorted, value);
    if (end - start >= atom) edges.add(value).add(nextBelow(value));
    start = end;
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
