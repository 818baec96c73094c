import assert from 'node:assert/strict';
import { test } from 'node:test';
import { labelOrderChecks } from '../../../src/stages/evaluation/label-order.ts';
import { randomFrom } from '../../../src/statistics/random.ts';

const names = ['billing', 'refund', 'spam'];

/** Labels of a third of the rows, and scores of them in this order: column `at` is of label `order[at]`, null of none. */
function told(rows: number, order: readonly (number | null)[]) {
  const random = randomFrom(7);
  const truth = Float64Array.from({ length: rows * 3 }, () => (random.uniform() < 1 / 3 ? 1 : 0));
  const scores = Float64Array.from({ length: rows * 3 }, (_, index) => {
    const label = order[index % 3] ?? null;
    const shift = label === null ? 0 : (truth[index - (index % 3) + label] as number);
    return 0.4 * shift + 0.6 * random.uniform();
  });
  return labelOrderChecks({ rows, labels: 3, names, truth }, { candidate: { scores }, champion: null });
}

test('scores of several labels in another order of the labels are told, with the order', () => {
  const [check, ...others] = told(400, [2, 0, 1]);
  assert.deepEqual(others, []);
  assert.deepEqual([check?.verdict, check?.severity], ['fail', 'warn']);
  assert.match(
    check?.message ?? '',
    /of the candidate \(mean ROC AUC 0\.[45]\d+, and 0\.9\d+ as those of "spam", "billing", "refund"\)/u,
  );
  assert.match(told(400, [1, 0, 2])[0]?.message ?? '', /as those of "refund", "billing", "spam"/u);
});

test('scores in the order of the labels, useless ones, those of few rows and one column for two labels are not', () => {
  assert.deepEqual(told(400, [0, 1, 2]), []);
  assert.deepEqual(told(400, [null, null, null]), []);
  assert.deepEqual(told(12, [2, 0, 1]), []);
  assert.deepEqual(told(400, [1, 1, 2]), []);
});

test('many rows of labels are looked at in part', () => {
  assert.equal(told(300_000, [2, 0, 1]).length, 1);
});
