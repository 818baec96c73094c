import type { DuckDBConnection } from '@duckdb/node-api';
import type { Use } from './uses.ts';
import { booleanTexts, notANumber, numberPattern, wholePattern } from './grammar.ts';
import { columnOf, kind } from './kinds.ts';
import { longestLine } from './lines.ts';
import {
  compressionOf,
  filesFor,
  quoteIdentifier,
  quoteLiteral,
  type CsvDialect,
  type DatasetColumn,
} from './relation.ts';
import { isNumeric } from './types.ts';

/** Every cell of a CSV file as the text it is, never null, under the names of its header, which are bound by position. */
export function csvFrom(
  paths: readonly string[],
  columns: readonly { name: string }[],
  dialect: CsvDialect = {},
  /** What else `read_csv` is told. */
  more = '',
): string {
  const typed = columns.map(({ name }) => `${quoteLiteral(name)}: 'VARCHAR'`).join(', ');
  const quote = quoteLiteral(dialect.quote ?? '"');
  const format = `header = ${dialect.header === undefined}, delim = ${quoteLiteral(dialect.delimiter ?? ',')}, quote = ${quote}, escape = ${quote}, comment = '', skip = 0`;
  const strict = `ignore_errors = false, null_padding = false, max_line_size = ${longestLine}, hive_partitioning = false${compressionOf(paths)}${more}`;
  // A text that no file holds: else an empty cell would be null here and the empty text there.
  const nothing = `nullstr = '\u0001contender-null\u0001'`;
  return `read_csv(${filesFor(paths)}, ${format}, ${strict}, ${nothing}, auto_detect = false, columns = {${typed}})`;
}

/** A cell of CSV, all of whose types come from `csvColumns`. */
export function csvCell(column: DatasetColumn, use: Use, dialect: CsvDialect = {}): string {
  const cell = quoteIdentifier(column.name);
  // The contract says itself of which columns NaN is none.
  if (use === 'json') return missingOf(cell, dialect);
  const text = presentText(cell, column, dialect);
  if (use === 'text') return text;
  return spelledCell(pointed(text, dialect), column, use);
}

/** What a text spells, for any use of it but as text. Null stays null. */
export function spelledCell(text: string, { type }: DatasetColumn, use: Use): string {
  if (type === 'BOOLEAN') {
    const truth = `${text} in (${listed(booleanTexts.true)})`;
    return use === 'typed' ? truth : `cast(cast(${truth} as tinyint) as double)`;
  }
  if (isNumeric(type)) {
    if (use === 'typed') return `cast(${text} as ${type.toLowerCase()})`;
    if (use === 'exact' && type !== 'DOUBLE') return `cast(${text} as hugeint)`;
    return `cast(${text} as double)`;
  }
  return use === 'typed' ? text : `cast(${text} as double)`;
}

/** The columns of a file, by what every one of its cells spells, and how many rows it has. It is read to its end. */
export async function csvColumns(
  connection: DuckDBConnection,
  /** A FROM clause with every cell as the text it is. */
  from: string,
  names: readonly string[],
  dialect: CsvDialect = {},
): Promise<{ rows: number; columns: DatasetColumn[] }> {
  const kinds = names.map((name) => `coalesce(bit_or(${kindOfCell(quoteIdentifier(name), dialect)}), 0)::integer`);
  const read = await connection.runAndReadAll(`select count(*)::double, ${kinds.join(', ')} from ${from}`);
  const [rows, ...found] = (read.getRows()[0] ?? []).map(Number);
  return { rows: rows ?? 0, columns: names.map((name, index) => columnOf(name, found[index] ?? 0)) };
}

/** SQL: whether a cell is none that spells a number, nor is missing, in a column of numbers. */
export function isNoNumber({ name }: DatasetColumn, dialect: CsvDialect = {}): string {
  const numbers = kind.whole | kind.wide | kind.fraction | kind.notANumber;
  return `coalesce(${kindOfCell(quoteIdentifier(name), dialect)} & ${numbers} = 0, false)`;
}

function kindOfCell(cell: string, dialect: CsvDialect): string {
  const text = missingOf(cell, dialect);
  const matches = (pattern: string): string => `regexp_full_match(${cell}, ${quoteLiteral(pattern)})`;
  const whole = `case when length(${cell}) <= 18 then ${kind.whole} when length(${cell}) <= 37 then ${kind.wide} else ${kind.fraction} end`;
  return `case when ${text} is null then null
    when ${matches(wholePattern)} then ${whole}
    when ${matches(numberPattern(dialect.decimal))} then ${kind.fraction}
    when lower(${cell}) in (${listed(notANumber)}) then ${kind.notANumber}
    when ${cell} in (${listed([...booleanTexts.true, ...booleanTexts.false])}) then ${kind.boolean}
    else ${kind.text} end`;
}

function missingOf(cell: string, { missing = [] }: CsvDialect): string {
  return missing.length === 0
    ? `nullif(${cell}, '')`
    : `case when ${cell} in ('', ${listed(missing)}) then null else ${cell} end`;
}

function presentText(cell: string, { type, cells }: DatasetColumn, dialect: CsvDialect): string {
  const text = missingOf(cell, dialect);
  if (!isNumeric(type) || cells?.notANumber !== true) return text;
  return `case when lower(${cell}) in (${listed(notANumber)}) then null else ${text} end`;
}

/** Numbers with the point that the engine knows. */
function pointed(text: string, { decimal }: CsvDialect): string {
  return decimal === ',' ? `replace(${text}, ',', '.')` : text;
}

function listed(texts: readonly string[]): string {
  return texts.map(quoteLiteral).join(', ');
}
