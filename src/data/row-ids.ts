import { DataError } from '../errors.ts';
import { quoteIdentifier, reading, requireColumns, type Dataset } from './dataset.ts';

/**
 * Rows are joined by id, so there must be some, each with an id of its own.
 * @throws DataError naming the first ids that repeat, or the number of rows without one
 */
export async function requireRowIds(dataset: Dataset, id: string): Promise<void> {
  requireColumns(dataset, [id]);
  if (dataset.rows === 0) {
    throw new DataError({
      found: 'the dataset has no rows',
      expected: 'labelled rows to evaluate on',
      where: dataset.uri,
      remedy: 'Write the data again, or correct the path in contender.yml',
    });
  }
  const column = quoteIdentifier(id);
  const counted = await dataset.connection.runAndReadAll(
    `select (count(*) - count(${column}))::double, (count(${column}) - count(distinct ${column}))::double from ${dataset.relation}`,
  );
  const [missing, repeated] = (counted.getRows()[0] ?? []).map(Number);
  if (missing !== undefined && missing > 0) {
    throw new DataError({
      found: `${missing} of ${dataset.rows} rows have no ${JSON.stringify(id)}`,
      expected: 'an id in every row: predictions are joined by it',
      where: dataset.uri,
      remedy: 'Give every row an id, or name another column in columns.id',
    });
  }
  if (repeated !== undefined && repeated > 0) {
    const first = await dataset.connection.runAndReadAll(
      `select ${column}::varchar, count(*)::double from ${dataset.relation} group by ${column} having count(*) > 1 order by 1 limit 3`,
    );
    const shown = first.getRows().map(([value, count]) => `${JSON.stringify(value)} (${Number(count)} times)`);
    throw new DataError({
      found: `row ids repeat in column ${JSON.stringify(id)}: ${shown.join(', ')}`,
      expected: `${dataset.rows} different ids: predictions are joined by them`,
      where: dataset.uri,
      remedy: 'Remove the duplicates, or name another column in columns.id',
    });
  }
}

/** Ids of `count` rows from the one at `start`, the first being 0, as the text they are joined by. */
export function idsOf(
  dataset: Dataset,
  id: string,
  { start, count }: { start: number; count: number },
): Promise<string[]> {
  return reading(dataset, async () => {
    const reader = await dataset.connection.runAndReadAll(
      `select cast(${quoteIdentifier(id)} as varchar) from ${dataset.relation} limit ${count} offset ${start}`,
    );
    return reader.getColumns()[0] as string[];
  });
}

/** Ids of single rows, by row (from 0), as text. */
export function idsOfRows(dataset: Dataset, id: string, rows: readonly number[]): Promise<Map<number, string>> {
  return reading(dataset, async () => {
    const reader = await dataset.connection.runAndReadAll(
      `select row, cast(${quoteIdentifier(id)} as varchar) from (select row_number() over () - 1 as row, ${quoteIdentifier(id)} from ${dataset.relation})
       semi join (select unnest([${rows.join(', ')}]) as row) using (row)`,
    );
    return new Map(reader.getRows().map(([row, text]) => [Number(row), String(text)]));
  });
}
