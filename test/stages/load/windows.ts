import type { WindowResult } from '../../../src/stages/load/driver.ts';

/** A window of requests that were all sent on time and accepted, on an idle machine, but for what is given. */
export function windowOf({
  offsets,
  ...given
}: Pick<WindowResult, 'offsets' | 'latency' | 'elapsedMs'> & Partial<WindowResult>): WindowResult {
  return {
    offsets,
    lag: new Float64Array(offsets.length),
    outcome: new Uint8Array(offsets.length).fill(1),
    lost: {},
    queued: 0,
    resent: 0,
    opened: 1,
    startedAt: 0,
    cutShort: false,
    host: { eventLoop: 0, cpu: 0, steal: 0 },
    ...given,
  };
}
