import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { policySubject } from '../../src/config/index.ts';
import { decide } from '../../src/decide/decide.ts';
import { deprecate } from '../../src/decide/deprecate.ts';
import { override } from '../../src/decide/override.ts';
import { register } from '../../src/decide/register.ts';
import { rollback } from '../../src/decide/rollback.ts';
import {
  digest,
  identityOf,
  type Artifact,
  type Decision,
  type Evidence,
  type RecordedDecision,
  type RegistryHistory,
  type Verdict,
} from '../../src/evidence/index.ts';
import { stageFacts } from '../../src/pipeline/configuration.ts';
import { viewOf } from '../../src/registry/manifest.ts';
import type { ModelState } from '../../src/registry/model-state.ts';
import { planRecord } from '../../src/registry/plan-record.ts';
import { passingCheck, subject } from '../registry/acts-in-memory.ts';
import { act, artifact, config, evidence } from '../registry/sample-decision.ts';

/** A registry in memory, written to as every store does it. */
function registry() {
  let state: ModelState = { links: [], manifest: null, findings: [], files: new Map() };
  const view = (): RegistryHistory =>
    viewOf(
      state.manifest,
      state.links.map((link) => link.decision),
    );
  const record = (
    made: (view: RegistryHistory) => Decision,
    given: readonly Evidence[] = [],
  ): { status: string; decision: Decision | RecordedDecision } => {
    const plan = planRecord(
      'registry',
      state,
      { model: 'm', decide: made, evidence: given },
      {
        hasAttributes: true,
        artifactsYaml: undefined,
      },
    );
    if (plan.status !== 'write') return plan;
    const files = [...plan.files.keys()].map((path) => path.slice('registry/'.length));
    const entry = (path: string) => [path, { mode: '100644', type: 'blob', oid: '', size: 0, path }] as const;
    state = { ...state, ...plan.next, files: new Map([...state.files, ...files.map(entry)]) };
    return { status: 'recorded', decision: plan.decision };
  };
  return {
    view,
    champion: () => view().champion?.artifacts[0]?.uri,
    register: (name: string, source = {}) =>
      record((now) => register({ ...subject, candidate: artifact(name) }, now, { ...act, source, approvals: [] })),
    gate(candidate: Artifact, verdict: Verdict, day = '2026-03-01') {
      const given = [proof(candidate, verdict, view(), day)];
      const context = { now: new Date(`${day}T12:00:00Z`), actor: 'ada', source: {}, approvals: [] };
      return record((now) => decide({ ...subject, candidate, stages: stageFacts(config) }, given, now, context), given);
    },
    override: (candidate: Artifact, day = '2026-03-01') =>
      record((now) =>
        override({ ...subject, identity: identityOf(candidate) }, [], now, {
          ...act,
          now: new Date(`${day}T13:00:00Z`),
        }),
      ),
    rollback: (to: string, source = {}, reason = 'it lost us customers') =>
      record((now) => rollback(subject, to, now, { ...act, source, reason })),
    deprecate: (version: string) => record((now) => deprecate(subject, version, now, { ...act, reason: 'leaks data' })),
  };
}

function proof(candidate: Artifact, verdict: Verdict, { champion }: RegistryHistory, day: string): Evidence {
  const made = evidence('any');
  return {
    ...made,
    model: 'm',
    policy: { sha256: digest(policySubject(config)) },
    subjects: {
      ...made.subjects,
      candidate,
      ...(champion === null ? {} : { champion: champion.artifacts[0] as Artifact }),
    },
    finishedAt: `${day}T11:00:00Z`,
    verdict,
    checks: [{ ...passingCheck, id: `evaluation/${config.policy.primary.metric}`, verdict }],
  };
}

const [a, b, c] = [artifact('a'), artifact('b'), artifact('c')];

