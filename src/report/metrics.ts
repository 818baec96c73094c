import { shownDifference, type Comparison, type Evidence } from '../evidence/index.ts';
import { objectOf } from '../json.ts';
import { intervalLevel } from './headline.ts';
import { metricValue } from './numbers.ts';
import { numberCell, textCell, withoutColumns, type Cell, type Section } from './section.ts';

/** A metric as the evaluation reports it, whether it was gated or not. */
export interface MetricRow {
  metric: string;
  title: string;
  scale: Comparison['scale'] | undefined;
  candidate: number;
  champion: number | null;
  /** Gain of the candidate over the champion with its one-sided bounds; positive is better. */
  delta: number | null;
  lower: number | null;
  upper: number | null;
  /** Level of each bound; undefined where the evidence does not say. */
  alpha?: number | undefined;
  method: string;
}

/** The metrics in the details of the evaluation, which are plain JSON of any form. */
export function metricRowsOf(evidence: readonly Evidence[]): MetricRow[] {
  const tables = evidence.map((each) => each.details['metrics']).filter((table) => Array.isArray(table));
  return tables
    .flat()
    .slice(0, mostMetrics)
    .flatMap((row: unknown) => {
      const { metric, title, scale, candidate, champion, delta, lower, upper, alpha, method } = objectOf(row);
      if (typeof metric !== 'string' || typeof title !== 'string' || typeof candidate !== 'number') return [];
      return [
        {
          metric,
          title,
          scale: scale === 'share' ? scale : 'value',
          candidate,
          champion: numberOrNull(champion),
          delta: numberOrNull(delta),
          lower: numberOrNull(lower),
          upper: numberOrNull(upper),
          alpha: typeof alpha === 'number' ? alpha : undefined,
          method: typeof method === 'string' ? method : '',
        },
      ];
    });
}

/** Metrics of both models side by side. */
export function metricsTable(title: string, metrics: readonly MetricRow[]): Section {
  const rows = metrics.map((row) => [
    textCell(row.title),
    numberCell(row.champion === null ? '' : metricValue(row.champion)),
    numberCell(metricValue(row.candidate)),
    ...gainCells(row),
    textCell(methodName(row.method)),
  ]);
  const interval = intervalColumn(metrics);
  const section: Section = {
    title,
    columns: ['Metric', 'Champion', 'Candidate', 'Gain', interval, 'Method'],
    rows,
    collapsed: true,
    importance: 1,
  };
  // A first model has no champion, no gain and no bounds.
  const compared = rows.some((row) => row[1]?.text !== '');
  return compared ? section : withoutColumns(section, ['Champion', 'Gain', interval, 'Method']);
}

/** The same name as where these metrics decide: two one-sided bounds make an interval of a lower level. */
export function intervalColumn(metrics: readonly Pick<MetricRow, 'lower' | 'alpha'>[]): string {
  const levels = new Set(metrics.flatMap(({ lower, alpha }) => (lower === null ? [] : [alpha])));
  const [alpha] = levels;
  return levels.size === 1 && alpha !== undefined ? `${intervalLevel(alpha)} interval` : 'Bounds';
}

/** A gain and its bounds, each with what is known of it. */
export function gainCells(row: Pick<MetricRow, 'scale' | 'delta' | 'lower' | 'upper'>): [Cell, Cell] {
  const { scale, delta, lower, upper } = row;
  if (delta === null) return [numberCell(''), numberCell('')];
  const shown = shownDifference({ scale, delta, lower: lower ?? delta, upper: upper ?? delta, margin: 0 });
  return [
    numberCell(`${shown.delta}${shown.unit}`),
    numberCell(lower === null || upper === null ? '' : `${shown.lower} to ${shown.upper}`),
  ];
}

/** No evaluation of ours reports this many. */
const mostMetrics = 1000;

/** Methods by the names statisticians know them by. */
const methods = new Map([
  ['tango-score', 'Tango score interval'],
  ['delong', 'DeLong'],
  ['paired-t', 'paired t'],
  ['t-rows', "Student's t"],
  ['t-few-rows', "Student's t (few rows carry the difference)"],
  ['bootstrap-t', 'bootstrap t'],
  ['bootstrap-rows', 'bootstrap'],
  ['bootstrap-cells', 'bootstrap'],
  ['jackknife-rows', 'jackknife'],
  ['influence', 'influence function'],
  ['none', 'no bounds'],
]);

function methodName(method: string): string {
  const [, base = method, clusters] = /^(.*)(-clusters)$/su.exec(method) ?? [];
  const name = methods.get(base) ?? methods.get(`${base}-rows`) ?? base;
  return clusters === undefined ? name : `${name}, by clusters`;
}

function numberOrNull(value: unknown): number | null {
  return typeof value === 'number' ? value : null;
}
