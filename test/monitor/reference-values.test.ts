import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fitBaseline } from '../../src/monitor/baseline.ts';
import { cusumStep, startOfCusum } from '../../src/monitor/charts.ts';
import { estimateLoss } from '../../src/monitor/loss-table.ts';
import { rateDropP } from '../../src/monitor/moving-average.ts';
import { bettingBounds } from '../../src/statistics/bounded-mean.ts';
import { cusumLimit, cusumRunLength } from '../../src/monitor/run-lengths.ts';
import { watch } from '../../src/monitor/watch.ts';
import { normalPair, randomFrom } from '../../src/statistics/random.ts';

/** Equal in the digits given. */
function agrees(found: number | null, expected: string, what = ''): void {
  const digits = /\.(\d+)/u.exec(expected)?.[1]?.length ?? 0;
  assert.equal(found?.toFixed(digits), Number(expected).toFixed(digits), what);
}

describe('run lengths and limits are those of the literature', () => {
  for (const [h, length] of [
    [4, '335.37'],
    [5, '930.89'],
  ] as const) {
    test(`a one-sided CUSUM with limit ${h}`, () => agrees(cusumRunLength(h), length));
  }
  for (const [length, h] of [
    [100, '2.8494'],
    [365, '4.0822'],
    [1000, '5.0707'],
  ] as const) {
    test(`the CUSUM that runs ${length}`, () => agrees(cusumLimit(length), h));
  }
  test('a shift of one standard deviation is seen as soon as published', () => {
    agrees(cusumRunLength(4, 0.5, 1), '8.38');
    agrees(cusumRunLength(5, 0.5, 1), '10.38');
  });
  test('a longer run length never has a lower limit, up to many years of windows', () => {
    let before = 0;
    for (const length of [10, 50, 200, 1000, 5000, 20_000, 200_000, 2_000_000]) {
      const limit = cusumLimit(length);
      assert.ok(limit > before + 0.5, `${length}: ${limit}`);
      before = limit;
    }
  });
});

test('the chart of one series agrees with values computed elsewhere', () => {
  const series = [0.2, -0.4, 0.1, 1.2, 1.5, 0.9, 1.8, 1.1, 2, 1.4];
  let cusum = startOfCusum;
  const expected: Record<number, string> = { 4: '.7', 7: '3.4', 10: '6.4' };
  for (const [index, x] of series.entries()) {
    cusum = cusumStep(cusum, x);
    const sum = expected[index + 1];
    if (sum !== undefined) agrees(cusum.up, sum);
  }
});

test('the expected loss by bins agrees with values computed elsewhere', () => {
  const table = { edges: [0.3, 0.6], means: [0.1, 0.3, 0.6], variances: [0.09, 0.21, 0.24], rows: [100, 200, 50] };
  for (const [counts, loss, se] of [
    [[500, 300, 200], '.26', '.02340726'],
    [[200, 300, 500], '.41', '.03703242'],
  ] as const) {
    const found = estimateLoss(table, counts);
    agrees(found.loss, loss);
    agrees(found.se, se);
    assert.equal(found.unknown, 0);
  }
  const third = 1000 / 3;
  const thirds = estimateLoss(table, [third, third, third]);
  agrees(thirds.loss, '.33333333');
  agrees(thirds.se, '.02814644');
  const unseen = estimateLoss({ ...table, rows: [100, 200, 0] }, [500, 300, 200]);
  agrees(unseen.unknown, '.2000');
  agrees(unseen.loss, '.175');
});

test('a rate against its week agrees with values computed elsewhere', () => {
  const events = [310, 295, 305, 300, 288, 312, 290];
  const trials = [10000, 9800, 10100, 9900, 9700, 10300, 10000];
  const week = events.map((each, day) => ({ events: each, trials: trials[day] as number }));
  // .0236162167, of a log ratio of -.12824887 with a standard error of .06463472: the notes cut it off.
  agrees(rateDropP(week, { events: 262, trials: 9900 }), '.02361622');
});

test('the lower bound of a production loss, at one side, agrees with values computed elsewhere on a grid of .0001', () => {
  const every = (step: number, rows: number): number[] =>
    Array.from({ length: rows }, (_, index) => ((index + 1) % step === 0 ? 1 : 0));
  for (const [step, rows, lower] of [
    [10, 100, 0.0293],
    [10, 1000, 0.0668],
    [5, 500, 0.1349],
  ] as const) {
    const found = bettingBounds(every(step, rows), 2 * 0.05).lower;
    assert.ok(found <= lower && found > lower - 1e-4, `${found} of ${lower}`);
  }
});

/** Values of a process whose neighbours have this correlation. */
function remembering(seed: number, length: number, phi: number): number[] {
  const random = randomFrom(seed);
  const pair = new Float64Array(2);
  let value = 0;
  return Array.from({ length }, () => {
    normalPair(random, pair);
    value = phi * value + Math.sqrt(1 - phi * phi) * (pair[0] as number);
    return value;
  });
}

test('hours with a season of a day and quiet weekends raise no more alarms than days do', () => {
  const [weeks, hours] = [16, 168];
  const season = (hour: number): number => 2 * Math.sin((2 * Math.PI * hour) / 24) - (hour % hours >= 120 ? 2 : 0);
  // Two alarms in a year of one signal.
  const settings = { rate: 2 / (52 * hours), learning: 56, periods: [hours, 24], bad: 'both' } as const;
  const alarms = [1, 2, 3, 4].flatMap((seed) => {
    const values = remembering(seed, weeks * hours, 0).map((value, hour) => value + season(hour));
    const watched = watch(values, 0, settings);
    assert.equal(
      watched.findIndex(({ state }) => state === 'ok'),
      4 * hours,
      'four weeks are learnt from',
    );
    return watched.filter(({ state }, at) => state === 'alarm' && watched[at - 1]?.state !== 'alarm');
  });
  // Expected of 48 weeks that are watched: about two.
  assert.ok(alarms.length <= 6, `${alarms.length} alarms`);
});

test('windows without a value do not hide that neighbours go together', () => {
  const values = remembering(5, 4000, 0.5);
  const places = values.map(() => 0);
  const half = values.map((value, at) => (at % 5 < 3 ? value : null));
  assert.ok(Math.abs((fitBaseline(values, places, 1)?.phi ?? 0) - 0.5) < 0.05);
  assert.ok(Math.abs((fitBaseline(half, places, 1)?.phi ?? 0) - 0.5) < 0.05);
});

test('a signal whose values are skewed alarms no more often than its share of the budget', () => {
  const random = randomFrom(8);
  const rate = 12 / 20 / 365;
  const alarms = Array.from({ length: 100 }, () => {
    const values = Array.from({ length: 56 + 365 }, () => -Math.log(1 - random.uniform()));
    const watched = watch(values, 0, { rate, learning: 56, periods: [7], bad: 'both' });
    return watched.filter(({ state }, at) => state === 'alarm' && watched[at - 1]?.state !== 'alarm').length;
  }).reduce((sum, each) => sum + each, 0);
  // Of 60 that are stood.
  assert.ok(alarms <= 80, `${alarms} alarms in 100 years`);
});
