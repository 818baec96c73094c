import type { Evidence } from '../../evidence/index.ts';
import { checksSection } from '../../report/checks.ts';
import { codeCell, numberCell, textCell, type Cell, type Chart, type Section } from '../../report/section.ts';
import type { ComparisonDetails } from './drift.ts';
import type { ColumnDetails } from './drift-details.ts';
import { count, counted, significant, unitOf } from '../../wording.ts';

const shownColumns = 20;
const shownCharts = 8;

/** The checks, and where the data drifted, how. */
export function sections(evidence: Evidence): Section[] {
  const compared = (evidence.details['drift'] ?? {}) as Record<string, ComparisonDetails>;
  return [checksSection('Data', evidence), ...violations(evidence), ...Object.values(compared).map(driftSection)];
}

interface Violations {
  violations: { column: string | null; rule: string; message: string; rows: number }[];
  examples: { row: number; line?: number; column: string | null; message: string; value: string }[];
}

/** What breaks the contract, most frequent first, and the first rows that do. */
function violations({ details }: Evidence): Section[] {
  const datasets = Object.entries((details['datasets'] ?? {}) as Record<string, Partial<Violations> | null>);
  return datasets.flatMap(([name, found]) => {
    const kinds = objects(found?.violations).filter(({ rows }) => typeof rows === 'number');
    const examples = objects(found?.examples).filter(({ row }) => typeof row === 'number');
    if (kinds.length === 0) return [];
    const byColumn = new Map<string, number>();
    for (const { column, rows } of kinds) byColumn.set(nameOf(column), (byColumn.get(nameOf(column)) ?? 0) + rows);
    const points = [...byColumn].map(([x, y]) => ({ x, y }));
    return [
      {
        title: `Violations in the ${name} data`,
        columns: ['Column', 'Violation', 'Rows'],
        legend: 'A row counts once, for the first rule that it violates.',
        rows: kinds
          .slice(0, shownColumns)
          .map(({ column, message, rows }) => [textCell(nameOf(column)), textCell(message), numberCell(count(rows))]),
        charts: [
          {
            kind: 'rows' as const,
            title: `Rows of the ${name} data that break the contract, by column`,
            x: { title: 'column' },
            y: { title: 'rows' },
            series: [{ name: 'rows', points: points.slice(0, shownColumns) }],
            repeatsTable: true,
          },
        ],
        importance: 4,
      },
      {
        title: `First violations in the ${name} data`,
        columns: ['Row', 'Line', 'Column', 'Value', 'Violation'],
        rows: examples.map(({ row, line, column, value, message }) => [
          numberCell(count(row)),
          numberCell(line === undefined ? '' : count(line)),
          textCell(nameOf(column)),
          codeCell(value),
          textCell(message),
        ]),
        collapsed: true,
        importance: 2,
      },
    ];
  });
}

function nameOf(column: string | null): string {
  return column ?? 'whole row';
}

/** Details are plain JSON of any form. */
function objects<T extends object>(values: readonly T[] | undefined): T[] {
  return Array.isArray(values) ? values.filter((each) => typeof each === 'object' && each !== null) : [];
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
      `${counted(reference.rows, 'rows')} of reference data against ${count(current.rows)}.`,
      'p is the smallest of the tests of the column, corrected for all of them.',
      ...(more > 0 ? [`${count(more)} more ${unitOf(more, 'columns')} changed less.`] : []),
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
