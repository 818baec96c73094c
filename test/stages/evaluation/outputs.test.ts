import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { outputsOf } from '../../../src/stages/evaluation/outputs.ts';
import type { Predictions } from '../../../src/model/predictions.ts';

const said = (given: Partial<Predictions>): Predictions => ({
  rows: 3,
  classes: ['0', '1'],
  kind: given.scores === undefined ? 'label' : 'probability',
  scores: null,
  labels: null,
  threshold: 0.5,
  ...given,
});
const labels = (...values: number[]): Int32Array => Int32Array.from(values);

function decisions(
  given: Partial<Predictions>,
  task: 'binary' | 'multiclass' | 'multilabel',
  names: string[],
): number[] {
  const result = outputsOf(said(given), `${task}-classification`, names, 3);
  assert.ok(result.ok, result.ok ? '' : result.message);
  return [...(result.outputs.decisions ?? [])];
}

function refusal(given: Partial<Predictions>, task: 'binary' | 'multiclass', names: string[]): string {
  const result = outputsOf(said(given), `${task}-classification`, names, 3);
  assert.ok(!result.ok, 'it was taken for usable');
  return result.message;
}

describe('predicted labels', () => {
  it('are those of the data, however either writes them', () => {
    const given = { labels: labels(1, 0, 1) };
    assert.deepEqual(decisions({ ...given, classes: ['0.0', '1.0'] }, 'binary', ['0', '1']), [1, 0, 1]);
    assert.deepEqual(decisions({ ...given, classes: [false, true] }, 'binary', ['0', '1']), [1, 0, 1]);
    assert.deepEqual(decisions({ ...given, classes: [0, 1] }, 'binary', ['false', 'true']), [1, 0, 1]);
    assert.deepEqual(decisions({ ...given, classes: ['ham', 'spam'] }, 'binary', ['spam', 'ham']), [0, 1, 0]);
    assert.deepEqual(decisions({ ...given, classes: [1, 2] }, 'multiclass', ['0', '1', '2']), [2, 1, 2]);
  });

  it('that are no class of the data are refused, and not taken for wrong or for the negative class', () => {
    for (const [classes, names] of [
      [
        ['no', 'yes'],
        ['0', '1'],
      ],
      [
        [-1, 1],
        ['0', '1'],
      ],
      [
        [false, true],
        ['no', 'yes'],
      ],
      [
        ['ham', 'spam'],
        ['Ham', 'Spam'],
      ],
    ] as const) {
      for (const task of ['binary', 'multiclass'] as const) {
        const message = refusal({ labels: labels(1, 1, 0), classes }, task, [...names]);
        const first = names.includes(String(classes[1]) as never) ? 3 : 1;
        const found = JSON.stringify(classes[first === 1 ? 1 : 0]);
        assert.ok(
          message.startsWith(`row ${first} is predicted ${found}, and the classes are "${names[0]}", "${names[1]}"`),
          message,
        );
        assert.match(message, /columns\.classes/u);
      }
    }
  });

  it('that are probabilities are told apart from labels that are misspelt', () => {
    const message = refusal({ labels: labels(0, 1, 0), classes: ['0.68', '0.2'] }, 'binary', ['0', '1']);
    assert.match(message, /row 1 is predicted "0\.68".*where these are probabilities, name their column/u);
  });

  it('decide where the predictions say so, and the threshold everywhere else', () => {
    const scores = Float64Array.of(0.4, 0.4, 0.9);
    const given = { scores, labels: labels(1, 0, 0) };
    assert.deepEqual(decisions({ ...given, labelsDecide: true }, 'binary', ['0', '1']), [1, 0, 0]);
    assert.deepEqual(decisions(given, 'binary', ['0', '1']), [0, 0, 1]);
    const wide = { scores: Float64Array.of(0.6, 0.4, 0.6, 0.4, 0.1, 0.9), labels: labels(1, 0, 0) };
    assert.deepEqual(decisions({ ...wide, labelsDecide: true }, 'multiclass', ['0', '1']), [1, 0, 0]);
    assert.deepEqual(decisions(wide, 'multiclass', ['0', '1']), [0, 0, 1]);
    const several = { ...wide, classes: ['a', 'b'], labels: labels(0, 1, 1, 1, 0, 0) };
    assert.deepEqual(decisions({ ...several, labelsDecide: true }, 'multilabel', ['b', 'a']), [1, 0, 1, 1, 0, 0]);
    assert.deepEqual(decisions(several, 'multilabel', ['b', 'a']), [0, 1, 0, 1, 1, 0]);
  });
});
