import { StagingError } from '../errors.ts';
import { isDatatype } from './datatype.ts';
import { isObject, quote } from './json.ts';
import { describeShape, elementCount, readElements, readShape } from './tensor.ts';
import type { Element, Tensor } from './tensor.ts';
import type { Signature } from './signature.ts';

/**
 * Predictions as an answer gives them, laid out as offline predictions are: binary scores `[rows]` of the positive class,
 * scores of several classes row-major `[rows x classes]`, values of a regression `[rows]`; labels as indexes into the classes,
 * -1 for a label that is none of them.
 */
export interface Answer {
  rows: number;
  scores: Float64Array | null;
  labels: Int32Array | null;
}

/** JSON body of an answer. Missing numbers travel as `null`. */
export function inferResponse(model: string, outputs: readonly Tensor[], id?: string): string {
  const tensors = outputs.map(({ name, datatype, shape, data }) => ({
    name,
    datatype,
    shape,
    data: Array.isArray(data) ? (data as Element[]) : Array.from(data as Float32Array),
  }));
  return JSON.stringify({ model_name: model, ...(id !== undefined && { id }), outputs: tensors });
}

/**
 * Read an answer.
 * @throws StagingError when it is not one, or does not hold the outputs of the signature.
 */
export function readInferResponse(body: string | Buffer, signature: Signature): Answer {
  const outputs = readOutputs(body);
  const score = signature.scoreOutput === null ? null : named(outputs, signature.scoreOutput);
  const label = signature.labelOutput === null ? null : named(outputs, signature.labelOutput);
  const rows = (score ?? label)?.shape[0] ?? 0;
  if (label !== null && elementCount(label.shape) !== rows) {
    throw unexpected(
      `has shape ${describeShape(label.shape)} in ${quote(label.name)}`,
      `one label for each of ${rows} rows`,
    );
  }
  return {
    rows,
    scores: score === null ? null : readScores(score, signature),
    labels: label === null ? null : readLabels(label, signature),
  };
}

function readOutputs(body: string | Buffer): Tensor[] {
  let value: unknown;
  try {
    value = JSON.parse(body.toString());
  } catch {
    throw unexpected('is not JSON', 'a JSON object with outputs');
  }
  if (!isObject(value) || !Array.isArray(value['outputs'])) throw unexpected('has no outputs', 'an array of outputs');
  return (value['outputs'] as unknown[]).map((output) => {
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
    return { name, datatype, shape, data };
  });
}

function readScores(tensor: Tensor, { kind, classes, positive = 1, transform = 'none' }: Signature): Float64Array {
  const [rows = 0, ...rest] = tensor.shape;
  const width = elementCount(rest);
  const values = tensor.data as Float64Array;
  const wanted = kind === 'classes' ? (classes?.length ?? width) : kind === 'binary' ? [1, 2] : 1;
  if (Array.isArray(wanted) ? !wanted.includes(width) : width !== wanted) {
    throw unexpected(
      `has shape ${describeShape(tensor.shape)} in ${quote(tensor.name)}`,
      `${String(wanted)} scores a row`,
    );
  }
  if (transform === 'softmax') softmax(values, width);
  if (transform === 'sigmoid')
    for (let index = 0; index < values.length; index++) values[index] = sigmoid(values[index] ?? NaN);
  if (kind !== 'binary' || width === 1) return values;
  return Float64Array.from({ length: rows }, (_, row) => values[row * width + positive] ?? Number.NaN);
}

/** Numerically stable logistic function. */
function sigmoid(value: number): number {
  return value >= 0 ? 1 / (1 + Math.exp(-value)) : Math.exp(value) / (1 + Math.exp(value));
}

function softmax(values: Float64Array, width: number): void {
  for (let start = 0; start < values.length; start += width) {
    const row = values.subarray(start, start + width);
    const greatest = Math.max(...row);
    let sum = 0;
    for (const [index, value] of row.entries()) sum += row[index] = Math.exp(value - greatest);
    for (const [index, value] of row.entries()) row[index] = value / sum;
  }
}

function readLabels(tensor: Tensor, { classes }: Signature): Int32Array {
  const data = tensor.data as readonly Element[];
  // Exporters write labels as numbers or text, whatever the column of the data holds.
  const indexes = new Map((classes ?? []).map((value, index) => [String(value), index]));
  return Int32Array.from(data, (value) => indexes.get(String(value)) ?? (classes === null ? Number(value) : -1));
}

function named(outputs: readonly Tensor[], name: string): Tensor {
  const output = outputs.find((candidate) => candidate.name === name);
  if (output !== undefined) return output;
  throw unexpected(
    `has no output ${quote(name)}`,
    outputs.map((candidate) => candidate.name).join(', ') || 'an output',
  );
}

function unexpected(found: string, expected: string): StagingError {
  return new StagingError({ found: `The answer ${found}`, expected });
}
