import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { environmentRule, type Config, type Environment } from '../../src/config/index.ts';
import type { Act } from '../../src/decide/act.ts';
import { assign } from '../../src/decide/assign.ts';
import { deprecate } from '../../src/decide/deprecate.ts';
import { holdsNow } from '../../src/decide/history.ts';
import { rollback } from '../../src/decide/rollback.ts';
import { unassign } from '../../src/decide/unassign.ts';
import { UsageError } from '../../src/errors.ts';
import { digest, sha256, type Decision, type Evidence, type RegistryHistory } from '../../src/evidence/index.ts';
import { canonicalBytes, readChain } from '../../src/registry/chain.ts';
import {
  anyStep,
  chain,
  overriding,
  passingCheck,
  performing,
  policy,
  proof,
  recordable,
  subject,
} from './acts-in-memory.ts';
import { act, artifact, config, judged, now } from './sample-decision.ts';
import fc from '../support/properties.ts';

describe('an override', () => {
  test('promotes a held candidate on the word of a person, and keeps the hold, its reasons and its evidence', async () => {
    const registry = chain();
    registry.judge('a', 'promote');
    const held = registry.judge('b', 'hold');
    const decision = registry.add(overriding('b', { ...act, by: 'grace' }));
    assert.equal(decision.action, 'override');
    assert.deepEqual(decision.to, { version: '1.0.1', artifacts: [artifact('b')] });
    assert.equal(decision.overrides, held.seq);
    assert.deepEqual(decision.evidence, held.evidence);
    assert.deepEqual(decision.approvals, [{ by: 'grace', at: now.toISOString(), reason: 'the reason' }]);
    assert.deepEqual(
      decision.reasons.map(({ code }) => code),
      ['override', 'test'],
    );
    assert.equal(decision.actor, 'ada', 'who ran it, beside who answers for it');
    assert.deepEqual((await readChain('m', registry.files)).findings, []);
    assert.equal(registry.view().decisionsByDataset[digest('eval')], 2, 'no numbers were looked at anew');
  });

  const refusals: { name: string; prepare(registry: ReturnType<typeof chain>): unknown; by?: Act; says: RegExp }[] = [
    { name: 'of a rejection', prepare: (at) => at.judge('b', 'reject'), says: /a reject.*needs a policy change/su },
    {
      name: 'of a hold that a rejection followed',
      prepare: (at) => [at.judge('b', 'hold'), at.judge('b', 'reject')],
      says: /needs a policy change/u,
    },
    { name: 'of what was never decided on', prepare: () => undefined, says: /no decision about this candidate/u },
    {
      name: 'after the champion changed',
      prepare: (at) => [at.judge('b', 'hold'), at.judge('c', 'promote')],
      says: /stale: it compared with champion 1\.0\.0, but the champion is 1\.0\.1/u,
    },
    {
      name: 'after the champion changed and came back',
      prepare: (at) => [
        at.judge('b', 'hold'),
        at.judge('c', 'promote'),
        at.add((view) => rollback(subject, 'previous', view, act)),
      ],
      says: /stale/u,
    },
    {
      name: 'of a hold that was stale itself',
      prepare: (at) =>
        at.add((view) => ({
          ...judged('m', 'b', 'hold', [proof('b')])(view),
          policy,
          reasons: [{ code: 'stale', message: 'Another champion.' }],
        })),
      says: /stale: Another champion/u,
    },
    {
      name: 'under another policy',
      prepare: (at) => at.add(judged('m', 'b', 'hold', [proof('b')])),
      says: /another configuration/u,
    },
    {
      name: 'on evidence older than the policy allows',
      prepare: (at) => at.judge('b', 'hold'),
      by: { ...act, now: new Date('2026-03-09T12:00:00Z') },
      says: /older than 7d/u,
    },
    {
      name: 'by nobody',
      prepare: (at) => at.judge('b', 'hold'),
      by: { ...act, by: ' ' },
      says: /no responsible person given/u,
    },
    {
      name: 'by an unknown user',
      prepare: (at) => at.judge('b', 'hold'),
      by: { ...act, by: 'unknown' },
      says: /no responsible person given/u,
    },
    {
      name: 'without a reason',
      prepare: (at) => at.judge('b', 'hold'),
      by: { ...act, reason: '\n ' },
      says: /no reason/u,
    },
  ];
  for (const { name, prepare, by, says } of refusals) {
    test(`is refused ${name}`, () => {
      const registry = chain();
      registry.judge('a', 'promote');
      prepare(registry);
      assert.throws(
        () => overriding('b', by)(registry.view()),
        (error) => error instanceof UsageError && says.test(error.message),
      );
    });
  }

  const forgeries: { name: string; forge(decision: Decision): Decision; found: RegExp }[] = [
    { name: 'another hold', forge: (it) => ({ ...it, overrides: 3 }), found: /an override of decision 3/u },
    { name: 'nothing', forge: ({ overrides: _overrides, ...it }) => it, found: /an override of nothing/u },
    { name: 'a promotion', forge: (it) => ({ ...it, overrides: 1 }), found: /decision 1, a promote/u },
    {
      name: 'the hold, for another model',
      forge: (it) => ({ ...it, to: { version: '1.0.1', artifacts: [artifact('x')] } }),
      found: /artifacts other than those that were held/u,
    },
    { name: 'the hold, on other evidence', forge: (it) => ({ ...it, evidence: [] }), found: /other evidence/u },
    {
      name: 'the hold, on the word of nobody',
      forge: (it) => ({ ...it, approvals: [] }),
      found: /override without a named approver/u,
    },
    {
      name: 'the hold, giving a hold',
      forge: (it) => ({ ...it, outcome: 'hold', to: it.from }),
      found: /\/outcome must be equal to one of the allowed values/u,
    },
  ];
  for (const { name, forge, found } of forgeries) {
    test(`of ${name}, written by hand, is found in the chain`, async () => {
      const registry = chain();
      registry.judge('a', 'promote');
      registry.judge('b', 'hold');
      registry.judge('c', 'hold');
      registry.add((view) => forge(overriding('b')(view)));
      const { findings } = await readChain('m', registry.files);
      assert.ok(
        findings.some((each) => found.test(each.found)),
        JSON.stringify(findings),
      );
    });
  }

  test('after the champion changed, written by hand, is found in the chain', async () => {
    const registry = chain();
    registry.judge('a', 'promote');
    const held = registry.judge('b', 'hold');
    const stolen = overriding('b')(registry.view());
    registry.judge('c', 'promote');
    registry.add((view) => ({ ...stolen, from: view.champion, to: { version: '1.0.2', artifacts: [artifact('b')] } }));
    const { findings } = await readChain('m', registry.files);
    assert.ok(findings.some((each) => each.found.includes(`decision ${held.seq} after the champion changed`)));
  });
});

