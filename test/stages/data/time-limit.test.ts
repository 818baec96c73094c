import assert from 'node:assert/strict';
import { test } from 'node:test';
import { timedOut, withTimeLimit } from '../../../src/stages/data/time-limit.ts';

test('work that computes for longer than its limit is ended', () => {
  assert.throws(
    () =>
      withTimeLimit(200, () => {
        for (;;);
      }),
    timedOut,
  );
});

test('a machine that sleeps does not use up the limit', () => {
  let runs = 0;
  const answer = withTimeLimit(100, () => {
    runs += 1;
    // Waits without a processor, as a process of a machine that stands still does.
    if (runs === 1) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
    return runs;
  });
  assert.equal(answer, 2);
});

test('an error of the work is the error', () => {
  assert.throws(
    () =>
      withTimeLimit(100, () => {
        throw new RangeError('x');
      }),
    RangeError,
  );
});
