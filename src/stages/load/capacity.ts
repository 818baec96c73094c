import { setTimeout as sleep } from 'node:timers/promises';
import { bottleneckOf, type Bottleneck } from './bottleneck.ts';
import { triedRate, type BreakingPoint, type TriedRate } from './breaking.ts';
import { rateAtShare, type CapacityEstimate, type Trial } from './capacity-fit.ts';
import { misses } from './hopeless.ts';
import { outcomes, type WindowResult } from './driver.ts';
import { generatorWasLimit, defaultErrorRate, judgeWindow } from './judge.ts';
import { latencyLimits } from './objectives.ts';
import { sampleFloor } from './latency.ts';
import type { ProfileOf } from './profile.ts';
import { poissonOf, schedule } from './schedule.ts';
import type { Slo } from './schema.ts';
import { seed, type Bench } from './session.ts';
import { median } from '../../statistics/log-ratio.ts';
import { trendOf } from './trend.ts';
import { partOf } from './window.ts';

/** Users of the closed loop that places the search, and what they were answered. */
export interface Throughput {
  users: number;
  /** Requests a second. */
  rate: number;
  meanMs: number;
}

export interface Capacity extends BreakingPoint {
  curve: Throughput[];
}

/** What a search reads the time from, waits by, and draws its arrivals from. */
export interface Clock {
  now(): number;
  sleep(ms: number): Promise<unknown>;
  seed: number;
}

const probedUsers = [1, 2, 4, 8, 16, 32, 64];
const step = 1.6;
/** The search for a bracket ends when the lowest miss is no further above the highest pass: what is left is estimated. */
const bracketed = 1.3;
/** How far beyond the bracket the answer may lie. */
const beyond = 1.4;
/** A window that the generator or the host spoilt is repeated so often. */
const mostRepeats = 3;
/** A measurement with more than so many times the share over an objective that it allows is missed by far, which chance alone seldom does. */
const byFar = 3;
/** So many that were met at the same or a higher rate contradict it. */
const votes = 2;
/** A silence so many times as long as is usual is a stall. */
const unusual = 4;
/** A measurement is so many windows long, with half a window before them that does not count: its queue is not yet what it will be. */
const windowsOfMeasurement = 3;
const settling = 0.5;
/** Rates of the measurements, by the estimate so far: around it, where they tell most. */
const places = [1, 0.93, 1.04, 0.97, 1.07, 0.9];
/** So many measurements at least, and the search ends once the interval is so narrow. It is never told to be narrower. */
const leastTrials = 6;
const narrow = 0.03;
/** Share of the offered rate that may be left over: delivered is at least 98%. */
const mostBacklog = 0.02;
/** Less than this is what a busy machine does to any server now and then. */
const leastGrowthMs = 100;
/** Requests that are over with no more than so many others between them are of one peak of the queue. */
const samePeak = 10;
/** Objectives that allow nothing at all are held to this share, since no share of nothing can be measured. */
const leastShare = 0.001;

/**
 * The highest rate within the objectives. Closed loops of few and more users tell the throughput; from half of it the rate climbs until the
 * objectives are missed, and bisection narrows that to a bracket. Then longer measurements of Poisson arrivals around the likely answer
 * are pooled: a share of requests over a limit comes in bursts, so that a vote of windows, most of which see none of the bursts, would
 * lean high. What is estimated is the rate at which the share is just what the objective allows, with its interval.
 */
