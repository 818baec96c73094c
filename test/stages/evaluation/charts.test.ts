import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { drawing } from '../../../src/report/draw.ts';
import { confusion } from '../../../src/stages/evaluation/breakdowns.ts';
import { charts } from '../../../src/stages/evaluation/charts.ts';
import { evidence } from '../../report/samples.ts';

const of = (details: Record<string, unknown>) => ({ ...evidence([]), details });

describe('the histogram of scores', () => {
  const [histogram] = charts(of({ scoreHistogram: { candidate: { positive: [0, 3, 0, 40] } } }));

  it('counts no rows where there are none', () => {
    assert.deepEqual(
      histogram?.series[0]?.points.map(({ y }) => y),
      [0, 3, 0, 40],
    );
  });

  it('is drawn all the same, on an axis that has no place for nothing', async () => {
    const draw = await drawing();
    assert.doesNotMatch(draw(histogram!), /NaN|Infinity/u);
    const empty = { ...histogram!, series: [{ name: 'candidate', points: [{ x: 0, y: 0 }] }] };
    assert.doesNotMatch(draw(empty), /NaN|Infinity/u);
  });
});

describe('the curves of a binary model', () => {
  const curve = [0, 0.02, 0.1, 1].map((falsePositiveRate, at) => ({
    falsePositiveRate,
    recall: [0, 0.8, 0.999, 1][at],
    precision: [1, 0.9, 0.6, 0.3][at],
  }));
  const row = (metric: string, candidate: number) => ({ metric, candidate, champion: candidate - 0.1 });
  const metrics = [row('recall', 0.9), row('specificity', 0.95), row('precision', 0.8)];
  const both = { candidate: curve, champion: curve };

  it('mark where each model decides, within what is shown of them', () => {
    const [rank, precision] = charts(of({ curves: both, metrics }));
    const marks = rank?.series.map(({ mark }) => [mark?.x.toFixed(2), mark?.y.toFixed(2)]);
    assert.deepEqual(marks, [
      ['0.05', '0.90'],
      ['0.15', '0.80'],
    ]);
    assert.ok(Number(rank?.x.domain?.[1]) > 0.15, 'the zoom leaves no mark out');
    assert.deepEqual(precision?.series[0]?.mark, { x: 0.9, y: 0.8 });
    assert.match(rank?.note ?? '', /decision thresholds of the models/u);
  });

  it('mark nothing where a model gives scores and no decisions', () => {
    const [rank] = charts(of({ curves: both, metrics: [] }));
    assert.deepEqual([rank?.note, rank?.series[0]?.mark], [undefined, undefined]);
  });

  it('are drawn with their marks', async () => {
    const draw = await drawing();
    const [rank] = charts(of({ curves: both, metrics }));
    assert.equal(draw(rank!).match(/<circle[^>]* r="6"/gu)?.length, 2);
  });
});

describe('the errors of a regression', () => {
  it('are drawn for both models over the same bins, the last as wide as the others', async () => {
    const found = { from: -2, to: 2, candidate: [1, 5, 7, 2], champion: [2, 4, 6, 3] };
    const [errors, ...others] = charts(of({ residuals: found }));
    assert.equal(others.length, 0);
    assert.deepEqual(
      errors?.series.map(({ name, points }) => [name, ...points.map(({ x, y }) => [x, y])]),
      [
        ['candidate', [-2, 1], [-1, 5], [0, 7], [1, 2]],
        ['champion', [-2, 2], [-1, 4], [0, 6], [1, 3]],
      ],
    );
    // The right margin of a chart is 20 pixels of its 600.
    assert.equal((await drawing())(errors).match(/<path[^>]* d="M56,[^"]+L580,[^"]+"/gu)?.length, 2);
  });

  it('are not drawn where every error is the same', () => {
    assert.deepEqual(charts(of({ residuals: { from: 0, to: 0, candidate: [9], champion: [9] } })), []);
  });
});

describe('the table of labels and decisions', () => {
  const matrix = [
    [5, 1],
    [0, 4],
  ];

  it('has the champion beside the candidate, and no columns of one that is not there', () => {
    assert.deepEqual(confusion(of({ confusion: { candidate: matrix } })).columns, ['Label', 'Decided as', 'Rows']);
    assert.deepEqual(confusion(of({ confusion: { candidate: matrix, champion: matrix } })).columns, [
      'Label',
      'Decided as',
      'Champion',
      'Candidate',
      'Change',
    ]);
  });
});
