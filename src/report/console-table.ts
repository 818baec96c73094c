import stringWidth from 'string-width';
import { oneLine } from './escape.ts';
import type { Cell, Mood, Section } from './section.ts';

export type Paint = (text: string, mood: Mood) => string;

/** A column of running text that is narrower than this is a tower of words. */
const narrowest = 16;

/**
 * A table as lines: its columns side by side where every word has room, else each row as a block of its own. No word, digest or time
 * is cut, unless it is longer than a line, and nothing is left out.
 */
export function tableLines(section: Section, width: number, paint: Paint, most: number): string[] {
  const rows = section.rows.slice(0, most).map((row) => row.map((cell) => ({ ...cell, text: oneLine(cell.text) })));
  const widths = columnWidths([section.columns, ...rows.map((row) => row.map((cell) => cell.text))], width - 2);
  const left = section.rows.length - rows.length;
  const remarks = (section.remarks ?? [])
    .slice(0, most)
    .flatMap((remark) => (remark === null ? [] : wrap(`${remark.of.text}: ${remark.text}`, width - 2)));
  const below = [...wrap(section.legend ?? '', width - 2), ...remarks].filter((text) => text !== '');
  const above = (section.text ?? []).flatMap((text) => wrap(text, width - 2)).map((text) => `  ${text}`);
  if (rows.length === 0) return above;
  return [
    ...above,
    ...(widths === null
      ? rows.flatMap((row) => block(section.columns, row, width, paint))
      : grid(section.columns, rows, widths, paint)),
    ...(left > 0 ? [`  and ${left} more`] : []),
    ...below.map((text) => `  ${text}`),
  ];
}

/** Text in lines of at most `width` columns, broken between words; a word that is longer is broken too. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  const flush = (): void => {
    lines.push(line.trimEnd());
    line = '';
  };
  for (const word of words(oneLine(text))) {
    if (line !== '' && length(line) + length(word.trimEnd()) > width) flush();
    let rest = word;
    while (length(rest) > width) {
      line = startOf(rest, width);
      rest = rest.slice(line.length);
      flush();
    }
    line += rest;
  }
  flush();
  return lines;
}

const letters = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

/** As many letters as have room, and at least one. */
function startOf(text: string, width: number): string {
  let start = '';
  for (const { segment } of letters.segment(text)) {
    if (start !== '' && length(start + segment) > width) break;
    start += segment;
  }
  return start;
}

/** Each with the space after it. A time, `2026-01-02 03:04 UTC`, is one word. */
function words(text: string): string[] {
  return text.split(/(?<= )(?<!\d{4}-\d\d-\d\d (?=\d\d:))(?<!\d\d:\d\d (?=UTC))/u);
}

function grid(columns: readonly string[], rows: readonly Cell[][], widths: readonly number[], paint: Paint): string[] {
  const line = (cells: readonly Cell[]): string[] => {
    const wrapped = cells.map((cell, column) => wrap(cell.text, widths[column] as number));
    const height = Math.max(...wrapped.map((parts) => parts.length));
    return Array.from({ length: height }, (_, index) =>
      `  ${cells
        .map((cell, column) => {
          const text = pad(wrapped[column]?.[index] ?? '', widths[column] as number, cell.kind === 'number');
          return cell.mood === undefined ? text : paint(text, cell.mood);
        })
        .join('  ')}`.trimEnd(),
    );
  };
  const names = columns.map((text, column): Cell => ({
    text,
    kind: rows[0]?.[column]?.kind === 'number' ? 'number' : 'text',
  }));
  return [...line(names), ...rows.flatMap(line)];
}

/** The first cell on a line of its own, then what the others say, each with the name of its column, as many to a line as it holds. */
function block(columns: readonly string[], row: readonly Cell[], width: number, paint: Paint): string[] {
  const lines: string[] = [];
  let used = 0;
  for (const [column, { text, mood }] of row.entries()) {
    if (text === '') continue;
    const indent = column === 0 ? '  ' : '    ';
    // Of two columns the first says what the second is.
    const isName = column === 0 || columns.length === 2 || (column === 1 && row[0]?.kind === 'verdict');
    const name = isName ? '' : `${columns[column]}: `;
    const parts = wrap(`${name}${text}`, width - indent.length);
    const painted = parts.map((part) => (mood === undefined ? part : paint(part, mood)));
    const beside = used > indent.length && column > 0 && used + 2 + length(parts[0] ?? '') <= width;
    if (beside && parts.length === 1) {
      lines.push(`${lines.pop() ?? ''}  ${painted[0] ?? ''}`);
      used += 2 + length(parts[0] ?? '');
    } else {
      lines.push(...painted.map((part) => indent + part));
      // Nothing goes beside the first cell, unless that is a verdict, which says nothing alone, nor beside the end of a text of several lines.
      const alone = column === 0 && row[0]?.kind !== 'verdict';
      used = alone || parts.length > 1 ? 0 : indent.length + length(parts[0] ?? '');
    }
  }
  return lines;
}

/** As wide as their widest cell; where that is too much, the widest columns give way first. Null: not without breaking words. */
function columnWidths(rows: readonly (readonly string[])[], width: number): number[] | null {
  const columns = (rows[0] ?? []).map((_, column) => rows.map((row) => row[column] ?? ''));
  const widths = columns.map((texts) => Math.max(...texts.map(length)));
  const least = columns.map((texts, column) => {
    const longest = Math.max(...texts.flatMap(words).map((word) => length(word.trimEnd())));
    return Math.min(widths[column] as number, Math.max(longest, narrowest));
  });
  const total = (): number => widths.reduce((sum, each) => sum + each, 0) + 2 * (widths.length - 1);
  while (total() > width) {
    const givable = widths.map((each, column) => (each > (least[column] as number) ? each : 0));
    const widest = givable.indexOf(Math.max(...givable));
    if ((givable[widest] ?? 0) === 0) return null;
    widths[widest] = (widths[widest] as number) - 1;
  }
  return widths;
}

function pad(text: string, width: number, right: boolean): string {
  const space = ' '.repeat(Math.max(0, width - length(text)));
  return right ? space + text : text + space;
}

/** Columns on a terminal: a letter of Chinese, and a smiling face, take two. */
function length(text: string): number {
  return /^[ -~]*$/u.test(text) ? text.length : stringWidth(text);
}
