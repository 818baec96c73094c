import type { Check, Verdict } from '../../evidence/index.ts';

export type Limit = Required<Pick<Check, 'limit' | 'unit'>>;
export const mostMilliseconds: Limit = { limit: 'at most', unit: 'ms' };
export const mostSeconds: Limit = { limit: 'at most', unit: 's' };
export const mostShare: Limit = { limit: 'at most', unit: 'share' };
export const leastShare: Limit = { limit: 'at least', unit: 'share' };
export const mostAnswers: Limit = { limit: 'at most', unit: 'answers' };
export const leastRate: Limit = { limit: 'at least', unit: '/s' };
export const mostMebibytes: Limit = { limit: 'at most', unit: 'MiB' };
export const mostCores: Limit = { limit: 'at most', unit: 'cores' };
export const mostTimes: Limit = { limit: 'at most', unit: 'times' };

/** A check of the load test. A number that could not be observed is null. */
export function loadCheck(
  id: string,
  title: string,
  limit: Limit,
  finding: Pick<Check, 'message'> &
    Partial<Check> & { verdict: Verdict; observed: number | null; required: number | null },
): Check {
  const { verdict, severity = 'block', message, observed, required } = finding;
  return {
    id: `load/${id}`,
    title,
    verdict,
    severity,
    message,
    observed: observed === null || verdict === 'skipped' ? null : Number(observed.toPrecision(6)),
    required,
    ...limit,
  };
}
