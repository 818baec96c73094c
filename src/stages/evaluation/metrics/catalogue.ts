import type { Task } from '../../../config/schema.ts';
import { nearest } from '../../../config/suggest.ts';
import { ConfigError } from '../../../errors.ts';
import { metricName } from '../../../report/numbers.ts';
import { classificationMetrics, topMetric } from './classification.ts';
import type { Metric, Untitled } from './metric.ts';
import { multilabelMetrics } from './multilabel.ts';
import { rankingMetric, rankingMetrics } from './ranking.ts';
import { quantileMetric, regressionMetrics } from './regression.ts';
import { oneAgainstRest } from './views.ts';

const all = [...classificationMetrics, ...multilabelMetrics, ...regressionMetrics, ...rankingMetrics].map(titled);

/** What it is called in a sentence follows from its name, as wherever a report has nothing but the name. */
function titled(metric: Untitled): Metric {
  return { title: metricName(metric.name), ...metric };
}

export function metricsOf(task: Task): readonly Metric[] {
  return all.filter((metric) => metric.tasks.includes(task));
}

/** @throws ConfigError when the metric is unknown or not of the task, with the nearest name. */
export function findMetric(name: string, task: Task, where: string): Metric {
  const named = [
    ...all,
    oneAgainstRest(name, metricsOf('binary-classification')),
    ...[topMetric(name), quantileMetric(name), rankingMetric(name)].flatMap((metric) =>
      metric ? [titled(metric)] : [],
    ),
  ].filter((metric) => metric?.name === name);
  const found = named.find((metric) => metric?.tasks.includes(task));
  if (found !== undefined) return found;
  const names = metricsOf(task).map((metric) => metric.name);
  const near = nearest(name, names);
  throw new ConfigError({
    found: named.length === 0 ? `unknown metric "${name}"` : `metric "${name}" is of ${tasksOf(named)}, not of ${task}`,
    expected: `one of ${names.join(', ')}`,
    where,
    ...(near === undefined ? {} : { remedy: `Did you mean "${near}"?` }),
  });
}

function tasksOf(metrics: readonly (Metric | undefined)[]): string {
  return [...new Set(metrics.flatMap((metric) => metric?.tasks ?? []))].join(', ');
}
