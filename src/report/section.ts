import type { Standing } from './standing.ts';

export interface Cell {
  text: string;
  /** How it is set: running text, a number to the right, an identifier, or a verdict with its mood. */
  kind: 'text' | 'number' | 'code' | 'verdict';
  mood?: Standing['mood'];
}

/** A titled table. */
export interface Section {
  title: string;
  columns: readonly string[];
  rows: readonly Cell[][];
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

export function codeCell(text: string): Cell {
  return { text, kind: 'code' };
}
