import type { DuckDBVector } from '@duckdb/node-api';
import { DataError } from '../errors.ts';
import { timePattern } from '../iso-time.ts';
import { readingOf } from './cells.ts';
import { quoteLiteral, reading, requireColumns, rowsFrom, type Dataset, type DatasetColumn } from './relation.ts';
import { isNumeric } from './types.ts';

/** How the cells of one column are read as times. */
export interface TimeReading {
  column: DatasetColumn;
  /** What the column is read for. */
  use: 'text' | 'number';
  /**
   * An expression that is a time in milliseconds since 1970: DOUBLE, null where the cell is missing or no time.
   * @param written expression of the column, read as `use`
   */
  of(written: string): string;
}

/** Forms of a time, for messages. */
const timeForms =
  'a time in ISO 8601, such as 2026-03-01 or 2026-03-01T12:00:00Z, or a number of seconds or milliseconds since 1970';

/** SQL of whether a text is a date in ISO 8601, with a time of day or without. */
export function spellsTime(text: string): string {
  return `regexp_full_match(${text}, ${quoteLiteral(timePattern)})`;
}

/** Milliseconds since 1970 as ISO 8601 to the second, or to the day where that says it all. */
export function timeText(milliseconds: number): string {
  const text = new Date(milliseconds).toISOString();
  return text.endsWith('T00:00:00.000Z') ? text.slice(0, 10) : `${text.slice(0, 19)}Z`;
}

/** SQL of the milliseconds since 1970 that a text says in ISO 8601. Without a zone it is UTC. */
export function millisecondsOf(text: string): string {
  const time = `try_cast(${text} as timestamptz)`;
  // Years beyond 275760 are no Date of JavaScript.
  return `if(isfinite(${time}) and abs(epoch_us(${time})) <= 8.64e18, epoch_us(${time}) / 1000.0, null)::double`;
}

/**
 * SQL of the moment that a text says, to its last digit, for comparing: null where it is no time.
 * @returns a STRUCT in the order of time
 */
export function momentOf(text: string): string {
  const time = `try_cast(${text} as timestamptz)`;
  const below = `rtrim(regexp_extract(${text}, '[.,][0-9]{6}([0-9]+)', 1), '0')`;
  return `if(${millisecondsOf(text)} is null, null, struct_pack(us := epoch_us(${time}), below := ${below}))`;
}

/** SQL of a text of the moment that a text says, to its last digit; of one that says none, that text. */
export function momentText(text: string): string {
  return `coalesce(cast(${momentOf(text)} as varchar), cast(${text} as varchar))`;
}

/**
 * The one reading of times: a column of dates or timestamps, ISO 8601 with a zone (`2026-03-01T12:00:00Z`, `...+02:00`), the same
 * without one as UTC, or numbers since 1970: seconds from 1e8 (1973), milliseconds from 1e11, microseconds from 1e14, nanoseconds
 * from 1e17 on. Smaller numbers are no times: 20260301 is a date written as a number, and would be a day of 1970.
 */
function timesOf(column: DatasetColumn): TimeReading {
  if (!isNumeric(column.type)) return { column, use: 'text', of: millisecondsOf };
  const of = (cell: string): string =>
    `case when abs(${cell}) < 1e8 then null when abs(${cell}) < 1e11 then ${cell} * 1e3 when abs(${cell}) < 1e14 then ${cell}
      when abs(${cell}) < 1e17 then ${cell} / 1e3 when abs(${cell}) < 1e20 then ${cell} / 1e6 end::double`;
  return { column, use: 'number', of };
}

/** A column of times as it stands in a file: expressions of the time and of the text of a cell, over a FROM clause. */
interface TimeColumn {
  times: TimeReading;
  from: string;
  time: string;
  text: string;
  /** The text of the cell beside it. */
  beside: string;
}

function timeColumn(dataset: Dataset, name: string, beside = name): TimeColumn {
  const [column, other] = requireColumns(dataset, [name, beside]) as [DatasetColumn, DatasetColumn];
  const times = timesOf(column);
  const { from, expressions } = readingOf(dataset, [
    { column, use: times.use },
    { column, use: 'text' },
    { column: other, use: 'text' },
  ]);
  const [cell, text, otherText] = expressions as [string, string, string];
  return { times, from, time: times.of(cell), text, beside: otherText };
}

/**
 * How a column of times is read, after every cell of it was looked at.
 * @throws DataError where there is no such column, or a cell is no time
 */
export async function readingOfTimes(dataset: Dataset, name: string): Promise<TimeReading> {
  const { times, from, time, text } = timeColumn(dataset, name);
  const query = `select row, text from (select row_number() over () as row, ${text} as text, ${time} as time from ${from})
    where text is not null and time is null order by row limit 1`;
  const [bad] = await rowsFrom(dataset, query);
  if (bad === undefined) return times;
  throw noTime(dataset, name, Number(bad[0]), String(bad[1]));
}

/**
 * The time of each row in milliseconds since 1970, in file order.
 * @param of the column of what the times are of: a row that has no value there needs none, and gets NaN
 * @throws DataError where the column is not there, or a row has no time
 */
export async function readTimes(dataset: Dataset, name: string, of?: string): Promise<Float64Array> {
  const { from, time, text, beside } = timeColumn(dataset, name, of);
  const values = new Float64Array(dataset.rows);
  let row = 0;
  await reading(dataset, async () => {
    const rows = await dataset.connection.stream(`select ${time}, ${text}, ${beside} from ${from}`);
    for await (const chunk of rows) {
      const [found, texts, besides] = [0, 1, 2].map((column) => chunk.getColumnVector(column)) as [
        DuckDBVector,
        DuckDBVector,
        DuckDBVector,
      ];
      for (let each = 0; each < chunk.rowCount; each++) {
        const value = found.getItem(each) as number | null;
        const written = texts.getItem(each) as string | null;
        const needsNone = of !== undefined && written === null && besides.getItem(each) === null;
        if (value === null && !needsNone) throw noTime(dataset, name, row + 1, written);
        values[row] = value ?? Number.NaN;
        row += 1;
      }
    }
  });
  if (row !== dataset.rows) throw new Error(`${row} of ${dataset.rows} rows were read`);
  return values;
}

function noTime({ uri }: Dataset, name: string, row: number, text: string | null): DataError {
  const cell = text === null ? 'is empty' : `is ${JSON.stringify(text.slice(0, 80))}`;
  return new DataError({
    found: `column ${JSON.stringify(name.slice(0, 100))}, row ${row} ${cell}`,
    expected: timeForms,
    where: uri,
    remedy: 'Write the times in one of these forms, or name another column',
  });
}
