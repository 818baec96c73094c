import { StagingError } from '../errors.ts';
import { isDatatype } from './datatype.ts';
import { isObject } from './json.ts';
import { readShape } from './tensor.ts';
import type { ModelMetadata, TensorMetadata } from './tensor.ts';

/**
 * Read what `GET /v2/models/{name}` answered. The server may be anyone's, so nothing is taken for granted.
 * @throws StagingError naming the field that is wrong.
 */
export function readModelMetadata(body: string): ModelMetadata {
  const fail = (found: string): never => {
    throw new StagingError({
      found: `The model metadata ${found}`,
      expected: 'an answer of the Open Inference Protocol v2 with name, inputs and outputs',
    });
  };
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return fail('is not JSON');
  }
  if (!isObject(value) || typeof value['name'] !== 'string') return fail('has no name');
  const tensors = (field: 'inputs' | 'outputs'): TensorMetadata[] => {
    const list = value[field];
    if (!Array.isArray(list) || list.length === 0) return fail(`has no ${field}`);
    return (list as unknown[]).map((item) => {
      const shape = isObject(item) ? readShape(item['shape'], -1) : undefined;
      if (!isObject(item) || typeof item['name'] !== 'string' || !isDatatype(item['datatype']) || shape === undefined) {
        return fail(`has ${field} without name, datatype or shape`);
      }
      return { name: item['name'], datatype: item['datatype'], shape };
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
