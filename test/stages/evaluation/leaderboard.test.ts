import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ranked } from '../../../src/stages/evaluation/leaderboard.ts';
import { leaderboardSection } from '../../../src/stages/evaluation/leaderboard-section.ts';
import { planOf } from '../../../src/stages/evaluation/plan.ts';
import { binaryOutputs, binarySample, readCase } from './cases.ts';

const { rows } = await readCase('spam');
const sample = binarySample(rows, 'label');
const of = (model: string) => binaryOutputs(rows, model);
const planFor = (metric: string, considered: number) =>
  planOf({ primary: { metric, require: 'superior' } }, 'binary-classification', 0, undefined, considered);

describe('the choice among several candidates', () => {
  test('falls on the best by the primary metric, in its own direction, and on the first of equals', () => {
    for (const metric of ['roc_auc', 'log_loss']) {
      const models = ['candidate-worse-global', 'candidate', 'candidate-small', 'candidate'];
      const places = ranked({ plan: planFor(metric, 4), sample }, of('champion'), models.map(of));
      const value = places.map((place) => place.value ?? Number.NaN);
      const best = metric === 'roc_auc' ? Math.max(...value) : Math.min(...value);
      assert.equal(
        places.findIndex(({ chosen }) => chosen),
        value.indexOf(best),
      );
      assert.equal(places.filter(({ chosen }) => chosen).length, 1);
    }
  });

  test('divides the level of what lets the chosen one pass by how many there were, and never that of harm', () => {
    const plan = planFor('roc_auc', 10);
    assert.deepEqual([plan.alpha, plan.guardAlpha], [0.005, 0.05]);
    const [wide, narrow] = [10, 1].map(
      (considered) =>
        ranked({ plan: planFor('roc_auc', considered), sample }, of('champion'), [of('candidate')])[0]?.comparison,
    );
    assert.equal(wide?.delta, narrow?.delta);
    assert.ok((wide?.lower ?? 0) < (narrow?.lower ?? 0) && (wide?.upper ?? 0) > (narrow?.upper ?? 0));
  });

  test('passes over what cannot be judged, and names the first where nothing can', () => {
    const plan = planFor('roc_auc', 2);
    const chosen = ranked({ plan, sample }, of('champion'), ['it crashed', of('candidate-small')]);
    assert.deepEqual(
      chosen.map(({ value, fault, chosen: is }) => [value === null, fault, is]),
      [
        [true, 'it crashed', false],
        [false, undefined, true],
      ],
    );
    assert.deepEqual(
      ranked({ plan, sample }, null, ['no', 'no']).map((place) => place.chosen),
      [true, false],
    );
  });

  test('is a table with the chosen one first; hostile details are no table', () => {
    const models = ['candidate-worse-global', 'candidate'];
    const places = ranked({ plan: planFor('roc_auc', 2), sample }, of('champion'), models.map(of)).map(
      (place, index) => ({
        ...place,
        uri: `file:models/${models[index]}.onnx`,
        sha256: `${index}`.repeat(64),
      }),
    );
    const section = leaderboardSection({ details: { selection: { metric: 'roc_auc', alpha: 0.025, places } } });
    assert.deepEqual(
      section.rows.map((row) => row.slice(0, 2).map(({ text }) => text)),
      [
        ['chosen', 'models/candidate.onnx'],
        ['passed over', 'models/candidate-worse-global.onnx'],
      ],
    );
    assert.equal(section.columns[4], '95% interval');
    for (const selection of [null, [], { places: 7 }, { places: [null, 'x', { uri: 1 }, { uri: 'a', sha256: 'b' }] }]) {
      assert.deepEqual(leaderboardSection({ details: { selection } }).rows, []);
    }
  });
});
