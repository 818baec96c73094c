import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { excess, lossInMargins } from '../../src/evidence/index.ts';
import { inMargins, intervalText } from '../../src/report/interval.ts';
import { check, failedSlice, hardHam, recall } from './samples.ts';
import fc from '../support/properties.ts';

const drawn = (lower: number, value: number, upper: number): string => intervalText({ lower, value, upper });

describe('an interval as text', () => {
  it('is scaled in margins: three of loss, one of gain, with the margin and no difference marked', () => {
    assert.equal(drawn(-0.2, 0.1, 0.4), '······┊·━●━··');
    assert.equal(drawn(-4, -2, -1.4), '◂━━●━━┊··│···');
    assert.equal(drawn(-3.5, -1.4, 0.7), '◂━━━━●┿━━┿━━·');
    assert.equal(drawn(0.5, 2, 4), '······┊··│·━▸');
  });

  it('shows by arrows alone what lies beyond its ends', () => {
    assert.equal(drawn(-12, -8, -6), '◂·····┊··│···');
    assert.equal(drawn(3, 5, 6), '······┊··│··▸');
  });

  it('is of one length, and needs a margin', () => {
    const number = fc.double({ min: -1e6, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(fc.tuple(number, number, number), (numbers) => {
        const [lower, value, upper] = numbers.sort((a, b) => a - b);
        assert.equal([...drawn(lower, value, upper)].length, 13);
      }),
      { seed: 7 },
    );
    assert.equal(inMargins({ ...recall, margin: 0 }), null);
  });
});

describe('a loss in margins', () => {
  it('ranks a great loss on a slice before a small one of the primary metric', () => {
    assert.ok(lossInMargins(hardHam) > lossInMargins(recall));
    assert.equal(lossInMargins({ delta: -0.02, lower: -0.03, margin: 0.01 }), 2);
  });

  it('stands beside how far an amount is over its limit, and behind what no number was allowed of', () => {
    const slow = check({ observed: 340, required: 100, limit: 'at most' });
    assert.equal(excess(slow), 3.4);
    assert.ok(excess(failedSlice) > excess(slow));
    assert.equal(excess(check({ observed: 0.5, required: 0.8, limit: 'at least' })), 1.6);
    assert.equal(excess(check({ observed: 3, required: 0, limit: 'at most' })), Infinity);
    assert.equal(excess(check({ observed: null })), Infinity);
  });

  it('is measured by its own uncertainty where no loss is allowed', () => {
    assert.equal(lossInMargins({ delta: -1, lower: -3, margin: 0 }), 0.5);
    assert.equal(lossInMargins({ delta: -1, lower: -1, margin: 0 }), Infinity);
    assert.equal(lossInMargins({ delta: 0, lower: 0, margin: 0 }), 0);
  });
});
