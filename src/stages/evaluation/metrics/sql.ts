import { labelColumns } from '../../../config/columns.ts';
import type { Columns, Task } from '../../../config/schema.ts';
import type { CustomMetric } from '../schema.ts';
import { quoteIdentifier, type DatasetColumn } from '../../../data/relation.ts';
import { ConfigError } from '../../../errors.ts';
import type { SqlSession } from '../../../sql/session.ts';
import { columnsOfExpression, dataColumn, sameName } from '../sql-expression.ts';
import { metricsOf } from './catalogue.ts';
import { costName } from './cost.ts';
import type { Metric } from './metric.ts';

/** A metric that is a SQL aggregate over the rows and what a model says of them. */
export type SqlMetric = Extract<Metric, { kind: 'sql' }>;

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
 * The metrics that a policy defines in SQL, by name: what they read is known once they are parsed.
 * @throws ConfigError for a name that another has
 */
export function declaredMetrics(definitions: readonly CustomMetric[], task: Task): SqlMetric[] {
  return definitions.map(({ name, sql, higher_is_better: higher }, index) => {
    refuseTaken(definitions, index, task);
    return {
      kind: 'sql',
      name,
      title: name.replaceAll('_', ' '),
      better: higher ? 'higher' : 'lower',
      scale: 'value',
      needs: 'decisions',
      tasks: [task],
      expression: sql,
      columns: [],
      where: `policy.metrics[${index}]`,
    };
  });
}

/**
 * Parse the metrics a policy defines in SQL. Each is one expression of aggregates, parsed by the engine that will run it.
 * @throws ConfigError for anything else: several expressions, a subquery, an unknown column, a function that may not be called;
 * and where rows have weights that the expression does not read
 */
export async function sqlMetrics(
  session: SqlSession,
  definitions: readonly CustomMetric[],
  { task, columns, available }: { task: Task; columns: Columns; available: readonly DatasetColumn[] },
): Promise<SqlMetric[]> {
  const own = ownColumns(task, columns);
  const known = [...own.labels, ...own.predictions, ...own.scores];
  const metrics: SqlMetric[] = [];
  for (const metric of declaredMetrics(definitions, task)) {
    const { name, expression, where } = metric;
    const expected = 'one expression of aggregates, such as avg(abs(label - prediction))';
    const names = await columnsOfExpression(session, expression, `${where}.sql`, expected);
    const read = names
      .filter((column) => !isOneOf(known, column))
      .map((column) => dataColumn(column, available, known, `${where}.sql`));
    if (!names.some((column) => isOneOf([...own.predictions, ...own.scores], column))) {
      throw new ConfigError({
        found: `the metric ${name} uses no output of the model`,
        expected: `an expression of ${[...own.predictions, ...own.scores].slice(0, 6).join(', ')}`,
        where,
      });
    }
    refuseUnweighted(name, names, columns, `${where}.sql`);
    const scored = task === 'regression' || task === 'ranking' || names.some((column) => isOneOf(own.scores, column));
    metrics.push({ ...metric, needs: scored ? 'scores' : 'decisions', columns: read });
  }
  return metrics;
}

function isOneOf(names: readonly string[], column: string): boolean {
  return names.some((each) => sameName(each, column));
}

/** An aggregate may be anything: nobody can weight it but whoever wrote it. */
function refuseUnweighted(name: string, read: readonly string[], { weight }: Columns, where: string): void {
  if (weight === undefined || weight === null || isOneOf(read, weight)) return;
  const column = quoteIdentifier(weight);
  throw new ConfigError({
    found: `${name} does not use the row weights, column ${JSON.stringify(weight)}`,
    expected: `an expression that weights the rows itself, such as sum(${column} * abs(label - prediction)) / sum(${column})`,
    where,
    remedy: `To count every row once, name the column in a filter: avg(score) filter (where ${column} > 0)`,
  });
}

function refuseTaken(definitions: readonly CustomMetric[], index: number, task: Task): void {
  const { name } = definitions[index] as CustomMetric;
  const twice = definitions.findIndex((each) => each.name === name) !== index;
  if (!twice && name !== costName && !metricsOf(task).some((metric) => metric.name === name)) return;
  throw new ConfigError({
    found: twice ? `the name ${name} is used twice` : `${name} is the name of an existing metric`,
    expected: 'a different name',
    where: `policy.metrics[${index}]`,
  });
}