describe('a rollback', () => {
  test('goes to the version the champion replaced, and leaves as previous the one that version had replaced', () => {
    const registry = chain();
    for (const candidate of ['a', 'b', 'c']) registry.judge(candidate, 'promote');
    const back = registry.add((view) => rollback(subject, 'previous', view, act));
    assert.equal(back.to?.version, '1.0.1');
    assert.equal(registry.view().aliases['previous']?.version, '1.0.0');
    // What was withdrawn never comes back by itself.
    registry.judge('d', 'promote');
    assert.equal(registry.view().aliases['previous']?.version, '1.0.1');
  });

  test('run again is the same act; a further step back names its version', () => {
    const registry = chain();
    for (const candidate of ['a', 'b', 'c']) registry.judge(candidate, 'promote');
    const back = registry.add((view) => rollback(subject, 'previous', view, act));
    const view = registry.view();
    assert.equal(rollback(subject, 'previous', view, act), view.decisions.at(-1));
    assert.equal(rollback(subject, 'v1.0.1', view, act), view.decisions.at(-1));
    assert.throws(
      () => rollback(subject, 'previous', view, { ...act, reason: 'another' }),
      new RegExp(`was set by the rollback of decision ${back.seq}.*--to 1\\.0\\.0`, 'su'),
    );
    assert.equal(rollback(subject, '1.0.0', view, act).to?.version, '1.0.0');
  });

  test('is refused without a champion, an earlier version, or to a version that is unknown or deprecated', () => {
    const registry = chain();
    const to = (version: string) => () => rollback(subject, version, registry.view(), act);
    assert.throws(to('previous'), /no champion/u);
    registry.judge('a', 'promote');
    assert.throws(to('previous'), /no version before 1\.0\.0.*nothing to roll back to/su);
    assert.equal(to('1.0.0')().outcome, 'no-change');
    registry.judge('b', 'promote');
    assert.throws(to('9.9.9'), /no version "9\.9\.9".*1\.0\.0, 1\.0\.1/su);
    registry.add((view) => deprecate(subject, '1.0.0', view, act));
    assert.throws(to('previous'), /1\.0\.0 is deprecated/u);
  });

  test('to a deprecated version, written by hand, is found in the chain', async () => {
    const registry = chain();
    registry.judge('a', 'promote');
    registry.judge('b', 'promote');
    const back = rollback(subject, 'previous', registry.view(), act);
    registry.add((view) => deprecate(subject, '1.0.0', view, act));
    registry.add(() => back);
    const { findings } = await readChain('m', registry.files);
    assert.ok(findings.some((each) => /a rollback to 1\.0\.0/u.test(each.found)));
  });
});

