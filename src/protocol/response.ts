import { StagingError } from '../errors.ts';
import { isDatatype } from './datatype.ts';
import { isObject } from '../json.ts';
import { parseJson, quote } from './json.ts';
import { elementCount, readElements, readShape } from './tensor.ts';
import type { Element, Tensor } from './tensor.ts';

/** A tensor, or what says that its bytes follow the JSON. */
type Answered = Omit<Tensor, 'data'> & { data?: Tensor['data'] | undefined; parameters?: { binary_data_size: number } };

/** JSON body of an answer. Missing numbers travel as `null`. */
export function inferResponse(model: string, outputs: readonly Answered[], id?: string): string {
  const tensors = outputs.map(({ name, datatype, shape, data, parameters }) => ({
    name,
    datatype,
    shape,
    parameters,
    data: data === undefined || Array.isArray(data) ? (data as Element[]) : Array.from(data as Float32Array),
  }));
  return JSON.stringify({ model_name: model, ...(id !== undefined && { id }), outputs: tensors });
}

/**
 * The outputs that an answer holds. FP16 and FP32 are kept with every digit that came.
 * @throws StagingError when it is not an answer of the protocol
 */
export function readInferResponse(body: string | Buffer): Tensor[] {
  let value: unknown;
  try {
    value = parseJson(body);
  } catch (error) {
    throw unexpected(`is not JSON (${(error as Error).message.slice(0, 100)})`, 'a JSON object with outputs');
  }
  if (!isObject(value) || !Array.isArray(value['outputs'])) throw unexpected('has no outputs', 'an array of outputs');
  return (value['outputs'] as unknown[]).flatMap((output) => {
    // Of a type that JSON does not carry (BF16): whoever reads it misses it by name.
    if (isObject(output) && typeof output['datatype'] === 'string' && !isDatatype(output['datatype'])) return [];
    const shape = isObject(output) ? readShape(output['shape']) : undefined;
    if (
      !isObject(output) ||
      typeof output['name'] !== 'string' ||
      !isDatatype(output['datatype']) ||
      shape === undefined
    ) {
      throw unexpected('has an output without name, datatype or shape', 'name, datatype and shape');
    }
    const { name, datatype } = output;
    const count = elementCount(shape);
    // Scores are compared with offline ones: keep every digit that came, whatever the declared precision.
    const data = readElements(output['data'], datatype === 'FP32' || datatype === 'FP16' ? 'FP64' : datatype, count);
    if (typeof data === 'string') throw unexpected(`${data} in ${quote(name)}`, `${count} of ${datatype}`);
    return [{ name, datatype, shape, data }];
  });
}

function unexpected(found: string, expected: string): StagingError {
  return new StagingError({ found: `The answer ${found}`, expected });
}
