import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Columns } from '../../../src/config/schema.ts';
import type { Policy } from '../../../src/stages/evaluation/schema.ts';
import { openDataset, type Dataset } from '../../../src/data/dataset.ts';
import { ConfigError, DataError } from '../../../src/errors.ts';
import { canonicalJson } from '../../../src/evidence/canonical.ts';
import type { Artifact, Check, Evidence } from '../../../src/evidence/index.ts';
import { evaluate } from '../../support/stage-context.ts';
import { silentLog, type Log } from '../../../src/log.ts';
import type { PredictionResult, Predictions } from '../../../src/model/predictions.ts';
import { fixture, inTemporaryFolder } from '../../support/project.ts';
import { numbers, readCase, type Case } from './cases.ts';

const columns: Columns = { id: 'id', label: 'label', positive: 1 };
const policy: Policy = {
  alpha: 0.05,
  primary: { metric: 'roc_auc', margin: 0.005, require: 'superior', min_gain: 0.002 },
  guardrails: [
    { metric: 'recall', min: 0.85, margin: 0.01, require: 'non-inferior' },
    { metric: 'accuracy', margin: 0.02, slices: ['source', 'has_html', 'length_bucket'] },
  ],
};

describe('evaluation of the spam case', () => {
  let dataset: Dataset;
  let data: Case;
  before(async () => {
    const path = fixture('spam/data/eval.parquet');
    dataset = await openDataset({ name: 'evaluation', path, uri: 'fixtures/spam/data/eval.parquet' });
    data = await readCase('spam');
    // Predictions come in the order of the dataset.
    const order = new Map(data.rows.map((row) => [row['id'], row]));
    const reader = await dataset.connection.runAndReadAll(`select id from ${dataset.relation}`);
    data.rows = reader.getRows().map(([id]) => order.get(id) as Record<string, unknown>);
  });
  after(() => dataset.close());

  const judge = (
    candidate: string | PredictionResult,
    options: { policy?: Policy; columns?: Columns; champion?: PredictionResult | null; reuse?: number; log?: Log } = {},
  ): Promise<Evidence> =>
    evaluate({
      task: 'binary-classification',
      columns: options.columns ?? columns,
      policy: options.policy ?? policy,
      dataset,
      candidate: {
        artifact: artifact('candidate'),
        result: typeof candidate === 'string' ? predicted(data, candidate) : candidate,
      },
      champion:
        options.champion === null
          ? null
          : { artifact: artifact('champion'), result: options.champion ?? predicted(data, 'champion') },
      reuse: options.reuse ?? 0,
      log: options.log ?? silentLog,
    });

  it('passes the better candidate on every check', async () => {
    const { verdict, checks } = await judge('candidate');
    assert.equal(verdict, 'pass');
    assert.deepEqual(
      checks.filter((check) => check.severity === 'block' && check.verdict !== 'pass'),
      [],
    );
    assert.equal(find(checks, 'evaluation/roc_auc').comparison?.state, 'superior');
  });

  it('refuses the confidence in the predicted label in the place of scores, and warns where they are said to be scores', async () => {
    const { predictions } = predicted(data, 'candidate');
    const scores = (predictions as Predictions).scores?.map((score) => Math.max(score, 1 - score)) ?? null;
    const confident = (own: Partial<Predictions>): PredictionResult => ({
      ok: true,
      predictions: { ...(predictions as Predictions), scores, ...own },
    });
    const assumed = confident({ assumedPositive: 'name their column score_1' });
    await assert.rejects(judge(assumed), {
      name: 'ConfigError',
      message:
        /candidate\.onnx: no score is below 0\.5 \(their mean is 0\.9\d+\), so at a threshold of 0\.5 every row would be "1", but only 24\.4% of the rows are, and .*the confidence in the label .*name their column score_1/u,
    });
    await assert.rejects(judge('candidate', { champion: assumed }), /champion\.onnx: no score is below 0\.5/u);
    const { checks } = await judge(confident({}));
    const warning = find(checks, 'evaluation/one-sided-scores');
    assert.deepEqual([warning.verdict, warning.severity], ['fail', 'warn']);
    assert.match(warning.message, /^Of the candidate: no score is below 0\.5 .*Write the probability of "1"\.$/u);
    // What ranks the rows is no confidence, however high it is.
    const squashed = (predictions as Predictions).scores?.map((score) => 1 / (1 + Math.exp(-score))) ?? null;
    const twice = await judge(confident({ scores: squashed, assumedPositive: 'name their column score_1' }));
    assert.match(find(twice.checks, 'evaluation/one-sided-scores').message, /a sigmoid applied twice/u);
    assert.deepEqual(
      (await judge('candidate')).checks.filter(({ id }) => id === 'evaluation/one-sided-scores'),
      [],
    );
  });

  it('fails the candidate that lost hard ham, through that slice alone', async () => {
    const { verdict, checks } = await judge('candidate-worse');
    assert.equal(verdict, 'fail');
    const failed = checks.filter((check) => check.verdict === 'fail');
    assert.deepEqual(
      failed.map((check) => check.id),
      ['evaluation/accuracy@source=hard_ham'],
    );
    assert.match(
      failed[0]!.message,
      /16\.8 points below the champion's 0\.8720 \(one-sided 95% bounds -23\.0 to -12\.0 points\): shown to be more than 2 points worse/u,
    );
    assert.equal(failed[0]!.comparison?.state, 'inferior');
  });

  it('is told where a candidate loses when the policy asks to look for it, as advice', async () => {
    const discover = { columns: ['source', 'has_html', 'length_bucket', 'word_free'] };
    const { checks, details, verdict } = await judge('candidate-worse', {
      policy: { primary: { metric: 'accuracy', margin: 0.99, require: 'non-inferior' }, discover },
    });
    assert.equal(verdict, 'pass');
    const advice = find(checks, 'evaluation/weak-slices');
    assert.deepEqual([advice.verdict, advice.severity], ['fail', 'info']);
    assert.match(advice.message, /source=hard_ham/u);
    const { weakSlices } = details as { weakSlices: { slices: Record<string, number | string>[] } };
    const [worst] = weakSlices.slices;
    assert.deepEqual([worst!['slice'], worst!['champion'], worst!['candidate']], ['source=hard_ham', 0.872, 0.704]);
    const none = await judge('candidate', { policy: { primary: { metric: 'accuracy', margin: 0.99 }, discover: {} } });
    assert.equal(find(none.checks, 'evaluation/weak-slices').verdict, 'pass');
  });

  it('holds the smaller candidate: recall is inconclusive, nothing fails, and it says what would settle it', async () => {
    const { verdict, checks } = await judge('candidate-small');
    assert.equal(verdict, 'inconclusive');
    assert.deepEqual(
      checks.filter((check) => check.verdict === 'fail'),
      [],
    );
    const recall = find(checks, 'evaluation/recall');
    assert.equal(recall.verdict, 'inconclusive');
    assert.match(
      recall.message,
      /Recall is 0\.9197, 1\.4 points below the champion's 0\.9337 \(one-sided 95% bounds -3\.5 to \+0\.7 points\): may be more than 1 point worse; more rows are unlikely to help: the measured difference is in the wrong direction\./u,
    );
    assert.ok((recall.comparison?.rowsNeeded ?? 0) > 2350);
  });

  it('fails the candidate that is worse everywhere on its primary metric and on recall', async () => {
    const { checks } = await judge('candidate-worse-global');
    assert.equal(find(checks, 'evaluation/roc_auc').verdict, 'fail');
    assert.equal(find(checks, 'evaluation/recall').verdict, 'fail');
  });

  it('is the same evidence for the same input, and plain JSON', async () => {
    const first = await judge('candidate-small');
    const second = await judge('candidate-small');
    const said = ({ startedAt: _s, finishedAt: _f, ...rest }: Evidence) => canonicalJson(rest);
    assert.equal(said(first), said(second));
  });

  it('tells the whole metric table, curves, calibration and agreement in the details', async () => {
    const { details } = await judge('candidate');
    const expected = data.expected;
    const table = details['metrics'] as { metric: string; champion: number; candidate: number }[];
    const row = table.find((each) => each.metric === 'f1');
    assert.ok(Math.abs(row!.candidate - expected.models.candidate.metrics.eval.f1) < 1e-9);
    assert.deepEqual(
      (details['confusion'] as { candidate: number[][] }).candidate,
      expected.models.candidate.metrics.eval.confusion_matrix,
    );
    const { mcnemar } = details as { mcnemar: { onlyCandidateRight: number; exact: number } };
    assert.equal(mcnemar.onlyCandidateRight, 35);
    const { churn } = details as { churn: Record<string, number> & { slices: Record<string, number>[] } };
    assert.deepEqual([churn['changed'], churn['fixed'], churn['broken']], [48, 35, 13]);
    const bySource = churn.slices.filter(({ slice }) => String(slice).startsWith('source='));
    assert.equal(
      bySource.reduce((sum, each) => sum + (each['changed'] as number), 0),
      48,
    );
    const curves = details['curves'] as { champion: unknown[] };
    assert.ok(curves.champion.length > 10 && curves.champion.length <= 102);
    assert.equal((details['slices'] as unknown[]).length, 9);
  });

  it('fails a candidate without usable predictions, and compares nothing', async () => {
    const broken = predicted(data, 'candidate');
    if (broken.ok) broken.predictions.scores![7] = Number.NaN;
    for (const [result, message] of [
      [{ ok: false, fault: { code: 'crashed', message: 'the model crashed' } }, /the model crashed/u],
      [broken, /row 8 is predicted NaN/u],
    ] as [PredictionResult, RegExp][]) {
      const { verdict, checks } = await judge(result);
      assert.equal(verdict, 'fail');
      assert.match(find(checks, 'evaluation/candidate-predictions').message, message);
    }
  });

  it('is inconclusive when the champion cannot be evaluated: that is not "no champion"', async () => {
    const fault: PredictionResult = { ok: false, fault: { code: 'load', message: 'the file is truncated' } };
    const { verdict, checks } = await judge('candidate', { champion: fault });
    assert.equal(verdict, 'inconclusive');
    assert.match(find(checks, 'evaluation/champion').message, /truncated/u);
    assert.equal(find(checks, 'evaluation/recall-floor').verdict, 'pass');
  });

  it('judges a first model by its floors and a baseline that uses no features', async () => {
    const first = await judge('candidate', { champion: null });
    assert.equal(first.verdict, 'pass');
    assert.equal(find(first.checks, 'evaluation/sanity-baseline').verdict, 'pass');
    assert.equal(find(first.checks, 'evaluation/first-model').severity, 'info');
    const constant = predicted(data, 'candidate');
    if (constant.ok) constant.predictions.scores!.fill(0.2);
    const useless = await judge(constant, { champion: null });
    assert.equal(find(useless.checks, 'evaluation/sanity-baseline').verdict, 'fail');
    assert.equal(find(useless.checks, 'evaluation/recall-floor').verdict, 'fail');
  });

  it('says so when the candidate is the champion, and gates on nothing', async () => {
    const evidence = await evaluate({
      task: 'binary-classification',
      columns,
      policy,
      dataset,
      candidate: { artifact: artifact('champion'), result: predicted(data, 'champion') },
      champion: { artifact: artifact('champion'), result: predicted(data, 'champion') },
      reuse: 0,
      log: silentLog,
    });
    assert.equal(evidence.verdict, 'skipped');
    assert.equal(find(evidence.checks, 'evaluation/same-model').severity, 'info');
  });

  it('tells how often the evaluation set was used', async () => {
    const { checks } = await judge('candidate', { reuse: 12 });
    assert.match(find(checks, 'evaluation/holdout-reuse').message, /12 decisions were made/u);
  });

  it('spends alpha on the decisions made on it, where the policy says so, but not on guards', async () => {
    const spent = await judge('candidate', { policy: { ...policy, holdout: { spend: true, budget: 5 } }, reuse: 4 });
    assert.equal(find(spent.checks, 'evaluation/recall').comparison?.alpha, 0.01);
    assert.equal(find(spent.checks, 'evaluation/accuracy@source=hard_ham').comparison?.alpha, 0.05);
    assert.match(find(spent.checks, 'evaluation/holdout-reuse').message, /4 decisions .* at most 5: .* alpha 0\.01\./u);
    const plain = await judge('candidate');
    const lowerOf = ({ checks }: Evidence): number => find(checks, 'evaluation/recall').comparison!.lower;
    assert.ok(lowerOf(spent) < lowerOf(plain));
  });

  it('shows nothing more once its budget of decisions is spent', async () => {
    const { checks, verdict } = await judge('candidate', {
      policy: { ...policy, holdout: { spend: true, budget: 5 } },
      reuse: 5,
    });
    assert.equal(verdict, 'inconclusive');
    assert.equal(find(checks, 'evaluation/holdout-reuse').verdict, 'inconclusive');
  });

  it('skips small slices visibly and fails a required slice that is small', async () => {
    const guardrail = { metric: 'accuracy', margin: 0.02, slices: ['content_type', 'source'], min_rows: 30 };
    const open = await judge('candidate', { policy: { ...policy, guardrails: [guardrail] } });
    const skipped = find(open.checks, 'evaluation/accuracy@content_type=other');
    assert.equal(skipped.verdict, 'skipped');
    assert.match(skipped.message, /1 row, fewer than min_rows 30/u);
    const required = ['content_type=other'];
    const strict = await judge('candidate', { policy: { ...policy, guardrails: [{ ...guardrail, required }] } });
    assert.equal(find(strict.checks, 'evaluation/accuracy@content_type=other').verdict, 'fail');
    assert.equal(strict.verdict, 'fail');
    const nowhere = { ...policy, guardrails: [{ ...guardrail, required: ['source=spma'] }] };
    await assert.rejects(
      judge('candidate', { policy: nowhere }),
      /no row .* slice "source=spma".*Did you mean "source=spam"/u,
    );
  });

  it('skips ROC AUC on slices of one class, with the reason', async () => {
    const guardrail = { metric: 'roc_auc', margin: 0.02, slices: ['source'] };
    const { checks } = await judge('candidate', { policy: { ...policy, guardrails: [guardrail] } });
    const check = find(checks, 'evaluation/roc_auc@source=hard_ham');
    assert.equal(check.verdict, 'skipped');
    assert.match(check.message, /one class/u);
  });

  it('slices by quantile bins, predicates and crosses', async () => {
    const slices = [
      { column: 'n_words', bins: 4 },
      { name: 'shouting', sql: 'caps_ratio > 0.3' },
      { cross: ['has_html', 'length_bucket'] },
    ];
    const { checks } = await judge('candidate', {
      policy: { ...policy, guardrails: [{ metric: 'accuracy', margin: 0.05, slices }] },
    });
    const ids = checks.filter((check) => check.id.startsWith('evaluation/accuracy@')).map((check) => check.id);
    assert.equal(ids.filter((id) => id.includes('n_words=[')).length, 4);
    const rows = data.rows.filter((row) => Number(row['caps_ratio']) > 0.3).length;
    assert.equal(find(checks, 'evaluation/accuracy@shouting').comparison?.n, rows);
    assert.ok(ids.includes('evaluation/accuracy@has_html=true & length_bucket=long'));
    await assert.rejects(
      judge('candidate', {
        policy: {
          ...policy,
          guardrails: [{ metric: 'accuracy', margin: 0.05, slices: [{ name: 'odd', sql: 'nonsense(' }] }],
        },
      }),
      ConfigError,
    );
  });

  it('requires every slice to be shown non-inferior in prove mode', async () => {
    const guardrail = { metric: 'accuracy', margin: 0.02, slices: ['source'], mode: 'prove' as const };
    const { checks } = await judge('candidate', { policy: { ...policy, guardrails: [guardrail] } });
    assert.equal(find(checks, 'evaluation/accuracy@source=easy_ham').verdict, 'pass');
    const open = find(checks, 'evaluation/accuracy@source=hard_ham');
    assert.equal(open.verdict, 'inconclusive');
    assert.match(open.message, /more labelled rows of this slice would /u);
  });

  it('takes a margin relative to the champion', async () => {
    const relative: Policy = { primary: { metric: 'log_loss', relative_margin: 0.1, require: 'non-inferior' } };
    const { checks } = await judge('candidate', { policy: relative });
    const comparison = find(checks, 'evaluation/log_loss').comparison!;
    assert.ok(Math.abs(comparison.margin - 0.1 * comparison.champion) < 1e-12);
    assert.ok(comparison.delta > 0, 'a lower loss is a positive delta');
  });

  it('warns of a predicate that is true of no row, which judges nothing', async () => {
    const warned: string[] = [];
    const slices = [{ name: 'other', sql: "source = 'Hard_ham'" }];
    const one: Policy = { ...policy, guardrails: [{ metric: 'accuracy', margin: 0.02, slices }] };
    const log: Log = { ...silentLog, warning: (text) => warned.push(text) };
    const { checks } = await judge('candidate', { policy: one, log });
    assert.deepEqual(warned, ['slice "other" of accuracy has no rows in the evaluation set, and is not evaluated']);
    assert.equal(find(checks, 'evaluation/accuracy@other').verdict, 'skipped');
  });

  it('refuses a policy it cannot apply', async () => {
    const refused: Policy[] = [
      { primary: { metric: 'roc_acu', margin: 0.01 } },
      { primary: { metric: 'rmse', margin: 0.01 } },
      { primary: { metric: 'recall', require: 'non-inferior' } },
      { primary: { metric: 'recall', margin: 0.01 }, guardrails: [{ metric: 'recall', margin: 0.02 }] },
      { primary: { metric: 'recall', margin: 0.01 }, guardrails: [{ metric: 'f1' }] },
    ];
    const reversed: Policy = { primary: { metric: 'recall', margin: 0.01, min: 0.9, max: 0.1 } };
    await assert.rejects(judge('candidate', { policy: reversed }), /policy\.primary: min 0\.9 and max 0\.1/u);
    for (const each of refused) await assert.rejects(judge('candidate', { policy: each }), ConfigError);
    await assert.rejects(judge('candidate', { policy: refused[0]! }), /Did you mean "roc_auc"/u);
  });

  it('refuses a metric that the candidate gives nothing to compute from', async () => {
    const labelsOnly = predicted(data, 'candidate');
    if (labelsOnly.ok) {
      const { scores } = labelsOnly.predictions;
      Object.assign(labelsOnly.predictions, {
        kind: 'label',
        scores: null,
        labels: Int32Array.from(scores!, (score) => (score >= 0.5 ? 1 : 0)),
      });
    }
    await assert.rejects(judge(labelsOnly), {
      name: 'ConfigError',
      message: /policy\.primary\.metric: ROC AUC cannot be computed: the candidate has labels without scores/u,
    });
    const decisions = { primary: { metric: 'recall', margin: 0.05, require: 'non-inferior' as const } };
    const { checks } = await judge(labelsOnly, { policy: decisions });
    assert.equal(find(checks, 'evaluation/recall').verdict, 'pass');
  });
});

