import { ContenderError, instead, ModelError } from '../errors.ts';
import type { Feeds } from './batches.ts';
import { isClose, type Predictions, type Tolerance } from './predictions.ts';
import type { Stability } from './shards.ts';
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
/** Rows that are asked for together and in two parts, since a model may be random for rare ones only: one in so many, but no more than these. */
const oneAgainOf = 20;
const mostAgain = 512;

/**
 * Ask a model for the answers to some rows together and in two parts, and to a few of them in another order and each alone.
 * @param feeds `rows` rows, of which a few are taken, spread over them
 * Rows that have no answer there, or one that cannot be read, are answered otherwise.
 * @param reader reads so many rows
 * @throws ConfigError, MismatchError where some rows do not say how they are to be read
 */
export async function stabilityOf(
  run: (feeds: Feeds) => Promise<Record<string, TensorValues>>,
  reader: (rows: number) => OutputReader,
  { feeds, rows, tolerance, dataLabels }: StabilityInput,
): Promise<Stability> {
  /** Answers to the rows of a sample, the batches of it run one after the other, in the order of the rows. */
  const answer = async (sample: readonly number[], batches: readonly (readonly number[])[]): Promise<Predictions> => {
    const reads = reader(sample.length);
    for (const batch of batches) {
      const taken = batch.map((index) => sample[index] as number);
      const part = Object.fromEntries(Object.entries(feeds).map(([name, values]) => [name, takeRows(values, taken)]));
      reads.add(await run(part), batch.length);
    }
    return (await reads.finish({ dataLabels })).predictions;
  };
  const answerAgain = (...asked: Parameters<typeof answer>): Promise<Predictions | null> =>
    answer(...asked).catch(instead(ContenderError, null));
  const all = [...Array.from({ length: Math.min(rows, mostRows) }).keys()];
  const few = spread(all.length, rows);
  const gaps = rowsWithGaps(feeds, rows);
  const again = Math.max(all.length, Math.min(mostAgain, Math.floor(rows / oneAgainOf)));
  const sample = [
    ...new Set([
      ...spread(again, rows),
      ...spread(Math.min(gaps.length, mostRows), gaps.length).map((at) => gaps[at] as number),
    ]),
  ];
  const together = [...sample.keys()];
  const apart = [together.filter((at) => at % 2 === 0), together.filter((at) => at % 2 === 1)].filter(
    ({ length }) => length > 0,
  );
  const once = await answer(sample, [together]).catch(instead(ModelError, null));
  const inParts = greatestDifference(once, await answerAgain(sample, apart), apart.flat(), tolerance);
  const found = (differs: Stability['differs'], difference: number, { length }: readonly number[]): Stability => ({
    rows: length,
    tolerance,
    differs,
    difference: Number.isFinite(difference) ? difference : null,
  });
  if (once === null) return found('batch', Number.POSITIVE_INFINITY, sample);
  // A model that answers as before in other batches is not random either.
  const random = inParts > 0 ? greatestDifference(once, await answerAgain(sample, [together]), together, tolerance) : 0;
  if (random > 0) return found('random', random, sample);
  const first = await answer(few, [all]).catch(instead(ModelError, null));
  if (first === null) return found('batch', Number.POSITIVE_INFINITY, few);
  const backwards = all.toReversed();
  const tests = [
    { how: 'order', batches: [backwards], order: backwards },
    { how: 'batch', batches: all.map((index) => [index]), order: all },
  ] as const;
  for (const { how, batches, order } of tests) {
    const difference = greatestDifference(first, await answerAgain(few, batches), order, tolerance);
    if (difference > 0) return found(how, difference, few);
  }
  return inParts > 0 ? found('batch', inParts, sample) : found(null, 0, few);
}

/** So many of a number of rows, spread over them. */
function spread(count: number, rows: number): number[] {
  return Array.from({ length: count }, (_, index) => Math.floor((index * rows) / count));
}

/** Rows without a value somewhere: models may fill it from the rows beside them. */
function rowsWithGaps(feeds: Feeds, rows: number): number[] {
  const found = new Set<number>();
  for (const { data } of Object.values(feeds)) {
    if (!(data instanceof Float32Array || data instanceof Float64Array)) continue;
    const width = data.length / rows;
    for (let at = 0; at < data.length; at += 1) if (Number.isNaN(data[at])) found.add(Math.floor(at / width));
  }
  return [...found].toSorted((a, b) => a - b);
}

/**
 * The greatest difference beyond the tolerance, 0 where there is none, infinite where there is nothing to compare. `order[i]`: the row
 * that is the `i`-th of `other`.
 */
function greatestDifference(
  one: Predictions | null,
  other: Predictions | null,
  order: readonly number[],
  tolerance: Tolerance,
): number {
  if (one === null || other === null) return Number.POSITIVE_INFINITY;
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
