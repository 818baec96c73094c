import { holm } from '../statistics/multiplicity.ts';
import { columnDrift, missingTest, presentOf, rowsOf } from './column-drift.ts';
import type { ColumnDrift, ColumnValues, DriftTest } from './column-drift.ts';

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

/** What was found of one column, before all columns are judged together. */
export interface ComparedColumn {
  name: string;
  /** Rows with a value. */
  values: [reference: number, current: number];
  missing: [reference: number, current: number];
  /** Null where a side has no value at all. */
  drift: ColumnDrift | null;
  /** Those that there are rows enough for. */
  tests: DriftTest[];
  /** Are there too few values to judge the distribution by? */
  tooFew: boolean;
  /** Why the distribution cannot be judged however many values there are: it fails where a test fails, and never passes. */
  unjudged?: string;
}

export interface TestedColumn extends ComparedColumn {
  verdict: 'pass' | 'warn' | 'fail' | 'inconclusive';
  tests: JudgedTest[];
}

export interface JudgedTest extends DriftTest {
  threshold: number;
  adjustedP: number;
  verdict: 'pass' | 'warn' | 'fail';
}

/** Compare all columns of two samples under one level. */
export function driftOf(
  columns: readonly { name: string; reference: ColumnValues; current: ColumnValues }[],
  limits: DriftLimits,
): TestedColumn[] {
  return judgeColumns(
    columns.map(({ name, reference, current }) => compareColumn(name, reference, current, limits)),
    limits,
  );
}

/** Compare one column of two samples, whose values are not needed any more then. */
export function compareColumn(
  name: string,
  reference: ColumnValues,
  current: ColumnValues,
  { minRows }: DriftLimits,
): ComparedColumn {
  const values: [number, number] = [presentOf(reference), presentOf(current)];
  const drift = Math.min(...values) === 0 ? null : columnDrift(reference, current);
  const absent = Math.max(...values) === 0;
  const enoughRows = Math.min(rowsOf(reference), rowsOf(current)) >= minRows;
  // Two columns without any value have nothing that could change; one that lost its values has changed.
  const tooFew = absent ? !enoughRows : Math.min(...values) < minRows;
  return {
    name,
    values,
    missing: [reference.missing, current.missing],
    drift,
    tests: [...(drift === null || tooFew ? [] : drift.tests), ...(enoughRows ? [missingTest(reference, current)] : [])],
    tooFew,
  };
}

/** The verdict of each column, at one level over all tests of all columns. */
export function judgeColumns(compared: readonly ComparedColumn[], limits: DriftLimits): TestedColumn[] {
  const adjusted = holm(compared.flatMap(({ tests }) => tests.map(({ p }) => p)));
  let at = 0;
  return compared.map((column) => {
    const tests = column.tests.map((test) => judged(test, adjusted[at++] as number, limits));
    const verdicts = new Set(tests.map(({ verdict }) => verdict));
    const verdict = verdicts.has('fail')
      ? 'fail'
      : column.tooFew || column.unjudged !== undefined
        ? 'inconclusive'
        : verdicts.has('warn')
          ? 'warn'
          : 'pass';
    return { ...column, verdict, tests };
  });
}

function judged(test: DriftTest, adjustedP: number, limits: DriftLimits): JudgedTest {
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
