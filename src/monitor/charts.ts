/* Control charts of values in standard deviations, as one step each: a chart is a fold over its values. */

/** Both sides of a CUSUM (Page, Biometrika 41, 1954). */
export interface Cusum {
  up: number;
  down: number;
}

export const startOfCusum: Cusum = { up: 0, down: 0 };

/** S = max(0, S + x - k), and the same of -x. */
export function cusumStep({ up, down }: Cusum, x: number, k = 0.5): Cusum {
  return { up: Math.max(0, up + x - k), down: Math.max(0, down - x - k) };
}

/** z = l x + (1 - l) z (Roberts, Technometrics 1, 1959). */
export function ewmaStep(z: number, x: number, lambda: number): number {
  return lambda * x + (1 - lambda) * z;
}

/** What |z| must not exceed after t values (Lucas and Saccucci, Technometrics 32, 1990). @param limit L, of `ewmaLimit` */
export function ewmaBound(t: number, lambda: number, limit: number): number {
  return limit * Math.sqrt((lambda / (2 - lambda)) * (1 - (1 - lambda) ** (2 * t)));
}

/** Page-Hinkley: the values less their running mean, summed, above the smallest sum so far. */
export interface PageHinkley {
  count: number;
  mean: number;
  sum: number;
  least: number;
}

export const startOfPageHinkley: PageHinkley = { count: 0, mean: 0, sum: 0, least: Infinity };

/** The mean includes x itself. The statistic is `sum - least`. @param tolerance d: a smaller change is none */
export function pageHinkleyStep(state: PageHinkley, x: number, tolerance: number): PageHinkley {
  const count = state.count + 1;
  const mean = state.mean + (x - state.mean) / count;
  const sum = state.sum + x - mean - tolerance;
  return { count, mean, sum, least: Math.min(state.least, sum) };
}
