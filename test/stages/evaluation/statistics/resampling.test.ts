import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { binomial, multinomial, randomFrom } from '../../../../src/statistics/random.ts';
import {
  averagePrecision,
  averagePrecisionInfluence,
  rankScores,
} from '../../../../src/stages/evaluation/metrics/ranked.ts';
import { bcaInterval } from '../../../../src/stages/evaluation/statistics/bootstrap.ts';
import { mcnemar } from '../../../../src/stages/evaluation/statistics/mcnemar.ts';
import { benjaminiHochberg, holm } from '../../../../src/statistics/multiplicity.ts';
import { pairedMeanInterval } from '../../../../src/stages/evaluation/statistics/paired-mean.ts';
import { rowsNeeded } from '../../../../src/stages/evaluation/statistics/power.ts';
import { rowReplicates, rowUnits } from '../../../../src/stages/evaluation/statistics/resample.ts';
import fc from '../../../support/properties.ts';

describe('random numbers', () => {
  it('are the same for the same seed, and others for another', () => {
    const draw = (seed: number) => {
      const random = randomFrom(seed);
      return Array.from({ length: 5 }, () => random.uniform());
    };
    assert.deepEqual(draw(7), draw(7));
    assert.notDeepEqual(draw(7), draw(8));
  });

  it('have binomial counts with the right mean, variance and tail, by inversion and by rejection', () => {
    for (const [trials, probability] of [
      [20, 0.1],
      [100, 0.3],
      [5000, 0.02],
      [1_000_000, 0.7],
    ] as const) {
      const random = randomFrom(11);
      const draws = Float64Array.from({ length: 20_000 }, () => binomial(random, trials, probability));
      const mean = draws.reduce((sum, value) => sum + value, 0) / draws.length;
      const variance = draws.reduce((sum, value) => sum + (value - mean) ** 2, 0) / draws.length;
      const expected = trials * probability * (1 - probability);
      assert.ok(Math.abs(mean - trials * probability) < 5 * Math.sqrt(expected / draws.length), `mean of ${trials}`);
      assert.ok(Math.abs(variance / expected - 1) < 0.06, `variance of ${trials}: ${variance / expected}`);
      const above = draws.filter((value) => value > trials * probability + 1.645 * Math.sqrt(expected)).length;
      assert.ok(Math.abs(above / draws.length - 0.05) < 0.02, `tail of ${trials}: ${above / draws.length}`);
    }
  });

  it('have multinomial counts that add up', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(50), { minLength: 1, maxLength: 12 }), fc.nat(), (weights, seed) => {
        fc.pre(weights.some((weight) => weight > 0));
        const counts = new Float64Array(weights.length);
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        multinomial(randomFrom(seed), total, Float64Array.from(weights), counts);
        assert.equal(
          counts.reduce((sum, count) => sum + count, 0),
          total,
        );
        for (const [cell, weight] of weights.entries()) if (weight === 0) assert.equal(counts[cell], 0);
      }),
    );
  });
});

describe('intervals on a paired mean', () => {
  const differences = (rows: number) => {
    const random = randomFrom(3);
    return Float64Array.from({ length: rows }, () => random.uniform() ** 3 - 0.2);
  };

  it('are the t interval from a thousand rows on', () => {
    const values = Float64Array.from({ length: 1000 }, (_, index) => index % 2);
    const interval = pairedMeanInterval({ differences: values, weights: null }, 1, 500);
    const error = Math.sqrt(0.25 / 999);
    assert.equal(interval.method, 'paired-t');
    assert.ok(Math.abs(interval.standardError - error) < 1e-15);
    // t quantile of 0.95 with 999 degrees of freedom: 1.646380
    assert.ok(Math.abs(interval.lower(0.05) - (0.5 - 1.6463803454275 * error)) < 1e-9);
  });

  it('are monotone in alpha, hold the estimate, and have p-values that agree with their bounds', () => {
    for (const rows of [40, 400, 2000]) {
      const interval = pairedMeanInterval({ differences: differences(rows), weights: null }, 5, 2000);
      let previous = -Infinity;
      for (const alpha of [0.005, 0.01, 0.05, 0.1, 0.3]) {
        const lower = interval.lower(alpha);
        assert.ok(lower >= previous && lower <= interval.delta);
        previous = lower;
        assert.ok(Math.abs(interval.pAbove(lower) - alpha) < 0.002, `${rows} ${alpha} ${interval.pAbove(lower)}`);
        assert.ok(Math.abs(interval.pBelow(interval.upper(alpha)) - alpha) < 0.002);
      }
    }
  });

  it('with unit weights written out are those without weights', () => {
    const values = differences(300);
    const plain = pairedMeanInterval({ differences: values, weights: null }, 5, 500);
    const ones = pairedMeanInterval({ differences: values, weights: new Float64Array(300).fill(1) }, 5, 500);
    assert.ok(Math.abs(plain.lower(0.05) - ones.lower(0.05)) < 1e-12);
  });
});

