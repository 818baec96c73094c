import type { DuckDBConnection } from '@duckdb/node-api';
import { labelColumns } from '../../config/columns.ts';
import type { Columns, CustomMetric, Task } from '../../config/schema.ts';
import { nearest } from '../../config/suggest.ts';
import { quoteLiteral, type DatasetColumn } from '../../data/relation.ts';
import { inWorkspace } from '../../data/workspace.ts';
import { ConfigError } from '../../errors.ts';
import { metricsOf } from './catalogue.ts';
import { costName } from './cost.ts';
import type { Metric } from './metric.ts';

/** A metric that is a SQL aggregate over the rows and what a model says of them. */
export type SqlMetric = Extract<Metric, { kind: 'sql' }>;

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

/** Names of what a model says, and of the label. Columns of the data that have the same name are hidden by them. */
export function ownColumns(
  task: Task,
  columns: Columns,
): { labels: string[]; predictions: string[]; scores: string[] } {
  if (task !== 'multilabel-classification')
    return { labels: ['label'], predictions: ['prediction'], scores: ['score'] };
  const labels = [...labelColumns(columns)];
  return {
    labels,
    predictions: labels.map((name) => `prediction_${name}`),
    scores: labels.map((name) => `score_${name}`),
  };
}

/**
 * Check the metrics a policy defines in SQL. Each is one expression of aggregates, parsed by the engine that will run it.
 * @throws ConfigError for anything else: several expressions, a subquery, an unknown column, a function that gives another value each time
 */
export async function sqlMetrics(
  definitions: readonly CustomMetric[],
  { task, columns, available }: { task: Task; columns: Columns; available: readonly DatasetColumn[] },
): Promise<SqlMetric[]> {
  if (definitions.length === 0) return [];
  const own = ownColumns(task, columns);
  return inWorkspace(async (connection) => {
    const metrics: SqlMetric[] = [];
    for (const [index, { name, sql, higher_is_better: higher }] of definitions.entries()) {
      const where = `policy.metrics[${index}]`;
      refuseTaken(definitions, index, task);
      const parsed = await parse(connection, sql, where);
      const names = await columnsOf(connection, parsed, where);
      const known = [...own.labels, ...own.predictions, ...own.scores];
      const isOwn = (of: readonly string[], column: string): boolean => of.some((each) => same(each, column));
      const read = names
        .filter((column) => !isOwn(known, column))
        .map((column) => dataColumn(column, available, known, where));
      if (!names.some((column) => isOwn([...own.predictions, ...own.scores], column))) {
        throw new ConfigError({
          found: `${name} looks at nothing a model says`,
          expected: `an expression of ${[...own.predictions, ...own.scores].slice(0, 6).join(', ')}`,
          where,
        });
      }
      const scored = task === 'regression' || task === 'ranking' || names.some((column) => isOwn(own.scores, column));
      metrics.push({
        kind: 'sql',
        name,
        title: name.replaceAll('_', ' '),
        better: higher ? 'higher' : 'lower',
        scale: 'value',
        needs: scored ? 'scores' : 'decisions',
        tasks: [task],
        expression: sql,
        columns: read,
        where,
      });
    }
    return metrics;
  });
}

function refuseTaken(definitions: readonly CustomMetric[], index: number, task: Task): void {
  const { name } = definitions[index] as CustomMetric;
  const twice = definitions.findIndex((each) => each.name === name) !== index;
  if (!twice && name !== costName && !metricsOf(task).some((metric) => metric.name === name)) return;
  throw new ConfigError({
    found: twice ? `the name ${name} twice` : `${name} is the name of a metric there is`,
    expected: 'a name of its own',
    where: `policy.metrics[${index}]`,
  });
}

/** What the engine makes of the expression: a tree of JSON. */
async function parse(connection: DuckDBConnection, sql: string, where: string): Promise<unknown> {
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
    expected: 'one expression of aggregates, such as avg(abs(label - prediction))',
    where: `${where}.sql`,
  });
}

/** The columns an expression reads. @throws ConfigError for what it may not contain */
async function columnsOf(connection: DuckDBConnection, tree: unknown, where: string): Promise<string[]> {
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
        expected: 'aggregates, functions, comparisons, case, casts and constants',
        where: `${where}.sql`,
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
        where: `${where}.sql`,
      });
    }
  }
  return [...columns];
}

function dataColumn(
  name: string,
  available: readonly DatasetColumn[],
  own: readonly string[],
  where: string,
): DatasetColumn {
  const column = available.find((each) => same(each.name, name));
  if (column !== undefined) return column;
  const names = [...own, ...available.map((each) => each.name)];
  const near = nearest(name, names);
  throw new ConfigError({
    found: `there is no column ${JSON.stringify(name.slice(0, 200))}`,
    expected: `one of ${names.slice(0, 20).join(', ')}${names.length > 20 ? ', …' : ''}`,
    where: `${where}.sql`,
    ...(near === undefined ? {} : { remedy: `Did you mean ${JSON.stringify(near)}?` }),
  });
}

/** SQL does not tell names by their case. */
function same(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}
