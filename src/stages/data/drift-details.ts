import type { DriftMeasures } from '../../profile/column-drift.ts';
import type { PairedCounts } from '../../profile/measures.ts';
import type { JudgedTest, TestedColumn } from '../../profile/drift.ts';
import { showValue } from './show.ts';

type Measures = Omit<DriftMeasures, 'kind' | 'n' | 'missing'>;

/** One column of a comparison, as the evidence keeps it: see docs/drift.md for each measure. */
export interface ColumnDetails extends Record<keyof Measures, number | null> {
  kind: DriftMeasures['kind'] | null;
  /** Rows with a value. */
  n: [reference: number, current: number];
  missing: [reference: number, current: number];
  verdict: TestedColumn['verdict'];
  tests: { of: JudgedTest['of']; effect: number; threshold: number; p: number; adjusted_p: number; verdict: string }[];
  note?: string;
  /** Of columns that changed: rows by bin. */
  bins?: { labels: string[]; reference: number[]; current: number[] };
}

const shownCategories = 10;
/** Categories of fewer rows may be values of one person. */
const leastShown = 5;

export function columnDetails(tested: TestedColumn, note?: string): ColumnDetails {
  const { drift, values, missing, verdict, tests } = tested;
  const { kind, n: _n, missing: _missing, ...measures } = drift?.measures ?? noMeasures;
  return {
    kind,
    n: values,
    missing,
    ...(Object.fromEntries(Object.entries(measures).map(([name, value]) => [name, finite(value)])) as typeof measures),
    verdict,
    tests: tests.map(({ of, effect, threshold, p, adjustedP, verdict: said }) => {
      return { of, effect, threshold, p, adjusted_p: adjustedP, verdict: said };
    }),
    ...(note === undefined ? {} : { note }),
    ...(drift === null || (verdict !== 'warn' && verdict !== 'fail') ? {} : { bins: shownBins(drift.bins) }),
  };
}

const noMeasures: Record<keyof DriftMeasures, null> = {
  kind: null,
  n: null,
  missing: null,
  psi: null,
  kl: null,
  js_distance: null,
  ks: null,
  ks_p: null,
  wasserstein: null,
  wasserstein_over_iqr: null,
  chi_squared: null,
  cramers_v: null,
  p: null,
};

/** Distances of the largest doubles are none that JSON has. */
function finite(value: number | null): number | null {
  return value !== null && Number.isFinite(value) ? value : null;
}

function shownBins({
  edges,
  categories = [],
  reference,
  current,
}: PairedCounts & { edges?: number[]; categories?: string[] }): NonNullable<ColumnDetails['bins']> {
  if (edges !== undefined) return { labels: binLabels(edges), reference: [...reference], current: [...current] };
  const counted = categories.map((name, index) => ({
    name,
    before: reference[index] ?? 0,
    now: current[index] ?? 0,
  }));
  const frequent = counted
    .filter(({ before, now }) => before + now >= leastShown)
    .sort((a, b) => Math.max(b.before, b.now) - Math.max(a.before, a.now))
    .slice(0, shownCategories);
  const kept = new Set(frequent);
  const others = counted.filter((each) => !kept.has(each));
  const shown = frequent.map(({ name, before, now }) => ({
    name: /^[ -~]{1,40}$/u.test(name) ? name : showValue(name),
    before,
    now,
  }));
  if (others.length > 0) {
    shown.push({
      name: `(${others.length} other${others.length === 1 ? '' : 's'})`,
      before: others.reduce((sum, { before }) => sum + before, 0),
      now: others.reduce((sum, { now }) => sum + now, 0),
    });
  }
  return {
    labels: shown.map(({ name }) => name),
    reference: shown.map(({ before }) => before),
    current: shown.map(({ now }) => now),
  };
}

/** "to 0.14", "0.14 to 0.65", "above 0.65": in as many digits as tell the edges apart. */
function binLabels(edges: readonly number[]): string[] {
  const digits = [3, 4, 6, 9].find(
    (each) => new Set(edges.map((edge) => edge.toPrecision(each))).size === edges.length,
  );
  const texts = edges.map((edge) => String(digits === undefined ? edge : Number(edge.toPrecision(digits))));
  return [
    `to ${texts[0] ?? ''}`,
    ...texts.slice(1).map((text, index) => `${texts[index] ?? ''} to ${text}`),
    `above ${texts.at(-1) ?? ''}`,
  ];
}
