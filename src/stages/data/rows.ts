import { TextDecoder } from 'node:util';
import { readingOf } from '../../data/cells.ts';
import type { Dataset } from '../../data/dataset.ts';
import { jsonRow, lineBatches, type JsonRow } from '../../data/lines.ts';
import { isNested } from '../../data/types.ts';
import { DataError } from '../../errors.ts';
import type { CellTypes } from './cell-types.ts';
import type { Suspects } from './sieve/suspects.ts';
import { absent, missingCell, textCellReader } from './cells.ts';

/** A row as the JSON value that the contract judges. */
export interface Row extends JsonRow {
  /** 1-based number in file order. */
  number: number;
  /** Line of the file, where a line is a row. */
  line?: number;
}

/**
 * All rows of a dataset, or those that may break the contract. `types` are those of its columns, in order; JSON needs none.
 * @param suspects what the sieve leaves to ajv; null: all rows
 */
export function rowBatches(
  dataset: Dataset,
  types: readonly CellTypes[],
  suspects: Suspects | null,
): AsyncGenerator<Row[]> {
  switch (dataset.format) {
    case 'csv':
      return csvRows(dataset, types, suspects);
    case 'parquet':
      return parquetRows(dataset, types, suspects);
    case 'jsonl':
      return jsonRows(dataset);
  }
}

async function* csvRows(
  dataset: Dataset,
  types: readonly CellTypes[],
  suspects: Suspects | null,
): AsyncGenerator<Row[]> {
  const readers = dataset.columns.map((column, index) => {
    const textCell = textCellReader(types[index] as CellTypes, column, dataset.csv);
    return (cell: unknown) => textCell(cell as string | null);
  });
  yield* tableRows(dataset, readers, suspects);
}

async function* parquetRows(
  dataset: Dataset,
  types: readonly CellTypes[],
  suspects: Suspects | null,
): AsyncGenerator<Row[]> {
  const readers = dataset.columns.map(({ type }, index) => {
    const missing = missingCell(types[index] as CellTypes);
    const read = isNested(type) ? parsed : (cell: unknown): unknown => cell;
    return (cell: unknown) => (cell === null ? missing : read(cell));
  });
  yield* tableRows(dataset, readers, suspects);
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
  suspects: Suspects | null,
): AsyncGenerator<Row[]> {
  const names = dataset.columns.map((column) => column.name);
  const whole = readingOf(
    dataset,
    dataset.columns.map((column) => ({ column, use: 'json' })),
  );
  const select =
    suspects === null
      ? `select ${whole.expressions.join(', ')} from ${whole.from}`
      : `select ${[...suspects.cells, 'row_at'].join(', ')} from (select *, row_number() over () as row_at from ${suspects.from}) where ${suspects.condition}`;
  const result = await dataset.connection.stream(select);
  let before = 0;
  for (let chunk = await result.fetchChunk(); chunk !== null && chunk.rowCount > 0; chunk = await result.fetchChunk()) {
    const places = suspects === null ? null : chunk.getColumnVector(names.length);
    const rows = Array.from({ length: chunk.rowCount }, (_, at): Row => ({
      number: places === null ? before + at + 1 : Number(places.getItem(at)),
      value: {},
    }));
    for (const [index, name] of names.entries()) {
      const vector = chunk.getColumnVector(index);
      const read = readers[index] as (cell: unknown) => unknown;
      for (const [at, target] of rows.entries()) {
        const value = read(vector.getItem(at));
        if (value === absent) continue;
        if (name === '__proto__') Object.defineProperty(target.value, name, { value, enumerable: true });
        else (target.value as Record<string, unknown>)[name] = value;
      }
    }
    yield rows;
    before += rows.length;
  }
}

async function* jsonRows(dataset: Dataset): AsyncGenerator<Row[]> {
  const utf8 = new TextDecoder('utf-8', { fatal: true });
  let before = 0;
  for await (const lines of lineBatches(dataset.path, dataset.uri)) {
    for (let start = 0; start < lines.length; start += batchRows) {
      const from = before + 1;
      const rows = lines.slice(start, start + batchRows).map(({ number, bytes }, at): Row => {
        const read = jsonRow(utf8, bytes);
        return { ...read, number: from + at, line: number };
      });
      yield rows;
      before += rows.length;
    }
  }
  if (before !== dataset.rows) {
    throw new DataError({
      found: `${before} lines, but ${dataset.rows} rows were read`,
      expected: 'one JSON object a line',
      where: dataset.uri,
      remedy: 'Write one object on each line',
    });
  }
}

const batchRows = 2048;
