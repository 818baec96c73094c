import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compareMetric } from '../../../src/stages/evaluation/compare.ts';
import { comparisonChecks } from '../../../src/stages/evaluation/gate.ts';
import { findMetric } from '../../../src/stages/evaluation/metrics/catalogue.ts';
import { metricValue } from '../../../src/stages/evaluation/metrics/metric.ts';
import { planOf } from '../../../src/stages/evaluation/plan.ts';
import { sampleRows, outputRows, type Outputs, type Sample } from '../../../src/stages/evaluation/sample.ts';
import fc from '../../support/properties.ts';

const task = 'multiclass-classification';

function sampleOf(truth: readonly number[], classes: number, more: Partial<Sample> = {}): Sample {
  const names = Array.from({ length: classes }, (_, label) => String(label));
  return {
    rows: truth.length,
    classes,
    names,
    truth: Float64Array.from(truth),
    weights: null,
    clusters: null,
    ...more,
  };
}

function decided(labels: readonly number[]): Outputs {
  return { scores: null, probabilities: false, decisions: Int32Array.from(labels) };
}

/** The definition of scikit-learn's `f1_score(average="macro", zero_division=0)`, from sets of labels. */
function macroF1(truth: readonly number[], decisions: readonly number[]): number {
  const labels = [...new Set([...truth, ...decisions])];
  const each = labels.map((label) => {
    const hits = truth.filter((value, row) => value === label && decisions[row] === label).length;
    const all = truth.filter((value) => value === label).length + decisions.filter((value) => value === label).length;
    return (2 * hits) / all;
  });
  return each.reduce((sum, value) => sum + value, 0) / labels.length;
}

describe('a macro average', () => {
  it('is that of scikit-learn 1.7, on the whole and on slices, for each model over its own classes', () => {
    // Of ten classes five occur or are predicted; the first model predicts class 4, which does not occur.
    const sample = sampleOf([0, 0, 0, 1, 1, 2, 2, 2, 2, 0], 10);
    const models = [decided([0, 0, 0, 1, 2, 2, 2, 2, 4, 0]), decided([0, 1, 0, 1, 1, 2, 2, 0, 2, 0])];
    const names = ['precision_macro', 'recall_macro', 'f1_macro', 'f2_macro'];
    const expected = [
      [10, 0, [0.6875, 0.5625, 0.6041666666666666, 0.5763888888888888]],
      [10, 1, [0.8055555555555555, 0.8333333333333334, 0.8023809523809523, 0.8161881977671452]],
      [5, 0, [0.6666666666666666, 0.5, 0.5555555555555555, 0.5185185185185185]],
      [5, 1, [0.8333333333333333, 0.8333333333333333, 0.8, 0.8116883116883117]],
      [3, 0, [1, 1, 1, 1]],
      [3, 1, [0.5, 0.3333333333333333, 0.4, 0.35714285714285715]],
    ] as const;
    for (const [rows, model, values] of expected) {
      const part = Uint32Array.from({ length: rows }, (_, row) => row);
      const outputs = outputRows(models[model] as Outputs, sample, part);
      for (const [index, name] of names.entries()) {
        const value = metricValue(findMetric(name, task, 'test'), sampleRows(sample, part), outputs);
        assert.ok(Math.abs(value - (values[index] as number)) < 1e-12, `${name} of ${rows} rows: ${value}`);
      }
    }
  });

  it('does not hang on how many classes there might be, in a comparison and alone', () => {
    const label = fc.nat(4);
    const rows = fc.array(fc.tuple(label, label, label), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(rows, fc.constantFrom(5, 9), (drawn, classes) => {
        const [truth, before, after] = [0, 1, 2].map((side) => drawn.map((row) => row[side] as number)) as [
          number[],
          number[],
          number[],
        ];
        const compared = compareMetric(
          findMetric('f1_macro', task, 'test'),
          sampleOf(truth, classes),
          decided(before),
          decided(after),
          { seed: 1, resamples: 0 },
        );
        assert.ok(Math.abs(compared.champion - macroF1(truth, before)) < 1e-12);
        assert.ok(Math.abs(compared.candidate - macroF1(truth, after)) < 1e-12);
      }),
      { seed: 11, numRuns: 100 },
    );
  });

  it('shows the loss on a slice of two of ten classes in full', () => {
    // Classes 0 to 7 on the first 800 rows; the slice has 8 and 9, of which the candidate confuses a quarter.
    const truth = Array.from({ length: 1000 }, (_, row) => (row < 800 ? row % 8 : 8 + (row % 2)));
    const wrong = (row: number, share: number): number =>
      row % 100 < 100 * share ? 17 - (truth[row] as number) : (truth[row] as number);
    const side = (share: number): Outputs =>
      decided(truth.map((value, row) => (row < 800 ? value : wrong(row, share))));
    const plan = planOf(
      {
        primary: { metric: 'accuracy', margin: 0.1, require: 'non-inferior' },
        guardrails: [{ metric: 'f1_macro', margin: 0.05, slices: ['part'] }],
      },
      task,
    );
    const slice = { name: 'part=small', rows: Uint32Array.from({ length: 200 }, (_, row) => 800 + row) };
    const gate = { plan, sample: sampleOf(truth, 10), champion: side(0.06), candidate: side(0.3) };
    const [, check] = [...comparisonChecks(gate, [[slice]])].map((each) => each.check);
    assert.equal(check?.verdict, 'fail');
    assert.ok(Math.abs((check?.comparison?.delta ?? 0) + 0.24) < 1e-9);
  });

  it('of models that agree on every row is bounded by the classes that are there, however many others there are', () => {
    const truth = Array.from({ length: 400 }, (_, row) => row % 2);
    const same = decided(truth);
    const widths = [2, 10].map((classes) => {
      const { interval } = compareMetric(findMetric('f1_macro', task, 'test'), sampleOf(truth, classes), same, same, {
        seed: 1,
      });
      return interval.upper(0.05) - interval.lower(0.05);
    });
    assert.ok((widths[0] as number) > 0 && (widths[0] as number) < 0.02);
    assert.equal(widths[0], widths[1]);
  });

  it('counts no class that is there by rounding alone where units are left out', () => {
    // Weights whose sum is not exact, and a class in one cluster: without it the class does not occur.
    const truth = Array.from({ length: 400 }, (_, row) => (row < 10 ? 2 : row % 2));
    const sample = sampleOf(truth, 3, {
      weights: Float64Array.from(truth, (_, row) => 0.1 + (row % 7) / 30),
      clusters: Int32Array.from(truth, (_, row) => Math.floor(row / 10)),
    });
    const before = decided(truth.map((value, row) => (row % 9 === 0 && row >= 10 ? 1 - value : value)));
    const after = decided(truth.map((value, row) => (row % 8 === 0 && row >= 10 ? 1 - value : value)));
    const metric = findMetric('f1_macro', task, 'test');
    const { interval } = compareMetric(metric, sample, before, after, { seed: 1, resamples: 500 });
    // A class of rounding alone is right or wrong by chance: leaving the cluster out would move the mean by a third.
    assert.ok(interval.standardError < 0.05, String(interval.standardError));
  });
});
