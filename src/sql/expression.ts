import type { DuckDBConnection } from '@duckdb/node-api';
import { nearest } from '../config/suggest.ts';
import { quoteLiteral } from '../data/relation.ts';
import { allowedFunctions, collects, reasonAgainst, words } from './functions.ts';

/** What parsing says of an expression: the columns it reads, in their order, or why it is refused. */
export type Parsed = { ok: true; columns: string[] } | ({ ok: false } & Refusal);

/** Why SQL is refused. */
export interface Refusal {
  found: string;
  remedy?: string | undefined;
  /** The expression is not of the shape that was asked for, and what was expected says which that is. */
  shape?: boolean;
}

/** What the expressions may contain; above all no subquery, which could read another table or a file. */
export const allowedParts = words('BETWEEN CASE CAST COLUMN_REF COMPARISON CONJUNCTION CONSTANT FUNCTION OPERATOR');

/** Operators that are no functions but have no place here. */
const refusedOperators = new Map([
  ['GROUPING_FUNCTION', 'grouping()'],
  ['OPERATOR_UNPACK', 'unpack'],
]);

export type Node = Record<string, unknown>;

/** Parse one expression with the engine that will run it, and judge all that is in it. */
export async function parseExpression(connection: DuckDBConnection, sql: string): Promise<Parsed> {
  // Between parentheses on lines of their own, as it will be run: neither a comment nor a bracket reaches beyond them.
  const text = `select (\n${sql}\n)`;
  const tree = await parsed(connection, text);
  const node = tree.statements?.[0]?.node;
  const expressions = node?.['select_list'] as unknown[] | undefined;
  const plain =
    tree.statements?.length === 1 &&
    node?.['type'] === 'SELECT_NODE' &&
    expressions?.length === 1 &&
    (node['from_table'] as { type?: string } | null)?.type === 'EMPTY' &&
    (node['modifiers'] as unknown[]).length === 0 &&
    (node['group_expressions'] as unknown[] | undefined)?.length === 0 &&
    isEmpty((node['cte_map'] as { map?: unknown } | undefined)?.map) &&
    ['where_clause', 'having', 'sample', 'qualify'].every((clause) => (node[clause] ?? null) === null);
  if (plain) return judge(expressions[0]);
  return {
    ok: false,
    shape: true,
    found: tree.error ? `this cannot be parsed: ${tree.error_message?.slice(0, 200) ?? ''}` : 'more than an expression',
  };
}

/** What the engine's own parser says of a text. */
export async function parsed(
  connection: DuckDBConnection,
  text: string,
): Promise<{ error: boolean; error_message?: string; statements?: { node: Node }[] }> {
  const [[json] = []] = (await connection.runAndReadAll(`select json_serialize_sql(${quoteLiteral(text)})`)).getRows();
  return JSON.parse(json as string);
}

/** All nodes of a tree in their order, so that of several mistakes the first is told. */
export function* nodesOf(tree: unknown): Generator<Node> {
  const stack: unknown[] = [tree];
  while (stack.length > 0) {
    const part = stack.pop();
    if (typeof part !== 'object' || part === null) continue;
    yield part as Node;
    stack.push(...Object.values(part).toReversed());
  }
}

function judge(tree: unknown): Parsed {
  const columns = new Set<string>();
  const sorted = new Set<unknown>();
  for (const node of nodesOf(tree)) {
    // The parser makes list_sort(list(x)) of list(x order by x).
    if (sorting.has(String(node['function_name']).toLowerCase())) sorted.add(parametersOf(node)[0]);
    const refusal = refusalOf(node, sorted.has(node));
    if (refusal !== null) return { ok: false, ...refusal };
    const names = node['column_names'];
    if (Array.isArray(names)) columns.add(String(names[0]));
  }
  return { ok: true, columns: [...columns] };
}

const sorting = words('list_sort array_sort list_reverse_sort array_reverse_sort');

function refusalOf(node: Node, sorted: boolean): Refusal | null {
  const { class: kind, type, function_name: called } = node;
  if (typeof kind === 'string' && !allowedParts.has(kind)) {
    const remedy = kind === 'COLLATE' ? 'Compare lower(x) instead' : undefined;
    return {
      found: `a ${kind.toLowerCase().replaceAll('_', ' ')} in the expression`,
      shape: remedy === undefined,
      remedy,
    };
  }
  const operator = typeof type === 'string' && kind === 'OPERATOR' ? refusedOperators.get(type) : undefined;
  if (operator !== undefined) return { found: `${operator} in the expression`, shape: true };
  return typeof called === 'string' ? refusalOfCall(called.toLowerCase(), node, sorted) : null;
}

/** Why a function may not be called. */
export function refusalOfCall(name: string, node: Node, sorted: boolean): Refusal | null {
  const parameters = parametersOf(node);
  if (name === 'age') {
    if (parameters.length === 2) return null;
    return {
      found: 'age() with one argument, which depends on the current time',
      remedy: 'Name both times: age(a, b)',
    };
  }
  if (!allowedFunctions.has(name)) return unknownFunction(name);
  if (sorted || !collects(name)) return null;
  const orders = ((node['order_bys'] as Node | null)?.['orders'] as Node[] | undefined) ?? [];
  const collected = shapeOf(parameters[0]);
  if (orders.some((order) => shapeOf(order['expression']) === collected)) return null;
  return {
    found: `${name}() without ORDER BY, whose result depends on the order of the rows`,
    remedy: `Write ${name}(x order by x)`,
  };
}

function parametersOf(node: Node): unknown[] {
  return (node['children'] as unknown[] | undefined) ?? [];
}

function unknownFunction(name: string): Refusal {
  const shown = /^\w+$/u.test(name) ? `${name.slice(0, 100)}()` : name.slice(0, 100);
  const near = remedies.get(name) ?? nearestFunction(name);
  return { found: `${shown}, ${reasonAgainst(name)}`, remedy: near };
}

function nearestFunction(name: string): string | undefined {
  const near = nearest(
    name,
    [...allowedFunctions].filter((each) => /^\w+$/u.test(each)),
  );
  return near === undefined
    ? 'See docs/metrics.md for the allowed functions'
    : `The most similar allowed function is ${near}()`;
}

/** What to write instead of functions that are often wanted. */
const remedies = new Map([
  ...['first', 'last', 'any_value', 'arbitrary', 'first_value', 'last_value', 'mode'].map(
    (name) => [name, 'Write min() or max()'] as const,
  ),
  ['hash', 'Write md5_number()'] as const,
  ...['list_distinct', 'array_distinct'].map((name) => [name, 'Write list_sort(), or list_unique() to count'] as const),
  ['approx_count_distinct', 'Write count(distinct x)'] as const,
  ...['approx_quantile', 'reservoir_quantile'].map((name) => [name, 'Write quantile_cont()'] as const),
  ...['list_aggregate', 'list_aggr', 'array_aggregate', 'array_aggr', 'aggregate'].map(
    (name) => [name, 'Write list_sum(), list_avg() and the like'] as const,
  ),
]);

/** A part of the tree without the places of its text, to tell whether two parts say the same. */
function shapeOf(part: unknown): string {
  return JSON.stringify(part, (key, value: unknown) =>
    key === 'query_location' || key === 'alias' ? undefined : value,
  );
}

function isEmpty(value: unknown): boolean {
  return value === undefined || (Array.isArray(value) && value.length === 0);
}
