import type { Check, Evidence } from '../evidence/index.ts';

/** GitHub takes 1 MiB of outputs from a job. */
const most = 200;

const ranks: Record<Check['verdict'], number> = { fail: 0, inconclusive: 1, pass: 2, skipped: 3 };

/**
 * The comparisons that can block the candidate, as a JSON list for a later step, those that did not pass first. Bounds and difference
 * are oriented so that positive is better.
 */
export function metricsOf(evidence: readonly Evidence[]): string {
  const checks = evidence.flatMap((each) => each.checks).filter(({ severity }) => severity === 'block');
  const rows = checks
    .sort((a, b) => ranks[a.verdict] - ranks[b.verdict])
    .flatMap(({ comparison, verdict }) => {
      if (comparison === undefined) return [];
      const { metric, slice, anchor, candidate, champion, delta, lower, upper } = comparison;
      const of = { ...(slice === undefined ? {} : { slice }), ...(anchor === undefined ? {} : { anchor }) };
      return [{ metric, ...of, candidate, champion, delta, lower, upper, verdict }];
    });
  return JSON.stringify(rows.slice(0, most));
}
