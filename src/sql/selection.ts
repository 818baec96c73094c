import type { DuckDBConnection } from '@duckdb/node-api';
import { quoteLiteral } from '../data/relation.ts';
import { allowedParts, nodesOf, parsed, refusalOfCall, type Node, type Refusal } from './expression.ts';
import { words } from './functions.ts';

/** Parts of a query beside those of an expression. */
const allowedInQuery: ReadonlySet<string> = new Set([...allowedParts, 'LAMBDA', 'STAR', 'SUBQUERY', 'WINDOW']);

/** What a query may read from. */
const tables = words('BASE_TABLE EMPTY EXPRESSION_LIST JOIN SUBQUERY');

/** Functions that only a window has. */
const windows = words(`
  row_number rank dense_rank percent_rank cume_dist ntile lag lead first_value last_value nth_value
`);

/**
 * Why a text is not one SELECT from the table `data` and nothing else; null: it is. The engine's own parser says what is in it, and
 * whatever is not known to be harmless is refused.
 */
export async function refusalOfSelection(connection: DuckDBConnection, sql: string): Promise<Refusal | null> {
  // As it will be run, so that neither a comment nor a bracket reaches beyond it.
  const text = `select * from (\n${sql}\n)`;
  const tree = await parsed(connection, text);
  if (tree.error || tree.statements?.length !== 1) {
    const message = tree.error_message ?? '';
    return {
      shape: true,
      found: message.startsWith('Only SELECT')
        ? 'another statement than SELECT'
        : `this cannot be parsed: ${message.slice(0, 200)}`,
    };
  }
  const named = new Set(['data']);
  const found = [...nodesOf(tree.statements[0]?.node)];
  for (const node of found) {
    const map = (node['cte_map'] as { map?: { key: string }[] } | undefined)?.map ?? [];
    for (const { key } of map) named.add(key.toLowerCase());
  }
  for (const node of found) {
    const refusal = refusalOf(node, named);
    if (refusal !== null) return refusal;
  }
  // Within the `select * from (...)` above.
  const outer = tree.statements[0]?.node as { from_table?: { subquery?: { node?: Node } } } | undefined;
  const own = outer?.from_table?.subquery?.node;
  if (own === undefined || !(await isOneRow(connection, own))) return null;
  return {
    shape: true,
    found: 'the query returns one row for any data, so the rule can never pass',
    remedy: 'State the failing condition after HAVING, as in select max(x) from data having max(x) > 100',
  };
}

/** Is it an aggregate of all rows, or of none, without a condition on the result? */
async function isOneRow(connection: DuckDBConnection, query: Node): Promise<boolean> {
  const { having, qualify, where_clause: where, from_table: from, modifiers } = query;
  const groups = [query['group_expressions'], query['group_sets']].flat();
  const isLimited = (modifiers as Node[]).some(({ type }) => String(type).startsWith('LIMIT'));
  // GROUP BY ALL names no group.
  const isGrouped = groups.length > 0 || query['aggregate_handling'] !== 'STANDARD_HANDLING';
  if (query.type !== 'SELECT_NODE' || having !== null || qualify !== null || isGrouped || isLimited) return false;
  if ((from as Node).type === 'EMPTY') return where === null;
  const called = new Set<string>();
  const stack: unknown[] = [query['select_list']];
  while (stack.length > 0) {
    const part = stack.pop();
    if (typeof part !== 'object' || part === null) continue;
    const { class: kind, function_name: name } = part as Node;
    if (kind === 'SUBQUERY' || kind === 'WINDOW') continue;
    if (kind === 'FUNCTION') called.add(String(name).toLowerCase());
    stack.push(...Object.values(part));
  }
  const names = [...called].map(quoteLiteral).join(', ');
  const found = await connection.runAndReadAll(
    `select 1 from duckdb_functions() where function_name in (${names || 'null'}) group by function_name having bool_and(function_type = 'aggregate')`,
  );
  return found.currentRowCount > 0;
}

function refusalOf(node: Node, named: ReadonlySet<string>): Refusal | null {
  const { class: kind, type, function_name: called } = node;
  // Whatever stands after FROM has a place for a sample.
  if (kind === undefined && typeof type === 'string' && 'sample' in node && !type.endsWith('_NODE')) {
    if (!tables.has(type)) return { found: `a ${type.toLowerCase().replaceAll('_', ' ')} in the query`, shape: true };
    if (type === 'BASE_TABLE') {
      const { table_name: name, schema_name: schema, catalog_name: catalog } = node;
      if (schema !== '' || catalog !== '' || !named.has(String(name).toLowerCase())) {
        return {
          found: `the query reads the table ${JSON.stringify(String(name).slice(0, 100))}`,
          remedy: 'Read from the table data',
        };
      }
    }
  }
  if ((node['sample'] ?? null) !== null) return { found: 'a sample, which is another one each time' };
  if (typeof kind === 'string' && !allowedInQuery.has(kind)) {
    return { found: `a ${kind.toLowerCase().replaceAll('_', ' ')} in the query`, shape: true };
  }
  if (typeof called !== 'string') return null;
  const name = called.toLowerCase();
  return kind === 'WINDOW' && windows.has(name) ? null : refusalOfCall(name, node, false);
}
