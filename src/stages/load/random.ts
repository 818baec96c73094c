import { splitmix32 } from '../../statistics/splitmix.ts';

/** A stream of uniform numbers in [0, 1) that a seed fixes. */
export function uniform(seed: number): () => number {
  const next = splitmix32(seed);
  return () => next() / 2 ** 32;
}

/** The numbers 0 to `count` - 1 in an order that the seed fixes (Fisher and Yates). */
export function shuffled(count: number, seed: number): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, index) => index);
  const next = uniform(seed);
  for (let index = count - 1; index > 0; index -= 1) {
    const other = Math.floor(next() * (index + 1));
    const held = order[index] as number;
    order[index] = order[other] as number;
    order[other] = held;
  }
  return order;
}
