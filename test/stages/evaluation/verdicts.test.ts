import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Task } from '../../../src/config/schema.ts';
import type { Policy } from '../../../src/stages/evaluation/schema.ts';
import { baselines } from '../../../src/stages/evaluation/baselines.ts';
import { compareMetric } from '../../../src/stages/evaluation/compare.ts';
import { firstModelChecks } from '../../../src/stages/evaluation/first-model.ts';
import { comparisonChecks } from '../../../src/stages/evaluation/gate.ts';
import { findMetric } from '../../../src/stages/evaluation/metrics/catalogue.ts';
import { planOf } from '../../../src/stages/evaluation/plan.ts';
import { normalPair, randomFrom } from '../../../src/statistics/random.ts';
import type { Outputs, Sample } from '../../../src/stages/evaluation/sample.ts';
import type { SliceRows } from '../../../src/stages/evaluation/slices.ts';
import type { Check } from '../../../src/evidence/index.ts';

const binary = 'binary-classification';

/** Rows by turns negative and positive. */
function sampleOf(rows: number, more: Partial<Sample> = {}): Sample {
  const truth = Float64Array.from({ length: rows }, (_, row) => row % 2);
  return { rows, classes: 2, names: ['0', '1'], truth, weights: null, clusters: null, ...more };
}

function outputsOf(scores: Float64Array): Outputs {
  return { scores, probabilities: true, decisions: Int32Array.from(scores, (score) => (score >= 0.5 ? 1 : 0)) };
}

/** Sure by `sure`, and wrong where told. */
function decided({ truth }: Sample, wrong: (row: number) => boolean = () => false, sure = 0.9): Outputs {
  return outputsOf(truth.map((label, row) => ((label === 1) === wrong(row) ? 1 - sure : sure)));
}

function regression(truth: Float64Array): Sample {
  return { rows: truth.length, classes: 0, names: null, truth, weights: null, clusters: null };
}

function values(scores: Float64Array): Outputs {
  return { scores, probabilities: false, decisions: null };
}

interface Judged {
  policy: Policy;
  sample: Sample;
  champion: Outputs;
  candidate: Outputs;
  task?: Task;
  families?: (SliceRows[] | null)[];
  reuse?: number;
}

function judge({ policy, task = binary, families = [], reuse = 0, ...sides }: Judged): Check[] {
  return [...comparisonChecks({ plan: planOf(policy, task, reuse), ...sides }, families)].map(({ check }) => check);
}

const superior = (metric: string): Policy => ({ primary: { metric, require: 'superior' } });

