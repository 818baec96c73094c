import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Task } from '../../../../src/config/schema.ts';
import { compareMetric } from '../../../../src/stages/evaluation/compare.ts';
import { cannotCompute } from '../../../../src/stages/evaluation/gate.ts';
import { metricsOf } from '../../../../src/stages/evaluation/metrics/catalogue.ts';
import type { Metric } from '../../../../src/stages/evaluation/metrics/metric.ts';
import { normalPair, randomFrom } from '../../../../src/statistics/random.ts';
import { queriesOf, type Outputs, type Sample } from '../../../../src/stages/evaluation/sample.ts';
import { jackknifeInterval } from '../../../../src/stages/evaluation/statistics/jackknife.ts';
import { pairedMeanInterval } from '../../../../src/stages/evaluation/statistics/paired-mean.ts';
import fc from '../../../support/properties.ts';

const tasks: readonly Task[] = [
  'binary-classification',
  'multiclass-classification',
  'multilabel-classification',
  'regression',
  'ranking',
];
const width = 3;

interface Setting {
  seed: number;
  rows: number;
  /** Share of the rows on which the models differ. */
  differing: number;
  /** Scores of few distinct values. */
  coarse: boolean;
  weighted: 'no' | 'ones' | 'some';
  clustered: 'no' | 'one' | 'few' | 'each';
}

const settings: fc.Arbitrary<Setting> = fc.record({
  seed: fc.nat(1e6),
  rows: fc.integer({ min: 1, max: 70 }),
  differing: fc.constantFrom(0, 0.04, 0.3, 1),
  coarse: fc.boolean(),
  weighted: fc.constantFrom('no', 'ones', 'some'),
  clustered: fc.constantFrom('no', 'one', 'few', 'each'),
});

function world(task: Task, setting: Setting): { sample: Sample; champion: Outputs; candidate: Outputs } {
  const { rows, differing, coarse, weighted, clustered } = setting;
  const random = randomFrom(setting.seed);
  const draw = (): number => (coarse ? random.integer(5) / 4 : random.uniform());
  const wide = task === 'multiclass-classification' || task === 'multilabel-classification' ? width : 1;
  const scores = Float64Array.from({ length: rows * wide }, draw);
  const moved = Array.from({ length: rows }, () => random.uniform() < differing);
  const others = scores.map((score, at) => (moved[Math.floor(at / wide)] === true ? draw() : score));
  const outputs = (values: Float64Array): Outputs => {
    const classify = (row: number): number => {
      const own = values.subarray(row * width, (row + 1) * width);
      return own.indexOf(Math.max(...own));
    };
    const decisions = {
      'binary-classification': () => Int32Array.from(values, (value) => (value >= 0.5 ? 1 : 0)),
      'multiclass-classification': () => Int32Array.from({ length: rows }, (_, row) => classify(row)),
      'multilabel-classification': () => Int32Array.from(values, (value) => (value >= 0.5 ? 1 : 0)),
      regression: () => null,
      ranking: () => null,
    }[task]();
    return { scores: values, probabilities: decisions !== null, decisions };
  };
  const truth = {
    'binary-classification': () => Float64Array.from({ length: rows }, () => random.integer(2)),
    'multiclass-classification': () => Float64Array.from({ length: rows }, () => random.integer(width)),
    'multilabel-classification': () => Float64Array.from({ length: rows * width }, () => random.integer(2)),
    regression: () => Float64Array.from({ length: rows }, draw),
    ranking: () => Float64Array.from({ length: rows }, () => random.integer(3)),
  }[task]();
  const queries = Int32Array.from({ length: rows }, (_, row) => Math.floor(row / 4));
  // A query is one unit: it has one weight and lies in one cluster.
  const unit = (row: number): number => (task === 'ranking' ? (queries[row] as number) : row);
  const heavy = Float64Array.from({ length: rows }, () => (random.integer(4) === 0 ? 0 : random.uniform() * 3));
  heavy[0] = 1;
  return {
    sample: {
      rows,
      classes: { 'binary-classification': 2, 'multiclass-classification': width }[task as string] ?? 0,
      names: wide === 1 ? ['0', '1'] : ['a', 'b', 'c'],
      truth,
      weights:
        weighted === 'no'
          ? null
          : Float64Array.from({ length: rows }, (_, row) => (weighted === 'ones' ? 1 : (heavy[unit(row)] as number))),
      clusters:
        clustered === 'no'
          ? null
          : Int32Array.from({ length: rows }, (_, row) => ({ one: 0, few: unit(row) % 4, each: unit(row) })[clustered]),
      ...(task === 'multilabel-classification' ? { labels: width } : {}),
      ...(task === 'ranking' ? { queries: queriesOf(queries) } : {}),
    },
    champion: outputs(scores),
    candidate: outputs(others),
  };
}

/** The largest difference of a metric of scores and targets in [0, 1]. */
function reachOf({ scale, name }: Metric): number {
  if (scale === 'share') return 1;
  return { mcc: 2, kappa: 2 }[name] ?? Number.POSITIVE_INFINITY;
}

