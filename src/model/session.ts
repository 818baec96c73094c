import type { InferenceSession, Tensor } from 'onnxruntime-node';
import { ModelError } from '../errors.ts';
import { explainLoadError, explainRunError } from './load-error.ts';
import { fromFloat16, joinRows, takeRows, toFloat16, type TensorValues } from './tensor.ts';

export interface Session {
  /** Run the model on any number of rows; float16 is fed and given as Float32Array. @throws ModelError */
  run(feeds: Readonly<Record<string, TensorValues>>): Promise<Record<string, TensorValues>>;
  close(): Promise<void>;
}

/** All that a session is made of; it can be sent to another thread. */
export interface SessionPlan {
  uri: string;
  /** The model as Node can run it. */
  bytes: Uint8Array;
  /** Where the external data is, and nothing else. */
  folder: string;
  /** `feed` is the name in the graph; `bare`: it has no dimension of rows, and takes the features of one row. */
  inputs: { name: string; type: string; feed: string; bare: boolean }[];
  outputs: { name: string; type: string }[];
  /** Names of the outputs in the graph. */
  fetches: string[];
  /** Rows of every run, where the model fixes them. */
  batch: number | null;
}

/**
 * Open a session in this thread. One thread a run, as in the server: more of them would move the last bits of answers, with
 * the number of cores. Cores are used by sessions side by side.
 * @throws ModelError that says what the model needs and the runtime lacks
 */
export async function openSession({
  uri,
  bytes,
  folder,
  inputs,
  outputs,
  fetches,
  batch,
}: SessionPlan): Promise<Session> {
  // From 1.29 on the runtime sends the names and digests of models to its maker, unless this is set before it is loaded.
  process.env['ORT_DISABLE_TELEMETRY'] = '1';
  const ort = await import('onnxruntime-node');
  const settings: InferenceSession.SessionOptions = {
    // Errors reach us as exceptions; what the runtime would write to the log is no use there.
    logSeverityLevel: 4,
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    extra: { session: { model_external_initializers_file_folder_path: folder } },
  };
  const session = await ort.InferenceSession.create(bytes, settings).catch((cause: unknown) => {
    throw explainLoadError(cause, uri);
  });

  async function runOnce(feeds: Readonly<Record<string, TensorValues>>): Promise<Record<string, TensorValues>> {
    const tensors = Object.fromEntries(
      inputs.map(({ name, type, feed, bare }) => {
        const { data, dims: given } = feeds[name] as TensorValues;
        const dims = bare ? given.slice(1) : given;
        const tensor =
          type === 'float16'
            ? halfTensor(ort.Tensor, data as Float32Array, dims)
            : new ort.Tensor(nativeTypes[type] ?? (type as never), data as never, dims);
        return [feed, tensor];
      }),
    );
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
    async run(feeds) {
      const rows = rowsOf(inputs, feeds, uri);
      return batch === null ? runOnce(feeds) : runInBlocks(feeds, rows, batch, runOnce);
    },
    close: () => session.release(),
  };
}

/** Names of the runtime, where they are not ONNX's; bfloat16 is cast in the graph. */
const nativeTypes: Readonly<Record<string, 'float32' | 'float64'>> = {
  float: 'float32',
  bfloat16: 'float32',
  double: 'float64',
};

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

function rowsOf(inputs: SessionPlan['inputs'], feeds: Readonly<Record<string, TensorValues>>, uri: string): number {
  let rows = 0;
  for (const { name, type } of inputs) {
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
    const block = (values: TensorValues): TensorValues => (rows === batch ? values : takeRows(values, taken));
    parts.push(await run(Object.fromEntries(Object.entries(feeds).map(([name, values]) => [name, block(values)]))));
  }
  return Object.fromEntries(
    Object.keys(parts[0] ?? {}).map((name) => [name, joinBlocks(parts.map((part) => part[name] as TensorValues))]),
  );

  /** All of what a block of one row gives is of that row, whatever its dimensions. */
  function joinBlocks(blocks: TensorValues[]): TensorValues {
    const { dims = [] } = blocks[0] ?? {};
    const axis = Math.max(0, dims.indexOf(batch));
    const joined = joinRows(
      dims.includes(batch) || (batch > 1 && dims.length > 0)
        ? blocks
        : blocks.map((values) => ({ ...values, dims: [1, ...values.dims] })),
      axis,
    );
    const filledUp = joined.dims[axis] === blocks.length * batch && rows % batch !== 0;
    return filledUp ? takeRows(joined, [...Array.from({ length: rows }).keys()], axis) : joined;
  }
}