describe('a comparison of little', () => {
  it('shows nothing where all rows are of one cluster, whatever the metric', () => {
    const sample = sampleOf(200, { clusters: new Int32Array(200) });
    const sides = {
      sample,
      champion: decided(sample, (row) => row < 20),
      candidate: decided(sample, () => false, 0.95),
    };
    for (const metric of ['accuracy', 'f1', 'log_loss', 'roc_auc', 'average_precision', 'ece']) {
      const [check] = judge({ policy: superior(metric), ...sides });
      assert.equal(check!.verdict, 'inconclusive', metric);
      assert.match(check!.message, /single independent unit/u);
    }
  });

  it('shows nothing on fewer clusters than five, and says so', () => {
    const sample = sampleOf(200, { clusters: Int32Array.from({ length: 200 }, (_, row) => row % 4) });
    const [check] = judge({
      policy: superior('accuracy'),
      sample,
      champion: decided(sample, (row) => row % 3 === 0),
      candidate: decided(sample, (row) => row % 19 === 0),
    });
    assert.equal(check!.verdict, 'inconclusive');
    assert.match(check!.message, /its rows lie in 4 clusters, fewer than 5/u);
  });

  it('shows nothing on fewer rows than min_rows, and says how many it takes', () => {
    for (const [rows, minimum] of [
      [1, undefined],
      [29, undefined],
      [60, 100],
    ] as const) {
      const sample = regression(Float64Array.from({ length: rows }, (_, row) => row));
      const off = (by: number) => values(sample.truth.map((target, row) => target + by * (1 + (row % 7))));
      const policy = { ...superior('mae'), ...(minimum === undefined ? {} : { min_rows: minimum }) };
      const [check] = judge({ policy, task: 'regression', sample, champion: off(0.5), candidate: off(0.25) });
      assert.equal(check!.verdict, 'inconclusive');
      if (rows === 1) continue;
      assert.match(check!.message, new RegExp(`it has ${rows} rows, fewer than min_rows ${minimum ?? 30}`, 'u'));
      assert.equal(check!.comparison!.rowsNeeded, minimum ?? 30);
      assert.equal(check!.comparison!.state, 'inconclusive');
    }
  });

  it('is the same with weights of one, and with clusters of one row each, as without', () => {
    const plain = sampleOf(40);
    const champion = decided(plain);
    for (const [metric, candidate] of [
      ['accuracy', decided(plain, () => false, 0.8)],
      ['f1', decided(plain, (row) => row === 3)],
      ['brier', decided(plain, (row) => row === 3)],
    ] as const) {
      const bounds = [
        plain,
        { ...plain, weights: new Float64Array(40).fill(1) },
        { ...plain, clusters: Int32Array.from({ length: 40 }, (_, row) => row) },
      ].map((sample) => {
        const { interval } = compareMetric(findMetric(metric, binary, ''), sample, champion, candidate, { seed: 1 });
        return [interval.method, interval.lower(0.05), interval.upper(0.05)];
      });
      assert.deepEqual(bounds[1], bounds[0], metric);
      assert.deepEqual(bounds[2], bounds[0], metric);
    }
  });

  it('has bounds of as many effective rows where nothing differs on weighted rows or clusters', () => {
    const weights = Float64Array.from({ length: 100 }, (_, row) => (row < 10 ? 10 : 1));
    const effective = 190 ** 2 / (10 * 100 + 90);
    const square = 1.6448536269514722 ** 2;
    const sample = sampleOf(100, { weights });
    const { interval } = compareMetric(findMetric('accuracy', binary, ''), sample, decided(sample), decided(sample), {
      seed: 1,
    });
    assert.ok(Math.abs(interval.lower(0.05) + square / (effective + square)) < 1e-9);
    const clusters = sampleOf(100, { clusters: Int32Array.from({ length: 100 }, (_, row) => row >> 1) });
    const other = compareMetric(findMetric('accuracy', binary, ''), clusters, decided(clusters), decided(clusters), {
      seed: 1,
    }).interval;
    assert.ok(Math.abs(other.lower(0.05) + square / (50 + square)) < 1e-9);
  });

  it('is exact for average precision where both models order the rows alike', () => {
    const sample = sampleOf(60);
    const compared = (candidate: Outputs) =>
      compareMetric(
        findMetric('average_precision', binary, ''),
        sample,
        decided(sample, (row) => row < 9),
        candidate,
        {
          seed: 1,
        },
      ).interval;
    const same = compared(decided(sample, (row) => row < 9, 0.7));
    assert.deepEqual([same.lower(0.05), same.upper(0.05)], [0, 0]);
    const other = compared(decided(sample, (row) => row < 6, 0.7));
    assert.ok(other.lower(0.05) < other.delta && other.delta < other.upper(0.05));
  });

  it('is exact for areas only where both models order the rows alike', () => {
    const sample = sampleOf(60);
    const metric = findMetric('roc_auc', binary, '');
    const same = compareMetric(
      metric,
      sample,
      decided(sample),
      decided(sample, () => false, 0.7),
      { seed: 1 },
    );
    assert.deepEqual([same.interval.lower(0.05), same.interval.upper(0.05)], [0, 0]);
    const inverted = compareMetric(
      metric,
      sample,
      decided(sample),
      decided(sample, () => true),
      { seed: 1 },
    );
    assert.equal(inverted.interval.delta, -1);
    assert.ok(inverted.interval.upper(0.05) > -0.9 && inverted.interval.upper(0.05) < -0.7);
  });
});

