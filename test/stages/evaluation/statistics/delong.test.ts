import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { rankScores, rocArea } from '../../../../src/stages/evaluation/metrics/ranked.ts';
import { sortedOrder } from '../../../../src/stages/evaluation/sort.ts';
import { delong } from '../../../../src/stages/evaluation/statistics/delong.ts';
import { normalInterval } from '../../../../src/stages/evaluation/statistics/interval.ts';
import fc from '../../../support/properties.ts';

/** Rows with few distinct scores, so that ties are many; at least two of each class. */
const rows = fc
  .array(fc.record({ label: fc.nat(1), champion: fc.nat(6), candidate: fc.nat(6) }), { minLength: 4, maxLength: 60 })
  .filter((each) => [0, 1].every((label) => each.filter((row) => row.label === label).length >= 2));

describe('the area under the ROC curve', () => {
  it('is the share of pairs in the right order, ties counting one half', () => {
    fc.assert(
      fc.property(rows, (each) => {
        const scores = Float64Array.from(each, (row) => row.champion);
        const positives = each.filter((row) => row.label === 1);
        const negatives = each.filter((row) => row.label === 0);
        let right = 0;
        for (const positive of positives) {
          for (const negative of negatives) {
            right += positive.champion > negative.champion ? 1 : positive.champion === negative.champion ? 0.5 : 0;
          }
        }
        const expected = right / (positives.length * negatives.length);
        const ranked = rankScores(
          scores,
          each.map((row) => row.label),
        );
        assert.ok(Math.abs(rocArea(ranked, null) - expected) < 1e-12);
        const result = delong(
          Float64Array.from(each, (row) => row.label),
          scores,
          scores,
        );
        assert.ok(Math.abs(result.champion - expected) < 1e-12);
      }),
    );
  });

  it('counts a row of weight k as k rows', () => {
    fc.assert(
      fc.property(rows, fc.infiniteStream(fc.nat(3)), (each, stream) => {
        const weights = Float64Array.from(each, () => stream.next().value as number);
        const repeated = each.flatMap((row, index) => Array.from({ length: weights[index]! }, () => row));
        const area = (list: typeof each, weighted: Float64Array | null) =>
          rocArea(
            rankScores(
              Float64Array.from(list, (row) => row.champion),
              list.map((row) => row.label),
            ),
            weighted,
          );
        const [a, b] = [area(each, weights), area(repeated, null)];
        assert.ok((Number.isNaN(a) && Number.isNaN(b)) || Math.abs(a - b) < 1e-12);
      }),
    );
  });
});

describe("DeLong's comparison", () => {
  it('does not change when the rows are reordered, and mirrors when the models change places', () => {
    fc.assert(
      fc.property(rows, (each) => {
        const run = (list: typeof each, first: 'champion' | 'candidate', second: 'champion' | 'candidate') =>
          delong(
            Float64Array.from(list, (row) => row.label),
            Float64Array.from(list, (row) => row[first]),
            Float64Array.from(list, (row) => row[second]),
          );
        const forth = run(each, 'champion', 'candidate');
        const reversed = run([...each].reverse(), 'champion', 'candidate');
        const back = run(each, 'candidate', 'champion');
        assert.ok(Math.abs(forth.delta - reversed.delta) < 1e-12 && Math.abs(forth.delta + back.delta) < 1e-12);
        assert.ok(Math.abs(forth.standardError - reversed.standardError) < 1e-12);
        const variance = forth.championVariance + forth.candidateVariance - 2 * forth.covariance;
        assert.ok(Math.abs(forth.standardError ** 2 - variance) < 1e-12);
        const interval = normalInterval(forth.delta, forth.standardError, 'delong');
        assert.ok(interval.lower(0.05) <= interval.lower(0.1) && interval.upper(0.05) >= interval.upper(0.1));
      }),
    );
  });
});

describe('ranks', () => {
  it('are the same by radix sort and by comparison, for any doubles and any floats', () => {
    const number = fc.oneof(fc.constant(fc.double({ noNaN: true })), fc.constant(fc.float({ noNaN: true })));
    const numbers = number.chain((each) => fc.array(each, { minLength: 1, maxLength: 50 }));
    fc.assert(
      fc.property(numbers, (values) => {
        // Repeated beyond the size at which the radix sort takes over, with ties.
        const many = Float64Array.from({ length: 5000 }, (_, index) => values[index % values.length]!);
        const order = sortedOrder(many);
        for (let place = 1; place < many.length; place += 1) {
          const [a, b] = [order[place - 1]!, order[place]!];
          assert.ok(many[a]! < many[b]! || (many[a] === many[b] && a < b));
        }
      }),
      { numRuns: 30 },
    );
  });
});
