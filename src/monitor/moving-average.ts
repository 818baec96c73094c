import { normalCdf } from '../statistics/distributions.ts';

/** A rate: events of trials. */
export interface Rate {
  events: number;
  trials: number;
}

/** A rate now against that of the windows before it, by sampling alone. */
export interface RateChange {
  logRatio: number;
  se: number;
  /** One-sided, of a ratio this far below 1. */
  p: number;
}

/** Compare with the pooled rate. Null where a side has no event: then there is no ratio. */
export function rateChange(before: readonly Rate[], now: Rate): RateChange | null {
  const events = before.reduce((sum, each) => sum + each.events, 0);
  const trials = before.reduce((sum, each) => sum + each.trials, 0);
  if (events === 0 || now.events === 0) return null;
  const logRatio = Math.log(now.events / now.trials / (events / trials));
  const se = Math.sqrt(1 / now.events - 1 / now.trials + 1 / events - 1 / trials);
  return { logRatio, se, p: normalCdf(logRatio / se) };
}
