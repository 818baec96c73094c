import cluster from 'node:cluster';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ContenderError, ModelError, UsageError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Counts } from './metrics.ts';
import { queueByDefault, startServer, type RunningServer } from './server.ts';
import { startWorkers, type FromWorker, type ToWorker } from './workers.ts';

/*
 * The model server as a program of its own: the built-in staging target and the container image run it.
 * It prints one JSON line on standard output, {"ready":true,"url":...,"opened":{path,sha256}} or {"ready":false,"error":...}, and its log on
 * standard error. SIGTERM and SIGINT let the answers under way finish. Exit code 1: it could not start. With --workers it starts itself so
 * many times; those tell it by IPC how they do.
 */
const log: Log = {
  info: (message) => process.stderr.write(`${message}\n`),
  warning: (message) => process.stderr.write(`${message}\n`),
  debug() {},
  group: (_title, work) => work(),
  progress() {},
};

let server: RunningServer | undefined;
try {
  const { values } = parseArgs({
    options: {
      model: { type: 'string', default: process.env['CONTENDER_MODEL'] ?? '/model' },
      name: { type: 'string', default: process.env['CONTENDER_MODEL_NAME'] ?? 'model' },
      host: { type: 'string', default: '0.0.0.0' },
      port: { type: 'string', default: process.env['PORT'] ?? '8080' },
      queue: { type: 'string', default: process.env['CONTENDER_QUEUE'] ?? String(queueByDefault) },
      batch: { type: 'string', default: process.env['CONTENDER_BATCH'] ?? '0' },
      'batch-delay': { type: 'string', default: process.env['CONTENDER_BATCH_DELAY_MS'] ?? '2' },
      workers: { type: 'string', default: process.env['CONTENDER_WORKERS'] ?? '1' },
      'drain-delay': { type: 'string', default: process.env['CONTENDER_DRAIN_DELAY_MS'] ?? '0' },
      sha256: { type: 'string' },
      'until-stdin-ends': { type: 'boolean', default: false },
    },
  });
  const batchRows = wholeNumber(values.batch, 'batch', 0);
  const common = { modelName: values.name, port: Number(values.port), host: values.host, log };
  const settings = {
    queue: wholeNumber(values.queue, 'queue', 1),
    drainDelayMs: wholeNumber(values['drain-delay'], 'drain-delay', 0),
    batch:
      batchRows === 0
        ? undefined
        : { maxRows: batchRows, maxDelayMs: wholeNumber(values['batch-delay'], 'batch-delay', 0) },
  };
  const workers = cluster.isWorker ? 1 : wholeNumber(values.workers, 'workers', 1);
  const path = await modelFile(values.model);
  const countsOfAll = cluster.isWorker ? answerForAll(() => server?.counts()) : undefined;
  server =
    workers > 1
      ? await startWorkers({ ...common, workers, path, settings })
      : await startServer({
          ...common,
          artifact: { path },
          settings: { ...settings, sha256: values.sha256, countsOfAll },
        });
  const { url, opened } = server;
  const close = () => void server?.close().then(() => process.exit(0));
  process.once('SIGTERM', close);
  process.once('SIGINT', close);
  if (values['until-stdin-ends']) process.stdin.once('close', close).resume();
  if (cluster.isWorker) say({ kind: 'ready', url, opened });
  else tell({ ready: true, url, opened });
} catch (error) {
  if (!cluster.isWorker) tell({ ready: false, error: error instanceof Error ? error.message : String(error) });
  else if (error instanceof ContenderError) {
    const { cause: _cause, ...fault } = error.fault;
    say({ kind: 'refused', code: error.code, fault });
  }
  if (!(error instanceof ContenderError))
    process.stderr.write(`${String(error instanceof Error ? error.stack : error)}\n`);
  process.exitCode = 1;
  if (cluster.isWorker) process.disconnect();
}

function tell(message: object): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

function say(message: FromWorker): void {
  process.send?.(message);
}

/** In a worker: tell what it counts to who started it, and ask that one what all count together. */
function answerForAll(own: () => Promise<Counts> | undefined): () => Promise<Counts> {
  const waiting: ((counts: Counts) => void)[] = [];
  process.on('message', (message: ToWorker) => {
    if (message.kind === 'all') for (const take of waiting.splice(0)) take(message.counts);
    else void own()?.then((counts) => say({ kind: 'counts', counts }));
  });
  return () =>
    new Promise((resolve) => {
      waiting.push(resolve);
      say({ kind: 'ask' });
    });
}

function wholeNumber(text: string, name: string, least: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= least) return value;
  throw new UsageError({ found: `${name}: ${JSON.stringify(text)}`, expected: `a whole number of at least ${least}` });
}

/** The model itself, or the only one in a folder. */
async function modelFile(path: string): Promise<string> {
  const isFolder = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (!isFolder) return path;
  const [only, ...others] = (await readdir(path)).filter((name) => name.endsWith('.onnx')).sort();
  if (only !== undefined && others.length === 0) return join(path, only);
  throw new ModelError({
    found: only === undefined ? 'There is no ONNX file' : `There are several models: ${[only, ...others].join(', ')}`,
    expected: 'one .onnx file',
    where: path,
    remedy: 'Mount the model there, or name it with --model or CONTENDER_MODEL',
  });
}
