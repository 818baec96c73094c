import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { compareMetric, pairedCounts } from '../../../src/stages/evaluation/compare.ts';
import { findMetric, metricsOf } from '../../../src/stages/evaluation/metrics/catalogue.ts';
import { evaluator, metricValue } from '../../../src/stages/evaluation/metrics/metric.ts';
import { outputRows, sampleRows, type Outputs, type Sample } from '../../../src/stages/evaluation/sample.ts';
import { rowReplicates, rowUnits } from '../../../src/stages/evaluation/statistics/resample.ts';
import { uniform } from '../../../src/statistics/splitmix.ts';
import { numbers, percentileInterval, readCase, type Case, type Reference } from './cases.ts';

const task = 'multilabel-classification';
const find = (name: string) => findMetric(name, task, 'test');

describe('the stored predictions of topics', () => {
  let data: Case;
  let sample: Sample;
  let names: string[];
  const outputs = new Map<string, Outputs>();
  const outputsOf = (model: string, thresholds: number[]): Outputs => {
    const scores = interleaved(names.map((name) => numbers(data.rows, `${model}_${name}`)));
    const decisions = Int32Array.from(scores, (score, at) => (score >= thresholds[at % names.length]! ? 1 : 0));
    return { scores, probabilities: !model.endsWith('logits'), decisions };
  };
  before(async () => {
    data = await readCase('topics');
    names = data.expected.labels;
    const truth = interleaved(names.map((name) => numbers(data.rows, name)));
    sample = { rows: data.rows.length, classes: 0, labels: 5, names, truth, weights: null, clusters: null };
    for (const model of Object.keys(data.expected.models)) {
      outputs.set(model, outputsOf(model, new Array<number>(5).fill(model.endsWith('logits') ? 0 : 0.5)));
    }
  });
  const agree = (expected: Reference, on: Sample, given: Outputs, what: string): void => {
    for (const [name, value] of Object.entries<Reference>(expected)) {
      if (name === 'n') assert.equal(on.rows, value);
      else if (name === 'per_label') {
        for (const [label, values] of Object.entries<Reference>(value)) {
          for (const [base, each] of Object.entries<number>(values)) {
            close(metricValue(find(`${base}[${label}]`), on, given), each, 1e-9, `${what} ${base}[${label}]`);
          }
        }
      } else close(metricValue(find(name), on, given), value, 1e-9, `${what} ${name}`);
    }
  };

  it('give the metrics of the reference to 1e-9, for every model', () => {
    for (const [model, expected] of Object.entries<Reference>(data.expected.models)) {
      agree(expected.eval, sample, outputs.get(model)!, model);
    }
  });

  it('have a reference for every metric there is', () => {
    const { eval: expected } = data.expected.models.champion;
    for (const { name } of metricsOf(task)) assert.ok(name in expected, name);
  });

  it('give those of the reference under row weights, on slices, and with a threshold of its own for every label', () => {
    const weighted = { ...sample, weights: numbers(data.rows, 'importance') };
    for (const [model, expected] of Object.entries<Reference>(data.expected.models)) {
      agree(expected.weighted_by_importance, weighted, outputs.get(model)!, `${model}, weighted`);
      if (expected.thresholds !== undefined) {
        agree(expected.thresholds, sample, outputsOf(model, data.expected.thresholds), `${model}, thresholds`);
      }
      for (const [slice, values] of Object.entries<Reference>(expected.slices)) {
        const rows = Uint32Array.from(data.rows.keys()).filter(
          (row) => `channel=${String(data.rows[row]!['channel'])}` === slice,
        );
        agree(values, sampleRows(sample, rows), outputRows(outputs.get(model)!, sample, rows), `${model} ${slice}`);
      }
    }
  });

  it('compare as the reference does: paired counts, paired t and bootstrap', () => {
    for (const [pair, expected] of Object.entries<Reference>(data.expected.comparisons)) {
      const [candidate] = pair.split('_vs_') as [string];
      const [before, after] = [outputs.get('champion')!, outputs.get(candidate)!];
      const accuracy = find('subset_accuracy');
      assert.ok(accuracy.kind === 'proportion');
      const { gained, lost } = pairedCounts(accuracy.successes(sample, before), accuracy.successes(sample, after));
      assert.deepEqual([lost, gained], [expected.subset_accuracy.n01, expected.subset_accuracy.n10]);
      assert.equal(compareMetric(accuracy, sample, before, after, { seed: 1 }).interval.method, 'tango-score');
      for (const name of ['hamming_loss', 'brier']) {
        const { interval } = compareMetric(find(name), sample, before, after, { seed: 1 });
        assert.equal(interval.method, 'paired-t');
        close(interval.delta, -expected[name].mean_diff, 1e-9, `${pair} ${name}`);
        close(interval.standardError, expected[name].se, 1e-9, `${pair} ${name}`);
        close(interval.lower(0.025), -expected[name].ci95[1], 1e-6, `${pair} ${name}`);
      }
      for (const [mean, { ci95, mc_tolerance }] of Object.entries<Reference>(expected.bootstrap)) {
        const metric = find(`f1_${mean}`);
        const [ofChampion, ofCandidate] = [before, after].map((each) => evaluator(metric, sample, each));
        const values = rowReplicates({
          statistic: (weights) => ofCandidate!(weights) - ofChampion!(weights),
          units: rowUnits(sample.rows, null),
          rows: sample.rows,
          base: null,
          resamples: 1000,
          seed: 1,
        });
        const tolerance = mc_tolerance * Math.sqrt(10);
        const [low, high] = percentileInterval(values, 0.025);
        close(low, ci95[0], tolerance, `${pair} ${mean}`);
        close(high, ci95[1], tolerance, `${pair} ${mean}`);
        // The same from sums by row, as the comparison draws them.
        const { interval } = compareMetric(metric, sample, before, after, { seed: 1 });
        close(interval.lower(0.025), ci95[0], 2 * tolerance, `${pair} ${mean}, compared`);
        close(interval.upper(0.025), ci95[1], 2 * tolerance, `${pair} ${mean}, compared`);
      }
    }
  });

  it('take whole clusters and weights into every kind of comparison', () => {
    const threads = new Map(
      [...new Set(data.rows.map((row) => row['thread']))].map((thread, number) => [thread, number]),
    );
    const clusters = Int32Array.from(data.rows, (row) => threads.get(row['thread'])!);
    const on = { ...sample, clusters, weights: numbers(data.rows, 'importance') };
    for (const name of ['subset_accuracy', 'hamming_loss', 'f1_macro', 'roc_auc_macro', 'f1[refund]', 'roc_auc[bug]']) {
      const compared = compareMetric(find(name), on, outputs.get('champion')!, outputs.get('candidate')!, {
        seed: 1,
        resamples: 200,
      });
      assert.match(compared.interval.method, /-clusters$/u, name);
      const oriented = (compared.candidate - compared.champion) * (find(name).better === 'higher' ? 1 : -1);
      close(compared.interval.delta, oriented, 1e-12, name);
      assert.ok(compared.interval.lower(0.05) < compared.interval.upper(0.05), name);
    }
  });

  it('have influences that give the standard error of the bootstrap, for samples too large to resample', () => {
    for (const weights of [null, numbers(data.rows, 'importance')]) {
      const on = { ...sample, weights };
      for (const name of ['roc_auc', 'average_precision'].flatMap((base) =>
        ['macro', 'weighted', 'micro'].map((mean) => `${base}_${mean}`),
      )) {
        const metric = find(name);
        assert.ok(metric.kind === 'statistic' && metric.influence !== undefined, name);
        const [before, after] = ['champion', 'candidate'].map((model) => metric.influence!(on, outputs.get(model)!));
        const total = weights === null ? on.rows : weights.reduce((sum, weight) => sum + weight, 0);
        const squares = before!.reduce(
          (sum, value, row) => sum + ((weights?.[row] ?? 1) * (after![row]! - value)) ** 2,
          0,
        );
        const { interval } = compareMetric(metric, on, outputs.get('champion')!, outputs.get('candidate')!, {
          seed: 1,
          resamples: 400,
        });
        assert.match(interval.method, /^bootstrap/u);
        const ratio = Math.sqrt(squares) / total / interval.standardError;
        assert.ok(ratio > 0.88 && ratio < 1.14, `${name}: ${ratio}`);
      }
    }
  });

  it('say which label is not there, or has one value only', () => {
    assert.equal(find('recall[spam]').undefinedOn?.(sample), 'there is no label "spam"');
    const never = { ...sample, truth: sample.truth.map((value, at) => (at % 5 === 2 ? 0 : value)) };
    assert.equal(find('roc_auc[refund]').undefinedOn?.(never), 'no row is of label "refund"');
    assert.match(
      find('roc_auc_macro').undefinedOn?.(never) ?? '',
      /the label "refund" has the same value in every row/u,
    );
  });
});

