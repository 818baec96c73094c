import type { Tensor } from '../protocol/index.ts';
import type { ServedModel } from './served-model.ts';

export interface BatchSettings {
  /** A batch holds no more rows, unless one request alone does. */
  maxRows: number;
  /** The longest that a request waits for others, in milliseconds. */
  maxDelayMs: number;
}

interface Waiting {
  inputs: readonly Tensor[];
  rows: number;
  /** Requests of one shape go together. */
  shape: string;
  resolve(outputs: Tensor[]): void;
  reject(error: unknown): void;
}

/**
 * Answer requests that come at about the same time in one run of the model. While a run is under way the next batch gathers, so that
 * only a request that finds the model idle waits, and no longer than the delay. A batch that fails is run again request by request:
 * no request fails for the rows of another. Every output must have the rows as its first dimension, else nothing is batched.
 */
export function batched(
  model: Pick<ServedModel, 'inputs' | 'outputs' | 'infer'>,
  { maxRows, maxDelayMs }: BatchSettings,
  onBatch: (requests: number, rows: number) => void = () => {},
): ServedModel['infer'] {
  if (![...model.inputs, ...model.outputs].every(({ shape }) => shape[0] === -1))
    return (inputs) => model.infer(inputs);
  const waiting: Waiting[] = [];
  let running = false;
  let timer: NodeJS.Timeout | undefined;

  return (inputs) =>
    new Promise((resolve, reject) => {
      const rows = inputs[0]?.shape[0] ?? 0;
      const shape = inputs.map((input) => input.shape.slice(1).join('x')).join(' ');
      waiting.push({ inputs, rows, shape, resolve, reject });
      if (running) return;
      const gathered = waiting.reduce((sum, each) => sum + each.rows, 0);
      if (gathered >= maxRows || maxDelayMs === 0) start();
      else timer ??= setTimeout(start, maxDelayMs);
    });

  function start(): void {
    clearTimeout(timer);
    timer = undefined;
    const [first] = waiting;
    if (running || first === undefined) return;
    const batch: Waiting[] = [];
    let rows = 0;
    for (const each of waiting) {
      if (each.shape !== first.shape) continue;
      if (batch.length > 0 && rows + each.rows > maxRows) break;
      batch.push(each);
      rows += each.rows;
    }
    for (const each of batch) waiting.splice(waiting.indexOf(each), 1);
    running = true;
    onBatch(batch.length, rows);
    void answer(batch, rows).finally(() => {
      running = false;
      start();
    });
  }

  async function answer(batch: readonly Waiting[], rows: number): Promise<void> {
    const [only] = batch;
    if (batch.length === 1 && only !== undefined) return alone(only);
    try {
      const outputs = await model.infer(joined(batch, rows));
      if (outputs.some(({ shape }) => shape[0] !== rows)) throw new Error('an output without rows');
      let start = 0;
      for (const each of batch) {
        each.resolve(outputs.map((output) => part(output, start, each.rows)));
        start += each.rows;
      }
    } catch {
      for (const each of batch) await alone(each);
    }
  }

  async function alone({ inputs, resolve, reject }: Waiting): Promise<void> {
    await model.infer(inputs).then(resolve, reject);
  }
}

function joined(batch: readonly Waiting[], rows: number): Tensor[] {
  const [first] = batch as [Waiting, ...Waiting[]];
  return first.inputs.map((input, index) => ({
    ...input,
    shape: [rows, ...input.shape.slice(1)],
    data: concatenated(batch.map(({ inputs }) => (inputs[index] as Tensor).data)),
  }));
}

function concatenated(parts: readonly Tensor['data'][]): Tensor['data'] {
  const [first] = parts;
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  if (!(first instanceof Float32Array || first instanceof Float64Array)) {
    return (parts as readonly (readonly (string | number | boolean)[])[]).flat();
  }
  const all = first instanceof Float32Array ? new Float32Array(length) : new Float64Array(length);
  let start = 0;
  for (const part of parts) {
    all.set(part as Float32Array, start);
    start += part.length;
  }
  return all;
}

function part({ shape, data, ...tensor }: Tensor, start: number, rows: number): Tensor {
  const width = data.length / (shape[0] as number);
  return { ...tensor, shape: [rows, ...shape.slice(1)], data: data.slice(start * width, (start + rows) * width) };
}
