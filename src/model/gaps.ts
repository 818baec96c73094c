import { readingOfColumns } from '../data/cells.ts';
import { quoteLiteral, reading, requireColumns, type Dataset } from '../data/dataset.ts';

/** A cell without a value. */
export interface Gap {
  /** From 0. */
  row: number;
  column: string;
}

/** So many rows tell whether gaps are the reason. */
const mostRows = 1000;

/**
 * The first gap, where each of these rows has one.
 * @param rows from 0, in order; of more than a thousand the first ones tell
 * @param names of the columns that feed a model
 * @returns null where a row has a value in every column
 */
export async function gapOfEach(
  dataset: Dataset,
  rows: readonly number[],
  names: readonly string[],
): Promise<Gap | null> {
  const asked = rows.slice(0, mostRows);
  const columns = requireColumns(dataset, names);
  if (asked.length === 0 || columns.length === 0) return null;
  const { from, expressions } = readingOfColumns(dataset, columns, 'text');
  const missing = expressions.map((cell, index) => `when ${cell} is null then ${quoteLiteral(names[index] as string)}`);
  const read = await reading(dataset, () =>
    dataset.connection.runAndReadAll(
      `select row, gap from (select row_number() over () - 1 as row, case ${missing.join(' ')} end as gap from ${from})
       semi join (select unnest([${asked.join(', ')}]) as row) using (row) order by gap is not null, row limit 1`,
    ),
  );
  const [row, column] = read.getRows()[0] ?? [];
  return typeof column === 'string' ? { row: Number(row), column } : null;
}
