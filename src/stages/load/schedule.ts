import { ConfigError } from '../../errors.ts';
import { uniform } from '../../statistics/splitmix.ts';

/** More requests than this in one window are refused: every one keeps its raw sample in memory. */
const mostRequests = 5_000_000;

/** A rate in requests a second that changes evenly from one value to another. */
export interface Stretch {
  from: number;
  to: number;
  durationMs: number;
}

export type Arrivals = 'constant' | 'poisson';

/** When each request of a window at a constant rate is to be sent: milliseconds after its start, ascending. */
export function schedule(input: { rate: number; durationMs: number; arrivals: Arrivals; seed: number }): Float64Array {
  const { rate, durationMs, arrivals, seed } = input;
  return scheduleOf([{ from: rate, to: rate, durationMs }], arrivals, seed);
}

/**
 * When each request is to be sent where the rate changes: milliseconds after the start, ascending; as many as the area below the rate.
 * `constant` sends one whenever that area has grown by one; `poisson` spaces them as independent users would: given their number, the
 * arrivals of a Poisson process are uniform order statistics of that area, drawn here from normalised exponential gaps, so that the
 * offered rate is exact for every seed.
 */
export function scheduleOf(stretches: readonly Stretch[], arrivals: Arrivals, seed: number): Float64Array {
  const areas = stretches.map(({ from, to, durationMs }) => ((from + to) / 2) * (durationMs / 1000));
  const total = areas.reduce((sum, area) => sum + area, 0);
  const count = Math.max(1, Math.round(total));
  refuseTooMany(count);
  const offsets =
    arrivals === 'constant' ? Float64Array.from({ length: count }, (_, index) => index) : randomly(count, total, seed);
  let stretch = 0;
  let startMs = 0;
  let startArea = 0;
  for (let index = 0; index < count; index += 1) {
    const area = offsets[index] as number;
    while (stretch < stretches.length - 1 && area >= startArea + (areas[stretch] as number)) {
      startArea += areas[stretch] as number;
      startMs += (stretches[stretch] as Stretch).durationMs;
      stretch += 1;
    }
    offsets[index] = startMs + timeOf(stretches[stretch] as Stretch, area - startArea);
  }
  return offsets;
}

/** Arrivals of a Poisson process whose number is chance too, as that of real users is: where the rate is what is estimated. */
export function poissonOf(rate: number, durationMs: number, seed: number): Float64Array {
  const next = uniform(seed);
  const offsets: number[] = [];
  for (let at = 0; ;) {
    at -= (Math.log(1 - next()) * 1000) / rate;
    if (at >= durationMs && offsets.length > 0) return Float64Array.from(offsets);
    offsets.push(Math.min(at, durationMs));
  }
}

/** @throws ConfigError */
export function refuseTooMany(count: number): void {
  if (count <= mostRequests) return;
  throw new ConfigError({
    found: `the load profile has ${count} requests`,
    expected: `at most ${mostRequests}`,
    where: 'load.profile',
    remedy: 'Lower rate or duration',
  });
}

/** Milliseconds after which so many requests are due: the root of from t + (to - from) t^2 / 2d = area, in the form that cancels nothing. */
function timeOf({ from, to, durationMs }: Stretch, area: number): number {
  const seconds = durationMs / 1000;
  const root = Math.sqrt(Math.max(0, from * from + (2 * area * (to - from)) / seconds));
  const found = from + root === 0 ? 0 : (2 * area) / (from + root);
  return Math.min(found, seconds) * 1000;
}

function randomly(count: number, total: number, seed: number): Float64Array {
  const next = uniform(seed);
  const offsets = new Float64Array(count);
  let sum = 0;
  for (let index = 0; index < count; index += 1) {
    sum += -Math.log(1 - next());
    offsets[index] = sum;
  }
  const scale = total / (sum - Math.log(1 - next()));
  return offsets.map((offset) => offset * scale);
}
