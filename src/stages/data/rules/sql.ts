import type { Dataset } from '../../../data/dataset.ts';
import { ConfigError } from '../../../errors.ts';
import { openSqlSession, SqlFault, type SqlSession } from '../../../sql/session.ts';
import type { RuleOf } from '../schema.ts';
import { rowOutcome, type RuleContext, type RuleOutcome } from './rule.ts';

/** Rows of a query that are listed. */
const listed = 1000;

/**
 * Rules in SQL: every row that a query returns breaks it. They run in a process of their own, which reads this dataset and nothing else.
 * @param rules with their places among all rules
 * @throws ConfigError for SQL that is refused, or cannot be computed
 */
export async function sqlRules(
  dataset: Dataset,
  rules: readonly { rule: RuleOf<'sql'>; place: number }[],
  { signal }: RuleContext,
): Promise<RuleOutcome[]> {
  if (rules.length === 0) return [];
  const session = await openSqlSession(dataset, { signal });
  try {
    const outcomes: RuleOutcome[] = [];
    for (const each of rules) outcomes.push(await sqlRule(session, dataset, each));
    return outcomes;
  } finally {
    session.close();
  }
}

async function sqlRule(
  session: SqlSession,
  dataset: Dataset,
  { rule, place }: { rule: RuleOf<'sql'>; place: number },
): Promise<RuleOutcome> {
  const { sql, name = 'sql' } = rule;
  const where = `data.rules[${place}].sql`;
  const found = await session.select(sql, listed).catch((error: unknown) => {
    if (!(error instanceof SqlFault)) throw error;
    throw new ConfigError({ found: `the query ${error.message}`, where, remedy: 'Correct the query', cause: error });
  });
  if (!found.ok) {
    throw new ConfigError({
      found: found.found,
      expected: 'one SELECT from the table data, of functions whose value depends on the rows alone',
      where,
      remedy: found.remedy,
    });
  }
  return rowOutcome(
    dataset,
    {
      rule: name,
      columns: [],
      title: `Rule ${name} on the ${dataset.name} data`,
      wrong: 'returned by the query',
      broken: found.rows,
      listed: found.first.map((value) => ({ row: null, value })),
    },
    rule,
  );
}
