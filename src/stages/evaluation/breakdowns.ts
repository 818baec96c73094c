import { lossInMargins, type Comparison, type Evidence } from '../../evidence/index.ts';
import { metricName } from '../../report/numbers.ts';
import { codeCell, numberCell, textCell, type Section } from '../../report/section.ts';
import { count, counted } from '../../wording.ts';
import type { Changes } from './agreement.ts';

const shownRows = 30;
/** Margins at which a colour is as strong as it gets. */
const strongest = 2;

/** Several metrics on several slices at a glance: what each loses or gains, in margins. */
export function heatMap({ checks }: Evidence): Section {
  const compared = checks.flatMap(({ comparison }) =>
    comparison?.slice === undefined || comparison.anchor !== undefined ? [] : [comparison as Sliced],
  );
  const metrics = new Set(compared.map(({ metric }) => metric));
  const worst = (comparisons: readonly Comparison[]): number => Math.max(...comparisons.map(lossInMargins));
  const bySlice = [...new Set(compared.map(({ slice }) => slice))]
    .map((name): [string, Sliced[]] => [name, compared.filter(({ slice }) => slice === name)])
    .sort(([, a], [, b]) => worst(b) - worst(a));
  const series = bySlice.slice(0, shownRows).map(([name, comparisons]) => ({
    name,
    points: comparisons.map((each) => ({
      x: metricName(each.metric),
      y: Math.max(-1, Math.min(1, -lossInMargins(each) / strongest)),
    })),
  }));
  return {
    title: 'Metrics by slice',
    columns: [],
    rows: [],
    charts:
      metrics.size < 2
        ? []
        : [
            {
              kind: 'heat',
              title: 'Gain (+) and loss (−) by slice and metric; the strongest colour is two margins',
              x: { title: 'metric' },
              y: { title: 'gain' },
              series,
              repeatsTable: true,
            },
          ],
    importance: 1,
  };
}

type Sliced = Comparison & { slice: string };

type Churn = Changes & { slices: Churn[]; slice: string };

/** How many rows the candidate decides otherwise than the champion, slice by slice. Details are plain JSON of any form. */
export function changedDecisions({ details }: Evidence): Section {
  const { changed, fixed, broken, rows, slices } = (details['churn'] ?? {}) as Partial<Churn>;
  const shared = { title: 'Decisions that change', collapsed: true, importance: 2 };
  if (![changed, fixed, broken, rows].every((each) => typeof each === 'number') || !Array.isArray(slices)) {
    return { ...shared, columns: [], rows: [] };
  }
  const listed = slices
    .filter(isChurn)
    .sort((a, b) => b.broken - b.fixed - (a.broken - a.fixed))
    .slice(0, shownRows);
  const points = (value: (each: Churn) => number): { x: string; y: number }[] =>
    listed.map((each) => ({ x: each.slice, y: value(each) }));
  return {
    ...shared,
    text: [
      `${count(changed ?? 0)} of ${counted(rows ?? 0, 'rows')} have a different decision: ${count(broken ?? 0)} were right and are now wrong, ${count(fixed ?? 0)} were wrong and are now right. changed-rows.csv in the output folder lists them.`,
    ],
    columns: ['Slice', 'Rows', 'Changed', 'Broken', 'Fixed'],
    rows: listed.map((each) => [
      textCell(each.slice),
      ...[each.rows, each.changed, each.broken, each.fixed].map((value) => numberCell(count(value))),
    ]),
    charts:
      listed.length === 0
        ? []
        : [
            {
              kind: 'rows',
              title: 'Rows that became wrong (left) and right (right)',
              x: { title: 'slice' },
              y: { title: 'rows' },
              series: [
                { name: 'fixed', points: points((each) => each.fixed) },
                { name: 'broken', points: points((each) => -each.broken) },
              ],
              repeatsTable: true,
            },
          ],
  };
}

function isChurn(value: unknown): value is Churn {
  const { slice, ...counts } = (value ?? {}) as Partial<Churn>;
  const { rows, changed, broken, fixed } = counts;
  return typeof slice === 'string' && [rows, changed, broken, fixed].every((each) => typeof each === 'number');
}

