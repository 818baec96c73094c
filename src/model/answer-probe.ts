import type { Feeds } from './batches.ts';
import type { Predictions } from './predictions.ts';
import { takeRows } from './tensor.ts';

/**
 * How a row that is asked again is answered: differently each time (dropout left in training mode, a random operator), or
 * differently among other rows (batch statistics, a softmax over the rows). What such a model is judged on is not what it will say.
 */
export interface Unsteady {
  cause: 'random' | 'batch';
  /** Rows whose answer changed, of those asked again. */
  changed: number;
  of: number;
  /** Greatest change of a score or a value; null where only labels changed. */
  largest: number | null;
}

/** The rows that are asked again: the first of a batch, and always fewer than it has. */
export function probeOf(feeds: Feeds, rows: number): { feeds: Feeds; rows: number } {
  const count = Math.max(1, Math.min(probeRows, Math.floor(rows / 2)));
  const taken = Array.from({ length: count }, (_, row) => row);
  return {
    rows: count,
    feeds: Object.fromEntries(Object.entries(feeds).map(([name, values]) => [name, takeRows(values, taken)])),
  };
}

/** What is odd about the answers to the same rows: among all, among few, and among the same few once more. */
export function unsteadiness(among: Predictions, few: Predictions, again: Predictions): Unsteady | undefined {
  // The same question to the same session: the runtime gives the same bits, but for the order of its threads.
  const random = differences(few, again, 1e-4);
  if (random !== undefined) return { cause: 'random', ...random };
  // Kernels for other sizes move the last bits, and dynamic quantisation, which looks at the batch, some more.
  const batch = differences(among, few, 0.02);
  return batch === undefined ? undefined : { cause: 'batch', ...batch };
}

const probeRows = 16;

/** Rows whose scores differ by more than `share` of the greatest score; labels count where there are no scores. */
function differences(first: Predictions, second: Predictions, share: number): Omit<Unsteady, 'cause'> | undefined {
  const of = Math.min(first.rows, second.rows);
  const [before, after] =
    first.scores === null || second.scores === null ? [first.labels, second.labels] : [first.scores, second.scores];
  if (before === null || after === null) return undefined;
  const width = after.length / second.rows;
  const few = Array.from(after.subarray(0, of * width));
  const greatest = few.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const changed = new Set<number>();
  let largest = 0;
  for (const [place, value] of few.entries()) {
    const change = Math.abs(value - (before[place] as number));
    if (!(change > (first.scores === null ? 0 : share * greatest))) continue;
    changed.add(Math.floor(place / width));
    largest = Math.max(largest, change);
  }
  return changed.size === 0 ? undefined : { changed: changed.size, of, largest: first.scores === null ? null : largest };
}
