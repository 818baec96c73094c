import binomialCdf from '@stdlib/stats-base-dists-binomial-cdf';

/**
 * The nearest-rank percentile of ascending samples: the smallest sample that at least a share `p` of all do not exceed.
 * NaN of no samples.
 */
export function percentile(sorted: Float64Array, p: number): number {
  return sorted[Math.max(0, Math.ceil(p * sorted.length - 1e-9) - 1)] ?? Number.NaN;
}

const level = 0.05;

/**
 * Does a share `p` of requests take at most `limit`? `met` and `missed` are shown at one-sided level 0.05: were exactly
 * 1 - p of requests over the limit, so few (so many) over it would be rarer than that. This is the sample rule of MLPerf
 * LoadGen's early stopping: with none over the limit, p95 needs 59 requests and p99 needs 299.
 */
export function judgeShare(input: { over: number; total: number; p: number }): 'met' | 'missed' | 'open' {
  const { over, total, p } = input;
  if (total === 0) return 'open';
  if (p === 1) return over === 0 ? 'met' : 'missed'; // the slowest of those that were sent: nothing is estimated
  if (binomialCdf(over, total, 1 - p) <= level) return 'met';
  return over > 0 && 1 - binomialCdf(over - 1, total, 1 - p) <= level ? 'missed' : 'open';
}

/** The least number of requests that can show percentile `p`, if none is over the limit: 59 for 0.95, 299 for 0.99. */
export function sampleFloor(p: number): number {
  return Math.ceil(Math.log(level) / Math.log(p));
}

const binsPerDecade = 20;

/** A histogram in bins of equal ratio, empty bins left out: enough for a chart, small enough for evidence. */
export function histogram(latency: Float64Array): { from: number; to: number; count: number }[] {
  const counts = new Map<number, number>();
  for (const value of latency) {
    const bin = Math.floor(Math.log10(Math.max(value, 0.01)) * binsPerDecade);
    counts.set(bin, (counts.get(bin) ?? 0) + 1);
  }
  const edge = (bin: number): number => Number((10 ** (bin / binsPerDecade)).toPrecision(4));
  return [...counts]
    .toSorted(([left], [right]) => left - right)
    .map(([bin, count]) => ({ from: edge(bin), to: edge(bin + 1), count }));
}