export async function searchCapacity(
  bench: Bench,
  profile: ProfileOf<'capacity'>,
  slo: Slo,
  clock: Clock = { now: () => performance.now(), sleep, seed },
): Promise<Capacity> {
  const { session } = bench;
  const { signal } = session;
  const { windowMs } = profile;
  const deadline = clock.now() + profile.budgetMs;
  const tried: TriedRate[] = [];
  const windows: WindowResult[] = [];
  const limits = objectivesOf(slo);
  const trials: Measured[] = [];
  const curve = await throughputCurve(bench, profile, deadline, clock);
  const missedWindows: WindowResult[] = [];
  let number = 0;

  const answered = Math.max(...curve.map(({ rate }) => rate)) || 1;
  const start = Math.min(profile.to, Math.max(1, answered / 2));
  let { met, missed } = await bracket(start);
  while (met !== null && missed !== null && missed / met > bracketed && !isOver()) {
    const middle = Math.sqrt(met * missed);
    if (await holds(middle)) met = middle;
    else missed = middle;
  }
  const estimate = met === null || missed === null ? null : await estimated(met, missed);
  const kept = withoutDisturbed(trials);
  const [disturbed] = trials.filter((each) => !kept.includes(each));
  const lastMiss = missedWindows.findLast((each) => each !== disturbed?.result);
  const bottleneck: Bottleneck | null = lastMiss === undefined ? null : bottleneckOf(lastMiss, slo, session);
  const byGenerator = bottleneck?.kind === 'generator';
  const found = estimate ?? { rate: met, lower: met, upper: missed };
  return {
    met: found.lower,
    // Of the server nothing is estimated then: it may do more.
    estimate: byGenerator ? null : found.rate,
    missed: byGenerator ? null : found.upper,
    because:
      (bottleneck?.message ??
        (isOver()
          ? 'the time was over before the objectives were missed'
          : `no rate above ${Math.round(profile.to)}/s was tried`)) +
      (disturbed === undefined
        ? ''
        : `; one miss, at ${Number(disturbed.rate.toPrecision(3))}/s, is not counted: no other measurement confirmed it`),
    bounded: byGenerator || found.upper === null,
    bottleneck,
    tried,
    windows,
    curve,
  };

  function isOver(): boolean {
    return signal.aborted || clock.now() >= deadline;
  }

  /** Climb, or where the first is missed already descend, until one rate is met and the next is missed. */
  async function bracket(first: number): Promise<{ met: number | null; missed: number | null }> {
    let rate = first;
    if (await holds(rate)) {
      for (;;) {
        const next = Math.min(profile.to, rate * step);
        if (next <= rate || isOver()) return { met: rate, missed: null };
        if (!(await holds(next))) return { met: rate, missed: next };
        rate = next;
      }
    }
    while (rate > 0.5 && !isOver()) {
      const next = rate / step;
      if (await holds(next)) return { met: next, missed: rate };
      rate = next;
    }
    return { met: null, missed: rate };
  }

  /** Is the rate met in a window, or in two of three? */
  async function holds(rate: number): Promise<boolean> {
    let misseds = 0;
    for (let index = 0; index < 3; index += 1) {
      const result = await undisturbed(() => oneWindow(rate));
      const row = triedRate(rate, result, slo);
      const within = row.verdict === 'pass' || (row.verdict === 'inconclusive' && !misses(result, slo));
      note(row, result, within && !growsBacklog(result));
      if (within && !growsBacklog(result)) return true;
      misseds += 1;
      // What cannot keep up at all needs no second opinion, unless so much was answered before.
      if (misseds === 2 || (row.delivered < 0.7 * rate && rate > answered) || isOver()) return false;
    }
    return false;
  }

  function note(row: TriedRate, result: WindowResult, met: boolean): void {
    tried.push(row);
    windows.push(result);
    if (!met) missedWindows.push(result);
  }

  /** Pool measurements around the answer until its interval is narrow, or the time is over. */
  async function estimated(low: number, high: number): Promise<CapacityEstimate> {
    let found: CapacityEstimate = { rate: Math.sqrt(low * high), lower: low, upper: high };
    let again: number | null = null;
    // That so much is too much was seen already; what passed in one window may be chance.
    for (const [index, { rate }] of tried.entries()) {
      if (rate === high) trials.push(measured(rate, windows[index] as WindowResult, false));
    }
    for (let index = 0; !isOver(); index += 1) {
      const left = (deadline - clock.now()) / windowMs - settling;
      const parts = Math.min(windowsOfMeasurement, Math.floor(left));
      if (parts < 1 && index > 0) break;
      const rate: number = again ?? Math.min(profile.to, found.rate * (places[index % places.length] as number));
      const settleMs = settling * windowMs;
      const durationMs = settleMs + Math.max(1, parts) * windowMs;
      const result = await undisturbed(() =>
        bench.run(poissonOf(rate, durationMs, clock.seed + number), { quiet: true }),
      );
      if (signal.aborted) break;
      const counted = partOf(result, settleMs, durationMs);
      const grows = growsBacklog(result);
      note(triedRate(rate, counted, slo), counted, !grows && !misses(counted, slo));
      trials.push(measured(rate, counted, grows));
      again = openMiss(trials)?.rate ?? null;
      const kept = withoutDisturbed(trials);
      const fit = leastOf(
        limits.map(({ allowed }, place) =>
          rateAtShare(
            kept.map(({ of }) => of[place] as Trial),
            allowed,
          ),
        ),
      );
      // One window met or missed says little: the answer may lie somewhat beyond the bracket.
      const top = beyond * Math.max(high, ...kept.filter(({ met }) => met).map((each) => each.rate));
      const bottom = Math.min(low, ...kept.filter(({ far }) => far).map((each) => each.rate)) / beyond;
      const bounded = (each: number): number => Math.min(top, Math.max(bottom, each));
      found = { rate: bounded(fit.rate), lower: bounded(fit.lower), upper: bounded(fit.upper) };
      if (again === null && index + 1 >= leastTrials && found.upper / found.lower <= (1 + narrow) ** 2) break;
    }
    const { rate, lower, upper } = found;
    return { rate, lower: Math.min(lower, rate / (1 + narrow)), upper: Math.max(upper, rate * (1 + narrow)) };
  }

  function measured(rate: number, result: WindowResult, grows: boolean): Measured {
    const of = limits.map(({ isOver: breaks }) => ({ rate, ...countOf(result, grows ? () => true : breaks) }));
    const excess = Math.max(...of.map(({ over, total }, place) => over / total / (limits[place] as Objective).allowed));
    return { rate, result, of, met: excess <= 1, far: excess > byFar, silence: longestSilence(result) };
  }

  async function undisturbed(measure: () => Promise<WindowResult>): Promise<WindowResult> {
    for (let repeat = 0; ; repeat += 1) {
      number += 1;
      const result = await measure();
      await clock.sleep(Math.min(200, windowMs / 10)); // let it drain
      const findings = judgeWindow(result, slo);
      if (!generatorWasLimit(findings) || findings.verdict === 'pass' || repeat + 1 >= mostRepeats || isOver())
        return result;
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
    const durationMs = Math.min(8 * windowMs, Math.max(windowMs, (floor * 1300) / rate));
    const offsets = schedule({ rate, durationMs, arrivals: profile.arrivals, seed: clock.seed + number });
    return bench.run(offsets, { hopeless: { planned: offsets.length, slo }, quiet: true });
  }
}

/** A measurement, counted by each objective. */
interface Measured {
  rate: number;
  result: WindowResult;
  of: Trial[];
  met: boolean;
  far: boolean;
  /** The longest time in which nothing was answered although something was asked, in milliseconds. */
  silence: number;
}

/** Measurements that were met at a rate at least so high. */
function metAbove(rate: number, trials: readonly Measured[]): number {
  return trials.filter((each) => each.met && each.rate >= rate * (1 - 1e-9)).length;
}

/** The miss by far at the lowest rate, if nothing confirms it yet: it may be a stall of the machine. Two of three there settle it. */
function openMiss(trials: readonly Measured[]): Measured | null {
  const [lowest, next] = trials.filter(({ met }) => !met).toSorted((left, right) => left.rate - right.rate);
  if (lowest?.far !== true || metAbove(lowest.rate, trials) >= votes) return null;
  return next !== undefined && next.rate <= lowest.rate * (1 + 1e-9) ? null : lowest;
}

/**
 * The measurements without a missed one that is unlike all others: it fell silent as none of them did, or others were met at the same or
 * a higher rate. A machine that stalled once for a second would else decide. If there are several, stalls are how the server is, and all
 * count.
 */
function withoutDisturbed(trials: readonly Measured[]): readonly Measured[] {
  const usual = median(trials.map(({ silence }) => silence));
  const disturbed = trials.filter(
    ({ met, far, rate, silence }) =>
      (!met && silence > Math.max(leastGrowthMs, unusual * usual)) || (far && metAbove(rate, trials) >= votes),
  );
  return disturbed.length === 1 ? trials.filter((each) => each !== disturbed[0]) : trials;
}

function longestSilence({ offsets, latency }: WindowResult): number {
  const done = offsets.map((offset, index) => offset + (latency[index] as number)).toSorted();
  let longest = 0;
  // So many answers have come by then; the next request in turn is under way from when it was sent.
  for (let count = 1; count < done.length; count += 1) {
    const since = Math.max(done[count - 1] as number, offsets[count] as number);
    longest = Math.max(longest, (done[count] as number) - since);
  }
  return longest;
}

interface Objective {
  /** Share of requests that may break it. */
  allowed: number;
  isOver(latency: number, outcome: number): boolean;
}

function objectivesOf(slo: Slo): Objective[] {
  return [
    ...latencyLimits(slo).map(({ p, ms }) => ({
      allowed: Math.max(leastShare, 1 - p),
      isOver: (latency: number) => latency > ms,
    })),
    {
      allowed: Math.max(leastShare, slo.error_rate ?? defaultErrorRate),
      isOver: (_latency: number, outcome: number) => outcomes[outcome] !== 'accepted',
    },
  ];
}

function countOf({ latency, outcome }: WindowResult, breaks: Objective['isOver']): Omit<Trial, 'rate'> {
  let [over, bursts, run, gap] = [0, 0, 0, 0];
  for (let index = 0; index < latency.length; index += 1) {
    if (!breaks(latency[index] as number, outcome[index] as number)) {
      gap += 1;
      continue;
    }
    run = gap > samePeak ? 1 : run + 1;
    gap = 0;
    over += 1;
    bursts += 2 * run - 1; // what the square of the run gains
  }
  return { total: latency.length, over, bursts };
}

/** The objective that gives way first; the interval says so much of that. */
function leastOf(estimates: readonly CapacityEstimate[]): CapacityEstimate {
  const least = (of: (each: CapacityEstimate) => number): number => Math.min(...estimates.map(of));
  return { rate: least(({ rate }) => rate), lower: least(({ lower }) => lower), upper: least(({ upper }) => upper) };
}

/**
 * Does the queue grow throughout the window? Where more comes than is answered, latency rises by the share that is left over; in a
 * short window it may still be within the objectives.
 */
function growsBacklog({ offsets, latency }: WindowResult): boolean {
  const trend = trendOf(offsets, latency);
  const spanMs = (offsets.at(-1) ?? 0) - (offsets[0] ?? 0);
  return trend !== null && trend.lower > 0 && trend.slope > Math.max(mostBacklog, leastGrowthMs / spanMs);
}

/** Requests a second of ever more users, until more of them bring no more. */
async function throughputCurve(
  bench: Bench,
  profile: ProfileOf<'capacity'>,
  deadline: number,
  clock: Clock,
): Promise<Throughput[]> {
  const curve: Throughput[] = [];
  const durationMs = Math.min(1000, Math.max(250, profile.windowMs / 4));
  for (const users of probedUsers.filter((each) => each <= profile.connections)) {
    if (bench.session.signal.aborted || clock.now() >= deadline) break;
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
