import type * as Plotting from '@observablehq/plot';
import { oneLine } from './escape.ts';
import type { Axis, Chart, Series } from './section.ts';

/** A chart as SVG that follows the colours of the page; the same bytes for the same chart. */
export type Draw = (chart: Chart) => string;

/** Load what draws. It is heavy, and only pages need it. */
export async function drawing(): Promise<Draw> {
  const [plot, { parseHTML }] = await Promise.all([import('@observablehq/plot'), import('linkedom')]);
  return (chart) => {
    const { document } = parseHTML('<!doctype html><html><body></body></html>');
    return cleaned(draw(plot, chart, document), chart.title);
  };
}

type Plot = typeof Plotting;

const width = 600;

/** @param document whatever makes elements: types of browsers are not among those of this project */
function draw(plot: Plot, chart: Chart, document: unknown): DrawnElement {
  const byName = chart.kind === 'rows' || chart.kind === 'heat';
  const names = chart.kind === 'heat' ? chart.series.map(({ name }) => name) : places(chart);
  const limits = (chart.limits ?? []).map(({ axis, at }) =>
    (axis === 'x') === !byName
      ? plot.ruleX([at], { stroke: 'var(--bad)', strokeDasharray: '4 3' })
      : plot.ruleY([at], { stroke: 'var(--bad)', strokeDasharray: '4 3' }),
  );
  const axes: Plotting.PlotOptions = byName
    ? {
        x:
          chart.kind === 'heat'
            ? { label: null, type: 'band', domain: places(chart), tickFormat: shortened, axis: 'top' }
            : { ...scaleOf(chart.y), grid: true },
        y: { label: null, domain: names, type: 'band', tickFormat: shortened },
      }
    : {
        x:
          chart.kind === 'bar'
            ? { label: labelOf(chart.x), type: 'band', domain: places(chart), tickFormat: shortened }
            : { ...scaleOf(chart.x), grid: true },
        y: { ...scaleOf(chart.y), grid: true },
      };
  return plot.plot({
    document: document as NonNullable<Plotting.PlotOptions['document']>,
    className: 'chart',
    width,
    height: byName ? 56 + 24 * names.length : 260,
    // The same for every text, so that no name moves anything.
    marginLeft: byName ? 220 : 56,
    marginBottom: 38,
    style: { fontSize: '12px' },
    ...axes,
    marks: [...limits, ...marksOf(plot, chart)],
  });
}

function marksOf(plot: Plot, chart: Chart): Plotting.Markish[] {
  switch (chart.kind) {
    case 'rows':
      return [
        ...chart.series.map(({ points }, index) =>
          plot.barX(named(points), {
            y: 'x',
            x: 'y',
            fill: colour(index),
            fillOpacity: 0.85,
            insetTop: 1,
            insetBottom: 1,
          }),
        ),
        plot.ruleX([0], { stroke: 'var(--soft)' }),
      ];
    case 'heat':
      return heat(plot, chart);
    default:
      return chart.series.flatMap((series, index) => seriesMarks(plot, chart, series, index));
  }
}

/** Red where it is worse, green where it is better, the stronger the more. Signs say it to whoever sees no colours. */
function heat(plot: Plot, { series }: Chart): Plotting.Markish[] {
  const cells = series.flatMap(({ name, points }) => named(points).map((point) => ({ ...point, row: name })));
  return [
    plot.cell(cells, {
      x: 'x',
      y: 'row',
      fill: ({ y }: { y: number }) => (y < 0 ? 'var(--bad)' : 'var(--good)'),
      fillOpacity: ({ y }: { y: number }) => 0.08 + 0.52 * Math.min(1, Math.abs(y)),
      inset: 1,
    }),
    plot.text(cells, {
      x: 'x',
      y: 'row',
      text: ({ y }: { y: number }) => (y < 0 ? '−' : y > 0 ? '+' : '='),
      fill: 'var(--ink)',
    }),
  ];
}

function named<T extends { x: number | string }>(points: readonly T[]): (T & { x: string })[] {
  return points.map((point) => ({ ...point, x: String(point.x) }));
}