describe('small levels', () => {
  it('find the one slice of 120 that is decided the wrong way round, by every metric', () => {
    const sample = sampleOf(4800);
    const slices = Array.from({ length: 120 }, (_, slice): SliceRows => ({
      name: `s=${slice}`,
      rows: Uint32Array.from({ length: 40 }, (__, each) => slice * 40 + each),
    }));
    const random = randomFrom(5);
    const luck = Array.from({ length: 4800 }, () => [random.uniform() < 0.1, random.uniform() < 0.1] as const);
    const champion = decided(sample, (row) => luck[row]![0]);
    const candidate = decided(sample, (row) => (row < 40 ? !luck[row]![1] : luck[row]![1]));
    for (const metric of ['accuracy', 'f1', 'log_loss', 'roc_auc', 'average_precision']) {
      const guardrails = [{ metric, margin: 0.02, slices: ['s'] }];
      const policy: Policy = { primary: { metric: 'accuracy', margin: 0.99, require: 'non-inferior' }, guardrails };
      const failed = judge({ policy, sample, champion, candidate, families: [slices] })
        .filter(({ verdict }) => verdict === 'fail')
        .map(({ id }) => id);
      assert.deepEqual(failed, [`evaluation/${metric}@s=0`]);
    }
  });

  it('that holdout spending asks for are honoured beyond what draws show, and it is said', () => {
    const random = randomFrom(9);
    const sample = sampleOf(500);
    const noisy = (share: number) => {
      const wrong = Array.from({ length: 500 }, () => random.uniform() < share);
      return decided(sample, (row) => wrong[row]!, 0.7 + 0.2 * random.uniform());
    };
    const [champion, candidate] = [noisy(0.15), noisy(0.08)];
    for (const metric of ['f1', 'log_loss', 'average_precision']) {
      let previous = Number.POSITIVE_INFINITY;
      for (const budget of [1, 100, 10_000, 10_000_000]) {
        const policy: Policy = { ...superior(metric), holdout: { spend: true, budget } };
        const { comparison } = judge({ policy, sample, champion, candidate })[0]!;
        assert.ok(comparison!.lower < previous, `${metric} at alpha / ${budget}`);
        previous = comparison!.lower;
        const said = comparison!.lowEvidence?.some((reason) => /parametric tail/u.test(reason)) ?? false;
        const drawn = comparison!.method.startsWith('bootstrap');
        assert.equal(said, drawn && budget > 1, `${metric} at alpha / ${budget}`);
      }
    }
  });
});

describe('a first model', () => {
  const sanity = (policy: Policy, sample: Sample, candidate: Outputs, task: Task = binary): Check => {
    const plan = planOf(policy, task);
    const rivals = baselines(sample, plan.primary.metric, plan.seed);
    return firstModelChecks({ plan, sample, candidate }, true, rivals)[1]!;
  };
  const rare = sampleOf(600, { truth: Float64Array.from({ length: 600 }, (_, row) => (row % 10 < 3 ? 1 : 0)) });

  it('that says the same of every row does not pass, whatever the metric', () => {
    const cost = { false_positive: 1, false_negative: 10 };
    for (const metric of ['f1', 'recall', 'specificity', 'expected_cost', 'accuracy', 'log_loss', 'ece', 'mcc'])
      for (const score of [0.1, 0.3, 0.9]) {
        const { verdict, message } = sanity(
          { primary: { metric }, cost },
          rare,
          outputsOf(new Float64Array(600).fill(score)),
        );
        assert.notEqual(verdict, 'pass', `${metric}: ${message}`);
      }
    const random = randomFrom(3);
    const target = regression(Float64Array.from({ length: 600 }, () => random.uniform() ** 2));
    const sorted = Float64Array.from(target.truth).sort();
    for (const metric of ['pinball_0.9', 'mae', 'rmse', 'medae', 'mape', 'smape', 'absolute_bias'])
      for (const quantile of [0.1, 0.3, 0.5, 0.9]) {
        const constant = new Float64Array(600).fill(sorted[Math.floor(600 * quantile)]!);
        const { verdict, message } = sanity({ primary: { metric } }, target, values(constant), 'regression');
        assert.notEqual(verdict, 'pass', `${metric}: ${message}`);
      }
  });

  it('that is good passes by metrics on which a constant can be perfect, by another that tells them apart', () => {
    const good = decided(rare, (row) => row % 17 === 0);
    for (const metric of ['recall', 'specificity', 'f1', 'log_loss', 'roc_auc']) {
      const { verdict, message } = sanity({ primary: { metric } }, rare, good);
      assert.equal(verdict, 'pass', message);
    }
    assert.match(sanity({ primary: { metric: 'recall' } }, rare, good).message, /^Balanced accuracy .* recall of/u);
  });

  it('meets class shares that heed the weights', () => {
    const weights = rare.truth.map((label) => (label === 1 ? 10 : 1));
    const { verdict } = sanity(
      { primary: { metric: 'accuracy' } },
      { ...rare, weights },
      outputsOf(new Float64Array(600).fill(0.9)),
    );
    assert.notEqual(verdict, 'pass');
  });

  it('is not held against a baseline without a value', () => {
    const random = randomFrom(4);
    const rate = Float64Array.from({ length: 600 }, (_, row) => (row % 5 === 0 ? 3 : 0.2));
    const counts = regression(rate.map((mean) => Math.floor(-Math.log(1 - random.uniform()) * mean + 0.3)));
    const { verdict, message } = sanity(
      { primary: { metric: 'poisson_deviance' } },
      counts,
      values(rate),
      'regression',
    );
    assert.equal(verdict, 'pass', message);
  });

  it('that rests on few rows is held, not refused', () => {
    const sample = sampleOf(30);
    const candidate = decided(sample, (row) => row % 3 === 0);
    assert.equal(sanity({ primary: { metric: 'accuracy' } }, sample, candidate).verdict, 'inconclusive');
  });
});

