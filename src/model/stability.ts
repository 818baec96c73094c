import type { Feeds } from './batches.ts';
import { isClose, type Predictions, type Stability, type Tolerance } from './predictions.ts';
import type { OutputReader } from './read-outputs.ts';
import { takeRows, type TensorValues } from './tensor.ts';

interface StabilityInput {
  feeds: Feeds;
  rows: number;
  tolerance: Tolerance;
  dataLabels: () => Promise<readonly string[]>;
}

/** Rows that are asked for in other orders and batches. */
const mostRows = 16;
/** Rows that are asked for twice, since a model may be random for rare ones only: one in so many, but no more than these. */
const oneAgainOf = 20;
const mostAgain = 512;

/**
 * Ask a model for the answers to some rows twice, and to a few of them in another order and each alone.
 * @param feeds `rows` rows, of which a few are taken, spread over them
 * @param reader reads so many rows
 * @throws ModelError as the model and the reader do
 */
export async function stabilityOf(
  run: (feeds: Feeds) => Promise<Record<string, TensorValues>>,
  reader: (rows: number) => OutputReader,
  { feeds, rows, tolerance, dataLabels }: StabilityInput,
): Promise<Stability> {
  /** Answers to rows, the batches of them run one after the other, in the order of the rows. */
  const answer = async (count: number, batches: readonly (readonly number[])[]): Promise<Predictions> => {
    const reads = reader(count);
    for (const batch of batches) {
      const taken = batch.map((index) => Math.floor((index * rows) / count));
      const part = Object.fromEntries(Object.entries(feeds).map(([name, values]) => [name, takeRows(values, taken)]));
      reads.add(await run(part), batch.length);
    }
    return (await reads.finish({ dataLabels })).predictions;
  };
  const count = Math.min(rows, mostRows);
  const all = Array.from({ length: count }, (_, index) => index);
  const backwards = all.toReversed();
  const twice = Math.max(count, Math.min(mostAgain, Math.floor(rows / oneAgainOf)));
  const many = Array.from({ length: twice }, (_, index) => index);
  const random = greatestDifference(await answer(twice, [many]), await answer(twice, [many]), many, tolerance);
  if (random > 0) return { rows: twice, tolerance, differs: 'random', difference: random };
  const first = await answer(count, [all]);
  const tests = [
    { how: 'order', batches: [backwards], order: backwards },
    { how: 'batch', batches: all.map((index) => [index]), order: all },
  ] as const;
  for (const { how, batches, order } of tests) {
    const difference = greatestDifference(first, await answer(count, batches), order, tolerance);
    if (difference > 0) return { rows: count, tolerance, differs: how, difference };
  }
  return { rows: count, tolerance, differs: null, difference: 0 };
}

/** The greatest difference beyond the tolerance, 0 where there is none. `order[i]`: the row that is the `i`-th of `other`. */
function greatestDifference(
  one: Predictions,
  other: Predictions,
  order: readonly number[],
  tolerance: Tolerance,
): number {
  let greatest = 0;
  if (one.scores !== null && other.scores !== null) {
    // Where there are scores, a label may change with their last bits.
    const width = one.scores.length / one.rows;
    if (other.scores.length !== one.scores.length) return Number.POSITIVE_INFINITY;
    for (const [place, row] of order.entries()) {
      for (let at = 0; at < width; at += 1) {
        const [a, b] = [one.scores[row * width + at] as number, other.scores[place * width + at] as number];
        if (!isClose(a, b, tolerance)) greatest = Math.max(greatest, Math.abs(a - b));
      }
    }
    return greatest;
  }
  const differing = order.filter((row, place) => labelsOf(one, row) !== labelsOf(other, place));
  return differing.length / order.length;
}

function labelsOf({ labels, classes, rows }: Predictions, row: number): string {
  if (labels === null) return '';
  const width = labels.length / rows;
  const own = Array.from(labels.subarray(row * width, (row + 1) * width));
  return JSON.stringify(width > 1 ? own : own.map((index) => classes?.[index] ?? index));
}
