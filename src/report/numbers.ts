import type { Comparison, Shown } from '../evidence/index.ts';

/** Metrics that are shares of one: their differences read best in points (hundredths). */
const shares = new Set([
  'accuracy',
  'balanced_accuracy',
  'precision',
  'recall',
  'specificity',
  'f1',
  'roc_auc',
  'average_precision',
]);

const names: Record<string, string> = {
  roc_auc: 'ROC AUC',
  f1: 'F1',
  mcc: 'MCC',
  brier: 'Brier score',
  ece: 'ECE',
  rmse: 'RMSE',
  mae: 'MAE',
  mse: 'MSE',
  r2: 'R2',
};

/** A metric as people call it: `ROC AUC`, `log loss`. */
export function metricName(metric: string): string {
  return names[metric] ?? metric.replaceAll('_', ' ');
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

/** The numbers of a comparison as they are told: in points where the metric is a share, else in its own units. */
export interface ToldComparison {
  /** ` points`, or nothing. */
  unit: string;
  delta: string;
  lower: string;
  upper: string;
  margin: string;
}

/**
 * The numbers of a comparison, with signs, in as many digits as it takes for them to stand to each other as they really do:
 * a bound just past the margin must not read as if it were on it.
 */
export function toldComparison(comparison: Comparison): ToldComparison {
  const points = shares.has(comparison.metric);
  const scale = points ? 100 : 1;
  const told = [comparison.delta, comparison.lower, comparison.upper].map((value) => value * scale);
  const margin = comparison.margin * scale;
  const needed = [0, -margin];
  let digits = points ? 1 : 4;
  const blurred = (): boolean =>
    told.some((value) =>
      needed.some((limit) => value !== limit && Number(value.toFixed(digits)) === Number(limit.toFixed(digits))),
    );
  while (digits < 8 && blurred()) digits += 1;
  const signed = (value: number): string => {
    const text = value.toFixed(digits);
    return Number(text) === 0 ? (0).toFixed(digits) : value > 0 ? `+${text}` : text;
  };
  return {
    unit: points ? ' points' : '',
    delta: signed(told[0] as number),
    lower: signed(told[1] as number),
    upper: signed(told[2] as number),
    margin: margin.toFixed(digits),
  };
}

/** Labelled rows still missing to settle a comparison: null if more rows cannot help, undefined if nobody said. */
export function rowsStillNeeded(comparison: Comparison): number | null | undefined {
  const { rowsNeeded, n } = comparison;
  return typeof rowsNeeded === 'number' ? Math.max(0, rowsNeeded - n) : rowsNeeded;
}

/** About so many: two digits are all that a planned size is worth. */
export function about(value: number): string {
  return count(Number(value.toPrecision(2)));
}
