import type { Check } from '../../evidence/index.ts';
import { bytes } from '../../config/index.ts';
import { firstFrom } from '../../statistics/quantile.ts';
import { brief, percent } from '../../wording.ts';
import { atMost } from '../comparison.ts';
import { loadCheck, mostShare, type Limit } from './check.ts';
import { outcomes, type WindowResult } from './driver.ts';
import type { Slo } from './schema.ts';
import type { Session } from './session.ts';
import { trendOf, type Trend } from './trend.ts';

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

export function soakChecks({ memory, latency, minutes }: SoakTrends, slo: Slo): Check[] {
  const mostMemory = bytes(slo.memory_growth ?? growthByDefault.memory) / mebibyte;
  const mostLatency = slo.latency_growth ?? growthByDefault.latency;
  const share = (slope: number): number => (slope * minutes) / Math.max(latency?.start ?? 0, leastLatencyMs);
  const endings = { pass: '', fail: ': it leaks', inconclusive: ': a longer soak may settle it' };
  return [
    growthCheck('memory', mostMemory, { limit: 'at most', unit: 'MiB a minute' }, slo.memory_growth !== undefined, {
      trend: memory,
      unseen: 'The memory of the target is not known, or was measured too few times',
      seen: ({ slope, lower, upper }, verdict) =>
        `Memory changes by ${brief(slope)} MiB a minute (between ${brief(lower)} and ${brief(upper)}, over ${brief(minutes)} minutes), at most ${brief(mostMemory)} allowed${endings[verdict]}`,
    }),
    growthCheck('latency', mostLatency, mostShare, slo.latency_growth !== undefined, {
      trend: latency && {
        ...latency,
        slope: share(latency.slope),
        lower: share(latency.lower),
        upper: share(latency.upper),
      },
      unseen: 'There were too few answers to see a trend',
      seen: ({ slope, lower, upper, start }) =>
        `The median latency changes by ${percent(slope)} over the soak (between ${percent(lower)} and ${percent(upper)}), from ${brief(start)} ms; at most ${percent(mostLatency)} allowed`,
    }),
  ];
}

/** @param asked a limit is configured: what was not seen is open then, and growth blocks */
function growthCheck(
  of: string,
  required: number,
  limit: Limit,
  asked: boolean,
  { trend, unseen, seen }: GrowthSeen,
): Check {
  const [id, title] = [`${of}-growth`, `Growth of ${of} over the soak`];
  if (trend === null) {
    const verdict = asked ? 'inconclusive' : 'skipped';
    return loadCheck(id, title, limit, { verdict, observed: null, required, message: unseen });
  }
  const verdict = atMost(trend, required);
  const severity = asked || verdict === 'fail' ? 'block' : 'info';
  const message = seen(trend, verdict);
  return loadCheck(id, title, limit, { verdict, severity, observed: trend.slope, required, message });
}

interface GrowthSeen {
  trend: Trend | null;
  unseen: string;
  seen(trend: Trend, verdict: 'pass' | 'fail' | 'inconclusive'): string;
}
