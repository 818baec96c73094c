import type { DuckDBResult, DuckDBVector } from '@duckdb/node-api';
import { DataError } from '../errors.ts';
import { readingOf, type CellRequest } from './cells.ts';
import { chunksAhead } from './engine.ts';
import { requireNumbers } from './numbers.ts';
import {
  quoteIdentifier,
  quoteLiteral,
  reading,
  requireColumns,
  type Dataset,
  type DatasetColumn,
} from './relation.ts';
import { isNested, isWideInteger } from './types.ts';

/** Numbers of a column, in file order; NaN where there is none. */
export interface NumberColumn {
  name: string;
  kind: 'number';
  values: Float64Array;
}

/** Texts of a column as they stand in the file, in file order; null where there is none. */
export interface TextColumn {
  name: string;
  kind: 'text';
  values: (string | null)[];
}

/** A column for one use. */
export type ColumnVector = NumberColumn | TextColumn;

/** Columns by the use they were read for. */
export interface ColumnVectors {
  texts: Map<string, TextColumn>;
  numbers: Map<string, NumberColumn>;
}

/**
 * Read whole columns into memory, each for the use it has: as texts, as numbers, or as both. A column has one value a row.
 * @throws DataError for a column that is not there, that holds lists or structs, or whose cells are not all numbers where numbers
 * are wanted; and for an integer that a double cannot hold exactly (beyond 2^53)
 * @param uses nearest: of such an integer the nearest double will do
 */
export function readColumns(
  dataset: Dataset,
  uses: { texts?: readonly string[]; numbers?: readonly string[]; nearest?: boolean },
): Promise<ColumnVectors> {
  const { texts, numbers, nearest = false } = uses;
  return reading(dataset, () => readAll(dataset, [...new Set(texts)], [...new Set(numbers)], nearest));
}

async function readAll(
  dataset: Dataset,
  texts: readonly string[],
  numbers: readonly string[],
  nearest: boolean,
): Promise<ColumnVectors> {
  const read: ColumnVectors = { texts: new Map(), numbers: new Map() };
  if (texts.length + numbers.length === 0) return read;
  const textColumns = requireColumns(dataset, texts);
  const numberColumns = requireColumns(dataset, numbers);
  refuseNested(dataset, [...textColumns, ...numberColumns]);
  await requireNumbers(dataset, numberColumns);
  if (!nearest) await refuseWideIntegers(dataset, numberColumns);

  const requests: CellRequest[] = [
    ...textColumns.map((column) => ({ column, use: 'text' as const })),
    ...numberColumns.map((column) => ({ column, use: 'number' as const })),
  ];
  const { from, expressions } = readingOf(dataset, requests);
  const targets: ColumnVector[] = [];
  for (const [index, { column, use }] of requests.entries()) {
    const { name } = column;
    if (use === 'text') {
      const column: TextColumn = { name, kind: 'text', values: new Array<string | null>(dataset.rows).fill(null) };
      targets.push(column);
      read.texts.set(name, column);
      const type = await fewTexts(dataset, expressions[index] as string, from);
      if (type !== undefined) expressions[index] = `cast(${expressions[index]} as ${type})`;
    } else {
      const column: NumberColumn = { name, kind: 'number', values: new Float64Array(dataset.rows) };
      targets.push(column);
      read.numbers.set(name, column);
    }
  }
  const rows = await fillColumns(
    await dataset.connection.stream(`select ${expressions.join(', ')} from ${from}`),
    targets,
  );
  // Another query of the connection would have ended this one.
  if (rows !== dataset.rows) throw new Error(`${rows} of ${dataset.rows} rows were read`);
  return read;
}

/**
 * Write what a query found into columns that have room for it.
 * @param columns one for each that the query selects, doubles or texts
 * @returns the number of rows
 */
export async function fillColumns(result: DuckDBResult, columns: readonly ColumnVector[]): Promise<number> {
  let start = 0;
  for await (const chunk of chunksAhead(result)) {
    const { rowCount } = chunk;
    for (const [index, column] of columns.entries()) fill(column, chunk.getColumnVector(index), start, rowCount);
    start += rowCount;
  }
  return start;
}

function refuseNested({ uri }: Dataset, columns: readonly DatasetColumn[]): void {
  const nested = columns.find(({ type }) => isNested(type));
  if (nested === undefined) return;
  throw new DataError({
    found: `column ${JSON.stringify(nested.name)} is ${nested.type.slice(0, 80)}`,
    expected: 'one value per row',
    where: uri,
    remedy: 'Name another column, or write each part to its own column',
  });
}

function fill({ values }: ColumnVector, vector: DuckDBVector, start: number, count: number): void {
  if (values instanceof Float64Array) {
    const whole = wholeDoubles(vector);
    if (whole !== undefined) {
      values.set(whole.subarray(0, count), start);
      return;
    }
    for (let row = 0; row < count; row += 1) {
      values[start + row] = (vector.getItem(row) as number | null) ?? Number.NaN;
    }
    return;
  }
  for (let row = 0; row < count; row += 1) values[start + row] = vector.getItem(row) as string | null;
}

/**
 * The doubles of a vector without nulls, to be copied at once rather than cell by cell.
 * The fields are private to the engine's package; where they are not as expected the cells are read one by one.
 */
function wholeDoubles(vector: DuckDBVector): Float64Array | undefined {
  const { items, validity } = vector as unknown as { items?: unknown; validity?: { data?: unknown } };
  return items instanceof Float64Array && validity?.data === null ? items : undefined;
}

/**
 * The type of a column of few texts, such as one to slice by: of such a type the engine hands over numbers, and each text becomes a
 * string once rather than in every row. Undefined where there are more.
 */
async function fewTexts(dataset: Dataset, text: string, from: string): Promise<string | undefined> {
  const distinct = async (rows: string): Promise<string[]> => {
    const found = await dataset.connection.runAndReadAll(
      `select distinct cell from (${rows}) where cell is not null limit ${few + 1}`,
    );
    return found.getRows().map((row) => String(row[0]));
  };
  const all = `select ${text} as cell from ${from}`;
  // Identifiers show themselves early.
  if ((await distinct(`${all} limit 4096`)).length > few) return undefined;
  const texts = await distinct(all);
  // A statement ends at a character of number 0.
  if (texts.length === 0 || texts.length > few || texts.some((text) => text.includes('\0'))) return undefined;
  return `enum(${texts.map(quoteLiteral).join(', ')})`;
}

/** As many as a byte tells apart. */
const few = 255;

async function refuseWideIntegers(dataset: Dataset, columns: readonly DatasetColumn[]): Promise<void> {
  const wide = columns.filter(({ type }) => isWideInteger(type));
  if (wide.length === 0) return;
  const limits = wide.map(({ name }) => `max(abs(${quoteIdentifier(name)}::hugeint)) > ${largestExact}`);
  const row = (
    await dataset.connection.runAndReadAll(`select ${limits.join(', ')} from ${dataset.relation}`)
  ).getRows()[0];
  const bad = wide.find((_column, index) => row?.[index] === true);
  if (bad === undefined) return;
  throw new DataError({
    found: `column ${JSON.stringify(bad.name)} has integers beyond 2^53`,
    expected: 'numbers that a double can hold exactly',
    where: dataset.uri,
    remedy: 'Store identifiers as text',
  });
}

/** Beyond it not every whole number is a double. */
const largestExact = 2 ** 53;
