import { StagingError } from '../errors.ts';
import { sigmoid, softmax } from '../probabilities.ts';
import { isDatatype } from './datatype.ts';
import { isObject, quote } from './json.ts';
import { describeShape, elementCount, readElements, readShape } from './tensor.ts';
import type { Element, Tensor } from './tensor.ts';
import type { Signature } from './signature.ts';

/**
 * Predictions as an answer gives them, laid out as offline predictions are: binary scores `[rows]` of the positive class,
 * scores of several classes or labels row-major `[rows x classes]`, values of a regression `[rows]`; labels as indexes into the
 * classes, several labels as 0 and 1 `[rows x labels]`, -1 for what is none of these.
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
  const score = signature.scoreOutput === null ? null : ofRows(named(outputs, signature.scoreOutput), signature);
  const label = signature.labelOutput === null ? null : named(outputs, signature.labelOutput);
  const rows = (score ?? label)?.shape[0] ?? 0;
  const each = signature.kind === 'labels' ? (signature.classes?.length ?? 1) : 1;
  if (label !== null && elementCount(label.shape) !== rows * each) {
    throw unexpected(
      `has shape ${describeShape(label.shape)} in ${quote(label.name)}`,
      `${each === 1 ? 'one label' : `${each} labels`} for each of ${rows} rows`,
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

/** Scores row by row: models of one classifier a label stack their probabilities, `[labels, rows, 2]`. */
function ofRows(tensor: Tensor, { kind, classes }: Signature): Tensor {
  const [labels = 0, rows = 0, pair, ...rest] = tensor.shape;
  if (kind !== 'labels' || labels !== classes?.length || pair !== 2 || rest.length > 0) return tensor;
  const stacked = tensor.data as Float64Array;
  const data = Float64Array.from(
    { length: rows * labels },
    (_, at) => stacked[((at % labels) * rows + Math.floor(at / labels)) * 2 + 1] as number,
  );
  return { ...tensor, shape: [rows, labels], data };
}

function readScores(tensor: Tensor, { kind, classes, positive = 1, transform = 'none' }: Signature): Float64Array {
  const [rows = 0, ...rest] = tensor.shape;
  const width = elementCount(rest);
  const raw = tensor.data as Float64Array;
  const many = kind === 'classes' || kind === 'labels';
  const wanted = many ? (classes?.length ?? width) : kind === 'binary' ? [1, 2] : 1;
  if (Array.isArray(wanted) ? !wanted.includes(width) : width !== wanted) {
    throw unexpected(
      `has shape ${describeShape(tensor.shape)} in ${quote(tensor.name)}`,
      `${String(wanted)} scores a row`,
    );
  }
  const values = transform === 'softmax' ? softmax(raw, width) : transform === 'sigmoid' ? raw.map(sigmoid) : raw;
  if (kind !== 'binary' || width === 1) return values;
  return Float64Array.from({ length: rows }, (_, row) => values[row * width + positive] ?? Number.NaN);
}

function readLabels(tensor: Tensor, { kind, classes }: Signature): Int32Array {
  const data = tensor.data as readonly Element[];
  if (kind === 'labels') {
    return Int32Array.from(data, (value) => ([0, 1, false, true].includes(value as number) ? Number(value) : -1));
  }
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
