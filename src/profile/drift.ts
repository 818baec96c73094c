import { holm } from '../statistics/multiplicity.ts';
import { columnDrift, presentOf, type ColumnDrift, type ColumnValues, type DriftTest } from './column-drift.ts';

/** When a change counts. A column drifts only if the effect exceeds its threshold and is significant over all columns together. */
export interface DriftLimits {
  /** Family-wise level over all tests of all columns (Holm). */
  alpha: number;
  /** Corrected PSI beyond which a column fails; from half of it on it is a warning. */
  maxPsi: number;
  /** Change of the share of missing values, as a share. */
  maxMissing: number;
  /** Share of rows in categories that the reference has none of. */
  maxNewCategories: number;
  /** Rows with a value that each side needs. */
  minRows: number;
}

export const defaultDriftLimits: DriftLimits = {
  alpha: 0.05,
  maxPsi: 0.2,
  maxMissing: 0.05,
  maxNewCategories: 0.01,
  minRows: 100,
};

export interface TestedColumn {
  name: string;
  verdict: 'pass' | 'warn' | 'fail' | 'inconclusive';
  /** Null where a side has too few rows. */
  drift: ColumnDrift | null;
  rows: [reference: number, current: number];
  tests: (DriftTest & { threshold: number; adjustedP: number; verdict: 'pass' | 'warn' | 'fail' })[];
}

/** Compare all columns of two samples under one level. */
export function driftOf(
  columns: readonly { name: string; reference: ColumnValues; current: ColumnValues }[],
  limits: DriftLimits,
): TestedColumn[] {
  const compared = columns.map(({ name, reference, current }) => {
    const rows: [number, number] = [presentOf(reference), presentOf(current)];
    return { name, rows, drift: Math.min(...rows) < limits.minRows ? null : columnDrift(reference, current) };
  });
  const adjusted = holm(compared.flatMap(({ drift }) => drift?.tests.map(({ p }) => p) ?? []));
  let at = 0;
  return compared.map(({ name, rows, drift }) => {
    const tests = (drift?.tests ?? []).map((test) => judged(test, adjusted[at++] as number, limits));
    const verdicts = new Set(tests.map(({ verdict }) => verdict));
    const verdict =
      drift === null ? 'inconclusive' : verdicts.has('fail') ? 'fail' : verdicts.has('warn') ? 'warn' : 'pass';
    return { name, verdict, drift, rows, tests };
  });
}

function judged(test: DriftTest, adjustedP: number, limits: DriftLimits): TestedColumn['tests'][number] {
  const threshold = {
    distribution: limits.maxPsi,
    missing: limits.maxMissing,
    'new-categories': limits.maxNewCategories,
  }[test.of];
  const significant = adjustedP < limits.alpha;
  const verdict = !significant
    ? 'pass'
    : test.effect > threshold
      ? 'fail'
      : test.of === 'distribution' && test.effect > threshold / 2
        ? 'warn'
        : 'pass';
  return { ...test, threshold, adjustedP, verdict };
}
