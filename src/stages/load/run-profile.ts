import { reported, type Check } from '../../evidence/index.ts';
import { rampUp, stepUp, type BreakingPoint } from './breaking.ts';
import { searchCapacity, type Capacity } from './capacity.ts';
import { capacityCheck } from './capacity-check.ts';
import { decisiveWindow, measure, windowChecks, type MeasuredWindow } from './constant.ts';
import type { WindowResult } from './driver.ts';
import { judgeWindow, type WindowFindings } from './judge.ts';
import { histogram, percentile } from './latency.ts';
import { nominalRate, offsetsOf, type Profile, type ProfileOf } from './profile.ts';
import { readReplay } from './replay.ts';
import type { Load } from './schema.ts';
import { seed, withBench, type Bench, type Session } from './session.ts';
import { sizingOf, type Sizing } from './sizing.ts';
import { slicesOf } from './slices.ts';
import { soakChecks, soakTrends } from './soak.ts';
import { recoveryCheck, recoveryOf } from './spike.ts';
import { partOf } from './window.ts';
import { separated } from '../../wording.ts';

/** What a profile found: its checks, and what is shown beside them. */
export interface ProfileFindings {
  checks: Check[];
  /** Of the window that was judged last. */
  requests: number;
  timings: Record<string, unknown>;
}

interface Surroundings {
  pathOf(file: string, key: string): Promise<string>;
  /** Name of the model, for rules to paste. */
  model: string;
}

const warmRateByDefault = 10;

/** Load the target as one profile says. */
export async function runProfile(
  session: Session,
  profile: Profile,
  load: Load,
  surroundings: Surroundings,
): Promise<ProfileFindings> {
  const replayed =
    profile.kind === 'replay'
      ? await readReplay(await surroundings.pathOf(profile.file, 'load.profile.file'), profile, seed)
      : null;
  return withBench(session, profile, nominalRate(profile) ?? warmRateByDefault, async (bench) => {
    switch (profile.kind) {
      case 'constant':
      case 'smoke':
      case 'closed':
        return ofWindows(bench, await measure(bench, profile, load.slo), load);
      case 'stages':
      case 'replay':
        return ofOne(bench, await bench.run(replayed ?? (offsetsOf(profile, seed) as Float64Array)), load);
      case 'spike':
        return afterSpike(bench, profile, await bench.run(offsetsOf(profile, seed) as Float64Array), load);
      case 'soak': {
        const result = await bench.run(offsetsOf(profile, seed) as Float64Array);
        const { checks, timings, ...found } = ofOne(bench, result, load);
        const trends = soakTrends(result, session);
        return { ...found, checks: [...checks, ...soakChecks(trends, load.slo)], timings: { ...timings, trends } };
      }
      case 'ramp':
        return breakingPoint(session, await rampUp(bench, profile, load.slo), load, surroundings);
      case 'steps':
        return breakingPoint(session, await stepUp(bench, profile, load.slo), load, surroundings);
      case 'capacity':
        return breakingPoint(session, await searchCapacity(bench, profile, load.slo), load, surroundings);
    }
  });
}

function ofOne(bench: Bench, result: WindowResult, load: Load): ProfileFindings {
  return ofWindows(bench, [{ result, findings: judgeWindow(result, load.slo) }], load);
}

function ofWindows({ session }: Bench, windows: readonly MeasuredWindow[], { slo }: Load): ProfileFindings {
  const shown = decisiveWindow(windows) ?? windows.at(-1);
  return {
    checks: windowChecks(windows, slo, session.summary.faultExamples[0]?.message),
    requests: windows.at(-1)?.result.offsets.length ?? 0,
    timings: {
      windows: windows.map(({ result, findings }) => windowDetails(result, findings)),
      slices: shown === undefined ? [] : slicesOf(shown.result, session),
    },
  };
}

