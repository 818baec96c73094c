/*
 * The one reading of a cell: how what stands in a file becomes a text, a number, a boolean or nothing, by the use that is made of
 * its column. Whoever reads cells, for whatever purpose, reads them by these expressions.
 */
import { csvCell, csvFrom } from './csv-cells.ts';
import { jsonlReading } from './jsonl-cells.ts';
import { parquetCell, parquetFrom } from './parquet-cells.ts';
import { requireColumns, type Dataset, type DatasetColumn } from './relation.ts';
import { isNumeric } from './types.ts';

/**
 * What a cell is read for. Every expression is null where the cell is missing: empty in CSV, null or absent in JSON, NULL in
 * Parquet, and NaN in a column of numbers of any format.
 *
 * - `text`: VARCHAR, as it stands in the file: classes, ids, slices, groups, clusters, inputs of text
 * - `number`: DOUBLE; of true and false 1 and 0
 * - `input`: a number of whatever type is at hand without a conversion; NaN may stay NaN
 * - `exact`: an integer type where the column is one of whole numbers, else as `number`
 * - `typed`: the type of the column, for SQL of users
 * - `json`: VARCHAR or DOUBLE or BOOLEAN or JSON text: what the contract judges, before the contract's own types are known
 */
export type Use = 'text' | 'number' | 'input' | 'exact' | 'typed' | 'json';

/** What the reading of a file depends on. */
export type CellSource = Pick<Dataset, 'path' | 'format' | 'columns' | 'csv'>;

export interface CellRequest {
  column: DatasetColumn;
  use: Use;
}

/** Expressions, in the order they were asked for, over a FROM clause with the rows in file order. */
export interface Reading {
  from: string;
  expressions: string[];
}

/** The reading of some columns for some uses, in one pass. Columns read as numbers must be such: `requireNumbers` tells. */
export function readingOf(source: CellSource, requests: readonly CellRequest[]): Reading {
  switch (source.format) {
    case 'csv':
      return {
        from: csvFrom(source.path, source.columns, source.csv),
        expressions: requests.map(({ column, use }) => csvCell(column, use, source.csv)),
      };
    case 'jsonl':
      return jsonlReading(source.path, requests);
    case 'parquet':
      return {
        from: parquetFrom(source.path),
        expressions: requests.map(({ column, use }) => parquetCell(column, use)),
      };
  }
}

/** One column for one use. @throws DataError where there is no such column */
export function readingOfColumn(dataset: Dataset, name: string, use: Use): { from: string; expression: string } {
  const [column] = requireColumns(dataset, [name]) as [DatasetColumn];
  const { from, expressions } = readingOf(dataset, [{ column, use }]);
  return { from, expression: expressions[0] as string };
}

/** Whether a column can be read as numbers. */
export function holdsNumbers({ type, cells }: DatasetColumn): boolean {
  return isNumeric(type) || type === 'BOOLEAN' || cells?.empty === true;
}
