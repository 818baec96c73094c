import type { Check, Comparison } from './check.ts';

type Scale = Comparison['scale'] | undefined;

/** A difference as people say it: of a share in percentage points, of anything else in the units of the metric. */
export interface ShownDifference {
  /** With its sign. */
  delta: string;
  lower: string;
  upper: string;
  /** With its unit: `1 point`. */
  margin: string;
  /** Of delta and bounds, to be set behind them. */
  unit: ' points' | '';
}

/**
 * A difference with its bounds and its margin, in as many digits as it takes for the numbers to stand to each other as they really
 * do: a bound just past the margin must not read as if it were on it.
 */
export function shownDifference(
  comparison: Pick<Comparison, 'delta' | 'lower' | 'upper' | 'margin'> & { scale?: Scale },
): ShownDifference {
  const { scale } = comparison;
  const inUnits = (value: number): number => (scale === 'share' ? 100 * value : value);
  const margin = inUnits(comparison.margin);
  const values = [comparison.delta, comparison.lower, comparison.upper].map(inUnits) as [number, number, number];
  const largest = Math.max(...values.map(Math.abs));
  const enough = scale === 'share' ? (largest >= 1 ? 1 : 2) : largest >= 10 ? 2 : 4;
  const blurred = (digits: number): boolean =>
    values.some((value) =>
      [0, -margin].some((limit) => value !== limit && Number(value.toFixed(digits)) === Number(limit.toFixed(digits))),
    );
  let digits = enough;
  while (digits < enough + 4 && blurred(digits)) digits += 1;
  const [delta, lower, upper] = values.map((value) => signed(value, digits)) as [string, string, string];
  const unit = scale === 'share' ? ' points' : '';
  return { delta, lower, upper, margin: withUnit(Number(margin.toFixed(digits)), scale), unit };
}

/** A size that someone stated, in the digits it was stated in: `0.2 points`. */
export function statedSize(value: number, scale: Scale): string {
  return withUnit(Number(((scale === 'share' ? 100 : 1) * value).toPrecision(4)), scale);
}

/** A number with its sign; nothing has none. */
export function signed(value: number, digits = 4): string {
  const text = value.toFixed(digits);
  if (Number(text) === 0) return (0).toFixed(digits);
  return value > 0 ? `+${text}` : text;
}

/** The level of one-sided bounds: `95%`. */
export function levelText(alpha: number): string {
  return `${Number((100 * (1 - alpha)).toPrecision(4))}%`;
}

/**
 * How much worse than allowed a check is, to rank what did not pass: a loss in margins, an amount in its limit (340 ms of 100 are 3.4).
 * What has no such number is worst: nothing was allowed of it.
 */
export function excess({ comparison, observed, required, limit }: Check): number {
  if (comparison !== undefined) return lossInMargins(comparison);
  if (limit === undefined || typeof observed !== 'number' || typeof required !== 'number') return Infinity;
  const [more, less] = limit === 'at most' ? [observed, required] : [required, observed];
  return less > 0 ? more / less : Infinity;
}

/**
 * How bad a difference is, in what the policy allows: 2 is a loss of twice the margin. Where no loss is allowed it is measured by its
 * own uncertainty, the distance to its lower bound. Negative is a gain.
 */
export function lossInMargins({ delta, lower, margin }: Pick<Comparison, 'delta' | 'lower' | 'margin'>): number {
  const unit = margin > 0 ? margin : delta - lower;
  if (unit > 0) return -delta / unit;
  return delta < 0 ? Infinity : 0;
}

function withUnit(value: number, scale: Scale): string {
  if (scale !== 'share') return String(value);
  return value === 1 ? '1 point' : `${value} points`;
}
