import { shuffled, uniform } from '../statistics/splitmix.ts';
import type { Feeds } from './batches.ts';
import type { InputPlan } from './features.ts';
import { isFloating, type TensorData, type TensorValues } from './tensor.ts';

/**
 * A change to the columns a model is fed. What is drawn depends on the seed and the name of the column alone, so that two
 * models that take it, in whatever place and type, get the same change.
 *
 * - `permute`: the values of one column in another order: what they say of the row is lost, how they spread is kept.
 * - `noise`: a normal deviate of `scale` standard deviations of the column is added.
 * - `missing`: this share of the values is NaN.
 * - `unseen`: this share of the texts is a category no model has seen.
 */
export type Perturbation =
  | { kind: 'permute'; column: string; seed: number }
  | { kind: 'noise'; scale: number; columns: readonly string[]; seed: number }
  | { kind: 'missing' | 'unseen'; share: number; columns: readonly string[]; seed: number };

/** Columns of a model that a perturbation can be applied to, by what their values are. */
export interface PerturbableColumns {
  all: string[];
  /** Numbers with more than two different values: a flag with a little noise is no flag any more. */
  noise: string[];
  /** Fed as a floating point type, which has a value for "missing". */
  missing: string[];
  /** Fed as text. */
  unseen: string[];
}

/** A text that stands for a category that was not there in training. */
const unseenCategory = 'contender:unseen-category';

export function perturbableColumns(plans: readonly InputPlan[], feeds: Feeds): PerturbableColumns {
  const found: PerturbableColumns = { all: [], noise: [], missing: [], unseen: [] };
  for (const { values, columns } of inputsOf(plans, feeds)) {
    for (const [position, column] of columns.entries()) {
      const { type, data } = values;
      const kinds = [
        'all' as const,
        ...(Array.isArray(data) ? ['unseen' as const] : []),
        ...(isFloating(type) ? ['missing' as const] : []),
        ...(type !== 'bool' && !Array.isArray(data) && distinct(data, position, columns.length) > 2
          ? ['noise' as const]
          : []),
      ];
      for (const kind of kinds) if (!found[kind].includes(column)) found[kind].push(column);
    }
  }
  return found;
}

/** The feeds with the change made; tensors it does not touch are shared. */
export function perturbed(feeds: Feeds, plans: readonly InputPlan[], change: Perturbation): Feeds {
  const touched = change.kind === 'permute' ? [change.column] : change.columns;
  const changed: Feeds = { ...feeds };
  for (const { name, values, columns } of inputsOf(plans, feeds)) {
    if (!columns.some((column) => touched.includes(column))) continue;
    const data = values.data.slice() as Mutable;
    for (const [position, column] of columns.entries()) {
      if (touched.includes(column)) changeColumn(data, values, position, columns.length, column, change);
    }
    changed[name] = { ...values, data };
  }
  return changed;
}

type Mutable = Exclude<TensorData, readonly string[]> | string[];

interface FedInput {
  name: string;
  values: TensorValues;
  columns: readonly string[];
}

function inputsOf(plans: readonly InputPlan[], feeds: Feeds): FedInput[] {
  return plans.map(({ input, columns }) => ({ name: input.name, values: feeds[input.name] as TensorValues, columns }));
}

function changeColumn(
  data: Mutable,
  { data: before }: TensorValues,
  position: number,
  width: number,
  column: string,
  change: Perturbation,
): void {
  const rows = data.length / width;
  const next = uniformsFor(change.seed, column);
  const put = (row: number, value: number | bigint | string): void => {
    (data as (number | bigint | string)[])[row * width + position] = value;
  };
  if (change.kind === 'permute') {
    const order = shuffled(rows, next);
    for (let row = 0; row < rows; row += 1) put(row, before[(order[row] as number) * width + position] as number);
    return;
  }
  const spread = change.kind === 'noise' ? change.scale * deviationOf(before, position, width) : 0;
  const limits = rangeOf(data);
  for (let row = 0; row < rows; row += 1) {
    if (change.kind === 'noise') {
      const noise = spread * normal(next);
      const value = before[row * width + position] as number | bigint;
      if (typeof value === 'bigint') put(row, value + BigInt(Math.round(noise)));
      else if (limits === null) put(row, value + noise);
      else put(row, Math.min(limits.most, Math.max(limits.least, Math.round(value + noise))));
    } else if (next() < change.share) put(row, change.kind === 'missing' ? Number.NaN : unseenCategory);
  }
}

/** The whole numbers a typed array holds; null for floating point. Those of 64 bits hold any number that is fed. */
function rangeOf(data: Mutable): { least: number; most: number } | null {
  if (Array.isArray(data) || data instanceof Float32Array || data instanceof Float64Array) return null;
  const bits = 8 * data.BYTES_PER_ELEMENT;
  return data instanceof Int8Array || data instanceof Int16Array || data instanceof Int32Array
    ? { least: -(2 ** (bits - 1)), most: 2 ** (bits - 1) - 1 }
    : { least: 0, most: 2 ** bits - 1 };
}

function distinct(data: TensorData, position: number, width: number): number {
  const seen = new Set<unknown>();
  for (let at = position; at < data.length && seen.size <= 2; at += width) {
    if (!Number.isNaN(data[at])) seen.add(data[at]);
  }
  return seen.size;
}

/** Standard deviation of the values there are. */
function deviationOf(data: TensorData, position: number, width: number): number {
  let [count, mean, squares] = [0, 0, 0];
  for (let at = position; at < data.length; at += width) {
    const value = Number(data[at]);
    if (!Number.isFinite(value)) continue;
    count += 1;
    const step = value - mean;
    mean += step / count;
    squares += step * (value - mean);
  }
  return count < 2 ? 0 : Math.sqrt(squares / (count - 1));
}

/** Uniform numbers in [0, 1) that a seed and a name fix. */
export function uniformsFor(seed: number, name: string): () => number {
  // FNV-1a over the UTF-16 code units: names that differ get streams that differ.
  let hash = 0x811c9dc5 ^ seed;
  for (let index = 0; index < name.length; index += 1) hash = Math.imul(hash ^ name.charCodeAt(index), 0x01000193);
  return uniform(hash);
}

/** A standard normal deviate (Box and Muller). */
function normal(next: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
}