describe('an average over labels', () => {
  it('is linearised on fewer rows where there are so many labels that each resample would take long', () => {
    const metric = find('roc_auc_macro');
    for (const [labels, method] of [
      [5, /^bootstrap-rows/u],
      [250, /^influence/u],
    ] as const) {
      const rows = 1000;
      const random = uniform(7);
      const truth = Float64Array.from({ length: rows * labels }, () => Number(random() < 0.3));
      const scored = (): Outputs => {
        const scores = Float64Array.from(truth, (label) => 0.3 * label + 0.7 * random());
        const decisions = Int32Array.from(scores, (score) => Number(score >= 0.5));
        return { scores, probabilities: true, decisions };
      };
      const own = Array.from({ length: labels }, (_, at) => `l${at}`);
      const on: Sample = { rows, classes: 0, labels, names: own, truth, weights: null, clusters: null };
      const { interval } = compareMetric(metric, on, scored(), scored(), { seed: 1, resamples: 200 });
      assert.match(interval.method, method);
      assert.ok(interval.lower(0.05) < interval.delta && interval.delta < interval.upper(0.05));
    }
  });
});

/** Columns as one row-major matrix. */
function interleaved(columns: Float64Array[]): Float64Array {
  return Float64Array.from(
    { length: columns[0]!.length * columns.length },
    (_, at) => columns[at % columns.length]![Math.floor(at / columns.length)]!,
  );
}

function close(value: number, expected: number, tolerance: number, what: string): void {
  assert.ok(Math.abs(value - expected) <= tolerance, `${what}: ${value} is not within ${tolerance} of ${expected}`);
}
