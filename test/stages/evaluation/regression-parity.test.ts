import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { compareMetric } from '../../../src/stages/evaluation/compare.ts';
import { findMetric } from '../../../src/stages/evaluation/metrics/catalogue.ts';
import { evaluator, metricValue } from '../../../src/stages/evaluation/metrics/metric.ts';
import { outputRows, sampleRows, type Outputs, type Sample } from '../../../src/stages/evaluation/sample.ts';
import { clusterUnits, rowReplicates, rowUnits } from '../../../src/stages/evaluation/statistics/resample.ts';
import { numbers, percentileInterval, readCase, type Case, type Reference } from './cases.ts';

const task = 'regression';
const names: Record<string, string> = {
  rmse: 'rmse',
  mse: 'mse',
  mae: 'mae',
  medae: 'medae',
  r2: 'r2',
  explained_variance: 'explained_variance',
  mape: 'mape_nonzero_targets',
  poisson_deviance: 'mean_poisson_deviance',
};

describe('the stored predictions of randhie', () => {
  let data: Case;
  let sample: Sample;
  const outputs = new Map<string, Outputs>();
  before(async () => {
    data = await readCase('randhie');
    const truth = numbers(data.rows, 'mdvis');
    sample = { rows: data.rows.length, classes: 0, names: null, truth, weights: null, clusters: null };
    for (const model of Object.keys(data.expected.models)) {
      outputs.set(model, { scores: numbers(data.rows, model), probabilities: false, decisions: null });
    }
  });
  const compare = (name: string, candidate: string, on: Sample = sample) =>
    compareMetric(findMetric(name, task, 'test'), on, outputs.get('champion')!, outputs.get(candidate)!, {
      seed: 20240601,
    });

  it('give the metrics of the reference to 1e-9, for every model', () => {
    for (const [model, { metrics }] of Object.entries<Reference>(data.expected.models)) {
      for (const [ours, theirs] of Object.entries(names)) {
        const value = metricValue(findMetric(ours, task, 'test'), sample, outputs.get(model)!);
        close(value, metrics.eval[theirs], 1e-9, `${model} ${ours}`);
      }
      const bias = metricValue(findMetric('absolute_bias', task, 'test'), sample, outputs.get(model)!);
      close(bias, Math.abs(metrics.eval.mean_error_bias), 1e-9, `${model} bias`);
    }
  });

  it('give the paired t interval of the reference to 1e-6, turned so that positive is better', () => {
    for (const [pair, expected] of Object.entries<Reference>(data.expected.comparisons)) {
      const [candidate] = pair.split('_vs_') as [string];
      for (const [ours, theirs] of Object.entries({ mse: 'paired_t_squared_error', mae: 'paired_t_absolute_error' })) {
        const { interval } = compare(ours, candidate);
        assert.equal(interval.method, 'paired-t');
        close(interval.delta, -expected[theirs].mean_diff, 1e-9, pair);
        close(interval.delta / interval.standardError, -expected[theirs].t, 1e-6, pair);
        close(interval.lower(0.025), -expected[theirs].ci95[1], 1e-6, pair);
        close(interval.upper(0.025), -expected[theirs].ci95[0], 1e-6, pair);
      }
    }
  });

  it('give bootstrap intervals, over rows and over persons, within the Monte Carlo tolerance of the reference', () => {
    const persons = Int32Array.from(numbers(data.rows, 'person'));
    const resamples = 4000;
    for (const [pair, expected] of Object.entries<Reference>(data.expected.comparisons)) {
      const [candidate] = pair.split('_vs_') as [string];
      for (const [units, reference] of [
        [rowUnits(sample.rows, null), expected.bootstrap],
        [clusterUnits(persons), expected.bootstrap_clustered_by_person],
      ] as const) {
        for (const ours of ['rmse', 'mae', 'r2'].filter((name) => reference[`${name}_diff`] !== undefined)) {
          const [before, after] = ['champion', candidate].map((model) =>
            evaluator(findMetric(ours, task, 'test'), sample, outputs.get(model)!),
          );
          const values = rowReplicates({
            statistic: (weights) => after!(weights) - before!(weights),
            units,
            rows: sample.rows,
            base: null,
            resamples,
            seed: 20240601,
          });
          const [lower, upper] = percentileInterval(values, 0.025);
          const { ci95, mc_tolerance } = reference[`${ours}_diff`];
          const tolerance = mc_tolerance * Math.sqrt(10_000 / resamples);
          close(lower, ci95[0], tolerance, `${pair} ${ours}`);
          close(upper, ci95[1], tolerance, `${pair} ${ours}`);
        }
      }
    }
  });

  it('give wider intervals when persons, not rows, are independent', () => {
    const clusters = Int32Array.from(numbers(data.rows, 'person'));
    for (const metric of ['rmse', 'mae', 'r2']) {
      const rows = compare(metric, 'candidate').interval;
      const persons = compare(metric, 'candidate', { ...sample, clusters }).interval;
      assert.match(persons.method, /-clusters$/u);
      close(persons.delta, rows.delta, 1e-12, metric);
      assert.ok(persons.standardError > rows.standardError, metric);
      assert.ok(persons.lower(0.05) > 0, 'and still show the improvement');
    }
  });

  it('give the slice values of the reference', () => {
    for (const [pair, { slices }] of Object.entries<Reference>(data.expected.comparisons)) {
      const [candidate] = pair.split('_vs_') as [string];
      for (const slice of slices) {
        const [column, value] = slice.slice.split('=');
        const rows = Uint32Array.from(data.rows.keys()).filter((row) => String(data.rows[row]![column]) === value);
        const part = sampleRows(sample, rows);
        for (const [model, side] of [
          ['champion', 'champion'],
          [candidate, 'candidate'],
        ] as const) {
          const rmse = metricValue(
            findMetric('rmse', task, 'test'),
            part,
            outputRows(outputs.get(model)!, sample, rows),
          );
          close(rmse, slice[`rmse_${side}`], 1e-9, slice.slice);
        }
      }
    }
  });
});

describe('metrics of a regression without a reference in the fixtures', () => {
  const truth = Float64Array.of(3, -0.5, 2, 7);
  const sample: Sample = { rows: 4, classes: 0, names: null, truth, weights: null, clusters: null };
  const outputs: Outputs = { scores: Float64Array.of(2.5, 0, 2, 8), probabilities: false, decisions: null };
  const value = (name: string) => metricValue(findMetric(name, task, 'test'), sample, outputs);

  it('are those of their definitions', () => {
    // scikit-learn's documented example for r2 and explained variance of these values.
    close(value('r2'), 0.9486081370449679, 1e-12, 'r2');
    close(value('explained_variance'), 0.9571734475374732, 1e-12, 'explained variance');
    close(value('smape'), (1 / 5.5 + 2 + 0 + 2 / 15) / 4, 1e-12, 'smape');
    close(value('pinball_0.9'), (0.9 * 0.5 + 0.1 * 0.5 + 0 + 0.1) / 4, 1e-12, 'pinball');
    close(value('pinball_0.5'), value('mae') / 2, 1e-12, 'pinball at the median');
  });
});

function close(value: number, expected: number, tolerance: number, what: string): void {
  assert.ok(Math.abs(value - expected) <= tolerance, `${what}: ${value} is not within ${tolerance} of ${expected}`);
}
