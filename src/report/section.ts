import { shownDifference, type Check, type Comparison, type Evidence } from '../evidence/index.ts';
import { inMargins, intervalText, type InMargins } from './interval.ts';
import { separated } from '../wording.ts';

/** A check as reports show it. */
export type ShownCheck = Check & {
  /** A person accepts that it does not pass: who, until when and why. Of the decision, never of the evidence. */
  waived?: string | undefined;
};

/** Whether what is said is good news. */
export type Mood = 'good' | 'bad' | 'open' | 'none';

export interface Cell {
  text: string;
  /** How it is set: running text, a number to the right, an identifier, or a verdict with its mood. */
  kind: 'text' | 'number' | 'code' | 'verdict' | 'interval';
  mood?: Mood;
  /** What an interval is drawn from, where it can be drawn. */
  interval?: InMargins;
  /** Where it leads, where the output can lead anywhere. Never anybody's text: addresses that this folder made. */
  href?: string | undefined;
}

/** What there is to say of a row beyond its cells. */
export interface Remark {
  of: Cell;
  text: string;
}

export interface StageReport {
  /** Name of its evidence file, and first part of the ids of its checks. */
  kind: string;
  /** How people call it. */
  title: string;
  /** Its place in a report: smaller comes first. */
  reportOrder: number;
  /** What its evidence shows, as plain data that each output renders. */
  sections(evidence: Evidence): Section[];
  command?: { name: string };
  /** What it looks at: logs and traffic are there after the gate alone. */
  needs?: string;
}

/** A titled part of a report: paragraphs, charts and a table, of which any may be empty. */
export interface Section {
  title: string;
  /** Paragraphs above charts and table. */
  text?: readonly string[];
  charts?: readonly Chart[];
  columns: readonly string[];
  rows: readonly Cell[][];
  /** One for each row that is in need of it, at its place: as many as there are rows. */
  remarks?: readonly (Remark | null)[];
  /** How to read the table. */
  legend?: string;
  /** Left closed where a reader can open it (default: open). */
  collapsed?: boolean;
  /** It has a place where there is room for a screenful only. */
  brief?: boolean;
  /** Where a text has no room for all rows, those of the least important section go first. */
  importance: number;
}

/** Numbers to be drawn, or listed where nothing can be drawn. */
export interface Chart {
  /**
   * Lines join the points of a series, steps hold a value until the next, and the last until the end of the domain; bars stand side by side by category; rows are bars from left
   * to right, one place a name (`x`), those of less than 0 to the left; of a heat map `x` is the column, the series the row, and `y`
   * from -1 (worst) to 1 the colour.
   */
  kind: 'line' | 'steps' | 'bar' | 'rows' | 'heat';
  title: string;
  x: Axis;
  y: Axis;
  series: readonly Series[];
  /** A sentence to read it by. */
  note?: string;
  /** Lines across the chart, such as a limit. */
  limits?: readonly { axis: 'x' | 'y'; at: number; title: string }[];
  /** The table of the section has the same numbers: what cannot draw leaves it out. */
  repeatsTable?: boolean;
}

export interface Axis {
  title: string;
  unit?: string;
  scale?: 'linear' | 'log' | 'time';
  /** What is shown of it; absent: all that there is. */
  domain?: readonly [number, number];
}

export interface Series {
  name: string;
  /** A category, a number or a time in ISO 8601 on the x-axis; bounds where there are some. */
  points: readonly { x: number | string; y: number; lower?: number; upper?: number }[];
  /** A place on it that stands out; what it is, the note of the chart says. */
  mark?: { x: number; y: number };
}

export function table(title: string, columns: readonly string[], rows: readonly Cell[][]): Section {
  return { title, columns, rows, importance: 0 };
}

/** What is known of something, a line each; what is not known is left out. */
export function facts(title: string, known: readonly (readonly [name: string, cell: Cell | undefined])[]): Section {
  const rows = known.flatMap(([name, cell]) => (cell === undefined ? [] : [[textCell(name), cell]]));
  return table(title, ['What', 'Which'], rows);
}

