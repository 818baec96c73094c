import assert from 'node:assert/strict';
import { test } from 'node:test';
import { metricsOf } from '../../../src/stages/evaluation/metrics/catalogue.ts';
import { metricValue } from '../../../src/stages/evaluation/metrics/metric.ts';
import type { Outputs, Sample } from '../../../src/stages/evaluation/sample.ts';
import { randomFrom } from '../../../src/statistics/random.ts';

test('a model that is always right has the best value of every metric to the last bit, on weighted rows too', () => {
  const random = randomFrom(1);
  for (const rows of [3, 7, 11, 31, 400]) {
    for (const weights of [null, Float64Array.from({ length: rows }, () => random.uniform() + 0.1)]) {
      const truth = Float64Array.from({ length: rows }, (_, row) => (row < 2 ? row : Number(random.uniform() < 0.3)));
      const sample: Sample = { rows, classes: 2, names: ['0', '1'], truth, weights, clusters: null };
      const right: Outputs = { scores: truth, probabilities: true, decisions: Int32Array.from(truth) };
      for (const metric of metricsOf('binary-classification')) {
        // The logarithm of a probability of 1 is taken a little below it.
        if (metric.name === 'log_loss') continue;
        assert.equal(metricValue(metric, sample, right), metric.better === 'higher' ? 1 : 0, `${metric.name}, ${rows}`);
      }
    }
  }
});
