import type { DuckDBConnection } from '@duckdb/node-api';
import { DataError } from '../errors.ts';
import { booleanOf } from './grammar.ts';
import { quoteIdentifier, quoteLiteral, type CsvDialect, type DatasetColumn } from './relation.ts';
import { isNumeric } from './types.ts';

/** Cells that are looked at one by one; few have as many delimiters as rows of the table would. */
const mostSuspects = 1000;

/**
 * A quote that nobody closed takes the rows up to the next quote into one cell, which is sound CSV: the rows are gone without a word.
 * Told by the lines of the cell, each of which is a row of the table, with numbers in all columns of numbers.
 *
 * @param from a FROM clause with every cell as the text it is
 * @throws DataError where a cell reads as rows too
 */
export async function refuseSwallowedRows(
  connection: DuckDBConnection,
  from: string,
  columns: readonly DatasetColumn[],
  { uri, csv: { delimiter = ',', decimal = '.' } = {} }: { uri: string; csv?: CsvDialect | undefined },
): Promise<void> {
  const width = columns.length;
  const texts = columns.flatMap(({ type }, index) => (type === 'VARCHAR' ? [index] : []));
  if (width < 3 || texts.length === 0 || texts.length === width) return;
  const name = (index: number): string => quoteIdentifier(columns[index]?.name ?? '');
  const times = (cell: string, text: string): string => `(strlen(${cell}) - strlen(replace(${cell}, ${text}, '')))`;
  const suspected = texts
    .map(name)
    .map(
      (cell) =>
        `(contains(${cell}, chr(10)) and ${times(cell, quoteLiteral(delimiter))} = ${width - 1} * ${times(cell, 'chr(10)')})`,
    )
    .join(' or ');
  const all = columns.map((_, index) => name(index)).join(', ');
  const read = await connection.runAndReadAll(`select ${all} from ${from} where ${suspected} limit ${mostSuspects}`);
  for (const row of read.getRows() as string[][]) {
    for (const index of texts) {
      const lines = (row[index] ?? '').split(/\r?\n/u).map((line) => line.split(delimiter));
      if (lines.length < 2 || !areRows(lines, row, index)) continue;
      const cells = row.map((cell, at) => `${name(at)} = ${quoteLiteral(cell)}`).join(' and ');
      const place = await connection.runAndReadAll(
        `select n from (select row_number() over () as n, * from ${from}) where ${cells} limit 1`,
      );
      throw new DataError({
        found: `in row ${Number(place.getRows()[0]?.[0])} a cell of column ${JSON.stringify(columns[index]?.name)} spans ${lines.length} lines that each look like a row of the table`,
        expected: 'a quote that is closed at the end of its cell',
        where: uri,
        remedy:
          'Close the quote, or double it if it is part of the text. If the text really contains such lines, write the data as JSONL or Parquet',
      });
    }
  }

  /** The first line ends the row that the cell is in, the last one begins another, which ends behind the cell. */
  function areRows(lines: readonly string[][], row: readonly string[], index: number): boolean {
    const last = lines.length - 1;
    let numbers = 0;
    const fit = lines.every((cells, at) => {
      const expected = at === 0 ? width - index : at === last ? index + 1 : width;
      if (cells.length !== expected) return false;
      const whole = at === 0 ? [...row.slice(0, index), ...cells] : [...cells, ...row.slice(cells.length)];
      return columns.every(({ type }, column) => {
        const cell = whole[column] ?? '';
        if (type === 'VARCHAR' || cell === '') return true;
        if (!(type === 'BOOLEAN' ? booleanOf(cell) !== null : isNumeric(type) && isNumber(cell))) return false;
        // Those of the line itself; the others were read already.
        if (at === 0 ? column > index : column < cells.length) numbers += 1;
        return true;
      });
    });
    return fit && numbers > 0;
  }

  function isNumber(cell: string): boolean {
    const text = decimal === ',' ? cell.replace(',', '.') : cell;
    return text.trim() !== '' && Number.isFinite(Number(text));
  }
}
