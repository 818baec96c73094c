import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Columns, Task } from '../../../src/config/schema.ts';
import type { CustomMetric, Policy } from '../../../src/stages/evaluation/schema.ts';
import { openDataset, type Dataset } from '../../../src/data/dataset.ts';
import { evaluate } from '../../support/stage-context.ts';
import { measure } from '../../../src/stages/evaluation/measure.ts';
import { sqlMetrics } from '../../../src/stages/evaluation/metrics/sql.ts';
import { jackknifeInterval } from '../../../src/stages/evaluation/statistics/jackknife.ts';
import type { Check, Evidence } from '../../../src/evidence/index.ts';
import { canonicalJson } from '../../../src/evidence/canonical.ts';
import { silentLog } from '../../../src/log.ts';
import { openSqlSession, type SqlSession } from '../../../src/sql/session.ts';
import type { Predictions } from '../../../src/model/predictions.ts';
import { fixture } from '../../support/project.ts';
import { numbers, readCase, type Case } from './cases.ts';

const columns: Columns = { id: 'id', label: 'label', positive: 1 };
const accuracy: CustomMetric = { name: 'right', sql: 'avg((prediction = label)::integer)', higher_is_better: true };
const policyOf = (metrics: CustomMetric[], policy: Partial<Policy> = {}): Policy => ({
  metrics,
  primary: { metric: 'accuracy', margin: 0.5, require: 'non-inferior' },
  ...policy,
});

