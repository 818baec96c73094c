import { uniform } from '../../statistics/splitmix.ts';

/** Share out moments among two, each pair of neighbours in an order that chance decides: both get as many, at all times. */
export function uniformPairs(moments: Float64Array, seed: number): { first: Float64Array; second: Float64Array } {
  const next = uniform(seed);
  const count = Math.floor(moments.length / 2);
  const [first, second] = [new Float64Array(count), new Float64Array(count)];
  for (let index = 0; index < count; index += 1) {
    const [early, late] = [moments[2 * index] as number, moments[2 * index + 1] as number];
    const [one, other] = next() < 0.5 ? [early, late] : [late, early];
    first[index] = one;
    second[index] = other;
  }
  return { first, second };
}
