import assert from 'node:assert/strict';
import { test } from 'node:test';
import { meanBounds, median, ratioOf } from '../../../src/statistics/log-ratio.ts';
import { proportionBounds } from '../../../src/stages/behaviour/proportion.ts';
import fc from '../../support/properties.ts';

/** hits, total, alpha, lower and upper: beta quantiles of scipy 1.17.1, as Clopper and Pearson's bounds are. */
const references = [
  [2302, 2350, 0.05, 0.9740920078639873, 0.9841368683095905],
  [700, 700, 0.05, 0.9957295269798109, 1],
  [0, 20, 0.025, 0, 0.1684334709830853],
  [3, 40, 0.1, 0.027870242852176798, 0.15944931303445956],
  [19, 20, 0.05, 0.7838938357931526, 0.9974386212234697],
] as const;

test('bounds of a proportion are those of Clopper and Pearson', () => {
  for (const [hits, total, alpha, lower, upper] of references) {
    const bounds = proportionBounds(hits, total, alpha);
    assert.ok(Math.abs(bounds.lower - lower) < 1e-9, `${hits} of ${total}: ${bounds.lower}, not ${lower}`);
    assert.ok(Math.abs(bounds.upper - upper) < 1e-9, `${hits} of ${total}: ${bounds.upper}, not ${upper}`);
  }
});

test('bounds of a proportion hold it, and swap when hits and misses do', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 500 }), fc.double({ min: 0, max: 1, noNaN: true }), (total, share) => {
      const hits = Math.round(share * total);
      const { lower, upper } = proportionBounds(hits, total, 0.05);
      const swapped = proportionBounds(total - hits, total, 0.05);
      assert.ok(lower <= hits / total && hits / total <= upper);
      assert.ok(Math.abs(swapped.lower - (1 - upper)) < 1e-9 && Math.abs(swapped.upper - (1 - lower)) < 1e-9);
    }),
  );
});

test('a ratio is the geometric mean of its pairs with the t interval of their logarithms', () => {
  const { value, lower, upper, pairs } = ratioOf([1.3, 1.1, 1.25, 1.4, 1.2], [1, 1.05, 1, 1.1, 0.9], 0.05);
  for (const [found, expected] of [
    [value, 1.2363634783482345],
    [lower, 1.128567655372136],
    [upper, 1.3544554846287025],
  ] as const)
    assert.ok(Math.abs(found - expected) < 1e-9, `${found}, not ${expected}`);
  assert.equal(pairs, 5);
});

test('what slows both of a pair alike leaves the ratio as it is', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0.01, max: 100, noNaN: true }), { minLength: 3, maxLength: 30 }), (drift) => {
      const { value, lower, upper } = ratioOf(
        drift.map((each) => 1.5 * each),
        drift,
        0.05,
      );
      for (const each of [value, lower, upper]) assert.ok(Math.abs(each - 1.5) < 1e-6);
    }),
  );
});

test('one value has no bounds, and the middle of an even number of values lies between two', () => {
  assert.deepEqual(meanBounds([3], 0.05), { value: 3, lower: -Infinity, upper: Infinity });
  assert.equal(median([5, 1, 3]), 3);
  assert.equal(median([4, 1, 3, 2]), 2.5);
});
