import type { Slo } from './schema.ts';

/** A limit on a percentile of latency; `max` is that of all requests. */
export interface LatencyLimit {
  /** p50, p90, p95, p99, p99.9, max */
  name: string;
  /** The key of the configuration. */
  key: LatencyKey;
  /** The share of requests that must be within it. */
  p: number;
  ms: number;
}

const shares = { p50_ms: 0.5, p90_ms: 0.9, p95_ms: 0.95, p99_ms: 0.99, p99_9_ms: 0.999, max_ms: 1 } as const;
export type LatencyKey = keyof typeof shares;

/** The latency objectives that are set. */
export function latencyLimits(slo: Slo): LatencyLimit[] {
  return (Object.keys(shares) as LatencyKey[]).flatMap((key) => {
    const ms = slo[key];
    return ms === undefined ? [] : [{ name: key.replace(/_ms$/u, '').replace('_', '.'), key, p: shares[key], ms }];
  });
}
