import { isSavedIndex, roleOf } from '../config/columns.ts';
import type { Columns } from '../config/schema.ts';
import { ConfigError, MismatchError, ModelError } from '../errors.ts';
import type { DatasetColumn } from '../data/dataset.ts';
import { nearest } from '../config/suggest.ts';
import { countOf, fedInputs, namesIn, type ModelInspection, type TensorDeclaration } from './inspect.ts';
import { metadataEntries } from './metadata.ts';
import { rowSize } from './tensor.ts';
import { firstOf } from '../wording.ts';

/** What feeds one input of a model: its columns, in order, and the dimensions of one row. */
export interface InputPlan {
  input: TensorDeclaration;
  columns: string[];
  /** Dimensions after the first, which counts rows: [60] of a matrix, [1] of a named column, [1, 8, 8] of an image, [] of a vector. */
  rowShape: number[];
  /** Nobody says that the features of this input are in this order: it is that of the data. */
  inDataOrder?: true;
}

/**
 * Decide which columns feed which input. One input takes all features: in the order the model names them in its metadata,
 * else in the order of `columns.features`, else every other column of the data. Several inputs are matched by name, else they
 * share out `columns.features` in order. Anything ambiguous is an error that says both sides, before anything is run. Label, id,
 * weight, cluster and group feed no input, whatever its name.
 * @throws MismatchError for columns that the data does not have, or more or fewer than the model takes; ConfigError for a model that
 * takes a column that is no feature; ModelError for inputs that say too little
 */
export function planInputs(
  inspection: ModelInspection,
  columns: Columns,
  available: readonly DatasetColumn[],
): InputPlan[] {
  const names = available.map((column) => column.name);
  const inputs = fedInputs(inspection);
  const [only, ...others] = inputs;
  if (only === undefined) throw new ModelError({ found: 'The model has no inputs', expected: 'at least one' });
  if (others.length > 0) return severalInputs(inputs, columns, names);
  if (sizeOf(only) === 1 && columns.features === undefined) {
    const column = columnNamed(only.name, names);
    refuseRoles('Input', [only.name], columns, column);
    if (column !== undefined) return [plan(only, [column])];
  }
  return [singleInput(only, inspection, columns, names)];
}

function singleInput(
  input: TensorDeclaration,
  inspection: ModelInspection,
  columns: Columns,
  names: readonly string[],
): InputPlan {
  const size = sizeOf(input) ?? countOf(inspection.featureCounts, input.name);
  const { features, ...order } = featureOrder(inspection, columns, names, size);
  refuseRowsLast(input, features);
  const wanted = size ?? features.length;
  if (wanted !== features.length) {
    if (input.shape?.length === 1 && features.length > 1) {
      throw new MismatchError({
        found: `Input ${JSON.stringify(input.name)} has shape [${input.shape[0] ?? '?'}], one value per row, but there are ${features.length} features: ${listed(features)}`,
        expected: `rows in the first dimension and features in the second: [N, ${features.length}]`,
        remedy: 'Export the model with this shape; or, if it takes only one feature, list that in columns.features',
      });
    }
    throw new MismatchError({
      found: `The model expects ${wanted} features (input ${JSON.stringify(input.name)}), but there are ${features.length}: ${listed(features)}`,
      expected: 'as many features as the model takes',
      remedy:
        'If a column is missing or too many, list the features, in the order of the model, in columns.features. Write the values of a column of lists to columns of their own',
    });
  }
  return { ...plan(input, features), ...order };
}

/** `[features, N]`: fed with rows first, it would take rows for features. @throws MismatchError */
function refuseRowsLast({ name, shape }: TensorDeclaration, { length }: readonly string[]): void {
  if (shape?.length !== 2 || length < 2 || shape[0] !== length || typeof shape[1] === 'number') return;
  throw new MismatchError({
    found: `Input ${JSON.stringify(name)} has shape [${length}, ${shape[1] ?? '?'}], and there are ${length} features: the rows are in the second dimension`,
    expected: `rows in the first dimension: [N, ${length}]`,
    remedy: 'Export the model with the rows first (a Transpose before the first operator)',
  });
}

/**
 * The model's own names decide, where the data has columns of all these names, and they are as many as it takes: metadata may list
 * all columns of a table.
 */
function featureOrder(
  { featureNames: own, metadata }: ModelInspection,
  columns: Columns,
  names: readonly string[],
  size: number | undefined,
): { features: string[] } & Pick<InputPlan, 'inDataOrder'> {
  const isUsual = own?.every((name) => names.includes(name)) === true && (size ?? own.length) === own.length;
  if (own !== null && (columns.features === undefined || isUsual)) {
    refuseRoles('Feature', own, columns);
    const twice = own.find((name, index) => own.indexOf(name) !== index);
    if (twice === undefined) return { features: known(own, names, 'The metadata of the model') };
    throw new MismatchError({
      found: `The metadata of the model names the feature ${JSON.stringify(twice)} twice`,
      expected: 'each feature once',
      remedy:
        'List the features, in the order of the model, in columns.features, and correct the metadata (feature_names)',
    });
  }
  if (columns.features !== undefined) return { features: known(columns.features, names, 'columns.features') };
  const all = names.filter((name) => roleOf(name, columns) === null && !isSavedIndex(name));
  const isStated = isInMetadata(metadata, all) || all.length < 2;
  return isStated ? { features: all } : { features: all, inDataOrder: true };
}

