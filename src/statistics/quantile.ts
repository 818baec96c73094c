/**
 * Quantile by linear interpolation of the order statistics (Hyndman and Fan's type 7, numpy's default). NaN of nothing.
 * @param at the number that has so many others before it
 */
export function quantileOf(count: number, probability: number, at: (place: number) => number): number {
  if (count === 0) return Number.NaN;
  const place = (count - 1) * probability;
  const below = Math.floor(place);
  const low = at(below);
  const high = at(Math.min(below + 1, count - 1));
  const share = place - below;
  // Nothing lies between a number and an infinity.
  if (share === 0 || !Number.isFinite(low)) return low;
  if (!Number.isFinite(high)) return high;
  // As numpy does, from the nearer end: rounding then keeps the order of quantiles.
  return share < 0.5 ? low + (high - low) * share : high - (high - low) * (1 - share);
}

/** The same of ascending numbers. */
export function quantileOfSorted(sorted: Float64Array, probability: number): number {
  return quantileOf(sorted.length, probability, (place) => sorted[place] as number);
}

/** Index of the first element of ascending values that is at least `least`. */
export function firstFrom(values: Float64Array, least: number): number {
  let [low, high] = [0, values.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((values[middle] as number) < least) low = middle + 1;
    else high = middle;
  }
  return low;
}
