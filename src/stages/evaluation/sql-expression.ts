import type { DuckDBConnection } from '@duckdb/node-api';
import { nearest } from '../../config/suggest.ts';
import { quoteLiteral, type DatasetColumn } from '../../data/relation.ts';
import { ConfigError } from '../../errors.ts';

/** What the expressions may contain; above all no subquery, which could read another table or a file. */
const allowed = new Set([
  'BETWEEN',
  'CASE',
  'CAST',
  'COLLATE',
  'COLUMN_REF',
  'COMPARISON',
  'CONJUNCTION',
  'CONSTANT',
  'FUNCTION',
  'OPERATOR',
]);

/**
 * The names of the columns that an expression reads, in their order. The engine that will run it parses it.
 * @param where key of the configuration that holds it
 * @param expected what it should be, in an error
 * @throws ConfigError for anything but one expression, a subquery, or a function that gives another value each time
 */
export async function columnsOfExpression(
  connection: DuckDBConnection,
  sql: string,
  where: string,
  expected: string,
): Promise<string[]> {
  return columnsOf(connection, await parse(connection, sql, where, expected), where, expected);
}

/** What the engine makes of the expression: a tree of JSON. */
async function parse(connection: DuckDBConnection, sql: string, where: string, expected: string): Promise<unknown> {
  // Between parentheses on lines of their own, as it will be run: neither a comment nor a bracket reaches beyond them.
  const text = `select (\n${sql}\n)`;
  const [[json]] = (await connection.runAndReadAll(`select json_serialize_sql(${quoteLiteral(text)})`)).getRows() as [
    [string],
  ];
  const tree = JSON.parse(json) as {
    error: boolean;
    error_message?: string;
    statements?: { node: Record<string, unknown> }[];
  };
  const node = tree.statements?.[0]?.node;
  const expressions = node?.['select_list'] as unknown[] | undefined;
  const plain =
    tree.statements?.length === 1 &&
    node?.['type'] === 'SELECT_NODE' &&
    expressions?.length === 1 &&
    (node['from_table'] as { type?: string } | null)?.type === 'EMPTY' &&
    (node['modifiers'] as unknown[]).length === 0 &&
    ['where_clause', 'having', 'sample', 'qualify'].every((clause) => (node[clause] ?? null) === null);
  if (plain) return expressions[0];
  throw new ConfigError({
    found: tree.error ? `this cannot be parsed: ${tree.error_message?.slice(0, 200) ?? ''}` : 'more than an expression',
    expected,
    where,
  });
}

/** The columns an expression reads. @throws ConfigError for what it may not contain */
async function columnsOf(
  connection: DuckDBConnection,
  tree: unknown,
  where: string,
  expected: string,
): Promise<string[]> {
  const columns = new Set<string>();
  const functions = new Set<string>();
  const stack: unknown[] = [tree];
  while (stack.length > 0) {
    const part = stack.pop();
    if (typeof part !== 'object' || part === null) continue;
    const { class: kind, column_names: names, function_name: called } = part as Record<string, unknown>;
    if (typeof kind === 'string' && !allowed.has(kind)) {
      throw new ConfigError({
        found: `a ${kind.toLowerCase().replaceAll('_', ' ')} in the expression`,
        expected,
        where,
      });
    }
    if (Array.isArray(names)) columns.add(String(names[0]));
    if (typeof called === 'string') functions.add(called);
    stack.push(...Object.values(part));
  }
  if (functions.size > 0) {
    const list = [...functions].map((name) => quoteLiteral(name.toLowerCase())).join(', ');
    const volatile = await connection.runAndReadAll(
      `select distinct function_name from duckdb_functions() where function_name in (${list}) and stability <> 'CONSISTENT' order by all`,
    );
    const [first] = volatile.getRows();
    if (first !== undefined) {
      throw new ConfigError({
        found: `${String(first[0])}(), which gives another value each time`,
        expected: 'functions that depend on the rows alone: the same inputs must give the same evidence',
        where,
      });
    }
  }
  return [...columns];
}

/** The column of the data that a name means. @throws ConfigError with the nearest there is */
export function dataColumn(
  name: string,
  available: readonly DatasetColumn[],
  own: readonly string[],
  where: string,
): DatasetColumn {
  const column = available.find((each) => sameName(each.name, name));
  if (column !== undefined) return column;
  const names = [...own, ...available.map((each) => each.name)];
  const near = nearest(name, names);
  throw new ConfigError({
    found: `there is no column ${JSON.stringify(name.slice(0, 200))}`,
    expected: `one of ${names.slice(0, 20).join(', ')}${names.length > 20 ? ', …' : ''}`,
    where,
    ...(near === undefined ? {} : { remedy: `Did you mean ${JSON.stringify(near)}?` }),
  });
}

/** SQL does not tell names by their case. */
export function sameName(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}
