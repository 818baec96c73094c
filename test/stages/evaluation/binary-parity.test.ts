import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { compareMetric } from '../../../src/stages/evaluation/compare.ts';
import { findMetric } from '../../../src/stages/evaluation/metrics/catalogue.ts';
import { confusionOf } from '../../../src/stages/evaluation/metrics/confusion.ts';
import { evaluator, metricValue } from '../../../src/stages/evaluation/metrics/metric.ts';
import { outputRows, sampleRows, type Outputs, type Sample } from '../../../src/stages/evaluation/sample.ts';
import { delong } from '../../../src/stages/evaluation/statistics/delong.ts';
import { mcnemar } from '../../../src/stages/evaluation/statistics/mcnemar.ts';
import { rowReplicates, rowUnits } from '../../../src/stages/evaluation/statistics/resample.ts';
import { binaryOutputs, binarySample, percentileInterval, readCase, type Case, type Reference } from './cases.ts';

const task = 'binary-classification';
/** Our names and those of the reference values. */
const names: Record<string, string> = {
  accuracy: 'accuracy',
  balanced_accuracy: 'balanced_accuracy',
  precision: 'precision',
  recall: 'recall',
  specificity: 'specificity',
  f1: 'f1',
  precision_macro: 'precision_macro',
  recall_macro: 'recall_macro',
  f1_macro: 'f1_macro',
  precision_weighted: 'precision_weighted',
  recall_weighted: 'recall_weighted',
  f1_weighted: 'f1_weighted',
  precision_micro: 'precision_micro',
  recall_micro: 'recall_micro',
  f1_micro: 'f1_micro',
  mcc: 'mcc',
  kappa: 'cohen_kappa',
  roc_auc: 'roc_auc',
  average_precision: 'average_precision',
  log_loss: 'log_loss',
  brier: 'brier',
  ece: 'ece_equal_width_10',
  ece_quantile: 'ece_quantile_10',
  mce: 'mce_equal_width_10',
  ece_confidence: 'ece_confidence_width_10',
  ece_confidence_quantile: 'ece_confidence_quantile_10',
};

