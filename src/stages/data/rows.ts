import { TextDecoder } from 'node:util';
import type { DuckDBDataChunk } from '@duckdb/node-api';
import { readingOf } from '../../data/cells.ts';
import { splitRecord } from '../../data/csv.ts';
import type { Dataset, DatasetColumn } from '../../data/dataset.ts';
import { wholePattern } from '../../data/grammar.ts';
import { jsonRow, lineBatches, readJson, type JsonRow, type Line } from '../../data/lines.ts';
import { hasManyDigits, isNested, isNumeric } from '../../data/types.ts';
import { isExact } from '../../data/written-decimals.ts';
import { DataError } from '../../errors.ts';
import type { CellTypes } from './cell-types.ts';
import type { Suspects } from './sieve/suspects.ts';
import { doubtfulNumbers, requireJudgeable, type ContractNumbers } from './exact-numbers.ts';
import { absent, missingCell, textCellReader } from './cells.ts';

/** A row as the JSON value that the contract judges. */
export interface Row extends JsonRow {
  /** 1-based number in file order. */
  number: number;
  /** Line of the file, where a line is a row. */
  line?: number;
  /** The file of that line, where the dataset has several. */
  file?: string;
  /** Numbers of columns that a double is not, as they are written. */
  written?: Map<string, string>;
  /** The text that tells it apart, where it was read with the row; null: it has none. */
  id?: string | null;
}

/**
 * All rows of a dataset, or those that may break the contract. `types` are those of its columns, in order; JSON needs none.
 * @param suspects what the sieve leaves to ajv; null: all rows
 */
export function rowBatches(
  dataset: Dataset,
  types: readonly CellTypes[],
  suspects: Suspects | null,
  numbers: ContractNumbers = noNumbers,
  /** The column that tells rows apart. */
  id?: string,
): AsyncGenerator<Row[]> {
  switch (dataset.format) {
    case 'csv':
      return csvRows(dataset, types, suspects, numbers, id);
    case 'parquet':
      return parquetRows(dataset, types, suspects, numbers);
    case 'jsonl':
      return jsonRows(dataset, types, suspects, numbers);
  }
}

const noNumbers: ContractNumbers = { all: new Map(), inexact: new Set(), multiples: false };

async function* csvRows(
  dataset: Dataset,
  types: readonly CellTypes[],
  suspects: Suspects | null,
  numbers: ContractNumbers,
  id: string | undefined,
): AsyncGenerator<Row[]> {
  const readers = dataset.columns.map((column, index) => {
    const textCell = textCellReader(types[index] as CellTypes, column, dataset.csv);
    return (cell: unknown, { written }: Told) => {
      if (typeof cell !== 'number') return textCell(cell as string | null, written);
      written(String(cell));
      return cell;
    };
  });
  const put = putter(dataset, types, readers, numbers);
  yield* suspects?.rows === undefined ? tableRows(dataset, put, suspects) : keptRows(dataset, suspects.rows, put, id);
}

/** Rows that were kept when they were read, which are plain, each on a line of its own. */
async function* keptRows(
  { judged, columns, csv, parts }: Dataset,
  rows: readonly number[],
  put: Put,
  id: string | undefined,
): AsyncGenerator<Row[]> {
  const { texts = [], files = [] } = judged ?? {};
  const header = csv?.header === undefined ? 1 : 0;
  const idColumn = columns.findIndex(({ name }) => name === id);
  const numeric = isNumeric(columns[idColumn]?.type ?? '');
  // Of others the engine says what they are.
  const isId = (cell: string): boolean => wholeNumber.test(cell) || (!numeric && /^(?!.*[.]0)./u.test(cell));
  let [file, before] = [0, 0];
  for (let start = 0; start < rows.length; start += batchRows) {
    yield rows.slice(start, start + batchRows).map((number, at) => {
      for (; number > before + (files[file] ?? Infinity); file += 1) before += files[file] as number;
      const cells = splitRecord(texts[start + at] as string, csv ?? {});
      const known = isId(cells[idColumn] ?? '') ? { id: cells[idColumn] as string } : {};
      const inFile = parts.length > 1 ? { file: parts[file]?.uri ?? '' } : {};
      const row: Row = { number, value: {}, ...known, line: number - before + header, ...inFile };
      for (const [index, cell] of cells.entries()) put(row, index, cell === '' ? null : cell);
      return row;
    });
  }
}

