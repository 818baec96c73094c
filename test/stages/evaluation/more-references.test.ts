import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import type { Task } from '../../../src/config/schema.ts';
import { findMetric } from '../../../src/stages/evaluation/metrics/catalogue.ts';
import { metricValue } from '../../../src/stages/evaluation/metrics/metric.ts';
import type { Outputs, Sample } from '../../../src/stages/evaluation/sample.ts';
import { fixture } from '../../support/project.ts';
import { addedUp, binaryOutputs, binarySample, multiclassOutputs, numbers, readCase, type Case } from './cases.ts';

interface Setting {
  task: Task;
  sample(rows: Case['rows']): Sample;
  outputs(rows: Case['rows'], model: string): Outputs;
}

const plain = { weights: null, clusters: null };
const cases: Record<string, Setting> = {
  randhie: {
    task: 'regression',
    sample: (rows) => ({ ...plain, rows: rows.length, classes: 0, names: null, truth: numbers(rows, 'mdvis') }),
    outputs: (rows, model) => ({ scores: numbers(rows, model), probabilities: false, decisions: null }),
  },
  spam: {
    task: 'binary-classification',
    sample: (rows) => binarySample(rows, 'label'),
    outputs: (rows, model) => binaryOutputs(rows, model),
  },
  digits: {
    task: 'multiclass-classification',
    sample: (rows) => ({
      ...plain,
      rows: rows.length,
      classes: 10,
      names: Array.from({ length: 10 }, (_, digit) => String(digit)),
      truth: numbers(rows, 'label'),
    }),
    outputs: (rows, model) => multiclassOutputs(rows, model, 10),
  },
};

describe('the metrics without a reference in their case', async () => {
  const text = await readFile(fixture('more-references/expected.json'), 'utf8');
  const { models } = JSON.parse(text) as { models: Record<string, Record<string, Record<string, number>>> };
  for (const [name, expected] of Object.entries(models)) {
    it(`are those of scikit-learn to 1e-9: ${name}`, async () => {
      const { rows } = await readCase(name);
      const { task, ...setting } = cases[name]!;
      const sample = setting.sample(rows);
      for (const [model, values] of Object.entries(expected)) {
        const outputs = setting.outputs(rows, model);
        for (const [metric, value] of Object.entries(values)) {
          const own = metric.startsWith('roc_auc_ov') ? addedUp(outputs, 10) : outputs;
          const found = metricValue(findMetric(metric, task, 'test'), sample, own);
          assert.ok(Math.abs(found - value) <= 1e-9, `${model} ${metric}: ${found}, not ${value}`);
        }
      }
    });
  }
});