/** Is there nothing to show? */
export function isEmpty({ text = [], charts = [], rows }: Section): boolean {
  return text.length === 0 && charts.length === 0 && rows.length === 0;
}

/** More places than this are for the eye alone. */
const mostPlaces = 24;

/** The sections with each chart as a folded table below its section, for outputs that cannot draw. Long curves are left out. */
export function withoutCharts(sections: readonly Section[]): Section[] {
  return sections.flatMap(({ charts = [], ...section }) => [
    ...(isEmpty(section) ? [] : [section]),
    ...charts
      .filter((chart) => chart.repeatsTable !== true)
      .map(chartTable)
      .filter(({ rows }) => rows.length <= mostPlaces)
      .map((table) => ({ ...section, collapsed: true, text: [], remarks: [], ...table })),
  ]);
}

export function chartTable({ title, x, y, series }: Chart): Pick<Section, 'title' | 'columns' | 'rows'> {
  const withUnit = ({ title: name, unit }: Axis): string => (unit === undefined ? name : `${name} (${unit})`);
  const places = [...new Set(series.flatMap(({ points }) => points.map((point) => point.x)))].sort((a, b) =>
    typeof a === 'number' && typeof b === 'number' ? a - b : 0,
  );
  const columns = series.length === 1 ? [withUnit(y)] : series.map(({ name }) => `${name}: ${withUnit(y)}`);
  const tables = series.map(({ points }) => new Map(points.map((point) => [point.x, point])));
  return {
    title,
    columns: [withUnit(x), ...columns],
    rows: places.map((place) => [
      textCell(shownNumber(place)),
      ...tables.map((points) => {
        const point = points.get(place);
        if (point === undefined) return numberCell('');
        const { y: value, lower, upper } = point;
        const bounds =
          lower === undefined || upper === undefined ? '' : ` (${shownNumber(lower)} to ${shownNumber(upper)})`;
        return numberCell(`${shownNumber(value)}${bounds}`);
      }),
    ]),
  };
}

function shownNumber(value: number | string): string {
  if (typeof value === 'string') return value;
  const short = Number(value.toPrecision(4));
  return Math.abs(short) < 1 ? String(short) : separated(short);
}

export function textCell(text: string): Cell {
  return { text, kind: 'text' };
}

/** An interval beside its numbers, scaled in margins; empty where there is no margin. */
function intervalCell(comparison: Comparison): Cell {
  const interval = inMargins(comparison);
  return interval === null ? textCell('') : { text: intervalText(interval), kind: 'interval', interval };
}

/** Difference, bounds, and the interval in margins; empty where nothing was compared. */
export function differenceCells(comparison: Comparison | undefined): Cell[] {
  if (comparison === undefined) return [numberCell(''), numberCell(''), textCell('')];
  const { delta, lower, upper, unit } = shownDifference(comparison);
  return [numberCell(`${delta}${unit}`), numberCell(`${lower} to ${upper}`), intervalCell(comparison)];
}

export function numberCell(text: string): Cell {
  return { text, kind: 'number' };
}

export function codeCell(text: string, href?: string): Cell {
  return { text, kind: 'code', href };
}

/** @param remarkable a pass that someone should look at all the same */
export function verdictCell({ verdict, severity, waived }: ShownCheck, remarkable = false): Cell {
  const blocking = severity === 'block';
  const mood = { pass: 'good', fail: blocking ? 'bad' : 'open', inconclusive: 'open', skipped: 'none' } as const;
  return {
    text:
      waived !== undefined
        ? `${verdict} (waived)`
        : blocking || verdict === 'pass' || verdict === 'skipped'
          ? verdict
          : severity === 'info'
            ? 'note'
            : `${verdict} (warning)`,
    kind: 'verdict',
    mood: remarkable && verdict === 'pass' ? 'open' : mood[verdict],
  };
}

/** The section without the columns that only a wide page has room for. */
export function withoutColumns(section: Section, columns: readonly string[]): Section {
  const keep = (_: unknown, index: number): boolean => !columns.includes(section.columns[index] as string);
  return { ...section, columns: section.columns.filter(keep), rows: section.rows.map((row) => row.filter(keep)) };
}
