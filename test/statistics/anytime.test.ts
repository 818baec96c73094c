import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mixtureEvidence, sequenceFactor } from '../../src/statistics/anytime-means.ts';
import { harmfulMeanEvidence, meanRatioBounds, type MeanWindow } from '../../src/statistics/anytime-ratios.ts';
import { bettingBounds } from '../../src/statistics/bounded-mean.ts';
import { failureEvidence, failureRatioBounds } from '../../src/statistics/failures-by-arm.ts';
import { wilson, type Bounds } from '../../src/statistics/proportions.ts';
import { binomial, randomFrom, type Random } from '../../src/statistics/random.ts';
import { sampleRatio } from '../../src/statistics/sample-ratio.ts';

/** Equal to all the digits that are given. */
function near(actual: number, expected: number, digits: number): void {
  assert.ok(Math.abs(actual - expected) <= 0.5000001 * 10 ** -digits, `${actual} is not ${expected}`);
}

function boundsNear({ lower, upper }: Bounds, [low, high]: [number, number], digits: number): void {
  near(lower, low, digits);
  near(upper, high, digits);
}

test('the mixture test gives the reference ratios', () => {
  near(Math.exp(mixtureEvidence(0.01, 2.5e-5, 1e-4)), 2.21506344, 8);
  near(Math.exp(mixtureEvidence(0.02, 2.5e-5, 1e-4)), 269.15328332, 8);
  near(Math.exp(mixtureEvidence(0.5, 0.04, 1)), 3.95808144, 8);
});

test('the asymptotic confidence sequence gives the reference factors, for intervals and for bounds', () => {
  const at = (n: number, sides: 1 | 2): number => sequenceFactor(n, 5000, 0.05, sides);
  near(at(1000, 2), 3.363888, 6);
  near(at(5000, 2), 3.035209, 6);
  near(at(50000, 2), 3.241723, 6);
  near(at(1000, 1), 3.152422, 6);
  near(at(5000, 1), 2.779094, 6);
  near(at(50000, 1), 2.988692, 6);
  assert.equal(sequenceFactor(0, 5000, 0.05), Number.POSITIVE_INFINITY);
});

test('failures by arm give the reference evidence, and windows multiply inside the mixture', () => {
  const evidence = (...windows: [number, number, number][]): number =>
    Math.exp(failureEvidence(windows.map(([candidate, both, share]) => ({ candidate, both, share }))));
  near(evidence([5, 10, 0.1]), 80.3816, 4);
  near(evidence([12, 40, 0.1]), 134.713, 3);
  near(evidence([60, 100, 0.5]), 1.2327, 4);
  near(evidence([2, 12, 0.01], [6, 40, 0.05]), 57.5510072, 8);
  assert.equal(evidence(), 1);
});

test('the ratio of failure rates has the reference bounds', () => {
  const bounds = (candidate: number, both: number): Bounds => failureRatioBounds({ candidate, both, share: 0.1 }, 0.05);
  boundsNear(bounds(12, 40), [1.1261, 11.1376], 4);
  boundsNear(bounds(100, 1000), [0.6956, 1.3923], 4);
  boundsNear(bounds(10, 100), [0.3241, 2.3828], 4);
  assert.deepEqual(bounds(0, 0), { lower: 0, upper: Number.POSITIVE_INFINITY });
  assert.equal(bounds(5, 5).upper, Number.POSITIVE_INFINITY);
  assert.equal(bounds(0, 5).lower, 0);
});

test('equal arms that are looked at after every failure raise the alarm in at most 5% of 2,000 runs', () => {
  const random = randomFrom(16);
  let alarms = 0;
  for (let run = 0; run < 2000; run += 1) {
    let candidate = 0;
    for (let both = 1; both <= 200; both += 1) {
      candidate += binomial(random, 1, 0.25);
      if (failureEvidence([{ candidate, both, share: 0.25 }]) < Math.log(20)) continue;
      alarms += 1;
      break;
    }
  }
  assert.ok(alarms > 10 && alarms <= 100, `${alarms} of 2000`);
});

/** What is seen of exponential times, minute by minute, at steps of the traffic. */
function times(random: Random, steps: readonly number[], ratio: number, see: (seen: MeanWindow[]) => boolean): boolean {
  const seen: MeanWindow[] = [];
  for (const share of steps) {
    const sums = { champion: [0, 0, 0], candidate: [0, 0, 0] };
    seen.push({ champion: { n: 0, mean: 0, variance: 0 }, candidate: { n: 0, mean: 0, variance: 0 } });
    for (let minute = 0; minute < 20; minute += 1) {
      for (let request = 0; request < 100; request += 1) {
        const arm = random.uniform() < share ? 'candidate' : 'champion';
        const time = -Math.log(1 - random.uniform()) * (arm === 'candidate' ? ratio : 1);
        const sum = sums[arm] as [number, number, number];
        sum[0] += 1;
        sum[1] += time;
        sum[2] += time * time;
      }
      const of = ([n, sum, squares]: number[]): MeanWindow['champion'] => {
        const mean = (sum as number) / (n as number);
        return {
          n: n as number,
          mean,
          variance: ((squares as number) - (n as number) * mean * mean) / ((n as number) - 1),
        };
      };
      seen[seen.length - 1] = { champion: of(sums.champion), candidate: of(sums.candidate) };
      if (see(seen)) return true;
    }
  }
  return false;
}