for (const [name, label] of [
  ['spam', 'label'],
  ['credit-synth', 'default'],
] as const) {
  describe(`the stored predictions of ${name}`, () => {
    let data: Case;
    let sample: Sample;
    const outputs = new Map<string, Outputs>();
    before(async () => {
      data = await readCase(name);
      sample = binarySample(data.rows, label);
      for (const model of Object.keys(data.expected.models)) outputs.set(model, binaryOutputs(data.rows, model));
    });

    it('give the metrics of the reference to 1e-9, for every model', () => {
      for (const [model, { metrics }] of Object.entries<Reference>(data.expected.models)) {
        for (const [ours, theirs] of Object.entries(names)) {
          const value = metricValue(findMetric(ours, task, 'test'), sample, outputs.get(model) as Outputs);
          assert.ok(
            Math.abs(value - metrics.eval[theirs]) < 1e-9,
            `${model} ${ours}: ${value} is not ${metrics.eval[theirs]}`,
          );
        }
      }
    });

    it('give the confusion counts of the reference exactly', () => {
      for (const [model, { metrics }] of Object.entries<Reference>(data.expected.models)) {
        const { cells } = confusionOf(sample, outputs.get(model) as Outputs);
        assert.deepEqual([...cells], metrics.eval.confusion_matrix.flat());
      }
    });

    it('give the difference of areas, its standard error and covariance to 1e-6', () => {
      for (const [pair, { delong: expected }] of Object.entries<Reference>(data.expected.comparisons)) {
        const [candidate] = pair.split('_vs_') as [string];
        const result = delong(sample.truth, outputs.get('champion')!.scores!, outputs.get(candidate)!.scores!);
        close(result.delta, expected.diff, 1e-9, pair);
        close(result.standardError, expected.se_diff, 1e-6, pair);
        close(Math.sqrt(result.championVariance), expected.se_champion, 1e-6, pair);
        close(Math.sqrt(result.candidateVariance), expected.se_candidate, 1e-6, pair);
        close(result.covariance, expected.covariance, 1e-9, pair);
        const { interval } = compareMetric(
          findMetric('roc_auc', task, 'test'),
          sample,
          outputs.get('champion')!,
          outputs.get(candidate)!,
          { seed: 1 },
        );
        close(interval.lower(0.025), expected.ci95_diff[0], 1e-6, pair);
        close(interval.upper(0.025), expected.ci95_diff[1], 1e-6, pair);
      }
    });

    it('give the McNemar p-values of the reference to 1e-6', () => {
      for (const { mcnemar: expected } of Object.values<Reference>(data.expected.comparisons)) {
        const result = mcnemar(
          expected.n10_champion_wrong_candidate_right,
          expected.n01_champion_right_candidate_wrong,
        );
        close(result.exact, expected.exact_p, 1e-6, 'exact');
        if (expected.midp !== null) close(result.midP, expected.midp, 1e-6, 'mid-p');
      }
    });

    it('give bootstrap intervals within the Monte Carlo tolerance of the reference', () => {
      const resamples = sample.rows > 5000 ? 4000 : 10_000;
      for (const [pair, { bootstrap }] of Object.entries<Reference>(data.expected.comparisons)) {
        const [candidate] = pair.split('_vs_') as [string];
        for (const metric of ['accuracy', 'roc_auc']) {
          const evaluators = ['champion', candidate].map((model) =>
            evaluator(findMetric(metric, task, 'test'), sample, outputs.get(model)!),
          );
          const values = rowReplicates({
            statistic: (weights) => evaluators[1]!(weights) - evaluators[0]!(weights),
            units: rowUnits(sample.rows, null),
            rows: sample.rows,
            base: null,
            resamples,
            seed: 20240601,
          });
          const expected = bootstrap[`${metric}_diff`];
          const [lower, upper] = percentileInterval(values, 0.025);
          // An accuracy moves in steps of a row.
          const step = metric === 'accuracy' ? 1 / sample.rows : 0;
          const tolerance = expected.mc_tolerance * Math.sqrt(10_000 / resamples) + step;
          close(lower, expected.ci95[0], tolerance, `${pair} ${metric}`);
          close(upper, expected.ci95[1], tolerance, `${pair} ${metric}`);
        }
      }
    });

    it('give the slice values of the reference', () => {
      for (const [pair, { slices }] of Object.entries<Reference>(data.expected.comparisons)) {
        const [candidate] = pair.split('_vs_') as [string];
        for (const slice of slices) {
          const [column, value] = slice.slice.split('=');
          const rows = Uint32Array.from(data.rows.keys()).filter(
            (row) => pythonText(data.rows[row]![column]) === value,
          );
          assert.equal(rows.length, slice.n);
          const part = sampleRows(sample, rows);
          const compare = (metric: string) =>
            compareMetric(
              findMetric(metric, task, 'test'),
              part,
              outputRows(outputs.get('champion')!, sample, rows),
              outputRows(outputs.get(candidate)!, sample, rows),
              { seed: 1 },
            );
          close(compare('accuracy').interval.delta, slice.accuracy_diff, 1e-9, `${pair} ${slice.slice}`);
          const area = compare('roc_auc').interval.delta;
          if (slice.auc_diff === null || slice.auc_diff === undefined) assert.ok(Number.isNaN(area));
          else close(area, slice.auc_diff, 1e-9, `${pair} ${slice.slice}`);
        }
      }
    });
  });
}

function close(value: number, expected: number, tolerance: number, what: string): void {
  assert.ok(Math.abs(value - expected) <= tolerance, `${what}: ${value} is not within ${tolerance} of ${expected}`);
}

function pythonText(value: unknown): string {
  return typeof value === 'boolean' ? (value ? 'True' : 'False') : String(value);
}
