import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { policySubject, type Model } from '../../src/config/index.ts';
import { parseConfig, stageFacts } from '../../src/pipeline/configuration.ts';
import { decide } from '../../src/decide/decide.ts';
import { override } from '../../src/decide/override.ts';
import { buildEvidence, digest, type Approval, type Check, type Decision } from '../../src/evidence/index.ts';
import { viewOf } from '../../src/registry/manifest.ts';
import { artifact } from '../registry/sample-decision.ts';
import type { ConfiguredModel } from '../support/configured-model.ts';
import fc from '../support/properties.ts';

const base: ConfiguredModel = {
  task: 'binary-classification',
  candidate: 'm.onnx',
  columns: { id: 'id', label: 'label' },
  data: { evaluation: 'eval.csv' },
  policy: { primary: { metric: 'recall', margin: 0.01 }, allow_first: true, on_inconclusive: 'reject' },
};
const now = new Date('2026-01-02T03:04:05Z');
const people = ['ada', 'Grace', 'linus', 'eve', 'mallory'];

function asking(approvals: NonNullable<Model['policy']['approvals']>): Model {
  return { ...base, policy: { ...base.policy, approvals } };
}

function given(...by: string[]): Approval[] {
  return by.map((login) => ({ by: login, at: now.toISOString(), source: 'review of pull request 1' }));
}

function decided(config: Model, approvals: readonly Approval[], verdict: Check['verdict'] = 'pass'): Decision {
  const candidate = artifact('b');
  const evidence = buildEvidence({
    kind: 'evaluation',
    model: 'm',
    subjects: { candidate, datasets: {} },
    policyDigest: digest(policySubject(config)),
    toolVersion: '0.0.0',
    startedAt: now,
    finishedAt: now,
    checks: [{ id: 'x', title: 'X', verdict, severity: 'block', message: 'X.', observed: 1, required: 1 }],
    details: {},
  });
  const context = { now, actor: 'ada', source: {}, approvals };
  return decide({ model: 'm', config, candidate, stages: stageFacts(config) }, [evidence], viewOf(null, []), context);
}

describe('a policy that asks for approvals', () => {
  it('promotes exactly where enough of those who may approve did, each counted once', () => {
    const logins = fc.array(fc.constantFrom(...people, ...people.map((each) => each.toUpperCase())));
    const from = fc.uniqueArray(fc.constantFrom(...people), { minLength: 1 });
    fc.assert(
      fc.property(logins, from, fc.integer({ min: 1, max: 4 }), (by, names, required) => {
        const decision = decided(asking({ required, from: names }), given(...by));
        const lower = (all: readonly string[]): string[] => all.map((each) => each.toLowerCase());
        const counted = new Set(lower(by).filter((login) => lower(names).includes(login)));
        assert.equal(decision.outcome, counted.size >= required ? 'promote' : 'hold');
        assert.deepEqual(new Set(lower(decision.approvals.map((each) => each.by))), counted);
        if (decision.outcome === 'promote') return;
        const [reason, ...others] = decision.reasons;
        assert.deepEqual([reason?.code, others], ['approval-missing', []]);
        for (const name of names) {
          if (!counted.has(name.toLowerCase()))
            assert.match(reason?.message ?? '', new RegExp(`May.*\\b${name}\\b`, 'u'));
        }
      }),
    );
  });

  it('says who may approve, and keeps where it was given', () => {
    const policy = asking({ required: 2, from: ['ada', 'grace', 'linus'] });
    const held = decided(policy, given('grace'));
    assert.match(
      held.reasons[0]?.message ?? '',
      /^The policy requires 2 approvals, but there is 1 \(grace\)\. May approve: ada, linus, in a review/u,
    );
    const promoted = decided(policy, given('grace', 'ada'));
    assert.deepEqual(promoted.approvals, given('grace', 'ada'));
    assert.notEqual(promoted.idempotencyKey, held.idempotencyKey, 'the promotion is recorded after the hold');
  });

  it('lets nobody approve what failed', () => {
    assert.equal(decided(asking({ from: ['ada'] }), given('ada'), 'fail').outcome, 'reject');
    assert.equal(decided(asking({ from: ['ada'] }), given('ada'), 'inconclusive').outcome, 'reject');
  });

  it('keeps every approval where none is asked for', () => {
    assert.deepEqual(decided(base, given('eve')).approvals, given('eve'));
    assert.equal(decided(base, []).outcome, 'promote');
  });

  it('asks an override for them too, from others than who overrides', () => {
    const config = { ...asking({ from: ['ada', 'grace'] }) };
    config.policy.on_inconclusive = 'hold';
    const hold = { ...decided(config, [], 'inconclusive'), seq: 1, prev: null };
    const overridden = (by: string, approvals: readonly Approval[]): Decision => {
      const subject = { model: 'm', config, identity: artifact('b').sha256 };
      const act = { now, source: {}, actor: by, by, reason: 'I know', approvals };
      return override(subject, [], viewOf(null, [hold]), act);
    };
    assert.throws(
      () => overridden('ada', []),
      /lacks the approvals that a promotion requires.*May approve: ada, grace/su,
    );
    assert.throws(() => overridden('ada', given('Ada')), /lacks the approvals/u);
    assert.deepEqual(
      overridden('ada', given('grace')).approvals.map(({ by }) => by),
      ['ada', 'grace'],
    );
  });

  it('is refused where not so many people may approve as are required', () => {
    const text = (required: number): string => `version: 1
models:
  m:
    task: binary-classification
    candidate: m.onnx
    columns: { id: id, label: label }
    data: { evaluation: eval.csv }
    policy:
      primary: { metric: recall, margin: 0.01 }
      approvals: { required: ${required}, from: [ada, Ada, grace] }
`;
    assert.equal(parseConfig(text(2), 'contender.yml').models['m']?.policy.approvals?.required, 2);
    assert.throws(
      () => parseConfig(text(3), 'contender.yml'),
      /contender\.yml:10:\d+: models\.m\.policy\.approvals: 3 approvals are required and 2 people may give them/u,
    );
  });
});
