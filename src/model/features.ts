import type { Columns } from '../config/schema.ts';
import { ModelError } from '../errors.ts';
import type { DatasetColumn } from '../data/dataset.ts';
import { nearest } from '../config/suggest.ts';
import type { ModelInspection, TensorDeclaration } from './inspect.ts';

/** What feeds one input of a model: its columns, in order, and the dimensions of one row. */
export interface InputPlan {
  input: TensorDeclaration;
  columns: string[];
  /** Dimensions after the batch: [60] for a matrix, [1] for a named column, [1, 8, 8] for an image, [] for a vector. */
  rowShape: number[];
  /** Rows the model takes at once, where it fixes that; null for any number. */
  batch: number | null;
}

/**
 * Decide which columns feed which input. One input takes all features, in order; several inputs of one value each are
 * matched by name, else by the declared order. Anything ambiguous is an error that says both sides.
 * @throws ModelError before anything is run
 */
export function planInputs(
  inspection: ModelInspection,
  columns: Columns,
  available: readonly DatasetColumn[],
): InputPlan[] {
  const names = available.map((column) => column.name);
  const { inputs } = inspection;
  if (inputs.length === 0) throw new ModelError({ found: 'The model has no inputs', expected: 'at least one' });
  const only = inputs[0];
  if (inputs.length === 1 && only !== undefined) {
    const features = featureOrder(inspection, columns, names);
    return [singleInput(only, features)];
  }
  return severalInputs(inputs, columns.features ?? null, names);
}

/** The features in the order of the model: as configured, as the model says, or every other column of the data. */
function featureOrder(inspection: ModelInspection, columns: Columns, names: readonly string[]): string[] {
  if (columns.features !== undefined) return known(columns.features, names, 'columns.features');
  if (inspection.featureNames !== null) return known(inspection.featureNames, names, 'the feature names in the model');
  const reserved = [columns.id, columns.label, columns.weight, columns.cluster, columns.group];
  return names.filter((name) => !reserved.includes(name));
}

function singleInput(input: TensorDeclaration, features: string[]): InputPlan {
  const shape = input.shape ?? [null, null];
  const rowShape = shape.slice(1);
  const fixed = rowShape.filter((size): size is number => typeof size === 'number');
  const size = fixed.reduce((product, each) => product * each, 1);
  const complete = fixed.length === rowShape.length;
  if (complete && size !== features.length) {
    throw new ModelError({
      found: `The model expects ${size} features (input ${JSON.stringify(input.name)}), the mapping gives ${features.length}: ${listed(features)}`,
      expected: 'as many features as the model takes',
      remedy: 'A missing or extra column? List the features, in order, in columns.features',
    });
  }
  if (!complete && rowShape.length > 1) {
    throw new ModelError({
      found: `The model does not say the shape of a row of input ${JSON.stringify(input.name)} (${JSON.stringify(shape)})`,
      expected: 'fixed dimensions after the first',
      remedy: 'Export the model with only the first dimension free',
    });
  }
  return {
    input,
    columns: features,
    rowShape: complete ? (rowShape as number[]) : [features.length],
    batch: typeof shape[0] === 'number' ? shape[0] : null,
  };
}

function severalInputs(
  inputs: readonly TensorDeclaration[],
  features: readonly string[] | null,
  names: readonly string[],
): InputPlan[] {
  for (const input of inputs) {
    const size = (input.shape ?? [])
      .slice(1)
      .reduce<number>((product, each) => product * (typeof each === 'number' ? each : 1), 1);
    if (size !== 1) {
      throw new ModelError({
        found: `Input ${JSON.stringify(input.name)} takes ${size} values a row and there are ${inputs.length} inputs`,
        expected: 'one input for all features, or one input a column',
        remedy: 'Export the model with one of these signatures',
      });
    }
  }
  const byName = inputs.filter((input) => names.includes(input.name));
  let chosen: string[];
  if (byName.length === inputs.length) chosen = inputs.map((input) => input.name);
  else if (byName.length === 0 && features?.length === inputs.length)
    chosen = known(features, names, 'columns.features');
  else {
    const unmatched = inputs.filter((input) => !names.includes(input.name)).map((input) => input.name);
    const near = nearest(unmatched[0] ?? '', names);
    throw new ModelError({
      found: `The model has inputs ${listed(inputs.map((input) => input.name))}; no column is named ${listed(unmatched)}`,
      expected: `columns of those names among ${listed(names)}, or as many columns.features as inputs, in their order`,
      remedy: near === undefined ? 'Name the columns after the inputs' : `Did you mean ${JSON.stringify(near)}?`,
    });
  }
  return inputs.map((input, index) => ({
    input,
    columns: [chosen[index] as string],
    rowShape: (input.shape?.length ?? 2) > 1 ? [1] : [],
    batch: typeof input.shape?.[0] === 'number' ? input.shape[0] : null,
  }));
}

function known(wanted: readonly string[], names: readonly string[], from: string): string[] {
  const missing = wanted.filter((name) => !names.includes(name));
  if (missing.length > 0) {
    const near = nearest(missing[0] ?? '', names);
    throw new ModelError({
      found: `${from} names ${listed(missing)}, which the data does not have`,
      expected: `columns among ${listed(names)}`,
      remedy: near === undefined ? 'Correct the list' : `Did you mean ${JSON.stringify(near)}?`,
    });
  }
  return [...wanted];
}

function listed(names: readonly string[]): string {
  const shown = names
    .slice(0, 8)
    .map((name) => JSON.stringify(name))
    .join(', ');
  return names.length > 8 ? `${shown}, … (${names.length})` : shown;
}
