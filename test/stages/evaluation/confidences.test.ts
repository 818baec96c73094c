import assert from 'node:assert/strict';
import { test } from 'node:test';
import { refuseConfidences } from '../../../src/stages/evaluation/confidences.ts';

const assumedPositive = 'columns.classes: ["0", "1"]';

function judge(truth: readonly number[], scores: readonly number[]): void {
  refuseConfidences(
    { truth: Float64Array.from(truth), names: ['0', '1'], classes: 2, weights: null },
    { assumedPositive },
    { scores: Float64Array.from(scores), probabilities: true, decisions: null },
    'predictions.csv',
  );
}

test('scores that are never below one half are refused where both classes show that they rank nothing', () => {
  const truth = Array.from({ length: 400 }, (_, row) => (row % 4 === 0 ? 1 : 0));
  const confident = truth.map((_, row) => 0.7 + (row % 7) / 30);
  assert.throws(() => judge(truth, confident), { name: 'ConfigError', message: /ROC AUC 0\.\d{3}/u });
});

test('of rows of one class, and of a single one, they say nothing', () => {
  for (const truth of [[0], [1], new Array<number>(400).fill(0), new Array<number>(400).fill(1)]) {
    judge(
      truth,
      truth.map(() => 0.9),
    );
  }
});
