import { labelColumns } from '../../../config/columns.ts';
import type { Columns, Task } from '../../../config/schema.ts';
import type { CustomMetric } from '../schema.ts';
import type { DatasetColumn } from '../../../data/relation.ts';
import { inWorkspace } from '../../../data/workspace.ts';
import { ConfigError } from '../../../errors.ts';
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
      const expected = 'one expression of aggregates, such as avg(abs(label - prediction))';
      const names = await columnsOfExpression(connection, sql, `${where}.sql`, expected);
      const known = [...own.labels, ...own.predictions, ...own.scores];
      const isOwn = (of: readonly string[], column: string): boolean => of.some((each) => sameName(each, column));
      const read = names
        .filter((column) => !isOwn(known, column))
        .map((column) => dataColumn(column, available, known, `${where}.sql`));
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