describe('the BCa interval', () => {
  it('of symmetric replicates without acceleration is the percentile interval, and inverts to its level', () => {
    const values = Float64Array.from({ length: 2001 }, (_, index) => (index - 1000) / 1000);
    const interval = bcaInterval({ delta: 0, values, acceleration: 0, method: 'test', seed: 1 });
    assert.ok(Math.abs(interval.lower(0.05) + 0.9) < 1e-3);
    assert.ok(Math.abs(interval.upper(0.05) - 0.9) < 1e-3);
    assert.ok(Math.abs(interval.pBelow(interval.upper(0.1)) - 0.1) < 1e-3);
    assert.ok(Math.abs(interval.pAbove(interval.lower(0.1)) - 0.1) < 1e-3);
  });
});

describe('corrections for several tests', () => {
  it("are Holm's and Benjamini and Hochberg's", () => {
    const p = [0.01, 0.04, 0.03, 0.005];
    assert.deepEqual(holm(p).map(round), [0.03, 0.06, 0.06, 0.02]);
    assert.deepEqual(benjaminiHochberg(p).map(round), [0.02, 0.04, 0.04, 0.02]);
  });

  it('never lower a p-value, keep their order, and Holm is never below Benjamini and Hochberg', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 20 }), (p) => {
        const [strict, loose] = [holm(p), benjaminiHochberg(p)];
        for (const [index, value] of p.entries()) {
          assert.ok(strict[index]! >= loose[index]! - 1e-12 && loose[index]! >= value - 1e-12);
          for (const [other, next] of p.entries()) if (value < next) assert.ok(strict[index]! <= strict[other]!);
        }
      }),
    );
  });
});

describe("McNemar's test", () => {
  it('is symmetric, at most 1, and mid-p is below exact', () => {
    fc.assert(
      fc.property(fc.nat(80), fc.nat(80), (gained, lost) => {
        const result = mcnemar(gained, lost);
        assert.deepEqual(result, mcnemar(lost, gained));
        assert.ok(result.exact <= 1 && result.midP <= result.exact && result.midP >= 0);
      }),
    );
  });
});

describe('rows needed', () => {
  it('grow with the square of the standard error over the gap', () => {
    const plan = { rows: 1000, standardError: 0.01, gap: 0.01, alpha: 0.05, power: 0.8 };
    // (1.6449 + 0.8416)^2 = 6.1826
    assert.equal(rowsNeeded(plan), 6183);
    assert.equal(rowsNeeded({ ...plan, gap: 0.005 }), 24731);
  });

  it('are null where more rows cannot help', () => {
    const plan = { rows: 1000, standardError: 0.01, gap: 0, alpha: 0.05, power: 0.8 };
    assert.equal(rowsNeeded(plan), null);
    assert.equal(rowsNeeded({ ...plan, gap: 1 }), null);
  });
});

function round(value: number): number {
  return Number(value.toFixed(10));
}

describe('the influence of rows on the average precision', () => {
  it('sums to nothing and gives the standard error of the bootstrap', () => {
    const random = randomFrom(9);
    const rows = 2000;
    const truth = Uint8Array.from({ length: rows }, () => (random.uniform() < 0.3 ? 1 : 0));
    const scores = Float64Array.from(truth, (label) => Math.round(50 * (label * 0.3 + random.uniform())) / 50);
    const ranked = rankScores(scores, truth);
    const influence = averagePrecisionInfluence(ranked, null);
    const mean = influence.reduce((sum, value) => sum + value, 0) / rows;
    assert.ok(Math.abs(mean) < 1e-9, `${mean}`);
    const error = Math.sqrt(influence.reduce((sum, value) => sum + value * value, 0)) / rows;
    const replicates = rowReplicates({
      statistic: (weights) => averagePrecision(ranked, weights),
      units: rowUnits(rows, null),
      rows,
      base: null,
      resamples: 1000,
      seed: 4,
    });
    const centre = replicates.reduce((sum, value) => sum + value, 0) / replicates.length;
    const spread = Math.sqrt(replicates.reduce((sum, value) => sum + (value - centre) ** 2, 0) / replicates.length);
    assert.ok(Math.abs(error / spread - 1) < 0.1, `${error} against ${spread}`);
  });
});
