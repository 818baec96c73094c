import type { Columns } from './schema.ts';

/** The column of the label, or those of the labels of a multilabel task. */
export function labelColumns({ label }: Pick<Columns, 'label'>): readonly string[] {
  return typeof label === 'string' ? [label] : label;
}

/** Columns with a part of their own: no features. */
export function reservedColumns(columns: Columns): string[] {
  const { id, weight, cluster, group } = columns;
  return [id, ...labelColumns(columns), weight, cluster, group].filter((name) => name !== undefined && name !== null);
}
