import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { normalQuantile } from '../../../../src/statistics/distributions.ts';
import { tangoInterval, tangoScore, type PairedCounts } from '../../../../src/stages/evaluation/statistics/tango.ts';
import fc from '../../../support/properties.ts';

const counts = fc
  .record({ gained: fc.nat(60), lost: fc.nat(60), others: fc.nat(2000) })
  .filter(({ gained, lost, others }) => gained + lost + others > 0)
  .map(({ gained, lost, others }): PairedCounts => ({ gained, lost, rows: gained + lost + others }));
const alphas = fc.double({ min: 0.001, max: 0.5, noNaN: true });

describe("Tango's score interval", () => {
  it('gives the published intervals to their digits', () => {
    const published = [
      // Fagerland, Lydersen and Laake, Stat. Med. 33 (2014), airway hyper-responsiveness: 95% -0.517 to -0.026.
      { gained: 1, lost: 7, rows: 21, tail: 0.025, digits: 3, bounds: [-0.517, -0.026] },
      // PropCIs::scoreci.mp(25, 28, 618, conf.level = 0.9): -0.0148 to 0.0247 for (28 - 25) / 618.
      { gained: 28, lost: 25, rows: 618, tail: 0.05, digits: 4, bounds: [-0.0148, 0.0247] },
    ];
    for (const { tail, digits, bounds, ...table } of published) {
      const interval = tangoInterval(table);
      assert.equal(interval.lower(tail).toFixed(digits), String(bounds[0]));
      assert.equal(interval.upper(tail).toFixed(digits), String(bounds[1]));
    }
  });

  it('has the closed form -+ z^2 / (n + z^2) without discordant pairs', () => {
    for (const rows of [1, 20, 500, 1_000_000]) {
      const interval = tangoInterval({ gained: 0, lost: 0, rows });
      const square = normalQuantile(0.95) ** 2;
      assert.ok(Math.abs(interval.lower(0.05) + square / (rows + square)) < 1e-12);
      assert.ok(Math.abs(interval.upper(0.05) - square / (rows + square)) < 1e-12);
    }
  });

  it('mirrors when the models change places', () => {
    fc.assert(
      fc.property(counts, alphas, (table, alpha) => {
        const forth = tangoInterval(table);
        const back = tangoInterval({ ...table, gained: table.lost, lost: table.gained });
        assert.ok(Math.abs(forth.lower(alpha) + back.upper(alpha)) < 1e-9);
        assert.ok(Math.abs(forth.upper(alpha) + back.lower(alpha)) < 1e-9);
      }),
    );
  });

  it('holds the estimate, stays within -1 and 1, and narrows as alpha grows', () => {
    fc.assert(
      fc.property(counts, alphas, alphas, (table, a, b) => {
        const [small, large] = a < b ? [a, b] : [b, a];
        const interval = tangoInterval(table);
        assert.ok(interval.lower(small) >= -1 && interval.upper(small) <= 1);
        assert.ok(interval.lower(small) <= interval.lower(large) + 1e-12);
        assert.ok(interval.upper(small) >= interval.upper(large) - 1e-12);
        assert.ok(interval.lower(large) <= interval.delta + 1e-9 && interval.delta <= interval.upper(large) + 1e-9);
      }),
    );
  });

  it('has bounds at which the score statistic is exactly the quantile, and p-values that invert them', () => {
    fc.assert(
      fc.property(counts, fc.double({ min: 0.001, max: 0.4, noNaN: true }), (table, alpha) => {
        const interval = tangoInterval(table);
        const upper = interval.upper(alpha);
        fc.pre(upper < 1 - 1e-6);
        assert.ok(Math.abs(tangoScore(table, upper) + normalQuantile(1 - alpha)) < 1e-4);
        assert.ok(Math.abs(interval.pBelow(upper) - alpha) < 1e-4);
      }),
    );
  });
});
