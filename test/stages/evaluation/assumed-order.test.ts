import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Predictions } from '../../../src/model/predictions.ts';
import { refuseAssumedOrder } from '../../../src/stages/evaluation/assumed-order.ts';

/** Probabilities of `names`, the highest that of `said(row)`. */
function judge(
  names: string[],
  said: (row: number) => number,
  classesFrom: NonNullable<Predictions['classesFrom']> | null = 'sorted',
  own: Partial<Pick<Predictions, 'labels' | 'labelValues' | 'labelsDecide'>> = {},
  rows = 6000,
): void {
  const truth = Float64Array.from({ length: rows }, (_, row) => row % names.length);
  const width = names.length === 2 ? 1 : names.length;
  const scores = Float64Array.from({ length: rows * width }, (_, at) => {
    const row = Math.floor(at / width);
    return (width === 1 ? said(row) === 1 : said(row) === at % width)
      ? 0.9 - (0.3 * row) / rows
      : 0.1 + (0.3 * row) / rows;
  });
  refuseAssumedOrder(
    { truth, names, classes: names.length, weights: null },
    { labels: null, ...own, ...(classesFrom === null ? {} : { classesFrom }) },
    { scores },
    'model.onnx',
  );
}

test('two classes whose scores rank worse than chance are asked for where nobody named the classes', () => {
  const turned = (row: number): number => (row % 10 === 0 ? row % 2 : 1 - (row % 2));
  assert.throws(() => judge(['ham', 'spam'], turned), {
    name: 'ConfigError',
    message:
      /^model\.onnx: .*worse than chance: ROC AUC is 0\.\d+.*of the class "spam" or of "ham"\. .*set columns\.classes/u,
  });
  judge(['ham', 'spam'], (row) => row % 2);
  judge(['ham', 'spam'], () => 1);
  judge(['ham', 'spam'], (row) => (row % 20 < 11 ? 1 - (row % 2) : row % 2));
  assert.throws(() => judge(['0', '1'], turned, 'counted'), /of the class "1" or of "0"/u);
  judge(['0', '1'], turned, null);
});

test('of very many rows some tell whether all are ranked', () => {
  const most = 90_001;
  assert.throws(() => judge(['ham', 'spam'], (row) => 1 - (row % 2), 'sorted', {}, most), /worse than chance/u);
  judge(['ham', 'spam'], (row) => row % 2, 'sorted', {}, most);
});

test('a model whose own labels say the classes is as bad as it is, unless they are places of classes', () => {
  const turned = (row: number): number => 1 - (row % 2);
  const labels = Int32Array.from({ length: 6000 }, (_, row) => turned(row));
  judge(['0', '1'], turned, 'counted', { labels });
  assert.throws(() => judge(['ham', 'spam'], turned, 'sorted', { labels, labelValues: [0, 1] }), /worse than chance/u);
  // ML.NET counts the classes from 1, in the order in which it met them.
  assert.throws(() => judge(['1', '2'], turned, 'sorted', { labels }), /worse than chance/u);
  judge(['1', '2'], turned, 'sorted', { labels, labelsDecide: true });
});

test('three classes whose highest scores are those of another order are asked for, and a bad model is not', () => {
  const names = ['ant', 'bee', 'cow'];
  const turned = (row: number): number => (row % 10 === 0 ? row % 3 : (row + 1) % 3);
  assert.throws(() => judge(names, turned), {
    name: 'ConfigError',
    message:
      /5400 of 6000 rows are predicted wrongly, in another order only 600\. .*or of "cow", "ant", "bee"\. Set columns\.classes/u,
  });
  judge(names, (row) => row % 3);
  judge(names, () => 1);
  judge(names, (row) => Math.floor(row / 3) % 3);
  assert.throws(() => judge(['0', '1', '2'], turned, 'counted'), /columns\.classes: \["2", "0", "1"\]/u);
  judge(names, turned, null);
});

test('scores of three classes of which the smallest is that of the class are refused, and a bad model is not', () => {
  const names = ['ant', 'bee', 'cow'];
  const rows = 600;
  const truth = Float64Array.from({ length: rows }, (_, row) => (row % 10 < 8 ? 0 : 1 + (row % 2)));
  const of = (score: (row: number, column: number) => number, classesFrom?: 'sorted'): void =>
    refuseAssumedOrder(
      { truth, names, classes: 3, weights: null },
      { labels: null, ...(classesFrom && { classesFrom }) },
      { scores: Float64Array.from({ length: rows * 3 }, (_, at) => score(Math.floor(at / 3), at % 3)) },
      'model.onnx',
    );
  const distance = (row: number, column: number): number =>
    column === truth[row] ? (row % 7) / 7 : 0.5 + ((row * (column + 3)) % 11) / 11;
  assert.throws(() => of(distance, 'sorted'), {
    name: 'ConfigError',
    message: /^model\.onnx: The true class has the lowest score in \d+ of 600 rows.*distances.*\{uri, output\}/u,
  });
  of(distance);
  of((row, column) => -distance(row, column), 'sorted');
  // Names one class always, and finds the most frequent one the least likely.
  of((_row, column) => [0.1, 0.2, 0.7][column] as number, 'sorted');
  // The same where the class that it names is in no row, or only one is.
  truth.forEach((label, row) => (truth[row] = label % 2));
  of((_row, column) => [0.1, 0.2, 0.7][column] as number, 'sorted');
  truth.fill(0);
  of((_row, column) => [0.1, 0.2, 0.7][column] as number, 'sorted');
  // Gives equal scores to all classes that it does not name.
  truth.forEach((_, row) => (truth[row] = row % 3));
  of((row, column) => (column === (truth[row] === 0 ? 1 : 2) ? 1 : 0), 'sorted');
});
