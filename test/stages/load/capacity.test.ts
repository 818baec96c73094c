import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { rateAtShare, type Trial } from '../../../src/stages/load/capacity-fit.ts';
import { searchCapacity, type Capacity } from '../../../src/stages/load/capacity.ts';
import { profilesOf, type ProfileOf } from '../../../src/stages/load/profile.ts';
import { uniform } from '../../../src/statistics/splitmix.ts';
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

  const stalling =
    (isStalled: (now: number) => number): ServiceTime =>
    (now) =>
      10 + isStalled(now);
  const limit = { p95_ms: 100 };
  const truth = 84.9;

  test('is not decided by one stall of the machine, whenever it comes, and says what it did not count', async () => {
    const all = [];
    for (let from = 0; from < 180_000; from += 12_000) {
      const service = stalling((now) => (now >= from && now < from + 1000 ? from + 1000 - now : 0));
      all.push((await search(service, limit, 1e6 + 7 * from)).found);
    }
    const told = all.map(({ estimate, met, missed }) => [estimate, met, missed].map((each) => each?.toFixed(0)));
    const isCovered = ({ met, missed }: Capacity): boolean => Number(met) <= truth && Number(missed) >= truth;
    assert.ok(all.filter(isCovered).length >= all.length - 2, JSON.stringify(told));
    const close = all.filter(({ estimate }) => Math.abs(Number(estimate) / truth - 1) < 0.1);
    assert.ok(close.length >= all.length - 2, JSON.stringify(told));
    assert.ok(
      all.some(({ because }) => /one miss, at \d+(?:\.\d+)?\/s, is not counted/u.test(because)),
      'says so',
    );
  });

  test('counts the stalls of a server that stalls again and again', async () => {
    // Of a simulation of an hour: with a second in each minute, 5% wait longer at 68.1/s.
    const service = stalling((now) => (now % 60_000 >= 59_000 ? 60_000 - (now % 60_000) : 0));
    const all = [];
    for (let index = 0; index < searches; index += 1)
      all.push((await search(service, limit, 3e6 + 1000 * index)).found);
    const told = all.map(({ estimate, met, missed }) => [estimate, met, missed].map((each) => each?.toFixed(0)));
    const estimates = all.map(({ estimate }) => Number(estimate)).toSorted((a, b) => a - b);
    assert.ok((estimates[searches / 2] as number) < 1.1 * 68.1, JSON.stringify(told));
    assert.ok(all.filter(({ met }) => Number(met) <= 68.1).length >= searches - 2, JSON.stringify(told));
  });

  test('takes a second look where a window misses a rate that was answered before', async () => {
    // The first window that is judged, of a rate half as high as the closed loops had, stalls for more than its length.
    const { bench, clock } = virtualBench(stalling((now) => (now > 7500 && now < 13_000 ? 13_000 - now : 0)));
    const [profile] = profilesOf({ profile: { kind: 'capacity', to: 60 }, slo: limit }) as [ProfileOf<'capacity'>];
    const found = await searchCapacity(bench, profile, limit, clock);
    assert.deepEqual([found.met, found.missed], [60, null]);
  });

  test('of a server that nothing is too much for says that it may do more', async () => {
    const { bench, clock } = virtualBench(() => 0.01);
    const slo = { p95_ms: 100 };
    const [profile] = profilesOf({ profile: { kind: 'capacity', to: 500 }, slo }) as [ProfileOf<'capacity'>];
    const found = await searchCapacity(bench, profile, slo, clock);
    assert.deepEqual([found.met, found.missed, found.bounded], [500, null, true]);
  });

  test('estimates nothing of a server that other processes slowed, and says so once', async () => {
    const { bench, clock } = virtualBench(() => 10, { seed: 5 });
    const starved: typeof bench = {
      ...bench,
      async run(...args) {
        const result = await bench.run(...args);
        return { ...result, host: { ...result.host, others: 0.9 } };
      },
    };
    const [profile] = profilesOf({ profile: { kind: 'capacity' }, slo: limit }) as [ProfileOf<'capacity'>];
    const found = await searchCapacity(starved, profile, limit, clock);
    assert.deepEqual([found.estimate, found.missed, found.bounded], [null, null, true]);
    assert.equal(found.because.match(/other processes of this machine took 90% of the CPU/gu)?.length, 1);
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
