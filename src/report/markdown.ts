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
  const kept = said.sections.map((section) => section.rows.length);
  const keptReasons = { count: said.reasons.length };
  for (;;) {
    const text = render(said, keptReasons.count, kept);
    if (Buffer.byteLength(text) <= limit) return text;
    // The last section matters least. Half of it goes at a time, so that this ends soon.
    const victim = kept.findLastIndex((rows) => rows > 0);
    if (victim >= 0) kept[victim] = Math.floor((kept[victim] as number) / 2);
    else if (keptReasons.count > 0) keptReasons.count = Math.floor(keptReasons.count / 2);
    else return text.slice(0, Math.floor(limit / 4));
  }
}

const symbols: Record<Standing['mood'], string> = { good: '✅', bad: '❌', open: '⚠️', none: '➖' };

function render(said: Contents, reasons: number, kept: readonly number[]): string {
  const left = said.reasons.length - reasons;
  const list = said.reasons.slice(0, reasons).map((reason) => `- ${markdownText(reason)}`);
  if (left > 0) list.push(`- ${left} more, left out for length`);
  return [
    `## ${symbols[said.standing.mood]} ${markdownText(said.title)}: ${said.standing.word.toLowerCase()}`,
    `**${markdownText(said.headline)}**`,
    ...(list.length > 0 ? [list.join('\n')] : []),
    ...said.sections.map((section, index) => renderSection(section, kept[index] as number)),
  ]
    .join('\n\n')
    .concat('\n');
}

function renderSection(section: Section, kept: number): string {
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
