import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { schedule } from '../../../src/stages/load/schedule.ts';
import { shuffled, uniform } from '../../../src/statistics/splitmix.ts';
import fc from '../../support/properties.ts';

const profiles = fc.record({
  rate: fc.double({ min: 0.5, max: 5000, noNaN: true }),
  durationMs: fc.integer({ min: 100, max: 5000 }),
  arrivals: fc.constantFrom('constant' as const, 'poisson' as const),
  seed: fc.nat(),
});

describe('a schedule', () => {
  test('offers exactly the rate, in order, within the window, whatever the arrivals and the seed', () => {
    fc.assert(
      fc.property(profiles, (profile) => {
        const offsets = schedule(profile);
        assert.equal(offsets.length, Math.max(1, Math.round((profile.rate * profile.durationMs) / 1000)));
        assert.ok(offsets.every((offset, index) => index === 0 || offset >= (offsets[index - 1] as number)));
        assert.ok((offsets[0] as number) >= 0);
        assert.ok((offsets.at(-1) as number) <= profile.durationMs + 1000 / profile.rate);
      }),
    );
  });

  test('is the same for the same seed and another for another', () => {
    const profile = { rate: 50, durationMs: 1000, arrivals: 'poisson' } as const;
    assert.deepEqual(schedule({ ...profile, seed: 3 }), schedule({ ...profile, seed: 3 }));
    assert.notDeepEqual(schedule({ ...profile, seed: 3 }), schedule({ ...profile, seed: 4 }));
  });

  test('of Poisson arrivals has exponential gaps: mean and standard deviation are equal', () => {
    const offsets = schedule({ rate: 1000, durationMs: 50_000, arrivals: 'poisson', seed: 11 });
    const gaps = offsets.subarray(1).map((offset, index) => offset - (offsets[index] as number));
    const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
    const deviation = Math.sqrt(gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / gaps.length);
    assert.ok(Math.abs(mean - 1) < 0.01, `mean gap ${mean} ms`);
    assert.ok(Math.abs(deviation - 1) < 0.03, `deviation ${deviation} ms`);
  });

  test('of more requests than memory should hold is refused', () => {
    assert.throws(
      () => schedule({ rate: 100_000, durationMs: 3_600_000, arrivals: 'constant', seed: 1 }),
      /360000000 requests.*Lower rate or duration/su,
    );
  });

  test('a shuffle keeps every row once and is fixed by its seed', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 500 }), fc.nat(), (count, seed) => {
        const order = shuffled(count, uniform(seed));
        assert.deepEqual(
          [...order].toSorted((a, b) => a - b),
          Array.from({ length: count }, (_, index) => index),
        );
        assert.deepEqual(order, shuffled(count, uniform(seed)));
      }),
    );
  });
});
