import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kolmogorovP, twoSampleKolmogorovP } from '../../src/profile/kolmogorov.ts';
import fc from '../support/properties.ts';

test("the distribution of Kolmogorov's statistic is scipy's in every range of its methods", () => {
  // scipy 1.17.1, scipy.stats.kstwo.sf(d, n)
  for (const [d, n, expected] of [
    [0.3, 1, 1.0],
    [0.55, 1, 0.8999999999999999],
    [0.3, 2, 0.98],
    [0.2, 5, 0.9616],
    [0.28, 5, 0.7411532799999999],
    [0.9, 5, 1.9999999999999978e-5],
    [0.25, 10, 0.4841115325000003],
    [0.5, 20, 3.787595240539032e-5],
    [0.05, 100, 0.9532159710635725],
    [0.1, 100, 0.2526927570063874],
    [0.15, 100, 0.019839242125641813],
    [0.3, 100, 1.7719869892662917e-8],
    [0.1, 140, 0.11353657290090946],
    [0.1, 141, 0.11128445516467944],
    [0.02, 500, 0.9859871786857471],
    [0.06, 500, 0.05243463489026223],
    [0.07, 500, 0.01416832020019071],
    [0.03, 3000, 0.008848227794930863],
    [0.004, 10000, 0.9970213880468209],
    [0.012, 10000, 0.11135257403749388],
    [0.02, 10000, 0.0006616848639387309],
    [0.001, 200000, 0.9881500208855729],
    [0.002, 200000, 0.39995085369038097],
    [0.004, 200000, 0.003314212822560255],
    [0.0009, 1000000, 0.39250068453988984],
    [0.0021, 1000000, 0.00029508134175185787],
  ] as const) {
    const p = kolmogorovP(d, n);
    assert.ok(Math.abs(p - expected) <= 1e-12 + 1e-9 * expected, `d ${d}, n ${n}: ${p}, expected ${expected}`);
  }
});

test('a larger distance is never more probable', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 3000 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (n, a, b) => {
        const [near, far] = a < b ? [a, b] : [b, a];
        assert.ok(kolmogorovP(far, n) <= kolmogorovP(near, n) + 1e-9);
      },
    ),
    { numRuns: 300, seed: 7 },
  );
});

test('two samples are compared at their effective size', () => {
  assert.equal(twoSampleKolmogorovP(0.1, 200, 200), kolmogorovP(0.1, 100));
  // 12.5 rounds to 12, as in numpy.
  assert.equal(twoSampleKolmogorovP(0.3, 25, 25), kolmogorovP(0.3, 12));
});
