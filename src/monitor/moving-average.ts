import { normalCdf, normalQuantile, tCdf } from '../statistics/distributions.ts';

/** A rate: events of trials. */
export interface Rate {
  events: number;
  trials: number;
}

/** A rate now against that of the windows before it, by sampling alone. */
export interface RateChange {
  /** Pooled over the windows before. */
  base: number;
  /** Relative to it. */
  change: number;
  logRatio: number;
  se: number;
  /** Bounds of the ratio, each at half of 1 - confidence. */
  lower: number;
  upper: number;
  /** One-sided, of a ratio this far below 1. */
  p: number;
}

/** Compare with the pooled rate. Null where a side has no event: then there is no ratio. */
export function rateChange(before: readonly Rate[], now: Rate, confidence = 0.9): RateChange | null {
  const events = before.reduce((sum, each) => sum + each.events, 0);
  const trials = before.reduce((sum, each) => sum + each.trials, 0);
  if (events === 0 || now.events === 0) return null;
  const base = events / trials;
  const ratio = now.events / now.trials / base;
  const logRatio = Math.log(ratio);
  const se = Math.sqrt(1 / now.events - 1 / now.trials + 1 / events - 1 / trials);
  const reach = normalQuantile((1 + confidence) / 2) * se;
  return {
    base,
    change: ratio - 1,
    logRatio,
    se,
    lower: Math.exp(logRatio - reach),
    upper: Math.exp(logRatio + reach),
    p: normalCdf(logRatio / se),
  };
}

/** A value against earlier ones that vary among themselves: the prediction interval of one more. */
export interface ValueChange {
  mean: number;
  sd: number;
  t: number;
  degreesOfFreedom: number;
  /** One-sided, of a value this far below. */
  p: number;
}

/** @param spread standard deviation of single values and its degrees of freedom, where more than these tell it */
export function valueChange(
  before: readonly number[],
  now: number,
  spread?: { sd: number; degreesOfFreedom: number },
): ValueChange | null {
  const count = before.length;
  if (count < 2) return null;
  const mean = before.reduce((sum, value) => sum + value, 0) / count;
  const own = {
    sd: Math.sqrt(before.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (count - 1)),
    degreesOfFreedom: count - 1,
  };
  const { sd, degreesOfFreedom } = spread ?? own;
  const difference = now - mean;
  const t = difference === 0 ? 0 : difference / (sd * Math.sqrt(1 + 1 / count));
  return { mean, sd, t, degreesOfFreedom, p: Number.isFinite(t) ? tCdf(t, degreesOfFreedom) : t < 0 ? 0 : 1 };
}