describe('a metric in SQL', () => {
  let dataset: Dataset;
  let data: Case;
  before(async () => {
    dataset = await openDataset({ name: 'evaluation', path: fixture('spam/data/eval.parquet'), uri: 'eval.parquet' });
    data = await readCase('spam');
    const order = new Map(data.rows.map((row) => [row['id'], row]));
    const reader = await dataset.connection.runAndReadAll(`select id from ${dataset.relation}`);
    data.rows = reader.getRows().map(([id]) => order.get(id) as Record<string, unknown>);
  });
  after(() => dataset.close());

  const judge = (
    policy: Policy,
    options: { candidate?: string; first?: boolean; more?: Partial<Columns> } = {},
  ): Promise<Evidence> => {
    const contestant = (model: string) => ({
      artifact: { role: 'model', uri: model, sha256: model.padEnd(64, '0'), size: 1 } as const,
      result: {
        ok: true,
        predictions: {
          rows: data.rows.length,
          classes: [0, 1],
          kind: 'probability',
          scores: numbers(data.rows, model),
          labels: null,
          threshold: 0.5,
        } satisfies Predictions,
      } as const,
    });
    return evaluate({
      task: 'binary-classification',
      columns: { ...columns, ...options.more },
      policy,
      dataset,
      candidate: contestant(options.candidate ?? 'candidate'),
      champion: options.first === true ? null : contestant('champion'),
      reuse: 0,
      log: silentLog,
    });
  };

  it('is compared with groups of rows left out in turn, with bounds like those of the same metric by its own method', async () => {
    const policy = policyOf([accuracy], {
      primary: { metric: 'right', margin: 0.01, require: 'superior' },
      guardrails: [{ metric: 'accuracy', margin: 0.01 }],
    });
    const { checks } = await judge(policy);
    const [ours, tango] = [find(checks, 'evaluation/right'), find(checks, 'evaluation/accuracy')].map(
      (check) => check.comparison!,
    );
    assert.deepEqual([ours!.method, ours!.n], ['jackknife-rows', 2350]);
    for (const name of ['champion', 'candidate', 'delta'] as const) close(ours![name], tango![name], 1e-12);
    const width = tango!.upper - tango!.lower;
    // Of 48 groups a standard error is known to about a tenth.
    close(ours!.lower, tango!.lower, 0.15 * width);
    close(ours!.upper, tango!.upper, 0.15 * width);
  });

  it('gives the same evidence every time', async () => {
    const metrics = [
      accuracy,
      { name: 'cost', sql: 'sum(abs(label - score) * word_free) / count(*)', higher_is_better: false },
    ];
    const policy = policyOf(metrics, { guardrails: [{ metric: 'cost', margin: 0.1 }], report: ['right'] });
    const [one, two] = [await judge(policy), await judge(policy)];
    assert.equal(canonicalJson(one.checks), canonicalJson(two.checks));
    assert.equal(canonicalJson(one.details), canonicalJson(two.details));
    assert.equal((one.details['metrics'] as { metric: string }[]).filter(({ metric }) => metric === 'cost').length, 1);
  });

  it('may be a guardrail on slices, a floor and a ceiling, and reads the columns of the data', async () => {
    const metrics = [
      accuracy,
      { name: 'free_mail', sql: 'max("word_free") filter (where PREDICTION = 0)', higher_is_better: false },
    ];
    const guardrails = [
      { metric: 'right', margin: 0.02, slices: ['source', { name: 'long', sql: "length_bucket = 'long'" }] },
      { metric: 'free_mail', max: 1000 },
      { metric: 'right', min: 0.999 },
    ];
    const { checks } = await judge(policyOf(metrics, { guardrails }), { candidate: 'candidate-worse' });
    const failed = checks.filter((check) => check.verdict === 'fail').map((check) => check.id);
    assert.deepEqual(failed, ['evaluation/right@source=hard_ham', 'evaluation/right-floor']);
    const hard = find(checks, 'evaluation/right@source=hard_ham').comparison!;
    assert.deepEqual([hard.champion, hard.candidate, hard.method], [0.872, 0.704, 'jackknife-rows']);
    const expected = Math.max(
      ...data.rows.filter((row) => Number(row['candidate-worse']) < 0.5).map((row) => Number(row['word_free'])),
    );
    assert.equal(find(checks, 'evaluation/free_mail-ceiling').observed, expected);
  });

  it('leaves out whole clusters', async () => {
    const policy = policyOf([accuracy], { guardrails: [{ metric: 'right', margin: 0.2 }] });
    const { checks } = await judge(policy, { more: { cluster: 'length_bucket' } });
    const { comparison } = find(checks, 'evaluation/right');
    assert.equal(comparison?.method, 'jackknife-clusters');
    assert.match(comparison?.lowEvidence?.join() ?? '', /clusters/u);
  });

  it('is what a first model is held against simple ones by', async () => {
    const policy = policyOf([accuracy], { primary: { metric: 'right', margin: 0.01 }, allow_first: true });
    const { checks } = await judge(policy, { first: true });
    assert.equal(find(checks, 'evaluation/sanity-baseline').verdict, 'pass');
    assert.match(find(checks, 'evaluation/sanity-baseline').message, /the majority class/u);
  });

  it('that is not a number on some rows fails where it is required, and says so', async () => {
    const metrics = [{ name: 'nothing', sql: 'sum(score) filter (where label = 7)', higher_is_better: true }];
    const { checks } = await judge(policyOf(metrics, { guardrails: [{ metric: 'nothing', margin: 0.1 }] }));
    const { verdict, message } = find(checks, 'evaluation/nothing');
    assert.equal(verdict, 'fail');
    assert.match(message, /nothing of the candidate is not finite/u);
  });

  const refused: [what: string, sql: string, message: RegExp][] = [
    ['reads a file', "(select count(*) from read_csv('/etc/passwd')) + avg(score)", /a subquery in the expression/u],
    ['reads another table', '(select 1) + avg(score)', /a subquery in the expression/u],
    ['is two expressions', 'avg(score)), (1', /more than an expression/u],
    ['hides what follows in a comment', 'avg(score) from data --', /cannot be parsed/u],
    ['is a statement', 'avg(score)); drop table source; select (1', /cannot be parsed/u],
    ['has a window', 'sum(score) over ()', /a window in the expression/u],
    ['has a parameter', 'avg(score) + $1', /a parameter in the expression/u],
    ['takes all columns', 'max(columns(*)) + avg(score)', /a star in the expression/u],
    ['is not the same every time', 'avg(score) + random()', /random\(\), which gives a different value each time/u],
    ['reads a column that is not there', 'avg(scores)', /there is no column "scores".*Did you mean "score"\?/u],
    ['looks at no model', 'avg(label)', /uses no output of the model/u],
    [
      'calls what does not exist',
      'profit(score)',
      /profit\(\), which is not one of the functions.*most similar allowed function is prefix\(\)/u,
    ],
  ];
  let session: SqlSession;
  before(async () => (session = await openSqlSession(dataset)));
  after(() => session.close());
  const refusal = (sql: string): Promise<unknown> =>
    sqlMetrics(session, [{ name: 'x', sql, higher_is_better: true }], {
      task: 'binary-classification',
      columns,
      available: dataset.columns,
    });
  for (const [what, sql, message] of refused) {
    it(`is refused where it ${what}`, () => assert.rejects(refusal(sql), refusedAs(message)));
  }
  for (const [what, sql, message] of [
    ['is no aggregate', 'score', /cannot be computed: .*GROUP BY/u],
    ['is text', "max('x' || prediction)", /cannot be computed: .*[Cc]onver/u],
  ] as const) {
    it(`is refused where it ${what}`, () =>
      assert.rejects(judge(policyOf([{ name: 'x', sql, higher_is_better: true }])), refusedAs(message)));
  }

  it('is refused where two have one name, or that of a metric there is', async () => {
    await assert.rejects(judge(policyOf([accuracy, accuracy])), /the name right is used twice/u);
    await assert.rejects(
      judge(policyOf([{ ...accuracy, name: 'recall' }])),
      /recall is the name of an existing metric/u,
    );
  });

  it('is stopped when it takes too long', async () => {
    const session = await openSqlSession(dataset, { timeMs: 500 });
    try {
      const slow = "sum(levenshtein(repeat('a', 200000), repeat(score::varchar, 20000)))";
      const metrics = await sqlMetrics(session, [{ name: 'slow', sql: slow, higher_is_better: true }], {
        task: 'binary-classification',
        columns,
        available: dataset.columns,
      });
      const scores = numbers(data.rows, 'candidate');
      const running = measure({
        session,
        task: 'binary-classification',
        columns,
        sample: {
          rows: data.rows.length,
          classes: 2,
          names: ['0', '1'],
          truth: numbers(data.rows, 'label'),
          weights: null,
          clusters: null,
        },
        sides: [{ scores, probabilities: true, decisions: Int32Array.from(scores, Math.round) }],
        parts: [{ rows: null, metrics }],
        seed: 1,
      });
      await assert.rejects(running, { name: 'ConfigError', message: /slow took longer than 0\.5 s and was stopped/u });
    } finally {
      session.close();
    }
  });

  it('weights the rows itself where they have weights, or is refused', async () => {
    const weighted = (sql: string): CustomMetric => ({ name: 'x', sql, higher_is_better: true });
    const more = { weight: 'word_free' };
    await assert.rejects(judge(policyOf([weighted('avg(score)')]), { more }), {
      name: 'ConfigError',
      message: /policy\.metrics\[0\]\.sql: x does not use the row weights, column "word_free".*sum\("word_free" \*/u,
    });
    const { details } = await judge(policyOf([weighted('sum(word_free * label) / sum(word_free) + 0 * max(score)')]), {
      more,
    });
    const rows = data.rows.map((row) => [Number(row['word_free']), Number(row['label'])] as const);
    const total = rows.reduce((sum, [weight]) => sum + weight, 0);
    const expected = rows.reduce((sum, [weight, label]) => sum + weight * label, 0) / total;
    const found = (details['metrics'] as { metric: string; candidate: number }[]).find(({ metric }) => metric === 'x')!;
    close(found.candidate, expected, 1e-9);
  });

  it('does not see rows of weight 0', async () => {
    const metrics = [{ name: 'x', sql: 'count(*) + 0 * min(word_free * score)', higher_is_better: true }];
    const { details } = await judge(policyOf(metrics), { more: { weight: 'word_free' } });
    const found = (details['metrics'] as { metric: string; candidate: number }[]).find(({ metric }) => metric === 'x')!;
    assert.equal(found.candidate, data.rows.filter((row) => Number(row['word_free']) > 0).length);
  });
});

describe('a metric in SQL over many rows', () => {
  it('has bounds like those of the same metric by its own method', async () => {
    const data = await readCase('credit-synth');
    const dataset = await openDataset({
      name: 'evaluation',
      path: fixture('credit-synth/data/eval.parquet'),
      uri: 'eval',
    });
    const byId = new Map(data.rows.map((row) => [row['id'], row]));
    const reader = await dataset.connection.runAndReadAll(`select id from ${dataset.relation}`);
    const rows = reader.getRows().map(([id]) => byId.get(id as never) as Record<string, unknown>);
    const contestant = (model: string) => ({
      artifact: { role: 'model', uri: model, sha256: model.padEnd(64, '0'), size: 1 } as const,
      result: {
        ok: true,
        predictions: {
          rows: rows.length,
          classes: [0, 1],
          kind: 'probability',
          scores: numbers(rows, model),
          labels: null,
          threshold: 0.5,
        } satisfies Predictions,
      } as const,
    });
    const loss = { name: 'squares', sql: 'avg((score - label) ** 2)', higher_is_better: false };
    const { checks } = await evaluate({
      task: 'binary-classification',
      columns: { ...columns, label: 'default' },
      policy: policyOf([loss], {
        primary: { metric: 'brier', margin: 0.5 },
        guardrails: [{ metric: 'squares', margin: 0.5 }],
      }),
      dataset,
      candidate: contestant('candidate'),
      champion: contestant('champion'),
      reuse: 0,
      log: silentLog,
    });
    dataset.close();
    const [ours, brier] = ['squares', 'brier'].map((name) => find(checks, `evaluation/${name}`).comparison!);
    assert.deepEqual([ours!.method, ours!.n], ['jackknife-rows', 15_000]);
    close(ours!.delta, brier!.delta, 1e-9);
    const ratio = (ours!.upper - ours!.lower) / (brier!.upper - brier!.lower);
    // Of 50 groups a standard error is known to about a tenth.
    assert.ok(ratio > 0.75 && ratio < 1.35, String(ratio));
  });
});

describe('the interval from groups left out', () => {
  it('is none where there is but one unit', () => {
    assert.ok(Number.isNaN(jackknifeInterval(0.2, new Float64Array(0), 'jackknife-clusters').lower(0.05)));
  });

  it('is that of the mean where every group is one value', () => {
    const values = Float64Array.from({ length: 40 }, (_, at) => ((at * 37) % 11) - at / 7);
    const total = values.reduce((sum, value) => sum + value, 0);
    const mean = total / 40;
    const left = values.map((value) => (total - value) / 39);
    const { standardError, lower } = jackknifeInterval(mean, left, 'jackknife-rows');
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 39;
    close(standardError, Math.sqrt(variance / 40), 1e-12);
    // t with 39 degrees of freedom at 95%.
    close(lower(0.05), mean - 1.684875 * standardError, 1e-5);
  });
});

describe('what a metric in SQL reads', () => {
  const value = async (
    task: Task,
    sql: string,
    predictions: Partial<Predictions>,
    more: Partial<Columns> = {},
  ): Promise<number> => {
    const name = task === 'ranking' ? 'search' : task === 'multilabel-classification' ? 'topics' : 'digits';
    const dataset = await openDataset({ name: 'evaluation', path: fixture(`${name}/data/eval.parquet`), uri: 'eval' });
    const base = {
      rows: dataset.rows,
      classes: null,
      labels: null,
      scores: null,
      threshold: 0.5,
      kind: 'value',
    } as const;
    try {
      const { details } = await evaluate({
        task,
        columns: { ...columns, ...more },
        policy: {
          primary: { metric: 'x', margin: 1 },
          metrics: [{ name: 'x', sql, higher_is_better: true }],
        },
        dataset,
        candidate: {
          artifact: { role: 'model', uri: 'c', sha256: 'c'.repeat(64), size: 1 },
          result: { ok: true, predictions: { ...base, ...predictions } },
        },
        champion: null,
        reuse: 0,
        log: silentLog,
      });
      return (details['metrics'] as { metric: string; candidate: number }[]).find(({ metric }) => metric === 'x')!
        .candidate;
    } finally {
      dataset.close();
    }
  };

  it('is classes by name, as numbers where they are, and the score of the decided one', async () => {
    const scores = Float64Array.from({ length: 7000 }, (_, at) => (at % 10 === 3 ? 0.91 : 0.01));
    const sql = "avg(prediction) + avg(score) + count(*) filter (where label = 4 and digit = 'd4')";
    const classes = Array.from({ length: 10 }, (_, digit) => digit);
    close(await value('multiclass-classification', sql, { kind: 'probability', scores, classes }), 3.91 + 70, 1e-9);
  });

  it('is a column for every label of a multilabel task', async () => {
    const label = ['billing', 'delivery', 'refund', 'account', 'bug'];
    const scores = Float64Array.from({ length: 7500 }, (_, at) => (at % 5 === 2 ? 0.75 : 0.25));
    const sql = 'avg(prediction_refund) + avg(score_bug) + avg(prediction_bug) + max(refund)';
    const predictions = { kind: 'probability', scores, classes: label } as const;
    close(await value('multilabel-classification', sql, predictions, { label }), 2.25, 1e-12);
  });

  it('is the score itself in a ranking', async () => {
    const scores = new Float64Array(4530).fill(2);
    const sql = 'avg(score * relevance) / avg(label) + count(distinct query)';
    close(await value('ranking', sql, { scores }, { label: 'relevance', group: 'query' }), 422, 1e-9);
  });
});

function refusedAs(message: RegExp): (error: Error) => true {
  return (error) => {
    assert.equal(error.name, 'ConfigError');
    assert.match(error.message, message);
    assert.match(error.message, /policy\.metrics\[0\]/u);
    return true;
  };
}

function find(checks: readonly Check[], id: string): Check {
  const check = checks.find((each) => each.id === id);
  assert.ok(check !== undefined, `${id} is not among ${checks.map((each) => each.id).join(', ')}`);
  return check;
}

function close(value: number, expected: number, tolerance: number): void {
  assert.ok(Math.abs(value - expected) <= tolerance, `${value} is not within ${tolerance} of ${expected}`);
}
