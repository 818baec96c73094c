import type { Columns, Task } from '../../config/index.ts';
import { readColumns, type Dataset, type NumberColumn, type TextColumn } from '../../data/dataset.ts';
import { featureBatches, type Feeds } from '../../model/batches.ts';
import type { InputPlan } from '../../model/features.ts';
import { uniformsFor } from '../../model/perturbation.ts';
import { shuffled } from '../../statistics/splitmix.ts';
import { joinRows, takeRows } from '../../model/tensor.ts';

/**
 * Row numbers, ascending, of a random sample of about `wanted` of the rows that count, which a seed fixes: all of them where there are no more.
 * A query of a ranking comes with all its rows.
 */
export async function chooseRows(
  dataset: Dataset,
  { task, columns, wanted, seed }: { task: Task; columns: Columns; wanted: number; seed: number },
): Promise<Uint32Array> {
  const counting = await countingRows(dataset, columns);
  if (counting.length <= wanted) return counting;
  const uniform = uniformsFor(seed, 'rows');
  if (task !== 'ranking') {
    const places = shuffled(counting.length, uniform).slice(0, wanted);
    return places.map((place) => counting[place] as number).sort();
  }
  const group = columns.group as string;
  const query = (await readColumns(dataset, { texts: [group] })).texts.get(group);
  const rowsOf = new Map<string, number[]>();
  for (const row of counting) {
    const key = (query as TextColumn).values[row] as string;
    const rows = rowsOf.get(key);
    if (rows === undefined) rowsOf.set(key, [row]);
    else rows.push(row);
  }
  const queries = [...rowsOf.values()];
  const chosen: number[] = [];
  for (const place of shuffled(queries.length, uniform)) {
    if (chosen.length >= wanted) break;
    for (const row of queries[place] as number[]) chosen.push(row);
  }
  return Uint32Array.from(chosen).sort();
}

/** A row of weight 0 is no row for anything. */
async function countingRows(dataset: Dataset, { weight }: Columns): Promise<Uint32Array> {
  const all = Uint32Array.from({ length: dataset.rows }, (_, row) => row);
  if (weight === undefined || weight === null) return all;
  const { values } = (await readColumns(dataset, { numbers: [weight] })).numbers.get(weight) as NumberColumn;
  return all.filter((row) => values[row] !== 0);
}

/** The features of these rows (ascending), as each model takes them, in one pass over the dataset. */
export async function feedsOf(
  dataset: Dataset,
  plans: readonly (readonly InputPlan[])[],
  rows: Uint32Array,
): Promise<Feeds[]> {
  const parts: Feeds[][] = plans.map(() => []);
  let [start, next] = [0, 0];
  for await (const batch of featureBatches(dataset, plans)) {
    const taken: number[] = [];
    for (; next < rows.length && (rows[next] as number) < start + batch.rows; next += 1) {
      taken.push((rows[next] as number) - start);
    }
    start += batch.rows;
    if (taken.length > 0) for (const [model, feeds] of batch.feeds.entries()) parts[model]?.push(taking(feeds, taken));
    if (next === rows.length) break;
  }
  return parts.map((feeds) =>
    Object.fromEntries(
      Object.keys(feeds[0] ?? {}).map((name) => [name, joinRows(feeds.map((part) => part[name] as Feeds[string]))]),
    ),
  );
}

/** Some rows of feeds, in this order. */
export function taking(feeds: Feeds, rows: readonly number[]): Feeds {
  return Object.fromEntries(Object.entries(feeds).map(([name, values]) => [name, takeRows(values, rows)]));
}
