import { contents, type Cell, type Contents, type Section } from './contents.ts';
import { markdownText } from './escape.ts';
import type { ReportInput, Standing } from './standing.ts';

/** The most GitHub takes for a step summary (bytes) and for a comment (characters). */
export const summaryLimit = 1024 * 1024;
export const commentLimit = 65_536;

export interface MarkdownOptions {
  /** UTF-8 bytes the text may take. The least important rows are left out to fit, and the text says so. */
  limit?: number;
}

/** The report as GitHub-flavoured Markdown: verdict, deciding numbers, comparisons; then the detail, closed. */
export function renderMarkdown(input: ReportInput, options: MarkdownOptions = {}): string {
  const { limit = Infinity } = options;
  const said = contents(input);
  const fits = (kept: Kept): boolean => Buffer.byteLength(render(said, kept)) <= limit;
  let kept: Kept = { reasons: said.reasons.length, rows: said.sections.map((section) => section.rows.length) };
  if (fits(kept)) return render(said, kept);
  const order = said.sections.map((_, index) => index);
  const importance = (index: number): number => said.sections[index]?.importance ?? 0;
  for (const index of order.sort((a, b) => importance(a) - importance(b))) {
    const shorter = (rows: number): Kept => ({ ...kept, rows: kept.rows.with(index, rows) });
    const most = greatest(kept.rows[index] ?? 0, (rows) => fits(shorter(rows)));
    kept = shorter(most ?? 0);
    if (most !== null) return render(said, kept);
  }
  const most = greatest(kept.reasons, (reasons) => fits({ ...kept, reasons }));
  const text = render(said, { ...kept, reasons: most ?? 0 });
  return most === null ? text.slice(0, Math.floor(limit / 4)) : text;
}

/** Why there is no report: the message of an error, for a step summary. */
export function renderFault(message: string): string {
  const lines = message.split('\n').filter((line) => line.trim() !== '');
  return `## ${symbols.bad} Contender: error\n\n${lines.map((line) => markdownText(line)).join('<br>\n')}\n`;
}

/** How much of the contents is shown: so many reasons, so many rows of each section. */
interface Kept {
  reasons: number;
  rows: readonly number[];
}

/** The greatest whole number from 0 to `most` that will do, where all smaller ones do too; null when none does. */
function greatest(most: number, willDo: (value: number) => boolean): number | null {
  let [good, bad] = [-1, most + 1];
  while (bad - good > 1) {
    const middle = Math.floor((good + bad) / 2);
    if (willDo(middle)) good = middle;
    else bad = middle;
  }
  return good < 0 ? null : good;
}

const symbols: Record<Standing['mood'], string> = { good: '✅', bad: '❌', open: '⚠️', none: '➖' };

function render(said: Contents, kept: Kept): string {
  const left = said.reasons.length - kept.reasons;
  const list = said.reasons.slice(0, kept.reasons).map((reason) => `- ${markdownText(reason)}`);
  if (left > 0) list.push(`- ${left} more, left out for length`);
  return [
    `## ${symbols[said.standing.mood]} ${markdownText(said.title)}: ${said.standing.word.toLowerCase()}`,
    `**${markdownText(said.headline)}**`,
    ...(said.subject === '' ? [] : [markdownText(said.subject)]),
    ...(list.length > 0 ? [list.join('\n')] : []),
    ...said.sections.map((section, index) => renderSection(section, kept.rows[index] as number)),
  ]
    .join('\n\n')
    .concat('\n');
}

/** A section as Markdown, or its first rows and how many were left out. */
export function renderSection(section: Section, kept: number = section.rows.length): string {
  const left = section.rows.length - kept;
  const note =
    left > 0 ? `\n\n_${left} of ${section.rows.length} rows left out for length; the evidence has them all._` : '';
  const body = kept === 0 ? note.trim() : table(section, kept) + note;
  if (!section.collapsed) return `### ${section.title}\n\n${body}`;
  // The blank lines make GitHub read what is inside as Markdown.
  return `<details>\n<summary>${markdownText(section.title)} (${section.rows.length})</summary>\n\n${body}\n\n</details>`;
}

function table(section: Section, kept: number): string {
  const numbers = section.columns.map((_, index) => section.rows[0]?.[index]?.kind === 'number');
  return [
    row(section.columns),
    row(numbers.map((number) => (number ? '---:' : '---'))),
    ...section.rows.slice(0, kept).map((cells) => row(cells.map(cell))),
  ].join('\n');
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}

function cell({ text, kind, mood }: Cell): string {
  const safe = markdownText(text);
  if (kind === 'code') return safe === '' ? '' : `<code>${safe}</code>`;
  if (kind === 'verdict') return `${symbols[mood ?? 'none']} ${safe}`;
  return safe;
}
