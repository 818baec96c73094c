import { StagingError } from '../errors.ts';
import { isDatatype } from './datatype.ts';
import { isObject } from '../json.ts';
import { parseJson, quote } from './json.ts';
import { readShape } from './tensor.ts';
import type { ModelMetadata, TensorMetadata } from './tensor.ts';

/**
 * Read what `GET /v2/models/{name}` answered. The server may be anyone's, so nothing is taken for granted. Inputs and outputs may be
 * missing: MLServer and the runtimes of KServe tell them only where they were configured to. Outputs of a type that JSON does not carry
 * (BF16) are left out.
 * @throws StagingError naming the field that is wrong.
 */
export function readModelMetadata(body: string): ModelMetadata {
  const fail = (found: string): never => {
    throw new StagingError({
      found: `The model metadata ${found}`,
      expected: 'a response of the Open Inference Protocol v2 with name, inputs and outputs',
    });
  };
  let value: unknown;
  try {
    value = parseJson(body);
  } catch {
    return fail('is not JSON');
  }
  if (!isObject(value) || typeof value['name'] !== 'string' || value['name'] === '') return fail('has no name');
  const tensors = (field: 'inputs' | 'outputs'): TensorMetadata[] => {
    const list = value[field] ?? [];
    if (!Array.isArray(list)) return fail(`has ${field} that are not a list`);
    return (list as unknown[]).flatMap((item) => {
      const shape = isObject(item) ? readShape(item['shape'], -1) : undefined;
      if (!isObject(item) || typeof item['name'] !== 'string' || shape === undefined) {
        return fail(`has ${field} without name, datatype or shape`);
      }
      const { name, datatype } = item;
      if (isDatatype(datatype)) return [{ name, datatype, shape }];
      // An output that nobody reads may be of any type; an input must be given.
      if (field === 'outputs' && typeof datatype === 'string') return [];
      return fail(`has input ${quote(name)} of datatype ${quote(datatype)}, which cannot be sent as JSON`);
    });
  };
  const { platform } = value;
  return {
    name: value['name'],
    platform: typeof platform === 'string' ? platform : '',
    inputs: tensors('inputs'),
    outputs: tensors('outputs'),
  };
}
