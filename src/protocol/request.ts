import { ContenderError, StagingError, type Fault } from '../errors.ts';
import { isDatatype, isFloating, type Datatype } from './datatype.ts';
import { isObject } from '../json.ts';
import { quote } from './json.ts';
import { describeShape, elementCount, readElements, readShape, shapeFits } from './tensor.ts';
import type { Element, ModelMetadata, Tensor, TensorMetadata } from './tensor.ts';
import { counted } from '../wording.ts';

/** A request that cannot be served: the server answers 400 with `message`. */
export class RequestError extends ContenderError {
  constructor(fault: Fault) {
    super('request', fault);
  }
}

/** Values of one feature column; NaN and null where there is none. The shape in which datasets are read. */
export type FeatureColumn = { name: string } &
  /** Of booleans 1 and 0; `isBoolean` where JSON is to say true and false. */
  (
    | { kind: 'number'; values: Float64Array; isBoolean?: boolean }
    | { kind: 'text'; values: readonly (string | null)[] }
  );

/** Some rows of a table: `columns` in the order of the features, `rows` the indexes to send. */
export interface FeatureRows {
  columns: readonly FeatureColumn[];
  rows: ArrayLike<number>;
}

export interface InferRequest {
  id: string | undefined;
  inputs: Tensor[];
  /** Names of the outputs asked for, or null for all. */
  outputs: string[] | null;
}

/**
 * JSON body of an inference request for `rows`: one matrix `[rows, features]` when the model has one input,
 * else one input per column, matched by name. Missing numbers travel as `null`.
 * @throws StagingError when the inputs of the server and the columns do not match.
 */
export function inferRequest(rows: FeatureRows, model: Pick<ModelMetadata, 'name' | 'inputs'>): string {
  const [only] = model.inputs;
  const matrix = model.inputs.length === 1 && only !== undefined && only.name !== rows.columns[0]?.name;
  const inputs = matrix
    ? [matrixInput(only, rows)]
    : model.inputs.map((input) => columnInput(input, columnNamed(input.name, rows.columns, model), rows.rows));
  return JSON.stringify({ inputs });
}

/**
 * Read and check the body of an inference request against the inputs of the model.
 * @throws RequestError that says what was found and what was expected.
 */
export function readInferRequest(
  body: unknown,
  model: { inputs: readonly TensorMetadata[]; outputs: readonly TensorMetadata[] },
): InferRequest {
  if (!isObject(body)) throw new RequestError({ found: 'The body is not a JSON object' });
  if (body['id'] !== undefined && typeof body['id'] !== 'string')
    throw new RequestError({ found: 'id is not a string' });
  if (!Array.isArray(body['inputs'])) throw new RequestError({ found: 'The body has no array of inputs' });
  const given = body['inputs'] as unknown[];
  const names = given.map((input) => (isObject(input) ? input['name'] : undefined));
  const refused = (found: string): RequestError =>
    new RequestError({ found, expected: model.inputs.map(({ name }) => name).join(', ') });
  const unknown = names.find((name) => !model.inputs.some((input) => input.name === name));
  if (names.length > 0 && (unknown !== undefined || names.includes(undefined))) {
    throw refused(`Unknown input ${quote(unknown)}`);
  }
  if (names.length > 1 && new Set(names).size < names.length) throw refused('An input is given twice');
  const inputs = model.inputs.map((input) => {
    const found = given[names.indexOf(input.name)];
    if (!isObject(found)) throw refused(`Input ${quote(input.name)} is missing`);
    return readInput(found, input);
  });
  sameRows(inputs);
  return { id: body['id'], inputs, outputs: readOutputs(body['outputs'], model.outputs) };
}

function readInput(given: Record<string, unknown>, expected: TensorMetadata): Tensor {
  const { name } = expected;
  const refused = (found: string, wanted: string): RequestError =>
    new RequestError({ found: `Input ${quote(name)} ${found}`, expected: wanted });
  const { datatype } = given;
  if (!isDatatype(datatype) || !accepts(expected.datatype, datatype)) {
    throw refused(`has datatype ${quote(datatype)}`, expected.datatype);
  }
  const shape = readShape(given['shape']);
  if (shape === undefined || !shapeFits(shape, expected.shape)) {
    const found = shape === undefined ? 'no valid shape' : `shape ${describeShape(shape)}`;
    throw refused(`has ${found}`, describeShape(expected.shape));
  }
  const count = elementCount(shape);
  if (!Number.isSafeInteger(count) || count === 0) {
    throw refused(`has shape ${describeShape(shape)}`, 'at least one row');
  }
  const data = readElements(given['data'], expected.datatype, count);
  if (typeof data === 'string') {
    throw refused(data, `${count} of ${expected.datatype} for shape ${describeShape(shape)}`);
  }
  return { name, datatype: expected.datatype, shape, data };
}