describe('the bounds of every metric', () => {
  for (const task of tasks) {
    it(`hold the estimate, are finite and are possible, or there are none and it is said why: ${task}`, () => {
      fc.assert(
        fc.property(settings, (setting) => {
          const { sample, champion, candidate } = world(task, setting);
          for (const metric of metricsOf(task)) {
            if (cannotCompute(metric, sample, { candidate, champion }) !== null) continue;
            const { interval } = compareMetric(metric, sample, champion, candidate, { seed: 7, resamples: 100 });
            const { delta, lower, upper, pBelow, pAbove, unknown, method } = interval;
            const what = `${metric.name} by ${method}`;
            if (unknown !== undefined) {
              assert.ok(Number.isNaN(lower(0.05)) && Number.isNaN(upper(0.05)) && unknown.length > 10, what);
              continue;
            }
            for (const alpha of [0.3, 0.05, 0.001, 1e-7]) {
              const [low, high] = [lower(alpha), upper(alpha)];
              assert.ok(Number.isFinite(low) && Number.isFinite(high), `${what}: ${low} to ${high}`);
              assert.ok(low <= delta + 1e-12 && high >= delta - 1e-12, `${what}: ${low} <= ${delta} <= ${high}`);
              const reach = reachOf(metric) + 1e-12;
              assert.ok(low >= -reach && high <= reach, `${what}: ${low} to ${high}`);
            }
            assert.ok(lower(0.001) <= lower(0.05) && upper(0.001) >= upper(0.05), what);
            for (const value of [-0.5, -0.01, 0, delta, 0.2])
              for (const p of [pBelow(value), pAbove(value)]) assert.ok(p >= 0 && p <= 1, `${what}: p = ${p}`);
          }
        }),
        { numRuns: 60, seed: 20240501 },
      );
    });
  }
});

describe('the interval of a paired mean', () => {
  const differences = fc
    .record({
      few: fc.array(fc.integer({ min: -5000, max: 5000 }), { minLength: 1, maxLength: 20 }),
      rows: fc.integer({ min: 20, max: 600 }),
      noise: fc.constantFrom(0, 1e-17, 1e-9, 0.01),
      base: fc.constantFrom(0, 0.1, 0.30000000000000004),
    })
    .map(({ few, rows, noise, base }) => {
      const random = randomFrom(rows);
      return Float64Array.from({ length: rows }, (_, row) => base + (few[row] ?? 0) / 1000 + noise * random.uniform());
    });

  it('never leaves what a mean of such differences can be, whatever differs and by how little', () => {
    fc.assert(
      fc.property(differences, (values) => {
        const { lower, upper, delta } = pairedMeanInterval({ differences: values, weights: null }, 3, 200);
        const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
        for (const bound of [lower(0.05), upper(0.05)]) {
          assert.ok(Math.abs(bound - delta) <= 6 * largest, `${bound} of differences up to ${largest}`);
        }
      }),
    );
  });

  it('is exact where the candidate is better by the same on every row, up to rounding', () => {
    const values = Float64Array.from({ length: 300 }, (_, row) => (row % 100 === 0 ? 0.3 - 0.2 : 0.1));
    assert.ok(new Set(values).size > 1);
    const { lower, upper } = pairedMeanInterval({ differences: values, weights: null }, 3, 2000);
    assert.ok(Math.abs(lower(0.05) - 0.1) < 1e-9 && Math.abs(upper(0.05) - 0.1) < 1e-9);
  });

  it('seldom says that a candidate is better where few rows differ, and none is the better one', () => {
    const random = randomFrom(11);
    const pair = new Float64Array(2);
    const normal = (): number => {
      normalPair(random, pair);
      return pair[0] as number;
    };
    for (const [what, draw] of [
      ['wins and losses', () => (random.uniform() < 0.5 ? 1 : -1)],
      ['normal differences', normal],
      ['many small gains and few large losses', () => (random.uniform() < 0.75 ? 1 : -3)],
    ] as const) {
      for (const expected of [1, 2, 5, 8, 15]) {
        let passed = 0;
        for (let run = 0; run < 400; run += 1) {
          const values = Float64Array.from({ length: 500 }, () => (random.uniform() < expected / 500 ? draw() : 0));
          const interval = pairedMeanInterval({ differences: values, weights: null }, run, 200);
          if (interval.lower(0.05) > 0) passed += 1;
        }
        // 6%, and three standard errors of 400 repetitions.
        assert.ok(passed / 400 <= 0.06 + 0.036, `${what}, ${expected} expected: ${passed / 400}`);
      }
    }
  });
});

describe('the interval from groups left out', () => {
  it('is unknown where leaving out shows no variation, and otherwise holds the estimate', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: -3, max: 3 }), { minLength: 1, maxLength: 50 }),
        fc.nat(3),
        (left, delta) => {
          const interval = jackknifeInterval(delta, Float64Array.from(left), 'jackknife-rows');
          if (new Set(left).size === 1) assert.ok(interval.unknown !== undefined);
          else assert.ok(interval.lower(0.05) < delta && interval.upper(0.05) > delta);
        },
      ),
    );
  });
});
