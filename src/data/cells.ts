/*
 * The one reading of a cell: how what stands in a file becomes a text, a number, a boolean or nothing, by the use that is made of
 * its column. Whoever reads cells, for whatever purpose, reads them by these expressions.
 */
import { csvCell, csvFrom } from './csv-cells.ts';
import { jsonlReading } from './jsonl-cells.ts';
import { parquetCell, parquetFrom } from './parquet-cells.ts';
import { quoteIdentifier, quoteLiteral, requireColumns, type Dataset, type DatasetColumn } from './relation.ts';
import type { CellRequest, Reading, Use } from './uses.ts';
import { isNumeric } from './types.ts';

/** What the reading of a file depends on. */
export type CellSource = Pick<Dataset, 'paths' | 'format' | 'columns' | 'csv' | 'partitions'>;

/** The reading of some columns for some uses, in one pass. Columns read as numbers must be such: `requireNumbers` tells. */
export function readingOf(source: CellSource, requests: readonly CellRequest[]): Reading {
  switch (source.format) {
    case 'csv':
      return {
        from: fromOf(source),
        expressions: requests.map(({ column, use }) => csvCell(column, use, source.csv)),
      };
    case 'jsonl':
      return jsonlReading(source.paths, requests);
    case 'parquet':
      return {
        from: fromOf(source),
        expressions: requests.map(({ column, use }) => parquetCell(column, use)),
      };
  }
}

/** A FROM clause with the columns of CSV or Parquet under their names, those of the folders after those of the files. */
export function fromOf({ paths, format, columns, csv, partitions = [] }: CellSource): string {
  const own = columns.filter(({ name }) => !partitions.includes(name));
  const read = (more?: string): string =>
    format === 'csv' ? csvFrom(paths, own, csv, more) : parquetFrom(paths, more);
  if (partitions.length === 0) return read();
  const taken = partitions.map((name) => {
    const type = format === 'csv' ? 'VARCHAR' : (columns.find((each) => each.name === name)?.type ?? 'VARCHAR');
    return `cast(${format === 'csv' ? `coalesce(${folderValue(name)}, '')` : folderValue(name)} as ${type}) as ${quoteIdentifier(name)}`;
  });
  return `(select * exclude (${fileColumn}), ${taken.join(', ')} from ${read(`, filename = '${fileColumn}'`)})`;
}

const fileColumn = 'contender_file_of_row';

/** The value of the last folder `name=value` that a file lies in; the text that programs write for none is null. */
function folderValue(name: string): string {
  const pattern = quoteLiteral(`.*/${name.replace(/[^\p{L}\p{N}_ ]/gu, (each) => `\\${each}`)}=([^/]*)/.*`);
  return `nullif(url_decode(regexp_extract(${fileColumn}, ${pattern}, 1)), '__HIVE_DEFAULT_PARTITION__')`;
}

/** Some columns for one use. */
export function readingOfColumns(source: CellSource, columns: readonly DatasetColumn[], use: Use): Reading {
  return readingOf(
    source,
    columns.map((column) => ({ column, use })),
  );
}

/** One column for one use. @throws DataError where there is no such column */
export function readingOfColumn(dataset: Dataset, name: string, use: Use): { from: string; expression: string } {
  const [column] = requireColumns(dataset, [name]) as [DatasetColumn];
  const { from, expressions } = readingOfColumns(dataset, [column], use);
  return { from, expression: expressions[0] as string };
}

/** Whether a column can be read as numbers. */
export function holdsNumbers({ type, cells }: DatasetColumn): boolean {
  return isNumeric(type) || type === 'BOOLEAN' || cells?.empty === true;
}

export type { CellRequest, Reading, Use } from './uses.ts';
