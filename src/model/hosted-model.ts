import type { Columns, Task } from '../config/schema.ts';
import { requireSame, type LocalArtifact, type Opened } from './artifact.ts';
import type { Feeds } from './batches.ts';
import type { InputPlan } from './features.ts';
import { startGuarded, type ProcessFault } from './guarded-process.ts';
import type { ModelInspection } from './inspect.ts';
import type { PerturbableColumns, Perturbation } from './perturbation.ts';
import type { ModelRole } from './predict.ts';
import { questions } from './questions.ts';
import type { PredictionResult, ReadingOptions, SettledReading } from './predictions.ts';

/** What the process of a model is asked. */
export type Question = { id: number } & (
  | ({ kind: 'load'; path: string; where: string; memoryBytes: number } & ReadingOptions)
  | {
      kind: 'feed';
      plans: InputPlan[];
      feeds: Feeds;
      rows: number;
      task: Task;
      columns: Columns;
      /** How the predictions of the whole evaluation set were read; null: nobody has read them. */
      settled: SettledReading | null;
    }
  | { kind: 'predict'; change: Perturbation | null }
  | { kind: 'time'; batch: number; runs: number; first: number }
  | { kind: 'memory' }
);

/** What it answers. */
export interface Answers {
  load: { inspection: ModelInspection; opened: Opened; loadMs: number; idleBytes: number };
  feed: PerturbableColumns;
  predict: PredictionResult;
  time: Float64Array;
  memory: { peakBytes: number };
}

export type Reply = { id: number } & (
  | { ok: true; value: Answers[keyof Answers] }
  | { ok: false; fault: ProcessFault }
  | { ok: false; bug: string }
);

export interface HostedModelInput {
  role: ModelRole;
  artifact: LocalArtifact;
  reading: ReadingOptions;
  limits: { memoryBytes: number; timeMs: number };
  signal?: AbortSignal | undefined;
}

/** A model that does not do what it is asked: it does not load, crashes, hangs, exhausts memory, or refuses its input. */
export class HostedModelFault extends Error {
  readonly fault: ProcessFault;
  constructor(fault: ProcessFault) {
    super(fault.message);
    this.name = 'HostedModelFault';
    this.fault = fault;
  }
}

/**
 * A model in a process of its own, under a memory and a time limit, that is asked again and again.
 * Every question throws `HostedModelFault` when the model is at fault, then and from then on.
 */
export interface HostedModel {
  inspection: ModelInspection;
  /** Milliseconds that loading the model took, the runtime being there. */
  loadMs: number;
  /** Resident memory of the process before the model was loaded. */
  idleBytes: number;
  /** Keep these rows: what follows is asked of them. Gives what can be done to their columns. */
  feed(rows: Omit<Extract<Question, { kind: 'feed' }>, 'id' | 'kind'>): Promise<PerturbableColumns>;
  /** Predict the rows kept, changed or as they are. */
  predict(change: Perturbation | null): Promise<PredictionResult>;
  /** Milliseconds of each of `runs` runs over `batch` rows; `first` says where to begin, so that rows take turns. */
  time(batch: number, runs: number, first: number): Promise<Float64Array>;
  /** Peak resident memory of the process so far, in bytes. */
  peakBytes(): Promise<number>;
  /** End the process. */
  close(): void;
}

/** Load a model into a process of its own, which must be closed. @throws HostedModelFault; ModelError where it is no longer the artifact */
export async function hostModel(input: HostedModelInput): Promise<HostedModel> {
  const { artifact, role, reading, limits, signal } = input;
  const where = artifact.uri.replace(/^file:/u, '');
  const { child, ended, end } = await startGuarded({
    entry: 'model-process',
    doing: `Measuring the ${role} (${where})`,
    limits,
    signal,
  });
  const asked = questions();
  ended.then((fault) => asked.giveUp(new HostedModelFault(fault)), asked.giveUp);
  child.on('message', (reply: Reply) => {
    if (reply.ok) asked.answer(reply.id, reply.value);
    else asked.refuse(reply.id, 'bug' in reply ? new Error(reply.bug) : new HostedModelFault(reply.fault));
  });
  const ask = <Kind extends keyof Answers>(
    question: { kind: Kind } & Omit<Extract<Question, { kind: Kind }>, 'id'>,
  ): Promise<Answers[Kind]> =>
    // A process that is gone before it is asked is told by its end.
    asked.ask((id) => child.send({ ...question, id }, () => {}));
  try {
    const { path } = artifact;
    const loaded = await ask({ kind: 'load', path, where, memoryBytes: limits.memoryBytes, ...reading });
    requireSame(artifact, loaded.opened);
    return {
      ...loaded,
      feed: (rows) => ask({ kind: 'feed', ...rows }),
      predict: (change) => ask({ kind: 'predict', change }),
      time: (batch, runs, first) => ask({ kind: 'time', batch, runs, first }),
      peakBytes: async () => (await ask({ kind: 'memory' })).peakBytes,
      close: end,
    };
  } catch (error) {
    end();
    throw error;
  }
}
