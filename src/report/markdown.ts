import { contents, type Contents } from './contents.ts';
import { markdownCode, markdownText } from './escape.ts';
import { withoutCharts, type Cell, type Section } from './section.ts';
import type { ReportInput, Standing } from './standing.ts';

/** The most bytes GitHub takes for a step summary. */
export const summaryLimit = 1024 * 1024;

export interface MarkdownOptions {
  /** UTF-8 bytes the text may take. The least important rows are left out to fit, and the text says so. */
  limit?: number;
  /** What it says is only the word of a run of people who may not write to the repository. */
  untrusted?: boolean;
}

/** The report as GitHub-flavoured Markdown: verdict, deciding numbers, comparisons; then the detail, closed. */
export function renderMarkdown(input: ReportInput, options: MarkdownOptions = {}): string {
  return markdownPage(contents(input), options);
}

/** The same of contents that are arranged already. */
export function markdownPage(said: Contents, options: MarkdownOptions = {}): string {
  const { limit = Infinity, untrusted = false } = options;
  const page = written(said, untrusted);
  const fits = (kept: Kept): boolean => Buffer.byteLength(render(page, kept)) <= limit;
  let kept: Kept = { reasons: page.reasons.length, rows: page.sections.map(({ rows }) => rows.length) };
  if (fits(kept)) return render(page, kept);
  const order = page.sections.map((_, index) => index);
  const importance = (index: number): number => page.sections[index]?.importance ?? 0;
  // Of sections that matter as much, the first leads with what decided.
  for (const index of order.sort((a, b) => importance(a) - importance(b) || b - a)) {
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
  text: string;
  head: string;
  rows: readonly string[];
  /** Of each row: what is said of it below the table, or nothing. */
  remarks: readonly string[];
  legend: string;
}

function written(said: Contents, untrusted: boolean): Page {
  return {
    lead: [
      reportHeading(said.title, said.standing, untrusted),
      `**${markdownText(said.headline)}**`,
      ...(said.nextStep === '' ? [] : [`**What to do:** ${markdownText(said.nextStep)}`]),
      ...(said.reportUrl === undefined ? [] : [`[Report with charts](${encodeURI(said.reportUrl)})`]),
      ...(said.pullRequest === undefined
        ? []
        : [`[Pull request ${said.pullRequest.number}](${encodeURI(said.pullRequest.url)})`]),
      ...(said.subject === '' ? [] : [markdownText(said.subject)]),
    ],
    reasons: said.reasons.map((reason) => `- ${markdownText(reason)}`),
    sections: withoutCharts(said.sections).map(writtenSection),
  };
}

/** How a model stands, and whose word that is where it is not ours. */
export function reportHeading(model: string, { mood, word }: Standing, untrusted: boolean): string {
  const heading = `## ${symbols[mood]} ${markdownText(model)}: ${word.toLowerCase()}`;
  if (!untrusted) return heading;
  return `${heading}, as the fork's own run reports\n\n> Everything below is under the control of the author of this pull request. Nothing is recorded from it: the candidate is judged again when it is merged.`;
}

function writtenSection({
  title,
  text = [],
  collapsed = false,
  importance,
  columns,
  rows,
  remarks,
  legend,
}: Section): WrittenSection {
  const alignment = columns.map((_, index) => (rows[0]?.[index]?.kind === 'number' ? '---:' : '---'));
  return {
    title: markdownText(title),
    collapsed,
    importance,
    text: text.map((paragraph) => markdownText(paragraph)).join('\n\n'),
    head: `${row(columns)}\n${row(alignment)}`,
    rows: rows.map((cells) => row(cells.map(cell))),
    remarks: rows.map((_, index) => {
      const remark = remarks?.[index] ?? null;
      return remark === null ? '' : `- ${cell(remark.of)}: ${markdownText(remark.text)}`;
    }),
    legend: legend === undefined ? '' : `<sub>${markdownText(legend)}</sub>`,
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

export function renderSection(section: Section): string {
  return sectionText(writtenSection(section), section.rows.length);
}

function sectionText({ title, collapsed, text, head, rows, remarks, legend }: WrittenSection, kept: number): string {
  const left = rows.length - kept;
  const note = left > 0 ? `_${left} of ${rows.length} rows left out for length; the evidence has them all._` : '';
  const parts =
    kept === 0 ? [note] : [[head, ...rows.slice(0, kept)].join('\n'), legend, list(remarks.slice(0, kept)), note];
  const body = [text, ...parts].filter((part) => part !== '').join('\n\n');
  if (!collapsed) return `### ${title}\n\n${body}`;
  // The blank lines make GitHub read what is inside as Markdown.
  return `<details>\n<summary>${title}${rows.length === 0 ? '' : ` (${rows.length})`}</summary>\n\n${body}\n\n</details>`;
}

function list(items: readonly string[]): string {
  return items.filter((item) => item !== '').join('\n');
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}

function cell(shown: Cell): string {
  const text = cellText(shown);
  return shown.href === undefined || text === '' ? text : `[${text}](${shown.href})`;
}

/** Numbers and verdicts stay on one line, however narrow the page. */
function cellText({ text, kind, mood = 'none' }: Cell): string {
  if (kind === 'code' || kind === 'interval') return text === '' ? '' : markdownCode(text);
  const safe = markdownText(text);
  if (kind === 'number') return safe.replaceAll(' ', '&nbsp;');
  return kind === 'verdict' ? `${symbols[mood]}&nbsp;${safe}` : safe;
}
