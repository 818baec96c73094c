import type { Check, Verdict } from '../../evidence/index.ts';
import type { ObjectiveResult } from './judge.ts';

type Limit = Required<Pick<Check, 'limit' | 'unit'>>;
export const mostMilliseconds: Limit = { limit: 'at most', unit: 'ms' };
export const mostSeconds: Limit = { limit: 'at most', unit: 's' };
export const mostShare: Limit = { limit: 'at most', unit: 'share' };
export const leastShare: Limit = { limit: 'at least', unit: 'share' };
export const mostAnswers: Limit = { limit: 'at most', unit: 'answers' };
export const leastRate: Limit = { limit: 'at least', unit: '/s' };
export const mostBytes: Limit = { limit: 'at most', unit: 'bytes' };
export const mostCores: Limit = { limit: 'at most', unit: 'cores' };
export const mostTimes: Limit = { limit: 'at most', unit: 'times' };

/** A check of the load test. A number that could not be observed is null. */
export function loadCheck(
  id: string,
  title: string,
  {
    verdict,
    observed,
    required,
    message,
  }: Pick<ObjectiveResult, 'message'> & { verdict: Verdict; observed: number | null; required: number | null },
  limit: Limit,
  severity: Check['severity'] = 'block',
): Check {
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
