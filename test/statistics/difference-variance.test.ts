import assert from 'node:assert/strict';
import { test } from 'node:test';
import { harmfulMeanEvidence, type MeanWindow } from '../../src/statistics/anytime-ratios.ts';
import { differenceVariance } from '../../src/statistics/difference-variance.ts';
import { meanDifference, type Moments } from '../../src/statistics/experiment.ts';
import { binomial, randomFrom } from '../../src/statistics/random.ts';

test('between arms of one size the variance of a difference is the usual one, whichever comes first', () => {
  assert.equal(differenceVariance({ n: 64, variance: 2 }, { n: 64, variance: 6 }), 0.125);
  const [few, many] = [
    { n: 10, variance: 0 },
    { n: 100, variance: 5 },
  ];
  assert.equal(differenceVariance(few, many), 0.5);
  assert.equal(differenceVariance(many, few), 0.5);
  assert.equal(differenceVariance({ n: 10, variance: 7.5 }, many), 0.8);
});

test('a small arm that has hardly seen a rare event is found to be lower at no more than the level', () => {
  const random = randomFrom(3);
  const arm = (users: number): Moments => {
    const share = binomial(random, users, 0.02) / users;
    return { users, y: share, yy: (share * (1 - share) * users) / (users - 1) };
  };
  const lower = Array.from({ length: 2000 }, () => meanDifference(arm(1900), arm(100))).filter(
    ({ delta, standardError }) => delta < -1.645 * standardError,
  ).length;
  assert.ok(lower <= 120, `${lower} of 2000`);
});

test('equal arms of a value that few users have are rolled back for harm in at most 5% of rollouts', () => {
  const random = randomFrom(4);
  const paid = (users: number) => {
    const values = Array.from({ length: binomial(random, users, 0.05) }, () => -Math.log(1 - random.uniform()));
    return { sum: values.reduce((a, b) => a + b, 0), squares: values.reduce((a, b) => a + b * b, 0) };
  };
  const isHarm = (): boolean => {
    const sums = [0, 1].map(() => ({ n: 0, sum: 0, squares: 0 }));
    return Array.from({ length: 30 }).some(() => {
      const [champion, candidate] = sums.map((of, arm) => {
        const users = arm === 0 ? 95 : 5;
        const more = paid(users);
        of.n += users;
        of.sum += more.sum;
        of.squares += more.squares;
        return { n: of.n, mean: of.sum / of.n, variance: (of.squares - (of.sum * of.sum) / of.n) / (of.n - 1) };
      }) as [MeanWindow['champion'], MeanWindow['candidate']];
      // Less is harm: the champion is held against the candidate.
      return harmfulMeanEvidence([{ champion: candidate, candidate: champion }]) >= Math.log(20);
    });
  };
  const harmed = Array.from({ length: 400 }, isHarm).filter(Boolean).length;
  assert.ok(harmed <= 20, `${harmed} of 400`);
});
