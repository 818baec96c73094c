import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { entryPath } from '../entries.ts';
import type { Fault } from '../errors.ts';
import type { Feeds } from './batches.ts';
import { questions } from './questions.ts';
import type { SessionPlan } from './session.ts';
import type { TensorValues } from './tensor.ts';

/** What a model made of a batch; null where it was not asked. */
export type BatchOutcome = { ok: true; outputs: Record<string, TensorValues> } | { ok: false; fault: Fault } | null;

/** What a thread is told: first the models, by place, then batches. */
export type PoolQuestion = { plans: (SessionPlan | null)[] } | { id: number; feeds: (Feeds | null)[] };
export type PoolAnswer = { id: number; results: BatchOutcome[] } | { id: number; bug: string };

/** Threads with sessions of the same models, which run batches side by side. */
export interface SessionPool {
  /** Batches to hand over before the first answer is waited for. */
  ahead: number;
  /** Run a batch through each model, null for one that is not asked. The memory of the batch is given away. */
  run(feeds: (Feeds | null)[]): Promise<BatchOutcome[]>;
  close(): Promise<void>;
}

/** A session takes about so many times the size of its model. */
const sessionFactor = 3;
/** What is to be done must take so many milliseconds before threads, which have to start, save any. */
const worthwhileMs = 1000;

/**
 * How many threads are worth their while: no more than cores and batches, and half of the memory for their sessions. No answer
 * depends on it.
 * @param input.batches batches to run, each of which took `batchMs` milliseconds here
 * @param input.modelBytes size of all models together
 */
export function poolSize(input: { batches: number; batchMs: number; modelBytes: number; memoryBytes: number }): number {
  if (input.batches * input.batchMs < worthwhileMs) return 0;
  const fitting = Math.floor(input.memoryBytes / 2 / (sessionFactor * Math.max(1, input.modelBytes)));
  return Math.min(availableParallelism(), input.batches, fitting);
}

/** Start threads, each with a session of every model that has a plan. */
export function startPool(plans: (SessionPlan | null)[], threads: number): SessionPool {
  const asked = questions();
  const workers = Array.from({ length: threads }, () => {
    const worker = new Worker(entryPath('session-worker'));
    const state = { worker, busy: 0 };
    worker.on('error', asked.giveUp);
    worker.on('message', (answer: PoolAnswer) => {
      state.busy -= 1;
      if ('bug' in answer) asked.refuse(answer.id, new Error(answer.bug));
      else asked.answer(answer.id, answer.results);
    });
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    worker.postMessage({ plans } satisfies PoolQuestion);
    return state;
  });
  return {
    ahead: 2 * threads,
    run: (feeds) =>
      asked.ask((id) => {
        const idlest = workers.reduce((best, each) => (each.busy < best.busy ? each : best));
        idlest.busy += 1;
        // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
        idlest.worker.postMessage({ id, feeds } satisfies PoolQuestion, buffersOf(feeds));
      }),
    close: async () => {
      await Promise.all(workers.map(({ worker }) => worker.terminate()));
    },
  };
}

/** The memory behind a batch, which models may share. */
function buffersOf(feeds: readonly (Feeds | null)[]): ArrayBuffer[] {
  const tensors = feeds.flatMap((each) => (each === null ? [] : Object.values(each)));
  return [...new Set(tensors.flatMap(({ data }) => (ArrayBuffer.isView(data) ? [data.buffer as ArrayBuffer] : [])))];
}
