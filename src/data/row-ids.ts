import { DataError } from '../errors.ts';
import { rowNumber } from '../config/columns.ts';
import { readingOfColumns } from './cells.ts';
import { quoteIdentifier, reading, requireColumns, rowsFrom, type Dataset, type DatasetColumn } from './relation.ts';
import { isNumeric, isWhole } from './types.ts';
import { unitOf } from '../wording.ts';

/** How the ids of a dataset are read: an expression that is the text of an id, over a FROM clause. */
export interface IdReading {
  text: string;
  from: string;
  /** The same, of another expression for the text of the column. */
  of(written: string): string;
  /** The file says that they are numbers, which leading zeros mean nothing to. */
  numeric: boolean;
}

/**
 * Ids are compared as the text that stands in the file, so that `0007` and 20 digits stay what they are, with one exception: a
 * whole number is written as one, since 7 becomes 7.0 where a column has had a gap.
 * @throws DataError where there is no such column
 */
export function readingOfIds(dataset: Dataset, id: string): IdReading {
  if (isRowNumber(dataset, id)) return readingOfNumbers(dataset);
  const [column] = requireColumns(dataset, [id]) as [DatasetColumn];
  const numeric = dataset.format !== 'csv' && isNumeric(column.type);
  const { from, expressions } = readingOfColumns(dataset, [column], 'text');
  const of = (written: string): string => keyText(dataset, column, written);
  return { text: of(expressions[0] as string), from, of, numeric };
}

/** Whether rows are told apart by their number, since no column has an id. */
export function isRowNumber({ columns }: Pick<Dataset, 'columns'>, id: string): boolean {
  return id === rowNumber && !columns.some(({ name }) => name === id);
}

/** Only of the data that are evaluated: the rows of another file are others, whatever their numbers. */
function readingOfNumbers(dataset: Dataset): IdReading {
  if (dataset.name !== 'evaluation') {
    throw new DataError({
      found: 'the rows have no id, because columns.id is not set',
      expected: 'an id in every row, to join the rows of two files',
      where: dataset.uri,
      remedy: `Name a column in columns.id, or give the file a column ${JSON.stringify(rowNumber)} with the number of the row of the evaluation data, from 1`,
    });
  }
  const { from } = readingOfColumns(dataset, dataset.columns.slice(0, 1), 'text');
  const text = 'cast(row_number() over () as varchar)';
  return { text, from, of: () => text, numeric: false };
}

/** Columns that tell rows apart together, each read as an id. @throws DataError where there is no such column */
export function readingOfKeys(dataset: Dataset, names: readonly string[]): { texts: string[]; from: string } {
  const columns = requireColumns(dataset, names);
  const { from, expressions } = readingOfColumns(dataset, columns, 'text');
  const texts = columns.map((column, index) => keyText(dataset, column, expressions[index] as string));
  return { texts, from };
}

function keyText({ format }: Dataset, { name, type }: DatasetColumn, written: string): string {
  return format === 'parquet' && isNumeric(type)
    ? numberText(quoteIdentifier(name), type, written)
    : withoutFraction(written);
}

/**
 * SQL that is equal for equal ids, of a column as it is stored with this type; undefined where only its text says it.
 * @param column the column's name in SQL
 */
export function keyOfStored(column: string, type: string): string | undefined {
  // Each whole number has one text: -0 is not stored as such.
  if (isWhole(type)) return column;
  return type === 'VARCHAR' ? withoutFraction(column) : undefined;
}

/** The same ids where the other side says that they are numbers. */
export function withoutLeadingZeros(text: string): string {
  return `regexp_replace(${text}, '^(-?)0+([0-9]+)$', '\\1\\2')`;
}

function withoutFraction(text: string): string {
  // Patterns cost most.
  return `if(contains(${text}, '.0'), regexp_replace(${text}, '^([+-]?[0-9]+)[.]0+$', '\\1'), ${text})`;
}

export function numberText(column: string, type: string, written: string): string {
  if (isWhole(type)) return written;
  // As far as the engine's largest integer goes; NaN and infinities are no whole numbers.
  const inRange = type.startsWith('DECIMAL') ? 'true' : `abs(${column}) < 1e38`;
  return `case when ${inRange} and ${column} = trunc(${column}) then cast(cast(${column} as hugeint) as varchar) else ${written} end`;
}

/**
 * Rows are joined by id, so there must be some, each with an id of its own.
 * @throws DataError naming the first ids that repeat, or the number of rows without one
 */
export async function requireRowIds(dataset: Dataset, id: string): Promise<void> {
  const { text, from } = readingOfIds(dataset, id);
  if (dataset.rows === 0) {
    throw new DataError({
      found: 'the dataset has no rows',
      expected: 'labelled rows to evaluate on',
      where: dataset.uri,
      remedy: 'Write the data again, or correct the path in contender.yml',
    });
  }
  const ids = `(select ${text} as id from ${from})`;
  const [counted = []] = await rowsFrom(
    dataset,
    `select (count(*) - count(id))::double, (count(id) - count(distinct id))::double from ${ids}`,
  );
  const [missing, repeated] = counted.map(Number);
  if (missing !== undefined && missing > 0) {
    throw new DataError({
      found: `${missing} of ${dataset.rows} ${unitOf(dataset.rows, 'rows')} have no ${JSON.stringify(id)}`,
      expected: 'an id in every row, to join predictions',
      where: dataset.uri,
      remedy: 'Give every row an id, or name another column in columns.id',
    });
  }
  if (repeated !== undefined && repeated > 0) {
    const first = await rowsFrom(
      dataset,
      `select id, count(*)::double from ${ids} where id is not null group by id having count(*) > 1 order by 1 limit 3`,
    );
    const shown = first.map(([value, count]) => `${JSON.stringify(value)} (${Number(count)} times)`);
    throw new DataError({
      found: `row ids repeat in column ${JSON.stringify(id)}: ${shown.join(', ')}`,
      expected: `${dataset.rows} different ids, to join predictions`,
      where: dataset.uri,
      remedy: 'Remove the duplicates, or name another column in columns.id',
    });
  }
}

/** Ids of `count` rows from the one at `start`, the first being 0, as the text they are joined by. */
export async function idsOf(
  dataset: Dataset,
  id: string,
  { start, count }: { start: number; count: number },
): Promise<string[]> {
  const { text, from } = readingOfIds(dataset, id);
  return reading(dataset, async () => {
    const reader = await dataset.connection.runAndReadAll(`select ${text} from ${from} limit ${count} offset ${start}`);
    // Of no rows there is no column either.
    return (reader.getColumns()[0] ?? []) as string[];
  });
}

/** Ids of single rows, by row (from 0), as text; of rows without one there is none. */
export async function idsOfRows(dataset: Dataset, id: string, rows: readonly number[]): Promise<Map<number, string>> {
  const { text, from } = readingOfIds(dataset, id);
  const found = await rowsFrom(
    dataset,
    `select row, id from (select row_number() over () - 1 as row, ${text} as id from ${from})
     semi join (select unnest([${rows.join(', ')}]) as row) using (row)`,
  );
  return new Map(found.flatMap(([row, text]) => (text === null ? [] : [[Number(row), String(text)]])));
}
