import gammaln from '@stdlib/math-base-special-gammaln';
import { bisected } from './bisection.ts';
import type { Bounds } from './proportions.ts';

/** Failures of both arms while the candidate had one share of the traffic. */
export interface FailureWindow {
  /** Failures of the candidate. */
  candidate: number;
  /** Failures of both arms. */
  both: number;
  /** The candidate's share of the traffic, above 0 and below 1. */
  share: number;
}

/**
 * Is the candidate's failure rate more than `ratio` times the champion's? Given that a failure happened, it is the candidate's with a
 * probability that only the share of the traffic and the ratio of the rates say, whatever the rate itself does over the day. The
 * result is the log of an e-value: a mixture over 25 ratios from 1.1 to 20 times `ratio`, exact for any number of failures, and it
 * may be looked at after every failure. An alarm at log(1/alpha) is false with probability at most alpha over all looks.
 * After Lindon and Malek, NeurIPS 2022, arXiv 2011.03567.
 *
 * @param windows one for each share; they multiply inside the mixture
 * @param ratio the ratio that is tolerated, 1 for none worse at all
 */
export function failureEvidence(windows: readonly FailureWindow[], ratio = 1): number {
  const logs = alternatives.map((factor) =>
    windows.reduce((sum, { candidate, both, share }) => {
      const here = ofCandidate(ratio * factor, share);
      const tolerated = ofCandidate(ratio, share);
      return sum + candidate * Math.log(here / tolerated) + (both - candidate) * Math.log((1 - here) / (1 - tolerated));
    }, 0),
  );
  return logMean(logs);
}

/**
 * Two-sided confidence sequence, at any time, of the ratio of the failure rates (candidate / champion): beta-binomial mixture with
 * prior (10 w, 10 (1 - w)). Open above where all failures are the candidate's. Windows must share one share of the traffic.
 */
export function failureRatioBounds({ candidate, both, share }: FailureWindow, alpha: number): Bounds {
  if (both === 0) return { lower: 0, upper: Number.POSITIVE_INFINITY };
  const a = 10 * share;
  const b = 10 * (1 - share);
  const marginal = logBeta(a + candidate, b + both - candidate) - logBeta(a, b);
  const limit = -Math.log(alpha);
  const isOut = (p: number): boolean =>
    marginal - times(candidate, Math.log(p)) - times(both - candidate, Math.log1p(-p)) >= limit;
  const centre = candidate / both;
  const ratioOf = (p: number): number => (p * (1 - share)) / ((1 - p) * share);
  return {
    lower: candidate === 0 ? 0 : ratioOf(edge(centre, 0, isOut)),
    upper: candidate === both ? Number.POSITIVE_INFINITY : ratioOf(edge(centre, 1, isOut)),
  };
}

/** Probability that a failure is the candidate's, where its rate is `ratio` times the champion's. */
function ofCandidate(ratio: number, share: number): number {
  return (ratio * share) / (ratio * share + 1 - share);
}

/** 25 factors from 1.1 to 20, evenly spaced in their logarithm. */
const alternatives = Array.from({ length: 25 }, (_, k) => 1.1 * Math.pow(20 / 1.1, k / 24));

/** Log of the mean of exp(values), without overflow. */
function logMean(values: readonly number[]): number {
  const largest = Math.max(...values);
  if (!Number.isFinite(largest)) return largest;
  return largest + Math.log(values.reduce((sum, value) => sum + Math.exp(value - largest), 0) / values.length);
}

function logBeta(a: number, b: number): number {
  return gammaln(a) + gammaln(b) - gammaln(a + b);
}

/** 0 times the log of 0 is 0. */
function times(count: number, log: number): number {
  return count === 0 ? 0 : count * log;
}

/** Where between `inside` and `outside` a condition begins to hold. */
function edge(inside: number, outside: number, holds: (p: number) => boolean): number {
  const [near, far] = bisected(inside, outside, 100, holds);
  return (near + far) / 2;
}
