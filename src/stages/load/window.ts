import type { Samples, WindowResult } from './driver.ts';

/**
 * The requests of a window that were due from `from` until before `to`, in milliseconds after its start. Its host stands for the part;
 * why requests were lost is known of the whole alone.
 */
export function partOf(result: WindowResult, from: number, to: number): WindowResult {
  const [first, last] = [firstFrom(result.offsets, from), firstFrom(result.offsets, to)];
  return { ...result, ...cut(result, first, last), lost: {}, elapsedMs: to - from };
}

/** Index of the first element of ascending values that is at least `least`. */
export function firstFrom(values: Float64Array, least: number): number {
  let [low, high] = [0, values.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((values[middle] as number) < least) low = middle + 1;
    else high = middle;
  }
  return low;
}

function cut({ offsets, latency, lag, outcome }: Samples, first: number, last: number): Samples {
  return {
    offsets: offsets.subarray(first, last),
    latency: latency.subarray(first, last),
    lag: lag.subarray(first, last),
    outcome: outcome.subarray(first, last),
  };
}
