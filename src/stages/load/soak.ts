import type { Check } from '../../evidence/index.ts';
import { bytes } from '../../config/index.ts';
import { percent } from '../../wording.ts';
import { loadCheck, mostShare } from './check.ts';
import { outcomes, type WindowResult } from './driver.ts';
import type { Slo } from './schema.ts';
import type { Session } from './session.ts';
import { trendOf, type Trend } from './trend.ts';
import { firstFrom } from './window.ts';

/** A server fills its pools and caches at first. */
const settlingShare = 0.2;
const mebibyte = 1024 ** 2;
const growthByDefault = { memory: '4MiB', latency: 0.5 };
/** Of a latency of less than a millisecond, a share says nothing. */
const leastLatencyMs = 1;

export interface SoakTrends {
  /** MiB a minute. */
  memory: Trend | null;
  /** Milliseconds of the median a minute. */
  latency: Trend | null;
  /** Minutes that the trends are of. */
  minutes: number;
}

/** How memory and latency change over a long load, its first fifth left out. */
export function soakTrends(result: WindowResult, { watch }: Session): SoakTrends {
  const from = result.startedAt + settlingShare * result.elapsedMs;
  const seen = watch.samples.filter(
    ({ at, memoryBytes }) => memoryBytes !== null && at >= from && at <= result.startedAt + result.elapsedMs,
  );
  const memory = trendOf(
    seen.map(({ at }) => (at - from) / 60_000),
    seen.map(({ memoryBytes }) => (memoryBytes as number) / mebibyte),
  );
  const first = firstFrom(result.offsets, settlingShare * (result.offsets.at(-1) ?? 0));
  const minutes: number[] = [];
  const latencies: number[] = [];
  for (let index = first; index < result.offsets.length; index += 1) {
    if (outcomes[result.outcome[index] as number] !== 'accepted') continue;
    minutes.push((result.offsets[index] as number) / 60_000);
    latencies.push(result.latency[index] as number);
  }
  return { memory, latency: trendOf(minutes, latencies), minutes: (minutes.at(-1) ?? 0) - (minutes[0] ?? 0) };
}

export function soakChecks(trends: SoakTrends, slo: Slo): Check[] {
  return [memoryCheck(trends, slo), latencyCheck(trends, slo)];
}

function memoryCheck({ memory, minutes }: SoakTrends, slo: Slo): Check {
  const required = bytes(slo.memory_growth ?? growthByDefault.memory) / mebibyte;
  const asked = slo.memory_growth !== undefined;
  const title = 'Growth of memory over the soak';
  const unit = { limit: 'at most', unit: 'MiB a minute' } as const;
  if (memory === null) {
    const message = 'The memory of the target is not known, or was seen too few times';
    return loadCheck(
      'memory-growth',
      title,
      { verdict: asked ? 'inconclusive' : 'skipped', observed: null, required, message },
      unit,
    );
  }
  const verdict = memory.lower > required ? 'fail' : memory.upper <= required ? 'pass' : 'inconclusive';
  const message = `Memory changes by ${number(memory.slope)} MiB a minute (between ${number(memory.lower)} and ${number(memory.upper)}, over ${number(minutes)} minutes), at most ${number(required)} allowed${verdict === 'fail' ? ': it leaks' : verdict === 'inconclusive' ? ': a longer soak would tell' : ''}`;
  return loadCheck(
    'memory-growth',
    title,
    { verdict, observed: memory.slope, required, message },
    unit,
    asked || verdict === 'fail' ? 'block' : 'info',
  );
}

function latencyCheck({ latency, minutes }: SoakTrends, slo: Slo): Check {
  const required = slo.latency_growth ?? growthByDefault.latency;
  const asked = slo.latency_growth !== undefined;
  const title = 'Growth of latency over the soak';
  if (latency === null) {
    const message = 'There were too few answers to see a trend';
    return loadCheck(
      'latency-growth',
      title,
      { verdict: asked ? 'inconclusive' : 'skipped', observed: null, required, message },
      mostShare,
    );
  }
  const share = (slope: number): number => (slope * minutes) / Math.max(latency.start, leastLatencyMs);
  const [observed, lower, upper] = [share(latency.slope), share(latency.lower), share(latency.upper)];
  const verdict = lower > required ? 'fail' : upper <= required ? 'pass' : 'inconclusive';
  const message = `The median latency changes by ${percent(observed)} over the soak (between ${percent(lower)} and ${percent(upper)}), from ${number(latency.start)} ms; at most ${percent(required)} allowed`;
  return loadCheck(
    'latency-growth',
    title,
    { verdict, observed, required, message },
    mostShare,
    asked || verdict === 'fail' ? 'block' : 'info',
  );
}

function number(value: number): string {
  return String(Number(value.toPrecision(3)));
}
