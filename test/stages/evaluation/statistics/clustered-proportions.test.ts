import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compareMetric } from '../../../../src/stages/evaluation/compare.ts';
import { findMetric } from '../../../../src/stages/evaluation/metrics/catalogue.ts';
import { randomFrom, type Random } from '../../../../src/statistics/random.ts';
import type { Outputs, Sample } from '../../../../src/stages/evaluation/sample.ts';
import type { PairedInterval } from '../../../../src/stages/evaluation/statistics/interval.ts';

/** Rows are gained (1), lost (-1) or the same (0), cluster by cluster. */
function intervalOf(flips: readonly (readonly number[])[], weights: Float64Array | null = null): PairedInterval {
  const rows = flips.flat();
  const truth = new Float64Array(rows.length).fill(1);
  const clusters = Int32Array.from(flips.flatMap((cluster, number) => cluster.map(() => number)));
  const sample: Sample = { rows: rows.length, classes: 2, names: ['0', '1'], truth, weights, clusters };
  const outputs = (wrong: number): Outputs => ({
    scores: null,
    probabilities: false,
    decisions: Int32Array.from(rows, (flip) => (flip === wrong ? 0 : 1)),
  });
  const metric = findMetric('accuracy', 'binary-classification', 'test');
  return compareMetric(metric, sample, outputs(1), outputs(-1), { seed: 1, resamples: 100 }).interval;
}

const halfWidth = (interval: PairedInterval): number => (interval.upper(0.05) - interval.lower(0.05)) / 2;

/** Few of the clusters flip, each of them wholly with probability `whole`, else row by row. */
function fewFlips(random: Random, whole: number, gain: number, loss: number): number[][] {
  const flip = (): number => {
    const luck = random.uniform();
    return luck < gain ? 1 : luck < gain + loss ? -1 : 0;
  };
  return Array.from({ length: 50 }, () => {
    const size = 1 + random.integer(20);
    if (random.uniform() < whole) return Array<number>(size).fill(flip());
    return Array.from({ length: size }, flip);
  });
}

describe('a proportion over clusters of which few differ', () => {
  it('is bounded by rows where rows flip alone: more rows a cluster make it narrower', () => {
    const widthOf = (size: number): number => {
      for (let seed = 1; seed < 500; seed += 1) {
        const random = randomFrom(seed);
        const flip = (): number => [1, -1][random.integer(25)] ?? 0;
        const interval = intervalOf(Array.from({ length: 50 }, () => Array.from({ length: size }, flip)));
        if (interval.method === 'tango-score-clusters') return halfWidth(interval);
      }
      throw new Error('in no sample do few clusters differ');
    };
    const [small, large] = [widthOf(10), widthOf(40)];
    // Student's t has 2.1 points. With clusters for rows it would be 8, for both.
    assert.ok(small < 0.035, String(small));
    assert.ok(large < 0.7 * small, String(large));
  });

  it('is the score interval on clusters where these flip as a whole', () => {
    const flips = Array.from({ length: 50 }, (_, cluster) =>
      Array<number>(10).fill(cluster < 4 ? -1 : cluster < 6 ? 1 : 0),
    );
    const one = flips.map(([first]) => [first as number]);
    const [whole, rows] = [intervalOf(flips), intervalOf(one)];
    assert.ok(Math.abs(whole.lower(0.05) - rows.lower(0.05)) < 1e-9);
    assert.ok(Math.abs(whole.upper(0.05) - rows.upper(0.05)) < 1e-9);
  });

  it('does not change with the unit of the weights', () => {
    const flips = fewFlips(randomFrom(5), 0.3, 0.01, 0.01);
    const weights = Float64Array.from(flips.flat(), (_, row) => 1 + (row % 5));
    const [one, hundred] = [
      intervalOf(flips, weights),
      intervalOf(
        flips,
        weights.map((each) => each * 100),
      ),
    ];
    assert.ok(Math.abs(one.lower(0.05) - hundred.lower(0.05)) < 1e-9);
  });

  it('keeps its level however the rows of a cluster go together', () => {
    for (const whole of [0, 0.3, 0.7, 1]) {
      for (const [gain, loss] of [
        [0.01, 0.01],
        [0.005, 0.025],
      ] as const) {
        const runs = 250;
        let beyond = 0;
        for (let run = 0; run < runs; run += 1) {
          const interval = intervalOf(fewFlips(randomFrom(1000 * (run + 1)), whole, gain, loss));
          if (interval.lower(0.05) > gain - loss + 1e-12) beyond += 1;
        }
        // Three standard errors above 5%; a t interval is beyond in 20% where losses come mostly by whole clusters.
        assert.ok(beyond / runs < 0.092, `${whole} ${gain} ${loss}: ${beyond} of ${runs}`);
      }
    }
  });
});
