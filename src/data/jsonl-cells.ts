import type { DuckDBConnection } from '@duckdb/node-api';
import { DataError } from '../errors.ts';
import type { CellRequest, Reading } from './uses.ts';
import { spelledCell } from './csv-cells.ts';
import { refuseUnspeakable, refuseTwin } from './csv.ts';
import { notANumber } from './grammar.ts';
import { columnOf, kind } from './kinds.ts';
import { flatColumns, type FlatColumn } from './flat-lines.ts';
import { jsonlFault } from './jsonl-fault.ts';
import type { JudgedLines, LineRules } from './line-rules.ts';
import { longestLine } from './lines.ts';
import { typedCell } from './parquet-cells.ts';
import { compressionOf, filesFor, quoteIdentifier, quoteLiteral, type DatasetColumn } from './relation.ts';
import { isNested, isNumeric } from './types.ts';

/**
 * Cells of JSONL: strings as they stand, without their quotes and escapes, and numbers, where they are wanted as text, as the
 * tokens in the file (`1.10`, `1e5`), which the engine's own reading of JSON would write another way.
 */
export function jsonlReading(paths: readonly string[], requests: readonly CellRequest[]): Reading {
  const columns = [...new Map(requests.map(({ column }) => [column.name, column])).values()];
  const asText = new Set(
    requests
      .filter(
        ({ column, use }) => !isNested(column.type) && (use === 'text' || use === 'json' || column.type === 'VARCHAR'),
      )
      .map(({ column }) => column.name),
  );
  const storageOf = (column: DatasetColumn): string => (asText.has(column.name) ? 'VARCHAR' : column.type);
  // The tokens are wanted.
  const written = columns.some((column) => asText.has(column.name) && column.cells?.fraction === true);
  if (columns.length === 0) return { from: lines(paths), expressions: [] };
  return {
    from: written
      ? writtenNumbers(paths, columns)
      : typedLines(
          paths,
          columns.map((column) => ({ name: column.name, type: storageOf(column) })),
        ),
    expressions: requests.map(({ column, use }) => {
      const cell = quoteIdentifier(column.name);
      const { type } = column;
      if (isNested(type)) return typedCell(cell, type, use);
      if (!written && storageOf(column) !== 'VARCHAR') return typedCell(cell, type, use);
      const text =
        isNumeric(type) && column.cells?.notANumber === true
          ? `case when lower(${cell}) in (${notANumber.map(quoteLiteral).join(', ')}) then null else ${cell} end`
          : cell;
      return use === 'text' || use === 'json' ? text : spelledCell(text, column, use);
    }),
  };
}

/** Every line with its numbers in quotes, so that they are read as the texts they are. */
function writtenNumbers(paths: readonly string[], columns: readonly DatasetColumn[]): string {
  // A string (or the name of a key) goes before a number at the same place. JSON has none of these two characters.
  const [start, end] = ['chr(1)', 'chr(2)'];
  const token = `'("(?:[^"\\\\]|\\\\.)*")|(-?[0-9][0-9.eE+-]*)'`;
  const marked = `regexp_replace(json::varchar, ${token}, '\\1' || ${start} || '\\2' || ${end}, 'g')`;
  const quoted = `replace(replace(replace(${marked}, ${start} || ${end}, ''), ${start}, '"'), ${end}, '"')`;
  const structure = JSON.stringify(
    Object.fromEntries(columns.filter(({ type }) => !isNested(type)).map(({ name }) => [name, 'VARCHAR'])),
  );
  const nested = columns
    .filter(({ type }) => isNested(type))
    .map(({ name }) => `, json_extract(json, ${quoteLiteral(pointerTo(name))}) as ${quoteIdentifier(name)}`);
  return `(select unnest(json_transform(${quoted}::json, ${quoteLiteral(structure)}))${nested.join('')} from ${lines(paths)})`;
}

/** Rows of flat JSONL as columns of the types that all their values have. */
export function typedLines(paths: readonly string[], columns: readonly { name: string; type: string }[]): string {
  const typed = columns.map(({ name, type }) => `${quoteLiteral(name)}: ${quoteLiteral(type)}`);
  return `read_json(${fileOptions(paths)}, auto_detect = false, columns = {${typed.join(', ')}})`;
}

