import { spawn, type ChildProcess } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import type { Columns, Task } from '../config/schema.ts';
import type { DatasetSource } from '../data/dataset.ts';
import { entryPath } from '../entries.ts';
import { DataError, ModelError, type Fault } from '../errors.ts';
import type { Log } from '../log.ts';
import type { LocalArtifact } from './artifact.ts';
import type { RowRange } from './batches.ts';
import type { PredictionResult, ReadingOptions } from './predictions.ts';
import { memoryNotice } from './watchdog.ts';

export interface PredictionModel extends ReadingOptions {
  role: 'champion' | 'candidate';
  artifact: LocalArtifact;
}

export interface PredictionInput {
  models: readonly PredictionModel[];
  dataset: DatasetSource;
  /** Predict only these rows (default: all). */
  rows?: RowRange;
  columns: Columns;
  task: Task;
  /** `memoryBytes` of resident memory and `timeMs` from start to answer, of the process that runs the models. */
  limits: { memoryBytes: number; timeMs: number };
  log: Log;
  signal?: AbortSignal;
}

/** What the process is asked. */
export interface Job {
  models: (ReadingOptions & { path: string; where: string })[];
  dataset: DatasetSource;
  rows: RowRange | undefined;
  columns: Columns;
  task: Task;
  memoryBytes: number;
}

/** What it answers. */
export type Answer =
  | { kind: 'progress'; done: number; total: number }
  | { kind: 'results'; results: PredictionResult[] }
  | { kind: 'error'; fault: Fault }
  | { kind: 'bug'; text: string };

type Outcome =
  { kind: 'results'; results: PredictionResult[] } | { kind: 'died'; fault: { code: string; message: string } };

/**
 * Predict every row of a dataset, or a range of them, with each model, in one pass over the data, in a process of its own under a memory and a
 * time limit. What a model does wrong (it does not load, crashes, hangs, exhausts memory, answers NaN) is its own result:
 * codes `model`, `crash`, `time`, `memory`. No process is left behind, whatever happens.
 * @returns one result a model, in their order
 * @throws DataError when the data cannot be read as the models need it
 */
export async function predictModels(input: PredictionInput): Promise<PredictionResult[]> {
  if (input.models.length === 0) return [];
  const outcome = await runProcess(input);
  if (outcome.kind === 'results') {
    for (const [index, result] of outcome.results.entries()) {
      if (result.ok)
        for (const text of result.warnings ?? []) input.log.warning(`${whereOf(input.models[index])}: ${text}`);
    }
    return outcome.results;
  }
  if (input.models.length === 1) return [{ ok: false, fault: outcome.fault }];
  // The process died and cannot say of which model: each alone tells.
  input.log.warning(`${outcome.fault.message} Trying each model alone.`);
  const results: PredictionResult[] = [];
  for (const model of input.models) results.push(...(await predictModels({ ...input, models: [model] })));
  return results;
}

async function runProcess(input: PredictionInput): Promise<Outcome> {
  input.signal?.throwIfAborted();
  const { limits, models } = input;
  const child = spawn(process.execPath, [entryPath('predict-process')], {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    serialization: 'advanced',
    env: childEnvironment(),
  });
  const names = models.map((model) => `the ${model.role} (${whereOf(model)})`).join(' and ');
  let stopped: { code: string; message: string } | null = null;
  const stop = (code: string, message: string): void => {
    stopped ??= { code, message };
    child.kill('SIGKILL');
  };
  const outOfMemory = `Predicting with ${names} used more memory than the limit of ${Math.round(limits.memoryBytes / 2 ** 20)} MiB and was stopped. Raise limits.memory if that is expected.`;
  const timer = setTimeout(() => {
    stop(
      'time',
      `Predicting with ${names} took longer than ${limits.timeMs / 1000} s and was stopped. Raise limits.time if that is expected.`,
    );
  }, limits.timeMs);
  const watch = watchMemory(child, limits.memoryBytes, () => stop('memory', outOfMemory));
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
      child.on('error', (cause) => {
        failed(new ModelError({ found: `the prediction process does not start: ${cause.message}`, cause }));
      });
      child.on('close', (code, signal) => {
        if (input.signal?.aborted === true) failed(input.signal.reason as Error);
        else if (answer?.kind === 'results') done(answer);
        else if (answer?.kind === 'error') failed(new DataError(answer.fault));
        else if (answer?.kind === 'bug') failed(new Error(answer.text));
        else if (stopped === null && stderr.includes(memoryNotice)) {
          done({ kind: 'died', fault: { code: 'memory', message: outOfMemory } });
        } else done({ kind: 'died', fault: stopped ?? { code: 'crash', message: crash(names, code, signal, stderr) } });
      });
      const job: Job = {
        models: models.map((model) => ({
          path: model.artifact.path,
          where: whereOf(model),
          output: model.output,
          transform: model.transform,
          threshold: model.threshold,
        })),
        dataset: input.dataset,
        rows: input.rows,
        columns: input.columns,
        task: input.task,
        memoryBytes: limits.memoryBytes,
      };
      // A process that is gone before it is asked is told by its end.
      child.send(job, () => {});
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

/**
 * Resident memory is watched, since a limit on address space breaks the runtimes. Where there is no /proc the process
 * watches itself.
 */
function watchMemory(child: ChildProcess, limit: number, exceeded: () => void): NodeJS.Timeout {
  return setInterval(() => {
    void residentBytes(child.pid).then((used) => used > limit && exceeded());
  }, 50);
}

async function residentBytes(pid: number | undefined): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/^VmRSS:\s+(\d+) kB/mu.exec(status)?.[1] ?? 0) * 1024;
}

function whereOf(model: PredictionModel | undefined): string {
  return model?.artifact.uri.replace(/^file:/u, '') ?? '';
}

function crash(names: string, code: number | null, signal: string | null, stderr: string): string {
  const line = stderr.trim().split('\n').at(-1) ?? '';
  const end = signal === null ? `ended with code ${code}` : `was ended by ${signal}`;
  const guess = signal === 'SIGKILL' ? ' Most likely the machine ran out of memory.' : '';
  return `The process that ran ${names} crashed: it ${end}.${guess}${line === '' ? '' : ` It said: ${line.slice(0, 300)}`}`;
}