describe('what a check says', () => {
  it("is that the champion's value is not finite, where it is the champion's, and holds", () => {
    const sample = regression(Float64Array.from({ length: 100 }, (_, row) => row % 4));
    const good = values(Float64Array.from({ length: 100 }, (_, row) => 0.5 + (row % 4)));
    const broken = values(good.scores!.map((value, row) => (row === 0 ? 0 : value)));
    const policy: Policy = { primary: { metric: 'poisson_deviance', margin: 0.1, require: 'non-inferior' } };
    const [held] = judge({ policy, task: 'regression', sample, champion: broken, candidate: good });
    assert.equal(held!.verdict, 'inconclusive');
    assert.match(held!.message, /of the champion is not finite/u);
    const [failed] = judge({ policy, task: 'regression', sample, champion: good, candidate: broken });
    assert.equal(failed!.verdict, 'fail');
    assert.match(failed!.message, /of the candidate is not finite/u);
  });

  it('is that it is worse where it fails for that, and not that it is open', () => {
    const sample = sampleOf(2000);
    const [check] = judge({
      policy: { primary: { metric: 'accuracy', margin: 0.012, require: 'superior' } },
      sample,
      champion: decided(sample),
      candidate: decided(sample, (row) => row < 20),
    });
    assert.equal(check!.verdict, 'fail');
    assert.match(check!.message, /: shown to be worse\.$/u);
  });

  it('is what would settle it: the rows for the gain that is stated, else for the one that was measured', () => {
    const sample = sampleOf(2000);
    const better = decided(sample, (row) => row < 20);
    const worse = decided(sample, (row) => row >= 15 && row < 38);
    const message = (policy: Policy, champion = worse, candidate = better): string =>
      judge({ policy, sample, champion, candidate })[0]!.message;
    const stated = (gain: number): Policy => ({
      primary: { metric: 'accuracy', require: 'superior', min_gain: gain },
    });
    assert.match(message(stated(0.003)), /more labelled rows would show it if it truly is 0\.3 points better/u);
    // These rows would have shown a gain of 2 points: rows are not useless for the smaller one that there seems to be.
    assert.match(message(stated(0.02)), /about 43,000 more labelled rows would show it if the gain is as measured/u);
    assert.match(message(superior('accuracy')), /about 43,000 more labelled rows would show it if the gain is as/u);
    assert.match(message(superior('accuracy'), better, worse), /set policy\.primary\.min_gain/u);
  });

  it('is how many rows it takes where nothing differs', () => {
    const sample = sampleOf(100);
    const policy: Policy = { primary: { metric: 'accuracy', margin: 0.01, require: 'non-inferior' } };
    const agreeing = (of: Sample) => ({
      policy,
      sample: of,
      champion: decided(of),
      candidate: decided(of, () => false, 0.8),
    });
    const [check] = judge(agreeing(sample));
    assert.equal(check!.verdict, 'inconclusive');
    const needed = check!.comparison!.rowsNeeded!;
    assert.equal(judge(agreeing(sampleOf(needed)))[0]!.verdict, 'pass');
    assert.equal(judge(agreeing(sampleOf(needed - 3)))[0]!.verdict, 'inconclusive');
  });

  it('is that a slice is not judged, and not that the policy requires it, where it does not', () => {
    const sample = sampleOf(400, { weights: Float64Array.from({ length: 400 }, (_, row) => (row < 40 ? 0 : 1)) });
    const slices = [
      { name: 's=none', rows: Uint32Array.from({ length: 40 }, (_, row) => row) },
      { name: 's=rest', rows: Uint32Array.from({ length: 360 }, (_, row) => row + 40) },
    ];
    const guardrails = [{ metric: 'accuracy', margin: 0.1, slices: ['s'] }];
    const primary = { metric: 'accuracy', margin: 0.99, require: 'non-inferior' } as const;
    const sides = { champion: decided(sample), candidate: decided(sample, (row) => row === 50) };
    const [, none, rest] = judge({ policy: { primary, guardrails }, sample, ...sides, families: [slices] });
    assert.deepEqual([none!.verdict, rest!.verdict], ['skipped', 'pass']);
    assert.match(none!.message, /was not compared: all its rows have the weight 0\.$/u);
  });

  it('is that a slice is not judged where a relative margin finds a champion at 0', () => {
    const sample = sampleOf(400);
    const slices = [
      { name: 's=zero', rows: Uint32Array.from({ length: 40 }, (_, row) => row) },
      { name: 's=rest', rows: Uint32Array.from({ length: 360 }, (_, row) => row + 40) },
    ];
    const policyOf = (more: object): Policy => ({
      primary: { metric: 'accuracy', margin: 0.99, require: 'non-inferior' },
      guardrails: [{ metric: 'recall', relative_margin: 0.1, slices: ['s'], ...more }],
    });
    const zero = (row: number): boolean => row < 40;
    const sides = { champion: decided(sample, zero), candidate: decided(sample, zero) };
    const [, skipped, judged] = judge({ policy: policyOf({}), sample, ...sides, families: [slices] });
    assert.deepEqual([skipped!.verdict, judged!.verdict], ['skipped', 'pass']);
    assert.match(skipped!.message, /relative_margin needs a champion with a positive value, and it has 0/u);
    const [, open] = judge({ policy: policyOf({ required: ['s=zero'] }), sample, ...sides, families: [slices] });
    assert.equal(open!.verdict, 'inconclusive');
  });
});

