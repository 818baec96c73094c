import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { parse } from 'yaml';
import { evidenceDigest } from '../../src/evidence/index.ts';
import { renderReleaseNotes, statementOf, type Published } from '../../src/report/index.ts';
import { check, evidence, failedSlice, openRecall, recorded, reportOf } from './samples.ts';
import { renderModelCard } from '../support/report.ts';
import fc from '../support/properties.ts';

const model = (name: string, size: number): Published['decision']['to'] => ({
  version: name,
  artifacts: [{ role: 'model', uri: `git:${'1'.repeat(40)}:models/candidate.onnx`, sha256: 'a'.repeat(64), size }],
});
const rows = { evaluation: { uri: 'data/eval.parquet', sha256: 'b'.repeat(64), rows: 2350 } };
const metrics = [
  {
    metric: 'roc_auc',
    title: 'ROC AUC',
    scale: 'share',
    champion: 0.9941,
    candidate: 0.9967,
    delta: 0.0026,
    lower: 0.0013,
    upper: 0.0039,
  },
  {
    metric: 'mcc',
    title: 'Matthews correlation',
    champion: 0.91,
    candidate: 0.94,
    delta: 0.03,
    lower: 0.01,
    upper: 0.04,
  },
];
const first: Published = {
  decision: recorded({ outcome: 'promote', to: model('1.0.0', 1000), candidate: model('1.0.0', 1000), datasets: rows }),
  evidence: [
    { ...evidence([check()]), details: { metrics: [{ metric: 'roc_auc', title: 'ROC AUC', candidate: 0.99 }] } },
  ],
};
const second: Published = {
  decision: recorded({
    outcome: 'promote',
    from: model('1.0.0', 1000),
    to: model('1.1.0', 1500),
    candidate: model('1.1.0', 1500),
    datasets: rows,
    policy: { sha256: 'c'.repeat(64), text: '{"task":"binary-classification"}' },
    source: { repository: 'example/spam', run: '7' },
  }),
  evidence: [{ ...evidence([check()]), details: { metrics } }, evidence([check({ id: 'load/p95' })], { kind: 'load' })],
};

/** Every version anybody could make champion, with texts of strangers in all places. */
const hostile = fc.string({ unit: 'binary', maxLength: 30 }).map((text): Published => {
  const { decision, evidence: pieces } = reportOf(text);
  const to = decision?.candidate ?? null;
  return { decision: { ...recorded({ ...decision, to, from: to }), model: 'spam-filter' }, evidence: pieces };
});

function frontMatter(card: string): unknown {
  return parse(/^---\n(?<yaml>.*?)\n---\n/su.exec(card)?.groups?.['yaml'] ?? '');
}

