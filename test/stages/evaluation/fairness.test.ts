import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import type { Fairness } from '../../../src/stages/evaluation/schema.ts';
import { ConfigError } from '../../../src/errors.ts';
import type { Check } from '../../../src/evidence/check.ts';
import { fairnessChecks, gapOf, groupRates, groupsOf } from '../../../src/stages/evaluation/fairness.ts';
import { gaps, type GapName } from '../../../src/stages/evaluation/gaps.ts';
import { randomFrom, type Random } from '../../../src/statistics/random.ts';
import type { Outputs, Sample } from '../../../src/stages/evaluation/sample.ts';
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
          close(gapOf(gaps[ours as GapName], rates), expected[theirs], 1e-9, `${model} ${ours}`);
        }
      }
    }
  });

  it('counts the rows of a group, not their weights', () => {
    const groups = groupsOf('group', texts, 1);
    const weights = new Float64Array(sample.rows).fill(2.5);
    const [plain, weighted] = [null, weights].map((each) =>
      groupRates(sample, outputs.get('candidate')!, groups, 1, each).map(({ rows }) => rows),
    );
    assert.deepEqual(weighted, plain);
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

describe('changes of gaps', () => {
  const rows = 400;
  const names = ['0', '1'];
  /** Decisions by chance, more often positive in group 0. */
  const drawn = (random: Random, groups: number, more: number): Outputs => ({
    scores: null,
    probabilities: false,
    decisions: Int32Array.from({ length: rows }, (_, row) =>
      random.uniform() < 0.5 + (row % groups === 0 ? more : 0) ? 1 : 0,
    ),
  });
  const judge = (
    random: Random,
    gates: Fairness['gates'],
    {
      groups = 2,
      columns = ['g'],
      champion,
      candidate,
    }: Partial<Record<'champion' | 'candidate', Outputs>> & {
      groups?: number;
      columns?: string[];
    },
  ): Check[] => {
    const truth = Float64Array.from({ length: rows }, () => random.integer(2));
    return fairnessChecks({
      fairness: { columns, gates },
      task: 'binary-classification',
      sample: { rows, classes: 2, names, truth, weights: null, clusters: null },
      champion: champion ?? drawn(random, groups, 0),
      candidate: candidate ?? drawn(random, groups, 0),
      alpha: 0.05,
      guardAlpha: 0.05,
      seed: random.integer(1e6),
      texts: new Map(columns.map((name) => [name, Array.from({ length: rows }, (_, row) => String(row % groups))])),
    }).checks;
  };

  it('are seldom shown to be within the margin where the candidate loses all of it, gap or none before', () => {
    const random = randomFrom(21);
    const gates: Fairness['gates'] = [
      { metric: 'demographic_parity_difference', margin: 0.1, require: 'non-inferior' },
    ];
    for (const [before, after, groups] of [
      [0, 0.1, 2],
      [0, 0.1, 5],
      [0.2, 0.3, 2],
    ] as const) {
      let passed = 0;
      for (let run = 0; run < 200; run += 1) {
        const sides = { champion: drawn(random, groups, before), candidate: drawn(random, groups, after) };
        if (judge(random, gates, { groups, ...sides })[0]!.verdict === 'pass') passed += 1;
      }
      // 5%, and three standard errors of 200 repetitions.
      assert.ok(passed / 200 <= 0.05 + 0.047, `${before} to ${after} over ${groups} groups: ${passed / 200}`);
    }
  });

  it('are told by the rate they are of, and those of a champion that has none hold', () => {
    const random = randomFrom(2);
    const truth = Float64Array.from({ length: rows }, (_, row) => (row >> 1) % 2);
    const decisions = truth.map((label, row) => (row % 2 === 0 ? label : 1 - label));
    const candidate = { scores: null, probabilities: false, decisions: Int32Array.from(decisions) };
    const { checks } = fairnessChecks({
      fairness: { columns: ['g'], gates: [{ metric: 'equal_opportunity_difference', max: 0.1 }] },
      task: 'binary-classification',
      sample: { rows, classes: 2, names, truth, weights: null, clusters: null },
      champion: null,
      candidate,
      alpha: 0.05,
      guardAlpha: 0.05,
      seed: 1,
      texts: new Map([['g', Array.from({ length: rows }, (_, row) => (row % 2 === 0 ? 'A' : 'B'))]]),
    });
    assert.match(checks[0]!.message, /true positive rate: 0\.0000 of B, 1\.0000 of A/u);
    const refusing = { ...candidate, decisions: new Int32Array(rows) };
    const [held] = judge(random, [{ metric: 'predictive_parity_difference', margin: 0.1 }], { champion: refusing });
    assert.equal(held!.verdict, 'inconclusive');
    assert.match(held!.message, /of the champion could not be computed/u);
  });

  it('name the groups that have no such rate, and why', () => {
    // Nobody of C has the favourable label, and nobody of B is selected.
    const texts = Array.from({ length: 300 }, (_, row) => 'ABC'[Math.floor(row / 100)] as string);
    const truth = Float64Array.from(texts, (group, row) => (group === 'C' ? 0 : row % 2));
    const decided = (group: string, row: number): number => (group === 'B' ? 0 : row % 4 === 0 ? 0 : 1);
    const outputs = { scores: null, probabilities: false, decisions: Int32Array.from(texts, decided) };
    const { checks } = fairnessChecks({
      fairness: {
        columns: ['group'],
        gates: [
          { metric: 'equal_opportunity_difference', max: 1, margin: 0.1 },
          { metric: 'predictive_parity_difference', max: 1 },
          { metric: 'accuracy_difference', max: 1 },
        ],
      },
      task: 'binary-classification',
      sample: { rows: 300, classes: 2, names: ['no', 'yes'], truth, weights: null, clusters: null },
      champion: outputs,
      candidate: outputs,
      alpha: 0.05,
      guardAlpha: 0.05,
      seed: 1,
      texts: new Map([['group', texts]]),
    });
    const said = (id: string): string => checks.find((check) => check.id === `evaluation/${id}`)?.message ?? '';
    for (const id of ['equal_opportunity_difference@group-ceiling', 'equal_opportunity_difference@group'])
      assert.match(said(id), /Excluded: C has no true positive rate \(no row is labelled "yes"\)\.$/u);
    assert.match(
      said('predictive_parity_difference@group-ceiling'),
      /Excluded: B has no precision \(no row is predicted "yes"\)\.$/u,
    );
    assert.doesNotMatch(said('accuracy_difference@group-ceiling'), /Left out/u);
  });

  it('are one family over all gates and columns', () => {
    const random = randomFrom(6);
    const gate = { metric: 'demographic_parity_difference', margin: 0.02 } as const;
    const [champion, candidate] = [drawn(random, 2, 0.02), drawn(random, 2, 0.14)];
    const [alone] = judge(random, [gate], { champion, candidate });
    const columns = Array.from({ length: 10 }, (_, index) => `g${index}`);
    const family = judge(random, [gate], { champion, candidate, columns });
    assert.equal(alone!.verdict, 'fail');
    assert.equal(family[0]!.verdict, 'pass');
    assert.match(family[0]!.message, /no proven loss of more than 2 points \(p = .*, corrected for 10 gaps\)/u);
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
