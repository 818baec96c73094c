import type { Dataset } from '../../../data/relation.ts';
import type { CellTypes } from '../cell-types.ts';
import { cellValues } from './cell-values.ts';
import { compileSchema } from './compile.ts';
import { rowValue } from './values.ts';
import { negated } from './verdicts.ts';

/** Conditions longer than this cost the engine more than they spare. */
const longest = 200_000;

/** The rows that SQL cannot clear. */
export interface Suspects {
  /** A FROM clause with all rows, in file order. */
  from: string;
  /** Holds of every row that may break the contract. */
  condition: string;
  /** Expressions that make the values of the columns that ajv gets. */
  cells: string[];
}

/** Null where SQL can clear no row: the schema has nothing that the sieve knows, or the rows are of JSON. */
export function suspectsOf(dataset: Dataset, schema: unknown, types: readonly CellTypes[]): Suspects | null {
  if (dataset.format === 'jsonl') return null;
  const { from, values, cells } = cellValues(dataset as Dataset & { format: 'csv' | 'parquet' }, types);
  const condition = negated(compileSchema(schema, rowValue(values)).yes());
  return condition === 'true' || condition.length > longest ? null : { from, condition, cells };
}

/** How many rows there are for ajv. All cores look, which they cannot where rows are numbered. */
export async function countSuspects(dataset: Dataset, { from, condition }: Suspects): Promise<number> {
  if (condition === 'false') return 0;
  const read = await dataset.connection.runAndReadAll(`select count(*)::double from ${from} where ${condition}`);
  return Number(read.getRows()[0]?.[0]);
}
