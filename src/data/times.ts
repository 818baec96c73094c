import { DataError } from '../errors.ts';
import { readingOf } from './cells.ts';
import { reading, requireColumns, type Dataset, type DatasetColumn } from './relation.ts';
import { isNumeric } from './types.ts';

/** An expression that is a time in milliseconds since 1970 (DOUBLE, null where the cell is missing), over a FROM clause. */
export interface TimeReading {
  column: DatasetColumn;
  /** @param written expression of the column, read as `use` */
  of(written: string): string;
  /** What the column is read for. */
  use: 'text' | 'number';
}

/**
 * How times of a log are read: ISO 8601 with a zone (`2026-03-01T12:00:00Z`, `...+02:00`), the same without one as UTC, a column of
 * timestamps, or a number of seconds (below 1e11), milliseconds (below 1e14), or else microseconds since 1970.
 *
 * @throws DataError where there is no such column, or a cell is no time
 */
export async function readingOfTimes(dataset: Dataset, name: string): Promise<TimeReading> {
  const [column] = requireColumns(dataset, [name]) as [DatasetColumn];
  const use = isNumeric(column.type) ? ('number' as const) : ('text' as const);
  const of = (written: string): string =>
    use === 'text'
      ? `(epoch_us(try_cast(${written} as timestamptz)) / 1000.0)::double`
      : `case when abs(${written}) < 1e11 then ${written} * 1000 when abs(${written}) < 1e14 then ${written} else ${written} / 1000 end`;
  const { from, expressions } = readingOf(dataset, [
    { column, use },
    { column, use: 'text' },
  ]);
  const [cell, text] = expressions as [string, string];
  const query = `select row, text from (select row_number() over () as row, ${text} as text, ${of(cell)} as time from ${from})
    where text is not null and (time is null or not isfinite(time)) order by row limit 1`;
  const [bad] = await reading(dataset, async () => (await dataset.connection.runAndReadAll(query)).getRows());
  if (bad === undefined) return { column, of, use };
  throw new DataError({
    found: `column ${JSON.stringify(name)}, row ${Number(bad[0])} is ${JSON.stringify(String(bad[1]).slice(0, 80))}`,
    expected: 'a time such as 2026-03-01T12:00:00Z, or a number of seconds or milliseconds since 1970',
    where: dataset.uri,
    remedy: 'Write the times as ISO 8601 with a zone, or name another column',
  });
}
