import { setTimeout as sleep } from 'node:timers/promises';
import { bottleneckOf, type Bottleneck } from './bottleneck.ts';
import { triedRate, type BreakingPoint, type TriedRate } from './breaking.ts';
import { misses } from './hopeless.ts';
import type { WindowResult } from './driver.ts';
import { judgeWindow } from './judge.ts';
import { latencyLimits } from './objectives.ts';
import { sampleFloor } from './latency.ts';
import type { ProfileOf } from './profile.ts';
import { schedule } from './schedule.ts';
import type { Slo } from './schema.ts';
import { seed, type Bench } from './session.ts';
import { trendOf } from './trend.ts';

/** Users of the closed loop that places the search, and what they were answered. */
export interface Throughput {
  users: number;
  /** Requests a second. */
  rate: number;
  meanMs: number;
}

export interface Capacity extends BreakingPoint {
  curve: Throughput[];
  /** Of the windows at the rate that was found, those that met the objectives. */
  confirmations: { met: number; of: number };
}

const probedUsers = [1, 2, 4, 8, 16, 32, 64];
const step = 1.6;
/** The search ends when the lowest miss is no further above the highest pass. */
const resolution = 1.06;
/** A window that the generator or the host spoilt is repeated so often. */
const mostRepeats = 3;
const confirmationsOf = 5;
const confirmationsNeeded = 4;
const lower = 0.95;
/** Share of the offered rate that may be left over: delivered is at least 98%. */
const mostBacklog = 0.02;

/**
 * The highest rate within the objectives, searched on the scale of ratios: closed loops of few and more users tell the throughput, a
 * climb from half of it finds a rate that is missed, bisection narrows that down, and the winner must hold in four of five windows,
 * else a twentieth less. Each rate is judged by the best of three windows of Poisson arrivals. The time budget bounds it all.
 */