describe('the last word on a candidate', () => {
  it('is what can be overridden, also where an earlier verdict came back', () => {
    const at = registry();
    at.register('a');
    assert.deepEqual([at.gate(b, 'fail').status, at.gate(b, 'fail').status], ['recorded', 'already-recorded']);
    assert.equal(at.gate(b, 'inconclusive').decision.outcome, 'hold');
    assert.equal(at.gate(b, 'fail').status, 'recorded');
    assert.throws(() => at.override(b), /decision 4 is a reject, not a hold/u);
    assert.equal(at.gate(b, 'inconclusive').status, 'recorded');
    assert.equal(at.gate(b, 'inconclusive').status, 'already-recorded');
    assert.equal(at.override(b).decision.outcome, 'promote');
  });

  it('is recorded anew where its evidence had grown too old and was measured again', () => {
    const at = registry();
    at.register('a');
    at.gate(b, 'inconclusive');
    assert.equal(at.gate(b, 'inconclusive', '2026-03-05').status, 'already-recorded');
    assert.throws(() => at.override(b, '2026-03-20'), /the hold of decision 2 is stale: .* older than 7d/u);
    const again = at.gate(b, 'inconclusive', '2026-03-20');
    assert.deepEqual([again.status, again.decision.evidence[0]?.finishedAt], ['recorded', '2026-03-20T11:00:00Z']);
    assert.equal(at.override(b, '2026-03-20').decision.outcome, 'promote');
  });
});

describe('a job that is run again', () => {
  it('goes back once, whatever was promoted since', () => {
    const at = registry();
    at.register('a');
    at.gate(b, 'pass');
    const run = { repository: 'o/r', run: '77' };
    for (const to of ['previous', '1.0.0', 'v1.0.0']) {
      at.rollback(to, run);
      at.gate(c, 'pass');
      assert.equal(at.rollback(to, { ...run, attempt: '2' }).status, 'already-recorded', to);
      assert.equal(at.champion(), c.uri, to);
    }
    assert.equal(at.rollback('1.0.1', run).status, 'recorded', 'another version is another act of that run');
  });

  it('registers once, and a champion is not replaced by a registration', () => {
    const at = registry();
    const run = { repository: 'o/r', run: '7' };
    at.register('a', run);
    at.gate(b, 'pass');
    assert.equal(at.register('a', run).status, 'already-recorded');
    assert.equal(at.champion(), b.uri);
    assert.throws(
      () => at.register('a'),
      /m has a champion, version 1\.0\.1, and these bytes are version 1\.0\.0.*contender rollback --to 1\.0\.0/u,
    );
    assert.throws(() => at.register('c', { ...run, run: '8' }), /m has a champion.*contender gate/u);
  });
});

describe('a model that a person took out of use', () => {
  it('is rejected where it is deprecated, under whatever number it would come back', () => {
    const at = registry();
    at.register('a');
    at.gate(b, 'pass');
    at.rollback('previous');
    at.deprecate('1.0.1');
    const { decision } = at.gate({ ...b, reading: { threshold: 0.2 } }, 'pass');
    assert.equal(decision.outcome, 'reject');
    assert.match(decision.reasons[0]?.message ?? '', /is m 1\.0\.1, which was deprecated by decision 4: leaks data/u);
  });

  it("is held where a rollback went back from it, until it is champion again on a person's word", () => {
    const at = registry();
    at.register('a');
    at.gate(b, 'pass');
    at.rollback('previous');
    const { decision } = at.gate(b, 'pass');
    assert.deepEqual([decision.outcome, decision.reasons[0]?.code], ['hold', 'rolled-back']);
    assert.match(
      decision.reasons[0]?.message ?? '',
      /version 1\.0\.1, which decision 3 rolled back to.*lost us customers/u,
    );
    at.gate(c, 'pass');
    assert.equal(at.gate(b, 'pass').decision.outcome, 'hold', 'also against another champion');
    at.rollback('1.0.1');
    assert.equal(at.champion(), b.uri);
    at.gate(a, 'pass');
    assert.equal(at.gate(b, 'pass').decision.outcome, 'promote', 'nobody went back from it since');
  });
});

describe('how answers are read', () => {
  it('tells a model from another with the same bytes', () => {
    const at = registry();
    at.register('a');
    const strict = { ...a, reading: { threshold: 0.9 } };
    assert.equal(at.gate(a, 'pass').decision.outcome, 'no-change');
    assert.equal(at.gate(strict, 'pass').decision.outcome, 'promote');
    assert.deepEqual(at.view().champion?.artifacts, [strict]);
    assert.equal(at.gate(strict, 'pass').decision.outcome, 'no-change');
  });
});
