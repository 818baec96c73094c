/*
 * A thread with a session of each model, which runs the batches it is sent. Started by session-pool.ts; a session runs on the
 * thread that asks it, so that several predict side by side.
 */
import { parentPort } from 'node:worker_threads';
import { ContenderError, type Fault } from '../errors.ts';
import { openSession, type Session } from './session.ts';
import type { BatchOutcome, PoolAnswer, PoolQuestion } from './session-pool.ts';

let sessions: Promise<(Session | Fault | null)[]> = Promise.resolve([]);
// One batch at a time.
let last: Promise<void> = Promise.resolve();

parentPort?.on('message', (question: PoolQuestion) => {
  if ('plans' in question) {
    sessions = Promise.all(
      question.plans.map((plan) =>
        plan === null ? Promise.resolve(null) : openSession(plan).catch((error: unknown) => faultOf(error)),
      ),
    );
    // Told when a batch comes.
    sessions.catch(() => {});
  } else last = last.then(() => answer(question));
});

async function answer({ id, feeds }: Extract<PoolQuestion, { id: number }>): Promise<void> {
  let reply: PoolAnswer;
  try {
    const results: BatchOutcome[] = [];
    for (const [index, session] of (await sessions).entries()) {
      const batch = feeds[index] ?? null;
      if (session === null || batch === null) results.push(null);
      else if (!('run' in session)) results.push({ ok: false, fault: session });
      else {
        results.push(
          await session.run(batch).then(
            (outputs) => ({ ok: true as const, outputs }),
            (error: unknown) => ({ ok: false as const, fault: faultOf(error) }),
          ),
        );
      }
    }
    reply = { id, results };
  } catch (error) {
    reply = { id, bug: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
  parentPort?.postMessage(reply);
}

/** What is at fault in the model. @throws anything else */
function faultOf(error: unknown): Fault {
  if (!(error instanceof ContenderError)) throw error;
  return { ...error.fault, cause: undefined };
}
