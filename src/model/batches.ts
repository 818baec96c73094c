import type { DuckDBVector } from '@duckdb/node-api';
import { DataError, ModelError } from '../errors.ts';
import { quoteIdentifier, type Dataset, type DatasetColumn } from '../data/dataset.ts';
import type { InputPlan } from './features.ts';
import type { TensorValues } from './run.ts';

/** Rows of features for one model, as its inputs want them. */
export type Feeds = Record<string, TensorValues>;

/** Rows that go through the models at a time: enough to keep the runtime busy, little enough to forget. */
const batchRows = 8192;

interface Slot {
  /** The SQL of each column of this input. */
  selects: string[];
  plan: InputPlan;
  kind: 'float' | 'double' | 'integer' | 'text' | 'boolean';
}

/**
 * Read the features of every model in one pass over the dataset, in file order, a batch at a time.
 * @param plans the inputs of each model
 * @throws DataError when a column is not of the type its input takes, or a value is missing where the type has no way to say so
 */
export async function* featureBatches(
  dataset: Dataset,
  plans: readonly (readonly InputPlan[])[],
): AsyncGenerator<{ rows: number; feeds: Feeds[] }> {
  const slots = plans.map((inputs) => inputs.map((plan) => slotOf(dataset, plan)));
  // Each distinct column is read once, whatever number of models it feeds.
  const selects = [...new Set(slots.flat().flatMap((slot) => slot.selects))];
  const position = new Map(selects.map((select, index) => [select, index]));
  const result = await dataset.connection.stream(`select ${selects.join(', ')} from ${dataset.relation}`);
  let vectors: DuckDBVector[][] = [];
  let counts: number[] = [];
  let rows = 0;
  const flush = (): { rows: number; feeds: Feeds[] } => {
    const feeds = slots.map((inputs) =>
      Object.fromEntries(inputs.map((slot) => [slot.plan.input.name, tensorOf(slot, vectors, counts, rows, position)])),
    );
    const batch = { rows, feeds };
    vectors = [];
    counts = [];
    rows = 0;
    return batch;
  };
  for (let chunk = await result.fetchChunk(); chunk !== null && chunk.rowCount > 0; chunk = await result.fetchChunk()) {
    vectors.push(selects.map((_, index) => chunk.getColumnVector(index)));
    counts.push(chunk.rowCount);
    rows += chunk.rowCount;
    if (rows >= batchRows) yield flush();
  }
  if (rows > 0) yield flush();
}

function slotOf(dataset: Dataset, plan: InputPlan): Slot {
  const columns = plan.columns.map((name) => dataset.columns.find((column) => column.name === name) as DatasetColumn);
  const type = plan.input.type;
  if (type === 'string')
    return { plan, kind: 'text', selects: columns.map((column) => `cast(${quoteIdentifier(column.name)} as varchar)`) };
  for (const column of columns) requireNumber(dataset, column, plan);
  const name = (column: DatasetColumn): string => quoteIdentifier(column.name);
  switch (type) {
    // The engine rounds to the nearest float, as Math.fround does, and a missing value is NaN.
    case 'float':
    case 'float16':
      return {
        plan,
        kind: 'float',
        selects: columns.map((column) => `coalesce(cast(${name(column)} as float), 'nan'::float)`),
      };
    case 'double':
      return {
        plan,
        kind: 'double',
        selects: columns.map((column) => `coalesce(cast(${name(column)} as double), 'nan'::double)`),
      };
    case 'int64':
    case 'int32':
    case 'bool':
      return {
        plan,
        kind: type === 'bool' ? 'boolean' : 'integer',
        selects: columns.map((column) => `cast(${name(column)} as bigint)`),
      };
    default:
      throw new ModelError({
        found: `Input ${JSON.stringify(plan.input.name)} is of type ${type}`,
        expected: 'float, double, float16, int64, int32, bool or string',
        remedy: 'Export the model with one of these input types',
      });
  }
}

function requireNumber(dataset: Dataset, column: DatasetColumn, plan: InputPlan): void {
  if (/^(?:U?(?:TINYINT|SMALLINT|INTEGER|BIGINT)|U?HUGEINT|FLOAT|DOUBLE|DECIMAL|BOOLEAN)/u.test(column.type)) return;
  throw new DataError({
    found: `column ${JSON.stringify(column.name)} is ${column.type}`,
    expected: `numbers, for input ${JSON.stringify(plan.input.name)} (${plan.input.type}) of the model`,
    where: dataset.uri,
    remedy: 'Mend the column, or leave it out of columns.features',
  });
}

function tensorOf(
  slot: Slot,
  vectors: readonly DuckDBVector[][],
  counts: readonly number[],
  rows: number,
  position: ReadonlyMap<string, number>,
): TensorValues {
  const width = slot.selects.length;
  const dims = [rows, ...slot.plan.rowShape];
  const { type } = slot.plan.input;
  const columns = slot.selects.map((select) => position.get(select) as number);
  if (slot.kind === 'float' || slot.kind === 'double') {
    const data = slot.kind === 'float' ? new Float32Array(rows * width) : new Float64Array(rows * width);
    each((items, start, count, column) => {
      const values = items as unknown as { items: Float32Array | Float64Array };
      const source = values.items;
      for (let row = 0, at = start * width + column; row < count; row++, at += width) data[at] = source[row] as number;
    });
    return { type, dims, data };
  }
  if (slot.kind === 'text') {
    const data = Array.from<string>({ length: rows * width });
    each((vector, start, count, column) => {
      for (let row = 0; row < count; row++)
        data[(start + row) * width + column] = present(vector.getItem(row), column, start + row) as string;
    });
    return { type, dims, data };
  }
  const data =
    slot.kind === 'boolean'
      ? new Uint8Array(rows * width)
      : type === 'int32'
        ? new Int32Array(rows * width)
        : new BigInt64Array(rows * width);
  each((vector, start, count, column) => {
    for (let row = 0; row < count; row++) {
      const value = present(vector.getItem(row), column, start + row) as bigint;
      const at = (start + row) * width + column;
      if (data instanceof BigInt64Array) data[at] = value;
      else data[at] = Number(value);
    }
  });
  return { type, dims, data };

  function each(read: (vector: DuckDBVector, start: number, count: number, column: number) => void): void {
    let start = 0;
    vectors.forEach((chunk, index) => {
      const count = counts[index] as number;
      columns.forEach((at, column) => read(chunk[at] as DuckDBVector, start, count, column));
      start += count;
    });
  }

  function present(value: unknown, column: number, row: number): unknown {
    if (value !== null) return value;
    throw new DataError({
      found: `column ${JSON.stringify(slot.plan.columns[column])} has no value (row ${row + 1} of a batch)`,
      expected: `a value: input ${JSON.stringify(slot.plan.input.name)} is ${type}, which cannot say "missing"`,
      remedy: 'Fill the missing values, as in training',
    });
  }
}
