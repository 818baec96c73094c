import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { WindowResult } from '../../../src/stages/load/driver.ts';
import type { ProfileOf } from '../../../src/stages/load/profile.ts';
import { uniform } from '../../../src/statistics/splitmix.ts';
import { replayedOffsets } from '../../../src/stages/load/replay.ts';
import { scheduleOf } from '../../../src/stages/load/schedule.ts';
import { scalabilityLaw, sizingOf, throughputOf } from '../../../src/stages/load/sizing.ts';
import { recoveryOf } from '../../../src/stages/load/spike.ts';
import { trendOf } from '../../../src/stages/load/trend.ts';
import fc from '../../support/properties.ts';
import { windowOf } from './windows.ts';

describe('recovery after a spike', () => {
  const spike = (base: number, factor: number, afterMs = 20_000): ProfileOf<'spike'> => ({
    kind: 'spike',
    name: 'spike',
    arrivals: 'constant',
    warmupMs: 0,
    connections: 10,
    rowsPerRequest: 1,
    timeoutMs: 60_000,
    base,
    factor,
    beforeMs: 2000,
    lengthMs: 2000,
    afterMs,
  });
  const windowAfter = (profile: ProfileOf<'spike'>, capacity: number): WindowResult => {
    const { base, factor, beforeMs, lengthMs, afterMs } = profile;
    const stretches = [
      { from: base, to: base, durationMs: beforeMs },
      { from: base * factor, to: base * factor, durationMs: lengthMs },
      { from: base, to: base, durationMs: afterMs },
    ];
    const offsets = scheduleOf(stretches, 'constant', 1);
    let free = 0;
    const latency = offsets.map((at) => {
      free = Math.max(free, at) + 1000 / capacity;
      return free - at;
    });
    return windowOf({ offsets, latency, elapsedMs: beforeMs + lengthMs + afterMs });
  };

  test('is that of the queue it left, within a tenth', () => {
    for (const [base, factor, capacity] of [
      [50, 10, 100],
      [100, 10, 300],
      [20, 10, 60],
      [200, 5, 500],
    ] as const) {
      const profile = spike(base, factor, 60_000);
      const { ms } = recoveryOf(windowAfter(profile, capacity), profile, { p95_ms: 200 });
      // The queue at its end, in seconds of work, less the 200 ms that are allowed, drains at what the base leaves of the capacity.
      const queue = 2 * ((base * factor) / capacity - 1);
      const truth = ((queue - 0.2) / (1 - base / capacity)) * 1000;
      assert.ok(ms !== null && Math.abs(ms - truth) < 0.1 * truth, `${ms} where ${truth} is the truth`);
    }
  });

  test('is none where the queue is longer than the time after it, and nothing where there was no queue', () => {
    const long = spike(50, 10, 3000);
    assert.equal(recoveryOf(windowAfter(long, 60), long, { p95_ms: 200 }).ms, null);
    const none = spike(50, 2);
    assert.equal(recoveryOf(windowAfter(none, 500), none, { p95_ms: 200 }).ms, 0);
  });
});

describe('the trend of a soak', () => {
  /** Minutes and MiB as they are seen twice a second for a minute: a saw, as garbage collection makes it, and noise. */
  const memory = (perMinute: number, seed: number): [number[], number[]] => {
    const next = uniform(seed);
    const x = Array.from({ length: 96 }, (_, index) => index / 120);
    return [x, x.map((at, index) => 200 + perMinute * at + 6 * ((index % 7) / 7) + 4 * next())];
  };

  test('finds a leak of 1 MB a second in a minute, within a tenth, and none where there is none, in 20 of 20', () => {
    for (let seed = 1; seed <= 20; seed += 1) {
      const leak = trendOf(...memory(57.2, seed));
      assert.ok(leak !== null && leak.lower > 4 && Math.abs(leak.slope - 57.2) < 5.72, JSON.stringify(leak));
      const steady = trendOf(...memory(0, seed));
      assert.ok(steady !== null && steady.lower <= 4, JSON.stringify(steady));
    }
  });

  test('is not told from a handful of values', () => {
    assert.equal(trendOf([1, 2, 3, 4], [1, 2, 3, 4]), null);
  });

  test('is exact for a line', () => {
    fc.assert(
      fc.property(
        fc.double({ min: -5, max: 5, noNaN: true }),
        fc.double({ min: -9, max: 9, noNaN: true }),
        (slope, start) => {
          const x = Array.from({ length: 50 }, (_, index) => index / 10);
          const trend = trendOf(
            x,
            x.map((at) => start + slope * at),
          );
          assert.ok(
            trend !== null && Math.abs(trend.slope - slope) < 1e-9 && Math.abs(trend.upper - trend.lower) < 1e-6,
          );
        },
      ),
    );
  });
});

