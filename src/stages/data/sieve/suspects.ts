import type { Dataset } from '../../../data/relation.ts';
import type { CellTypes } from '../cell-types.ts';
import { cellValues } from './cell-values.ts';
import { compileSchema } from './compile.ts';
import { rowValue } from './values.ts';
import { negated } from './verdicts.ts';

/** Conditions longer than this cost the engine more than they spare. */
const longest = 200_000;

/**
 * A FROM clause, and a condition that all rows meet that may break the contract. Null where SQL can clear no row: the schema has
 * nothing that the sieve knows, or the rows are of JSON.
 */
export function suspectsOf(
  dataset: Dataset,
  schema: unknown,
  types: readonly CellTypes[],
): { from: string; condition: string } | null {
  if (dataset.format === 'jsonl') return null;
  const { from, values } = cellValues(dataset as Dataset & { format: 'csv' | 'parquet' }, types);
  const condition = negated(compileSchema(schema, rowValue(values)).yes());
  return condition === 'true' || condition.length > longest ? null : { from, condition };
}
