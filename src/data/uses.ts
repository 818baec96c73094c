import type { DatasetColumn } from './relation.ts';

/**
 * What a cell is read for. Every expression is null where the cell is missing: empty in CSV, null or absent in JSON, NULL in
 * Parquet, and NaN in a column of numbers of any format.
 *
 * - `text`: VARCHAR, as it stands in the file: classes, ids, slices, groups, clusters, inputs of text
 * - `number`: DOUBLE; of true and false 1 and 0
 * - `input`: a number of whatever type is at hand without a conversion; NaN may stay NaN
 * - `exact`: an integer type where the column is one of whole numbers, else as `number`
 * - `typed`: the type of the column, for SQL of users
 * - `json`: VARCHAR or DOUBLE or BOOLEAN or JSON text: what the contract judges, before the contract's own types are known
 */
export type Use = 'text' | 'number' | 'input' | 'exact' | 'typed' | 'json';

export interface CellRequest {
  column: DatasetColumn;
  use: Use;
}

/** Expressions, in the order they were asked for, over a FROM clause with the rows in file order. */
export interface Reading {
  from: string;
  expressions: string[];
}
