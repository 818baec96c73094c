import type { DuckDBDataChunk, DuckDBVector } from '@duckdb/node-api';
import { ContenderError, DataError, ModelError } from '../errors.ts';
import { readingOf, type CellRequest } from '../data/cells.ts';
import { chunksAhead } from '../data/engine.ts';
import { requireColumns, type Dataset, type DatasetColumn } from '../data/dataset.ts';
import { requireNumbers } from '../data/numbers.ts';
import { isBinary, isNested } from '../data/types.ts';
import type { InputPlan } from './features.ts';
import type { TensorData, TensorValues } from './tensor.ts';

/** Rows of features for one model, as its inputs want them. */
export type Feeds = Record<string, TensorValues>;

/** Consecutive rows of a dataset: `count` of them from the one at `start`, the first being 0. */
export interface RowRange {
  start: number;
  count: number;
}

/**
 * Rows that go through the models at a time: enough to keep the runtime busy, few enough to stay in the caches, and the same
 * on every machine, since the number may move the last bits of the answers.
 */
const mostRows = 8192;
/** Values of a batch; beyond it batches have fewer rows. */
const mostValues = 2 ** 23;

/** Rows of a batch, all but the last, of models that are fed so many values a row. */
export function batchRows(values: number): number {
  return Math.max(1, Math.min(mostRows, 2 ** Math.floor(Math.log2(mostValues / Math.max(1, values)))));
}

/** One tensor to fill; models that take the same columns as the same type share it. */
interface Slot {
  plan: InputPlan;
  /** Position of each column among the selected ones. */
  positions: number[];
  data: Column;
}

type Column = Exclude<TensorData, readonly string[]> | string[];

/**
 * Read the features of every model in one pass over the dataset, in file order, a batch at a time. Its memory is the
 * caller's; models that take the same columns share it.
 * @param plans the inputs of each model
 * @param range only these rows
 * @throws DataError when a value is missing, or is no number, where the type of the input has no way to say so, and for a number
 * that is infinite or too large for the type
 * @throws ModelError when an input is of a type that cannot be fed
 */
export async function* featureBatches(
  dataset: Dataset,
  plans: readonly (readonly InputPlan[])[],
  range?: RowRange,
): AsyncGenerator<{ rows: number; feeds: Feeds[] }> {
  const selected: CellRequest[] = [];
  const slots = new Map<string, Slot>();
  const slotsOfModels: { name: string; rowShape: number[]; slot: Slot }[][] = [];
  for (const inputs of plans) {
    const own: { name: string; rowShape: number[]; slot: Slot }[] = [];
    for (const plan of inputs) {
      const key = JSON.stringify([plan.input.type, plan.columns]);
      const slot = slots.get(key) ?? (await slotFor(dataset, plan, selected));
      slots.set(key, slot);
      own.push({ name: plan.input.name, rowShape: plan.rowShape, slot });
    }
    slotsOfModels.push(own);
  }
  const uses = selected.map((_, position) =>
    [...slots.values()].flatMap((slot) =>
      slot.positions.flatMap((each, column) => (each === position ? [{ slot, column }] : [])),
    ),
  );
  const distinct = [...slots.values()];
  const size = batchRows(distinct.reduce((sum, { positions }) => sum + positions.length, 0));
  const begin = (): void => {
    for (const slot of distinct) slot.data = room(slot.plan, size * slot.positions.length);
  };
  const batchOf = (rows: number): { rows: number; feeds: Feeds[] } => ({
    rows,
    feeds: slotsOfModels.map((inputs) =>
      Object.fromEntries(
        inputs.map(({ name, rowShape, slot: { data, plan, positions } }) => {
          const length = rows * positions.length;
          const filledPart = length === data.length ? data : data.slice(0, length);
          return [name, { type: plan.input.type, dims: [rows, ...rowShape], data: filledPart }];
        }),
      ),
    ),
  });
  begin();
  let filled = 0;
  let before = range?.start ?? 0;
  const first = before;
  for await (const chunk of chunksOf(dataset, selected, range)) {
    for (let from = 0; from < chunk.rowCount;) {
      const count = Math.min(chunk.rowCount - from, size - filled);
      take(chunk, uses, { start: filled, from, count, before }, dataset);
      filled += count;
      before += count;
      from += count;
      if (filled < size) continue;
      yield batchOf(filled);
      begin();
      filled = 0;
    }
  }
  const [read, expected] = [before - first, Math.min(range?.count ?? dataset.rows, dataset.rows - first)];
  if (read !== expected) {
    throw new DataError({
      found: `only ${read} rows could be read`,
      expected: `${expected} rows, the number counted before`,
      where: dataset.uri,
      remedy: 'Run again when no other process writes to the file',
    });
  }
  if (filled > 0) yield batchOf(filled);
}