/** RFC 6901. */
function pointerTo(name: string): string {
  return `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
}

function lines(paths: readonly string[]): string {
  return `read_json_objects(${fileOptions(paths)})`;
}

function fileOptions(paths: readonly string[]): string {
  return `${filesFor(paths)}, format = 'newline_delimited', ignore_errors = false, maximum_object_size = ${longestLine}, hive_partitioning = false${compressionOf(paths)}`;
}

/** Lists of keys that the rows of a file may have. */
const mostShapes = 100_000;

/**
 * The columns of a file, by what every one of its values is, and how many rows it has. It is read to its end.
 * @throws DataError for a line that is no object, and for keys that stand twice or differ only by case
 */
export async function jsonlColumns(
  connection: DuckDBConnection,
  files: readonly { path: string; uri: string }[],
  rules: LineRules | null = null,
): Promise<{ rows: number; columns: DatasetColumn[]; judged?: JudgedLines }> {
  const paths = files.map(({ path }) => path);
  const flat = await flatColumns(paths, rules);
  if (flat !== null) {
    const seen = new Map<string, string>();
    for (const { name } of flat.columns) refuseTwin(name, seen, files[0]?.uri ?? '');
    const { rows, columns, ...judged } = flat;
    return { rows, columns: columns.map((column) => flatColumn(column, rows)), ...judged };
  }
  const read = await connection.runAndReadAll(
    `select json_type(json), json_keys(json), count(*)::double from ${lines(paths)} group by all order by all limit ${mostShapes + 1}`,
  );
  const shapes = read.getRowsJS() as [string, string[] | null, number][];
  if (shapes.length > mostShapes) {
    throw new DataError({
      found: `the rows have more than ${mostShapes} different sets of keys`,
      expected: 'the same keys in all rows',
      where: files[0]?.uri ?? '',
      remedy: 'Write values that change from row to row as values, not as keys',
    });
  }
  const first = await connection.runAndReadAll(`select json_keys(json) from ${lines(paths)} limit 1`);
  const names = new Set((first.getRowsJS()[0]?.[0] ?? []) as string[]);
  for (const [type, keys] of shapes) {
    if (type !== 'OBJECT' || keys === null) throw new BadLine('not an object');
    if (new Set(keys).size < keys.length) throw new BadLine('a key stands twice');
    for (const key of keys) names.add(key);
  }
  for (const name of names) refuseUnspeakable(name, files[0]?.uri ?? '');
  const kinds = await kindsOf(connection, paths, [...names]);
  // Of the objects in an object the engine says no keys that stand twice.
  const nested = [...kinds.values()].some((found) => (found & kind.nested) !== 0);
  for (const { path, uri } of nested ? files : []) {
    const fault = await jsonlFault(path, uri, 'parsed');
    if (fault !== null) throw fault;
  }
  const seen = new Map<string, string>();
  for (const name of kinds.keys()) refuseTwin(name, seen, files[0]?.uri ?? '');
  const whole = [...kinds].filter(([, found]) => found === kind.whole).map(([name]) => name);
  for (const name of await wideColumns(connection, paths, whole)) kinds.set(name, kind.wide);
  // The engine drops the sign of -0, which only the tokens keep.
  const signed = await connection.runAndReadAll(
    `select coalesce(bool_or(regexp_matches(json::varchar, '[:\\s]-0\\s*[,}]')), false) from ${lines(paths)}`,
  );
  const signedZero = signed.getRows()[0]?.[0] === true;
  return {
    rows: shapes.reduce((sum, [, , rows]) => sum + rows, 0),
    columns: [...kinds].map(([name, found]) => {
      const column = columnOf(name, found);
      return signedZero && (found & kind.whole) !== 0
        ? { ...column, cells: { ...column.cells, fraction: true } }
        : column;
    }),
  };
}

function flatColumn({ name, kinds, present, nulls, digits }: FlatColumn, rows: number): DatasetColumn {
  const column = columnOf(name, kinds);
  const ofOneType = isNumeric(column.type) || [0, kind.boolean, kind.text].includes(kinds);
  return { ...column, present, flat: { ofOneType, nulls: nulls > 0, absent: present + nulls < rows, digits } };
}

/** Of columns of whole numbers those that have one of more than 18 digits. */
async function wideColumns(
  connection: DuckDBConnection,
  paths: readonly string[],
  names: readonly string[],
): Promise<string[]> {
  if (names.length === 0) return [];
  const columns = names.map((name) => ({ name, type: 'HUGEINT' }));
  const largest = names.map((name) => `max(abs(${quoteIdentifier(name)})) >= 1000000000000000000`);
  const read = await connection.runAndReadAll(`select ${largest.join(', ')} from ${typedLines(paths, columns)}`);
  return names.filter((_, index) => read.getRows()[0]?.[index] === true);
}

/** A line that is JSON and no object, or one with a key twice: whoever reads the lines says which. */
class BadLine extends Error {}

/** What the values of each key are. The engine's own description of a structure takes four times as long. */
async function kindsOf(
  connection: DuckDBConnection,
  paths: readonly string[],
  names: readonly string[],
): Promise<Map<string, number>> {
  if (names.length === 0) return new Map();
  const pointers = names.map((name) => quoteLiteral(pointerTo(name)));
  const found = names.map((_, index) => `coalesce(bit_or(${kindOf(`types[${index + 1}]`)}), 0)::integer`);
  const read = await connection.runAndReadAll(
    `select ${found.join(', ')} from (select json_type(json, [${pointers.join(', ')}]) as types from ${lines(paths)})`,
  );
  return new Map(names.map((name, index) => [name, Number(read.getRows()[0]?.[index])]));
}

/** SQL of the kind of a value of this type, which is null where there is none. */
function kindOf(type: string): string {
  return `case when ${type} is null or ${type} = 'NULL' then 0
    when ${type} = 'VARCHAR' then ${kind.text}
    when ${type} = 'DOUBLE' then ${kind.fraction | kind.notANumber}
    when ${type} in ('UBIGINT', 'BIGINT') then ${kind.whole}
    when ${type} = 'BOOLEAN' then ${kind.boolean}
    else ${kind.nested} end`;
}
