import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Predictions } from '../../../src/model/predictions.ts';
import { thresholdIn } from '../../../src/model/read-outputs/threshold.ts';
import { outputsOf } from '../../../src/stages/evaluation/outputs.ts';
import { labelScoreChecks, readingChecks } from '../../../src/stages/evaluation/reading-checks.ts';

const scored = (scores: number[], more: Partial<Predictions> = {}): Predictions => ({
  rows: scores.length,
  classes: [0, 1],
  kind: 'probability',
  scores: Float64Array.from(scores),
  labels: null,
  threshold: 0.5,
  ...more,
});

test('a score at the threshold follows the label of the model, where the threshold is its own', () => {
  const decide = (predictions: Predictions): unknown => {
    const read = outputsOf(predictions, 'binary-classification', ['0', '1'], predictions.rows);
    assert.ok(read.ok);
    return [[...(read.outputs.decisions ?? [])], read.tied];
  };
  const labels = Int32Array.of(0, 1, 0);
  assert.deepEqual(decide(scored([0.5, 0.5, 0.6])), [[1, 1, 1], 0]);
  assert.deepEqual(decide(scored([0.5, 0.5, 0.6], { labels })), [[0, 1, 1], 2]);
  assert.deepEqual(decide(scored([0.6, 0.6, 0.6], { labels, threshold: 0.6 })), [[1, 1, 1], 0]);
});

test('a threshold meets scores in their own precision', () => {
  assert.equal(thresholdIn('float', 0.7), Math.fround(0.7));
  assert.equal(thresholdIn('float16', 0.1), 0.0999755859375);
  assert.equal(thresholdIn('double', 0.7), 0.7);
  assert.deepEqual(thresholdIn('float', [0.1, 0.5]), [Math.fround(0.1), 0.5]);
});

test('a class that the candidate does not know is named with its rows, and ties are counted', () => {
  const sample = {
    rows: 5,
    classes: 3,
    names: ['a', 'b', 'c'],
    truth: Float64Array.of(0, 1, 2, 2, 2),
    weights: null,
    clusters: null,
  };
  const side = (classes: string[], tied: number) => ({ predictions: scored([], { classes }), tied });
  const labels = { truth: sample.truth, classes: sample.names };
  const [unknown, ties] = readingChecks(sample, labels, { candidate: side(['a', 'b'], 2), champion: undefined });
  assert.deepEqual(
    [unknown?.id, unknown?.verdict, unknown?.severity, unknown?.observed],
    ['evaluation/unknown-classes', 'fail', 'warn', 3],
  );
  assert.match(unknown?.message ?? '', /does not know the class "c": 3 of 5 rows are of it/u);
  assert.match(ties?.message ?? '', /2 of 5 decisions of the candidate are tied for the highest score/u);
  assert.deepEqual(readingChecks(sample, labels, { candidate: side(['a', 'b', 'c'], 0), champion: undefined }), []);
});

test('labels in the place of probabilities are told under a metric of scores', () => {
  const side = (...scores: number[]) => ({ predictions: scored(scores), tied: 0 });
  const told = (needs: 'scores' | 'decisions', candidate: number[], champion: number[]): string[] =>
    labelScoreChecks({ needs, title: 'ROC AUC' }, { candidate: side(...candidate), champion: side(...champion) }).map(
      ({ severity, message }) => `${severity}: ${message}`,
    );
  assert.match(
    told('scores', [0, 1], [0.5, 1])[0] ?? '',
    /^warn: All scores of the candidate are 0 or 1\. .*predict_proba/u,
  );
  assert.match(told('scores', [1, 0], [0, 1])[0] ?? '', /of the candidate and of the champion are/u);
  assert.deepEqual(told('scores', [0, 0.9], [0.5, 1]), []);
  assert.deepEqual(told('decisions', [0, 1], [0, 1]), []);
});
