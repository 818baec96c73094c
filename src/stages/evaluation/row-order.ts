import { reading, rowsFrom, type ColumnVectors, type Dataset } from '../../data/dataset.ts';
import { readingOfIds } from '../../data/row-ids.ts';
import type { OutputsResult } from './outputs.ts';
import { columnsAt } from './read-sample.ts';
import type { Labels } from './labels.ts';
import { outputRows, takeRows } from './sample.ts';

/**
 * The rows in the order of their ids, so that neither the last bits of a sum nor what is drawn depends on the order in which the file
 * has them. Whole numbers are in order too.
 * @param counting the rows of the data that count; null: all of them
 * @returns places among these rows; null where they are in order
 */
export async function orderOfIds(
  dataset: Dataset,
  id: string,
  counting: Uint32Array | null,
): Promise<Uint32Array | null> {
  const { text, from } = readingOfIds(dataset, id);
  // Most files are in order, which is seen in a fraction of the time that sorting takes.
  const inFileOrder = `select bool_and(before is null or size > before_size or (size = before_size and id > before)) from
    (select id, strlen(id) as size, lag(id) over () as before, strlen(lag(id) over ()) as before_size from (select ${text} as id from ${from}))`;
  const [[already] = []] = await rowsFrom(dataset, inFileOrder);
  if (already === true) return null;
  const sorted = new Uint32Array(dataset.rows);
  let read = 0;
  await reading(dataset, async () => {
    const rows = await dataset.connection.stream(
      `select row from (select (row_number() over () - 1)::double as row, ${text} as id from ${from}) order by strlen(id), id, row`,
    );
    for await (const chunk of rows) {
      const column = chunk.getColumnVector(0);
      for (let at = 0; at < chunk.rowCount; at += 1) sorted[read++] = column.getItem(at) as number;
    }
  });
  if (read !== dataset.rows) throw new Error(`${read} of ${dataset.rows} rows were read`);
  const places = counting === null ? sorted : placesOf(sorted, counting);
  return places.every((place, at) => place === at) ? null : places;
}

/** Of rows of the data their places among those that count. */
function placesOf(rows: Uint32Array, counting: Uint32Array): Uint32Array {
  const placeOf = new Int32Array(rows.length).fill(-1);
  for (const [place, row] of counting.entries()) placeOf[row] = place;
  return rows.map((row) => placeOf[row] as number).filter((place) => place !== 2 ** 32 - 1);
}

/** What was read of the rows, in this order. */
export function inOrder(
  vectors: ColumnVectors,
  labels: Labels,
  order: Uint32Array,
): { vectors: ColumnVectors; labels: Labels } {
  const truth = takeRows(labels.truth, order, labels.truth.length / order.length);
  return { vectors: columnsAt(vectors, order), labels: { ...labels, truth } };
}

/** What a model says of them. */
export function outputsInOrder(read: OutputsResult, order: Uint32Array | null): OutputsResult {
  if (order === null || !read.ok) return read;
  return { ...read, outputs: outputRows(read.outputs, { rows: order.length }, order) };
}
