import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import type { Signature, Signatures } from '../../src/evidence/index.ts';
import { contents } from '../../src/report/contents.ts';
import { stages } from '../../src/stages/index.ts';
import { jsonText, versionChanges, type PolicyChange, type Published } from '../../src/report/index.ts';
import { check, evidence, recorded } from './samples.ts';
import fc from '../support/properties.ts';

function version(name: string, policy: unknown, over: Partial<Published> = {}): Published {
  const to = { version: name, artifacts: [] };
  const decision = recorded({ outcome: 'promote', to, policy: { sha256: name, text: JSON.stringify(policy) } });
  return { decision, evidence: [], ...over };
}

function changes(from: unknown, to: unknown): PolicyChange[] {
  return versionChanges(version('1.0.0', from), version('1.0.1', to)).policy.changes;
}

describe('the changes between two versions', () => {
  it('name the settings of the policy that differ, and no other', () => {
    const guard = (metric: string, margin: number): object => ({ metric, margin });
    assert.deepEqual(
      changes(
        { task: 'x', policy: { alpha: 0.05, guardrails: [guard('recall', 0.01), guard('f1', 0.02)] } },
        { task: 'x', policy: { alpha: 0.1, guardrails: [guard('f1', 0.02), guard('recall', 0.03)], seed: 1 } },
      ),
      [
        { path: 'policy.alpha', from: 0.05, to: 0.1 },
        { path: 'policy.guardrails[0].margin', from: 0.01, to: 0.03 },
        { path: 'policy.seed', to: 1 },
      ],
    );
    assert.deepEqual(changes({ list: [1, 2, 2] }, { list: [2, 1] }), [{ path: 'list[2]', from: 2 }]);
  });

  it('are none exactly where nothing changed, whatever the settings are called', () => {
    const { settings } = fc.letrec<{ settings: object }>((tie) => ({
      settings: fc.dictionary(fc.string(), fc.oneof({ maxDepth: 3 }, fc.integer(), fc.string(), tie('settings'))),
    }));
    fc.assert(
      fc.property(settings, settings, (a, b) => {
        assert.deepEqual(changes(a, a), []);
        const same = isDeepStrictEqual(JSON.parse(JSON.stringify(a)), JSON.parse(JSON.stringify(b)));
        assert.equal(changes(a, b).length === 0, same);
      }),
    );
  });

  it('put figures of the stages side by side, by check, also where only one version has them', () => {
    const load = (p95: number): Published['evidence'] => [
      evidence([check({ id: 'load/p95', title: 'p95', observed: p95, unit: 'ms' })], { kind: 'load' }),
    ];
    const figures = (before: Published['evidence'], now: Published['evidence']): unknown =>
      versionChanges(version('1', {}, { evidence: before }), version('2', {}, { evidence: now })).figures;
    const row = { kind: 'load', check: 'load/p95', title: 'p95', unit: 'ms' };
    assert.deepEqual(figures(load(3), load(4)), [{ ...row, from: 3, to: 4 }]);
    assert.deepEqual(figures([], load(4)), [{ ...row, from: null, to: 4 }]);
    assert.deepEqual(figures(load(3), []), [{ ...row, from: 3, to: null }]);
  });

  it('say what whoever calls the model must know of its inputs and outputs', () => {
    const tensor = (name: string): object => ({ name, type: 'float', shape: [null, 2] });
    const model = (...outputs: string[]): Signature =>
      ({ inputs: [tensor('x')], outputs: outputs.map(tensor) }) as Signature;
    const judged = (signatures: Signatures): Published['evidence'] => [{ ...evidence([]), signatures }];
    const first = version('1', {});
    const second = version(
      '2',
      {},
      { evidence: judged({ champion: model('label', 'scores'), candidate: model('label') }) },
    );
    second.decision.from = first.decision.to;
    const third = version('3', {}, { evidence: judged({ candidate: model('label', 'scores') }) });
    const gone = [{ bump: 'major', what: 'output "scores" is gone' }];
    assert.deepEqual(versionChanges(first, second).signature, gone);
    assert.deepEqual(versionChanges(second, third).signature, [{ bump: 'minor', what: 'output "scores" is new' }]);
    assert.deepEqual(versionChanges(third, third).signature, []);
    // What a person registered is known by what was judged against it, and by nothing else.
    assert.equal(versionChanges(first, third).signature, null);
    const told = contents({ decision: second.decision, evidence: second.evidence, stages }).reasons;
    assert.ok(told.includes('The signature changes: output "scores" is gone.'), told.join());
  });

  it('keep what only one of two versions reports that were not compared with each other', () => {
    const measured = (metrics: object[]): Published['evidence'] => [{ ...evidence([]), details: { metrics } }];
    const metric = (name: string, candidate: number): object => ({ metric: name, title: name, candidate });
    const { paired, rows } = versionChanges(
      version('1', {}, { evidence: measured([metric('recall', 0.5), metric('f1', 0.25)]) }),
      version('2', {}, { evidence: measured([metric('recall', 0.75), metric('mcc', 1)]) }),
    ).metrics;
    assert.equal(paired, false);
    assert.deepEqual(
      rows.map(({ metric: name, from, to, difference }) => [name, from, to, difference]),
      [
        ['recall', 0.5, 0.75, 0.25],
        ['mcc', null, 1, null],
        ['f1', 0.25, null, null],
      ],
    );
  });
});

describe('JSON for a terminal', () => {
  it('says the same value and shows nothing invisible', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary' })), (value) => {
        const text = jsonText([...value, '\u001b[2J\u202e\u009b\u{e0041}\u2028']);
        assert.doesNotMatch(text, /(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
        assert.deepEqual((JSON.parse(text) as string[]).slice(0, -1), value);
      }),
    );
  });
});
