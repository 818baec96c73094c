import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Predictions } from '../../../src/model/predictions.ts';
import { featureOrderChecks } from '../../../src/stages/evaluation/feature-order.ts';
import type { Outputs, Sample } from '../../../src/stages/evaluation/sample.ts';
import { randomFrom } from '../../../src/statistics/random.ts';

const rows = 400;
const random = randomFrom(5);
const drawn = (of: () => number): Float64Array => Float64Array.from({ length: rows }, of);
const noise = drawn(() => random.uniform());

function told(classes: number, truth: Float64Array, outputs: Partial<Outputs>, features?: string[]): string[] {
  const sample: Sample = { rows, classes, names: null, truth, weights: null, clusters: null };
  const predictions = { rows } as Predictions;
  const result = {
    ok: true as const,
    predictions,
    ...(features === undefined ? {} : { featuresInDataOrder: features }),
  };
  const whole = { scores: null, decisions: null, probabilities: false, ...outputs };
  return featureOrderChecks(sample, whole, result).map(({ severity, message }) => `${severity} ${message}`);
}

test('features in the order of the data are told where the predictions are no better than chance', () => {
  const features = ['b', 'a'];
  const says = /^warn .* 2 features: they were passed in the order of the data \("b", "a"\)\. .* columns\.features/u;
  const values = drawn(() => random.uniform());
  const labels = values.map((value) => (value > 0.7 ? 1 : 0));
  const classes = values.map((value) => Math.floor(3 * value));
  const decided = (of: Float64Array): Partial<Outputs> => ({ decisions: Int32Array.from(of) });
  const chance = noise.map((value) => Math.floor(3 * value));
  for (const [kind, truth, useless, useful] of [
    [0, values, { scores: noise }, { scores: values.map((value, row) => value + noise[row]!) }],
    [2, labels, { scores: noise }, { scores: values.map((value, row) => value + noise[row]!) }],
    [2, labels, { scores: labels.map((value) => 1 - value) }, { scores: labels }],
    [3, classes, decided(chance), decided(classes.map((value, row) => (row % 2 === 0 ? value : chance[row]!)))],
    [3, classes, decided(classes.map(() => 1)), decided(classes)],
  ] as const) {
    const found = told(kind, truth, useless, features);
    assert.equal(found.length, 1);
    assert.match(found[0]!, says);
    assert.deepEqual(told(kind, truth, useful, features), []);
    assert.deepEqual(told(kind, truth, useless), [], 'the order is stated');
  }
  const one = new Float64Array(rows).fill(1);
  assert.deepEqual(told(3, one, decided(one), features), [], 'all of one class');
});
