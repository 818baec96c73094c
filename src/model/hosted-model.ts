import { requireSame, type LocalArtifact } from './artifact.ts';
import { startGuarded, type ProcessFault } from './guarded-process.ts';
import type { FedRows, Loading, ModelProcess } from './model-process.ts';
import type { PerturbableColumns, Perturbation } from './perturbation.ts';
import type { ModelRole } from './predict.ts';
import type { PredictionResult, ReadingOptions } from './predictions.ts';
import { askChild } from './questions.ts';

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
export interface HostedModel extends Loading {
  /** Keep these rows: what follows is asked of them. Gives what can be done to their columns. */
  feed(rows: FedRows): Promise<PerturbableColumns>;
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
  const { ask, giveUp } = askChild<ModelProcess>(child, (fault: ProcessFault) => new HostedModelFault(fault));
  ended.then((fault) => giveUp(new HostedModelFault(fault)), giveUp);
  try {
    const loaded = await ask('load', artifact.path, where, limits.memoryBytes, reading);
    requireSame(artifact, loaded.opened);
    return {
      ...loaded,
      feed: (rows) => ask('feed', rows),
      predict: (change) => ask('predict', change),
      time: (batch, runs, first) => ask('time', batch, runs, first),
      peakBytes: () => ask('peakBytes'),
      close: end,
    };
  } catch (error) {
    end();
    throw error;
  }
}