test('a deprecation is refused of the champion, and is one however often it is run', () => {
  const registry = chain();
  registry.judge('a', 'promote');
  registry.judge('b', 'promote');
  assert.throws(() => deprecate(subject, '1.0.1', registry.view(), act), /is the champion/u);
  const first = registry.add((view) => deprecate(subject, '1.0.0', view, act));
  const view = registry.view();
  assert.equal(deprecate(subject, '1.0.0', view, { ...act, reason: 'again' }), view.decisions[first.seq - 1]);
});

describe('an assignment', () => {
  const rules: Record<string, Environment> = {
    staging: {},
    canary: { after: 'staging', evidence: ['evaluation'], max_age: '24h' },
    production: { after: 'canary' },
  };
  const put =
    (environment: string, version: string | undefined, given = [proof('a')], by: Act = act) =>
    (view: RegistryHistory): Decision =>
      assign(
        {
          ...subject,
          environment,
          rule: rules[environment] as Environment,
          ...(version === undefined ? {} : { version }),
        },
        given,
        view,
        by,
      );
  const passed = (candidate: string, finishedAt: string): Evidence => ({
    ...proof(candidate),
    checks: [passingCheck],
    verdict: 'pass',
    policy: { sha256: policy.sha256 },
    finishedAt,
  });

  test('moves a version through the environments in their order, and leaves the champion alone', async () => {
    const registry = chain();
    registry.judge('a', 'promote');
    registry.judge('b', 'promote');
    const fresh = [passed('a', '2026-03-01T00:00:00Z')];
    assert.throws(
      () => put('canary', '1.0.0', fresh)(registry.view()),
      /never in staging.*assign --environment staging/su,
    );
    registry.add(put('staging', '1.0.0'));
    const canary = registry.add(put('canary', 'v1.0.0', fresh));
    assert.deepEqual([canary.outcome, canary.environment, canary.to?.version], ['no-change', 'canary', '1.0.1']);
    assert.equal(canary.evidence[0]?.finishedAt, '2026-03-01T00:00:00Z');
    registry.add(put('staging', undefined));
    registry.add(put('production', '1.0.0'));
    const view = registry.view();
    assert.deepEqual(Object.fromEntries(Object.entries(view.aliases).map(([name, { version }]) => [name, version])), {
      champion: '1.0.1',
      previous: '1.0.0',
      staging: '1.0.1',
      canary: '1.0.0',
      production: '1.0.0',
    });
    assert.equal(put('canary', '1.0.0', [])(view), view.decisions[canary.seq - 1], 'again: the same act');
    assert.throws(() => deprecate(subject, '1.0.0', view, act), /in environment canary/u);
    assert.deepEqual((await readChain('m', registry.files)).findings, []);
  });

  test('of a run that did the contrary in between is done anew; of a job that runs again it was done before, and what holds now is told', () => {
    const registry = chain();
    registry.judge('a', 'promote');
    registry.judge('b', 'promote');
    const first: Act = { ...act, source: { repository: 'ada/spam', run: '7', attempt: '1' } };
    const again: Act = { ...first, source: { ...first.source, attempt: '2' } };
    for (const version of ['1.0.0', '1.0.1', '1.0.0']) registry.add(put('staging', version, [], first));
    assert.equal(registry.view().aliases['staging']?.version, '1.0.0');
    assert.equal(registry.view().decisions.length, 5);

    registry.add(put('staging', '1.0.1', [], { ...act, source: { repository: 'ada/spam', run: '8', attempt: '1' } }));
    const view = registry.view();
    const made = put('staging', '1.0.0', [], again)(view);
    assert.equal(made, view.decisions[4], 'the last of the run that is run again');
    assert.equal(holdsNow(view.decisions[4]!, view), 'staging has 1.0.1 since decision 6');
    assert.equal(holdsNow(view.decisions[5]!, view), undefined);
  });

  test('is taken back by a person, after which the environment is empty and takes the same version again', async () => {
    const registry = chain();
    registry.judge('a', 'promote');
    registry.add(put('staging', undefined));
    const take = (environment: string, by: Act = act) => unassign({ model: 'm', environment }, registry.view(), by);
    const taken = registry.add(() => take('staging'));
    assert.deepEqual([taken.outcome, taken.environment, taken.candidate?.version], ['no-change', 'staging', '1.0.0']);
    assert.match(taken.reasons[0]?.message ?? '', /takes 1\.0\.0 out of staging: the reason/u);
    assert.deepEqual(Object.keys(registry.view().aliases), ['champion']);
    assert.equal(take('staging'), registry.view().decisions.at(-1), 'again: the same act');
    registry.add(put('staging', undefined));
    assert.equal(registry.view().aliases['staging']?.seq, 4);
    registry.add(() => take('staging'));
    assert.doesNotThrow(() => deprecate(subject, '1.0.0', { ...registry.view(), aliases: {} }, act));
    assert.throws(() => take('champion'), /not one of your own environments.*contender rollback/su);
    for (const empty of ['canary', 'toString']) assert.throws(() => take(empty), /environment "\w+" is empty/u);
    assert.throws(() => take('staging', { ...act, reason: ' ' }), /no reason given/u);
    assert.deepEqual((await readChain('m', registry.files)).findings, []);
  });

  for (const forged of [{ environment: 'champion' }, { environment: 'canary' }, { candidate: null }]) {
    test(`is not taken back by a forged decision with ${JSON.stringify(forged)}`, async () => {
      const registry = chain();
      registry.judge('a', 'promote');
      registry.add(put('staging', undefined));
      registry.add((view) => ({ ...unassign({ model: 'm', environment: 'staging' }, view, act), ...forged }));
      const { findings } = await readChain('m', registry.files);
      assert.match(findings.map(({ found }) => found).join(), /taken out of/u);
    });
  }

  const asked: { name: string; given: Evidence[]; says: RegExp }[] = [
    { name: 'no evidence', given: [], says: /no evaluation evidence on version 1\.0\.0/u },
    {
      name: 'evidence on another model',
      given: [passed('x', '2026-03-01T11:00:00Z')],
      says: /no evaluation evidence/u,
    },
    {
      name: 'evidence under another policy',
      given: [{ ...passed('a', '2026-03-01T11:00:00Z'), policy: { sha256: digest('lax') } }],
      says: /no evaluation evidence/u,
    },
    {
      name: 'evidence that failed',
      given: [{ ...passed('a', '2026-03-01T11:00:00Z'), checks: [{ ...passingCheck, verdict: 'fail' }] }],
      says: /did not pass/u,
    },
    { name: 'evidence of the day after', given: [passed('a', '2026-03-02T12:00:00Z')], says: /dated in the future/u },
    { name: 'evidence of the day before', given: [passed('a', '2026-02-28T11:59:59Z')], says: /no older than 24h/u },
  ];
  for (const { name, given, says } of asked) {
    test(`to an environment that asks for fresh evidence is refused with ${name}`, () => {
      const registry = chain();
      registry.judge('a', 'promote');
      registry.add(put('staging', '1.0.0'));
      assert.throws(
        () => put('canary', '1.0.0', given)(registry.view()),
        (error) => error instanceof UsageError && says.test(error.message),
      );
    });
  }

  const forgeries: { name: string; forge(decision: Decision): Decision; found: RegExp }[] = [
    { name: 'without its evidence', forge: (it) => ({ ...it, evidence: [] }), found: /without evaluation evidence/u },
    {
      name: 'with old evidence',
      forge: (it) => ({ ...it, time: '2026-03-09T00:00:00Z' }),
      found: /without evaluation evidence/u,
    },
    {
      name: 'of another environment',
      forge: (it) => ({ ...it, environment: 'production' }),
      found: /the rule of another/u,
    },
    {
      name: 'of the champion alias',
      forge: (it) => ({ ...it, environment: 'champion' }),
      found: /the rule of another/u,
    },
    {
      name: 'of a version that is not there',
      forge: (it) => ({ ...it, candidate: { version: '7.0.0', artifacts: [artifact('a')] } }),
      found: /an assignment of 7\.0\.0/u,
    },
    {
      name: 'of a version that was not in the environment before',
      forge: (it) => ({ ...it, candidate: { version: '1.0.1', artifacts: [artifact('b')] } }),
      found: /never in staging/u,
    },
    {
      name: 'that promotes',
      forge: (it) => ({ ...it, outcome: 'promote' }),
      found: /\/outcome must be equal to one of the allowed values/u,
    },
  ];
  for (const { name, forge, found } of forgeries) {
    test(`${name}, written by hand, is found in the chain`, async () => {
      const registry = chain();
      registry.judge('a', 'promote');
      registry.judge('b', 'promote');
      registry.add(put('staging', '1.0.0'));
      registry.add((view) => forge(put('canary', '1.0.0', [passed('a', '2026-03-01T11:00:00Z')])(view)));
      const { findings } = await readChain('m', registry.files);
      assert.ok(
        findings.some((each) => found.test(each.found)),
        JSON.stringify(findings),
      );
    });
  }
});

