import { TextDecoder } from 'node:util';
import { readingOf } from '../../data/cells.ts';
import type { Dataset } from '../../data/dataset.ts';
import { jsonRow, lineBatches, type JsonRow } from '../../data/lines.ts';
import { isNested } from '../../data/types.ts';
import { DataError } from '../../errors.ts';
import type { CellTypes } from './cell-types.ts';
import { absent, missingCell, textCellReader } from './cells.ts';

/** Rows in file order, as the JSON values the contract judges. */
export interface RowBatch {
  /** 1-based number of the first row. */
  first: number;
  rows: Row[];
}

export interface Row extends JsonRow {
  /** Line of the file, where a line is a row. */
  line?: number;
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
  const readers = dataset.columns.map((column, index) => {
    const textCell = textCellReader(types[index] as CellTypes, column, dataset.csv);
    return (cell: unknown) => textCell(cell as string | null);
  });
  yield* tableRows(dataset, readers);
}

async function* parquetRows(dataset: Dataset, types: readonly CellTypes[]): AsyncGenerator<RowBatch> {
  const readers = dataset.columns.map(({ type }, index) => {
    const missing = missingCell(types[index] as CellTypes);
    const read = isNested(type) ? parsed : (cell: unknown): unknown => cell;
    return (cell: unknown) => (cell === null ? missing : read(cell));
  });
  yield* tableRows(dataset, readers);
}

function parsed(cell: unknown): unknown {
  try {
    return JSON.parse(cell as string) as unknown;
  } catch {
    // NaN and infinities have no JSON form.
    return cell;
  }
}

async function* tableRows(
  dataset: Dataset,
  readers: readonly ((cell: unknown) => unknown)[],
): AsyncGenerator<RowBatch> {
  const names = dataset.columns.map((column) => column.name);
  const { from, expressions } = readingOf(
    dataset,
    dataset.columns.map((column) => ({ column, use: 'json' })),
  );
  const result = await dataset.connection.stream(`select ${expressions.join(', ')} from ${from}`);
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
