import type { Comparison } from '../evidence/check.ts';
import type { Metric } from './metrics/metric.ts';

export { capitalised } from '../wording.ts';

/** A metric's value: four decimals, or four digits where it is large. */
export function valueText(value: number): string {
  return Math.abs(value) >= 10 ? String(Number(value.toPrecision(4))) : value.toFixed(4);
}

/** Digits after the point for differences of this size: a tenth of a point, or a hundredth where all are under one point. */
function digitsFor(metric: Metric, ...differences: number[]): number {
  const largest = Math.max(...differences.map(Math.abs));
  if (metric.scale === 'share') return largest >= 0.01 ? 1 : 2;
  return largest >= 10 ? 2 : 4;
}

/** A difference in the units a reader thinks in: percentage points for shares. */
export function deltaText(metric: Metric, delta: number, digits = digitsFor(metric, delta)): string {
  return `${delta < 0 ? '-' : '+'}${sizeText(metric, delta, digits)}`;
}

function sizeText(metric: Metric, delta: number, digits: number): string {
  return (Math.abs(delta) * (metric.scale === 'share' ? 100 : 1)).toFixed(digits);
}

/** "recall is 0.9197, 1.4 points below the champion's 0.9337 (bounds -3.5 to +0.7, margin 1.0)" */
export function comparisonText(metric: Metric, comparison: Comparison): string {
  const where = comparison.slice === undefined ? '' : ` on ${comparison.slice}`;
  const { delta, champion, candidate, lower, upper, margin } = comparison;
  const digits = digitsFor(metric, delta, lower, upper);
  const unit = metric.scale === 'share' ? ' points' : '';
  const direction = (metric.better === 'higher' ? delta > 0 : delta < 0) ? 'above' : 'below';
  const distance =
    delta === 0
      ? "equal to the champion's"
      : `${sizeText(metric, delta, digits)}${unit} ${direction} the champion's ${valueText(champion)}`;
  // Bounds are of the improvement, which for a loss is the other way round.
  const bounds = metric.better === 'higher' ? 'bounds' : 'bounds of the improvement';
  return (
    `${metric.title}${where} is ${valueText(candidate)}, ${distance} ` +
    `(${bounds} ${deltaText(metric, lower, digits)} to ${deltaText(metric, upper, digits)}, margin ${sizeText(metric, margin, digits)})`
  );
}

/** "about 4,100 more labelled rows would settle it", or why not. */
export function rowsText(
  needed: number | null | undefined,
  { rows, unit }: { rows: number; unit: 'rows' | 'queries' },
  slice: boolean,
): string {
  if (needed === undefined) return '';
  if (needed === null) return `; more ${unit} alone are not expected to settle it`;
  return `; about ${roughly(needed - rows)} more labelled ${unit}${slice ? ' of this slice' : ''} would settle it`;
}

/** Two significant digits with thousands separators: a plan, not a measurement. */
function roughly(count: number): string {
  const rounded = count < 100 ? Math.ceil(count) : Number(count.toPrecision(2));
  return rounded.toLocaleString('en-US');
}
