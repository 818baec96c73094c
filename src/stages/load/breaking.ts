import type { WindowResult } from './driver.ts';
import { bottleneckOf, type Bottleneck } from './bottleneck.ts';
import type { FoundCapacity } from './capacity-check.ts';
import { judgeWindow } from './judge.ts';
import { offsetsOf, type ProfileOf } from './profile.ts';
import { schedule } from './schedule.ts';
import type { Slo } from './schema.ts';
import { seed, type Bench } from './session.ts';
import { partOf } from './window.ts';
import { misses } from './hopeless.ts';
import { percentile } from './latency.ts';

/** A rate that was tried, and whether the objectives were met. */
export interface TriedRate {
  rate: number;
  verdict: 'pass' | 'fail' | 'inconclusive';
  p50Ms: number;
  p95Ms: number;
  p99Ms: number;
  errors: number;
  /** Requests a second that were answered. */
  delivered: number;
}

export interface BreakingPoint extends FoundCapacity {
  bottleneck: Bottleneck | null;
  tried: TriedRate[];
  windows: WindowResult[];
}

const partsOfRamp = 40;

/** Raise the rate evenly until the objectives are missed for good: judged in parts. */
export async function rampUp(bench: Bench, profile: ProfileOf<'ramp'>, slo: Slo): Promise<BreakingPoint> {
  const { from, to, durationMs } = profile;
  const each = Math.min(5000, Math.max(500, durationMs / partsOfRamp));
  const offsets = offsetsOf(profile, seed) as Float64Array;
  const rateAt = (ms: number): number => from + ((to - from) * ms) / durationMs;
  const result = await bench.run(offsets, {
    hopeless: { partMs: each, slo },
  });
  const lasted = result.cutShort ? (result.offsets.at(-1) ?? 0) : durationMs;
  const parts = Array.from({ length: Math.max(1, Math.floor(lasted / each)) }, (_, index) =>
    partOf(result, index * each, (index + 1) * each),
  );
  const missing = parts.map((part) => misses(part, slo));
  let first = parts.length;
  while (first > 0 && missing[first - 1] === true) first -= 1;
  // One miss at the very end is not yet reproduced.
  const broke = parts.length - first >= Math.min(2, parts.length) ? first : parts.length;
  const part = parts[broke];
  const bottleneck = part === undefined ? null : bottleneckOf(part, slo, bench.session);
  const byGenerator = bottleneck?.kind === 'generator';
  return {
    met: broke === 0 ? null : Math.min(to, rateAt(broke * each)),
    missed: part === undefined || byGenerator ? null : rateAt((broke + 1) * each),
    because: bottleneck?.message ?? `the profile ends at ${to}/s`,
    bounded: part === undefined || byGenerator,
    bottleneck,
    tried: parts.map((each_, index) => triedRate(rateAt((index + 0.5) * each), each_, slo)),
    windows: [result],
  };
}

/** Raise the rate in steps until one is missed twice. */
export async function stepUp(
  bench: Bench,
  { rates, eachMs, arrivals }: ProfileOf<'steps'>,
  slo: Slo,
): Promise<BreakingPoint> {
  const { signal } = bench.session;
  const windows: WindowResult[] = [];
  const tried: TriedRate[] = [];
  let met: number | null = null;
  for (const [index, rate] of rates.entries()) {
    let last: WindowResult | undefined;
    let passed = false;
    for (let attempt = 0; attempt < 2 && !passed && !signal.aborted; attempt += 1) {
      const offsets = schedule({ rate, durationMs: eachMs, arrivals, seed: seed + 2 * index + attempt });
      last = await bench.run(offsets, { hopeless: { planned: offsets.length, slo } });
      windows.push(last);
      const row = triedRate(rate, last, slo);
      tried.push(row);
      passed = row.verdict === 'pass' || (row.verdict === 'inconclusive' && !misses(last, slo));
    }
    if (signal.aborted || last === undefined) break;
    if (passed) {
      met = rate;
      continue;
    }
    const bottleneck = bottleneckOf(last, slo, bench.session);
    const bounded = bottleneck.kind === 'generator';
    return { met, missed: bounded ? null : rate, because: bottleneck.message, bounded, bottleneck, tried, windows };
  }
  return {
    met,
    missed: null,
    because: `the profile ends at ${rates.at(-1)}/s`,
    bounded: true,
    bottleneck: null,
    tried,
    windows,
  };
}

export function triedRate(rate: number, result: WindowResult, slo: Slo): TriedRate {
  const sorted = result.latency.toSorted();
  const { verdict, errors, counts } = judgeWindow(result, slo);
  const failed = errors.verdict === 'fail' ? 'fail' : verdict;
  return {
    rate,
    verdict: failed,
    p50Ms: percentile(sorted, 0.5),
    p95Ms: percentile(sorted, 0.95),
    p99Ms: percentile(sorted, 0.99),
    errors: result.outcome.length - counts.accepted,
    delivered: (counts.accepted * 1000) / Math.max(1, result.elapsedMs),
  };
}
