/*
 * Predicting with two models and comparing them, against a bare script that reads the same Parquet through the same engine and
 * runs the same two sessions, each in a process of its own, in turns. Medians count.
 */
import { fork } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Policy } from '../src/config/schema.ts';
import { openDataset } from '../src/data/dataset.ts';
import { evaluate } from '../src/evaluate/evaluate.ts';
import { metricsOf } from '../src/evaluate/metrics/catalogue.ts';
import { silentLog } from '../src/log.ts';
import { localModel } from '../src/model/artifact.ts';
import { predictModels } from '../src/model/predict.ts';
import { floats, graph, model, node, tensor, valueInfo } from '../test/model/onnx-builder.ts';
import { writeParquet } from '../test/support/parquet.ts';

const rows = Number(process.env['BENCH_ROWS'] ?? 1_000_000);
const rounds = Number(process.env['BENCH_ROUNDS'] ?? 3);
/** Metrics without a closed form, such as the calibration errors, are resampled 2,000 times: minutes for a million rows. */
const resampled = process.env['BENCH_RESAMPLED'] === '1';
const features = Array.from({ length: 50 }, (_, index) => `f${index}`);
const columns = { id: 'id', label: 'label', features };
const task = 'binary-classification';

interface Measured {
  predict: number;
  evaluate: number;
  /** Sum of all scores: both must have predicted the same. */
  checksum: number;
  /** Peak resident memory of the process itself, in MiB. */
  memory: number;
}

const [, , role, folder = '', batch = ''] = process.argv;
if (role === 'bare') process.send?.(await bare(folder, Number(batch)));
else if (role === 'ours') process.send?.(await ours(folder));
else await compare();

