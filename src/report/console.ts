import { comparisons, contents, metrics, slices, stages, type Contents, type Section } from './contents.ts';
import { tableLines, wrap, type Paint } from './console-table.ts';
import { oneLine, withoutWorkflowCommands } from './escape.ts';
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
    .map((section) =>
      [section.title, ...tableLines(section, Math.max(40, width), painter(colour), Infinity)].join('\n'),
    );
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
  for (const section of screenful(said, input)) {
    lines.push('', section.title);
    lines.push(...tableLines(section, wide, paint, rowsShown));
  }
  return withoutWorkflowCommands(`${lines.join('\n')}\n`);
}

function painter(colour: boolean): Paint {
  return (text, mood) => (colour ? `\u001b[${codes[mood]}m${text}\u001b[0m` : text);
}

const codes: Record<Standing['mood'], string> = { good: '1;32', bad: '1;31', open: '1;33', none: '1' };

/** The sections worth a place on the screen, without the columns that only a wide page has room for. */
function screenful(said: Contents, { evidence }: ReportInput): Section[] {
  const compared = comparisons(evidence);
  const open = said.sections.filter((section) => section.title === 'What did not pass');
  const bad = (section: Section): Section => ({
    ...section,
    rows: section.rows.filter((row) => row.some((cell) => cell.mood === 'bad' || cell.mood === 'open')),
  });
  return [
    ...open,
    without(compared.rows.length > 0 ? compared : metrics(evidence), ['Margin', 'Method']),
    without(bad(slices(evidence)), ['Margin', 'Metric']),
    ...stages(evidence),
  ].filter((section) => section.rows.length > 0);
}

function without(section: Section, columns: readonly string[]): Section {
  const keep = (_: unknown, index: number): boolean => !columns.includes(section.columns[index] as string);
  return { ...section, columns: section.columns.filter(keep), rows: section.rows.map((row) => row.filter(keep)) };
}
