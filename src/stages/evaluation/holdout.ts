import type { Policy } from './schema.ts';
import type { Check } from '../../evidence/check.ts';

export interface Spending {
  /** One-sided level of this decision's tests that let a candidate pass. */
  alpha: number;
  /** How it follows from the policy's alpha; null where nothing is spent. */
  rule: 'bonferroni' | 'series' | null;
  /** Decisions the evaluation set is good for; null without a limit. */
  budget: number | null;
  exhausted: boolean;
}

/**
 * The level left for the next decision on an evaluation set that served `reuse` decisions. The levels of all decisions on it
 * add up to at most alpha, so that the chance that any of them passes a model wrongly is at most alpha (union bound):
 * - with a budget of n decisions each has alpha / n (ease.ml/ci, Renggli et al., MLSys 2019: non-adaptive);
 * - without one, decision k has alpha / (k (k + 1)), a series that adds up to alpha (alpha spending: Foster and Stine,
 *   J. R. Statist. Soc. B 70, 2008).
 */
export function spendAlpha(alpha: number, holdout: Policy['holdout'], reuse: number): Spending {
  if (holdout?.spend !== true) return { alpha, rule: null, budget: null, exhausted: false };
  const { budget } = holdout;
  if (budget !== undefined) return { alpha: alpha / budget, rule: 'bonferroni', budget, exhausted: reuse >= budget };
  const decision = reuse + 1;
  return { alpha: alpha / (decision * (decision + 1)), rule: 'series', budget: null, exhausted: false };
}

/** How often the evaluation set was used, and what is left of it. */
export function reuseChecks(reuse: number, spending: Spending): Check[] {
  const { alpha, rule, budget, exhausted } = spending;
  if (reuse === 0 && rule === null) return [];
  const before = `${reuse} ${reuse === 1 ? 'decision was' : 'decisions were'} made on this evaluation set before`;
  const level = Number(alpha.toPrecision(3));
  return [
    {
      id: 'evaluation/holdout-reuse',
      title: 'Reuse of the evaluation set',
      verdict: exhausted ? 'inconclusive' : 'pass',
      severity: rule === null ? 'info' : 'block',
      message: exhausted
        ? `${before}, as many as the policy's budget of ${budget} allows: it cannot be used any more. Label new rows, or raise the budget deliberately.`
        : rule === null
          ? `${before}: the more often it is used, the less reliable its intervals are.`
          : `${before}${budget === null ? '' : ` of at most ${budget}`}: this one is tested at alpha ${level}.`,
      observed: reuse,
      required: budget === null ? null : `fewer than ${budget}`,
    },
  ];
}
