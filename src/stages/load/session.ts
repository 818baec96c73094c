import { setTimeout as sleep } from 'node:timers/promises';
import type { StagingTarget } from '../../staging/index.ts';
import { ticksPerSecond } from '../../staging/process-usage.ts';
import type { AnswerSummary } from './answers.ts';
import type { Window, WindowResult } from './driver.ts';
import type { HopelessRule } from './hopeless.ts';
import { cpuTicks, type CpuTicks } from './host.ts';
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
  /** Of the whole machine, so far. */
  ticks?: CpuTicks | null;
  /** CPU of this process, and of the engine of a container, so far, in seconds. */
  own?: number;
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
/** A machine with more of its CPU left has room for all. */
const leftOver = 0.05;
/** Whose processes are seen whole: a service of others may have some that are not. */
const seenWhole: readonly StagingTarget['kind'][] = ['builtin', 'command', 'image'];

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
      if (seenWhole.includes(session.target.kind)) found.window.host.others = othersDuring(watch, found.window);
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
  const { memoryBytes, cpuPercent, throttled = null, engineSeconds } = seen;
  const { user, system } = process.cpuUsage();
  const own = (user + system) / 1e6 + (engineSeconds ?? 0);
  watch.samples.push({ at: performance.now(), memoryBytes, cpuPercent, throttled, ticks: cpuTicks(), own });
  if (!seen.alive) watch.exit = seen.exit ?? 'it is no longer running';
}

/** The target's use of its CPU between two moments, in cores; null where it is not known. */
export function cpuBetween({ samples }: TargetWatch, from: number, to: number): number | null {
  return meanBetween(samples, from, to, ({ cpuPercent }) => cpuPercent, 100);
}

export function memoryBetween({ samples }: TargetWatch, from: number, to: number): number | null {
  const seen = valuesBetween(samples, from, to, ({ memoryBytes }) => memoryBytes);
  return seen.length === 0 ? null : Math.max(...seen);
}

export function throttledBetween({ samples }: TargetWatch, from: number, to: number): number | null {
  return meanBetween(samples, from, to, ({ throttled }) => throttled, 1);
}

/** The share of the machine that others took during a window in which none was left: they may have slowed the target. */
export function othersDuring(
  watch: TargetWatch,
  window: Pick<WindowResult, 'startedAt' | 'elapsedMs' | 'host'>,
): number | null {
  const { startedAt: from, elapsedMs, host } = window;
  const inside = insideOf(watch.samples, from, from + elapsedMs);
  const before = watch.samples[watch.samples.indexOf(inside[0] as UsageSample) - 1];
  const after = inside.at(-1);
  const target = cpuBetween(watch, from, from + elapsedMs);
  const [then, now] = [before?.ticks ?? null, after?.ticks ?? null];
  if (before === undefined || after === undefined || target === null || then === null || now === null) return null;
  const total = now.total - then.total;
  if (total <= 0) return null;
  const idle = (now.idle - then.idle) / total;
  if (idle > leftOver) return 0;
  const nobodys = (now.steal - then.steal + now.interrupts - then.interrupts) / total;
  const seconds = (after.at - before.at) / 1000;
  const known = (target + host.cpu) * seconds + (after.own ?? 0) - (before.own ?? 0);
  return Math.max(0, 1 - idle - nobodys - (known * ticksPerSecond) / total);
}

/** An observation tells of the time since the one before. */
function valuesBetween(
  samples: readonly UsageSample[],
  from: number,
  to: number,
  of: (sample: UsageSample) => number | null,
): number[] {
  return insideOf(samples, from, to)
    .map(of)
    .filter((value) => value !== null);
}

function insideOf(samples: readonly UsageSample[], from: number, to: number): UsageSample[] {
  return samples.filter(({ at }) => at > from && at <= to + watchEveryMs);
}

function meanBetween(
  ...[samples, from, to, of, unit]: [...Parameters<typeof valuesBetween>, unit: number]
): number | null {
  const values = valuesBetween(samples, from, to, of);
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length / unit;
}
