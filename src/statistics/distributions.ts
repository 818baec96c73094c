import normalCdfModule from '@stdlib/stats-base-dists-normal-cdf';
import normalQuantileModule from '@stdlib/stats-base-dists-normal-quantile';
import tCdfModule from '@stdlib/stats-base-dists-t-cdf';
import tQuantileModule from '@stdlib/stats-base-dists-t-quantile';

/** P(Z <= z) of the standard normal distribution. */
export function normalCdf(z: number): number {
  return normalCdfModule(z, 0, 1);
}

/** The z with P(Z <= z) = probability. */
export function normalQuantile(probability: number): number {
  return normalQuantileModule(probability, 0, 1);
}

/** P(T <= t) of Student's t distribution. */
export function tCdf(t: number, degreesOfFreedom: number): number {
  return tCdfModule(t, degreesOfFreedom);
}

/** The t with P(T <= t) = probability. */
export function tQuantile(probability: number, degreesOfFreedom: number): number {
  return tQuantileModule(probability, degreesOfFreedom);
}
