import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Columns, Task } from '../../../src/config/schema.ts';
import type { Policy } from '../../../src/stages/evaluation/schema.ts';
import { openDataset } from '../../../src/data/dataset.ts';
import { ConfigError } from '../../../src/errors.ts';
import type { Evidence } from '../../../src/evidence/index.ts';
import { evaluate } from '../../support/stage-context.ts';
import { silentLog } from '../../../src/log.ts';
import type { PredictionResult } from '../../../src/model/predictions.ts';
import { fixture } from '../../support/project.ts';
import { multiclassOutputs, numbers, readCase } from './cases.ts';

interface Setting {
  name: string;
  task: Task;
  columns: Columns;
  policy: Policy;
}

const digits: Setting = {
  name: 'digits',
  task: 'multiclass-classification',
  columns: { id: 'id', label: 'label' },
  policy: {
    // Half a point of all digits, and none of the ten may lose five.
    primary: { metric: 'accuracy', margin: 0.005, require: 'superior' },
    guardrails: [{ metric: 'accuracy', margin: 0.05, slices: ['digit'] }],
  },
};
const randhie: Setting = {
  name: 'randhie',
  task: 'regression',
  columns: { id: 'id', label: 'mdvis', cluster: 'person' },
  policy: {
    primary: { metric: 'rmse', margin: 0.02, require: 'superior' },
    // Premiums follow the mean number of visits: it must not be off by more than a tenth of a visit.
    guardrails: [{ metric: 'absolute_bias', max: 0.1 }],
  },
};
const credit: Setting = {
  name: 'credit-synth',
  task: 'binary-classification',
  columns: { id: 'id', label: 'default', positive: 1 },
  policy: {
    primary: { metric: 'roc_auc', margin: 0.005, require: 'superior' },
    guardrails: [{ metric: 'accuracy', margin: 0.02, slices: ['group'] }],
    fairness: {
      columns: ['group'],
      favourable: 'negative',
      gates: [{ metric: 'demographic_parity_ratio', min: 0.8 }],
    },
  },
};

describe('the gate on the other cases', () => {
  it('promotes the digit reader that is better and rejects the one that cannot read nines', async () => {
    assert.equal((await judge(digits, 'candidate')).verdict, 'pass');
    const worse = await judge(digits, 'candidate-worse');
    assert.deepEqual(failures(worse), ['evaluation/accuracy@digit=d9']);
  });

  it('promotes the visit model that is better over whole persons, and rejects the overfitted and the clipped one', async () => {
    const better = await judge(randhie, 'candidate');
    assert.equal(better.verdict, 'pass');
    assert.match(better.checks[0]!.comparison!.method, /clusters/u);
    assert.deepEqual(failures(await judge(randhie, 'candidate-worse')), ['evaluation/rmse']);
    assert.deepEqual(failures(await judge(randhie, 'candidate-clipped')), ['evaluation/absolute_bias-ceiling']);
  });

  it('rejects the credit model that is better overall and worse for one group, and promotes the fair one', async () => {
    assert.deepEqual(failures(await judge(credit, 'candidate')), [
      'evaluation/accuracy@group=C',
      'evaluation/demographic_parity_ratio@group-floor',
    ]);
    const fair = await judge(credit, 'candidate-fair');
    assert.equal(fair.verdict, 'pass');
    assert.equal((fair.details['fairness'] as unknown[]).length, 1);
  });

  it('says which tasks it has no metrics for', async () => {
    await assert.rejects(judge({ ...digits, task: 'ranking' }, 'candidate'), ConfigError);
  });
});

async function judge({ name, task, columns, policy }: Setting, candidate: string): Promise<Evidence> {
  const data = await readCase(name);
  const path = fixture(`${name}/data/eval.parquet`);
  const dataset = await openDataset({ name: 'evaluation', path, uri: path });
  try {
    const reader = await dataset.connection.runAndReadAll(`select id from ${dataset.relation}`);
    const byId = new Map(data.rows.map((row) => [String(row['id']), row]));
    const rows = reader.getRows().map(([id]) => byId.get(String(id)) as Record<string, unknown>);
    const classes = task === 'multiclass-classification' ? Array.from({ length: 10 }, (_, label) => label) : null;
    const predicted = (model: string): PredictionResult => ({
      ok: true,
      predictions: {
        rows: rows.length,
        classes: task === 'binary-classification' ? [0, 1] : classes,
        kind: task === 'regression' ? 'value' : 'probability',
        scores: classes === null ? numbers(rows, model) : multiclassOutputs(rows, model, 10).scores,
        labels: null,
        threshold: 0.5,
      },
    });
    const artifact = (model: string, digit: string) =>
      ({ role: 'model', uri: `file:${model}`, sha256: digit.repeat(64), size: 1 }) as const;
    return await evaluate({
      task,
      columns,
      policy,
      dataset,
      candidate: { artifact: artifact(candidate, 'b'), result: predicted(candidate) },
      champion: { artifact: artifact('champion', 'a'), result: predicted('champion') },
      reuse: 0,
      log: silentLog,
    });
  } finally {
    dataset.close();
  }
}

function failures({ checks }: Evidence): string[] {
  return checks.filter((check) => check.verdict === 'fail').map((check) => check.id);
}
