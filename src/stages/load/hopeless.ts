import type { Samples, WindowResult } from './driver.ts';
import { defaultErrorRate, judgeWindow } from './judge.ts';
import { judgeShare } from './latency.ts';
import { latencyLimits } from './objectives.ts';
import type { Slo } from './schema.ts';
import { partOf } from './window.ts';

/** When more load would say nothing new: the window of so many requests is missed for certain, or a ramp is past its breaking point. */
export type HopelessRule = { planned: number; slo: Slo } | { partMs: number; slo: Slo };

/** Misses in a row that end a ramp: one may be noise. */
const missesToEnd = 3;

export function isHopelessBy(rule: HopelessRule, soFar: Samples): boolean {
  const { slo } = rule;
  if ('planned' in rule) return isHopeless(soFar, rule.planned, slo);
  const { partMs: each } = rule;
  const complete = Math.floor(((soFar.offsets.at(-1) ?? 0) - settleMs(slo)) / each);
  const last = Array.from({ length: missesToEnd }, (_, index) => complete - 1 - index);
  const view = { ...soFar, ...unmeasured };
  return complete >= missesToEnd && last.every((part) => misses(partOf(view, part * each, (part + 1) * each), slo));
}

/** Whatever the requests to come bring, the window misses an objective. */
function isHopeless(soFar: Samples, planned: number, slo: Slo): boolean {
  for (const { p, ms } of latencyLimits(slo)) {
    const over = countMisses(soFar, ms);
    if (over > 0 && judgeShare({ over, total: planned, p }) === 'missed') return true;
  }
  return countMisses(soFar, Number.POSITIVE_INFINITY) > (slo.error_rate ?? defaultErrorRate) * planned;
}

/** How many of the requests that have settled are too slow or failed. */
function countMisses({ latency, outcome }: Samples, ms: number): number {
  let over = 0;
  for (const [index, code] of outcome.entries()) {
    if (code !== 0 && (code !== 1 || (latency[index] as number) > ms)) over += 1;
  }
  return over;
}

/** Did a part of a window miss an objective? What cannot be told for lack of requests is no miss. */
export function misses(result: WindowResult, slo: Slo): boolean {
  if (result.offsets.length === 0) return false;
  const { latency, throughput, errors } = judgeWindow(result, slo);
  return (
    latency.some(({ verdict, because }) => verdict === 'fail' || because === 'generator') ||
    throughput.verdict !== 'pass' ||
    errors.verdict !== 'pass'
  );
}

/** What is still under way is not judged yet. */
function settleMs(slo: Slo): number {
  return 250 + Math.max(500, ...(['p95_ms', 'p99_ms', 'p99_9_ms'] as const).map((key) => slo[key] ?? 0));
}

const unmeasured = {
  lost: {},
  queued: 0,
  resent: 0,
  opened: 0,
  startedAt: 0,
  elapsedMs: 0,
  cutShort: false,
  host: { eventLoop: 0, cpu: 0, steal: null },
};
