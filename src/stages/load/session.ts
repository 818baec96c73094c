import { setTimeout as sleep } from 'node:timers/promises';
import type { StagingTarget } from '../../staging/index.ts';
import type { AnswerSummary } from './answers.ts';
import type { Window, WindowResult } from './driver.ts';
import type { HopelessRule } from './hopeless.ts';
import type { AnswerLog, Loader } from './loader.ts';
import type { Profile } from './profile.ts';
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
  /** It refused connections. */
  refused?: boolean;
  samples: UsageSample[];
}

/** A target under test: started, asked and watched by one load test. */
export interface Session {
  target: StagingTarget;
  loader: Loader;
  /** Of all answers so far. */
  summary: AnswerSummary;
  watch: TargetWatch;
  answers: AnswerLog;
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
  run(offsets: Window['offsets'], options?: { hopeless?: HopelessRule; quiet?: boolean }): Promise<WindowResult>;
}

/** Warm the target up for a profile and let `work` load it. */
export async function withBench<T>(
  session: Session,
  profile: Profile,
  warmRate: number,
  work: (bench: Bench) => Promise<T>,
): Promise<T> {
  const { loader, answers, watch, signal, log } = session;
  const { connections, timeoutMs, rowsPerRequest } = profile;
  const link = { connections, timeoutMs, rowsPerRequest };
  let first = 0;
  if (profile.warmupMs > 0) {
    const offsets = schedule({ rate: warmRate, durationMs: profile.warmupMs, arrivals: 'constant', seed });
    await loader.run({ link, offsets, first, judged: false }, signal);
    first += offsets.length;
  }
  return work({
    session,
    profile,
    async run(offsets, { hopeless, quiet = false } = {}) {
      const progress = (settled: number, all: number): void => log.progress('Load test', settled, all);
      const order = { link, offsets, first, judged: true, hopeless };
      const found = await loader.run(order, signal, quiet ? undefined : progress);
      first += found.window.offsets.length;
      session.summary = found.summary;
      if ('ECONNREFUSED' in found.window.lost) watch.refused = true;
      for (const name of ['at', 'judged', 'right', 'differing'] as const) {
        for (const value of found.answers[name]) answers[name].push(value);
      }
      return found.window;
    },
  });
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
