import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  cusumStep,
  ewmaBound,
  ewmaStep,
  pageHinkleyStep,
  startOfCusum,
  startOfPageHinkley,
} from '../../src/monitor/charts.ts';
import { estimatePerformance, meanConfidence } from '../../src/monitor/estimated-performance.ts';
import { estimateLoss } from '../../src/monitor/loss-table.ts';
import { rateChange, valueChange } from '../../src/monitor/moving-average.ts';
import { bettingBounds } from '../../src/statistics/bounded-mean.ts';
import { cusumLimit, cusumRunLength, ewmaLimit, ewmaRunLength } from '../../src/monitor/run-lengths.ts';

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
    agrees(ewmaRunLength(0.2, 2.962, 1), '10.54');
    agrees(ewmaRunLength(0.2, 2.962, 0.5), '41.76');
  });
  for (const [lambda, short, long] of [
    [0.05, '2.4839', '2.6151'],
    [0.1, '2.6958', '2.8143'],
    [0.2, '2.8542', '2.9622'],
  ] as const) {
    test(`an EWMA with lambda ${lambda}`, () => {
      agrees(ewmaLimit(365, lambda), short);
      agrees(ewmaLimit(500, lambda), long);
    });
  }
  test('a longer run length never has a lower limit, up to many years of windows', () => {
    let before = 0;
    for (const length of [10, 50, 200, 1000, 5000, 20_000, 200_000, 2_000_000]) {
      const limit = cusumLimit(length);
      assert.ok(limit > before + 0.5, `${length}: ${limit}`);
      before = limit;
    }
  });
});

test('the charts of one series agree with values computed elsewhere', () => {
  const series = [0.2, -0.4, 0.1, 1.2, 1.5, 0.9, 1.8, 1.1, 2, 1.4];
  let ewma = 0;
  let cusum = startOfCusum;
  let pageHinkley = startOfPageHinkley;
  const expected: Record<number, [string, string, string, string]> = {
    4: ['.225280', '.900710', '.7', '.858333'],
    7: ['.811343', '.965378', '3.4', '2.897857'],
    10: ['1.156208', '.981625', '6.4', '4.384524'],
  };
  for (const [index, x] of series.entries()) {
    ewma = ewmaStep(ewma, x, 0.2);
    cusum = cusumStep(cusum, x);
    pageHinkley = pageHinkleyStep(pageHinkley, x, 0.1);
    const t = index + 1;
    const [z, bound, s, ph] = expected[t] ?? [];
    if (z === undefined) continue;
    agrees(ewma, z);
    agrees(ewmaBound(t, 0.2, 2.962), bound ?? '');
    agrees(cusum.up, s ?? '');
    agrees(pageHinkley.sum - pageHinkley.least, ph ?? '');
  }
});

describe('performance without labels', () => {
  const of = (values: readonly number[]) => {
    const p = Float64Array.from(values);
    return estimatePerformance(p, (row) => (p[row] as number) >= 0.5);
  };
  test('agrees with values computed elsewhere, and no row is a pair with itself', () => {
    const found = of([0.9, 0.8, 0.7, 0.6, 0.4, 0.3, 0.2, 0.1, 0.55, 0.05]);
    agrees(found.accuracy, '.75');
    agrees(found.accuracySd, '.13019217');
    agrees(found.precision, '.71');
    agrees(found.recall, '.77173913');
    agrees(found.f1, '.73958333');
    agrees(found.auc, '.84780730');
    const sure = of([0.99, 0.98, 0.02, 0.01]);
    agrees(sure.accuracy, '.985');
    agrees(sure.auc, '.99479827');
    const even = of(Array.from({ length: 19 }, (_, index) => (index + 1) / 20));
    agrees(even.accuracy, '.73684211');
    agrees(even.auc, '.82786885');
  });
  test('is the mean confidence, where that is the accuracy', () => {
    const p = [0.9, 0.8, 0.7, 0.6, 0.4, 0.3, 0.2, 0.1, 0.55, 0.05];
    const { mean, sd } = meanConfidence(Float64Array.from(p, (each) => Math.max(each, 1 - each)));
    agrees(mean, '.75');
    agrees(sd, '.13019217');
  });
  test('nothing is said of what cannot be divided', () => {
    const none = of([0.1, 0.2]);
    assert.equal(none.precision, null);
    assert.equal(of([1, 1]).auc, null);
  });
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
  const found = rateChange(week, { events: 262, trials: 9900 });
  assert.ok(found !== null);
  agrees(found.base, '.03008596');
  agrees(found.change, '-.12036556');
  agrees(found.logRatio, '-.12824887');
  agrees(found.se, '.06463472');
  agrees(found.lower, '.790916');
  agrees(found.upper, '.978305');
  // .0236162167: the notes cut it off.
  agrees(found.p, '.02361622');
  agrees(events.reduce((sum, each, day) => sum + each / (trials[day] as number), 0) / 7, '.03008358');
  const logs = week.map((day) => Math.log(day.events / day.trials));
  const t = valueChange(logs, Math.log(262 / 9900));
  agrees(t?.t ?? null, '-5.82611379');
  agrees(t?.p ?? null, '.00056242');
  assert.equal(t?.degreesOfFreedom, 6);
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
