import assert from 'node:assert/strict';
import { test } from 'node:test';
import { scaleChecks } from '../../../src/stages/evaluation/scale.ts';
import type { Sample } from '../../../src/stages/evaluation/sample.ts';
import { randomFrom } from '../../../src/statistics/random.ts';

const rows = 200;
const random = randomFrom(3);
const x = Float64Array.from({ length: rows }, () => 4 * random.uniform());
const noise = Float64Array.from(x, () => 0.2 * (random.uniform() - 0.5));

function told(
  truth: Float64Array,
  candidate: Float64Array,
  champion: Float64Array | null,
  weights?: Float64Array,
  name = 'rmse',
) {
  const sample: Sample = { rows, classes: 0, names: null, truth, weights: weights ?? null, clusters: null };
  const side = (scores: Float64Array) => ({ scores, probabilities: false, decisions: null });
  const sides = { candidate: side(candidate), champion: champion === null ? null : side(champion) };
  return scaleChecks(sample, { name }, sides);
}

test('predictions of a logarithm, a root, a logit or in another unit are told, with what they would be', () => {
  const cases: [name: string, truth: Float64Array, says: RegExp][] = [
    ['log', x.map((value, row) => Math.exp(value + noise[row]! + 2)), /exp\(prediction\) has R squared 0\.9/u],
    ['unit', x.map((value, row) => 1000 * (value + noise[row]!)), /\* prediction [+-] .* has R squared 0\.99/u],
    ['logit', x.map((value) => 1 / (1 + Math.exp(-value))), /sigmoid\(prediction\) has R squared 1\.000/u],
    ['root', x.map((value, row) => value * value + 9 * noise[row]! + 4), /prediction squared has R squared/u],
  ];
  for (const [name, truth, says] of cases) {
    const predicted = name === 'log' ? x.map((value) => value + 2) : x;
    const checks = told(
      truth,
      predicted,
      predicted.map((value) => 0.99 * value),
    );
    assert.equal(checks.length, 1, name);
    assert.deepEqual([checks[0]!.verdict, checks[0]!.severity], ['fail', 'warn']);
    assert.match(checks[0]!.message, says);
    assert.match(checks[0]!.message, /of the candidate .* of the champion/su);
  }
});

test('nothing is told of predictions near the labels, of useless ones, or of rows of weight 0', () => {
  const truth = x.map((value, row) => value + noise[row]!);
  assert.deepEqual(told(truth, x, null), []);
  assert.deepEqual(
    told(
      truth,
      Float64Array.from(x, () => 9 * random.uniform()),
      null,
    ),
    [],
  );
  const spoilt = x.map((value, row) => (row < 50 ? -99 : value));
  const weights = x.map((_, row) => (row < 50 ? 0 : 1));
  assert.deepEqual(told(truth, spoilt, null, weights), []);
  assert.deepEqual(told(new Float64Array(rows).fill(2), x, null), []);
});

test('nothing is told of quantiles, which lie far from the mean on purpose', () => {
  const truth = x.map((value, row) => value + noise[row]!);
  const high = x.map((value) => value + 3);
  assert.equal(told(truth, high, null).length, 1);
  assert.deepEqual(told(truth, high, null, undefined, 'pinball_0.95'), []);
});

test('nothing is told of raw scores of several labels a row, which are no values', () => {
  const truth = x.map((value, row) => (value + 3 * noise[row]! > 3 ? 1 : 0));
  const sample: Sample = { rows, classes: 0, labels: 1, names: ['a'], truth, weights: null, clusters: null };
  const candidate = { scores: x.map((value) => 9 * (value - 3)), probabilities: false, decisions: null };
  assert.deepEqual(scaleChecks(sample, { name: 'subset_accuracy' }, { candidate, champion: null }), []);
  assert.equal(told(truth, candidate.scores, null).length, 1);
});
