import type { Check, Comparison, Shown } from '../evidence/index.ts';

/** Metrics whose names are not words. */
const names = new Map([
  ['roc_auc', 'ROC AUC'],
  ['f1', 'F1'],
  ['mcc', 'MCC'],
  ['brier', 'Brier score'],
  ['ece', 'ECE'],
  ['rmse', 'RMSE'],
  ['mae', 'MAE'],
  ['mse', 'MSE'],
  ['r2', 'R2'],
]);

/** A metric as people call it: `ROC AUC`, `log loss`. */
export function metricName(metric: string): string {
  return names.get(metric) ?? metric.replaceAll('_', ' ');
}

/** A metric's value to four decimals, or to four digits where that would show nothing. */
export function metricValue(value: number): string {
  const magnitude = Math.abs(value);
  if (magnitude !== 0 && (magnitude < 0.001 || magnitude >= 10_000)) return String(Number(value.toPrecision(4)));
  return value.toFixed(4);
}

/** A whole number with its thousands apart. */
export function count(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: 0 });
}

/** A number of bytes in binary units: `21 B`, `1.2 MiB`. */
export function bytes(value: number): string {
  const power = value < 1024 ? 0 : Math.min(4, Math.floor(Math.log2(value) / 10));
  return `${significant(value / 1024 ** power, 3)} ${['B', 'KiB', 'MiB', 'GiB', 'TiB'][power] ?? 'B'}`;
}

/** What a check observed, with its unit, in as many digits as it takes to tell it from what was required: `2.97 ms`, `99.8%`. */
export function observedText({ observed, required, unit }: Check): string {
  const texts = [3, 4, 5, 6, 8, 10, 12].map((digits) => shown(observed, unit, digits));
  return texts.find((text) => observed === required || text !== shown(required, unit)) ?? String(observed);
}

/** What a check required: `at most 100 ms`. */
export function requiredText({ required, unit, limit }: Check): string {
  const text = shown(required, unit);
  return limit === undefined || typeof required !== 'number' ? text : `${limit} ${text}`;
}

/** A number with its unit, to four digits: `3.254 ms`, `99.8%`. */
export function quantity(value: number, unit: string | null): string {
  return shown(value, unit ?? undefined, 4);
}

function shown(value: Shown, unit: string | undefined, digits = 6): string {
  if (typeof value !== 'number') return value === null ? '' : String(value);
  // Values without a unit are metrics, which people read to four decimals or so.
  if (unit === undefined) return significant(value, Math.max(6, digits));
  return unit === 'share' ? `${significant(100 * value, digits)}%` : `${significant(value, digits)} ${unit}`;
}

/** At most so many significant digits; whole numbers are never rounded. */
function significant(value: number, digits: number): string {
  return value.toLocaleString('en-US', { maximumSignificantDigits: Number.isInteger(value) ? 21 : digits });
}

/** The difference of a comparison, its bounds and its margin, as text. */
export interface ShownDifference {
  delta: string;
  lower: string;
  upper: string;
  margin: string;
}

/**
 * The difference of a comparison in the units of the metric, with signs, in as many digits as it takes for the numbers to stand
 * to each other as they really do: a bound just past the margin must not read as if it were on it.
 */
export function shownDifference({ delta, lower, upper, margin }: Comparison): ShownDifference {
  let digits = 4;
  const blurred = (): boolean =>
    [delta, lower, upper].some((value) =>
      [0, -margin].some((limit) => value !== limit && Number(value.toFixed(digits)) === Number(limit.toFixed(digits))),
    );
  while (digits < 8 && blurred()) digits += 1;
  return {
    delta: signed(delta, digits),
    lower: signed(lower, digits),
    upper: signed(upper, digits),
    margin: margin.toFixed(digits),
  };
}

/** A difference with its sign; nothing has none. */
export function signed(value: number, digits = 4): string {
  const text = value.toFixed(digits);
  if (Number(text) === 0) return (0).toFixed(digits);
  return value > 0 ? `+${text}` : text;
}
