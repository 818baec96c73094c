import { setTimeout as sleep } from 'node:timers/promises';
import type { StagingTarget } from '../../staging/index.ts';
import type { AnswerBook } from './answers.ts';
import { openGenerator, type Samples, type Window, type WindowResult } from './driver.ts';
import type { Exchange } from './exchange.ts';
import type { Profile } from './profile.ts';
import { planRequests } from './requests.ts';
import { schedule } from './schedule.ts';
import type { Log } from '../../log.ts';

/** What a target used at a moment. */
export interface UsageSample {
  /** `performance.now()` */
  at: number;
  memoryBytes: number | null;
  cpuPercent: number | null;
  throttled: number | null;
}

/** What is known of the target beside its answers. */
export interface TargetWatch {
  /** Why it is not alive; null while it is. */
  exit: string | null;
  samples: UsageSample[];
}

/** What each usable answer was worth, in the order in which they came. */
export interface AnswerLog {
  /** `performance.now()` when it was read. */
  at: number[];
  /** Rows with a label, and those of them predicted rightly. */
  judged: number[];
  right: number[];
  /** Rows that are not as the model predicts them offline. */
  differing: number[];
}

/** A target under test: started, asked and watched by one load test. */
export interface Session {
  target: StagingTarget;
  exchange: Exchange;
  book: AnswerBook;
  watch: TargetWatch;
  answers: AnswerLog;
  rows: number;
  log: Log;
  /** Aborted when the run is cancelled, or the target has died. */
  signal: AbortSignal;
}

export const seed = 20240501;
const watchEveryMs = 500;

/** A target with a generator for the load of one profile. */
export interface Bench {
  session: Session;
  profile: Profile;
  /** Send a stretch of load and note what the answers are worth. */
  run(offsets: Window['offsets'], options?: Pick<Window, 'hopeless'> & { quiet?: boolean }): Promise<WindowResult>;
}

/** Open connections for a profile, warm the target up and let `work` load it. */
export async function withBench<T>(
  session: Session,
  profile: Profile,
  warmRate: number,
  work: (bench: Bench) => Promise<T>,
): Promise<T> {
  const { exchange, book, answers, signal, log } = session;
  const requests = planRequests({ exchange, rows: session.rows, rowsPerRequest: profile.rowsPerRequest, seed });
  const generator = await openGenerator({
    url: exchange.url,
    connections: profile.connections,
    timeoutMs: profile.timeoutMs,
    tls: exchange.tls,
  });
  let sent = 0;
  try {
    if (profile.warmupMs > 0) {
      const offsets = schedule({ rate: warmRate, durationMs: profile.warmupMs, arrivals: 'constant', seed });
      requests.prepare(0, offsets.length);
      await generator.run({ offsets, request: requests.message, accept: () => true, signal });
      sent = offsets.length;
    }
    return await work({
      session,
      profile,
      async run(offsets, { hopeless, quiet = false } = {}) {
        const first = sent;
        const planned = offsets instanceof Float64Array ? offsets.length : 1000;
        requests.prepare(first, planned);
        const result = await generator.run({
          offsets,
          request: (index) => requests.message(first + index),
          accept(index, answer) {
            const { judged, correct, mismatched } = book.summary();
            const usable = book.take(requests.rows(first + index), answer);
            const now = book.summary();
            if (usable) {
              answers.at.push(answer.at);
              answers.judged.push(now.judged - judged);
              answers.right.push(now.correct - correct);
              answers.differing.push(now.mismatched - mismatched);
            }
            return usable;
          },
          signal,
          ...(quiet ? {} : { progress: (settled, all) => log.progress('Load test', settled, all) }),
          ...(hopeless === undefined ? {} : { hopeless }),
        });
        sent += result.offsets.length;
        return result;
      },
    });
  } finally {
    await generator.close();
  }
}

/** Look at the target now and then until `done`; tells once if it died. */
export async function watchTarget(
  target: StagingTarget,
  watch: TargetWatch,
  done: AbortSignal,
  died: () => void,
): Promise<void> {
  while (!done.aborted) {
    await observeOnce(target, watch);
    if (watch.exit !== null) return died();
    await sleep(watchEveryMs, undefined, { signal: done }).catch(() => {});
  }
}

export async function observeOnce(target: StagingTarget, watch: TargetWatch): Promise<void> {
  const seen = await target.observe();
  const { memoryBytes, cpuPercent, throttled = null } = seen;
  watch.samples.push({ at: performance.now(), memoryBytes, cpuPercent, throttled });
  if (!seen.alive) watch.exit = seen.exit ?? 'it is not running any more';
}

/** The target's use of its CPU between two moments, in cores; null where it is not known. */
export function cpuBetween({ samples }: TargetWatch, from: number, to: number): number | null {
  return mean(
    valuesBetween(samples, from, to, ({ cpuPercent }) => cpuPercent),
    100,
  );
}

export function memoryBetween({ samples }: TargetWatch, from: number, to: number): number | null {
  const seen = valuesBetween(samples, from, to, ({ memoryBytes }) => memoryBytes);
  return seen.length === 0 ? null : Math.max(...seen);
}

export function throttledBetween({ samples }: TargetWatch, from: number, to: number): number | null {
  return mean(
    valuesBetween(samples, from, to, ({ throttled }) => throttled),
    1,
  );
}

/** An observation tells of the time since the one before. */
function valuesBetween(
  samples: readonly UsageSample[],
  from: number,
  to: number,
  of: (sample: UsageSample) => number | null,
): number[] {
  const inside = samples.filter(({ at }) => at > from && at <= to + watchEveryMs);
  return inside.map(of).filter((value) => value !== null);
}

function mean(values: readonly number[], unit: number): number | null {
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length / unit;
}

/** Requests that have settled, and how many of them are too slow or failed. */
export function settledOver({ latency, outcome }: Samples, ms: number): { settled: number; over: number } {
  let settled = 0;
  let over = 0;
  for (let index = 0; index < latency.length; index += 1) {
    if (outcome[index] === 0) continue;
    settled += 1;
    if (outcome[index] !== 1 || (latency[index] as number) > ms) over += 1;
  }
  return { settled, over };
}
