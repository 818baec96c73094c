import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { compareMetric } from '../../../src/stages/evaluation/compare.ts';
import { findMetric } from '../../../src/stages/evaluation/metrics/catalogue.ts';
import { confusionOf } from '../../../src/stages/evaluation/metrics/confusion.ts';
import { evaluator, metricValue } from '../../../src/stages/evaluation/metrics/metric.ts';
import type { Outputs, Sample } from '../../../src/stages/evaluation/sample.ts';
import { rowReplicates, rowUnits } from '../../../src/stages/evaluation/statistics/resample.ts';
import {
  addedUp,
  multiclassOutputs,
  numbers,
  percentileInterval,
  readCase,
  type Case,
  type Reference,
} from './cases.ts';

const task = 'multiclass-classification';
const names: Record<string, string> = {
  accuracy: 'accuracy',
  balanced_accuracy: 'balanced_accuracy',
  ...Object.fromEntries(
    ['precision', 'recall', 'f1'].flatMap((name) =>
      ['macro', 'micro', 'weighted'].map((mean) => [`${name}_${mean}`, `${name}_${mean}`]),
    ),
  ),
  mcc: 'mcc',
  kappa: 'cohen_kappa',
  log_loss: 'log_loss',
  brier: 'brier_sum',
  top_2_accuracy: 'top2_accuracy',
  top_3_accuracy: 'top3_accuracy',
  roc_auc_ovr: 'roc_auc_ovr_macro',
  roc_auc_ovr_weighted: 'roc_auc_ovr_weighted',
  roc_auc_ovo: 'roc_auc_ovo_macro',
  average_precision_macro: 'average_precision_macro',
  ece_confidence: 'ece_confidence_width_10',
  ece_confidence_quantile: 'ece_confidence_quantile_10',
};

describe('the stored predictions of digits', () => {
  let data: Case;
  let sample: Sample;
  const outputs = new Map<string, Outputs>();
  before(async () => {
    data = await readCase('digits');
    const labels = Array.from({ length: 10 }, (_, label) => String(label));
    const truth = numbers(data.rows, 'label');
    sample = { rows: data.rows.length, classes: 10, names: labels, truth, weights: null, clusters: null };
    for (const model of Object.keys(data.expected.models)) outputs.set(model, multiclassOutputs(data.rows, model, 10));
  });

  it('give the metrics of the reference to 1e-9, for every model', () => {
    for (const [model, { metrics }] of Object.entries<Reference>(data.expected.models)) {
      for (const [ours, theirs] of Object.entries(names)) {
        const own = ours.startsWith('roc_auc_') ? addedUp(outputs.get(model)!, 10) : outputs.get(model)!;
        const value = metricValue(findMetric(ours, task, 'test'), sample, own);
        close(value, metrics.eval[theirs], 1e-9, `${model} ${ours}`);
      }
    }
  });

  it('have areas that are the means of those of the classes, whatever the rows add up to', () => {
    for (const own of outputs.values()) {
      const areas = Array.from({ length: 10 }, (_, label) =>
        metricValue(findMetric(`roc_auc[${label}]`, task, 'test'), sample, own),
      );
      const mean = areas.reduce((sum, area) => sum + area, 0) / areas.length;
      close(metricValue(findMetric('roc_auc_ovr', task, 'test'), sample, own), mean, 1e-12, 'roc_auc_ovr');
    }
  });

  it('give precision, recall, F1 and ROC AUC of every class', () => {
    for (const [model, { metrics }] of Object.entries<Reference>(data.expected.models)) {
      for (const expected of metrics.eval.per_class) {
        for (const [ours, theirs] of Object.entries({
          precision: 'precision',
          recall: 'recall',
          f1: 'f1',
          roc_auc: 'roc_auc_ovr',
        })) {
          const metric = findMetric(`${ours}[${expected.label}]`, task, 'test');
          close(metricValue(metric, sample, outputs.get(model)!), expected[theirs], 1e-9, `${model} ${metric.name}`);
        }
      }
    }
  });

  it('give the confusion counts of the reference exactly', () => {
    for (const [model, { metrics }] of Object.entries<Reference>(data.expected.models)) {
      assert.deepEqual([...confusionOf(sample, outputs.get(model)!).cells], metrics.eval.confusion_matrix.flat());
    }
  });

  it("give DeLong's comparison of every class against the rest", () => {
    for (const [pair, { delong_one_vs_rest: classes }] of Object.entries<Reference>(data.expected.comparisons)) {
      const [candidate] = pair.split('_vs_') as [string];
      for (const expected of classes) {
        const metric = findMetric(`roc_auc[${expected.label}]`, task, 'test');
        const { interval } = compareMetric(metric, sample, outputs.get('champion')!, outputs.get(candidate)!, {
          seed: 1,
        });
        close(interval.delta, expected.diff, 1e-9, `${pair} ${metric.name}`);
        close(interval.standardError, expected.se_diff, 1e-6, `${pair} ${metric.name}`);
      }
    }
  });

  it('give bootstrap intervals within the Monte Carlo tolerance of the reference', () => {
    for (const [pair, { bootstrap }] of Object.entries<Reference>(data.expected.comparisons)) {
      const [candidate] = pair.split('_vs_') as [string];
      for (const [ours, theirs] of Object.entries({
        accuracy: 'accuracy_diff',
        roc_auc_ovr: 'roc_auc_ovr_macro_diff',
      })) {
        const [before, after] = ['champion', candidate].map((model) =>
          evaluator(findMetric(ours, task, 'test'), sample, outputs.get(model)!),
        );
        const values = rowReplicates({
          statistic: (weights) => after!(weights) - before!(weights),
          units: rowUnits(sample.rows, null),
          rows: sample.rows,
          base: null,
          resamples: 10_000,
          seed: 20240601,
        });
        const [lower, upper] = percentileInterval(values, 0.025);
        const expected = bootstrap[theirs];
        // An accuracy moves in steps of a row.
        const tolerance = expected.mc_tolerance + (ours === 'accuracy' ? 1 / sample.rows : 0);
        close(lower, expected.ci95[0], tolerance, `${pair} ${ours}`);
        close(upper, expected.ci95[1], tolerance, `${pair} ${ours}`);
      }
    }
  });
});

function close(value: number, expected: number, tolerance: number, what: string): void {
  assert.ok(Math.abs(value - expected) <= tolerance, `${what}: ${value} is not within ${tolerance} of ${expected}`);
}
