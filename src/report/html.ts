import { contents, type Contents } from './contents.ts';
import { htmlText } from './escape.ts';
import { colour, isBefore, type Draw } from './draw.ts';
import { intervalDrawing, type InMargins } from './interval.ts';
import { chartTable, type Cell, type Chart, type Section } from './section.ts';
import type { ReportInput } from './standing.ts';

/** The report as one self-contained page: no scripts, nothing fetched, light and dark. @param draw what makes a chart of numbers */
export function renderHtml(input: ReportInput, draw: Draw): string {
  return htmlPage(contents(input), draw);
}

/** The same of contents that are arranged already. */
export function htmlPage(said: Contents, draw: Draw): string {
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'" />
        <meta name="color-scheme" content="light dark" />
        <title>${said.title}: ${said.standing.word}</title>
        <style>
          ${trusted(style)}
        </style>
      </head>
      <body>
        <main>
          <h1>${said.title} <span class="badge ${said.standing.mood}">${said.standing.word}</span></h1>
          <p class="headline">${said.headline}</p>
          ${said.nextStep === '' ? [] : html`<p><strong>What to do:</strong> ${said.nextStep}</p>`}
          ${
            said.pullRequest === undefined
              ? []
              : html`<p><a href="${said.pullRequest.url}">Pull request ${String(said.pullRequest.number)}</a></p>`
          }
          ${said.subject === '' ? [] : html`<p class="count">${said.subject}</p>`}
          ${
            said.reasons.length === 0
              ? []
              : html`<ul>
                  ${said.reasons.map((reason) => html`<li>${reason}</li>`)}
                </ul>`
          }
          ${said.sections.map((section, index) => renderSection(section, index, draw))}
        </main>
      </body>
    </html> `;
  return page.markup;
}

function renderSection(section: Section, index: number, draw: Draw): Markup {
  const id = `section-${index + 1}`;
  const { rows } = section;
  const count = rows.length === 0 ? [] : html` <span class="count">${String(rows.length)}</span>`;
  const heading = html`<h2 id="${id}">${section.title}${count}</h2>`;
  const remarks = (section.remarks ?? []).filter((remark) => remark !== null);
  const body = html`${(section.text ?? []).map((text) => html`<p>${text}</p>`)} ${figures(section.charts ?? [], draw)}
  ${rows.length === 0 ? [] : table(section, { id })}
  ${section.legend === undefined ? [] : html`<p class="count">${section.legend}</p>`}
  ${
    remarks.length === 0
      ? []
      : html`<ul>
          ${remarks.map(({ of, text }) => html`<li>${cellText(of)}: ${text}</li>`)}
        </ul>`
  }`;
  if (section.collapsed !== true) return html`<section>${heading}${body}</section> `;
  return html`<details>
    <summary>${heading}</summary>
    ${body}
  </details> `;
}

/** Wide tables scroll by keyboard too; on a narrow screen each row is a card whose cells say what they are. */
function table({ columns, rows }: Pick<Section, 'columns' | 'rows'>, by: { id: string } | { name: string }): Markup {
  const named = 'id' in by ? html`aria-labelledby="${by.id}"` : html`aria-label="${by.name}"`;
  return html`<div class="wide" tabindex="0" role="region" ${named}>
    <table ${named}>
      <thead>
        <tr>
          ${columns.map((column, at) => html`<th scope="col" ${align(rows[0]?.[at])}>${column}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (row) =>
            html`<tr>
              ${row.map((cell, at) => renderCell(cell, columns[at] ?? ''))}
            </tr> `,
        )}
      </tbody>
    </table>
  </div>`;
}

/** Charts side by side where there is room. */
function figures(charts: readonly Chart[], draw: Draw): Part {
  if (charts.length === 0) return [];
  return html`<div class="figures">${charts.map((chart) => figure(chart, draw))}</div>`;
}

/** A chart, what its colours mean, and its numbers for whoever cannot see it. */
function figure(chart: Chart, draw: Draw): Markup {
  const { title, series, limits = [], repeatsTable } = chart;
  const keys = series.length < 2 ? [] : series.map(({ name }, index) => key(name, colour(index), isBefore(name)));
  const numbers = chartTable(chart);
  return html`<figure>
    <figcaption>
      ${title}
      <span class="keys">${keys}${limits.map((limit) => key(limit.title, 'var(--bad)', true))}</span>
    </figcaption>
    ${chart.note === undefined ? [] : html`<p class="count">${chart.note}</p>`} ${trusted(draw(chart))}
    ${
      repeatsTable === true
        ? []
        : html`<details>
            <summary>Numbers</summary>
            ${table(numbers, { name: `${title}: numbers` })}
          </details>`
    }
  </figure> `;
}

function key(name: string, stroke: string, dashed: boolean): Markup {
  const dashes = trusted(dashed ? ' stroke-dasharray="4 2"' : '');
  return html`<span class="key"
    ><svg width="22" height="8" aria-hidden="true">
      <path d="M0,4H22" stroke="${stroke}" stroke-width="2" ${dashes} /></svg
    >${name}</span
  > `;
}

function renderCell(cell: Cell, column: string): Markup {
  const { href } = cell;
  const text = cellText(cell);
  return html`<td data-column="${column}" ${align(cell)}>
    ${href === undefined ? text : html`<a href="${href}">${text}</a>`}
  </td>`;
}

function cellText({ text, kind, mood, interval }: Cell): Part {
  if (interval !== undefined) return intervalFigure(interval);
  if (kind === 'code') return html`<code>${text}</code>`;
  return kind === 'verdict' ? html`<span class="badge ${mood ?? 'none'}">${text}</span>` : text;
}

function intervalFigure(interval: InMargins): Markup {
  const { viewBox, label, shapes } = intervalDrawing(interval);
  return html`<svg class="interval" role="img" aria-label="${label}" viewBox="${viewBox}">${trusted(shapes)}</svg>`;
}

function align(cell: Cell | undefined): Markup {
  return trusted(cell?.kind === 'number' ? ' class="number"' : '');
}

/** Text that is markup already. Only the templates of this file make it. */
interface Markup {
  markup: string;
}

type Part = string | Markup | readonly Part[];

/** A template whose values are escaped unless a template made them. */
function html(texts: TemplateStringsArray, ...parts: Part[]): Markup {
  return {
    markup: texts.map((text, index) => text + (index < parts.length ? markup(parts[index] as Part) : '')).join(''),
  };
}

function markup(part: Part): string {
  if (typeof part === 'string') return htmlText(part);
  return 'markup' in part ? part.markup : part.map(markup).join('');
}

function trusted(text: string): Markup {
  return { markup: text };
}

// Words are never split: a table that is too wide for its words scrolls. In the cards of a narrow screen a digest is.
const style = `
:root { color-scheme: light dark; --ink: #1f2328; --soft: #59636e; --line: #d1d9e0; --ground: #ffffff; --link: #0969da; --good: #1a7f37; --bad: #cf222e; --open: #9a6700; --none: #59636e; --series-0: #0969da; --series-1: #953800; --series-2: #6639ba; --series-3: #1a7f37; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #f0f6fc; --soft: #9198a1; --line: #3d444d; --ground: #0d1117; --link: #4493f8; --good: #3fb950; --bad: #f85149; --open: #d29922; --none: #9198a1; --series-0: #4493f8; --series-1: #f0883e; --series-2: #ab7df8; --series-3: #3fb950; }
}
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; overflow-wrap: break-word; }
main { max-width: 70rem; margin: 0 auto; padding: 2rem 1rem 4rem; }
a { color: var(--link); }
h1 { font-size: 1.6rem; }
h2 { display: inline; font-size: 1.15rem; }
.headline { font-size: 1.15rem; }
.badge { color: var(--none); border: 1px solid currentColor; border-radius: 1rem; padding: 0 0.6rem; font-size: 0.85em; white-space: nowrap; }
.good { color: var(--good); } .bad { color: var(--bad); } .open { color: var(--open); }
section, details { margin: 1.5rem 0; }
summary { cursor: pointer; }
.count { color: var(--soft); font-weight: 400; }
p.count, section ul { font-size: 0.9rem; }
.wide { overflow-x: auto; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 0 2rem; }
figure { margin: 1rem 0; max-width: 40rem; min-width: 0; break-inside: avoid; }
figcaption { font-size: 0.9rem; font-weight: 600; }
.keys { font-weight: 400; color: var(--soft); }
.key { margin-left: 0.75rem; white-space: nowrap; } .key svg { margin-right: 0.3rem; vertical-align: middle; }
.interval { display: block; width: 9rem; height: 1.15rem; stroke: var(--series-0); fill: none; stroke-width: 2; }
.interval .beyond { fill: var(--bad); fill-opacity: 0.12; stroke: none; } .interval .dot, .interval .arrow { fill: var(--series-0); stroke: none; }
.interval .margin { stroke: var(--bad); stroke-width: 1; stroke-dasharray: 2 2; } .interval .zero { stroke: var(--soft); stroke-width: 1; }
.chart { display: block; width: 100%; height: auto; color: var(--soft); }
figure details { margin: 0.25rem 0; font-size: 0.85rem; color: var(--soft); }
@media (max-width: 640px) {
  table, tbody { display: block; }
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  tr { display: block; border: 1px solid var(--line); border-radius: 0.5rem; margin: 0.5rem 0; padding: 0.25rem 0; }
  td { display: flex; justify-content: space-between; gap: 1rem; border: 0; max-width: none; text-align: right; white-space: normal; overflow-wrap: anywhere; }
  td::before { content: attr(data-column); color: var(--soft); text-align: left; flex: none; }
}
table { border-collapse: collapse; margin-top: 0.5rem; font-size: 0.9rem; }
th, td { border-bottom: 1px solid var(--line); padding: 0.35rem 0.75rem; text-align: left; vertical-align: top; }
th { color: var(--soft); }
td { max-width: 34rem; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
code { font-size: 0.85em; }
@media print {
  details::details-content { content-visibility: visible; block-size: auto; }
  summary { list-style: none; }
  .wide { overflow-x: visible; }
}
`;
