import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Task } from '../../../src/config/schema.ts';
import type { Cost, Policy } from '../../../src/stages/evaluation/schema.ts';
import { ConfigError } from '../../../src/errors.ts';
import { compareMetric } from '../../../src/stages/evaluation/compare.ts';
import { costMetric } from '../../../src/stages/evaluation/metrics/cost.ts';
import { metricValue } from '../../../src/stages/evaluation/metrics/metric.ts';
import { planOf } from '../../../src/stages/evaluation/plan.ts';
import { randomFrom } from '../../../src/statistics/random.ts';
import type { Outputs, Sample } from '../../../src/stages/evaluation/sample.ts';
import { pairedMeanInterval } from '../../../src/stages/evaluation/statistics/paired-mean.ts';
import fc from '../../support/properties.ts';

const cost: Cost = { false_positive: 1, false_negative: 10 };

describe('expected cost', () => {
  it('is the mean over rows of what each decision costs', () => {
    const value = (each: Cost): number =>
      metricValue(costMetric(each, 'binary-classification'), sampleOf([0, 0, 1, 1], 2), decided([0, 1, 0, 1]));
    assert.equal(value(cost), 11 / 4);
    assert.equal(value({ ...cost, true_positive: -3, true_negative: 1 }), 9 / 4);
  });

  it('of unit costs is the error rate, for any decisions', () => {
    const unit: Cost = { matrix: {}, otherwise: 1 };
    const label = fc.integer({ min: 0, max: 2 });
    fc.assert(
      fc.property(fc.array(fc.tuple(label, label), { minLength: 1 }), (rows) => {
        const sample = sampleOf(
          rows.map(([truth]) => truth),
          3,
        );
        const outputs = decided(rows.map(([, decision]) => decision));
        const value = metricValue(costMetric(unit, 'multiclass-classification'), sample, outputs);
        const wrong = rows.filter(([truth, decision]) => truth !== decision).length / rows.length;
        assert.ok(Math.abs(value - wrong) < 1e-12);
      }),
    );
  });

  it('of classes by name: the stated pairs, and the rest otherwise', () => {
    const named: Cost = { matrix: { a: { c: 7 }, b: { b: -1 } }, otherwise: 2 };
    const metric = costMetric(named, 'multiclass-classification');
    // a as c, a as b, b as b, c as c
    assert.equal(metricValue(metric, sampleOf([0, 0, 1, 2], 3), decided([2, 1, 1, 2])), (7 + 2 - 1 + 0) / 4);
    const unknown = costMetric({ matrix: { a: { z: 7 } }, otherwise: 2 }, 'multiclass-classification');
    assert.throws(() => metricValue(unknown, sampleOf([0, 1, 2], 3), decided([0, 1, 2])), ConfigError);
  });

  it('is compared by interval as the paired differences of cost are, oriented so that cheaper is better', () => {
    const random = randomFrom(7);
    const truth = Array.from({ length: 4000 }, () => (random.uniform() < 0.3 ? 1 : 0));
    const flip = (share: number): number[] => truth.map((label) => (random.uniform() < share ? 1 - label : label));
    const [champion, candidate] = [flip(0.12), flip(0.08)];
    const metric = costMetric(cost, 'binary-classification');
    const { interval } = compareMetric(metric, sampleOf(truth, 2), decided(champion), decided(candidate), { seed: 1 });
    const price = (label: number, decision: number): number => (label === decision ? 0 : label === 1 ? 10 : 1);
    const differences = Float64Array.from(
      truth,
      (label, row) => price(label, champion[row] as number) - price(label, candidate[row] as number),
    );
    const mean = pairedMeanInterval({ differences, weights: null }, 1, 2000);
    assert.ok(Math.abs(interval.delta - mean.delta) < 1e-12 && interval.delta > 0);
    for (const side of ['lower', 'upper'] as const) {
      assert.ok(Math.abs(interval[side](0.05) - mean[side](0.05)) < 0.2 * mean.standardError, side);
    }
  });

  it('of models that decide alike still has bounds: a larger sample may differ', () => {
    const truth = Array.from({ length: 200 }, (_, row) => row % 2);
    const metric = costMetric(cost, 'binary-classification');
    const { interval } = compareMetric(metric, sampleOf(truth, 2), decided(truth), decided(truth), { seed: 1 });
    assert.equal(interval.delta, 0);
    // About z^2 = 2.7 rows of 200 may turn out missed positives at 10 each.
    assert.ok(interval.lower(0.05) < -0.1 && interval.lower(0.05) > -0.2);
  });

  it('needs policy.cost, of the form of its task', () => {
    const plan = (each: Partial<Policy>, task: Task): void => {
      planOf({ primary: { metric: 'expected_cost', margin: 0.1 }, ...each }, task);
    };
    plan({ cost }, 'binary-classification');
    const twice = planOf(
      { primary: { metric: 'expected_cost' }, report: ['expected_cost'], cost },
      'binary-classification',
    );
    assert.equal(twice.reported.filter((metric) => metric.name === 'expected_cost').length, 1);
    assert.throws(() => plan({}, 'binary-classification'), /policy\.cost/u);
    assert.throws(() => plan({ cost }, 'multiclass-classification'), ConfigError);
    assert.throws(() => plan({ cost }, 'regression'), ConfigError);
  });
});

function sampleOf(truth: readonly number[], classes: number): Sample {
  return {
    rows: truth.length,
    classes,
    names: ['a', 'b', 'c'].slice(0, classes),
    truth: Float64Array.from(truth),
    weights: null,
    clusters: null,
  };
}

function decided(decisions: readonly number[]): Outputs {
  return { scores: null, probabilities: false, decisions: Int32Array.from(decisions) };
}
