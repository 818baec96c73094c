import { DataError } from '../errors.ts';
import { holdsNumbers, readingOfColumns } from './cells.ts';
import { isNoNumber } from './csv-cells.ts';
import { notANumber, numberPattern } from './grammar.ts';
import { quoteLiteral, takesDialect, type Dataset, type DatasetColumn } from './relation.ts';
import { isNested } from './types.ts';

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
    remedy: (cell === null ? remedyForType(column.type) : remedyFor(cell.text, dataset)) ?? use.remedy,
  });
}

/** What the texts of a column spell. */
export interface SpelledNumbers {
  /** Cells with a value. */
  present: number;
  /** Those of them that spell a number, or NaN. */
  numbers: number;
  /** About how many different ones these are. */
  different: number;
  /** The first cell that spells none. */
  other: { row: number; text: string; remedy: string } | null;
}

/** What the cells of a column of texts spell, read through to the end. */
export async function numbersSpelled(dataset: Dataset, column: DatasetColumn): Promise<SpelledNumbers> {
  const { from, expressions } = readingOfColumns(dataset, [column], 'text');
  const cells = `(select row_number() over () as row, text, ${spellsNumber('text', dataset.csv?.decimal)} as number from (select ${expressions[0]} as text from ${from}))`;
  const read = await dataset.connection.runAndReadAll(
    `select count(text)::double, count(*) filter (number)::double, approx_count_distinct(text) filter (number)::double,
     min(row) filter (not number)::double, arg_min(text, row) filter (not number) from ${cells} where text is not null`,
  );
  const [present, numbers, different, row, text] = read.getRows()[0] ?? [];
  return {
    present: Number(present),
    numbers: Number(numbers),
    different: Number(different),
    other:
      typeof text === 'string'
        ? { row: Number(row), text, remedy: remedyFor(text, dataset) ?? otherRemedy(text, dataset) }
        : null,
  };
}

function otherRemedy(text: string, { format }: Dataset): string {
  return format === 'csv'
    ? `Correct the cell, or set data.csv.missing to [${JSON.stringify(text.slice(0, 80))}] if that means a missing value`
    : 'Write numbers as numbers, and null for a missing value';
}

/** SQL: whether a text spells a number, or NaN. */
function spellsNumber(text: string, decimal?: '.' | ','): string {
  return `(regexp_full_match(${text}, ${quoteLiteral(numberPattern(decimal))}) or lower(${text}) in (${notANumber.map(quoteLiteral).join(', ')}))`;
}

/** The first cell that has a value and is no number; null where the file gives the whole column another type. */
async function firstOther(dataset: Dataset, column: DatasetColumn): Promise<{ row: number; text: string } | null> {
  if (dataset.format === 'parquet' || column.type !== 'VARCHAR') return null;
  const { from, expressions } = readingOfColumns(dataset, [column], 'text');
  // A JSON string is no number, whatever it spells; but one that spells none says more.
  const read = await dataset.connection.runAndReadAll(
    `select row, text from (select row_number() over () as row, ${isNoNumber(column, dataset.csv)} as other, ${expressions[0]} as text from ${from}) where text is not null order by not other, row limit 1`,
  );
  const [found] = read.getRows();
  return found === undefined ? null : { row: Number(found[0]), text: String(found[1]) };
}

/** What would make numbers of a column that holds several values a row, as vectors of probabilities are. */
function remedyForType(type: string): string | null {
  return isNested(type) ? 'Write each value to a column of its own (of probabilities: score_<class>)' : null;
}

/** What would make a number of a text that some program wrote for one; null where it looks like none. */
function remedyFor(text: string, { name, format, csv }: Dataset): string | null {
  const trimmed = text.trim();
  const dialected = format === 'csv' && takesDialect(name);
  if (/^[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?$/u.test(trimmed) && (trimmed.includes('.') || /,\d{3},/u.test(trimmed)))
    return 'Write numbers without separators between the thousands';
  if (/^[+-]?\d{1,3}(?:\.\d{3})+,\d+$/u.test(trimmed))
    return 'Write numbers with a point before the fraction and no separators between the thousands';
  if (/^[+-]?\d+,\d+$/u.test(trimmed)) {
    return dialected && csv?.decimal !== ','
      ? 'Set data.csv.decimal to "," if that is a decimal comma'
      : 'Write numbers with a point before the fraction';
  }
  if (/^(?:n\/?a|null|none|nil|-|\?|#n\/a|\.|missing|<na>)$/iu.test(trimmed)) {
    if (dialected) return `Set data.csv.missing to [${JSON.stringify(text)}] if that means a missing value`;
    return format === 'csv' ? 'Write a number in every row' : 'Write null for a missing value';
  }
  if (text !== trimmed) return 'Remove the spaces around the number';
  if (/^0\d/u.test(trimmed)) return 'Write numbers without leading zeros, or read the column as text';
  if (format === 'jsonl' && trimmed !== '' && Number.isFinite(Number(trimmed))) return 'Write numbers without quotes';
  return null;
}
