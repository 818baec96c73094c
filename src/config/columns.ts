import type { Columns } from './schema.ts';

/** The column of the label, or those of the labels of a multilabel task. */
export function labelColumns({ label }: Pick<Columns, 'label'>): readonly string[] {
  return typeof label === 'string' ? [label] : label;
}

/** Stands for `columns.id` where no column is one: rows are told apart by their number in the data, from 1. */
export const rowNumber = '(row)';

/** Columns with a part of their own: no features. */
export function reservedColumns(columns: Columns): string[] {
  return roles.flatMap((role) => columns[role] ?? []).filter((name) => name !== rowNumber);
}

/**
 * A number of the row that pandas wrote beside the columns: of Parquet, where it reads it as no column again, and of a CSV file
 * that was saved with it and read. A feature only where it is named as one.
 */
export function isSavedIndex(name: string): boolean {
  return /^(?:__index_level_\d+__|Unnamed: 0(?:\.\d+)?)$/u.test(name);
}

const roles = ['label', 'id', 'weight', 'cluster', 'group'] as const;

/**
 * The part that a column plays beside the features: it never feeds a model. Another case, or space around the name, makes no
 * other column of it. Null: it may be a feature.
 */
export function roleOf(name: string, columns: Columns): (typeof roles)[number] | null {
  const plain = (text: string): string => text.trim().toLowerCase();
  const has = (given: string | readonly string[] | null | undefined): boolean =>
    [given ?? []].flat().some((each) => plain(each) === plain(name));
  return roles.find((role) => has(columns[role])) ?? null;
}
