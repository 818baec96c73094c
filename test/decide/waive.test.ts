import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { policySubject, type Model } from '../../src/config/index.ts';
import { decide } from '../../src/decide/decide.ts';
import { waive, type Waiver } from '../../src/decide/waive.ts';
import { buildEvidence, digest, type Check, type Decision, type Evidence } from '../../src/evidence/index.ts';
import { stageFacts } from '../../src/pipeline/configuration.ts';
import { underItsOwnPolicy } from '../../src/pipeline/auditing/decide-again.ts';
import { appendDecision, contradictions, type Chain } from '../../src/registry/chain.ts';
import { viewOf } from '../../src/registry/manifest.ts';
import { renderComment } from '../../src/report/comment.ts';
import { renderConsole } from '../../src/report/console.ts';
import { renderJunit } from '../../src/report/junit.ts';
import { stages } from '../../src/stages/index.ts';

const candidate = {
  role: 'model' as const,
  uri: `git:${'1'.repeat(40)}:candidate.onnx`,
  sha256: digest('candidate'),
  size: 10,
};
const base: Model = {
  task: 'binary-classification',
  candidate: '-',
  columns: { id: 'id', label: 'label' },
  data: { evaluation: 'eval.csv' },
  policy: { allow_first: true, primary: { metric: 'accuracy', margin: 0.01 } } as Model['policy'],
};
const source = {};
const act = { now: new Date('2026-05-01T12:00:00Z'), source, actor: 'ada', by: 'ada', reason: 'The source is retired' };

const check = (id: string, verdict: Check['verdict']): Check => ({
  id,
  title: `Title of ${id}`,
  verdict,
  severity: 'block',
  message: `${id} is ${verdict}.`,
  observed: 1,
  required: 2,
});

function evaluation(config: Model, checks: Check[]): Evidence {
  return buildEvidence({
    kind: 'evaluation',
    model: 'spam',
    subjects: { candidate, datasets: { evaluation: { uri: 'eval.csv', sha256: digest('eval'), rows: 10 } } },
    policyDigest: digest(policySubject(config)),
    toolVersion: '0.0.0',
    startedAt: new Date('2026-05-01T00:00:00Z'),
    finishedAt: new Date('2026-05-01T00:00:01Z'),
    checks,
    details: {},
  });
}

/** A chain with what is appended to it, and what there is to decide on it. */
function registry() {
  const chain: Pick<Chain, 'links' | 'manifest'> = { links: [], manifest: null };
  const view = () =>
    viewOf(
      chain.manifest,
      chain.links.map(({ decision }) => decision),
    );
  return {
    chain,
    view,
    append(decision: Decision) {
      const appended = appendDecision(chain, decision);
      assert.deepEqual(contradictions(appended.decision, chain), []);
      chain.links.push({ decision: appended.decision, sha256: appended.manifest.head.sha256 });
      chain.manifest = appended.manifest;
      return appended.decision;
    },
    waive(waiver: Waiver, config = base, over: Partial<typeof act> = {}) {
      return waive({ model: 'spam', config }, waiver, view(), { ...act, ...over });
    },
    gate(evidence: Evidence, at: string, config = base) {
      const subject = { model: 'spam', config, candidate, stages: stageFacts(config) };
      return decide(subject, [evidence], view(), { now: new Date(at), actor: 'ada', source, approvals: [] });
    },
  };
}

const recall = { check: 'evaluation/recall', until: '2026-06-01T00:00:00.000Z' };
const failing = [check('evaluation/accuracy', 'pass'), check('evaluation/recall', 'fail')];

