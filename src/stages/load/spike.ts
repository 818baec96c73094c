import type { Check } from '../../evidence/index.ts';
import { milliseconds as durationMs } from '../../config/index.ts';
import { firstFrom } from '../../statistics/quantile.ts';
import { loadCheck, mostSeconds } from './check.ts';
import { outcomes, type WindowResult } from './driver.ts';
import { percentile } from './latency.ts';
import { latencyLimits } from './objectives.ts';
import type { ProfileOf } from './profile.ts';
import type { Slo } from './schema.ts';
import { partOf } from './window.ts';

/** Recovery holds when the objectives are met for this long, or until the end. */
const heldMs = 2000;
const sliceMs = 250;

export interface Recovery {
  /** From the end of the spike until the last request that was too slow or failed, before the objectives are met again; null: never. */
  ms: number | null;
  /** The latency that counts as recovered, and the share of requests that must be within it. */
  limitMs: number;
  share: number;
}

/**
 * How long a server takes after a spike. What counts as recovered is the strictest objective on latency; without one, twice the p95 of
 * the base before the spike.
 */
export function recoveryOf(result: WindowResult, profile: ProfileOf<'spike'>, slo: Slo): Recovery {
  const end = profile.beforeMs + profile.lengthMs;
  const { ms: limitMs, p: share } = limitOf(partOf(result, 0, profile.beforeMs), slo);
  const first = firstFrom(result.offsets, end);
  const last = end + profile.afterMs;
  const bad = (index: number): boolean =>
    outcomes[result.outcome[index] as number] !== 'accepted' || (result.latency[index] as number) > limitMs;
  let ms = 0;
  let goodSince = end;
  let slice = first;
  for (let from = end; from < last; from += sliceMs) {
    const to = Math.min(from + sliceMs, last);
    let total = 0;
    let over = 0;
    let latest = from;
    for (; slice < result.offsets.length && (result.offsets[slice] as number) < to; slice += 1) {
      total += 1;
      if (!bad(slice)) continue;
      over += 1;
      latest = result.offsets[slice] as number;
    }
    // At most the share of requests that the objective lets be slow, and one that may be chance.
    if (total > 0 && over > Math.max(1, (1 - share) * total)) {
      ms = latest - end;
      goodSince = to;
    } else if (to - goodSince >= heldMs) return { ms, limitMs, share };
  }
  const stillGood = goodSince < last;
  return { ms: stillGood ? ms : null, limitMs, share };
}

function limitOf(before: WindowResult, slo: Slo): { ms: number; p: number } {
  const limits = latencyLimits(slo).filter(({ p }) => p >= 0.9 && p < 1);
  const [strictest] = limits.toSorted((left, right) => left.ms - right.ms);
  return strictest ?? { ms: Math.max(10, 2 * percentile(before.latency.toSorted(), 0.95)), p: 0.95 };
}

export function recoveryCheck({ ms, limitMs, share }: Recovery, profile: ProfileOf<'spike'>, slo: Slo): Check {
  const required = slo.recovery === undefined ? null : durationMs(slo.recovery) / 1000;
  const times = `a spike of ${profile.factor} times ${profile.base}/s for ${profile.lengthMs / 1000} s`;
  const meaning = `${Number((100 * share).toPrecision(4))}% of requests within ${Number(limitMs.toPrecision(3))} ms`;
  const within = required === null ? '' : ` (at most ${required} s allowed)`;
  const [observed, watched] = [ms === null ? null : ms / 1000, profile.afterMs / 1000];
  const outcome =
    observed === null ? `did not recover within ${watched} s` : `recovered in ${Number(observed.toPrecision(3))} s`;
  const message = `After ${times} it ${outcome} (${meaning})${within}`;
  const open = observed === null && required !== null && required > watched;
  const met = observed !== null && (required === null || observed <= required);
  const verdict = open ? 'inconclusive' : met ? 'pass' : 'fail';
  const severity = required === null && ms !== null ? 'info' : 'block';
  const finding = { verdict, severity, observed, required, message } as const;
  return loadCheck('recovery', 'Recovery after the spike', mostSeconds, finding);
}
