import { StagingError } from '../errors.ts';
import { isDatatype, isFloating } from './datatype.ts';
import { isObject, quote } from './json.ts';
import { readShape } from './tensor.ts';
import type { ModelMetadata, TensorMetadata } from './tensor.ts';

/** How scores and labels are read from the outputs of a served model. */
export interface Reading {
  /**
   * `probabilities` of a classifier become one score (binary) or one a class; `labels` are several a row, each with a score and a
   * decision of its own; `values` of a regression or a ranking are read as they are.
   */
  kind: 'binary' | 'classes' | 'labels' | 'values';
  /** Values of the classes in the order of the model, or names of the labels; null for values. */
  classes: readonly (string | number | boolean)[] | null;
  /** Index of the positive class of a binary model (default 1). */
  positive?: number | undefined;
  /** Name of the output that holds the scores, when it is not the only floating one. */
  output?: string | undefined;
  transform?: 'none' | 'sigmoid' | 'softmax' | undefined;
}

/** What a client must know of a served model to ask it and to read its answers. */
export interface Signature extends Reading {
  model: string;
  inputs: readonly TensorMetadata[];
  scoreOutput: string | null;
  labelOutput: string | null;
}

/**
 * Decide which outputs of a served model hold its scores and its labels.
 * @throws StagingError when the output named in `reading` is not there, or nothing can be read.
 */
export function signatureOf(metadata: ModelMetadata, reading: Reading): Signature {
  const { outputs } = metadata;
  const floating = outputs.filter(({ datatype }) => isFloating(datatype));
  const score = reading.output === undefined ? widest(floating) : floating.find(({ name }) => name === reading.output);
  if (reading.output !== undefined && score === undefined) {
    throw new StagingError({
      found: `The served model has no floating output ${quote(reading.output)}`,
      expected: outputs.map(({ name, datatype }) => `${name} (${datatype})`).join(', '),
    });
  }
  const label = reading.kind === 'values' ? undefined : outputs.find(({ datatype }) => !isFloating(datatype));
  if (score === undefined && label === undefined) {
    throw new StagingError({
      found: `The served model ${quote(metadata.name)} has no output of scores or labels`,
      expected: 'at least one output',
    });
  }
  return {
    ...reading,
    model: metadata.name,
    inputs: metadata.inputs,
    scoreOutput: score?.name ?? null,
    labelOutput: label?.name ?? null,
  };
}

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

/** The floating output with most dimensions: probabilities of all classes rather than one derived number. */
function widest(outputs: readonly TensorMetadata[]): TensorMetadata | undefined {
  return outputs.toSorted((a, b) => b.shape.length - a.shape.length)[0];
}