describe('a waiver', () => {
  test('lets a candidate in whose check fails, until it ends by itself, and tells who, why and until when', () => {
    const own = registry();
    const evidence = evaluation(base, failing);
    assert.equal(own.gate(evidence, '2026-05-02T00:00:00Z').outcome, 'reject');
    own.append(own.waive(recall));
    const promoted = own.gate(evidence, '2026-05-02T00:00:00Z');
    assert.equal(promoted.outcome, 'promote');
    assert.match(promoted.reasons[0]?.message ?? '', /^1 of 2 blocking checks passed and 1 is waived\./u);
    assert.deepEqual(promoted.reasons[1], {
      code: 'waived',
      check: 'evaluation/recall',
      message:
        'Title of evaluation/recall: waived by ada until 2026-06-01 00:00 UTC (decision 1): The source is retired',
    });
    assert.equal(own.gate(evidence, '2026-06-01T00:00:00Z').outcome, 'reject');
  });

  test('covers no other check, and of a slice every check on it', () => {
    const own = registry();
    own.append(own.waive({ ...recall, check: '@source=web' }));
    const checks = (id: string): Check[] => [check('evaluation/accuracy', 'pass'), check(id, 'inconclusive')];
    assert.equal(
      own.gate(evaluation(base, checks('evaluation/recall@source=web')), '2026-05-02T00:00:00Z').outcome,
      'promote',
    );
    for (const id of ['evaluation/recall', 'evaluation/recall@source=webmail', 'evaluation/recall@other_source=web']) {
      assert.equal(own.gate(evaluation(base, checks(id)), '2026-05-02T00:00:00Z').outcome, 'hold', id);
    }
  });

  test('is told to be needed no more where its check passes, and then accepts nothing', () => {
    const own = registry();
    own.append(own.waive(recall));
    const passing = [check('evaluation/accuracy', 'pass'), check('evaluation/recall', 'pass')];
    const { outcome, reasons } = own.gate(evaluation(base, passing), '2026-05-02T00:00:00Z');
    assert.equal(outcome, 'promote');
    assert.match(reasons[0]?.message ?? '', /^All 2 blocking checks passed\./u);
    assert.deepEqual(
      reasons.map(({ code }) => code),
      ['all-passed', 'waiver-not-needed'],
    );
    assert.match(reasons[1]?.message ?? '', /--check evaluation\/recall --until now$/u);
  });

  test('is ended early by one that ends now', () => {
    const own = registry();
    own.append(own.waive(recall));
    own.append(
      own.waive({ ...recall, until: '2026-05-01T13:00:00.000Z' }, base, { now: new Date('2026-05-01T13:00:00Z') }),
    );
    assert.equal(own.gate(evaluation(base, failing), '2026-05-02T00:00:00Z').outcome, 'reject');
    const later = { now: new Date('2026-05-01T14:00:00Z') };
    assert.throws(
      () => own.waive({ ...recall, until: '2026-05-01T11:00:00.000Z' }, base, later),
      /which is in the past/u,
    );
  });

  test('is refused of whom the policy does not name, for longer than it says, or at all', () => {
    const own = registry();
    const under = (waivers: unknown, more = {}): Model =>
      ({ ...base, policy: { ...base.policy, ...more, waivers } }) as Model;
    assert.throws(() => own.waive({ ...recall, until: '2026-12-31T00:00:00.000Z' }), /at most 90d/u);
    assert.throws(() => own.waive(recall, under({ longest: '7d' })), /at most 7d/u);
    assert.throws(() => own.waive(recall, under(false)), /allows no waivers/u);
    assert.throws(() => own.waive(recall, under({ from: ['grace'] })), /one of: grace/u);
    assert.throws(() => own.waive(recall, under(undefined, { approvals: { from: ['grace'] } })), /one of: grace/u);
    assert.equal(own.waive(recall, under({ from: ['ADA'] })).action, 'waive');
    // The policy of the day decides, not that of the day of the waiver.
    own.append(own.waive(recall));
    const strict = under(false);
    assert.equal(own.gate(evaluation(strict, failing), '2026-05-02T00:00:00Z', strict).outcome, 'reject');
  });

  test('is made once when asked for twice', () => {
    const own = registry();
    const first = own.append(own.waive(recall));
    assert.equal(own.waive(recall), own.chain.links[0]?.decision);
    assert.equal(first.seq, 1);
  });

  test('is made again by an audit, which finds those that were forged', () => {
    const own = registry();
    const found = (decision: Decision, evidence: Evidence[] = []): string[] => {
      const view = own.view();
      const recorded = appendDecision(own.chain, decision).decision;
      return [
        ...contradictions(recorded, own.chain).map(([what]) => what),
        ...underItsOwnPolicy()({ path: 'x', decision: recorded, view, evidence }).map((each) => each.found),
      ];
    };
    const sound = own.waive(recall);
    assert.deepEqual(found(sound), []);
    assert.match(found({ ...sound, waiver: { ...recall, until: '2030-01-01T00:00:00.000Z' } }).join(), /1341 days/u);
    assert.match(found({ ...sound, waiver: { ...recall, check: 'evaluation/roc_auc' } }).join(), /other contents/u);
    assert.match(found({ ...sound, approvals: [] }).join(), /named person/u);
    const { waiver: _waiver, ...without } = sound;
    assert.match(found(without).join(), /without a check/u);

    const evidence = evaluation(base, failing);
    own.append(sound);
    const promoted = own.gate(evidence, '2026-05-02T00:00:00Z');
    assert.deepEqual(found(promoted, [evidence]), []);
    assert.match(
      found({ ...promoted, time: '2026-06-02T00:00:00.000Z' }, [evidence]).join(),
      /promotion where the outcome is reject/u,
    );
    own.chain.links.length = 0;
    own.chain.manifest = null;
    assert.match(found(promoted, [evidence]).join(), /promotion where the outcome is reject/u);
  });

  test('is shown wherever the check is shown', () => {
    const own = registry();
    own.append(own.waive(recall));
    const evidence = [evaluation(base, failing)];
    const input = { decision: own.gate(evidence[0] as Evidence, '2026-05-02T00:00:00Z'), evidence, stages };
    const said = /waived by ada until 2026-06-01 00:00 UTC \(decision 1\): The source is retired/u;
    const comment = renderComment(
      input,
      { commit: 'a'.repeat(40), runUrl: 'https://github.com/o/r/actions/runs/1' },
      65_000,
    );
    for (const text of [comment, renderConsole(input, { colour: false, width: 400 }), renderJunit(input)]) {
      assert.match(text, said);
    }
    assert.match(comment, /fail \(waived\)/u);
    assert.match(renderJunit(input), /failures="0" errors="0"/u);
  });
});
