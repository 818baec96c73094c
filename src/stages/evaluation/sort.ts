import { remembered } from './remember.ts';

/**
 * Row numbers in ascending order of `values`, stable: equal values keep their order. No NaN.
 * A radix sort over the bits of the numbers (a comparison sort through a callback takes several times as long on a million rows):
 * 32 bits where every value is a float32, as most models' scores are, else 64.
 */
export function sortedOrder(values: Float64Array): Uint32Array {
  const rows = values.length;
  let order = new Uint32Array(rows);
  for (let row = 0; row < rows; row += 1) order[row] = row;
  if (rows < 4096) return order.sort((a, b) => (values[a] as number) - (values[b] as number) || a - b);
  let other = new Uint32Array(rows);
  for (const keys of keysOf(values)) [order, other] = sortedBy(keys, order, other);
  return order;
}

/** `sortedOrder`, sorted once for all who ask. */
export const orderOf = remembered((values: Float64Array): Uint32Array => sortedOrder(values));

const digits = [0, 11, 22];

/** Sorts `order` stably by 32-bit keys, eleven bits at a time. Gives the sorted array first, and then the one left over. */
function sortedBy<Order extends Uint32Array>(keys: Uint32Array, order: Order, other: Order): [Order, Order] {
  const rows = keys.length;
  const counts = new Uint32Array(2048);
  let [from, to] = [order, other];
  for (const digit of digits) {
    counts.fill(0);
    for (let row = 0; row < rows; row += 1) counts[((keys[row] as number) >>> digit) & 2047]! += 1;
    if (counts[((keys[0] as number) >>> digit) & 2047] === rows) continue;
    let start = 0;
    for (let value = 0; value < 2048; value += 1) {
      const count = counts[value] as number;
      counts[value] = start;
      start += count;
    }
    for (let place = 0; place < rows; place += 1) {
      const row = from[place] as number;
      to[counts[((keys[row] as number) >>> digit) & 2047]!++] = row;
    }
    [from, to] = [to, from];
  }
  return [from, to];
}

/** The numbers as unsigned integers in the same order, 32 bits at a time, the lowest first. */
function keysOf(values: Float64Array): Uint32Array[] {
  const rows = values.length;
  const single = new Float32Array(values);
  let exact = true;
  for (let row = 0; row < rows && exact; row += 1) exact = single[row] === values[row];
  // Adding 0 turns -0 into 0: they are equal.
  if (exact) {
    for (let row = 0; row < rows; row += 1) single[row] = (single[row] as number) + 0;
    const keys = new Uint32Array(single.buffer);
    for (let row = 0; row < rows; row += 1) {
      const bits = keys[row] as number;
      keys[row] = bits >>> 31 === 1 ? ~bits : bits | 0x80000000;
    }
    return [keys];
  }
  const words = new Uint32Array(2);
  const number = new Float64Array(words.buffer);
  const low = new Uint32Array(rows);
  const high = new Uint32Array(rows);
  for (let row = 0; row < rows; row += 1) {
    number[0] = (values[row] as number) + 0;
    const bits = words[1] as number;
    const negative = bits >>> 31 === 1;
    low[row] = negative ? ~(words[0] as number) : (words[0] as number);
    high[row] = negative ? ~bits : bits | 0x80000000;
  }
  return [low, high];
}
