import { stages } from './checks.ts';
import { comparisons } from './comparisons.ts';
import { contents, decisive } from './contents.ts';
import { oneLine, withoutWorkflowCommands } from './escape.ts';
import { metrics } from './metrics.ts';
import { withoutColumns, type Cell, type Section } from './section.ts';
import type { ReportInput, Standing } from './standing.ts';

export interface ConsoleOptions {
  colour: boolean;
  /** Columns of the terminal. */
  width: number;
}

const rowsShown = 8;

/** Tables whole, under their titles. Sections without rows are left out. */
export function renderSections(sections: readonly Section[], { colour, width }: ConsoleOptions): string {
  const texts = sections
    .filter((section) => section.rows.length > 0)
    .map((section) => [section.title, ...table(section, Math.max(40, width), painter(colour), Infinity)].join('\n'));
  return withoutWorkflowCommands(texts.map((text) => `${text}\n`).join('\n'));
}

/** The report as a screenful of text: verdict, what did not pass, then the key numbers. */
export function renderConsole(input: ReportInput, { colour, width }: ConsoleOptions): string {
  const wide = Math.max(40, width);
  const said = contents(input);
  const paint = painter(colour);
  const lines = [
    paint(oneLine(`${said.standing.word.toUpperCase()}  ${said.title}`, wide), said.standing.mood),
    ...wrap(said.headline, wide),
    ...said.reasons.slice(0, rowsShown).flatMap((reason) => wrap(`Also: ${reason}`, wide)),
    ...(said.reasons.length > rowsShown ? [`and ${said.reasons.length - rowsShown} more reasons`] : []),
  ];
  for (const section of screenful(input)) {
    lines.push('', section.title);
    lines.push(...table(section, wide, paint));
  }
  return withoutWorkflowCommands(`${lines.join('\n')}\n`);
}

type Paint = (text: string, mood: Standing['mood']) => string;

function painter(colour: boolean): Paint {
  return (text, mood) => (colour ? `\u001b[${codes[mood]}m${text}\u001b[0m` : text);
}

const codes: Record<Standing['mood'], string> = { good: '1;32', bad: '1;31', open: '1;33', none: '1' };

/** The sections worth a place on the screen, without the columns that only a wide page has room for. */
function screenful(input: ReportInput): Section[] {
  const { evidence } = input;
  const compared = comparisons(input).rows.length > 0;
  return [
    ...decisive(input),
    ...(compared ? [] : [withoutColumns(metrics(evidence), ['Method'])]),
    ...stages(evidence),
  ].filter((section) => section.rows.length > 0);
}

function table(section: Section, width: number, paint: Paint, most = rowsShown): string[] {
  const rows = section.rows.slice(0, most).map((row) => row.map((cell) => ({ ...cell, text: oneLine(cell.text) })));
  const widths = columnWidths([section.columns, ...rows.map((row) => row.map((cell) => cell.text))], width - 2);
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
  const numbers = section.columns.map((text, column): Cell => ({
    text,
    kind: rows[0]?.[column]?.kind === 'number' ? 'number' : 'text',
  }));
  const left = section.rows.length - rows.length;
  const remarks = (section.remarks ?? [])
    .slice(0, most)
    .flatMap((remark) => (remark === null ? [] : wrap(`${remark.of.text}: ${remark.text}`, width - 2)));
  const below = [...wrap(section.legend ?? '', width - 2), ...remarks].filter((text) => text !== '');
  return [
    ...line(numbers),
    ...rows.flatMap(line),
    ...(left > 0 ? [`  and ${left} more`] : []),
    ...below.map((text) => `  ${text}`),
  ];
}

/** As wide as their widest cell; where that is too much, the widest columns give way first. */
function columnWidths(rows: readonly (readonly string[])[], width: number): number[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => length(row[column] ?? ''))));
  const total = (): number => widths.reduce((sum, each) => sum + each, 0) + 2 * (widths.length - 1);
  while (total() > width) {
    const widest = widths.indexOf(Math.max(...widths));
    if ((widths[widest] as number) <= 4) break;
    widths[widest] = (widths[widest] as number) - 1;
  }
  return widths;
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line: string[] = [];
  const flush = (): void => {
    lines.push(line.join('').trimEnd());
    line = [];
  };
  for (const word of oneLine(text).split(/(?<= )/u)) {
    const characters = [...word];
    if (line.length > 0 && line.length + length(word.trimEnd()) > width) flush();
    while (characters.length > width) {
      line = characters.splice(0, width);
      flush();
    }
    line.push(...characters);
  }
  flush();
  return lines;
}

function pad(text: string, width: number, right: boolean): string {
  const space = ' '.repeat(Math.max(0, width - length(text)));
  return right ? space + text : text + space;
}

function length(text: string): number {
  return [...text].length;
}
