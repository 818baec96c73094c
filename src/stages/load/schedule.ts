import { ConfigError } from '../../errors.ts';
import { uniform } from './random.ts';

/** More requests than this in one window are refused: every one keeps its raw sample in memory. */
export const mostRequests = 5_000_000;

/**
 * When each request of a window is to be sent: milliseconds after its start, ascending, `rate` x `durationMs` of them.
 * `poisson` spaces them as independent users would: given their number, the arrivals of a Poisson process are uniform
 * order statistics, drawn here from normalised exponential gaps, so that the offered rate is exact for every seed.
 */
export function schedule(input: {
  rate: number;
  durationMs: number;
  arrivals: 'constant' | 'poisson';
  seed: number;
}): Float64Array {
  const count = Math.max(1, Math.round((input.rate * input.durationMs) / 1000));
  if (count > mostRequests) {
    throw new ConfigError({
      found: `the load profile plans ${count} requests`,
      expected: `at most ${mostRequests}`,
      where: 'load.profile',
      remedy: 'Lower rate or duration',
    });
  }
  const offsets = new Float64Array(count);
  if (input.arrivals === 'constant') {
    for (let index = 0; index < count; index += 1) offsets[index] = (index * 1000) / input.rate;
    return offsets;
  }
  const next = uniform(input.seed);
  let total = 0;
  for (let index = 0; index < count; index += 1) {
    total += -Math.log(1 - next());
    offsets[index] = total;
  }
  const scale = input.durationMs / (total - Math.log(1 - next()));
  return offsets.map((offset) => offset * scale);
}
