import { differenceVariance, type Spread } from './difference-variance.ts';

/*
 * Estimates of an experiment from moments by arm. The unit is the user, who was assigned at random; never the request.
 */

/** Moments of one arm over its users. Variances and covariances are those of a sample (n - 1). */
export interface Moments {
  users: number;
  /** Mean and variance of the outcome (of a ratio: of its numerator). */
  y: number;
  yy: number;
  /** Of the denominator of a ratio, and its covariance with the numerator. */
  d?: { mean: number; variance: number; withY: number };
  /** Of the covariate, from before the exposure, and its covariance with the outcome. */
  x?: { mean: number; variance: number; withY: number };
}

export interface Estimate {
  /** The metric by arm. */
  champion: number;
  candidate: number;
  /** candidate - champion, in raw units; with a covariate less than chance explains of it. */
  delta: number;
  standardError: number;
  /** Of CUPED: the coefficient, and the share of the variance that is left. */
  cuped?: { theta: number; varianceLeft: number };
}

/** A difference of two means over users. */
export function meanDifference(champion: Moments, candidate: Moments): Estimate {
  return {
    champion: champion.y,
    candidate: candidate.y,
    delta: candidate.y - champion.y,
    standardError: errorOf(champion, candidate, ({ yy }) => yy),
  };
}

/**
 * The same, less what a covariate from before the exposure explains: CUPED (Deng et al., WSDM 2013), with the coefficient of both arms
 * together. A covariate that does not vary explains nothing.
 */
export function cupedDifference(champion: Moments, candidate: Moments): Estimate {
  const raw = meanDifference(champion, candidate);
  if (champion.x === undefined || candidate.x === undefined) return raw;
  const n = champion.users + candidate.users;
  const within = (of: (arm: Moments) => number): number =>
    (champion.users - 1) * of(champion) + (candidate.users - 1) * of(candidate);
  const between = (champion.users * candidate.users) / n;
  const dx = candidate.x.mean - champion.x.mean;
  const covariance = within(({ x }) => x?.withY ?? 0) + between * dx * raw.delta;
  const variance = within(({ x }) => x?.variance ?? 0) + between * dx * dx;
  if (!(variance > 0)) return raw;
  const theta = covariance / variance;
  const left = ({ yy, x }: Moments): number =>
    x === undefined ? yy : Math.max(0, yy + theta * theta * x.variance - 2 * theta * x.withY);
  const standardError = errorOf(champion, candidate, left);
  return {
    ...raw,
    delta: raw.delta - theta * dx,
    standardError,
    cuped: { theta, varianceLeft: raw.standardError === 0 ? 1 : (standardError / raw.standardError) ** 2 },
  };
}

/**
 * A difference of two ratios of sums, such as revenue by session, where users were assigned: by the delta method (Deng et al., KDD 2018,
 * arXiv 1803.06336). A test over sessions would take those of one user for independent.
 */
export function ratioDifference(champion: Moments, candidate: Moments): Estimate {
  const [a, b] = [ratioOf(champion), ratioOf(candidate)];
  return {
    champion: a.ratio,
    candidate: b.ratio,
    delta: b.ratio - a.ratio,
    standardError: errorOf(champion, candidate, (arm) => ratioOf(arm).variance),
  };
}

/** Of a difference between the arms. @param varianceOf one user of an arm */
function errorOf(champion: Moments, candidate: Moments, varianceOf: (arm: Moments) => number): number {
  const spreadOf = (arm: Moments): Spread => ({ n: arm.users, variance: varianceOf(arm) });
  return Math.sqrt(differenceVariance(spreadOf(champion), spreadOf(candidate)));
}

/** The ratio of an arm, and the variance that one user gives it. */
function ratioOf({ y, yy, d }: Moments): { ratio: number; variance: number } {
  if (d === undefined || d.mean === 0) return { ratio: Number.NaN, variance: Number.NaN };
  const ratio = y / d.mean;
  return {
    ratio,
    variance: Math.max(0, yy - 2 * ratio * d.withY + ratio * ratio * d.variance) / (d.mean * d.mean),
  };
}
