import type { Dataset } from '../../../data/dataset.ts';
import type { Check } from '../../../evidence/check.ts';
import type { RuleOf, TableRule } from '../schema.ts';
import { classBalance, distinctCount, freshness, valueFrequency } from './columns.ts';
import { foreignKey, functionalDependency, monotonic } from './rows.ts';
import type { RuleContext, RuleOutcome } from './rule.ts';
import { sqlRules } from './sql.ts';

/**
 * The rules beside row counts, unique keys and missing values. Of two on the same columns the second has an id of its own.
 * @param rules all of the configuration, so that their places are those of it
 * @throws DataError, ConfigError for a rule that cannot be judged on this dataset
 */
export async function ruleOutcomes(
  dataset: Dataset,
  rules: readonly TableRule[],
  context: RuleContext,
): Promise<RuleOutcome[]> {
  const outcomes: RuleOutcome[] = [];
  const queries: { rule: RuleOf<'sql'>; place: number }[] = [];
  for (const [place, rule] of rules.entries()) {
    context.signal?.throwIfAborted();
    if (rule.datasets?.includes(dataset.name as 'evaluation') === false) continue;
    if ('sql' in rule) queries.push({ rule, place });
    const outcome = await outcomeOf(dataset, rule, context);
    if (outcome !== null) outcomes.push(outcome);
  }
  outcomes.push(...(await sqlRules(dataset, queries, context)));
  const checks = withOwnIds(outcomes.map(({ check }) => check));
  return outcomes.map((outcome, index) => ({ ...outcome, check: checks[index] ?? outcome.check }));
}

/** The second check of an id is `<id>#2`. */
export function withOwnIds(checks: readonly Check[]): Check[] {
  const times = new Map<string, number>();
  return checks.map((check) => {
    const time = (times.get(check.id) ?? 0) + 1;
    times.set(check.id, time);
    return time === 1 ? check : { ...check, id: `${check.id}#${time}` };
  });
}

async function outcomeOf(dataset: Dataset, rule: TableRule, context: RuleContext): Promise<RuleOutcome | null> {
  if ('distinct_count' in rule) return distinctCount(dataset, rule);
  if ('freshness' in rule) return freshness(dataset, rule, context);
  if ('monotonic' in rule) return monotonic(dataset, rule);
  if ('foreign_key' in rule) return foreignKey(dataset, rule, context);
  if ('class_balance' in rule) return classBalance(dataset, rule, context);
  if ('value_frequency' in rule) return valueFrequency(dataset, rule);
  if ('functional_dependency' in rule) return functionalDependency(dataset, rule);
  return null;
}
