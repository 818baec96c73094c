import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decide } from '../../src/decide/decide.ts';
import type { DecisionSubject } from '../../src/decide/subject.ts';
import { stageFacts } from '../../src/pipeline/configuration.ts';
import type { ConfiguredModel } from '../support/configured-model.ts';
import { register } from '../../src/decide/register.ts';
import { policySubject, type Model } from '../../src/config/index.ts';
import { viewOf } from '../../src/registry/manifest.ts';
import {
  buildEvidence,
  digest,
  type Artifact,
  type Check,
  type Evidence,
  type RegistryHistory,
} from '../../src/evidence/index.ts';
import fc from '../support/properties.ts';

const artifact = (name: string): Artifact => ({
  role: 'model',
  uri: `git:${'0'.repeat(40)}:${name}`,
  sha256: digest(name),
  size: 10,
});
const champion = artifact('champion');
const candidate = artifact('candidate');

const config: ConfiguredModel = {
  task: 'binary-classification',
  candidate: 'models/candidate.onnx',
  columns: { id: 'id', label: 'label' },
  data: { evaluation: 'eval.parquet', contract: 'contract.json' },
  policy: { primary: { metric: 'roc_auc', margin: 0.005 } },
  load: { slo: { p95_ms: 50 } },
};
const subject: DecisionSubject = { model: 'spam-filter', config, candidate, stages: stageFacts(config) };
const view: RegistryHistory = {
  champion: { version: '1.0.0', artifacts: [champion] },
  championSeq: 1,
  versions: ['1.0.0'],
  decisionsByDataset: {},
  registered: [{ version: '1.0.0', artifacts: [champion], seq: 1, replaced: null, status: 'active' }],
  aliases: { champion: { version: '1.0.0', seq: 1 } },
  decisions: [],
};
const empty = viewOf(null, []);
const context = { now: new Date('2026-01-02T03:04:05Z'), actor: 'ada', source: {}, approvals: [] };

const check = (verdict: Check['verdict'], severity: Check['severity'] = 'block', id = 'x/y'): Check => ({
  id,
  title: id,
  verdict,
  severity,
  message: `${id} is ${verdict}`,
  observed: 1,
  required: 1,
});

function piece(kind: string, checks: Check[], changes: Partial<Evidence> = {}): Evidence {
  const evidence = buildEvidence({
    kind,
    model: 'spam-filter',
    subjects: {
      ...(kind === 'data' ? {} : { candidate, champion }),
      datasets: { evaluation: { uri: 'eval.parquet', sha256: digest('eval'), rows: 10 } },
    },
    policyDigest: digest(policySubject(config)),
    toolVersion: '0.0.0',
    startedAt: new Date('2026-01-01T00:00:00Z'),
    finishedAt: new Date('2026-01-01T00:00:01Z'),
    checks,
    details: {},
  });
  return { ...evidence, ...changes };
}

const passing = (): Evidence[] => [
  piece('data', [check('pass', 'block', 'data/contract')]),
  piece('evaluation', [check('pass', 'block', 'evaluation/roc_auc')]),
  piece('load', [check('pass', 'block', 'load/p95')]),
];

