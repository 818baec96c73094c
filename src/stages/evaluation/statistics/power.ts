import { normalQuantile } from '../../../statistics/distributions.ts';

export interface PowerInput {
  rows: number;
  standardError: number;
  /** How far inside the bound it has to clear the true delta is taken to lie. */
  gap: number;
  alpha: number;
  power: number;
}

/**
 * Rows at which the test would have the stated power if the true delta lay `gap` inside the bound it has to clear:
 * rows * ((z[1 - alpha] + z[power]) * standardError / gap)^2, as the standard error shrinks with the root of the rows.
 * Infinite where no number of rows has it.
 */
export function rowsForPower({ rows, standardError, gap, alpha, power }: PowerInput): number {
  if (!(gap > 0) || !Number.isFinite(standardError)) return Infinity;
  const factor = ((normalQuantile(1 - alpha) + normalQuantile(power)) * standardError) / gap;
  const needed = Math.ceil(rows * factor * factor);
  return Number.isSafeInteger(needed) ? needed : Infinity;
}

/** The same; `null` where more rows of this kind cannot help: no number of them has the power, or these have it already. */
export function rowsNeeded(input: PowerInput): number | null {
  const needed = rowsForPower(input);
  return needed > input.rows && Number.isFinite(needed) ? needed : null;
}

/**
 * Rows at which a score interval clears the gap if nothing differs on them either: its bound is z^2 / (n + z^2) of n rows (Tango 1998),
 * which is solved for n. @param bound distance of the bound from 0 on the rows there are
 */
export function rowsWithoutDifference({
  rows,
  bound,
  gap,
}: {
  rows: number;
  bound: number;
  gap: number;
}): number | null {
  if (!(gap > 0) || !(bound > 0)) return null;
  const odds = (share: number): number => 1 / Math.min(1, share) - 1;
  const needed = Math.ceil((rows * odds(gap)) / odds(bound)) + 1;
  return needed > rows && Number.isSafeInteger(needed) ? needed : null;
}