test('a mean that is no worse raises the alarm in at most 5% of rollouts looked at every minute, one that is worse is found', () => {
  const random = randomFrom(17);
  const alarms = (ratio: number, tolerated: number): number =>
    Array.from({ length: 200 }, () =>
      times(random, [0.05, 0.25, 0.5], ratio, (seen) => harmfulMeanEvidence(seen, tolerated) >= Math.log(20)),
    ).filter(Boolean).length;
  assert.ok(alarms(1, 1) <= 10, 'equal arms');
  assert.ok(alarms(1.2, 1.2) <= 10, 'what is tolerated');
  assert.ok(alarms(0.7, 1) === 0, 'a better one');
  assert.ok(alarms(1.3, 1) >= 190, 'a worse one');
});

test('a ratio of means has bounds that hold at every look, and none before there are enough units', () => {
  const random = randomFrom(18);
  const missed = Array.from({ length: 100 }, () =>
    times(random, [0.5], 1.5, (seen) => {
      const { lower, upper } = meanRatioBounds(seen[0] as MeanWindow, 0.05);
      return lower > 1.5 || (upper !== null && upper < 1.5);
    }),
  ).filter(Boolean).length;
  assert.ok(missed <= 8, `${missed} of 100`);
  const few = { n: 29, mean: 1, variance: 1 };
  assert.deepEqual(meanRatioBounds({ champion: few, candidate: few }, 0.05), { lower: 0, upper: null });
  assert.equal(harmfulMeanEvidence([{ champion: few, candidate: { ...few, mean: 100 } }]), 0);
});

test('evidence of a mean is finite however large the difference is, and a good step does not hide a bad one', () => {
  const window = (champion: number, candidate: number): MeanWindow => ({
    champion: { n: 1000, mean: champion, variance: 1 },
    candidate: { n: 1000, mean: candidate, variance: 1 },
  });
  assert.ok(harmfulMeanEvidence([window(1, 1000)]) > 1000);
  assert.ok(Number.isFinite(harmfulMeanEvidence([window(1000, 1)])));
  assert.ok(harmfulMeanEvidence([window(2, 1), window(1, 2)]) > Math.log(1000));
});

test('shares of users are tested against the plan, at once and sequentially', () => {
  const equal = sampleRatio([5000, 5200], [1, 1]);
  near(equal.statistic, 3.921569, 6);
  near(equal.p, 0.04767038, 8);
  near(equal.logBayesFactor, -0.377782, 6);
  const large = sampleRatio([821588, 815482], [50, 50]);
  near(large.statistic, 22.774369, 6);
  near(large.p, 1.82179e-6, 11);
  const canary = sampleRatio([980, 9020], [10, 90]);
  near(canary.statistic, 0.444444, 6);
  near(canary.p, 0.504985075, 9);
  near(canary.logBayesFactor, -2.085671, 6);
  near(sampleRatio([5000, 5500], [1, 1]).logBayesFactor, 9.463748, 6);
});

test('an arm that is planned to get nothing is no degree of freedom, and a user in it breaks the plan', () => {
  assert.equal(sampleRatio([5000, 5200, 0], [1, 1, 0]).p, sampleRatio([5000, 5200], [1, 1]).p);
  assert.equal(sampleRatio([5000, 5200, 1], [1, 1, 0]).p, 0);
  assert.equal(sampleRatio([0, 0], [1, 1]).p, 1);
});

test('means of bounded values have the reference bounds, by betting', () => {
  const everyTenth = (n: number): number[] => Array.from({ length: n }, (_, i) => ((i + 1) % 10 === 0 ? 1 : 0));
  const golden = Array.from({ length: 100 }, (_, i) => (0.6180339887498949 * (i + 1)) % 1);
  // The reference keeps points of a grid of 0.0001, which lie inside the bounds.
  const onGrid = (values: readonly number[]): number[] => {
    const { lower, upper } = bettingBounds(values, 0.05);
    return [Math.ceil(lower * 1e4) / 1e4, Math.floor(upper * 1e4) / 1e4];
  };
  assert.deepEqual(onGrid(everyTenth(100)), [0.0241, 0.2012]);
  assert.deepEqual(onGrid(everyTenth(1000)), [0.0643, 0.1336]);
  assert.deepEqual(onGrid(golden), [0.4176, 0.5843]);
  assert.deepEqual(bettingBounds([], 0.05), { lower: 0, upper: 1 });
});

test("Wilson's interval gives the reference values", () => {
  boundsNear(wilson(19, 20, 0.025), [0.763869, 0.991119], 6);
  boundsNear(wilson(20, 20, 0.025), [0.838875, 1], 6);
  boundsNear(wilson(0, 20, 0.05), [0, 0.119158], 6);
  boundsNear(wilson(18, 20, 0.05), [0.738337, 0.966337], 6);
  assert.deepEqual(wilson(0, 0, 0.05), { lower: 0, upper: 1 });
});