/** Rows by label and decision, champion beside candidate: all of few classes, of many the cells that change most. */
export function confusion({ details }: Evidence): Section {
  const { champion, candidate } = (details['confusion'] ?? {}) as Partial<Record<string, unknown>>;
  const classes = Array.isArray(details['classes']) ? (details['classes'] as { name?: unknown }[]) : [];
  const nameOf = (index: number): string => {
    const name = classes[index]?.name;
    return typeof name === 'string' ? name : String(index);
  };
  const before = cellsOf(champion);
  const cells = cellsOf(candidate)
    .flatMap((row, label) => row.map((now, decided) => ({ label, decided, now, was: before[label]?.[decided] })))
    .filter(({ now, was = 0 }) => now !== 0 || was !== 0);
  const change = ({ now, was }: { now: number; was: number | undefined }): number =>
    was === undefined ? 0 : now - was;
  const listed =
    cells.length <= shownRows
      ? cells
      : cells.toSorted((a, b) => Math.abs(change(b)) - Math.abs(change(a))).slice(0, shownRows);
  return {
    title: 'Labels and decisions',
    // Of a first model there is nothing to compare with.
    columns: ['Label', 'Decided as', ...(before.length === 0 ? ['Rows'] : ['Champion', 'Candidate', 'Change'])],
    rows: listed.map((cell) => [
      textCell(nameOf(cell.label)),
      textCell(cell.label === cell.decided ? `${nameOf(cell.decided)} (right)` : nameOf(cell.decided)),
      ...(before.length === 0 ? [] : [numberCell(cell.was === undefined ? '' : count(cell.was))]),
      numberCell(count(cell.now)),
      ...(before.length === 0 ? [] : [numberCell(change(cell) > 0 ? `+${count(change(cell))}` : count(change(cell)))]),
    ]),
    ...(listed.length < cells.length
      ? { legend: `The ${shownRows} of ${count(cells.length)} with the largest changes.` }
      : {}),
    collapsed: true,
    importance: 2,
  };
}

function cellsOf(matrix: unknown): number[][] {
  if (!Array.isArray(matrix)) return [];
  return matrix.map((row: unknown) => (Array.isArray(row) ? row.map(Number) : []));
}

interface Doubt {
  id: string;
  label: string;
  named: string;
  champion: number;
  candidate: number;
}

/** Rows whose label both models contradict: advice to whoever labels, which decides nothing. Details are plain JSON of any form. */
export function doubtfulLabels({ details }: Evidence): Section {
  const shared = { title: 'Labels that both models contradict', collapsed: true, importance: 3 };
  const { rows, expected, listed } = (details['doubtfulLabels'] ?? {}) as Record<string, unknown>;
  if (typeof rows !== 'number' || typeof expected !== 'number' || !Array.isArray(listed)) {
    return { ...shared, columns: [], rows: [] };
  }
  const doubts = listed.filter(isDoubt);
  const more =
    rows > doubts.length ? `; the ${count(doubts.length)} with the highest confidence are in the evidence` : '';
  return {
    ...shared,
    text: [
      `${counted(rows, 'rows')}${more}. If every label were right, about ${count(Math.round(expected))} would be expected. ${rows > expected ? 'Some of these labels may be wrong: check them.' : 'This is no sign of wrong labels.'}`,
    ],
    columns: ['Row', 'Label', 'Both models', 'Champion', 'Candidate'],
    rows: doubts
      .slice(0, shownRows)
      .map(({ id, label, named, champion, candidate }) => [
        codeCell(id),
        textCell(label),
        textCell(named),
        numberCell(champion.toFixed(3)),
        numberCell(candidate.toFixed(3)),
      ]),
  };
}

function isDoubt(value: unknown): value is Doubt {
  const { id, label, named, champion, candidate } = Object(value) as Record<keyof Doubt, unknown>;
  return (
    [id, label, named].every((each) => typeof each === 'string') &&
    [champion, candidate].every((each) => typeof each === 'number')
  );
}