const wholeNumber = new RegExp(`^${wholePattern}$`, 'u');

async function* parquetRows(
  dataset: Dataset,
  types: readonly CellTypes[],
  suspects: Suspects | null,
  numbers: ContractNumbers,
): AsyncGenerator<Row[]> {
  const readers = dataset.columns.map(({ type }, index) => {
    const missing = missingCell(types[index] as CellTypes);
    const nested = isNested(type);
    return (cell: unknown, { written, within }: Told) => {
      if (cell === null) return missing;
      if (nested) {
        within(cell as string);
        return readJson(cell as string)?.read;
      }
      if (!hasManyDigits(type)) return cell;
      written(cell as string);
      return Number(cell);
    };
  });
  yield* tableRows(dataset, putter(dataset, types, readers, numbers), suspects);
}

/** What a reader of cells tells of the numbers that it finds, as they are written. */
interface Told {
  /** Of a cell that is a number. */
  written: (token: string) => void;
  /** Of the JSON that holds a list, a struct or a map. */
  within: (json: string) => void;
}

type ReadCell = (cell: unknown, told: Told) => unknown;

type Put = (row: Row, column: number, cell: unknown) => void;

/** @throws DataError for a number that the contract cannot judge, where it is put */
function putter(
  { columns, uri }: Dataset,
  types: readonly CellTypes[],
  readers: readonly ReadCell[],
  numbers: ContractNumbers,
): Put {
  return (target, index, cell) => {
    const { name } = columns[index] as DatasetColumn;
    const { number: judged, multiple } = types[index] as CellTypes;
    const place = { uri, row: target.number, column: name };
    const value = (readers[index] as ReadCell)(cell, {
      written: (token) => {
        const exact = isExact(token);
        if (exact && numbers.inexact.size === 0) return;
        if (judged) requireJudgeable(token, numbers, { ...place, multiple });
        if (!exact) (target.written ??= new Map()).set(name, token);
      },
      within: (json) => {
        for (const { token } of doubtfulNumbers(json, numbers))
          requireJudgeable(token, numbers, { ...place, multiple: numbers.multiples });
      },
    });
    if (value === absent) return;
    if (name === '__proto__') Object.defineProperty(target.value, name, { value, enumerable: true });
    else (target.value as Record<string, unknown>)[name] = value;
  };
}

async function* tableRows(dataset: Dataset, put: Put, suspects: Suspects | null): AsyncGenerator<Row[]> {
  const whole = readingOf(
    dataset,
    dataset.columns.map((column) => ({
      column,
      use: dataset.format === 'parquet' && hasManyDigits(column.type) ? 'text' : 'json',
    })),
  );
  const result = await dataset.connection.stream(
    suspects === null ? `select ${whole.expressions.join(', ')} from ${whole.from}` : selectOf(suspects),
  );
  let before = 0;
  for await (const chunk of result) {
    const places = suspects === null ? [...Array(chunk.rowCount).keys()] : placesOfTrue(chunk, dataset.columns.length);
    const ids =
      suspects?.id === undefined || places.length === 0 ? null : chunk.getColumnVector(dataset.columns.length + 1);
    const rows = places.map((at): Row => ({
      number: before + at + 1,
      value: {},
      ...(ids === null ? {} : { id: ids.getItem(at) as string | null }),
    }));
    before += chunk.rowCount;
    if (rows.length === 0) continue;
    for (const index of dataset.columns.keys()) {
      const vector = chunk.getColumnVector(index);
      for (const [at, target] of rows.entries()) put(target, index, vector.getItem(places[at] as number));
    }
    yield rows;
  }
  if (before !== dataset.rows) throw new Error(`${before} of ${dataset.rows} rows were read`);
}

