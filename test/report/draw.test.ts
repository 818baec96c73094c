import assert from 'node:assert/strict';
import { test } from 'node:test';
import { drawing } from '../../src/report/draw.ts';
import { withoutCharts } from '../../src/report/section.ts';

test('a chart on a log scale draws zero at one height for all series', async () => {
  const draw = await drawing();
  const series = [
    {
      name: 'candidate',
      points: [
        { x: 0, y: 1 },
        { x: 1, y: 100 },
        { x: 2, y: 0 },
      ],
    },
    {
      name: 'champion',
      points: [
        { x: 0, y: 50 },
        { x: 1, y: 100 },
        { x: 2, y: 0 },
      ],
    },
  ];
  const svg = draw({
    kind: 'steps',
    title: 'Scores',
    x: { title: 'score' },
    y: { title: 'rows', scale: 'log' },
    series,
  });
  const lowest = [...svg.matchAll(/ d="(?<path>M[^"]+)"/gu)]
    .map(({ groups }) => groups?.['path'] ?? '')
    .filter((path) => path.split('L').length > 3)
    .map((path) => Math.max(...[...path.matchAll(/,(?<y>[0-9.]+)/gu)].map(({ groups }) => Number(groups?.['y']))));
  assert.equal(lowest.length, 2, svg);
  assert.equal(lowest[0], lowest[1]);
});

test('a chart is a folded table where nothing can be drawn, also below a section that is open', () => {
  const chart = {
    kind: 'line' as const,
    title: 'Calibration',
    x: { title: 'score' },
    y: { title: 'share' },
    series: [{ name: 'candidate', points: [{ x: 0, y: 1 }] }],
  };
  const section = {
    title: 'Curves',
    importance: 1,
    columns: ['a'],
    rows: [[{ text: '1', kind: 'number' as const }]],
    charts: [chart],
  };
  assert.deepEqual(
    withoutCharts([section]).map(({ title, collapsed }) => [title, collapsed === true]),
    [
      ['Curves', false],
      ['Calibration', true],
    ],
  );
});