describe('a schedule whose rate changes', () => {
  test('sends as many as the area below the rate, ascending, within its time', () => {
    const stretch = fc.record({
      from: fc.double({ min: 0, max: 300, noNaN: true }),
      to: fc.double({ min: 0, max: 300, noNaN: true }),
      durationMs: fc.integer({ min: 10, max: 4000 }),
    });
    fc.assert(
      fc.property(
        fc.array(stretch, { minLength: 1, maxLength: 5 }),
        fc.constantFrom('constant' as const, 'poisson' as const),
        fc.nat(),
        (stretches, arrivals, seed) => {
          const offsets = scheduleOf(stretches, arrivals, seed);
          const area = stretches.reduce(
            (sum, { from, to, durationMs }) => sum + (((from + to) / 2) * durationMs) / 1000,
            0,
          );
          assert.equal(offsets.length, Math.max(1, Math.round(area)));
          const end = stretches.reduce((sum, { durationMs }) => sum + durationMs, 0);
          for (const [index, at] of offsets.entries()) {
            assert.ok(at >= 0 && at <= end + 1e-6, `${at} of ${end}`);
            assert.ok(index === 0 || at >= (offsets[index - 1] as number) - 1e-9);
          }
        },
      ),
    );
  });

  test('of a ramp from nothing sends a quarter in its first half', () => {
    const offsets = scheduleOf([{ from: 0, to: 400, durationMs: 10_000 }], 'constant', 1);
    const early = offsets.filter((at) => at < 5000).length;
    assert.ok(Math.abs(early - 500) <= 1, `${early} of ${offsets.length}`);
  });
});

describe('replayed traffic', () => {
  const as = (speed = 1, scale = 1) => ({ speed, scale, arrivals: 'constant' as const });

  test('keeps the times of a file, faster if asked to', () => {
    const text = 'time\n2026-01-01T00:00:00Z\n2026-01-01T00:00:01.5Z\n2026-01-01T01:00:02+01:00\n';
    assert.deepEqual([...replayedOffsets(text, 'f', as(), 1)], [0, 1500, 2000]);
    assert.deepEqual([...replayedOffsets('10\n12\n16', 'f', as(4), 1)], [0, 500, 1500]);
    assert.deepEqual([...replayedOffsets('1767225600000\n1767225600250', 'f', as(), 1)], [0, 250]);
  });

  test('sends so many times the requests', () => {
    const lines = Array.from({ length: 1000 }, (_, index) => String(index / 10)).join('\n');
    assert.equal(replayedOffsets(lines, 'f', as(1, 3), 1).length, 3000);
    const half = replayedOffsets(lines, 'f', as(1, 0.5), 1).length;
    assert.ok(half > 440 && half < 560, String(half));
  });

  test('follows rates, as many requests in less time', () => {
    const text = 'seconds,rate\n0,10\n10,30\n';
    const offsets = replayedOffsets(text, 'f', as(10), 1);
    assert.equal(offsets.length, 400);
    assert.ok(Math.abs(offsets.filter((at) => at < 1000).length - 100) <= 1);
  });

  for (const [what, text, message] of [
    [
      'a time without a zone',
      '2026-01-01T00:00:00\n2026-01-01T00:00:01',
      /f:2: .*not a time|at least two|is not a time/u,
    ],
    ['times that go back', '2\n1', /f:2.*the time is before that of the line above/su],
    ['a rate that is none', '0,1\n1,fast', /f:2.*1,fast/su],
    ['one line', '5', /at least two/u],
  ] as const) {
    test(`refuses ${what}`, () => {
      assert.throws(() => replayedOffsets(text, 'f', as(), 1), message);
    });
  }
});

describe('sizing', () => {
  const users = [1, 2, 4, 8, 16, 32, 64];

  test('finds the law that a curve follows, and where throughput falls', () => {
    const law = { lambda: 100, sigma: 0.05, kappa: 0.002 };
    const found = scalabilityLaw(users.map((each) => ({ users: each, rate: throughputOf(law, each), meanMs: 1 })));
    assert.ok(
      found !== null && Math.abs(found.sigma - 0.05) < 0.01 && Math.abs(found.kappa - 0.002) < 0.0005,
      JSON.stringify(found),
    );
    assert.ok(Math.abs((found.peakUsers ?? 0) - Math.sqrt(0.95 / 0.002)) < 3);
  });

  test('does not force the law on a curve that does not follow it, or on a few points', () => {
    assert.equal(
      scalabilityLaw(users.map((each, index) => ({ users: each, rate: index % 2 === 0 ? 50 : 300, meanMs: 1 }))),
      null,
    );
    assert.equal(scalabilityLaw(users.slice(0, 5).map((each) => ({ users: each, rate: 100 * each, meanMs: 1 }))), null);
  });

  test('counts replicas with headroom, requests in flight by the law of Little, and the price', () => {
    const sizing = sizingOf(
      { met: 100, missed: 110, because: '', bounded: false },
      [],
      50,
      { target_rps: 500, headroom: 0.3, price_per_hour: 0.2 },
      'm',
    );
    assert.equal(sizing?.replicas, 8);
    assert.ok(Math.abs((sizing?.concurrency ?? 0) - 3.5) < 1e-9);
    assert.ok(Math.abs((sizing?.costPerMillion ?? 0) - (0.2 / (70 * 3600)) * 1e6) < 1e-9);
    const ofTwo = { target_rps: 500, replicas: 2 };
    const measured = sizingOf({ met: 200, missed: 220, because: '', bounded: false }, [], 50, ofTwo, 'm');
    assert.deepEqual([measured?.replicas, Number(measured?.perReplica.toFixed(6))], [8, 70]);
    assert.equal(sizingOf({ met: null, missed: 10, because: '', bounded: false }, [], 50, {}, 'm'), null);
  });
});