/**
 * Every row in file order, with the cells of suspects alone. Rows are counted where they arrive: numbered by the engine they would pass
 * through one thread, with all that is needed to judge them.
 */
function selectOf({ from, condition, cells, id }: Suspects): string {
  const wanted = [...cells, 'suspect', ...(id === undefined ? [] : [id])];
  const selected = wanted.map((cell) => `case when suspect then ${cell} end`);
  return `select ${selected.join(', ')} from (select *, (${condition}) as suspect from ${from})`;
}

function placesOfTrue(chunk: DuckDBDataChunk, column: number): number[] {
  const vector = chunk.getColumnVector(column);
  const places: number[] = [];
  for (let at = 0; at < chunk.rowCount; at += 1) if (vector.getItem(at) === true) places.push(at);
  return places;
}

async function* jsonRows(
  dataset: Dataset,
  types: readonly CellTypes[],
  suspects: Suspects | null,
  numbers: ContractNumbers,
): AsyncGenerator<Row[]> {
  const wanted =
    suspects === null ? null : suspects.rows === undefined ? numbersOf(dataset, suspects) : suspects.rows.values();
  let next = wanted === null ? null : await wanted.next();
  const typesOf = new Map(dataset.columns.map(({ name }, index) => [name, types[index]]));
  const utf8 = new TextDecoder('utf-8', { fatal: true });
  let before = 0;
  for await (const { lines, uri } of linesOfFiles(dataset)) {
    const file = dataset.parts.length > 1 ? { file: uri } : {};
    for (let start = 0; start < lines.length; start += batchRows) {
      const from = before + 1;
      const batch = lines.slice(start, start + batchRows);
      const places: number[] = [];
      if (wanted === null) places.push(...batch.keys());
      else
        for (; next?.done === false && next.value < from + batch.length; next = await wanted.next())
          places.push(next.value - from);
      const rows = places.map((at): Row => {
        const { number, bytes } = batch[at] as Line;
        const read = jsonRow(utf8, bytes);
        const row: Row = { ...read, number: from + at, line: number, ...file };
        const text = bytes.toString('utf8');
        for (const { token, column, nested } of doubtfulNumbers(text, numbers)) {
          const { number: judged = false, multiple = false } = typesOf.get(column) ?? {};
          if (nested || judged) {
            const place = { uri, row: row.number, line: number, column };
            requireJudgeable(token, numbers, { ...place, multiple: nested ? numbers.multiples : multiple });
          }
          if (!nested && !isExact(token)) (row.written ??= new Map()).set(column, token);
        }
        return row;
      });
      if (rows.length > 0) yield rows;
      before += batch.length;
      if (next?.done === true) return;
    }
  }
  if (before !== dataset.rows) {
    throw new DataError({
      found: `${before} lines, but ${dataset.rows} rows were read`,
      expected: 'one JSON object per line',
      where: dataset.uri,
      remedy: 'Write one object on each line',
    });
  }
}

/** The numbers of the rows that SQL cannot clear, in order. */
async function* numbersOf(dataset: Dataset, { from, condition }: Suspects): AsyncGenerator<number> {
  const result = await dataset.connection.stream(`select (${condition}) from ${from}`);
  let before = 1;
  for await (const chunk of result) {
    for (const place of placesOfTrue(chunk, 0)) yield before + place;
    before += chunk.rowCount;
  }
}

async function* linesOfFiles({ parts, paths }: Dataset): AsyncGenerator<{ lines: Line[]; uri: string }> {
  for (const [index, { uri, path }] of parts.entries())
    for await (const lines of lineBatches(paths[index] ?? path, uri)) yield { lines, uri };
}

const batchRows = 2048;
