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
