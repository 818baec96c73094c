import gammainc from '@stdlib/math-base-special-gammainc';
import gammaln from '@stdlib/math-base-special-gammaln';

export interface SampleRatio {
  /** Pearson's statistic of the counts against the planned shares. */
  statistic: number;
  /** Its p-value, for one look at a time that was fixed before. */
  p: number;
  /** Log of the Bayes factor against the planned shares: evidence at any time, however often it is looked at. */
  logBayesFactor: number;
  /** Largest difference of a seen from a planned share. */
  largest: number;
}

/**
 * Did users arrive in the planned shares? Pearson's chi-squared test for one look, and the sequential multinomial test of Lindon and
 * Malek (NeurIPS 2022, arXiv 2011.03567) with a Dirichlet prior of weight 100 about the plan: under the plan the factor reaches
 * 1/alpha at any time with probability at most alpha. Arms that are planned to get nothing are left out, unless they got something.
 *
 * @param counts users by arm @param weights planned shares in the same order, in any unit
 */
export function sampleRatio(counts: readonly number[], weights: readonly number[]): SampleRatio {
  const planned = weights.reduce((sum, weight) => sum + weight, 0);
  const total = counts.reduce((sum, count) => sum + count, 0);
  const arms = counts.map((count, arm) => ({ count, share: (weights[arm] as number) / planned }));
  const open = arms.filter(({ share }) => share > 0);
  if (arms.some(({ count, share }) => share === 0 && count > 0)) {
    return { statistic: Number.POSITIVE_INFINITY, p: 0, logBayesFactor: Number.POSITIVE_INFINITY, largest: 1 };
  }
  if (total === 0 || open.length < 2) return { statistic: 0, p: 1, logBayesFactor: 0, largest: 0 };
  let statistic = 0;
  let logBayesFactor = gammaln(priorWeight) - gammaln(priorWeight + total);
  let largest = 0;
  for (const { count, share } of open) {
    statistic += (count - total * share) ** 2 / (total * share);
    const prior = priorWeight * share;
    logBayesFactor += gammaln(prior + count) - gammaln(prior) - count * Math.log(share);
    largest = Math.max(largest, Math.abs(count / total - share));
  }
  const p = statistic === 0 ? 1 : gammainc(statistic / 2, (open.length - 1) / 2, true, true);
  return { statistic, p, logBayesFactor, largest };
}

const priorWeight = 100;

/** A deviation of the shares below this is of no weight, however certain it is. */
const leastDeviation = 0.002;
/** Bayes factor against the planned shares from which on they are not what was planned: a false alarm in 1 of 1,000 experiments or steps. */
const alarmFactor = Math.log(1000);

/** Whether it is shown that the planned shares were not kept, at any look; or at the only one. */
export function sharesDiffer({ logBayesFactor, p, largest }: SampleRatio, onlyLook = false): boolean {
  return (onlyLook ? p < 0.001 : logBayesFactor >= alarmFactor) && largest >= leastDeviation;
}