/** Before the spike the objectives hold, and again after it has recovered; errors count throughout. */
function afterSpike(bench: Bench, profile: ProfileOf<'spike'>, result: WindowResult, load: Load): ProfileFindings {
  const { beforeMs, lengthMs } = profile;
  const { slo } = load;
  const recovery = recoveryOf(result, profile, slo);
  const before = partOf(result, 0, beforeMs);
  const during = partOf(result, beforeMs, beforeMs + lengthMs);
  const told = ofOne(bench, before, load);
  const whole = ofOne(bench, result, load);
  const errors = whole.checks.filter(({ id }) => id === 'load/error-rate' || id === 'load/generator');
  const checks = told.checks
    .filter(({ id }) => !errors.some((each) => each.id === id))
    .map((check) => ({ ...check, title: `${check.title} before the spike` }));
  return {
    checks: [...checks, recoveryCheck(recovery, profile, slo), ...errors],
    requests: result.offsets.length,
    timings: {
      ...told.timings,
      windows: [before, during, partOf(result, beforeMs + lengthMs, Number.POSITIVE_INFINITY)]
        .filter(({ offsets }) => offsets.length > 0)
        .map((part) => windowDetails(part, judgeWindow(part, slo))),
      slices: whole.timings['slices'],
      recovery,
    },
  };
}

function breakingPoint(
  session: Session,
  found: BreakingPoint & Partial<Capacity>,
  { slo, sizing: settings = {} }: Load,
  { model }: Surroundings,
): ProfileFindings {
  const { estimate, met, missed, because, bounded, bottleneck, tried, windows, curve } = found;
  const sizing = sizingOf(found, curve ?? [], meanLatencyAt(found), settings, model);
  const last = windows.at(-1);
  return {
    checks: [
      capacityCheck(found, slo),
      ...(sizing === null || settings.target_rps === undefined ? [] : [sizingCheck(sizing, settings.target_rps)]),
    ],
    requests: last?.offsets.length ?? 0,
    timings: {
      capacity: {
        ...(estimate === undefined ? {} : { estimate }),
        met,
        missed,
        because,
        bounded,
        brokeFirst: bottleneck?.kind ?? null,
      },
      tried,
      ...(sizing === null ? {} : { sizing }),
      slices: windows.length === 1 && last !== undefined ? slicesOf(last, session) : [],
      ...(curve === undefined ? {} : { curve }),
    },
  };
}

/** Of the highest rate that was met. */
function meanLatencyAt({ tried, met }: BreakingPoint): number {
  const near = tried.filter(({ verdict, rate }) => verdict !== 'fail' && met !== null && rate <= met);
  return near.toSorted((left, right) => right.rate - left.rate)[0]?.p50Ms ?? 0;
}

function sizingCheck({ perReplica, replicas, concurrency, costPerMillion }: Sizing, target: number): Check {
  const number = (value: number): string => separated(Number(value.toPrecision(3)));
  const cost = costPerMillion === null ? '' : `; a million requests cost ${number(costPerMillion)}`;
  const message = `${number(target)}/s need ${replicas} replicas of ${number(perReplica)}/s each, with ${number(concurrency)} requests in flight in each${cost}`;
  return { ...reported('load/replicas', 'Replicas for the target rate', message, replicas), unit: 'replicas' };
}

const kept = [0.5, 0.75, 0.9, 0.95, 0.99, 0.999];

function windowDetails(result: WindowResult, findings: WindowFindings): Record<string, unknown> {
  const sorted = result.latency.toSorted();
  const spanMs = (result.offsets.at(-1) ?? 0) - (result.offsets[0] ?? 0);
  // Between so many requests there is one gap less.
  const [sent, withinMs] = spanMs > 0 ? [result.offsets.length - 1, spanMs] : [result.offsets.length, result.elapsedMs];
  return {
    verdict: findings.verdict,
    offeredRate: Number(((sent * 1000) / Math.max(1, withinMs)).toPrecision(6)),
    elapsedMs: result.elapsedMs,
    counts: findings.counts,
    lost: result.lost,
    queued: result.queued,
    resent: result.resent,
    connections: result.opened,
    percentiles: [
      ...kept.map((p) => ({ p, ms: percentile(sorted, p) })),
      { p: 1, ms: sorted.at(-1) ?? Number.NaN },
    ].filter(({ ms }) => Number.isFinite(ms)),
    histogram: histogram(result.latency),
    generator: { lagP99Ms: percentile(result.lag.toSorted(), 0.99), ...result.host, ...findings.generator },
  };
}