/** Keys other than `feature_names`, under which people keep the names of the features. */
const listKeys =
  /^(?:model_?|input_?)?(?:features?|columns|variables|predictors|inputs?)(?:_?(?:names?|order|list|columns|in))*_?$/iu;

/** Does metadata list the features in the order of the data? @throws ConfigError where it lists these in another one */
function isInMetadata(metadata: Readonly<Record<string, string>>, features: readonly string[]): boolean {
  let isStated = false;
  for (const [key, text] of metadataEntries(metadata)) {
    // Lists of all columns of the training have the label among them.
    const list = (listKeys.test(key) ? namesIn(text) : []).filter((name) => features.includes(name));
    const isSame = list.every((name, at) => name === features[at]);
    isStated ||= isSame && list.length === features.length;
    if (isSame || list.length !== features.length || !features.every((name) => list.includes(name))) continue;
    throw new ConfigError({
      found: `The metadata of the model (${key}) lists the features in the order ${listed(list)}`,
      expected: `a statement whether the model takes them in that order or in the order of the data: ${listed(features)}`,
      remedy: 'List the features, in the order of the model, in columns.features',
    });
  }
  return isStated;
}

/** @throws ConfigError where an input or a feature of a model is named after a column that is no feature */
function refuseRoles(what: 'Input' | 'Feature', names: readonly string[], columns: Columns, column?: string): void {
  for (const name of names) {
    const role = roleOf(column ?? name, columns);
    if (role === null) continue;
    throw new ConfigError({
      found: `${what} ${JSON.stringify(name)} of the model is the ${role} column${column === undefined || column === name ? '' : ` ${JSON.stringify(column)}`}, which must not be an input of a model`,
      expected:
        role === 'label'
          ? 'features that are known before the label'
          : `features only: the ${role} says nothing about other rows`,
      remedy: `Train and export the model without it; if it really is a feature, name another column in columns.${role}`,
    });
  }
}

function severalInputs(inputs: readonly TensorDeclaration[], columns: Columns, names: readonly string[]): InputPlan[] {
  const sizes = inputs.map((input) => sizeOf(input) ?? 1);
  const matched = inputs.map((input, index) => (sizes[index] === 1 ? columnNamed(input.name, names) : undefined));
  for (const [index, { name }] of inputs.entries()) refuseRoles('Input', [name], columns, matched[index]);
  if (matched.every((name) => name !== undefined)) {
    return inputs.map((input, index) => plan(input, [matched[index] as string]));
  }
  const features = columns.features ?? [];
  const total = sizes.reduce((sum, size) => sum + size, 0);
  if (features.length === total && matched.every((name) => name === undefined || features.includes(name))) {
    // What no name matches takes what is left, in order.
    const left = known(features, names, 'columns.features').filter((name) => !matched.includes(name));
    let start = 0;
    return inputs.map((input, index) => {
      const own = matched[index];
      return plan(input, own === undefined ? left.slice(start, (start += sizes[index] as number)) : [own]);
    });
  }
  const unmatched = inputs.filter((_, index) => matched[index] === undefined).map(({ name }) => name);
  const free = names.filter((name) => roleOf(name, columns) === null);
  const near = nearest(unmatched[0] ?? '', free);
  throw new MismatchError({
    found: `The model has inputs ${listed(inputs.map(({ name }) => name))}; no column is named ${listed(unmatched)}`,
    expected: `columns of those names among ${listed(free)}, or ${total} columns.features in the order of the inputs (there are ${features.length})`,
    remedy: near === undefined ? 'Name the columns after the inputs' : `Did you mean ${JSON.stringify(near)}?`,
  });
}

/** The column of that name; exporters write `petal length (cm)` as `petal_length__cm_`, so that such a name is taken for it too. */
function columnNamed(name: string, names: readonly string[]): string | undefined {
  if (names.includes(name)) return name;
  const alike = names.filter((each) => each.replace(/[^A-Za-z0-9]/gu, '_') === name);
  return alike.length === 1 ? alike[0] : undefined;
}

function plan(input: TensorDeclaration, columns: string[]): InputPlan {
  const rest = input.shape === null ? [null] : input.shape.slice(1);
  if (sizeOf(input) === null && rest.length > 1) {
    throw new ModelError({
      found: `The model does not state the shape of a row of input ${JSON.stringify(input.name)}: [${(input.shape ?? []).map((size) => size ?? '?').join(', ')}]`,
      expected: 'fixed dimensions after the first',
      remedy: 'Export the model with only the first dimension free',
    });
  }
  return { input, columns, rowShape: sizeOf(input) === null ? [columns.length] : (rest as number[]) };
}

/** Values of one row of an input, null if its signature leaves that open. */
function sizeOf({ shape }: TensorDeclaration): number | null {
  return shape === null ? null : rowSize(shape);
}

function known(wanted: readonly string[], names: readonly string[], from: string): string[] {
  const missing = wanted.filter((name) => !names.includes(name));
  if (missing.length === 0) return [...wanted];
  const near = nearest(missing[0] ?? '', names);
  throw new MismatchError({
    found: `${from} names ${listed(missing)}, which the data does not have`,
    expected: `columns among ${listed(names)}`,
    remedy:
      near !== undefined && from === 'columns.features'
        ? `Did you mean ${JSON.stringify(near)}?`
        : missing.length === wanted.length
          ? 'Name a model that was trained on such data; if only the names differ, list the columns, in the order of the model, in columns.features'
          : 'List the features, in the order of the model, in columns.features',
  });
}

function listed(names: readonly string[]): string {
  return firstOf(
    names.map((name) => JSON.stringify(name)),
    8,
  );
}
