import type { Comparison, Shown } from '../evidence/index.ts';

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

/** An observed or required value. */
export function shown(value: Shown): string {
  if (typeof value !== 'number') return value === null ? '' : String(value);
  return value.toLocaleString('en-US', { maximumSignificantDigits: Number.isInteger(value) ? 21 : 6 });
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
