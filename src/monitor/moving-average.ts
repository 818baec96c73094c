import { normalCdf } from '../statistics/distributions.ts';
import { sum } from '../statistics/sums.ts';

/** A rate: events of trials. */
export interface Rate {
  events: number;
  trials: number;
}

/**
 * A rate now against the pooled one of the windows before it: one-sided p-value, by sampling alone, of a ratio this far below 1. 0
 * where a side has no event: then there is no ratio.
 */
export function rateDropP(before: readonly Rate[], now: Rate): number {
  const [events, trials] = [sum(before.map((each) => each.events)), sum(before.map((each) => each.trials))];
  if (events === 0 || now.events === 0) return 0;
  const logRatio = Math.log(now.events / now.trials / (events / trials));
  return normalCdf(logRatio / Math.sqrt(1 / now.events - 1 / now.trials + 1 / events - 1 / trials));
}
