import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { histogram, judgeShare, percentile, sampleFloor } from '../../../src/stages/load/latency.ts';
import fc from '../../support/properties.ts';

const samples = fc.array(fc.double({ min: 0, max: 1e4, noNaN: true }), { minLength: 1, maxLength: 300 });

describe('percentiles', () => {
  test('are samples that the stated share of all does not exceed', () => {
    fc.assert(
      fc.property(samples, fc.constantFrom(0.5, 0.9, 0.95, 0.99, 0.999), (values, p) => {
        const sorted = Float64Array.from(values).toSorted();
        const found = percentile(sorted, p);
        const within = sorted.filter((value) => value <= found).length;
        const below = sorted.filter((value) => value < found).length;
        assert.ok(within >= p * sorted.length - 1e-9);
        assert.ok(below < p * sorted.length + 1e-9);
      }),
    );
  });

  test('of 100 samples are the 50th, 95th and 99th of them', () => {
    const sorted = Float64Array.from({ length: 100 }, (_, index) => index + 1);
    assert.deepEqual(
      [0.5, 0.95, 0.99].map((p) => percentile(sorted, p)),
      [50, 95, 99],
    );
  });
});

describe('the sample floor', () => {
  test('is 59 requests for p95 and 299 for p99, as MLPerf LoadGen has it', () => {
    assert.deepEqual([sampleFloor(0.95), sampleFloor(0.99)], [59, 299]);
    for (const p of [0.95, 0.99]) {
      assert.equal(judgeShare({ over: 0, total: sampleFloor(p), p }), 'met');
      assert.equal(judgeShare({ over: 0, total: sampleFloor(p) - 1, p }), 'open');
    }
  });

  test('rises with every request over the limit', () => {
    const least = [0, 1, 2, 3].map((over) => {
      let total = over + 1;
      while (judgeShare({ over, total, p: 0.95 }) !== 'met') total += 1;
      return total;
    });
    // Order-statistic sample sizes of Wilks (1941) for 95% content at 95% confidence.
    assert.deepEqual(least, [59, 93, 124, 153]);
  });

  test('a miss is shown by far fewer requests than a pass', () => {
    assert.equal(judgeShare({ over: 10, total: 10, p: 0.95 }), 'missed');
    assert.equal(judgeShare({ over: 1, total: 1, p: 0.5 }), 'open');
    assert.equal(judgeShare({ over: 16, total: 300, p: 0.95 }), 'open');
    assert.equal(judgeShare({ over: 40, total: 300, p: 0.95 }), 'missed');
  });
});

test('a histogram holds every sample once, in ascending bins', () => {
  fc.assert(
    fc.property(samples, (values) => {
      const bins = histogram(Float64Array.from(values));
      assert.equal(
        bins.reduce((sum, bin) => sum + bin.count, 0),
        values.length,
      );
      assert.ok(
        bins.every((bin, index) => bin.from < bin.to && (index === 0 || bin.from >= (bins[index - 1]?.to ?? 0))),
      );
    }),
  );
});