describe('labels of an evaluation set', () => {
  const run = (
    csv: string,
    scores: number[],
    options: { columns?: Columns; policy?: Policy } = {},
  ): Promise<Evidence> =>
    inTemporaryFolder(async (folder) => {
      const path = join(folder, 'data.csv');
      await writeFile(path, csv);
      const dataset = await openDataset({ name: 'evaluation', path, uri: 'data.csv' });
      const result = (shift: number): PredictionResult => ({
        ok: true,
        predictions: {
          rows: scores.length,
          classes: [0, 1],
          kind: 'probability',
          scores: Float64Array.from(scores, (score) => Math.min(1, score + shift)),
          labels: null,
          threshold: 0.5,
        },
      });
      try {
        return await evaluate({
          task: 'binary-classification',
          columns: options.columns ?? { id: 'id', label: 'y' },
          policy: options.policy ?? { primary: { metric: 'accuracy', margin: 0.01, require: 'non-inferior' } },
          dataset,
          candidate: { artifact: artifact('candidate'), result: result(0) },
          champion: { artifact: artifact('champion'), result: result(0.01) },
          reuse: 0,
          log: silentLog,
        });
      } finally {
        dataset.close();
      }
    });

  it('must be one of the two classes: the row and its value are named', async () => {
    await assert.rejects(run('id,y\n1,0\n2,2\n3,1\n', [0.1, 0.9, 0.8]), (error: Error) => {
      assert.ok(error instanceof DataError);
      assert.match(error.message, /row 2 has label "2"/u);
      return true;
    });
  });

  it('must not be missing', async () => {
    await assert.rejects(run('id,y\n1,0\n2,\n3,1\n', [0.1, 0.9, 0.8]), /row 2 has no label/u);
  });

  it('may be words, where the configuration names the positive one', async () => {
    const spam: Columns = { id: 'id', label: 'y', positive: 'spam' };
    const { details } = await run('id,y\n1,ham\n2,spam\n3,ham\n', [0.1, 0.9, 0.8], { columns: spam });
    assert.deepEqual(details['classes'], [
      { name: 'ham', rows: 2 },
      { name: 'spam', rows: 1 },
    ]);
  });

  it('of one class only are told, and a metric that needs two classes is refused', async () => {
    const one = 'id,y\n1,1\n2,1\n3,1\n';
    const { checks } = await run(one, [0.1, 0.9, 0.8]);
    assert.match(find(checks, 'evaluation/labels').message, /All 3 labels are "1"/u);
    const ranked: Policy = { primary: { metric: 'roc_auc', margin: 0.01, require: 'non-inferior' } };
    await assert.rejects(run(one, [0.1, 0.9, 0.8], { policy: ranked }), {
      name: 'DataError',
      message: /ROC AUC.*policy\.primary\.metric.*all rows are of one class/u,
    });
  });

  it('of two rows give an inconclusive comparison that says it rests on little', async () => {
    const { checks, verdict } = await run('id,y\n1,1\n2,0\n', [0.9, 0.2]);
    assert.equal(verdict, 'inconclusive');
    assert.ok(find(checks, 'evaluation/accuracy').comparison!.lowEvidence!.length > 0);
  });

  it('need at least one row', async () => {
    await assert.rejects(run('id,y\n', []), DataError);
  });

  it('lie in clusters that are each written in one way', async () => {
    const clustered: Columns = { id: 'id', label: 'y', cluster: 'c' };
    const rows = (...clusters: string[]): string =>
      `id,y,c\n${clusters.map((each, index) => `${index},${index % 2},${each}`).join('\n')}\n`;
    for (const [one, other] of [
      ['7', '7.0'],
      ['7.0', '7'],
      ['7', '7.00'],
      ['7.00', '7'],
      ['-7.00', '-7.0'],
    ] as const) {
      await assert.rejects(run(rows(one, '8', other), [0.1, 0.9, 0.2], { columns: clustered }), {
        name: 'DataError',
        message: new RegExp(
          `column "c" has "${one}" and, in row 3, "${other}"\\. Expected one spelling for each cluster`,
          'u',
        ),
      });
    }
    for (const names of [
      ['007', '7', '8'],
      ['007', '7', 'a.0'],
      ['1', '1.0', '1.0.1'],
      ['1.1', '1.10', '1'],
    ]) {
      await run(rows(...names), [0.1, 0.9, 0.2], { columns: clustered });
    }
  });

  it('may carry weights, which must not be negative', async () => {
    const weighted: Columns = { id: 'id', label: 'y', weight: 'w' };
    await assert.rejects(run('id,y,w\n1,0,1\n2,1,-2\n', [0.1, 0.9], { columns: weighted }), /row 2 has the weight -2/u);
    const { details } = await run('id,y,w\n1,0,3\n2,1,1\n3,1,1\n', [0.1, 0.9, 0.2], { columns: weighted });
    const accuracy = (details['metrics'] as { metric: string; candidate: number }[]).find(
      (each) => each.metric === 'accuracy',
    );
    assert.equal(accuracy!.candidate, 0.8);
  });
});

function predicted(data: Case, model: string): PredictionResult & { predictions?: Predictions } {
  return {
    ok: true,
    predictions: {
      rows: data.rows.length,
      classes: [0, 1],
      kind: 'probability',
      scores: numbers(data.rows, model),
      labels: null,
      threshold: 0.5,
    },
  };
}

function artifact(name: string): Artifact {
  const sha256 = name === 'champion' ? 'a'.repeat(64) : 'b'.repeat(64);
  return { role: 'model', uri: `file:${name}.onnx`, sha256, size: 1 };
}

function find(checks: Check[], id: string): Check {
  const found = checks.find((check) => check.id === id);
  assert.ok(found !== undefined, `no check ${id} among ${checks.map((check) => check.id).join(', ')}`);
  return found;
}
