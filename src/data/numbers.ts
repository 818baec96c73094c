import { DataError } from '../errors.ts';
import { holdsNumbers, readingOf } from './cells.ts';
import { isNoNumber } from './csv-cells.ts';
import type { Dataset, DatasetColumn } from './relation.ts';

/** What the numbers are for, in an error. */
export interface NumberUse {
  expected: string;
  remedy: string;
}

/**
 * Refuse columns that do not hold numbers (or true and false) in every cell that has a value.
 * Runs a query only to say which cell is none.
 * @throws DataError naming the first such cell: its row, column, text, and what would make a number of it
 */
export async function requireNumbers(
  dataset: Dataset,
  columns: readonly DatasetColumn[],
  use: NumberUse = { expected: 'numbers', remedy: 'Correct the cell, or name another column' },
): Promise<void> {
  const column = columns.find((each) => !holdsNumbers(each));
  if (column === undefined) return;
  const cell = await firstOther(dataset, column);
  const name = JSON.stringify(column.name);
  throw new DataError({
    found:
      cell === null
        ? `column ${name} is ${column.type.slice(0, 80)}`
        : `column ${name}, row ${cell.row} is ${JSON.stringify(cell.text.slice(0, 80))}`,
    expected: use.expected,
    where: dataset.uri,
    remedy: (cell === null ? null : remedyFor(cell.text, dataset)) ?? use.remedy,
  });
}

/** The first cell that has a value and is no number; null where the file gives the whole column another type. */
async function firstOther(dataset: Dataset, column: DatasetColumn): Promise<{ row: number; text: string } | null> {
  if (dataset.format === 'parquet' || column.type !== 'VARCHAR') return null;
  const { from, expressions } = readingOf(dataset, [{ column, use: 'text' }]);
  // A JSON string is no number, whatever it spells; but one that spells none says more.
  const read = await dataset.connection.runAndReadAll(
    `select row, text from (select row_number() over () as row, ${isNoNumber(column, dataset.csv)} as other, ${expressions[0]} as text from ${from}) where text is not null order by not other, row limit 1`,
  );
  const [found] = read.getRows();
  return found === undefined ? null : { row: Number(found[0]), text: String(found[1]) };
}

/** What would make a number of a text that some program wrote for one; null where it looks like none. */
function remedyFor(text: string, { format, csv }: Dataset): string | null {
  const trimmed = text.trim();
  if (/^[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?$/u.test(trimmed) && (trimmed.includes('.') || /,\d{3},/u.test(trimmed)))
    return 'Write numbers without separators between the thousands';
  if (/^[+-]?\d{1,3}(?:\.\d{3})+,\d+$/u.test(trimmed))
    return 'Write numbers with a point before the fraction and no separators between the thousands';
  if (/^[+-]?\d+,\d+$/u.test(trimmed)) {
    return format === 'csv' && csv?.decimal !== ','
      ? 'Set data.csv.decimal to "," where that is a decimal comma'
      : 'Write numbers with a point before the fraction';
  }
  if (/^(?:n\/?a|null|none|nil|-|\?|#n\/a|\.|missing|<na>)$/iu.test(trimmed)) {
    return format === 'csv'
      ? `Set data.csv.missing to [${JSON.stringify(text)}] where that stands for no value`
      : 'Write null where there is no value';
  }
  if (text !== trimmed) return 'Remove the spaces around the number';
  if (/^0\d/u.test(trimmed)) return 'Write numbers without leading zeros, or read the column as text';
  if (format === 'jsonl' && trimmed !== '' && Number.isFinite(Number(trimmed))) return 'Write numbers without quotes';
  return null;
}
