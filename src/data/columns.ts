import type { DuckDBVector } from '@duckdb/node-api';
import { DataError } from '../errors.ts';
import {
  quoteIdentifier,
  quoteLiteral,
  reading,
  requireColumns,
  type Dataset,
  type DatasetColumn,
} from './relation.ts';
import { isNested, isNumeric, isWideInteger } from './types.ts';

/** One column in file order. `nulls[i]` is 1 where row i has no value; null when every row has one. */
export type ColumnVector = { name: string; nulls: Uint8Array | null } & (
  | { kind: 'number'; /** NaN where null */ values: Float64Array }
  | { kind: 'text'; values: (string | null)[] }
  | { kind: 'boolean'; /** 0 or 1; 0 where null */ values: Uint8Array }
);

/**
 * Read whole columns into memory, in file order. Integers and decimals become doubles; an integer that a double cannot
 * hold exactly (beyond 2^53) is refused. Anything that is neither number nor boolean is read as text.
 * @throws DataError for a column that is not there, or an integer that would change
 */
export function readColumns(dataset: Dataset, names: readonly string[]): Promise<Map<string, ColumnVector>> {
  return reading(dataset, () => readAll(dataset, names));
}

/**
 * The same of columns that must hold one value a row, such as labels, weights and columns to slice by.
 * @throws DataError for a column of lists or structs too
 */
export async function readPlainColumns(dataset: Dataset, names: readonly string[]): Promise<Map<string, ColumnVector>> {
  const nested = requireColumns(dataset, names).find(({ type }) => isNested(type));
  if (nested === undefined) return readColumns(dataset, names);
  throw new DataError({
    found: `column ${JSON.stringify(nested.name)} is ${nested.type.slice(0, 80)}`,
    expected: 'one value a row',
    where: dataset.uri,
    remedy: 'Name another column, or write the parts as columns of their own',
  });
}

async function readAll(dataset: Dataset, names: readonly string[]): Promise<Map<string, ColumnVector>> {
  const wanted = [...new Set(names)];
  const columns = requireColumns(dataset, wanted);
  if (columns.length === 0) return new Map();
  const kinds = columns.map((column) => kindOf(column.type));
  await refuseWideIntegers(
    dataset,
    columns.filter((column) => isWideInteger(column.type)).map((column) => column.name),
  );

  const targets: ColumnVector[] = columns.map((column, index) =>
    empty(column.name, kinds[index] ?? 'text', dataset.rows),
  );
  const selected: string[] = [];
  for (const [index, column] of columns.entries()) {
    const name = quoteIdentifier(column.name);
    if (kinds[index] === 'number') selected.push(`cast(${name} as double)`);
    else if (kinds[index] === 'boolean') selected.push(name);
    else selected.push(`cast(${name} as ${(await fewTexts(dataset, column)) ?? 'varchar'})`);
  }
  const result = await dataset.connection.stream(`select ${selected.join(', ')} from ${dataset.relation}`);
  let start = 0;
  // The next chunk is fetched while this one is read.
  let next = result.fetchChunk();
  for (let chunk = await next; chunk !== null && chunk.rowCount > 0; chunk = await next) {
    next = result.fetchChunk();
    // Its fault is told when its turn comes.
    next.catch(() => {});
    for (let index = 0; index < targets.length; index++) {
      fill(targets[index] as ColumnVector, chunk.getColumnVector(index), start, chunk.rowCount);
    }
    start += chunk.rowCount;
  }
  return new Map(targets.map((target) => [target.name, target]));
}

/**
 * Values of a column as text; null where missing.
 * @throws DataError for a number beyond 2^53, which may have been another one in the file
 */
export function columnTexts(vector: ColumnVector): (string | null)[] {
  const { kind, values, nulls } = vector;
  const texts = new Array<string | null>(values.length);
  // Labels and slices repeat a few values: each becomes text once.
  let last = Number.NaN;
  let lastText = '';
  for (let row = 0; row < values.length; row += 1) {
    const value = values[row] ?? null;
    if (nulls?.[row] === 1 || value === null) texts[row] = null;
    else if (typeof value === 'string') texts[row] = value;
    else {
      if (value !== last) {
        if (Math.abs(value) > largestExact) throw inexact(vector.name, `the value ${value}`);
        lastText = kind === 'boolean' ? String(value === 1) : String(value);
        last = value;
      }
      texts[row] = lastText;
    }
  }
  return texts;
}

function kindOf(type: string): ColumnVector['kind'] {
  if (isNumeric(type)) return 'number';
  return type === 'BOOLEAN' ? 'boolean' : 'text';
}

function empty(name: string, kind: ColumnVector['kind'], rows: number): ColumnVector {
  switch (kind) {
    case 'number':
      return { name, nulls: null, kind, values: new Float64Array(rows) };
    case 'boolean':
      return { name, nulls: null, kind, values: new Uint8Array(rows) };
    case 'text':
      return { name, nulls: null, kind, values: new Array<string | null>(rows).fill(null) };
  }
}

function fill(target: ColumnVector, vector: DuckDBVector, start: number, count: number): void {
  const whole = target.kind === 'number' ? wholeDoubles(vector) : undefined;
  if (target.kind === 'number' && whole !== undefined) {
    target.values.set(whole.subarray(0, count), start);
    return;
  }
  for (let row = 0; row < count; row++) {
    const value = vector.getItem(row);
    if (value === null) {
      target.nulls ??= new Uint8Array(target.values.length);
      target.nulls[start + row] = 1;
      if (target.kind === 'number') target.values[start + row] = Number.NaN;
    } else if (target.kind === 'number') target.values[start + row] = value as number;
    else if (target.kind === 'boolean') target.values[start + row] = value === true ? 1 : 0;
    else target.values[start + row] = value as string;
  }
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
async function fewTexts(dataset: Dataset, { name, type }: DatasetColumn): Promise<string | undefined> {
  if (type !== 'VARCHAR') return undefined;
  const column = quoteIdentifier(name);
  const distinct = async (rows: string): Promise<string[]> => {
    const found = await dataset.connection.runAndReadAll(
      `select distinct ${column} from (${rows}) where ${column} is not null limit ${few + 1}`,
    );
    return found.getRows().map((row) => String(row[0]));
  };
  const all = `select ${column} from ${dataset.relation}`;
  // Identifiers show themselves early.
  if ((await distinct(`${all} limit 4096`)).length > few) return undefined;
  const texts = await distinct(all);
  // A statement ends at a character of number 0.
  if (texts.length === 0 || texts.length > few || texts.some((text) => text.includes('\0'))) return undefined;
  return `enum(${texts.map(quoteLiteral).join(', ')})`;
}

/** As many as a byte tells apart. */
const few = 255;

async function refuseWideIntegers(dataset: Dataset, names: readonly string[]): Promise<void> {
  if (names.length === 0) return;
  const limits = names.map((name) => `max(abs(${quoteIdentifier(name)}::hugeint)) > ${largestExact}`);
  const row = (
    await dataset.connection.runAndReadAll(`select ${limits.join(', ')} from ${dataset.relation}`)
  ).getRows()[0];
  const bad = names.find((_name, index) => row?.[index] === true);
  if (bad === undefined) return;
  throw inexact(bad, 'integers beyond 2^53', dataset.uri);
}

/** Beyond it not every whole number is a double. */
const largestExact = 2 ** 53;

function inexact(column: string, what: string, where?: string): DataError {
  return new DataError({
    found: `column ${JSON.stringify(column)} has ${what}`,
    expected: 'numbers that a double holds exactly',
    where,
    remedy: 'Store identifiers as text',
  });
}
