import type { DuckDBConnection } from '@duckdb/node-api';
import type { Use } from './uses.ts';
import { booleanTexts, notANumber, numberPattern, wholePattern } from './grammar.ts';
import { columnOf, kind } from './kinds.ts';
import type { JudgedLines } from './line-rules.ts';
import { longestLine } from './lines.ts';
import type { PlainCsv } from './plain-csv.ts';
import {
  compressionOf,
  filesFor,
  quoteIdentifier,
  quoteLiteral,
  quoteLiterals,
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
  const texts = columns.map(({ name }) => `${quoteLiteral(name)}: 'VARCHAR'`).join(', ');
  const quote = quoteLiteral(dialect.quote ?? '"');
  const format = `header = ${dialect.header === undefined}, delim = ${quoteLiteral(dialect.delimiter ?? ',')}, quote = ${quote}, escape = ${quote}, comment = '', skip = 0`;
  const strict = `ignore_errors = false, null_padding = false, max_line_size = ${longestLine}, buffer_size = ${2 * longestLine}, hive_partitioning = false${compressionOf(paths)}${more}`;
  // A text that no file holds: else an empty cell would be null here and the empty text there.
  const missing = `nullstr = '\u0001contender-null\u0001'`;
  const end = dialect.end === undefined ? '' : `, new_line = '${dialect.end === '\n' ? '\\n' : '\\r\\n'}'`;
  return `read_csv(${filesFor(paths)}, ${format}, ${strict}, ${missing}${end}, auto_detect = false, columns = {${texts}})`;
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
    const truth = `${text} in (${quoteLiterals(booleanTexts.true)})`;
    return use === 'typed' ? truth : `cast(cast(${truth} as tinyint) as double)`;
  }
  if (isNumeric(type)) {
    if (use === 'typed') return `cast(${text} as ${type.toLowerCase()})`;
    if (use === 'exact' && type !== 'DOUBLE') return `cast(${text} as hugeint)`;
    return `cast(${text} as double)`;
  }
  return use === 'typed' ? text : `cast(${text} as double)`;
}

/**
 * The columns of a file, by what every one of its cells spells, how many rows it has, and whether a cell goes over several lines. It
 * is read to its end. Of plain files there are digests of what was read too, and no line of them has more or fewer cells than the header.
 */
export async function csvColumns(
  connection: DuckDBConnection,
  /** A FROM clause with every cell as the text it is. */
  from: string,
  names: readonly string[],
  dialect: CsvDialect = {},
  /** What is known of the files, where they are plain and hold all the columns. */
  plain: PlainCsv | null = null,
): Promise<{
  rows: number;
  columns: DatasetColumn[];
  lineBreaks: boolean;
  plain: boolean;
  sha256s?: readonly string[];
  judged?: JudgedLines;
}> {
  const columnAt = (index: number, kinds = 0, present = 0): DatasetColumn => {
    const column = columnOf(names[index] as string, kinds);
    // Of NaN it depends on the other cells whether it is a value.
    return (kinds & kind.notANumber) === 0 ? { ...column, present } : column;
  };
  if (plain !== null) {
    const columns = names.map((_, index) => columnAt(index, plain.kinds[index], plain.present[index]));
    const { kinds: _kinds, present: _present, ...others } = plain;
    return { ...others, columns, plain: true };
  }
  const found = names.flatMap((name) => {
    const cell = quoteIdentifier(name);
    return [`coalesce(bit_or(${kindOfCell(cell, dialect)}), 0)::integer`, `count(${missingOf(cell, dialect)})::double`];
  });
  const broken = names.map((name) => `coalesce(bool_or(contains(${quoteIdentifier(name)}, chr(10))), false)`);
  const read = await connection.runAndReadAll(
    `select count(*)::double, (${broken.join(' or ')})::double, ${found.join(', ')} from ${from}`,
  );
  const [rows = 0, lineBreaks = 0, ...counts] = (read.getRows()[0] ?? []).map(Number);
  return {
    rows,
    lineBreaks: lineBreaks > 0,
    plain: false,
    columns: names.map((_, index) => columnAt(index, ...counts.slice(2 * index, 2 * index + 2))),
  };
}

/** SQL: whether a cell is none that spells a number, nor is missing, in a column of numbers. */
export function isNoNumber({ name }: DatasetColumn, dialect: CsvDialect = {}): string {
  const numbers = kind.whole | kind.wide | kind.fraction | kind.notANumber;
  return `coalesce(${kindOfCell(quoteIdentifier(name), dialect)} & ${numbers} = 0, false)`;
}

/** Code points of the characters from - to 9, with one of which every number begins. */
const firstOfNumbers = [45, 57] as const;
/** No way to write NaN or a boolean is longer. */
const longestWord = Math.max(
  ...[...notANumber, ...booleanTexts.true, ...booleanTexts.false].map((each) => each.length),
);

function kindOfCell(cell: string, dialect: CsvDialect): string {
  const matches = (pattern: string): string => `regexp_full_match(${cell}, ${quoteLiteral(pattern)})`;
  const number = matches(numberPattern(dialect.decimal));
  const has = (character: string): string => `contains(${cell}, '${character}')`;
  const whole = `case when strlen(${cell}) <= 18 then ${kind.whole} when strlen(${cell}) <= 37 then ${kind.wide} else ${kind.fraction} end`;
  const isNotANumber = `lower(${cell}) in (${quoteLiterals(notANumber)})`;
  // Patterns cost most: each is tried only on cells that may match it.
  return `case when ${missingOf(cell, dialect)} is null then null
    when ascii(${cell}) between ${firstOfNumbers.join(' and ')} then case
      when ${has(dialect.decimal ?? '.')} then if(${number}, ${kind.fraction}, ${kind.text})
      when ${matches(wholePattern)} then ${whole}
      when (${has('e')} or ${has('E')}) and ${number} then ${kind.fraction}
      when ${isNotANumber} then ${kind.notANumber}
      else ${kind.text} end
    when strlen(${cell}) > ${longestWord} then ${kind.text}
    when ${cell} in (${quoteLiterals([...booleanTexts.true, ...booleanTexts.false])}) then ${kind.boolean}
    when ${isNotANumber} then ${kind.notANumber}
    else ${kind.text} end`;
}

function missingOf(cell: string, { missing = [] }: CsvDialect): string {
  return missing.length === 0
    ? `nullif(${cell}, '')`
    : `case when ${cell} in ('', ${quoteLiterals(missing)}) then null else ${cell} end`;
}

function presentText(cell: string, { type, cells }: DatasetColumn, dialect: CsvDialect): string {
  const text = missingOf(cell, dialect);
  if (!isNumeric(type) || cells?.notANumber !== true) return text;
  return `case when lower(${cell}) in (${quoteLiterals(notANumber)}) then null else ${text} end`;
}

/** Numbers with the point that the engine knows. */
function pointed(text: string, { decimal }: CsvDialect): string {
  return decimal === ',' ? `replace(${text}, ',', '.')` : text;
}
