import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { Policy } from '../../../src/stages/evaluation/schema.ts';
import { openDataset } from '../../../src/data/dataset.ts';
import { evaluate } from '../../support/stage-context.ts';
import type { Check, Evidence } from '../../../src/evidence/index.ts';
import { silentLog } from '../../../src/log.ts';
import type { PredictionResult, Predictions } from '../../../src/model/predictions.ts';
import { inTemporaryFolder } from '../../support/project.ts';

const rows = 240;
/** Label a in a third of the rows, b in half of them. */
const truth = Float64Array.from({ length: rows * 2 }, (_, at) => ((at >> 1) % (at % 2 === 0 ? 3 : 2) === 0 ? 1 : 0));
/** Scores that are right but where `wrong` says otherwise. */
const scores = (wrong: (row: number, label: number) => boolean): Float64Array =>
  truth.map((value, at) => ((value === 1) !== wrong(at >> 1, at % 2) ? 0.8 : 0.2));
const policy: Policy = { primary: { metric: 'f1_macro', margin: 0.05, require: 'non-inferior' } };

function predicted(values: Float64Array, more: Partial<Predictions> = {}): PredictionResult {
  const common = { rows, classes: ['a', 'b'], kind: 'probability', labels: null, threshold: 0.5 } as const;
  return { ok: true, predictions: { ...common, scores: values, ...more } };
}

function judge(
  candidate: PredictionResult,
  options: { policy?: Policy; cell?: (value: number, row: number) => string; first?: boolean } = {},
): Promise<Evidence> {
  return inTemporaryFolder(async (folder) => {
    const path = join(folder, 'data.csv');
    const cell = options.cell ?? String;
    const lines = Array.from({ length: rows }, (_, row) =>
      [row, cell(truth[row * 2]!, row), truth[row * 2 + 1], row % 2 === 0 ? 'mail' : 'chat'].join(','),
    );
    await writeFile(path, `id,a,b,channel\n${lines.join('\n')}\n`);
    const dataset = await openDataset({ name: 'evaluation', path, uri: 'data.csv' });
    const artifact = (uri: string) => ({ role: 'model', uri, sha256: uri.padEnd(64, '0'), size: 1 }) as const;
    try {
      return await evaluate({
        task: 'multilabel-classification',
        columns: { id: 'id', label: ['a', 'b'] },
        policy: options.policy ?? policy,
        dataset,
        candidate: { artifact: artifact('candidate'), result: candidate },
        champion:
          options.first === true
            ? null
            : { artifact: artifact('champion'), result: predicted(scores((row) => row % 12 === 0)) },
        reuse: 0,
        log: silentLog,
      });
    } finally {
      dataset.close();
    }
  });
}

describe('the evaluation of several labels a row', () => {
  it('decides by the threshold of each label, and by the labels where there are no scores', async () => {
    const values = truth.map((value, at) => (at % 2 === 0 ? 0.1 + value * 0.2 : 0.6 + value * 0.2));
    const report = { ...policy, report: ['subset_accuracy', 'roc_auc_macro'] };
    const own = await judge(predicted(values, { threshold: [0.2, 0.7] }), { policy: report });
    assert.equal(metric(own, 'subset_accuracy')?.['candidate'], 1);
    const half = await judge(predicted(values), { policy: report });
    assert.ok((metric(half, 'subset_accuracy')?.['candidate'] as number) < 0.5);
    assert.equal(metric(half, 'roc_auc_macro')?.['candidate'], 1);
    const labels = await judge(
      {
        ok: true,
        predictions: { rows, classes: ['b', 'a'], kind: 'label', scores: null, threshold: 0.5, labels: swapped() },
      },
      { policy: report },
    );
    assert.equal(metric(labels, 'subset_accuracy')?.['candidate'], 1, 'labels in the order of the model');
    assert.equal(metric(labels, 'roc_auc_macro'), undefined);
  });

  it('blocks harm to one label on one slice, which the average hides', async () => {
    const { checks } = await judge(predicted(scores((row, label) => label === 0 && row % 2 === 1 && row % 4 === 3)), {
      policy: {
        primary: { metric: 'hamming_loss', margin: 0.2, require: 'non-inferior' },
        guardrails: [
          { metric: 'recall[a]', margin: 0.1, slices: ['channel'] },
          { metric: 'recall[b]', margin: 0.1, slices: ['channel'] },
        ],
      },
    });
    const failed = checks.filter((check) => check.verdict === 'fail').map((check) => check.id);
    assert.deepEqual(failed, ['evaluation/recall[a]@channel=chat']);
  });

  it('looks for slices on which more labels are wrong', async () => {
    const { checks } = await judge(predicted(scores((row) => row % 4 === 3)), {
      policy: { ...policy, discover: { columns: ['channel'] } },
    });
    const advice = checks.find((check) => check.id === 'evaluation/weak-slices');
    assert.match(advice?.message ?? '', /Hamming loss is worse on channel=chat/u);
  });

  it('lets a first model pass only if it beats what most rows have', async () => {
    const sanity = async (candidate: PredictionResult) =>
      (await judge(candidate, { first: true })).checks.find((check) => check.id === 'evaluation/sanity-baseline');
    assert.equal((await sanity(predicted(scores((row) => row % 12 === 0))))?.verdict, 'pass');
    assert.equal((await sanity(predicted(new Float64Array(rows * 2).fill(0.9))))?.verdict, 'fail');
  });

  it('refuses labels that are not 0 or 1, and predictions of others', async () => {
    const good = predicted(scores(() => false));
    await assert.rejects(
      judge(good, { cell: (value, row) => (row === 3 ? '2' : String(value)) }),
      /row 4 has the value 2 in column "a"\. Expected 0 or 1 in every column of columns\.label/u,
    );
    await assert.rejects(
      judge(good, { cell: (value, row) => (row === 3 ? '' : String(value)) }),
      /row 4 has no value in column "a"/u,
    );
    await assert.rejects(
      judge(good, { cell: (value) => `x${value}` }),
      /column "a", row 1 is "x1"\. Expected numbers/u,
    );
    const other = predicted(
      scores(() => false),
      { classes: ['a', 'c'] },
    );
    await assert.rejects(judge(other), {
      name: 'MismatchError',
      message: /it predicts the labels a, c; those of the data are a, b/u,
    });
    const infinite = await judge(predicted(scores(() => false).map((score, at) => (at === 5 ? Number.NaN : score))));
    assert.match(first(infinite).message, /row 3 is predicted NaN/u);
    await assert.rejects(
      judge(good, { policy: { primary: { metric: 'accuracy', margin: 0.1 } } }),
      /metric "accuracy" is of [a-z, -]+, not of multilabel-classification\. .*subset_accuracy/u,
    );
  });

  it('tells of labels that have one value only', async () => {
    const { checks } = await judge(predicted(scores(() => false)), { cell: () => '0' });
    const labels = checks.find((check) => check.id === 'evaluation/labels');
    assert.match(labels?.message ?? '', /In all 240 rows each of these labels has the same value: "a"/u);
  });
});

function swapped(): Int32Array {
  return Int32Array.from(truth, (_, at) => truth[at ^ 1] as number);
}

function metric({ details }: Evidence, name: string): Record<string, unknown> | undefined {
  return (details['metrics'] as Record<string, unknown>[]).find((each) => each['metric'] === name);
}

function first({ checks }: Evidence): Check {
  return checks[0] ?? assert.fail('no check');
}