test('an environment that is not configured is named', () => {
  const environments = { staging: {} };
  const all: Config = { version: 1, models: { m: config }, registry: { environments } };
  assert.deepEqual(environmentRule(all, 'staging'), {});
  assert.throws(() => environmentRule(all, 'stagin'), /no environment "stagin".*Did you mean staging/su);
  assert.throws(() => environmentRule(all, 'toString'), /no environment/u);
  assert.throws(() => environmentRule({ version: 1, models: {} }, 'x'), /registry\.environments/u);
});

test('whatever people and gate do, the chain is sound, the champion is in use, and doing it again changes nothing', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyStep, { maxLength: 25 }), async (steps) => {
      const registry = chain();
      for (const [index, each] of steps.entries()) {
        const perform = performing(each, index);
        const decision = recordable(registry, perform);
        if (decision === null) continue;
        registry.add(() => decision);
        const view = registry.view();
        if (each.kind !== 'judge') {
          const again = perform(view);
          const nothing = again.outcome === 'no-change' && again.action === 'rollback';
          assert.ok(nothing || again === view.decisions.at(-1), JSON.stringify(each));
        }
        for (const [alias, { version }] of Object.entries(view.aliases)) {
          if (alias === 'previous') continue;
          assert.equal(view.registered.find((known) => known.version === version)?.status, 'active', alias);
        }
        assert.notEqual(view.aliases['previous']?.version, view.champion?.version ?? 'none');
      }
      const read = await readChain('m', registry.files);
      assert.deepEqual(read.findings, []);
      assert.deepEqual(read.links, registry.links);
      for (const { decision, sha256: hash } of read.links) assert.equal(sha256(canonicalBytes(decision)), hash);
    }),
    { numRuns: 150 },
  );
});