async function compare(): Promise<void> {
  const temporary = await mkdtemp(join(tmpdir(), 'contender-bench-'));
  try {
    await generate(temporary);
    const sizes = [2048, 8192, 32768];
    const trials: number[] = [];
    for (const size of sizes) trials.push((await run('bare', temporary, size)).predict);
    const best = sizes[trials.indexOf(Math.min(...trials))] as number;
    console.log(`bare: ${sizes.map((size, index) => `${size} rows a batch ${seconds(trials[index])}`).join(', ')}`);
    const results: { bare: Measured; ours: Measured }[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const first = round % 2 === 0 ? await run('bare', temporary, best) : null;
      const own = await run('ours', temporary, 0);
      const other = first ?? (await run('bare', temporary, best));
      if (Math.abs(own.checksum - other.checksum) > 1e-3) throw new Error('the predictions differ');
      results.push({ bare: other, ours: own });
      console.log(
        `read and predict: bare ${seconds(other.predict)} (${other.memory} MiB), contender ${seconds(own.predict)}; ` +
          `evaluate ${seconds(own.evaluate)} (${own.memory} MiB); load average ${loadavg()[0]?.toFixed(1)}`,
      );
    }
    const ratio = median(results.map((each) => each.bare.predict / each.ours.predict));
    console.log(`read and predict: median ratio ${ratio.toFixed(3)} (target >= 0.85)`);
    const whole = median(results.map(({ ours: own }) => own.predict + own.evaluate));
    console.log(
      `read, predict and evaluate${resampled ? '' : ' (metrics with a closed form)'}: median ${seconds(whole)}`,
    );
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

async function generate(target: string): Promise<void> {
  // Hashes rather than random(): the same file on every machine and with any number of threads.
  const values = features.map(
    (name, index) => `((hash(i * 64 + ${index}) % 1000000) / 500000.0 - 1)::float as ${name}`,
  );
  const noise = '(hash(i * 64 + 63) % 1000000) / 500000.0 - 1';
  await writeParquet(
    join(target, 'data.parquet'),
    `select i as id, (f0 + f1 - f2 + ${noise} > 0)::integer as label, 's' || (i % 10) as segment, ${features.join(', ')}
     from (select i, ${values.join(', ')} from range(${rows}) t(i))`,
  );
  await writeFile(join(target, 'champion.onnx'), perceptron(8));
  await writeFile(join(target, 'candidate.onnx'), perceptron(32));
}

/** A network of one hidden layer that knows about as much as there is to know. */
function perceptron(hidden: number): Uint8Array {
  const first = Array.from({ length: features.length * hidden }, (_, index) => {
    const weight = [1, 1, -1][Math.floor(index / hidden)];
    return weight === undefined ? Math.sin(index) / 20 : weight * (1 + Math.cos(index) / 4);
  });
  return model(
    graph({
      nodes: [
        node('MatMul', ['x', 'w1'], ['h']),
        node('Tanh', ['h'], ['a']),
        node('MatMul', ['a', 'w2'], ['s']),
        node('Sigmoid', ['s'], ['probability']),
      ],
      inputs: [valueInfo('x', 'float', ['N', features.length])],
      outputs: [valueInfo('probability', 'float', ['N', 1])],
      initializers: [
        tensor('w1', 'float', [features.length, hidden], floats(...first)),
        tensor('w2', 'float', [hidden, 1], floats(...Array.from({ length: hidden }, () => 3 / hidden))),
      ],
    }),
  );
}

/** What a person would write by hand: no checks, no process of its own. */
async function bare(source: string, size: number): Promise<Measured> {
  const started = performance.now();
  const { DuckDBInstance } = await import('@duckdb/node-api');
  process.env['ORT_DISABLE_TELEMETRY'] = '1';
  const { InferenceSession, Tensor } = await import('onnxruntime-node');
  const sessions = [
    await InferenceSession.create(join(source, 'candidate.onnx')),
    await InferenceSession.create(join(source, 'champion.onnx')),
  ];
  const connection = await (await DuckDBInstance.create(':memory:')).connect();
  const result = await connection.stream(`select ${features.join(', ')} from '${join(source, 'data.parquet')}'`);
  const width = features.length;
  const data = new Float32Array(size * width);
  const scores = sessions.map(() => new Float64Array(rows));
  let [filled, done] = [0, 0];
  const flush = async (): Promise<void> => {
    const x = new Tensor('float32', data.subarray(0, filled * width), [filled, width]);
    for (const [index, session] of sessions.entries()) {
      const { probability } = await session.run({ x });
      scores[index]?.set(probability?.data as Float32Array, done);
    }
    done += filled;
    filled = 0;
  };
  for (let chunk = await result.fetchChunk(); chunk !== null && chunk.rowCount > 0; chunk = await result.fetchChunk()) {
    for (let column = 0; column < width; column += 1) {
      const { items } = chunk.getColumnVector(column) as unknown as { items: Float32Array };
      transpose(items, data, filled * width + column, width, chunk.rowCount);
    }
    filled += chunk.rowCount;
    if (filled + 2048 > size) await flush();
  }
  if (filled > 0) await flush();
  return { predict: performance.now() - started, evaluate: 0, checksum: sum(scores), memory: peak() };
}

/** A function of its own, since the engine optimises the loop there far better than inside an async function. */
function transpose(items: Float32Array, data: Float32Array, start: number, width: number, count: number): void {
  for (let row = 0, at = start; row < count; row += 1, at += width) data[at] = items[row] as number;
}

/** All binary metrics with intervals (but see `resampled`), and accuracy on ten slices. */
async function ours(source: string): Promise<Measured> {
  const path = join(source, 'data.parquet');
  const artifacts = {
    candidate: await localModel(join(source, 'candidate.onnx'), 'file:candidate.onnx'),
    champion: await localModel(join(source, 'champion.onnx'), 'file:champion.onnx'),
  };
  const started = performance.now();
  const results = await predictModels({
    models: (['candidate', 'champion'] as const).map((each) => ({ role: each, artifact: artifacts[each] })),
    dataset: { name: 'evaluation', path, uri: 'data.parquet' },
    columns,
    task,
    limits: { memoryBytes: 4 * 2 ** 30, timeMs: 600_000 },
    log: silentLog,
  });
  const predicted = performance.now();
  const [candidate, champion] = results;
  if (candidate?.ok !== true || champion?.ok !== true) throw new Error(JSON.stringify(results));
  const policy: Policy = {
    primary: { metric: 'roc_auc', margin: 0.01 },
    guardrails: [
      ...metricsOf(task)
        .filter(({ name, kind }) => name !== 'roc_auc' && (resampled || kind !== 'statistic'))
        .map(({ name }) => ({ metric: name, margin: 0.01 })),
      { metric: 'accuracy', margin: 0.02, slices: ['segment'] },
    ],
  };
  const dataset = await openDataset({ name: 'evaluation', path, uri: 'data.parquet' });
  try {
    await evaluate({
      model: 'bench',
      task,
      columns,
      policy,
      policyDigest: '',
      dataset,
      candidate: { artifact: artifacts.candidate, result: candidate },
      champion: { artifact: artifacts.champion, result: champion },
      reuse: 0,
      log: silentLog,
    });
  } finally {
    dataset.close();
  }
  return {
    predict: predicted - started,
    evaluate: performance.now() - predicted,
    checksum: sum([candidate, champion].map(({ predictions }) => predictions.scores as Float64Array)),
    memory: peak(),
  };
}

function run(who: 'bare' | 'ours', source: string, size: number): Promise<Measured> {
  return new Promise((done, failed) => {
    const child = fork(fileURLToPath(import.meta.url), [who, source, String(size)]);
    child.once('message', (measured) => {
      done(measured as Measured);
      child.kill();
    });
    child.once('exit', (code) => failed(new Error(`${who} ended with ${code}`)));
  });
}

function sum(arrays: readonly Float64Array[]): number {
  return arrays.reduce((total, values) => values.reduce((a, b) => a + b, total), 0);
}

function peak(): number {
  return Math.round(process.resourceUsage().maxRSS / 1024);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] as number;
}

function seconds(milliseconds: number | undefined): string {
  return `${((milliseconds ?? 0) / 1000).toFixed(2)} s`;
}
