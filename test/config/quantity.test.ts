import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseConfig } from '../../src/pipeline/configuration.ts';
import { quantityOf, shareOf } from '../../src/config/quantity.ts';
import type { Policy } from '../../src/stages/evaluation/schema.ts';
import { ConfigError } from '../../src/errors.ts';
import { planOf } from '../../src/stages/evaluation/plan.ts';
import fc from '../support/properties.ts';

const share = { title: 'recall', scale: 'share' } as const;
const value = { title: 'RMSE', scale: 'value' } as const;

describe('a number of the policy', () => {
  it('is the same as a share and in points', () => {
    fc.assert(
      fc.property(fc.nat(9999), (tenths) => {
        const points = tenths / 100;
        assert.equal(quantityOf(`${points}pp`, share, 'difference', 'x'), Number(`${points}e-2`));
      }),
      { seed: 3 },
    );
    assert.equal(quantityOf('0.7pp', share, 'difference', 'x'), 0.007);
    assert.equal(quantityOf(3, value, 'difference', 'x'), 3);
  });

  it('that is a share in another unit is refused with what it would be and how to write what was meant', () => {
    for (const [stated, said] of [
      [2, '2 would be 200 points; write 0.02, or `2pp`'],
      [0.5 + 1, '1.5 would be 150 points; write 0.015, or `1.5pp`'],
      [1, '1 would be 100 points; write 0.01, or `1pp`'],
    ] as const) {
      assert.throws(
        () => quantityOf(stated, share, 'difference', 'policy.primary.margin'),
        (error) =>
          error instanceof ConfigError &&
          error.message.includes(said) &&
          error.message.includes('policy.primary.margin'),
      );
    }
    assert.throws(() => shareOf(85, 'recall', 'bound', 'x'), /85 would be 8500 points; write 0\.85, or `85pp`/u);
    assert.throws(() => shareOf('101pp', 'recall', 'bound', 'x'), /101pp/u);
    assert.equal(shareOf(1, 'recall', 'bound', 'x'), 1);
  });

  it('of a metric from -1 to 1 is refused where it allows everything', () => {
    const correlation = { title: 'Matthews correlation', scale: 'value', correlation: true } as const;
    assert.throws(
      () => quantityOf(1, correlation, 'difference', 'x'),
      /1 for Matthews correlation, whose values lie between -1 and 1.* write 0\.01/u,
    );
    assert.throws(() => quantityOf(85, correlation, 'bound', 'x'), /write 0\.85/u);
    assert.equal(quantityOf(0.02, correlation, 'difference', 'x'), 0.02);
    assert.equal(quantityOf(-1, correlation, 'bound', 'x'), -1);
  });

  it('is not in points where the metric is not a share', () => {
    assert.throws(() => quantityOf('2pp', value, 'difference', 'x'), /RMSE is not a share/u);
  });
});

describe('a policy', () => {
  const refused = (policy: Policy, where: string): void =>
    assert.throws(
      () => planOf(policy, 'binary-classification'),
      (error) =>
        error instanceof ConfigError && error.message.includes(where) && error.message.includes('would be 200 points'),
    );

  it('takes points wherever a margin, a floor or a ceiling of a share stands', () => {
    const plan = planOf(
      {
        primary: { metric: 'roc_auc', require: 'superior', min_gain: '0.5pp', min: '80pp' },
        guardrails: [{ metric: 'recall', margin: '2pp', max: '99.5pp' }],
        fairness: {
          columns: ['group'],
          gates: [{ metric: 'demographic_parity_difference', max: '10pp', margin: '1pp' }],
        },
      },
      'binary-classification',
    );
    assert.equal(plan.primary.comparison?.minimumGain, 0.005);
    assert.equal(plan.primary.floor, 0.8);
    assert.deepEqual(plan.guardrails[0]?.comparison?.margin, { kind: 'absolute', value: 0.02 });
    assert.equal(plan.guardrails[0]?.ceiling, 0.995);
  });

  it('is refused for a margin, a gain, a floor or a gap in the wrong unit, with its key', () => {
    const primary = { metric: 'roc_auc', require: 'superior' } as const;
    refused({ primary: { ...primary, margin: 2 } }, 'policy.primary.margin');
    refused({ primary: { ...primary, min_gain: 2 } }, 'policy.primary.min_gain');
    refused({ primary, guardrails: [{ metric: 'recall', min: 2 }] }, 'policy.guardrails[0].min');
    refused({ primary, guardrails: [{ metric: 'ece', max: 2 }] }, 'policy.guardrails[0].max');
    assert.throws(
      () => planOf({ primary, guardrails: [{ metric: 'recall', relative_margin: 2 }] }, 'binary-classification'),
      /2 would be 200% of the champion's value; write 0\.02.*policy\.guardrails\[0\]\.relative_margin|policy\.guardrails\[0\]\.relative_margin.*2 would be 200% of the champion's value; write 0\.02/su,
    );
    const gates = [{ metric: 'accuracy_difference', margin: 2 } as const];
    refused({ primary, fairness: { columns: ['g'], gates } }, 'policy.fairness.gates[0].margin');
    // Not of a share.
    planOf({ primary: { metric: 'log_loss', margin: 2, require: 'non-inferior' } }, 'binary-classification');
  });

  it('is refused by its form where points are misspelt', () => {
    const config = (margin: string): string =>
      `version: 1\nmodels:\n  m:\n    task: binary-classification\n    candidate: a.onnx\n    columns: { id: id, label: y }\n    data: { evaluation: e.csv }\n    policy: { primary: { metric: recall, margin: ${margin} } }\n`;
    assert.doesNotThrow(() => parseConfig(config('2pp'), 'contender.yml'));
    assert.throws(
      () => parseConfig(config('2%'), 'contender.yml'),
      /contender\.yml:8:.*found "2%"\. Expected a number, or percentage points such as 1pp/u,
    );
  });
});