/** Chunks of the selected columns; the next is fetched while the caller works on this one. */
async function* chunksOf(
  dataset: Dataset,
  selected: readonly CellRequest[],
  range?: RowRange,
): AsyncGenerator<DuckDBDataChunk> {
  const limit = range === undefined ? '' : ` limit ${range.count} offset ${range.start}`;
  try {
    const { from, expressions } = readingOf(dataset, selected);
    const result = await dataset.connection.stream(`select ${expressions.join(', ')} from ${from}${limit}`);
    yield* chunksAhead(result);
  } catch (cause) {
    if (cause instanceof ContenderError) throw cause;
    throw new DataError({
      found: `cannot be read to its end: ${(cause instanceof Error ? cause.message : String(cause)).slice(0, 300)}`,
      where: dataset.uri,
      cause,
    });
  }
}

const arrays = {
  float: Float32Array,
  float16: Float32Array,
  bfloat16: Float32Array,
  double: Float64Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  bool: Uint8Array,
};

/** The least size that a type rounds to infinity: half a step beyond its largest number; one of 16 bits is made of a float, which rounds first. */
const overflow = {
  float: 2 ** 128 - 2 ** 103,
  float16: 65_520 - 2 ** -9,
  bfloat16: 2 ** 128 - 2 ** 119 - 2 ** 102,
  double: Number.POSITIVE_INFINITY,
};

async function slotFor(dataset: Dataset, plan: InputPlan, selected: CellRequest[]): Promise<Slot> {
  const { type, name } = plan.input;
  if (type !== 'string' && !(type in arrays)) {
    throw new ModelError({
      found: `Input ${JSON.stringify(name)} is of type ${type}`,
      expected: `one of ${Object.keys(arrays).join(', ')}, string`,
      remedy: 'Export the model with inputs of one of these types',
    });
  }
  const columns = requireColumns(dataset, plan.columns);
  const use = type === 'string' ? 'text' : type === 'int64' || type === 'uint64' ? 'exact' : 'input';
  if (use === 'text') refuseWithoutText(dataset, columns, plan);
  else {
    await requireNumbers(dataset, columns, {
      expected: `numbers, for input ${JSON.stringify(name)} (${type}) of the model`,
      remedy: 'Fix the column, or remove it from columns.features',
    });
  }
  const positions = columns.map((column) => {
    const known = selected.findIndex((each) => each.column === column && each.use === use);
    return known >= 0 ? known : selected.push({ column, use }) - 1;
  });
  return { plan, positions, data: [] };
}

function room({ input: { type } }: InputPlan, length: number): Column {
  return type === 'string' ? Array.from<string>({ length }) : new arrays[type as keyof typeof arrays](length);
}

/** The text of a binary fraction, of bytes, or of a list, is not one that training and prediction would agree on. */
function refuseWithoutText(dataset: Dataset, columns: readonly DatasetColumn[], { input }: InputPlan): void {
  const column = columns.find(
    ({ type }) => isNested(type) || type === 'BLOB' || (isBinary(type) && dataset.format === 'parquet'),
  );
  if (column === undefined) return;
  throw new DataError({
    found: `column ${JSON.stringify(column.name)} is ${column.type}`,
    expected: `text, for input ${JSON.stringify(input.name)} (string) of the model`,
    where: dataset.uri,
    remedy:
      column.type === 'BLOB'
        ? 'Write the column as text (UTF8), or remove it from columns.features'
        : 'Fix the column, or remove it from columns.features',
  });
}

