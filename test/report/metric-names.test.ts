import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { metricName } from '../../src/report/numbers.ts';
import { findMetric, metricsOf } from '../../src/stages/evaluation/metrics/catalogue.ts';

describe('the name of a metric in a report', () => {
  const tasks = [
    'binary-classification',
    'multiclass-classification',
    'multilabel-classification',
    'regression',
    'ranking',
  ] as const;

  it('is the same in the headline, in every table and in the messages of checks', () => {
    for (const { name, title } of tasks.flatMap(metricsOf)) assert.equal(metricName(name), title);
    for (const name of ['recall[not_spam]', 'roc_auc[a_macro]', 'top_4_accuracy']) {
      assert.equal(metricName(name), findMetric(name, 'multiclass-classification', 'test').title);
    }
    assert.equal(metricName('pinball_0.9'), findMetric('pinball_0.9', 'regression', 'test').title);
  });

  it('is in words where the metric is one of the user', () => {
    assert.equal(metricName('cost_per_claim'), 'cost per claim');
  });
});
