import type { Evidence } from '../../evidence/index.ts';
import { listOf, objectOf } from '../../json.ts';
import type { Chart, Series } from '../../report/section.ts';

/** What curves, calibration and scores look like, champion beside candidate. Details are plain JSON of any form. */
export function charts({ details }: Evidence): Chart[] {
  return [
    rankCurve(details),
    precisionCurve(details),
    calibration(details),
    ...scores(details),
    residuals(details),
  ].filter(({ series }) => series.length > 0);
}

function rankCurve(details: Details): Chart {
  const series = curves(
    details,
    ({ falsePositiveRate, recall }) => ({ x: falsePositiveRate, y: recall }),
    ({ recall, specificity }) => ({ x: 1 - specificity, y: recall }),
  );
  // Of good models the whole curve is a corner: what is shown ends where nearly all is found, and both models have decided.
  const until = Math.max(
    0.02,
    ...series.map(({ points, mark }) =>
      Math.max(Number(points.find(({ y }) => y >= 0.995)?.x ?? 1), 1.05 * (mark?.x ?? 0)),
    ),
  );
  return {
    kind: 'line',
    title: until < 0.5 ? `ROC curve, up to ${(100 * until).toPrecision(2)}% false positives` : 'ROC curve',
    x: { title: 'false positive rate', ...(until < 0.5 ? { domain: [0, until] } : {}) },
    y: { title: 'recall' },
    ...noteOf(series),
    series: until < 0.5 ? series.map((each) => within(each, until)) : series,
  };
}

function precisionCurve(details: Details): Chart {
  const place = ({ precision, recall }: Pick<Decided, 'precision' | 'recall'>) => ({ x: recall, y: precision });
  const series = curves(details, place, place);
  return {
    kind: 'line',
    title: 'Precision and recall',
    x: { title: 'recall' },
    y: { title: 'precision' },
    ...noteOf(series),
    series,
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

/** How far predictions are from the labels; the outer bins hold all that is beyond. */
function residuals({ residuals: found }: Details): Chart {
  const { from, to } = objectOf(found);
  const ranged = isNumber(from) && isNumber(to) && from < to;
  return {
    kind: 'steps',
    title: 'Errors: prediction minus label',
    x: { title: 'prediction minus label', ...(ranged ? { domain: [from, to] as const } : {}) },
    y: { title: 'rows' },
    note: 'The first and the last bin include all values beyond them.',
    series: ranged
      ? models(found, (histogram) => {
          const counts = listOf(histogram).filter(isNumber);
          return counts.map((rows, bin) => ({ x: from + (bin * (to - from)) / counts.length, y: rows }));
        })
      : [],
  };
}

/** What the dots on a curve are. */
function noteOf(series: readonly Series[]): { note?: string } {
  return series.some(({ mark }) => mark !== undefined)
    ? { note: 'The large dots mark the decision thresholds of the models.' }
    : {};
}

type Details = Record<string, unknown>;
type Decided = Record<'recall' | 'specificity' | 'precision', number>;
type Point = Record<'falsePositiveRate' | 'recall' | 'precision', number>;

function curves(
  details: Details,
  place: (point: Point) => { x: number; y: number },
  mark: (decided: Decided) => { x: number; y: number },
): Series[] {
  const drawn = models(details['curves'], (points) =>
    listOf(points).flatMap((point) => {
      const { falsePositiveRate, recall, precision } = objectOf(point);
      return isNumber(falsePositiveRate) && isNumber(recall) && isNumber(precision)
        ? [place({ falsePositiveRate, recall, precision })]
        : [];
    }),
  );
  return drawn.map((series) => {
    const decided = decidedBy(details, series.name);
    return decided === null ? series : { ...series, mark: mark(decided) };
  });
}

/** What the decisions of a model come to; null where it gives scores alone. */
function decidedBy({ metrics }: Details, model: string): Decided | null {
  const valueOf = (name: string): unknown =>
    objectOf(listOf(metrics).find((row) => objectOf(row)['metric'] === name))[model];
  const [recall, specificity, precision] = ['recall', 'specificity', 'precision'].map(valueOf);
  return isNumber(recall) && isNumber(specificity) && isNumber(precision) ? { recall, specificity, precision } : null;
}

function models(both: unknown, points: (one: unknown) => Series['points']): Series[] {
  return ['candidate', 'champion'].flatMap((name) => {
    const drawn = points(objectOf(both)[name]);
    return drawn.length === 0 ? [] : [{ name, points: drawn }];
  });
}

/** The part of a curve up to here, with the point where it leaves. */
function within({ points, ...series }: Series, until: number): Series {
  const inside = points.filter(({ x }) => Number(x) <= until);
  const next = points.find(({ x }) => Number(x) > until);
  const last = inside.at(-1);
  if (next === undefined || last === undefined) return { ...series, points: inside };
  const share = (until - Number(last.x)) / (Number(next.x) - Number(last.x));
  return { ...series, points: [...inside, { x: until, y: last.y + share * (next.y - last.y) }] };
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}
