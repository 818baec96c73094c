import { bisected } from './bisection.ts';
import type { Bounds } from './proportions.ts';

/*
 * Confidence sequences, at any time, of the mean of values between 0 and 1, without any other assumption on them (Waudby-Smith and
 * Ramdas, J. R. Stat. Soc. B 2024, arXiv 2010.09686). The order of the values matters: sort them by time, then by id.
 */

interface Bet {
  value: number;
  /** The bet, of the values before it alone. */
  bet: number;
}

/** Each value with the predictable bet on it: sqrt(2 ln(2/alpha) / (variance t ln(1 + t))). */
function betsOn(values: readonly number[], alpha: number): Bet[] {
  let sum = 0;
  let squares = 0;
  let mean = 0.5;
  let variance = 0.25;
  return values.map((value, index) => {
    const t = index + 1;
    const bet = Math.sqrt((2 * Math.log(2 / alpha)) / (variance * t * Math.log(1 + t)));
    const placed = { value, bet };
    sum += value;
    mean = (0.5 + sum) / (t + 1);
    squares += (value - mean) ** 2;
    variance = (0.25 + squares) / (t + 1);
    return placed;
  });
}

/** Betting: the means that a gambler cannot get rich against. Two-sided, to 1e-9. */
export function bettingBounds(values: readonly number[], alpha: number): Bounds {
  const bets = betsOn(values, alpha);
  const limit = Math.log(2 / alpha);
  const wealth = (mean: number, side: 1 | -1): number => {
    const most = side === 1 ? 0.5 / mean : 0.5 / (1 - mean);
    return bets.reduce((sum, { value, bet }) => sum + Math.log1p(side * Math.min(bet, most) * (value - mean)), 0);
  };
  return {
    lower: crossing(0, 1, (mean) => wealth(mean, 1) < limit),
    upper: crossing(1, 0, (mean) => wealth(mean, -1) < limit),
  };
}

/** Where, from `from` to `to`, a condition begins to hold; `from` where it holds there. It holds on from there. */
function crossing(from: number, to: number, holds: (value: number) => boolean): number {
  // The ends themselves divide by zero.
  const [out, inside] = bisected(from, to, 31, holds);
  const found = (out + inside) / 2;
  return Math.abs(found - from) < 1e-8 ? from : found;
}
