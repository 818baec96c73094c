/*
 * The one reading of a cell: how what stands in a file becomes a text, a number, a boolean or nothing, by the use that is made of
 * its column. Whoever reads cells, for whatever purpose, reads them by these expressions.
 */
import { csvCell, csvFrom } from './csv-cells.ts';
import { jsonlReading } from './jsonl-cells.ts';
import { parquetCell, parquetFrom } from './parquet-cells.ts';
import { requireColumns, type Dataset, type DatasetColumn } from './relation.ts';
import type { CellRequest, Reading, Use } from './uses.ts';
import { isNumeric } from './types.ts';

/** What the reading of a file depends on. */
export type CellSource = Pick<Dataset, 'path' | 'format' | 'columns' | 'csv'>;

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

export type { CellRequest, Reading, Use } from './uses.ts';
