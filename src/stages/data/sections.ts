import type { Evidence } from '../../evidence/index.ts';
import { checksSection } from '../../report/checks.ts';
import { significant } from '../../report/numbers.ts';
import { numberCell, textCell, type Cell, type Chart, type Section } from '../../report/section.ts';
import type { ComparisonDetails } from './drift.ts';
import type { ColumnDetails } from './drift-details.ts';
import { count } from './show.ts';

const shownColumns = 20;
const shownCharts = 8;

/** The checks, and where the data drifted, how. */
export function sections(evidence: Evidence): Section[] {
  const compared = (evidence.details['drift'] ?? {}) as Record<string, ComparisonDetails>;
  return [checksSection('Data', evidence), ...Object.values(compared).map(driftSection)];
}

/** The columns that changed most, with the shares of their bins where they changed too much. */
function driftSection({ reference, current, columns }: ComparisonDetails): Section {
  const all = Object.entries(columns).sort(([, a], [, b]) => strength(b) - strength(a));
  const shown = all.slice(0, shownColumns);
  const more = all.length - shown.length;
  return {
    title: `Drift of the ${current.dataset} data`,
    columns: ['Verdict', 'Column', 'PSI', 'Corrected', 'KS', "Cramér's V", 'Missing before', 'Missing now', 'p'],
    rows: shown.map(columnRow),
    charts: shown
      .filter(([, { bins }]) => bins !== undefined)
      .slice(0, shownCharts)
      .map(binsChart),
    legend: [
      `${count(reference.rows)} rows of reference data against ${count(current.rows)}.`,
      'p is the smallest of the tests of the column, corrected for all of them.',
      ...(more > 0 ? [`${count(more)} more column${more === 1 ? '' : 's'} changed less.`] : []),
    ].join(' '),
    collapsed: true,
    importance: 3,
  };
}

/** How far the worst test of a column is, against its limit; what fails comes first. */
function strength({ verdict, tests }: ColumnDetails): number {
  const rank = { fail: 3, inconclusive: 2, warn: 1, pass: 0 }[verdict];
  const ratios = tests.map(({ effect, threshold }) => (threshold > 0 ? effect / threshold : 0));
  return 1000 * rank + Math.min(999, Math.max(0, ...ratios));
}

function columnRow([name, found]: [string, ColumnDetails]): Cell[] {
  const { verdict, psi, ks, kind, cramers_v: v, tests, n, missing } = found;
  const corrected = tests.find(({ of }) => of === 'distribution')?.effect;
  const p = tests.length === 0 ? null : Math.min(...tests.map(({ adjusted_p: each }) => each));
  const mood = { pass: 'good', warn: 'open', fail: 'bad', inconclusive: 'open' } as const;
  return [
    { text: verdict, kind: 'verdict', mood: mood[verdict] },
    textCell(name),
    number(psi),
    number(corrected),
    number(ks),
    number(kind === 'category' ? v : null),
    ...missing.map((rows, side) => numberCell(missingShare(rows, n[side] ?? 0))),
    numberCell(p === null ? '' : p < 0.001 ? '< 0.001' : significant(p, 2)),
  ];
}

function number(value: number | null | undefined): Cell {
  return numberCell(value === null || value === undefined ? '' : value.toFixed(3));
}

function missingShare(missing: number, present: number): string {
  return missing === 0 ? '0%' : `${significant((100 * missing) / (missing + present), 3)}%`;
}

function binsChart([name, { bins }]: [string, ColumnDetails]): Chart {
  const { labels = [], ...sides } = bins ?? { reference: [], current: [] };
  const points = (rows: readonly number[]): { x: string; y: number }[] => {
    const total = rows.reduce((sum, each) => sum + each, 0);
    return labels.map((x, index) => ({ x, y: total === 0 ? 0 : (100 * (rows[index] ?? 0)) / total }));
  };
  return {
    kind: 'bar',
    title: `${name}: reference against current data`,
    x: { title: name },
    y: { title: 'rows', unit: '%' },
    series: [
      { name: 'reference', points: points(sides.reference) },
      { name: 'current', points: points(sides.current) },
    ],
  };
}
