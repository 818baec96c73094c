import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compareMetric } from '../../../../src/stages/evaluation/compare.ts';
import { findMetric } from '../../../../src/stages/evaluation/metrics/catalogue.ts';
import { evaluator } from '../../../../src/stages/evaluation/metrics/metric.ts';
import { randomFrom } from '../../../../src/statistics/random.ts';
import type { Outputs, Sample } from '../../../../src/stages/evaluation/sample.ts';
import { bcaInterval, standardErrorInterval } from '../../../../src/stages/evaluation/statistics/bootstrap.ts';
import { clusterUnits, rowReplicates, rowUnits } from '../../../../src/stages/evaluation/statistics/resample.ts';

const binary = 'binary-classification';
const rows = 900;

/** Two models that share most of their noise; persons of three rows that share most of theirs. */
function world(): { sample: Sample; champion: Outputs; candidate: Outputs } {
  const random = randomFrom(31);
  const clusters = Int32Array.from({ length: rows }, (_, row) => Math.floor(row / 3));
  const moods = Float64Array.from({ length: rows / 3 }, () => random.uniform());
  const truth = new Float64Array(rows);
  const scores = [new Float64Array(rows), new Float64Array(rows)] as const;
  for (let row = 0; row < rows; row += 1) {
    const hidden = 0.6 * moods[clusters[row]!]! + 0.4 * random.uniform();
    truth[row] = random.uniform() < hidden ? 1 : 0;
    for (const each of scores) each[row] = Math.min(0.99, Math.max(0.01, hidden + 0.3 * (random.uniform() - 0.4)));
  }
  const outputs = (values: Float64Array): Outputs => ({
    scores: values,
    probabilities: true,
    decisions: Int32Array.from(values, (value) => (value >= 0.5 ? 1 : 0)),
  });
  const weights = Float64Array.from({ length: rows }, () => 0.5 + random.uniform());
  return {
    sample: { rows, classes: 2, names: ['0', '1'], truth, weights, clusters },
    champion: outputs(scores[0]),
    candidate: outputs(scores[1]),
  };
}

/** The same comparison by drawing rows, or clusters, one at a time. */
function drawn(name: string, { sample, champion, candidate }: ReturnType<typeof world>) {
  const metric = findMetric(name, binary, 'test');
  const [before, after] = [champion, candidate].map((outputs) => evaluator(metric, sample, outputs));
  const difference = (weights: Float64Array | null): number => after!(weights) - before!(weights);
  const values = rowReplicates({
    statistic: difference,
    units: sample.clusters === null ? rowUnits(rows, null) : clusterUnits(sample.clusters),
    rows,
    base: sample.weights,
    resamples: 2000,
    seed: 8,
  });
  const interval = name.startsWith('ece') ? standardErrorInterval : bcaInterval;
  return interval({ delta: difference(sample.weights), values, acceleration: 0, method: 'drawn', seed: 8 });
}

describe('intervals from sums', () => {
  const all = world();
  const samples: [string, Sample][] = [
    ['rows', { ...all.sample, weights: null, clusters: null }],
    ['weighted rows', { ...all.sample, clusters: null }],
    ['clusters', { ...all.sample, weights: null }],
    ['weighted clusters', all.sample],
  ];
  for (const name of ['ece', 'ece_confidence_quantile', 'f1']) {
    it(`are those of a bootstrap that draws every row, for ${name}`, () => {
      for (const [what, sample] of samples) {
        const { interval } = compareMetric(findMetric(name, binary, 'test'), sample, all.champion, all.candidate, {
          seed: 5,
        });
        const reference = drawn(name, { ...all, sample });
        const sign = name.startsWith('ece') ? -1 : 1;
        assert.ok(Math.abs(interval.delta - sign * reference.delta) < 1e-12, what);
        const width = interval.standardError / reference.standardError;
        assert.ok(Math.abs(width - 1) < 0.1, `${what}: standard errors have the ratio ${width}`);
        const bounds = [reference.lower(0.05), reference.upper(0.05)]
          .map((bound) => sign * bound)
          .sort((a, b) => a - b);
        for (const [index, bound] of [interval.lower(0.05), interval.upper(0.05)].entries()) {
          const apart = (bound - bounds[index]!) / reference.standardError;
          assert.ok(Math.abs(apart) < 0.25, `${what}: bound ${index} is ${apart} standard errors away`);
        }
      }
    });
  }

  it('have no width where both models say the same', () => {
    const metric = findMetric('ece', binary, 'test');
    for (const [what, sample] of samples.slice(0, 2)) {
      const { interval, lowEvidence } = compareMetric(metric, sample, all.champion, all.champion, { seed: 5 });
      assert.deepEqual([interval.lower(0.05) + 0, interval.delta, interval.upper(0.05) + 0], [0, 0, 0], what);
      assert.ok(lowEvidence.includes('the difference is the same in all rows'), what);
    }
  });

  it('of areas have no width where the candidate is the champion calibrated anew', () => {
    const scores = all.champion.scores!.map((score) => score ** 3);
    for (const name of ['roc_auc', 'average_precision']) {
      for (const [what, sample] of samples) {
        const calibrated = { ...all.champion, scores };
        const { interval } = compareMetric(findMetric(name, binary, 'test'), sample, all.champion, calibrated, {
          seed: 5,
        });
        assert.deepEqual([interval.lower(0.05) + 0, interval.upper(0.05) + 0], [0, 0], `${name}, ${what}`);
      }
    }
  });

  it('do not depend on the order of the rows', () => {
    const sample: Sample = { ...all.sample, weights: null, clusters: null };
    const reversed = (outputs: Outputs): Outputs => ({
      ...outputs,
      scores: outputs.scores!.toReversed(),
      decisions: outputs.decisions!.toReversed(),
    });
    for (const name of ['ece', 'f1']) {
      const metric = findMetric(name, binary, 'test');
      const one = compareMetric(metric, sample, all.champion, all.candidate, { seed: 5 }).interval;
      const other = compareMetric(
        metric,
        { ...sample, truth: sample.truth.toReversed() },
        reversed(all.champion),
        reversed(all.candidate),
        { seed: 5 },
      ).interval;
      assert.ok(Math.abs(one.lower(0.05) - other.lower(0.05)) < 1e-9, name);
      assert.ok(Math.abs(one.upper(0.05) - other.upper(0.05)) < 1e-9, name);
    }
  });
});