function seriesMarks(plot: Plot, chart: Chart, { points, name, mark }: Series, index: number): Plotting.Markish[] {
  const stroke = colour(index);
  const data = chart.y.scale === 'log' ? drawable(points, chart) : [...points];
  // Never by colour alone: the champion is dashed.
  const dashes = isBefore(name) ? { strokeDasharray: '5 3' } : {};
  switch (chart.kind) {
    case 'bar': {
      const share = 0.8 / chart.series.length;
      const inset = (from: number): number => (from * width) / (places(chart).length + 1) / 1.25;
      return [
        plot.barY(data, {
          x: (point: { x: unknown }) => String(point.x),
          y: 'y',
          fill: stroke,
          fillOpacity: isBefore(name) ? 0.45 : 0.9,
          insetLeft: inset(share * index),
          insetRight: inset(share * (chart.series.length - 1 - index)),
        }),
      ];
    }
    case 'steps':
      return [
        plot.lineY(heldToTheEnd(data, chart.x), {
          x: 'x',
          y: 'y',
          stroke,
          strokeWidth: 1.6,
          curve: 'step-after',
          ...dashes,
        }),
      ];
    default:
      return [
        ...(points.some(({ lower }) => lower !== undefined)
          ? [plot.areaY(data, { x: 'x', y1: 'lower', y2: 'upper', fill: stroke, fillOpacity: 0.15 })]
          : []),
        plot.line(data, { x: 'x', y: 'y', stroke, strokeWidth: 1.8, ...dashes }),
        ...(points.length <= 24 ? [plot.dot(data, { x: 'x', y: 'y', fill: stroke, r: 2.5 })] : []),
        ...(mark === undefined
          ? []
          : [plot.dot([mark], { x: 'x', y: 'y', fill: stroke, stroke: 'var(--ground)', r: 6 })]),
      ];
  }
}

/** The last bin of a histogram is as wide as the others. */
function heldToTheEnd(points: Series['points'], { domain }: Axis): Series['points'][number][] {
  const last = points.at(-1);
  return domain === undefined || last === undefined ? [...points] : [...points, { ...last, x: domain[1] }];
}

/** A logarithm has no place for zero: it is drawn below the least value of the chart, at one height for all series. */
function drawable(points: Series['points'], { series }: Chart): Series['points'][number][] {
  const least = Math.min(...series.flatMap((each) => each.points.map(({ y }) => y)).filter((y) => y > 0));
  return points.map((point) => ({ ...point, y: Math.max(point.y, Number.isFinite(least) ? least / 2 : 1) }));
}

const longestName = 32;

function shortened(text: string): string {
  const name = oneLine(text);
  return name.length <= longestName ? name : `${name.slice(0, longestName - 1)}…`;
}

function places(chart: Chart): string[] {
  return [...new Set(chart.series.flatMap(({ points }) => points.map(({ x }) => String(x))))];
}

function scaleOf(axis: Axis): { label: string; type?: 'log' | 'utc'; domain?: [number, number] } {
  return {
    label: labelOf(axis),
    ...(axis.scale === 'log' ? { type: 'log' as const } : {}),
    ...(axis.scale === 'time' ? { type: 'utc' as const } : {}),
    ...(axis.domain === undefined ? {} : { domain: [...axis.domain] as [number, number] }),
  };
}

function labelOf({ title, unit }: Axis): string {
  return oneLine(unit === undefined ? title : `${title} (${unit})`);
}

/** What was there before stands in the background. */
export function isBefore(series: string): boolean {
  return /champion|reference|before/iu.test(series);
}

const colours = 4;

export function colour(index: number): string {
  return `var(--series-${index % colours})`;
}

/**
 * The markup without what differs from run to run or gets in the way: a style sheet a chart, labels of groups that no reader
 * announces, digits nobody sees.
 */
function cleaned(svg: DrawnElement, title: string): string {
  for (const style of svg.querySelectorAll('style')) style.remove();
  for (const element of [svg, ...svg.querySelectorAll('*')]) {
    for (const name of ['aria-label', 'aria-hidden', 'aria-description']) element.removeAttribute(name);
    for (const name of drawnBy) {
      const value = element.getAttribute(name);
      if (value !== null) element.setAttribute(name, value.replace(/-?\d+\.\d{2,}/gu, rounded));
    }
  }
  svg.setAttribute('role', 'img');
  svg.setAttribute('aria-label', oneLine(title));
  return svg.outerHTML;
}

/** Attributes that hold places on the page, in pixels. */
const drawnBy = ['d', 'transform', 'x', 'y', 'x1', 'x2', 'y1', 'y2', 'cx', 'cy', 'width', 'height', 'points'];

function rounded(number: string): string {
  return String(Math.round(Number(number) * 10) / 10);
}

/** What is needed of an element of a page: types of browsers are not among those of this project. */
interface DrawnElement {
  outerHTML: string;
  querySelectorAll(selector: string): Iterable<DrawnElement>;
  getAttribute(name: string): string | null;
  setAttribute(name: string, value: string): void;
  removeAttribute(name: string): void;
  remove(): void;
}
