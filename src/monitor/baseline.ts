/** What is normal of a signal: a mean for each place in the season, and what is left from one window to the next. */
export interface Baseline {
  /** Mean by place in the season. */
  season: number[];
  /** Correlation of neighbours, 0 or more. */
  phi: number;
  /** Standard deviation of the residuals once the neighbour's part is taken off. */
  sd: number;
  /** Standard deviation of the residuals themselves. */
  spread: number;
  /** Windows it was learnt from. */
  count: number;
  degreesOfFreedom: number;
}

/** Which way counts. */
export type Bad = 'down' | 'up' | 'both';

/**
 * Fit to the windows before; null entries have no value.
 * @param period windows a season, 1 for none; place 0 is that of index 0
 * @param places the place in the season of each value
 */
export function fitBaseline(
  values: readonly (number | null)[],
  places: readonly number[],
  period: number,
): Baseline | null {
  const sums = new Array<number>(period).fill(0);
  const counts = new Array<number>(period).fill(0);
  let [total, count] = [0, 0];
  for (const [index, value] of values.entries()) {
    if (value === null) continue;
    const place = places[index] as number;
    sums[place] = (sums[place] as number) + value;
    counts[place] = (counts[place] as number) + 1;
    total += value;
    count += 1;
  }
  if (count < 4) return null;
  const season = sums.map((sum, place) =>
    (counts[place] as number) > 0 ? sum / (counts[place] as number) : total / count,
  );
  const used = counts.filter((each) => each > 0).length;
  const residuals = values.map((value, index) =>
    value === null ? null : value - (season[places[index] as number] as number),
  );
  let [squares, products, pairs] = [0, 0, 0];
  for (const [index, value] of residuals.entries()) {
    if (value === null) continue;
    squares += value * value;
    const before = residuals[index - 1];
    if (before === null || before === undefined) continue;
    products += value * before;
    pairs += 1;
  }
  const degreesOfFreedom = Math.max(1, count - used);
  const spread = Math.sqrt(squares / degreesOfFreedom);
  // As if every window had its neighbour: missing ones would hide the correlation.
  const raw = squares > 0 && pairs > 2 ? ((products / squares) * (count - 1)) / pairs : 0;
  // The correlation of residuals is too low on average (Marriott and Pope, Biometrika 41, 1954).
  const phi = Math.min(0.8, Math.max(0, raw + (1 + 3 * Math.max(0, raw)) / count));
  let whitened = 0;
  for (const [index, value] of residuals.entries()) {
    const before = residuals[index - 1];
    if (value !== null && before !== null && before !== undefined) whitened += (value - phi * before) ** 2;
  }
  const sd = pairs > used + 2 ? Math.sqrt(whitened / (pairs - used - 1)) : spread;
  return { season, phi, sd, spread, count, degreesOfFreedom };
}

/** A value in standard deviations of what its neighbour leaves open. @param before residual of the window before; null: unknown */
export function standardised(baseline: Baseline, residual: number, before: number | null): number {
  const { phi, sd, spread } = baseline;
  const [difference, scale] = before === null ? [residual, spread] : [residual - phi * before, sd];
  if (difference === 0) return 0;
  return scale > 0 ? difference / scale : Math.sign(difference) * Number.MAX_VALUE;
}

/** The largest of the values that were learnt from, in standard deviations: how heavy the tail is while nothing is wrong; 0 or more. */
export function worstOf(
  values: readonly (number | null)[],
  places: readonly number[],
  baseline: Baseline,
  bad: Bad,
): number {
  const residuals = values.map((value, at) =>
    value === null ? null : value - (baseline.season[places[at] as number] as number),
  );
  return residuals.reduce<number>((most, residual, at) => {
    if (residual === null) return most;
    const z = standardised(baseline, residual, residuals[at - 1] ?? null);
    return Math.max(most, bad === 'both' ? Math.abs(z) : bad === 'up' ? z : -z);
  }, 0);
}