describe('a relative margin', () => {
  it("is as uncertain as the champion's value: a candidate that loses it in truth seldom passes", () => {
    const random = randomFrom(5);
    const pair = new Float64Array(2);
    const normal = (): number => {
      normalPair(random, pair);
      return pair[0] as number;
    };
    const rows = 1000;
    const relative = 0.1;
    const truth = new Float64Array(rows);
    const sample: Sample = { rows, classes: 0, names: null, truth, weights: null, clusters: null };
    const passed = Array.from({ length: 300 }, () => {
      const errors = truth.map(() => Math.exp(normal()));
      // The mean error is the square root of e, in truth.
      const lost = errors.map((error) => Math.max(0, error + relative * Math.sqrt(Math.E) + 0.1 * normal()));
      const [champion, candidate] = [errors, lost].map((scores): Outputs => ({
        scores,
        probabilities: false,
        decisions: null,
      })) as [Outputs, Outputs];
      const metric = findMetric('mae', 'regression', '');
      const compared = compareMetric(metric, sample, champion, candidate, { seed: 1, relative });
      assert.ok(compared.interval.lower(0.05) <= compared.interval.delta);
      return compared.interval.lower(0.05) > -relative * compared.champion;
    }).filter(Boolean).length;
    assert.ok(passed <= 24, `${passed} of 300`);
  });

  it('widens the bounds only where a loss is tolerated', () => {
    const random = randomFrom(6);
    const sample = regression(new Float64Array(200));
    const errors = sample.truth.map(() => 1 / (0.02 + random.uniform()));
    const sides = { sample, champion: values(errors), candidate: values(errors.map((error) => error - 0.1)) };
    const lower = (require: 'superior' | 'non-inferior', margin: object): number | undefined => {
      const policy: Policy = { primary: { metric: 'mae', require, ...margin } };
      return judge({ policy, task: 'regression', ...sides })[0]?.comparison?.lower;
    };
    assert.equal(lower('superior', { relative_margin: 0.1 }), lower('superior', { margin: 1 }));
    assert.ok(Number(lower('non-inferior', { relative_margin: 0.1 })) < Number(lower('non-inferior', { margin: 1 })));
  });
});