describe('the model card', () => {
  // What modelcard.md of huggingface/hub-docs calls required.
  const valid = new Ajv2020({ strict: false }).compile({
    type: 'object',
    required: ['model-index'],
    properties: {
      tags: { type: 'array', items: { type: 'string' } },
      metrics: { type: 'array', items: { type: 'string' } },
      'model-index': {
        type: 'array',
        minItems: 1,
        items: {
          type: 'object',
          required: ['name', 'results'],
          properties: {
            name: { type: 'string', minLength: 1 },
            results: {
              type: 'array',
              items: {
                type: 'object',
                required: ['task', 'dataset', 'metrics'],
                properties: {
                  task: { type: 'object', required: ['type'] },
                  dataset: {
                    type: 'object',
                    required: ['type', 'name'],
                    properties: { type: { type: 'string' }, name: { type: 'string' }, revision: { type: 'string' } },
                  },
                  metrics: {
                    type: 'array',
                    minItems: 1,
                    items: { type: 'object', required: ['type', 'value'], properties: { value: { type: 'number' } } },
                  },
                },
              },
            },
          },
        },
      },
    },
  });

  it('gives the results as the Hub reads them', () => {
    const data = frontMatter(renderModelCard(second)) as { 'model-index': { results: object[] }[] };
    assert.ok(valid(data), JSON.stringify(valid.errors));
    assert.deepEqual(data['model-index'][0]?.results, [
      {
        task: { type: 'tabular-classification', name: 'binary classification' },
        dataset: {
          type: 'spam-filter-evaluation',
          name: 'data/eval.parquet',
          split: 'evaluation',
          revision: `sha256:${'b'.repeat(64)}`,
        },
        metrics: [
          { type: 'roc_auc', value: 0.9967, name: 'ROC AUC' },
          { type: 'matthews_correlation', value: 0.94, name: 'Matthews correlation' },
        ],
      },
    ]);
  });

  it('gives the metrics that the policy names and those that are usual for the task, and no other', () => {
    const metric = (name: string): object => ({ metric: name, title: name, candidate: 0.5 });
    const names = ['roc_auc', 'f2', 'kappa', 'accuracy', 'profit', 'specificity', 'ece'];
    const policy = {
      primary: { metric: 'f2' },
      guardrails: [{ metric: 'specificity' }],
      metrics: [{ name: 'profit' }],
    };
    const text = JSON.stringify({ task: 'binary-classification', policy });
    const published = {
      decision: { ...second.decision, policy: { sha256: 'c'.repeat(64), text } },
      evidence: [{ ...evidence([check()]), details: { metrics: names.map(metric) } }],
    };
    const { metrics: given } = frontMatter(renderModelCard(published)) as { metrics: string[] };
    assert.deepEqual(given, ['roc_auc', 'f2', 'accuracy', 'profit', 'specificity']);
    const notes = renderReleaseNotes(published, null);
    assert.match(notes, /profit/u);
    assert.doesNotMatch(notes, /kappa|ece/u);
  });

  it('tells people the version, the file and its digest, the numbers, and what they do not show', () => {
    const small = { ...openRecall, comparison: { ...openRecall.comparison!, lowEvidence: ['few rows differ'] } };
    const card = renderModelCard({
      ...second,
      evidence: [...second.evidence, evidence([small], { kind: 'evaluation' })],
    });
    assert.match(card, /^# spam-filter 1\.1\.0$/mu);
    assert.match(card, /candidate\.onnx, 1\.46 KiB/u);
    assert.match(card, new RegExp(`<code>${'a'.repeat(64)}</code>`, 'u'));
    assert.match(card, /ROC AUC \| 0\.9941 \| 0\.9967/u);
    assert.match(
      card,
      /What the evidence does not show\n\n- Recall against the champion: Recall is 0\.9197.*\n- .*few rows differ/u,
    );
  });

  it('has valid metadata, and no more of it, whatever a stranger wrote', () => {
    fc.assert(
      fc.property(hostile, (published) => {
        const card = renderModelCard(published);
        const data = frontMatter(card) as object;
        assert.ok(valid(data), JSON.stringify(valid.errors));
        assert.ok(
          Object.keys(data).every((key) =>
            ['pipeline_tag', 'library_name', 'tags', 'metrics', 'model-index'].includes(key),
          ),
        );
        assert.doesNotMatch(card.slice(4), /^---$.*^---$/msu);
      }),
      { numRuns: 100 },
    );
  });
});

describe('the release notes', () => {
  it('say what changed in metrics on the same rows, in data and in size', () => {
    const notes = renderReleaseNotes(second, first);
    assert.match(
      notes,
      /^### Since spam-filter 1\.0\.0\n\n- Size: 1,?000 B to 1\.46 KiB \(\+50\.0%\)\n- Inputs and outputs: not known for both versions\n- Data \(evaluation\): data\/eval\.parquet, 2,350 rows, unchanged\n- Policy: unchanged$/mu,
    );
    assert.match(notes, /\| Metric \| 1\.0\.0 \| 1\.1\.0 \| Gain \| Bounds \|/u);
    assert.match(notes, /\| ROC AUC \| 0\.9941 \| 0\.9967 \| \+0\.26&nbsp;points \| \+0\.13&nbsp;to&nbsp;\+0\.39 \|/u);
    assert.match(notes, /same 2,350 rows/u);
  });

  it('say how many times as large a model is that has grown a lot', () => {
    const to = model('1.1.0', 146_000);
    const grown = { ...second, decision: { ...second.decision, to } };
    assert.match(renderReleaseNotes(grown, first), /- Size: 1,000 B to 143 KiB \(146x\)\n/u);
  });

  it('say why the version is what it is, where the policy asks for it', () => {
    const message = 'This is version 2.0.0, a major step from 1.0.0: output p is gone.';
    const reasons = [...second.decision.reasons, { code: 'version', message }];
    const notes = renderReleaseNotes({ ...second, decision: { ...second.decision, reasons } }, first);
    assert.match(notes, /^- This is version 2\.0\.0, a major step from 1\.0\.0: output p is gone\.\n- Size: /mu);
    assert.doesNotMatch(notes, /more reason/u);
  });

  it('do not call a comparison what is none', () => {
    const grown = { evaluation: { ...rows.evaluation, sha256: 'e'.repeat(64), rows: 3000 } };
    const unpaired = {
      decision: { ...second.decision, from: model('0.9.0', 1), datasets: grown },
      evidence: second.evidence,
    };
    const notes = renderReleaseNotes(unpaired, first);
    assert.match(notes, /changed, data\/eval\.parquet with 2,350 rows to data\/eval\.parquet with 3,000 rows/u);
    assert.match(notes, /\| ROC AUC \| 0\.9900 \| 0\.9967 \| \+0\.67&nbsp;points \|\n/u);
    assert.match(notes, /not directly comparable/u);
  });

  it('list the metrics of a first version, and who approved it', () => {
    const approved = {
      ...first,
      decision: { ...first.decision, approvals: [{ by: 'grace', at: '2026-01-02', reason: 'Seen.' }] },
    };
    const notes = renderReleaseNotes(approved, null);
    assert.match(notes, /first version in the registry/u);
    assert.match(notes, /\| ROC AUC \| 0\.9900 \|/u);
    assert.match(notes, /- Approved by grace at 2026-01-02: Seen\./u);
  });
});

describe('the in-toto statement', () => {
  const descriptor = {
    type: 'object',
    required: ['digest'],
    properties: {
      name: { type: 'string' },
      digest: {
        type: 'object',
        minProperties: 1,
        additionalProperties: { type: 'string', pattern: '^[0-9a-f]{64}$' },
      },
      content: { type: 'string', pattern: '^[A-Za-z0-9+/]*=*$' },
      mediaType: { type: 'string' },
      annotations: { type: 'object' },
    },
    additionalProperties: false,
  };
  const tests = { type: 'array', items: { type: 'string' } };
  // Statement v1 and test-result v0.1 of the in-toto Attestation Framework.
  const valid = new Ajv2020({ strict: false }).compile({
    type: 'object',
    required: ['_type', 'subject', 'predicateType', 'predicate'],
    additionalProperties: false,
    properties: {
      _type: { const: 'https://in-toto.io/Statement/v1' },
      subject: { type: 'array', minItems: 1, items: descriptor },
      predicateType: { const: 'https://in-toto.io/attestation/test-result/v0.1' },
      predicate: {
        type: 'object',
        required: ['result', 'configuration'],
        additionalProperties: false,
        properties: {
          result: { enum: ['PASSED', 'WARNED', 'FAILED'] },
          configuration: { type: 'array', items: descriptor },
          url: { type: 'string' },
          passedTests: tests,
          warnedTests: tests,
          failedTests: tests,
        },
      },
    },
  });

  it('is about the digest of the model, names policy, data and evidence by theirs, and links the run', () => {
    const [evaluation] = second.evidence;
    assert.ok(evaluation !== undefined);
    const statement = statementOf(evaluation, second.decision);
    assert.ok(valid(statement), JSON.stringify(valid.errors));
    assert.deepEqual(statement?.subject, [{ name: 'candidate.onnx', digest: { sha256: 'a'.repeat(64) } }]);
    assert.deepEqual(
      statement?.predicate.configuration.map(({ name, digest }) => [name, digest['sha256']]),
      [
        ['policy', 'c'.repeat(64)],
        ['data evaluation', 'b'.repeat(64)],
      ],
    );
    assert.equal(statement?.predicate.configuration[0]?.annotations?.['evidence'], evidenceDigest(evaluation));
    assert.equal(statement?.predicate.url, 'https://github.com/example/spam/actions/runs/7');
  });

  it('is about each file of a model of several, which a digest of them all would not find', () => {
    const [evaluation] = second.evidence;
    assert.ok(evaluation !== undefined);
    const files = ['candidate.onnx', 'candidate.onnx.data'].map((name, index) => ({
      name,
      sha256: `${index}`.repeat(64),
    }));
    const statement = statementOf(evaluation, second.decision, undefined, { sha256: 'a'.repeat(64), files });
    assert.ok(valid(statement), JSON.stringify(valid.errors));
    assert.deepEqual(statement?.subject, [
      { name: 'candidate.onnx', digest: { sha256: '0'.repeat(64) } },
      { name: 'candidate.onnx.data', digest: { sha256: '1'.repeat(64) } },
      { name: second.decision.model, digest: { contenderModel: 'a'.repeat(64) } },
    ]);
    const other = statementOf(evaluation, second.decision, undefined, { sha256: 'b'.repeat(64), files });
    assert.deepEqual(other?.subject, [{ name: 'candidate.onnx', digest: { sha256: 'a'.repeat(64) } }]);
  });

  it('passes only what was shown: a doubt of a blocking check is a failure, a failed warning a warning', () => {
    const warned = { ...failedSlice, severity: 'warn' as const };
    const of = (...checks: Parameters<typeof evidence>[0]): unknown =>
      statementOf(evidence(checks), second.decision)?.predicate;
    const names = { passedTests: [check().id], warnedTests: [], failedTests: [] };
    const configuration = (statementOf(evidence([check()]), second.decision)?.predicate.configuration ?? []).slice(1);
    assert.ok(configuration.length > 0);
    const summary = (...checks: Parameters<typeof evidence>[0]): unknown => {
      const { configuration: _configuration, url: _url, ...rest } = of(...checks) as Record<string, unknown>;
      return rest;
    };
    assert.deepEqual(summary(check()), { result: 'PASSED', ...names });
    assert.deepEqual(summary(check(), warned), { result: 'WARNED', ...names, warnedTests: [warned.id] });
    assert.deepEqual(summary(check(), openRecall), { result: 'FAILED', ...names, failedTests: [openRecall.id] });
    assert.deepEqual(summary(), { result: 'FAILED', passedTests: [], warnedTests: [], failedTests: [] });
  });

  it('keeps to its schema, whatever a stranger wrote', () => {
    fc.assert(
      fc.property(hostile, ({ decision, evidence: pieces }) => {
        for (const each of pieces)
          assert.ok(valid(JSON.parse(JSON.stringify(statementOf(each, decision)))), JSON.stringify(valid.errors));
      }),
      { numRuns: 50 },
    );
  });
});
