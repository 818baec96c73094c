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
  const page = written(contents(input));
  const fits = (kept: Kept): boolean => Buffer.byteLength(render(page, kept)) <= limit;
  let kept: Kept = { reasons: page.reasons.length, rows: page.sections.map(({ rows }) => rows.length) };
  if (fits(kept)) return render(page, kept);
  const order = page.sections.map((_, index) => index);
  const importance = (index: number): number => page.sections[index]?.importance ?? 0;
  for (const index of order.sort((a, b) => importance(a) - importance(b))) {
    const shorter = (rows: number): Kept => ({ ...kept, rows: kept.rows.with(index, rows) });
    const most = greatest(kept.rows[index] ?? 0, (rows) => fits(shorter(rows)));
    kept = shorter(most ?? 0);
    if (most !== null) return render(page, kept);
  }
  const most = greatest(kept.reasons, (reasons) => fits({ ...kept, reasons }));
  const text = render(page, { ...kept, reasons: most ?? 0 });
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

/** The contents as Markdown, part by part: each is written once, however often the whole is tried for length. */
interface Page {
  lead: readonly string[];
  reasons: readonly string[];
  sections: readonly WrittenSection[];
}

interface WrittenSection {
  title: string;
  collapsed: boolean;
  importance: number;
  head: string;
  rows: readonly string[];
}

function written(said: Contents): Page {
  return {
    lead: [
      `## ${symbols[said.standing.mood]} ${markdownText(said.title)}: ${said.standing.word.toLowerCase()}`,
      `**${markdownText(said.headline)}**`,
      ...(said.pullRequest === undefined
        ? []
        : [`[Pull request ${said.pullRequest.number}](${encodeURI(said.pullRequest.url)})`]),
      ...(said.subject === '' ? [] : [markdownText(said.subject)]),
    ],
    reasons: said.reasons.map((reason) => `- ${markdownText(reason)}`),
    sections: said.sections.map(writtenSection),
  };
}

function writtenSection({ title, collapsed, importance, columns, rows }: Section): WrittenSection {
  const alignment = columns.map((_, index) => (rows[0]?.[index]?.kind === 'number' ? '---:' : '---'));
  return {
    title: markdownText(title),
    collapsed,
    importance,
    head: `${row(columns)}\n${row(alignment)}`,
    rows: rows.map((cells) => row(cells.map(cell))),
  };
}

function render({ lead, reasons, sections }: Page, kept: Kept): string {
  const left = reasons.length - kept.reasons;
  const list = [...reasons.slice(0, kept.reasons), ...(left > 0 ? [`- ${left} more, left out for length`] : [])];
  return [
    ...lead,
    ...(list.length > 0 ? [list.join('\n')] : []),
    ...sections.map((section, index) => sectionText(section, kept.rows[index] ?? 0)),
  ]
    .join('\n\n')
    .concat('\n');
}

/** A section as Markdown. */
export function renderSection(section: Section): string {
  return sectionText(writtenSection(section), section.rows.length);
}

function sectionText({ title, collapsed, head, rows }: WrittenSection, kept: number): string {
  const left = rows.length - kept;
  const note = left > 0 ? `\n\n_${left} of ${rows.length} rows left out for length; the evidence has them all._` : '';
  const body = kept === 0 ? note.trim() : [head, ...rows.slice(0, kept)].join('\n') + note;
  if (!collapsed) return `### ${title}\n\n${body}`;
  // The blank lines make GitHub read what is inside as Markdown.
  return `<details>\n<summary>${title} (${rows.length})</summary>\n\n${body}\n\n</details>`;
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
