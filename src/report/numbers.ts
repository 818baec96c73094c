import type { Check, Shown } from '../evidence/index.ts';
import { unitOf } from '../wording.ts';

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
export function observedText(check: Check): string {
  const { observed, required, unit } = check;
  if (observed === 0 && isNone(check)) return 'none';
  const texts = [3, 4, 5, 6, 8, 10, 12].map((digits) => shown(observed, unit, digits));
  return texts.find((text) => observed === required || text !== shown(required, unit)) ?? String(observed);
}

/** What a check required: `at most 100 ms`, or `none`. */
export function requiredText(check: Check): string {
  const { required, unit, limit } = check;
  if (isNone(check)) return 'none';
  const text = shown(required, unit);
  return limit === undefined || typeof required !== 'number' ? text : `${limit} ${text}`;
}

function isNone({ required, limit }: Check): boolean {
  return required === 0 && limit === 'at most';
}

/** A number with its unit, to four digits: `3.254 ms`, `99.8%`. */
export function quantity(value: number, unit: string | null): string {
  return shown(value, unit ?? undefined, 4);
}

function shown(value: Shown, unit: string | undefined, digits = 6): string {
  if (typeof value !== 'number') return value === null ? '' : String(value);
  // Values without a unit are metrics, which people read to four decimals or so.
  if (unit === undefined) return significant(value, Math.max(4, digits));
  return unit === 'share'
    ? `${significant(100 * value, digits)}%`
    : `${significant(value, digits)} ${unitOf(value, unit)}`;
}

/** At most so many significant digits; whole numbers are never rounded. */
export function significant(value: number, digits: number): string {
  return value.toLocaleString('en-US', { maximumSignificantDigits: Number.isInteger(value) ? 21 : digits });
}
