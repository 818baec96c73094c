import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { rateAtShare, type Trial } from '../../../src/stages/load/capacity-fit.ts';
import { searchCapacity, type Capacity } from '../../../src/stages/load/capacity.ts';
import { profilesOf, type ProfileOf } from '../../../src/stages/load/profile.ts';
import { uniform } from '../../../src/stages/load/random.ts';
import type { Slo } from '../../../src/stages/load/schema.ts';
import { virtualBench, type ServiceTime } from './virtual-bench.ts';

/** The search as it runs, with the time it takes by default, of a queue whose time is virtual. */
async function search(serviceMs: ServiceTime, slo: Slo, seed: number): Promise<{ found: Capacity; seconds: number }> {
  const { bench, clock } = virtualBench(serviceMs, { seed });
  const [profile] = profilesOf({ profile: { kind: 'capacity' }, slo }) as [ProfileOf<'capacity'>];
  const found = await searchCapacity(bench, profile, slo, clock);
  return { found, seconds: clock.now() / 1000 };
}

const searches = 12;
const exponential = (seed: number): ServiceTime => {
  const next = uniform(seed);
  return () => -10 * Math.log(1 - next());
};

describe('a search for the capacity', () => {
  for (const [what, service, limit, truth] of [
    // Of simulations of a million requests: the rate at which 5% wait longer.
    ['a fixed time for each request', () => () => 10, 100, 84.9],
    ['a fixed time for each request, and a limit of three of them', () => () => 10, 30, 49.3],
    // P(T > t) = exp(-(mu - lambda) t) is 0.05.
    ['times of an exponential distribution', exponential, 100, 100 + 10 * Math.log(0.05)],
  ] as const) {
    test(`leans neither way, and its interval covers the truth: ${what}`, async () => {
      const all = [];
      for (let index = 0; index < searches; index += 1)
        all.push(await search(service(index), { p95_ms: limit }, 1e6 + 1000 * index));
      const ratios = all.map(({ found }) => Number(found.estimate) / truth);
      const told = ratios.map((ratio) => ratio.toFixed(3)).join(' ');
      const mean = ratios.reduce((sum, ratio) => sum + ratio, 0) / searches;
      assert.ok(Math.abs(mean - 1) < 0.025, told);
      assert.ok(ratios.filter((ratio) => Math.abs(ratio - 1) <= 0.1).length >= searches - 1, told);
      const covering = all.filter(({ found: { met, missed } }) => Number(met) <= truth && Number(missed) >= truth);
      assert.ok(covering.length >= searches - 2, `${covering.length} of ${searches}: ${told}`);
      assert.ok(
        all.every(({ seconds }) => seconds < 185),
        'within its budget',
      );
      const widths = all.map(({ found: { met, missed } }) => Number(missed) / Number(met)).toSorted((a, b) => a - b);
      assert.ok((widths[searches / 2] as number) < 1.3, `an interval that says something: ${String(widths)}`);
    });
  }

  test('of a server that nothing is too much for says that it may do more', async () => {
    const { bench, clock } = virtualBench(() => 0.01);
    const slo = { p95_ms: 100 };
    const [profile] = profilesOf({ profile: { kind: 'capacity', to: 500 }, slo }) as [ProfileOf<'capacity'>];
    const found = await searchCapacity(bench, profile, slo, clock);
    assert.deepEqual([found.met, found.missed, found.bounded], [500, null, true]);
  });

  test('of a server that meets the objectives at no rate says that', async () => {
    const { found } = await search(() => 150, { p95_ms: 100 }, 1);
    assert.equal(found.met, null);
  });
});

describe('the rate at which a share is over', () => {
  const trial = (rate: number, over: number, bursts = over): Trial => ({ rate, total: 1000, over, bursts });

  test('lies between what is met and what is missed, also where all or none are over', () => {
    const found = rateAtShare([trial(90, 0), trial(95, 0), trial(105, 1000, 1e6), trial(110, 1000, 1e6)], 0.05);
    assert.ok(found.rate > 95 && found.rate < 105, JSON.stringify(found));
    assert.ok(found.lower < found.rate && found.upper > found.rate);
  });

  test('is told with a wider interval where the same number comes in bursts', () => {
    const rates = [90, 94, 98, 102, 106, 110];
    const counts = [20, 30, 45, 60, 80, 110];
    const width = (burst: number): number => {
      const { lower, upper } = rateAtShare(
        rates.map((rate, index) => trial(rate, counts[index] as number, burst * (counts[index] as number))),
        0.05,
      );
      return upper / lower;
    };
    assert.ok(width(20) > 1.02 * width(1), `${width(1)} and ${width(20)}`);
  });

  test('is not told where nothing came near it', () => {
    assert.equal(rateAtShare([trial(90, 0), trial(95, 0)], 0.05).upper, Number.POSITIVE_INFINITY);
  });
});
