import { student, type PairedInterval } from './interval.ts';

/** Draws that must lie beyond a bound for them to show it. */
const beyond = 20;

/** Draws that show bounds at this level, of those that can be afforded. */
export function drawsFor(level: number, least: number, most: number): number {
  return Math.max(least, Math.min(most, Math.ceil(beyond / level)));
}

/**
 * The interval of `draws` draws, continued below the level that they can show: no draws lie beyond the bound of a much smaller level,
 * and the outermost draw would stand for all of them. The tail is Student's t from the last bound that is shown, as wide as that
 * bound or the standard error says, whichever is more.
 */
export function withTail(interval: PairedInterval, draws: number, freedom: number): PairedInterval {
  const resolved = Math.min(0.5, beyond / draws);
  const { quantile, cdf } = student(freedom);
  const edge = quantile(1 - resolved);
  const { delta, standardError } = interval;
  const tail = (bound: number): { at(alpha: number): number; p(distance: number): number } => {
    const scale = Math.max(standardError, edge > 0 ? bound / edge : 0);
    return {
      at: (alpha) => bound + (quantile(1 - alpha) - edge) * scale,
      p: (distance) => cdf(-(edge + (distance - bound) / scale)),
    };
  };
  // Distances of the last shown bounds from the estimate.
  const below = tail(delta - interval.lower(resolved));
  const above = tail(interval.upper(resolved) - delta);
  return {
    ...interval,
    resolved,
    lower: (alpha) => (alpha >= resolved ? interval.lower(alpha) : delta - below.at(alpha)),
    upper: (alpha) => (alpha >= resolved ? interval.upper(alpha) : delta + above.at(alpha)),
    pBelow: (value) => (value <= interval.upper(resolved) ? interval.pBelow(value) : above.p(value - delta)),
    pAbove: (value) => (value >= interval.lower(resolved) ? interval.pAbove(value) : below.p(delta - value)),
  };
}
