import { ModelError } from '../errors.ts';
import type { Opened } from '../model/artifact.ts';
import { fedInputs } from '../model/inspect.ts';
import { loadModel } from '../model/run.ts';
import type { TensorValues } from '../model/tensor.ts';
import { integerArrays } from './integer-arrays.ts';
import { datatypeOf, type Datatype, type Tensor, type TensorMetadata } from '../protocol/index.ts';

/** A model ready to answer, with its inputs and outputs in the words of the protocol. */
export interface ServedModel {
  inputs: readonly TensorMetadata[];
  outputs: readonly TensorMetadata[];
  /** The bytes that are served. */
  opened: Opened;
  /** Answer inputs that were checked against `inputs`. @throws ModelError when the model itself fails */
  infer(inputs: readonly Tensor[]): Promise<Tensor[]>;
  close(): Promise<void>;
}

/**
 * Load a model for serving and let it answer once, since the first run allocates.
 * @throws ModelError
 */
export async function openServedModel(path: string): Promise<ServedModel> {
  const model = await loadModel(path, path);
  try {
    const { inspection } = model;
    const inputs = fedInputs(inspection);
    const types = Object.fromEntries(inputs.map(({ name, type }) => [name, type]));
    const rowsAreOpen = inputs.every(({ shape }) => typeof shape?.[0] !== 'number' || shape[0] < 0);
    const served: ServedModel = {
      inputs: inputs.map(({ name, type, shape }) => metadata(name, type, shape ?? [null, null], path)),
      outputs: model.outputs.map(({ name, type, shape }) => metadata(name, type, shape, path, rowsAreOpen)),
      opened: model.opened,
      infer: run,
      close: () => model.close(),
    };
    await warmUp(served);
    return served;

    async function run(given: readonly Tensor[]): Promise<Tensor[]> {
      const feeds = Object.fromEntries(
        given.map(({ name, shape, data, datatype }) => [
          name,
          { type: types[name] ?? 'float', dims: [...shape], data: typedData(data, datatype) },
        ]),
      );
      const results = await model.run(feeds);
      return served.outputs.map((output) => fromValues(output, results[output.name]));
    }
  } catch (error) {
    await model.close();
    throw error;
  }
}

function metadata(
  name: string,
  type: string,
  shape: readonly (number | string | null)[],
  where: string,
  keepFirst = false,
): TensorMetadata {
  const datatype = datatypeOf[type];
  if (datatype === undefined) {
    throw new ModelError({
      found: `${JSON.stringify(name)} is of type ${type}`,
      expected: `one of ${Object.keys(datatypeOf).join(', ')}`,
      where,
      remedy: 'Export the model with one of these types',
    });
  }
  // The first dimension counts rows, and any number of rows is served whatever the model fixes; where rows are open and it is
  // fixed, it counts something else.
  return {
    name,
    datatype,
    shape: shape.map((size, axis) => ((axis > 0 || keepFirst) && typeof size === 'number' ? size : -1)),
  };
}

/** The elements as the runtime takes them: those of FP16 in single precision. */
export function typedData(data: Tensor['data'], datatype: Datatype): TensorValues['data'] {
  const numbers = data as readonly number[];
  switch (datatype) {
    case 'FP16':
    case 'FP32':
      return data instanceof Float32Array ? data : Float32Array.from(numbers);
    case 'FP64':
      return data instanceof Float64Array ? data : Float64Array.from(numbers);
    case 'BYTES':
      return data as readonly string[];
    case 'BOOL':
      return Uint8Array.from(data as readonly boolean[], Number);
    case 'INT64':
      return BigInt64Array.from(numbers, BigInt);
    case 'UINT64':
      return BigUint64Array.from(numbers, BigInt);
    default:
      return integerArrays[datatype].from(numbers) as Int32Array;
  }
}

function fromValues({ name, datatype }: TensorMetadata, values: TensorValues | undefined): Tensor {
  const data = values?.data ?? [];
  return {
    name,
    datatype,
    shape: values?.dims ?? [0],
    data:
      data instanceof Float32Array || data instanceof Float64Array
        ? data
        : Array.from(data as ArrayLike<number | bigint | string>, (value) =>
            datatype === 'BOOL' ? Boolean(value) : typeof value === 'bigint' ? Number(value) : value,
          ),
  };
}

/** A row of zeros. A model may refuse it for its values, and a model with free dimensions cannot be asked blindly. */
async function warmUp(model: ServedModel): Promise<void> {
  if (model.inputs.some(({ shape }) => shape.slice(1).includes(-1))) return;
  const inputs = model.inputs.map(({ name, datatype, shape }) => {
    const dims = shape.map((size) => (size === -1 ? 1 : size));
    const length = dims.reduce((product, size) => product * size, 1);
    const zero = datatype === 'BYTES' ? '' : datatype === 'BOOL' ? false : 0;
    return { name, datatype, shape: dims, data: Array.from({ length }, () => zero) };
  });
  await model.infer(inputs).catch(() => {});
}