/** JSON carries the same digits for every floating type, so a client need not know which one the model reads. */
function accepts(expected: Datatype, given: Datatype): boolean {
  return expected === given || (isFloating(expected) && isFloating(given));
}

function sameRows(inputs: readonly Tensor[]): void {
  const [first, ...others] = inputs;
  const other = others.find((input) => input.shape[0] !== first?.shape[0]);
  if (first !== undefined && other !== undefined) {
    throw new RequestError({
      found: `Input ${quote(other.name)} has ${counted(other.shape[0] ?? 0, 'rows')}`,
      expected: `${first.shape[0]}, as in ${quote(first.name)}`,
    });
  }
}

function readOutputs(given: unknown, outputs: readonly TensorMetadata[]): string[] | null {
  if (given === undefined) return null;
  if (!Array.isArray(given)) throw new RequestError({ found: 'outputs is not an array' });
  return (given as unknown[]).map((output) => {
    const name = isObject(output) ? output['name'] : undefined;
    const known = outputs.find((candidate) => candidate.name === name);
    if (known === undefined) {
      const expected = outputs.map((candidate) => candidate.name).join(', ');
      throw new RequestError({ found: `Unknown output ${quote(name)}`, expected });
    }
    return known.name;
  });
}

function matrixInput(input: TensorMetadata, { columns, rows }: FeatureRows): object {
  const rowShape = input.shape.slice(1);
  const width = elementCount(rowShape);
  const known = rowShape.every((size) => size >= 0);
  if (rowShape.length === 0 && columns.length > 1) {
    throw new StagingError({
      found: `Input ${quote(input.name)} of the served model has shape ${describeShape(input.shape)}, without a dimension for the rows`,
      expected: `[?, ${columns.length}]`,
      remedy: 'Serve it so that the rows come first; Triton does with max_batch_size above 0',
    });
  }
  if (known && width !== columns.length) {
    throw new StagingError({
      found: `The served model reads ${width} features in ${quote(input.name)}`,
      expected: `the ${columns.length} feature columns of the data`,
      remedy: 'Name the columns of the model in columns.features, in the order of its input',
    });
  }
  const data: (Element | null)[] = [];
  for (let index = 0; index < rows.length; index++) {
    for (const column of columns) data.push(element(column, rows[index] ?? 0, input.datatype));
  }
  return {
    name: input.name,
    shape: [rows.length, ...(known ? rowShape : [columns.length])],
    datatype: input.datatype,
    data,
  };
}

function columnInput(input: TensorMetadata, column: FeatureColumn, rows: ArrayLike<number>): object {
  const data: (Element | null)[] = [];
  for (let index = 0; index < rows.length; index++) data.push(element(column, rows[index] ?? 0, input.datatype));
  const shape = input.shape.length === 1 ? [rows.length] : [rows.length, 1];
  return { name: input.name, shape, datatype: input.datatype, data };
}

function columnNamed(
  name: string,
  columns: readonly FeatureColumn[],
  model: Pick<ModelMetadata, 'name'>,
): FeatureColumn {
  const column = columns.find((candidate) => candidate.name === name);
  if (column !== undefined) return column;
  throw new StagingError({
    found: `The served model ${quote(model.name)} reads an input ${quote(name)}`,
    expected: `one of the feature columns (${columns.map((candidate) => candidate.name).join(', ')})`,
    remedy: 'Check that the staging target serves the candidate, or name its inputs in columns.features',
  });
}

function element(column: FeatureColumn, row: number, datatype: Datatype): Element | null {
  const found = column.values[row] ?? null;
  // JSON has no NaN.
  const value = Number.isNaN(found) ? null : found;
  if (datatype === 'BYTES') return value === null ? '' : String(value);
  // Nor has it infinities: JSON.stringify writes them as null.
  return datatype === 'BOOL' && value !== null ? Boolean(value) : value;
}
