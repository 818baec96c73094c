import assert from 'node:assert/strict';
import { test } from 'node:test';
import { scheduleOf } from '../../../src/stages/load/schedule.ts';
import { slicesOf } from '../../../src/stages/load/slices.ts';
import { windowOf } from './windows.ts';

test('a constant rate is that rate in each slice of its chart, to the last', () => {
  for (const [rate, seconds] of [
    [200, 4],
    [37, 10],
    [1000, 61],
    [20, 0.1],
  ] as const) {
    const offsets = scheduleOf([{ from: rate, to: rate, durationMs: seconds * 1000 }], 'constant', 1);
    const slices = slicesOf(
      windowOf({ offsets, latency: new Float64Array(offsets.length).fill(3), elapsedMs: seconds * 1000 }),
      { watch: { exit: null, samples: [] }, answers: { at: [], judged: [], right: [], differing: [] } },
    );
    const width = (seconds * 1000) / slices.length;
    for (const { offered } of slices) {
      // A slice that is no whole number of gaps has one request more or less.
      assert.ok(
        Math.abs(offered - rate) <= 1000 / width + 1e-6,
        `${offered}/s in ${width} ms where ${rate}/s were due`,
      );
    }
    const mean = slices.reduce((sum, { offered }) => sum + offered, 0) / slices.length;
    assert.ok(Math.abs(mean - rate) < 1e-6 * rate, `${mean}/s`);
  }
});