/** Rows of a chunk: `count` of them from `from` on, which go to the rows of the batch from `start` on; `before` is the first in the file. */
interface Part {
  start: number;
  from: number;
  count: number;
  before: number;
}

/** A function of its own, since the engine optimises the loops of a generator far less. */
function take(
  chunk: DuckDBDataChunk,
  uses: readonly (readonly { slot: Slot; column: number }[])[],
  part: Part,
  dataset: Dataset,
): void {
  for (const [position, users] of uses.entries()) {
    // One at a time: a vector is a copy, which is better gone before the next is made.
    const vector = chunk.getColumnVector(position);
    for (const { slot, column } of users) fill(slot, column, vector, part, dataset);
  }
}

function fill(
  slot: Slot,
  column: number,
  vector: DuckDBVector,
  { start, from, count, before }: Part,
  dataset: Dataset,
): void {
  const { data, positions, plan } = slot;
  const end = from + count;
  const width = positions.length;
  let at = start * width + column;
  if (data instanceof Float32Array || data instanceof Float64Array) {
    const { items, validity } = vector as unknown as NumberVector;
    let largest = 0;
    for (let row = from; row < end; row += 1, at += width) {
      const value = items[row] as number;
      data[at] = value;
      const size = Math.abs(value);
      if (size > largest) largest = size;
    }
    const most = overflow[plan.input.type as keyof typeof overflow];
    // What stands where there is no value says nothing.
    const beyond = (row: number): boolean => Math.abs(items[row] as number) >= most && validity.itemValid(row);
    if (largest >= most) {
      for (let row = from; row < end; row += 1) if (beyond(row)) throw tooLarge(before + row - from, items[row]);
    }
    if (validity.data === null) return;
    at = start * width + column;
    for (let row = from; row < end; row += 1, at += width) if (!validity.itemValid(row)) data[at] = Number.NaN;
    return;
  }
  const big = data instanceof BigInt64Array || data instanceof BigUint64Array;
  for (let row = from; row < end; row += 1, at += width) {
    const value = vector.getItem(row);
    if (value === null) throw missing(before + row - from);
    if (Array.isArray(data)) data[at] = value as string;
    else {
      if (Number.isNaN(value)) throw missing(before + row - from);
      if (typeof value === 'number' && !Number.isInteger(value)) throw notWhole(before + row - from, value);
      if (big) data[at] = typeof value === 'bigint' ? value : BigInt(value as number);
      else data[at] = Number(value);
      if (plan.input.type === 'bool' && value !== 0 && value !== 1) throw tooLarge(before + row - from, value);
      if (data[at] !== (big ? BigInt(value as number) : value)) throw tooLarge(before + row - from, value);
    }
  }

  function place(row: number): string {
    return `column ${JSON.stringify(plan.columns[column])}, row ${row + 1}`;
  }
  function missing(row: number): DataError {
    return new DataError({
      found: `${place(row)} has no value`,
      expected: `a value: input ${JSON.stringify(plan.input.name)} is ${plan.input.type}, which cannot say "missing"`,
      where: dataset.uri,
      remedy: 'Fill the missing values, as in training',
    });
  }
  function notWhole(row: number, value: number): DataError {
    return new DataError({
      found: `${place(row)} is ${value}`,
      expected: `a whole number, for input ${JSON.stringify(plan.input.name)} (${plan.input.type})`,
      where: dataset.uri,
      remedy: 'Check that the column feeds the right input (contender inspect)',
    });
  }
  function tooLarge(row: number, value: unknown): DataError {
    return new DataError({
      found: `${place(row)} is ${String(value)}`,
      expected: `${plan.input.type === 'bool' ? '0 or 1' : `a value that ${plan.input.type} can hold`}, for input ${JSON.stringify(plan.input.name)}`,
      where: dataset.uri,
      remedy:
        'Check that the column feeds the right input (contender inspect), and leave the cell empty if the value is missing',
    });
  }
}

/** The typed array behind a vector: the public `getItem` costs a call and a check a value. */
interface NumberVector {
  items: ArrayLike<number>;
  validity: { data: BigUint64Array | null; itemValid(row: number): boolean };
}
