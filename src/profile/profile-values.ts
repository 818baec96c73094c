import { countedSample } from './bins.ts';
import { asCategories, type CategoricalValues, type NumericValues } from './column-drift.ts';
import { coarser, representative, truncated } from './number-sketch.ts';
import type { ColumnProfile, NumberColumn } from './profile.ts';

/** The numbers of a column, each as the one that stands for its bucket. @param shift at least the column's own */
export function numbersOfColumn(column: NumberColumn, shift = column.shift): NumericValues {
  const { values, counts, missing, infinite } = column;
  const buckets = coarser(new Map(values.map((value, index) => [value, counts[index] as number])), shift);
  return {
    kind: 'number',
    sorted: countedSample([...buckets].map(([value, count]) => [representative(value, shift), count] as const)),
    missing,
    infinite: { negative: infinite[0], positive: infinite[1] },
  };
}

/** Numbers as a sketch of this shift would have them, so that they can be compared with it. */
export function onGrid(values: Float64Array, shift: number): Float64Array {
  return shift === 0 ? values : values.map((value) => representative(truncated(value, shift), shift));
}

/**
 * Rows by category. Null: more different texts than a profile keeps.
 * @param nameOf the name of a category that is written so
 */
export function categoriesOfColumn(
  column: ColumnProfile,
  nameOf: (text: string) => string = (text) => text,
): CategoricalValues | null {
  if (column.kind === 'time' || column.kind === 'nested' || (column.kind === 'number' && column.shift > 0)) return null;
  const written = column.kind === 'number' ? asCategories(numbersOfColumn(column)).counts : column.categories;
  if (written === null) return null;
  const counts = new Map<string, number>();
  for (const [text, count] of written) {
    const name = nameOf(text);
    counts.set(name, (counts.get(name) ?? 0) + count);
  }
  const rare = column.kind === 'number' ? undefined : column.rare;
  return { kind: 'category', counts, missing: column.missing, ...(rare === undefined ? {} : { rare: rare.rows }) };
}
