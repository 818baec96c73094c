import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { levelText, shownDifference, statedSize } from '../../src/evidence/index.ts';
import fc from '../support/properties.ts';

describe('a difference', () => {
  const recall = { delta: -0.0139, lower: -0.035, upper: 0.007, margin: 0.01 };

  it('of a share is told in percentage points, of anything else in its own units', () => {
    const unit = ' points';
    assert.deepEqual(shownDifference({ ...recall, scale: 'share' }), {
      delta: '-1.4',
      lower: '-3.5',
      upper: '+0.7',
      margin: '1 point',
      unit,
    });
    assert.deepEqual(shownDifference(recall), {
      delta: '-0.0139',
      lower: '-0.0350',
      upper: '+0.0070',
      margin: '0.01',
      unit: '',
    });
  });

  it('has more digits where all of it is less than a point', () => {
    const { delta, lower, upper } = shownDifference({
      scale: 'share',
      delta: -0.0008,
      lower: -0.0025,
      upper: 0.0008,
      margin: 0.005,
    });
    assert.deepEqual([delta, lower, upper], ['-0.08', '-0.25', '+0.08']);
  });

  it('stands to zero and to the margin as it really does', () => {
    const amount = fc.double({ min: -0.5, max: 0.5, noNaN: true }).map((value) => Math.round(value * 1e6) / 1e6 + 0);
    const scale = fc.constantFrom('share' as const, 'value' as const);
    fc.assert(
      fc.property(amount, amount, amount, scale, (a, b, limit, scale) => {
        const [lower, upper] = a < b ? [a, b] : [b, a];
        const comparison = { scale, delta: (lower + upper) / 2 + 0, lower, upper, margin: Math.abs(limit) };
        const told = shownDifference(comparison);
        const margin = Number.parseFloat(told.margin);
        for (const end of ['lower', 'upper'] as const) {
          assert.equal(Math.sign(Number(told[end])), Math.sign(comparison[end]));
          assert.equal(
            Math.sign(Number((Number(told[end]) + margin).toFixed(6))),
            Math.sign(Number((comparison[end] + comparison.margin).toFixed(7))),
          );
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('a stated size', () => {
  it('is shown in the digits it was stated in', () => {
    assert.deepEqual(
      [0.002, 0.01, 0.02, 0.005].map((size) => statedSize(size, 'share')),
      ['0.2 points', '1 point', '2 points', '0.5 points'],
    );
    assert.equal(statedSize(0.002, 'value'), '0.002');
  });
});

describe('the level of a bound', () => {
  it('is a percentage', () => assert.deepEqual([0.05, 0.01, 0.05 / 6].map(levelText), ['95%', '99%', '99.17%']));
});
