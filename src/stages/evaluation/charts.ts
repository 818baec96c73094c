import type { Evidence } from '../../evidence/index.ts';
import { listOf, objectOf } from '../../json.ts';
import type { Chart, Series } from '../../report/section.ts';

/** What curves, calibration and scores look like, champion beside candidate. Details are plain JSON of any form. */
export function charts({ details }: Evidence): Chart[] {
  return [rankCurve(details), precisionCurve(details), calibration(details), ...scores(details)].filter(
    ({ series }) => series.length > 0,
  );
}

function rankCurve(details: Details): Chart {
  const series = curves(details, ({ falsePositiveRate, recall }) => ({ x: falsePositiveRate, y: recall }));
  // Of good models the whole curve is a corner: what is shown ends where nearly all is found.
  const until = Math.max(0.02, ...series.map(({ points }) => Number(points.find(({ y }) => y >= 0.995)?.x ?? 1)));
  return {
    kind: 'line',
    title: until < 0.5 ? `ROC curve, up to ${(100 * until).toPrecision(2)}% false positives` : 'ROC curve',
    x: { title: 'false positive rate', ...(until < 0.5 ? { domain: [0, until] } : {}) },
    y: { title: 'recall' },
    series: until < 0.5 ? series.map((each) => within(each, until)) : series,
  };
}

function precisionCurve(details: Details): Chart {
  return {
    kind: 'line',
    title: 'Precision and recall',
    x: { title: 'recall' },
    y: { title: 'precision' },
    series: curves(details, ({ precision, recall }) => ({ x: recall, y: precision })),
  };
}

function calibration(details: Details): Chart {
  const series = models(details['calibration'], (bins) =>
    listOf(bins).flatMap((bin) => {
      const { meanScore, meanOutcome, weight } = objectOf(bin);
      return isNumber(meanScore) && isNumber(meanOutcome) && weight !== 0 ? [{ x: meanScore, y: meanOutcome }] : [];
    }),
  );
  const perfect = { name: 'calibrated', points: [0, 1].map((place) => ({ x: place, y: place })) };
  return {
    kind: 'line',
    title: 'Calibration',
    x: { title: 'mean score', domain: [0, 1] },
    y: { title: 'share that is positive', domain: [0, 1] },
    series: series.length === 0 ? [] : [...series, perfect],
  };
}

/** Scores of each class, on a logarithmic axis: what is rare is what matters. */
function scores(details: Details): Chart[] {
  return (['positive', 'negative'] as const).map((side) => ({
    kind: 'steps' as const,
    title: `Scores of the ${side} rows`,
    x: { title: 'score', domain: [0, 1] as const },
    y: { title: 'rows', scale: 'log' as const },
    series: models(details['scoreHistogram'], (histogram) => {
      const counts = listOf(objectOf(histogram)[side]).filter(isNumber);
      return counts.flatMap((rows, bin) => [{ x: bin / counts.length, y: rows }]);
    }),
  }));
}

type Details = Record<string, unknown>;
type Point = { falsePositiveRate: number; recall: number; precision: number };

function curves(details: Details, place: (point: Point) => { x: number; y: number }): Series[] {
  return models(details['curves'], (points) =>
    listOf(points).flatMap((point) => {
      const { falsePositiveRate, recall, precision } = objectOf(point);
      return isNumber(falsePositiveRate) && isNumber(recall) && isNumber(precision)
        ? [place({ falsePositiveRate, recall, precision })]
        : [];
    }),
  );
}

function models(both: unknown, points: (one: unknown) => Series['points']): Series[] {
  return ['candidate', 'champion'].flatMap((name) => {
    const drawn = points(objectOf(both)[name]);
    return drawn.length === 0 ? [] : [{ name, points: drawn }];
  });
}

/** The part of a curve up to here, with the point where it leaves. */
function within({ name, points }: Series, until: number): Series {
  const inside = points.filter(({ x }) => Number(x) <= until);
  const next = points.find(({ x }) => Number(x) > until);
  const last = inside.at(-1);
  if (next === undefined || last === undefined) return { name, points: inside };
  const share = (until - Number(last.x)) / (Number(next.x) - Number(last.x));
  return { name, points: [...inside, { x: until, y: last.y + share * (next.y - last.y) }] };
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}
