import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { spendAlpha } from '../../../src/stages/evaluation/holdout.ts';
import fc from '../../support/properties.ts';

describe('alpha spent on an evaluation set', () => {
  it('never adds up to more than the policy has, however many decisions are made', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 1e-6, max: 0.5, noNaN: true }),
        fc.option(fc.integer({ min: 1, max: 50 }), { nil: undefined }),
        fc.integer({ min: 1, max: 200 }),
        (alpha, budget, decisions) => {
          const holdout = { spend: true, ...(budget === undefined ? {} : { budget }) };
          const levels = Array.from({ length: decisions }, (_, reuse) => spendAlpha(alpha, holdout, reuse));
          const spent = levels.reduce((sum, level) => sum + (level.exhausted ? 0 : level.alpha), 0);
          assert.ok(spent <= alpha * (1 + 1e-9));
          assert.ok(levels.every((level) => level.alpha > 0));
        },
      ),
    );
  });

  it('is the whole of it for every decision where the policy does not ask to spend', () => {
    assert.equal(spendAlpha(0.05, undefined, 40).alpha, 0.05);
    assert.equal(spendAlpha(0.05, { spend: false, budget: 2 }, 40).exhausted, false);
  });

  it('is a half, a sixth, a twelfth without a budget', () => {
    const shares = [0, 1, 2].map((reuse) => 1 / spendAlpha(1, { spend: true }, reuse).alpha);
    assert.deepEqual(shares.map(Math.round), [2, 6, 12]);
  });
});
