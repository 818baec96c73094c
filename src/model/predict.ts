import { defaults } from '../config/defaults.ts';
import type { Columns, Task } from '../config/schema.ts';
import type { DatasetSource } from '../data/dataset.ts';
import { ConfigError, DataError, MismatchError, ModelError, SystemError, type Fault } from '../errors.ts';
import type { Log } from '../log.ts';
import { requireSame, type LocalArtifact, type Opened } from './artifact.ts';
import type { RowRange } from './batches.ts';
import { startGuarded, type GuardedProcess, type ProcessFault } from './guarded-process.ts';
import type { PredictionResult, ReadingOptions, Tolerance } from './predictions.ts';

/** What a model is compared as; `anchor`: beside the champion; `parent`: the model that a candidate was made of, by quantising it for instance. */
export type ModelRole = 'champion' | 'candidate' | 'anchor' | 'parent';

export interface PredictionModel extends ReadingOptions {
  role: ModelRole;
  artifact: LocalArtifact;
}

export interface PredictionInput {
  models: readonly PredictionModel[];
  dataset: DatasetSource;
  /** Predict only these rows (default: all). */
  rows?: RowRange;
  /** Is there an answer to each of these rows from elsewhere, such as a file of a rival's predictions? Then they can be answered. */
  othersAnswer?: boolean;
  columns: Columns;
  task: Task;
  /** Within which two answers to one row are the same. */
  tolerance?: Tolerance;
  /** `memoryBytes` of resident memory and `timeMs` from start to answer, of the process that runs the models. */
  limits: { memoryBytes: number; timeMs: number };
  log: Log;
  signal?: AbortSignal | undefined;
}

/** What the process is asked. */
export interface Job {
  /** `bytes`: size with external data. */
  models: (ReadingOptions & { role: ModelRole; path: string; where: string; bytes: number })[];
  dataset: DatasetSource;
  rows: RowRange | undefined;
  othersAnswer: boolean;
  columns: Columns;
  task: Task;
  tolerance: Tolerance;
  memoryBytes: number;
}

export type Answer =
  | { kind: 'progress'; done: number; total: number }
  /** What will be loaded, one a model: before any of it is. */
  | { kind: 'opened'; opened: Opened[] }
  | { kind: 'results'; results: PredictionResult[] }
  | { kind: 'error'; code: string; fault: Fault }
  | { kind: 'bug'; text: string };

type Outcome = Extract<Answer, { kind: 'results' }> | { kind: 'died'; fault: ProcessFault };

/**
 * Predict every row of a dataset, or a range of them, with each model, in one pass over the data, in a process of its own under a memory and a
 * time limit. What a model does wrong (it does not load, crashes, hangs, exhausts memory, answers NaN) is its own result:
 * codes `model`, `crash`, `time`, `memory`. No process is left behind, whatever happens.
 * @returns one result a model, in their order
 * @throws DataError when the data cannot be read as the models need it; ConfigError for what the configuration must settle;
 * ModelError where a model is no longer the one that was identified
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
  const { limits, models, signal } = input;
  const names = models.map((model) => `the ${model.role} (${whereOf(model)})`).join(' and ');
  const guarded = await startGuarded({ entry: 'predict-process', doing: `Predicting with ${names}`, limits, signal });
  const answered = new Promise<Exclude<Answer, { kind: 'progress' | 'opened' }>>((done, failed) => {
    guarded.child.on('message', (message: Answer) => {
      if (message.kind === 'progress') input.log.progress('Predict', message.done, message.total);
      else if (message.kind === 'opened') {
        try {
          for (const [index, { artifact }] of models.entries()) requireSame(artifact, message.opened[index] as Opened);
        } catch (error) {
          guarded.end();
          failed(error);
        }
      } else done(message);
    });
  });
  const job: Job = {
    models: models.map(({ artifact, ...model }) => {
      return { ...model, path: artifact.path, bytes: artifact.size, where: whereOf({ artifact }) };
    }),
    dataset: input.dataset,
    rows: input.rows,
    othersAnswer: input.othersAnswer ?? false,
    columns: input.columns,
    task: input.task,
    tolerance: input.tolerance ?? defaults.parity,
    memoryBytes: limits.memoryBytes,
  };
  // A process that is gone before it is asked is told by its end.
  guarded.child.send(job, () => {});
  const answer = await Promise.race([answered, guarded.ended]).finally(() => endSoon(guarded));
  if (!('kind' in answer)) return { kind: 'died', fault: answer };
  if (answer.kind === 'error') throw new (errors[answer.code] ?? DataError)(answer.fault);
  if (answer.kind === 'bug') throw new Error(answer.text);
  return answer;
}

/** Having answered it tidies up and ends, which nobody need wait for; a runtime that hangs in its own end is ended. */
function endSoon({ ended, end }: GuardedProcess): void {
  const grace = setTimeout(end, 5000).unref();
  void ended.catch(() => {}).then(() => clearTimeout(grace));
}

const errors: Readonly<Record<string, typeof ConfigError>> = {
  config: ConfigError,
  mismatch: MismatchError,
  model: ModelError,
  system: SystemError,
};

function whereOf(model: Pick<PredictionModel, 'artifact'> | undefined): string {
  return model?.artifact.uri.replace(/^file:/u, '') ?? '';
}