export async function searchCapacity(bench: Bench, profile: ProfileOf<'capacity'>, slo: Slo): Promise<Capacity> {
  const { session } = bench;
  const { signal } = session;
  const deadline = performance.now() + profile.budgetMs;
  const tried: TriedRate[] = [];
  const windows: WindowResult[] = [];
  const curve = await throughputCurve(bench, profile, deadline);
  let lastMiss: WindowResult | null = null;
  let number = 0;

  const start = Math.min(profile.to, Math.max(1, (Math.max(...curve.map(({ rate }) => rate)) || 1) / 2));
  const found = await bracket(start);
  let { met, missed } = found;
  while (met !== null && missed !== null && missed / met > resolution && !isOver()) {
    const middle = Math.sqrt(met * missed);
    if (await holds(middle, 3)) met = middle;
    else missed = middle;
  }
  const confirmations = { met: 0, of: 0 };
  while (met !== null && !isOver()) {
    [confirmations.met, confirmations.of] = [0, 0];
    while (
      confirmations.met < confirmationsNeeded &&
      confirmations.of - confirmations.met <= confirmationsOf - confirmationsNeeded &&
      !isOver()
    ) {
      confirmations.of += 1;
      if (await holds(met, 1)) confirmations.met += 1;
    }
    if (confirmations.of - confirmations.met <= confirmationsOf - confirmationsNeeded) break;
    missed = met;
    met *= lower;
  }
  const bottleneck: Bottleneck | null = lastMiss === null ? null : bottleneckOf(lastMiss, slo, session);
  const byGenerator = bottleneck?.kind === 'generator';
  return {
    met,
    missed: byGenerator ? null : missed,
    because: bottleneck?.message ?? `no rate above ${Math.round(profile.to)}/s was tried`,
    bounded: byGenerator || missed === null,
    bottleneck,
    tried,
    windows,
    curve,
    confirmations,
  };

  function isOver(): boolean {
    return signal.aborted || performance.now() >= deadline;
  }

  /** Climb, or where the first is missed already descend, until one rate is met and the next is missed. */
  async function bracket(first: number): Promise<{ met: number | null; missed: number | null }> {
    let rate = first;
    if (await holds(rate, 3)) {
      for (;;) {
        const next = Math.min(profile.to, rate * step);
        if (next <= rate || isOver()) return { met: rate, missed: null };
        if (!(await holds(next, 3))) return { met: rate, missed: next };
        rate = next;
      }
    }
    while (rate > 0.5 && !isOver()) {
      const next = rate / step;
      if (await holds(next, 3)) return { met: next, missed: rate };
      rate = next;
    }
    return { met: null, missed: rate };
  }

  /** Is the rate met in the majority of so many windows? */
  async function holds(rate: number, most: number): Promise<boolean> {
    let passes = 0;
    for (let index = 0; index < most; index += 1) {
      const result = await undisturbed(rate);
      const row = triedRate(rate, result, slo);
      tried.push(row);
      windows.push(result);
      const within = row.verdict === 'pass' || (row.verdict === 'inconclusive' && !misses(result, slo));
      const passed = within && !growsBacklog(result);
      if (passed) passes += 1;
      else lastMiss = result;
      if (2 * passes > most || 2 * (index + 1 - passes) > most || isOver()) break;
      // A clear pass needs no second opinion, nor does a server that cannot keep up at all.
      if (passed && judgeWindow(result, slo).verdict === 'pass') return true;
      if (!passed && row.delivered < 0.7 * rate && index > 0) return false;
    }
    return 2 * passes > most || (most === 1 && passes === 1);
  }

  async function undisturbed(rate: number): Promise<WindowResult> {
    for (let repeat = 0; ; repeat += 1) {
      number += 1;
      const result = await oneWindow(rate);
      await sleep(Math.min(200, profile.windowMs / 10)); // let it drain
      const { generator, verdict } = judgeWindow(result, slo);
      if (!generator.overloaded || verdict === 'pass' || repeat + 1 >= mostRepeats || isOver()) return result;
    }
  }

  async function oneWindow(rate: number): Promise<WindowResult> {
    // Long enough for the strictest percentile to be judged at all.
    const floor = Math.max(
      1,
      ...latencyLimits(slo)
        .filter(({ p }) => p < 1)
        .map(({ p }) => sampleFloor(p)),
    );
    const durationMs = Math.min(8 * profile.windowMs, Math.max(profile.windowMs, (floor * 1300) / rate));
    const offsets = schedule({ rate, durationMs, arrivals: profile.arrivals, seed: seed + number });
    return bench.run(offsets, { hopeless: { planned: offsets.length, slo }, quiet: true });
  }
}

/**
 * Does the queue grow throughout the window? Where more comes than is answered, latency rises by the share that is left over; in a
 * short window it may still be within the objectives.
 */
function growsBacklog({ offsets, latency }: WindowResult): boolean {
  const trend = trendOf(offsets, latency);
  return trend !== null && trend.slope > mostBacklog && trend.lower > 0;
}

/** Requests a second of ever more users, until more of them bring no more. */
export async function throughputCurve(
  bench: Bench,
  profile: ProfileOf<'capacity'>,
  deadline: number,
): Promise<Throughput[]> {
  const curve: Throughput[] = [];
  const durationMs = Math.min(1000, Math.max(250, profile.windowMs / 4));
  for (const users of probedUsers.filter((each) => each <= profile.connections)) {
    if (bench.session.signal.aborted || performance.now() >= deadline) break;
    const result = await bench.run({ users, durationMs }, { quiet: true });
    let accepted = 0;
    let sum = 0;
    for (let index = 0; index < result.outcome.length; index += 1) {
      if (result.outcome[index] !== 1) continue;
      accepted += 1;
      sum += result.latency[index] as number;
    }
    curve.push({ users, rate: (accepted * 1000) / result.elapsedMs, meanMs: accepted === 0 ? 0 : sum / accepted });
    // Two in a row without a gain of a twentieth: the knee lies behind. Six points are what the law of scalability takes.
    if (curve.length >= 6 && (curve.at(-1)?.rate ?? 0) < 1.05 * (curve.at(-3)?.rate ?? 0)) break;
  }
  return curve;
}
