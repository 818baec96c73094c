import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import type { Fairness } from '../../src/config/schema.ts';
import { ConfigError } from '../../src/errors.ts';
import type { Check } from '../../src/evidence/check.ts';
import { fairnessChecks, gaps, groupRates, groupsOf, type GapName } from '../../src/evaluate/fairness.ts';
import type { Outputs, Sample } from '../../src/evaluate/sample.ts';
import { binaryOutputs, binarySample, readCase, type Case, type Reference } from './cases.ts';

const names: Partial<Record<GapName, string>> = {
  demographic_parity_difference: 'demographic_parity_difference',
  demographic_parity_ratio: 'demographic_parity_ratio',
  equalized_odds_difference: 'equalized_odds_difference',
  equal_opportunity_difference: 'equal_opportunity_difference',
  false_positive_rate_difference: 'fpr_difference',
  accuracy_difference: 'accuracy_difference',
};

describe('fairness on credit-synth by group', () => {
  let data: Case;
  let sample: Sample;
  let texts: string[];
  const outputs = new Map<string, Outputs>();
  before(async () => {
    data = await readCase('credit-synth');
    sample = binarySample(data.rows, 'default');
    texts = data.rows.map((row) => String(row['group']));
    for (const model of Object.keys(data.expected.models)) outputs.set(model, binaryOutputs(data.rows, model));
  });
  const judge = (candidate: string, fairness: Partial<Fairness>, on: Sample = sample): Check[] =>
    fairnessChecks({
      fairness: { columns: ['group'], favourable: 'negative', gates: [], ...fairness },
      task: 'binary-classification',
      sample: on,
      champion: outputs.get('champion')!,
      candidate: outputs.get(candidate)!,
      alpha: 0.05,
      guardAlpha: 0.05,
      seed: 1,
      texts: new Map([['group', texts]]),
    }).checks;

  it('gives the rates and gaps of the reference to 1e-9, whichever decision is favourable', () => {
    const groups = groupsOf('group', texts, 1);
    for (const [model, { fairness_eval: reference }] of Object.entries<Reference>(data.expected.models)) {
      for (const [favourable, expected] of [
        [1, reference.group.predicted_1],
        [0, reference.group.favourable_0],
      ] as const) {
        const rates = groupRates(sample, outputs.get(model)!, groups, favourable);
        for (const rate of rates) {
          const group = expected.by_group[rate.group];
          assert.equal(rate.rows, group.n);
          close(rate.selectionRate, group.selection_rate, 1e-9, rate.group);
          close(rate.truePositiveRate!, group.tpr, 1e-9, rate.group);
          close(rate.falsePositiveRate!, group.fpr, 1e-9, rate.group);
          close(rate.precision!, group.precision, 1e-9, rate.group);
        }
        for (const [ours, theirs] of Object.entries(names)) {
          close(gaps[ours as GapName].of(rates), expected[theirs], 1e-9, `${model} ${ours}`);
        }
      }
    }
  });

  it('fails the candidate whose gaps grow, and names the groups', () => {
    const gates: Fairness['gates'] = [
      { metric: 'demographic_parity_ratio', min: 0.8 },
      { metric: 'equalized_odds_difference', margin: 0.1 },
    ];
    const checks = judge('candidate', { gates });
    const ratio = find(checks, 'evaluation/demographic_parity_ratio@group-floor');
    assert.equal(ratio.verdict, 'fail');
    assert.match(ratio.message, /0\.7747 .*of C.*outside the policy's bound of at least 0\.8/u);
    const odds = find(checks, 'evaluation/equalized_odds_difference@group');
    assert.equal(odds.verdict, 'fail');
    assert.ok(odds.comparison!.upper < -0.1 && odds.comparison!.delta < odds.comparison!.upper);
  });

  it('passes the candidate that was trained on the group', () => {
    const gates: Fairness['gates'] = [{ metric: 'demographic_parity_ratio', min: 0.8, margin: 0.1 }];
    assert.deepEqual(
      judge('candidate-fair', { gates }).map((check) => check.verdict),
      ['pass', 'pass'],
    );
  });

  it('takes whole clusters where rows are not independent', () => {
    const clusters = Int32Array.from({ length: sample.rows }, (_, row) => Math.floor(row / 3));
    const gates: Fairness['gates'] = [{ metric: 'accuracy_difference', margin: 0.02 }];
    const [check] = judge('candidate', { gates }, { ...sample, clusters });
    assert.equal(check!.comparison!.method, 'bootstrap-clusters');
  });

  it('leaves small groups out visibly, and never passes a gap it cannot compute', () => {
    const gates: Fairness['gates'] = [{ metric: 'equal_opportunity_difference', max: 0.5 }];
    const checks = judge('candidate', { gates, min_rows: 5000 });
    assert.deepEqual(
      checks.map((check) => [check.id, check.verdict]),
      [
        ['evaluation/fairness@group=B', 'skipped'],
        ['evaluation/fairness@group=C', 'skipped'],
        ['evaluation/equal_opportunity_difference@group', 'fail'],
      ],
    );
    assert.throws(() => judge('candidate', { gates: [{ metric: 'accuracy_difference' }] }), ConfigError);
  });
});

function find(checks: Check[], id: string): Check {
  const found = checks.find((check) => check.id === id);
  assert.ok(found !== undefined, `no check ${id} among ${checks.map((check) => check.id).join(', ')}`);
  return found;
}

function close(value: number, expected: number, tolerance: number, what: string): void {
  assert.ok(Math.abs(value - expected) <= tolerance, `${what}: ${value} is not within ${tolerance} of ${expected}`);
}
