/*
 * What a person would write by hand to predict with two models: no checks, and no process beside its own. A script of its own, so that
 * nothing else is loaded with it. Arguments: folder, rows, features, rows a batch.
 */
import { join } from 'node:path';

const [, , source = '', ...numbers] = process.argv;
const [rows = 0, width = 0, size = 0] = numbers.map(Number);
const started = performance.now();
const { DuckDBInstance } = await import('@duckdb/node-api');
process.env['ORT_DISABLE_TELEMETRY'] = '1';
const { InferenceSession, Tensor } = await import('onnxruntime-node');
const sessions = [
  await InferenceSession.create(join(source, 'candidate.onnx')),
  await InferenceSession.create(join(source, 'champion.onnx')),
];
const connection = await (await DuckDBInstance.create(':memory:')).connect();
const names = Array.from({ length: width }, (_, index) => `f${index}`);
const result = await connection.stream(`select ${names.join(', ')} from '${join(source, 'data.parquet')}'`);
const data = new Float32Array(size * width);
const scores = sessions.map(() => new Float64Array(rows));
let [filled, done] = [0, 0];
for (let chunk = await result.fetchChunk(); chunk !== null && chunk.rowCount > 0; chunk = await result.fetchChunk()) {
  for (let column = 0; column < width; column += 1) {
    const { items } = chunk.getColumnVector(column) as unknown as { items: Float32Array };
    transpose(items, filled * width + column, chunk.rowCount);
  }
  filled += chunk.rowCount;
  if (filled + 2048 > size) await flush();
}
if (filled > 0) await flush();
const ended = performance.now();
process.send?.({
  // Times of a process count from its start.
  predict: ended,
  alone: ended - started,
  evaluate: 0,
  whole: ended,
  checksum: scores.reduce((total, each) => each.reduce((a, b) => a + b, total), 0),
  memory: Math.round(process.resourceUsage().maxRSS / 1024),
  intervals: {},
});

async function flush(): Promise<void> {
  const x = new Tensor('float32', data.subarray(0, filled * width), [filled, width]);
  for (const [index, session] of sessions.entries()) {
    const { probability } = await session.run({ x });
    scores[index]?.set(probability?.data as Float32Array, done);
  }
  done += filled;
  filled = 0;
}

/** A function of its own, since the engine optimises the loop there far better than at the top. */
function transpose(items: Float32Array, start: number, count: number): void {
  for (let row = 0, at = start; row < count; row += 1, at += width) data[at] = items[row] as number;
}