describe('the decision', () => {
  test('promotes when every blocking check of every required stage passed, to the next version', () => {
    const decision = decide(subject, passing(), view, context);
    assert.equal(decision.outcome, 'promote');
    assert.equal(decision.to?.version, '1.0.1');
    assert.deepEqual(decision.from, view.champion);
  });

  test('rejects on one failed blocking check, whatever else passed, and keeps the champion', () => {
    const decision = decide(
      subject,
      [...passing().slice(0, 2), piece('load', [check('pass'), check('fail')])],
      view,
      context,
    );
    assert.equal(decision.outcome, 'reject');
    assert.deepEqual(decision.to, view.champion);
    assert.equal(decision.reasons[0]?.code, 'check-failed');
  });

  test('names the greatest loss first, measured by what is allowed, whichever is the primary metric', () => {
    const loses = (id: string, delta: number, margin: number): Check => ({
      ...check('fail', 'block', id),
      comparison: {
        metric: 'accuracy',
        champion: 0.9,
        candidate: 0.9 + delta,
        delta,
        lower: delta - 0.01,
        upper: delta + 0.01,
        margin,
        alpha: 0.05,
        state: 'inferior',
        method: 'tango-score',
        n: 1000,
      },
    });
    const checks = [loses('evaluation/roc_auc', -0.0011, 0.005), loses('evaluation/accuracy@slice', -0.152, 0.02)];
    const { reasons } = decide(subject, [...passing(), piece('evaluation', checks)].toSpliced(1, 1), view, context);
    assert.deepEqual(
      reasons.map((reason) => reason.check),
      ['evaluation/accuracy@slice', 'evaluation/roc_auc'],
    );
  });

  test('holds on an inconclusive blocking check, or rejects where the policy says so', () => {
    const evidence = [...passing().slice(0, 2), piece('load', [check('pass'), check('inconclusive')])];
    assert.equal(decide(subject, evidence, view, context).outcome, 'hold');
    const strict = { ...config, policy: { ...config.policy, on_inconclusive: 'reject' as const } };
    const rewritten = evidence.map((each) => ({ ...each, policy: { sha256: digest(policySubject(strict)) } }));
    assert.equal(decide({ ...subject, config: strict }, rewritten, view, context).outcome, 'reject');
  });

  test('never promotes without the evidence the policy requires, nor on evidence that shows nothing', () => {
    for (const evidence of [
      [],
      passing().slice(0, 2),
      [...passing().slice(0, 2), piece('load', [check('skipped')])],
      [...passing().slice(0, 2), piece('load', [])],
    ]) {
      const decision = decide(subject, evidence, view, context);
      assert.equal(decision.outcome, 'hold');
      assert.equal(decision.reasons[0]?.code, 'evidence-missing');
    }
  });

  test('holds as stale when evidence speaks of another candidate, champion, model, policy or dataset, or contradicts itself', () => {
    const other = artifact('other');
    const changed: Partial<Evidence>[] = [
      { model: 'ham-filter' },
      { policy: { sha256: digest('other policy') } },
      { subjects: { candidate: other, champion, datasets: {} } },
      { subjects: { candidate, champion: other, datasets: {} } },
      { subjects: { candidate, datasets: {} } },
      {
        subjects: {
          candidate,
          champion,
          datasets: { evaluation: { uri: 'eval.parquet', sha256: digest('other'), rows: 10 } },
        },
      },
      { verdict: 'fail' },
    ];
    for (const change of changed) {
      const [data, evaluation, load] = passing() as [Evidence, Evidence, Evidence];
      const decision = decide(subject, [data, { ...evaluation, ...change }, load], view, context);
      assert.equal(decision.outcome, 'hold', JSON.stringify(change));
      assert.equal(decision.reasons[0]?.code, 'stale');
    }
  });

  test('holds as stale on evidence older than the policy allows, or dated in the future', () => {
    const limited: Model = { ...config, policy: { ...config.policy, max_evidence_age: '7d' } };
    const of = (finishedAt: string): string | undefined => {
      const given = passing().map((each) => ({
        ...each,
        policy: { sha256: digest(policySubject(limited)) },
        finishedAt,
      }));
      const { outcome, reasons } = decide({ ...subject, config: limited }, given, view, context);
      assert.equal(outcome, reasons[0]?.code === 'stale' ? 'hold' : 'promote');
      return outcome === 'hold' ? reasons[0]?.message : undefined;
    };
    assert.equal(of('2025-12-27T03:04:05Z'), undefined);
    assert.match(of('2025-12-25T03:04:05Z') ?? '', /older than 7d\. Run that stage again/u);
    // Clocks of two machines differ by minutes, not by days.
    assert.equal(of('2026-01-02T03:09:05Z'), undefined);
    assert.match(of('2026-01-04T03:04:05Z') ?? '', /dated in the future: the clock here says 2026-01-02/u);
  });

  test('holds as stale when the registry has another champion by now', () => {
    const moved = { ...view, champion: { version: '1.0.1', artifacts: [artifact('newer')] }, championSeq: 2 };
    assert.equal(decide(subject, passing(), moved, context).reasons[0]?.code, 'stale');
  });

  test('finds nothing to decide when the candidate is the champion', () => {
    const same = { ...view, champion: { version: '1.0.0', artifacts: [candidate] } };
    const decision = decide(subject, [], same, context);
    assert.equal(decision.outcome, 'no-change');
    assert.deepEqual(decision.to, same.champion);
  });

  test('finds nothing to decide when the candidate is the champion that the configuration names', () => {
    const named = { ...subject, config: { ...config, champion: 'models/champion.onnx' } };
    const same = passing().map((each) => ({ ...each, subjects: { ...each.subjects, champion: candidate } }));
    assert.equal(decide(named, same, empty, context).outcome, 'no-change');
    assert.equal(decide(named, passing(), empty, context).outcome, 'promote');
  });

  test('lets a first model in only where the policy allows it', () => {
    const alone = passing().map((each) => ({
      ...each,
      subjects: { ...each.subjects, champion: undefined },
    })) as unknown as Evidence[];
    const without = alone.map((each) => {
      const { champion: _champion, ...subjects } = each.subjects;
      return { ...each, subjects };
    });
    assert.equal(decide(subject, without, empty, context).reasons[0]?.code, 'first-model');
    const open = { ...config, policy: { ...config.policy, allow_first: true } };
    const rewritten = without.map((each) => ({ ...each, policy: { sha256: digest(policySubject(open)) } }));
    const decision = decide({ ...subject, config: open }, rewritten, empty, context);
    assert.equal(decision.outcome, 'promote');
    assert.equal(decision.to?.version, '1.0.0');
  });

  test('the reason of a first promotion has the numbers that decided it', () => {
    const open = {
      ...config,
      policy: { ...config.policy, allow_first: true },
      load: undefined,
      data: { evaluation: 'e' },
    };
    const { load: _load, ...first } = open;
    const better = {
      ...check('pass', 'block', 'evaluation/sanity-baseline'),
      message: 'ROC AUC is 0.99 against 0.50.',
    };
    const evidence = piece('evaluation', [check('pass'), better]);
    const { champion: _champion, ...subjects } = evidence.subjects;
    const decision = decide(
      { ...subject, config: first, stages: stageFacts(first) },
      [{ ...evidence, subjects, policy: { sha256: digest(policySubject(first)) } }],
      empty,
      context,
    );
    assert.equal(decision.outcome, 'promote');
    assert.equal(decision.reasons[0]?.message, 'All 2 blocking checks passed. ROC AUC is 0.99 against 0.50.');
  });

  test('a blocking check that is not a pass never comes out as a promotion, whatever the others are', () => {
    const verdict = fc.constantFrom<Check['verdict']>('pass', 'fail', 'inconclusive', 'skipped');
    const severity = fc.constantFrom<Check['severity']>('block', 'warn', 'info');
    fc.assert(
      fc.property(fc.array(fc.tuple(verdict, severity), { maxLength: 8 }), (drawn) => {
        const checks = drawn.map(([each, weight], index) =>
          check(each, weight, index === 0 ? 'evaluation/roc_auc' : `x/${index}`),
        );
        const [data, , load] = passing() as [Evidence, Evidence, Evidence];
        const decision = decide(subject, [data, piece('evaluation', checks), load], view, context);
        const blocking = checks.filter((each) => each.severity === 'block').map((each) => each.verdict);
        if (blocking.includes('fail')) assert.equal(decision.outcome, 'reject');
        else if (blocking.includes('inconclusive') || !blocking.includes('pass'))
          assert.equal(decision.outcome, 'hold');
        else assert.equal(decision.outcome, 'promote');
      }),
    );
  });

  test('the idempotency key ignores time and actor, and changes with the champion, its tenure and the outcome', () => {
    const key = (changes: Partial<RegistryHistory> = {}, at = context.now): string =>
      decide(subject, passing(), { ...view, ...changes }, { ...context, now: at, actor: `someone ${at.getTime()}` })
        .idempotencyKey;
    assert.equal(key(), key({}, new Date('2027-01-01T00:00:00Z')));
    assert.notEqual(key(), key({ championSeq: 5 }), 'after a rollback the same promotion is a new decision');
  });

  test('a version that is taken or not semantic is refused', () => {
    for (const version of ['1.0.0', 'latest', '1.2', '01.2.3']) {
      assert.throws(() => decide(subject, passing(), view, { ...context, version }), /version/u);
    }
    assert.equal(decide(subject, passing(), view, { ...context, version: 'v2.0.0' }).to?.version, '2.0.0');
  });
});

describe('registering a champion', () => {
  test('makes it the champion without evidence and says so; twice is no change', () => {
    const decision = register(subject, empty, context);
    assert.deepEqual([decision.action, decision.outcome, decision.to?.version], ['register', 'promote', '1.0.0']);
    assert.match(decision.reasons[0]?.message ?? '', /^No gate was run/u);
    const again = register(subject, { ...view, champion: decision.to }, context);
    assert.equal(again.outcome, 'no-change');
    const named = { ...context, version: `v${decision.to?.version}` };
    assert.equal(register(subject, { ...view, champion: decision.to }, named).outcome, 'no-change');
    const renamed = { ...context, version: '9.0.0' };
    assert.throws(
      () => register(subject, { ...view, champion: decision.to }, renamed),
      /version 9\.0\.0 was given for a model that is already champion as version 1\.0\.0/u,
    );
  });
});
