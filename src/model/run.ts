import type { InferenceSession, Tensor } from 'onnxruntime-node';
import { ModelError } from '../errors.ts';
import { readModel } from './artifact.ts';
import { inspect, type ModelInspection, type TensorDeclaration } from './inspect.ts';
import { explainLoadError, explainRunError } from './load-error.ts';
import { parseModel, withoutZipMap } from './onnx.ts';
import { fromFloat16, isTensorType, joinRows, takeRows, toFloat16, type TensorValues } from './tensor.ts';

export type { TensorData, TensorValues } from './tensor.ts';

/** A model ready to predict, in this process. */
export interface LoadedModel {
  inspection: ModelInspection;
  /** What `run` gives: a ZipMap, which Node cannot read, is replaced by the matrix before it. */
  outputs: OutputDeclaration[];
  /** Run the model on any number of rows; float16 is fed and given as Float32Array. @throws ModelError */
  run(feeds: Readonly<Record<string, TensorValues>>): Promise<Record<string, TensorValues>>;
  close(): Promise<void>;
}

export type OutputDeclaration = TensorDeclaration & { shape: (number | string | null)[] };

export interface LoadOptions {
  /** Threads of one run (default: one a core). */
  threads?: number;
}

/**
 * Load an ONNX model into this process. A hostile model can crash it or take its memory: predict in a child process.
 * @throws ModelError that says what the model needs and the runtime lacks
 */
export async function loadModel(path: string, uri: string, options: LoadOptions = {}): Promise<LoadedModel> {
  const bytes = await readModel(path, uri);
  const model = parseModel(bytes, uri);
  const inspection = inspect(model, bytes.length);
  const [problem] = inspection.problems;
  if (problem !== undefined) throw new ModelError({ found: problem, where: uri });
  const rewritten = withoutZipMap(bytes, model);
  // From 1.29 on the runtime sends the names and digests of models to its maker, unless this is set before it is loaded.
  process.env['ORT_DISABLE_TELEMETRY'] = '1';
  const ort = await import('onnxruntime-node');
  const session = await createSession(path, rewritten?.bytes ?? null, uri, options);
  const matrices = rewritten?.matrices ?? new Map<string, string>();
  const outputs = inspection.outputs.flatMap(({ name, type, shape }): OutputDeclaration[] => {
    if (matrices.has(name))
      return [{ name, type: 'float', shape: [null, inspection.origins[name]?.classes?.length ?? null] }];
    return isTensorType(type) ? [{ name, type, shape: shape ?? [null] }] : [];
  });
  if (outputs.length === 0) {
    throw new ModelError({
      found: `the model gives only ${inspection.outputs.map(({ name, type }) => `${name}, a ${type}`).join('; ')}`,
      expected: 'at least one output that is a tensor',
      where: uri,
      remedy: 'Export it with tensor outputs (skl2onnx: zipmap=False)',
    });
  }
  const fetches = outputs.map(({ name }) => matrices.get(name) ?? name);
  const batch = inspection.inputs.map(({ shape }) => shape?.[0]).find((size) => typeof size === 'number');

  async function runOnce(feeds: Readonly<Record<string, TensorValues>>): Promise<Record<string, TensorValues>> {
    const tensors: Record<string, Tensor> = {};
    for (const { name, type } of inspection.inputs) {
      const { data, dims } = feeds[name] as TensorValues;
      tensors[name] =
        type === 'float16'
          ? halfTensor(ort.Tensor, data as Float32Array, dims)
          : new ort.Tensor(nativeTypes[type] ?? (type as never), data as never, dims);
    }
    const results = await session.run(tensors, fetches).catch((cause: unknown) => {
      throw explainRunError(cause, uri);
    });
    return Object.fromEntries(
      outputs.map(({ name, type }, index) => {
        const { data, dims } = results[fetches[index] as string] as Tensor;
        return [name, { type, dims, data: type === 'float16' ? singles(data as Uint16Array) : data }];
      }),
    );
  }

  return {
    inspection,
    outputs,
    async run(feeds) {
      const rows = rowsOf(inspection, feeds, uri);
      return batch === undefined || batch === rows ? runOnce(feeds) : runInBlocks(feeds, rows, batch, runOnce);
    },
    close: () => session.release(),
  };
}

/** Names of the runtime, where they are not ONNX's. */
const nativeTypes: Readonly<Record<string, 'float32' | 'float64'>> = { float: 'float32', double: 'float64' };

/**
 * A tensor of half precision floats. Where JavaScript has Float16Array (Node 24) onnxruntime-common 1.30 turns the bits into
 * one, which its native half takes for empty: the bits are put back.
 */
function halfTensor(TensorClass: typeof Tensor, values: Float32Array, dims: readonly number[]): Tensor {
  const bits = Uint16Array.from(values, toFloat16);
  return Object.defineProperty(new TensorClass('float16', bits, dims), 'data', { value: bits });
}

/** Half precision floats as the runtime gives them: their bits before Node 24, a Float16Array since. */
function singles(data: Uint16Array): Float32Array {
  return data instanceof Uint16Array ? Float32Array.from(data, fromFloat16) : Float32Array.from(data);
}

async function createSession(
  path: string,
  bytes: Uint8Array | null,
  uri: string,
  options: LoadOptions,
): Promise<InferenceSession> {
  const { InferenceSession } = await import('onnxruntime-node');
  const settings: InferenceSession.SessionOptions = {
    // Errors reach us as exceptions; what the runtime would write to the log is no use there.
    logSeverityLevel: 4,
    // Threads that spin between runs take the cores from whatever reads the next rows: predicting a file took 1.6 times as long.
    extra: { session: { intra_op: { allow_spinning: '0' } } },
    ...(options.threads === undefined ? {} : { intraOpNumThreads: options.threads }),
  };
  try {
    return await (bytes === null ? InferenceSession.create(path, settings) : InferenceSession.create(bytes, settings));
  } catch (cause) {
    throw explainLoadError(cause, uri);
  }
}

function rowsOf(inspection: ModelInspection, feeds: Readonly<Record<string, TensorValues>>, uri: string): number {
  let rows = 0;
  for (const { name, type } of inspection.inputs) {
    const given = feeds[name];
    if (given?.type !== type) {
      throw new ModelError({
        found: given === undefined ? `there is nothing for input ${name}` : `input ${name} is given ${given.type}`,
        expected: type,
        where: uri,
      });
    }
    rows = given.dims[0] ?? 1;
  }
  return rows;
}

/** A model exported with a fixed batch takes exactly that many rows; the last block is filled up with its last row. */
async function runInBlocks(
  feeds: Readonly<Record<string, TensorValues>>,
  rows: number,
  batch: number,
  run: (feeds: Record<string, TensorValues>) => Promise<Record<string, TensorValues>>,
): Promise<Record<string, TensorValues>> {
  const parts: Record<string, TensorValues>[] = [];
  for (let start = 0; start < rows; start += batch) {
    const taken = Array.from({ length: batch }, (_, index) => Math.min(start + index, rows - 1));
    const block = Object.fromEntries(Object.entries(feeds).map(([name, values]) => [name, takeRows(values, taken)]));
    const outputs = await run(block);
    const wanted = Array.from({ length: Math.min(batch, rows - start) }, (_, index) => index);
    parts.push(
      wanted.length === batch
        ? outputs
        : Object.fromEntries(Object.entries(outputs).map(([name, values]) => [name, takeRows(values, wanted)])),
    );
  }
  return Object.fromEntries(
    Object.keys(parts[0] ?? {}).map((name) => [name, joinRows(parts.map((part) => part[name] as TensorValues))]),
  );
}
