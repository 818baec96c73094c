import type { Check } from '../evidence/index.ts';
import type { Standing } from './standing.ts';

export interface Cell {
  text: string;
  /** How it is set: running text, a number to the right, an identifier, or a verdict with its mood. */
  kind: 'text' | 'number' | 'code' | 'verdict';
  mood?: Standing['mood'];
  /** Where it leads, where the output can lead anywhere. Never anybody's text: addresses that this folder made. */
  href?: string | undefined;
}

/** What there is to say of a row beyond its cells. */
export interface Remark {
  of: Cell;
  text: string;
}

/** A titled table. */
export interface Section {
  title: string;
  columns: readonly string[];
  rows: readonly Cell[][];
  /** One for each row that is in need of it, at its place: as many as there are rows. */
  remarks?: readonly (Remark | null)[];
  /** How to read the table. */
  legend?: string;
  /** Left closed where a reader can open it. */
  collapsed: boolean;
  /** Where a text has no room for all rows, those of the least important section go first. */
  importance: number;
}

export function textCell(text: string): Cell {
  return { text, kind: 'text' };
}

export function numberCell(text: string): Cell {
  return { text, kind: 'number' };
}

export function codeCell(text: string, href?: string): Cell {
  return { text, kind: 'code', href };
}

/** @param remarkable a pass that someone should look at all the same */
export function verdictCell({ verdict, severity }: Check, remarkable = false): Cell {
  const blocking = severity === 'block';
  const mood = { pass: 'good', fail: blocking ? 'bad' : 'open', inconclusive: 'open', skipped: 'none' } as const;
  return {
    text: blocking || verdict === 'pass' || verdict === 'skipped' ? verdict : `${verdict} (${severity})`,
    kind: 'verdict',
    mood: remarkable && verdict === 'pass' ? 'open' : mood[verdict],
  };
}

/** The section without the columns that only a wide page has room for. */
export function withoutColumns(section: Section, columns: readonly string[]): Section {
  const keep = (_: unknown, index: number): boolean => !columns.includes(section.columns[index] as string);
  return { ...section, columns: section.columns.filter(keep), rows: section.rows.map((row) => row.filter(keep)) };
}
