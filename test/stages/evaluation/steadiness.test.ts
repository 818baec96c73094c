import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { PredictionResult } from '../../../src/model/predictions.ts';
import type { Stability } from '../../../src/model/shards.ts';
import { steadinessChecks } from '../../../src/stages/evaluation/steadiness.ts';

const tolerance = { absolute: 1e-6, relative: 1e-4 };

function answering(differs: Stability['differs']): PredictionResult {
  return {
    ok: true,
    predictions: { rows: 1, classes: null, kind: 'value', scores: Float64Array.of(1), labels: null, threshold: 0.5 },
    stability: { rows: 16, tolerance, differs, difference: differs === null ? 0 : 0.25 },
  };
}

describe('the check that a model has one answer to a row', () => {
  for (const [how, words] of [
    ['random', /16 rows predicted again, .*0\.25 at most.*model is random.*dropout in training mode/u],
    ['order', /16 rows in another order, .*depends on the order of the rows/u],
    ['batch', /16 rows predicted in smaller batches, .*depends on the other rows of a batch.*softmax/u],
  ] as const) {
    it(`fails and blocks where a candidate has none: ${how}`, () => {
      const [check, ...others] = steadinessChecks(answering(how), null);
      assert.deepEqual(others, []);
      assert.equal(check?.id, 'evaluation/deterministic');
      assert.equal(check.verdict, 'fail');
      assert.equal(check.severity, 'block');
      assert.match(check.message, words);
      assert.equal(check.required, 'the same within 0.000001, or 0.0001 of the larger score');
    });
  }

  it('says where a row has no answer that can be read', () => {
    const result = answering('batch') as Extract<PredictionResult, { ok: true }>;
    const stability = { rows: 16, tolerance, differs: 'batch', difference: null } as const;
    const [check] = steadinessChecks({ ...result, stability }, null);
    assert.equal(check?.verdict, 'fail');
    assert.match(check.message, /in smaller batches, some got no answer, or none that can be read/u);
  });

  it('passes where each row has one, and says within which tolerance', () => {
    const [check] = steadinessChecks(answering(null), null);
    assert.equal(check?.verdict, 'pass');
    assert.equal(check.required, 'the same within 0.000001, or 0.0001 of the larger score');
  });

  it('only warns of a champion, which a better candidate should replace', () => {
    const [own, rival] = steadinessChecks(answering(null), answering('random'));
    assert.equal(own?.verdict, 'pass');
    assert.equal(rival?.id, 'evaluation/champion-deterministic');
    assert.equal(rival.verdict, 'fail');
    assert.equal(rival.severity, 'warn');
  });

  it('says nothing of predictions from a file, or of none', () => {
    const { stability: _stability, ...file } = answering(null) as Extract<PredictionResult, { ok: true }>;
    assert.deepEqual(steadinessChecks(file, { ok: false, fault: { code: 'model', message: 'broken' } }), []);
  });
});
