import { classText } from '../../data/class-text.ts';
import type { CategoricalValues, ColumnValues, NumericValues } from '../../profile/column-drift.ts';

/** Some rows of a column of numbers, as drift is measured on. @param values NaN where there is none */
export function numericValues(values: Float64Array): NumericValues {
  const found: NumericValues = {
    kind: 'number',
    sorted: values.filter(Number.isFinite).sort(),
    missing: 0,
    infinite: { negative: 0, positive: 0 },
  };
  for (const value of values) {
    if (Number.isNaN(value)) found.missing += 1;
    else if (value === Infinity) found.infinite.positive += 1;
    else if (value === -Infinity) found.infinite.negative += 1;
  }
  return found;
}

/** The same of texts; classes of one name, such as 1 and 1.0, are one. @param values null where there is none */
export function categoricalValues(values: Iterable<string | null>): CategoricalValues {
  const counts = new Map<string, number>();
  let missing = 0;
  for (const value of values) {
    if (value === null) {
      missing += 1;
      continue;
    }
    const name = classText(value);
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return { kind: 'category', counts, missing };
}

export type { ColumnValues };
