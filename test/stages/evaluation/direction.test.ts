import assert from 'node:assert/strict';
import { test } from 'node:test';
import { directionChecks } from '../../../src/stages/evaluation/direction.ts';
import { queriesOf } from '../../../src/stages/evaluation/sample.ts';
import { randomFrom } from '../../../src/statistics/random.ts';

test('scores that run against the relevance, such as ranks, are told, and useless ones are not', () => {
  const random = randomFrom(5);
  const rows = 300;
  const truth = Float64Array.from({ length: rows }, () => Math.floor(4 * random.uniform()));
  const queries = queriesOf(Array.from({ length: rows }, (_, row) => row % 30));
  const good = truth.map((value) => value + random.uniform());
  const ranks = good.map((value) => -2 * value);
  const useless = truth.map(() => random.uniform());
  const told = (candidate: Float64Array, champion: Float64Array | null) =>
    directionChecks(
      { queries, truth },
      { candidate: { scores: candidate }, champion: champion === null ? null : { scores: champion } },
    );
  const [check] = told(good, ranks);
  assert.deepEqual([check?.verdict, check?.severity], ['fail', 'warn']);
  assert.match(
    check?.message ?? '',
    /^The scores of the champion run against the relevance \(mean correlation -0\.\d+ in 30/u,
  );
  assert.deepEqual(told(good, null), []);
  assert.deepEqual(told(useless, good), []);
  assert.deepEqual(directionChecks({ truth }, { candidate: { scores: ranks }, champion: null }), []);
});

test('scores of few small queries run against the relevance by chance', () => {
  const told = (pairs: number): number => {
    const truth = Float64Array.from({ length: 2 * pairs }, (_, row) => row % 2);
    const queries = queriesOf(Array.from(truth, (_, row) => Math.floor(row / 2)));
    const candidate = { scores: truth.map((value) => -value) };
    return directionChecks({ queries, truth }, { candidate, champion: null }).length;
  };
  assert.deepEqual([told(3), told(36), told(37)], [0, 0, 1]);
});
