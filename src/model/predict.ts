import { spawn, type ChildProcess } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import type { Columns, Task } from '../config/schema.ts';
import type { DatasetSource } from '../data/dataset.ts';
import { entryPath } from '../entries.ts';
import { DataError, ModelError, type Fault } from '../errors.ts';
import type { Log } from '../log.ts';
import type { LocalArtifact } from './artifact.ts';
import type { PredictionResult, ReadingOptions } from './predictions.ts';

export interface PredictionModel extends ReadingOptions {
  role: 'champion' | 'candidate';
  artifact: LocalArtifact;
}

export interface PredictionInput {
  models: PredictionModel[];
  dataset: DatasetSource;
  columns: Columns;
  task: Task;
  limits: { memoryBytes: number; timeMs: number };
  log: Log;
  signal?: AbortSignal;
}

/** What the process is asked. */
export interface Job {
  models: JobModel[];
  dataset: DatasetSource;
  columns: Columns;
  task: Task;
  memoryBytes: number;
}
export interface JobModel extends ReadingOptions {
  path: string;
  where: string;
}

/** What it answers. */
export type Answer =
  | { kind: 'progress'; done: number; total: number }
  | { kind: 'results'; results: PredictionResult[] }
  | { kind: 'error'; data: boolean; code: string; fault: Fault }
  | { kind: 'bug'; text: string };

/**
 * Predict every row of a dataset with each model, in one pass over the data, in a process of its own under a memory and a
 * time limit. What a model does wrong (it does not load, crashes, hangs, exhausts memory, answers NaN) is its own result.
 * @throws DataError when the data cannot be read as the models need it
 */
export async function predictModels(input: PredictionInput): Promise<PredictionResult[]> {
  if (input.models.length === 0) return [];
  const outcome = await runProcess(input, input.models);
  if (outcome.kind === 'results') return outcome.results;
  if (input.models.length === 1) return [{ ok: false, fault: outcome.fault }];
  // The process died and does not say of which model: each alone tells.
  input.log.warning(`${outcome.fault.message} Trying each model alone.`);
  const results: PredictionResult[] = [];
  for (const model of input.models) results.push(...(await predictModels({ ...input, models: [model] })));
  return results;
}

type Outcome =
  { kind: 'results'; results: PredictionResult[] } | { kind: 'died'; fault: { code: string; message: string } };

async function runProcess(input: PredictionInput, models: readonly PredictionModel[]): Promise<Outcome> {
  input.signal?.throwIfAborted();
  const child = spawn(process.execPath, ['--enable-source-maps', entryPath('predict-process')], {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    serialization: 'advanced',
    env: childEnvironment(),
  });
  const names = models.map((model) => `the ${model.role}`).join(' and ');
  let why: { code: string; message: string } | null = null;
  const kill = (code: string, message: string): void => {
    why ??= { code, message };
    child.kill('SIGKILL');
  };
  const timer = setTimeout(
    () =>
      kill(
        'time',
        `Predicting with ${names} took longer than ${input.limits.timeMs / 1000} s and was stopped. Raise limits.time if that is expected.`,
      ),
    input.limits.timeMs,
  );
  const watch = watchMemory(child, input.limits.memoryBytes, (used) =>
    kill(
      'memory',
      `Predicting with ${names} used ${mebibytes(used)}, more than the limit of ${mebibytes(input.limits.memoryBytes)}, and was stopped. Raise limits.memory if that is expected.`,
    ),
  );
  const onAbort = (): void => {
    child.kill('SIGKILL');
  };
  input.signal?.addEventListener('abort', onAbort, { once: true });
  try {
    return await new Promise<Outcome>((done, failed) => {
      let answer: Exclude<Answer, { kind: 'progress' }> | null = null;
      let stderr = '';
      child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr = `${stderr}${text}`.slice(-4000)));
      child.on('message', (message: Answer) => {
        if (message.kind === 'progress') input.log.progress('Predict', message.done, message.total);
        else answer = message;
      });
      child.on('error', (cause) =>
        failed(new ModelError({ found: `the prediction process does not start: ${cause.message}`, cause })),
      );
      child.on('close', (code, signal) => {
        if (input.signal?.aborted === true) failed(input.signal.reason as Error);
        else if (answer === null) {
          done({
            kind: 'died',
            fault: why ?? {
              code: 'crash',
              message: `The process that ran ${names} died (${signal ?? `exit code ${code}`}).${lastLine(stderr)}`,
            },
          });
        } else if (answer.kind === 'results') done(answer);
        else if (answer.kind === 'error')
          failed(answer.data ? new DataError(answer.fault) : new ModelError(answer.fault));
        else failed(new Error(answer.text));
      });
      child.send({
        models: models.map(({ artifact, output, transform, threshold }) => ({
          path: artifact.path,
          where: artifact.uri.replace(/^file:/u, ''),
          output,
          transform,
          threshold,
        })),
        dataset: input.dataset,
        columns: input.columns,
        task: input.task,
        memoryBytes: input.limits.memoryBytes,
      } satisfies Job);
    });
  } finally {
    clearTimeout(timer);
    clearInterval(watch);
    input.signal?.removeEventListener('abort', onAbort);
    child.kill('SIGKILL');
  }
}

/** Nothing a model's process does not need: no tokens, no options for Node. */
export function childEnvironment(): NodeJS.ProcessEnv {
  const kept = ['PATH', 'HOME', 'TMPDIR', 'TEMP', 'TMP', 'LANG', 'LC_ALL', 'SYSTEMROOT', 'LD_LIBRARY_PATH'];
  return Object.fromEntries(
    kept.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  );
}

/** Resident memory is watched, since a limit on address space breaks the runtimes. */
function watchMemory(child: ChildProcess, limit: number, exceeded: (bytes: number) => void): NodeJS.Timeout {
  return setInterval(() => {
    void readFile(`/proc/${child.pid}/statm`, 'utf8').then(
      (text) => {
        const pages = Number(text.split(' ')[1]);
        if (pages * 4096 > limit) exceeded(pages * 4096);
      },
      // Not Linux, or gone already: the time limit remains.
      () => undefined,
    );
  }, 50);
}

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MiB`;
}

function lastLine(stderr: string): string {
  const line = stderr.trim().split('\n').at(-1) ?? '';
  return line === '' ? '' : ` It said: ${line.slice(0, 300)}`;
}
