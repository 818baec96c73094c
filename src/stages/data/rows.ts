import { TextDecoder } from 'node:util';
import type { Dataset, DatasetColumn } from '../../data/dataset.ts';
import { csvText, quoteIdentifier } from '../../data/dataset.ts';
import { lineBatches } from '../../data/lines.ts';
import { isNested, isNumeric } from '../../data/types.ts';
import { DataError } from '../../errors.ts';
import type { CellTypes } from './cell-types.ts';
import { absent, missingCell, textCell } from './cells.ts';

/** Rows in file order, as the JSON values the contract judges. */
export interface RowBatch {
  /** 1-based number of the first row. */
  first: number;
  rows: Row[];
}

export interface Row {
  value: unknown;
  /** Line of the file, where a line is a row. */
  line?: number;
  /** Why there is no value: the line is not JSON, not UTF-8, or not an object. */
  broken?: string;
}

/** All rows of a dataset. `types` are those of its columns, in order; JSON needs none. */
export function rowBatches(dataset: Dataset, types: readonly CellTypes[]): AsyncGenerator<RowBatch> {
  switch (dataset.format) {
    case 'csv':
      return csvRows(dataset, types);
    case 'parquet':
      return parquetRows(dataset, types);
    case 'jsonl':
      return jsonRows(dataset);
  }
}

async function* csvRows(dataset: Dataset, types: readonly CellTypes[]): AsyncGenerator<RowBatch> {
  const readers = types.map((each) => (cell: unknown) => textCell(cell as string, each));
  yield* tableRows(dataset, `select * from ${csvText(dataset.path, dataset.columns.length)}`, readers);
}

async function* parquetRows(dataset: Dataset, types: readonly CellTypes[]): AsyncGenerator<RowBatch> {
  const cells = dataset.columns.map(parquetCell);
  const readers = cells.map(({ read }, index) => {
    const missing = missingCell(types[index] as CellTypes);
    return (cell: unknown) => (cell === null ? missing : read(cell));
  });
  yield* tableRows(dataset, `select ${cells.map(({ select }) => select).join(', ')} from ${dataset.relation}`, readers);
}

async function* tableRows(
  dataset: Dataset,
  select: string,
  readers: readonly ((cell: unknown) => unknown)[],
): AsyncGenerator<RowBatch> {
  const names = dataset.columns.map((column) => column.name);
  const result = await dataset.connection.stream(select);
  let first = 1;
  for (let chunk = await result.fetchChunk(); chunk !== null && chunk.rowCount > 0; chunk = await result.fetchChunk()) {
    const rows: Row[] = Array.from({ length: chunk.rowCount }, () => ({ value: {} }));
    for (const [index, name] of names.entries()) {
      const vector = chunk.getColumnVector(index);
      const read = readers[index] as (cell: unknown) => unknown;
      for (const [row, target] of rows.entries()) {
        const value = read(vector.getItem(row));
        if (value === absent) continue;
        if (name === '__proto__') Object.defineProperty(target.value, name, { value, enumerable: true });
        else (target.value as Record<string, unknown>)[name] = value;
      }
    }
    yield { first, rows };
    first += rows.length;
  }
}

/** How a Parquet column becomes JSON (docs/data.md): the SQL that fetches it and what is left to do in JavaScript. */
function parquetCell({ name, type }: DatasetColumn): { select: string; read: (cell: unknown) => unknown } {
  const column = quoteIdentifier(name);
  const same = (cell: unknown): unknown => cell;
  if (type === 'BOOLEAN' || type === 'VARCHAR') return { select: column, read: same };
  if (isNested(type) || type === 'JSON') {
    const read = (cell: unknown): unknown => {
      try {
        return JSON.parse(cell as string) as unknown;
      } catch {
        // NaN and infinities have no JSON form.
        return cell;
      }
    };
    return { select: `cast(to_json(${column}) as varchar)`, read };
  }
  if (isNumeric(type)) {
    return { select: `cast(${column} as double)`, read: same };
  }
  if (type === 'TIMESTAMP WITH TIME ZONE') {
    // epoch_us(infinity) is NULL, which would pass for a missing cell.
    const finite = `strftime(make_timestamp(epoch_us(${column})), '%Y-%m-%dT%H:%M:%S.%fZ')`;
    return { select: `if(isfinite(${column}), ${finite}, cast(${column} as varchar))`, read: same };
  }
  if (type.startsWith('TIMESTAMP')) {
    return { select: `strftime(cast(${column} as timestamp), '%Y-%m-%dT%H:%M:%S.%fZ')`, read: same };
  }
  if (type === 'TIME') return { select: `cast(${column} as varchar) || 'Z'`, read: same };
  if (type === 'BLOB') return { select: `base64(${column})`, read: same };
  return { select: `cast(${column} as varchar)`, read: same };
}

async function* jsonRows(dataset: Dataset): AsyncGenerator<RowBatch> {
  const utf8 = new TextDecoder('utf-8', { fatal: true });
  let first = 1;
  for await (const lines of lineBatches(dataset.path, dataset.uri)) {
    for (let start = 0; start < lines.length; start += batchRows) {
      const rows = lines.slice(start, start + batchRows).map(({ number, bytes }): Row => {
        const read = jsonRow(utf8, bytes);
        return { ...read, line: number };
      });
      yield { first, rows };
      first += rows.length;
    }
  }
  if (first - 1 !== dataset.rows) {
    throw new DataError({
      found: `${first - 1} lines, but ${dataset.rows} rows were read`,
      expected: 'one JSON object a line',
      where: dataset.uri,
      remedy: 'Write one object on each line',
    });
  }
}

const batchRows = 2048;

function jsonRow(utf8: TextDecoder, bytes: Buffer): Row {
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    return { value: undefined, broken: 'the line is not UTF-8' };
  }
  try {
    const value = JSON.parse(text) as unknown;
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { value };
    return { value, broken: 'the line is not a JSON object' };
  } catch {
    return { value: undefined, broken: 'the line is not JSON' };
  }
}
