import assert from 'node:assert/strict';
import { test } from 'node:test';
import { solve } from '../../src/statistics/linear.ts';
import { randomFrom } from '../../src/statistics/random.ts';

test('the solution of linear equations fulfils them, whatever their order', () => {
  const random = randomFrom(3);
  for (const size of [1, 2, 7, 40]) {
    const matrix = Array.from({ length: size }, () =>
      Float64Array.from({ length: size }, () => random.uniform() - 0.5),
    );
    const right = Float64Array.from({ length: size }, () => random.uniform());
    const found = solve(matrix, right);
    for (const [row, line] of matrix.entries()) {
      const sum = line.reduce((total, each, column) => total + each * (found[column] as number), 0);
      assert.ok(Math.abs(sum - (right[row] as number)) < 1e-9, `${size} equations, ${row}: ${sum}`);
    }
  }
  // The first pivot is 0.
  assert.deepEqual(
    solve(
      [
        [0, 2],
        [4, 0],
      ],
      [6, 8],
    ),
    [2, 3],
  );
});
