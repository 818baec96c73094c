import type { Task } from '../../../config/schema.ts';
import type { Cost } from '../schema.ts';
import { classPosition } from '../../../data/class-text.ts';
import { ConfigError } from '../../../errors.ts';
import type { Confusion } from './confusion.ts';
import type { Metric } from './metric.ts';

export const costName = 'expected_cost';

/**
 * The mean cost of a decision under the policy's cost matrix (Elkan, The foundations of cost-sensitive learning, IJCAI 2001).
 * @throws ConfigError for a cost of the wrong form for the task, and, once the classes are known, for one of an unknown class
 */
export function costMetric(cost: Cost, task: Task): Metric {
  const binary = 'false_positive' in cost;
  if (task !== (binary ? 'binary-classification' : 'multiclass-classification')) {
    throw new ConfigError({
      found: `policy.cost ${binary ? 'with false_positive' : 'with a matrix'} for ${task}`,
      expected: 'false_positive and false_negative for binary, matrix and otherwise for multiclass classification',
      where: 'policy.cost',
    });
  }
  return {
    kind: 'cells',
    name: costName,
    title: 'expected cost',
    better: 'lower',
    scale: 'value',
    needs: 'decisions',
    tasks: [task],
    value: (matrix, sample) => meanCost(matrix, costsOf(cost, sample.names ?? [])),
  };
}

/** Cost of each cell of the confusion matrix, row-major: rows are the true class, columns the decided one. */
function costsOf(cost: Cost, names: readonly string[]): Float64Array {
  if ('false_positive' in cost) {
    const { true_negative = 0, false_positive, false_negative, true_positive = 0 } = cost;
    return Float64Array.of(true_negative, false_positive, false_negative, true_positive);
  }
  const number = (name: string): number => {
    const found = classPosition(name, names);
    if (found >= 0) return found;
    throw new ConfigError({
      found: `a cost of the class ${JSON.stringify(name)}`,
      expected: `one of ${names.slice(0, 20).join(', ')}`,
      where: 'policy.cost.matrix',
    });
  };
  const costs = new Float64Array(names.length ** 2);
  for (const cell of costs.keys()) costs[cell] = cell % (names.length + 1) === 0 ? 0 : cost.otherwise;
  for (const [truth, decisions] of Object.entries(cost.matrix)) {
    for (const [decision, each] of Object.entries(decisions)) {
      costs[number(truth) * names.length + number(decision)] = each;
    }
  }
  return costs;
}

function meanCost({ cells }: Confusion, costs: Float64Array): number {
  let sum = 0;
  let all = 0;
  for (const [cell, count] of cells.entries()) {
    sum += count * (costs[cell] as number);
    all += count;
  }
  return sum / all;
}
