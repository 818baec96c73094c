import { labelColumns, roleOf, type Columns } from '../../config/index.ts';
import { holdsNumbers, readingOf, type CellRequest } from '../../data/cells.ts';
import { reading, type Dataset, type DatasetColumn } from '../../data/dataset.ts';
import { idsOfRows } from '../../data/row-ids.ts';
import { isWhole } from '../../data/types.ts';
import { copyRows, inWorkspace } from '../../data/workspace.ts';
import type { Check } from '../../evidence/check.ts';
import type { StageContext } from '../stage.ts';
import type { Leakage } from './schema.ts';
import { count, rowsOf, showValue } from './show.ts';

/** What the evidence tells of rows that stand twice. */
export interface LeakageDetails {
  /** Null without reference data, or where the datasets share no features. */
  overlap: Overlap | null;
  datasets: Record<string, Duplicates>;
}

interface Overlap {
  /** Columns that the rows are compared by. */
  columns: number;
  /** Evaluation rows that are also in the reference data too, but for the id. */
  rows: number;
  /** Those of them that have the same id there. */
  sameId: number | null;
}

interface Duplicates {
  rows: number;
  /** Rows that repeat an earlier one, but for the id. */
  repeated: number;
  /** Rows that differ from another in the label and the id alone; null where there are no labels. */
  conflicting: number | null;
}

type LeakageInput = Pick<StageContext, 'config' | 'datasets' | 'signal'>;

/**
 * Rows that stand in two datasets, or twice in one. Rows are compared by digests of 64 bits, which files exchange rather than that a
 * connection may read both: numbers by value, whatever type holds them, and everything else as the text in the file. Two different
 * rows pass for one with a probability of about 1 in 10^19 a pair.
 */
export async function leakageChecks(
  { config, datasets, signal }: LeakageInput,
  settings: Leakage,
): Promise<{ checks: Check[]; details: LeakageDetails }> {
  const details: LeakageDetails = { overlap: null, datasets: {} };
  const checks: Check[] = [];
  for (const [name, dataset] of Object.entries(datasets)) {
    signal?.throwIfAborted();
    const found = await duplicatesOf(dataset, config.columns);
    if (found === null) continue;
    details.datasets[name] = found;
    checks.push(...duplicateChecks(dataset, found, settings));
  }
  const { evaluation, reference } = datasets;
  if (evaluation !== undefined && reference !== undefined) {
    signal?.throwIfAborted();
    const found = await overlapOf(evaluation, reference, config.columns);
    if (found !== null) {
      details.overlap = found.overlap;
      checks.unshift(overlapCheck(evaluation, found, details.datasets['reference'], settings));
    }
  }
  return { checks, details };
}

/** Rows without what tells them apart by construction. */
function featuresOf(dataset: Dataset, columns: Columns): DatasetColumn[] {
  const labels = new Set(labelColumns(columns));
  return dataset.columns.filter(({ name }) => !labels.has(name) && roleOf(name, columns) !== 'id');
}

async function duplicatesOf(dataset: Dataset, columns: Columns): Promise<Duplicates | null> {
  const features = featuresOf(dataset, columns);
  if (features.length === 0) return null;
  const names = labelColumns(columns);
  const labels = dataset.columns.filter(({ name }) => names.includes(name));
  const cells = [...features, ...labels].map((column) => ({ column, use: useOf(column, column) }) as const);
  const { from, expressions } = readingOf(dataset, cells);
  const label = expressions.slice(features.length);
  const digests = `select hash(${expressions.slice(0, features.length).join(', ')}) as features,
    ${label.length === 0 ? 'null' : `if(${label.map((each) => `${each} is null`).join(' and ')}, null, hash(${label.join(', ')}))`} as label
    from ${from}`;
  const query = `with alike as (select features, label, count(*) as n from (${digests}) group by all),
    groups as (select sum(n) as n, count(*) as different, count(label) as labels from alike group by features)
    select coalesce(sum(n - different), 0)::double, coalesce(sum(n) filter (labels > 1), 0)::double from groups`;
  const [repeated, conflicting] = await firstRow(dataset, query);
  return {
    rows: dataset.rows,
    repeated: Number(repeated),
    conflicting: label.length === 0 ? null : Number(conflicting),
  };
}

/** Numbers by value; whole ones by their digits, which a double may not hold. */
function useOf(one: DatasetColumn, other: DatasetColumn): 'number' | 'text' {
  if (isWhole(one.type) && isWhole(other.type)) return 'text';
  return holdsNumbers(one) && holdsNumbers(other) ? 'number' : 'text';
}

async function overlapOf(
  evaluation: Dataset,
  reference: Dataset,
  columns: Columns,
): Promise<{ overlap: Overlap; ids: string[] } | null> {
  const there = new Map(reference.columns.map((column) => [column.name, column]));
  const shared = evaluation.columns.flatMap((column) => {
    const other = there.get(column.name);
    return other === undefined ? [] : [{ column, other }];
  });
  const features = new Set(featuresOf(evaluation, columns).map(({ name }) => name));
  if (!shared.some(({ column }) => features.has(column.name))) return null;
  const compared = shared.filter(({ column }) => column.name !== columns.id);
  const id = shared.find(({ column }) => column.name === columns.id);
  const requests = (side: 'column' | 'other'): CellRequest[] =>
    [...compared, ...(id === undefined ? [] : [id])].map((pair) => ({
      column: pair[side],
      use: useOf(pair.column, pair.other),
    }));
  return inWorkspace(async (workspace) => {
    for (const [table, dataset, side] of [
      ['evaluation', evaluation, 'column'],
      ['reference', reference, 'other'],
    ] as const) {
      await workspace.run(`create table ${table} (place bigint, cells ubigint, id ubigint)`);
      const { from, expressions } = readingOf(dataset, requests(side));
      const cells = `hash(${expressions.slice(0, compared.length).join(', ')})`;
      const key = id === undefined ? 'null::ubigint' : `hash(${expressions.at(-1) ?? ''})`;
      await reading(dataset, () => copyRows(dataset, ['row_number() over () - 1', cells, key], workspace, table, from));
    }
    const count = async (join: string): Promise<number> =>
      Number(
        (
          await workspace.runAndReadAll(`select count(*)::double from evaluation semi join reference using (${join})`)
        ).getRows()[0]?.[0],
      );
    const rows = await count('cells');
    const first = await workspace.runAndReadAll(
      'select place::double from evaluation semi join reference using (cells) order by place limit 3',
    );
    const places = first.getRows().map(([place]) => Number(place));
    const hasId = evaluation.columns.some(({ name }) => name === columns.id);
    return {
      overlap: { columns: compared.length, rows, sameId: id === undefined ? null : await count('cells, id') },
      ids: places.length === 0 || !hasId ? [] : [...(await idsOfRows(evaluation, columns.id, places)).values()],
    };
  });
}

function overlapCheck(
  evaluation: Dataset,
  { overlap: { rows, sameId, columns }, ids }: { overlap: Overlap; ids: string[] },
  reference: Duplicates | undefined,
  { max_overlap_rows: most = 0, severity = 'warn' }: Leakage,
): Check {
  const all = `${count(rows)} of ${rowsOf(evaluation.rows)} of the evaluation data ${rows === 1 ? 'is' : 'are'} also in the reference data`;
  const withId = sameId === null || sameId === 0 ? '' : `, ${sameId === rows ? 'all' : count(sameId)} with the same id`;
  const such = ids.length === 0 ? '' : `, such as ${ids.map(showValue).join(', ')}`;
  // Where few columns say little, equal rows are no copies.
  const natural =
    reference === undefined || reference.repeated === 0
      ? ''
      : `; in the reference data alone ${count(reference.repeated)} of ${rowsOf(reference.rows)} repeat another`;
  return {
    id: 'data/leakage/overlap',
    title: 'Evaluation rows that are also in the reference data',
    verdict: rows > most ? 'fail' : 'pass',
    severity,
    message:
      rows === 0
        ? `none of ${rowsOf(evaluation.rows)} is also in the reference data, compared by ${count(columns)} column${columns === 1 ? '' : 's'}`
        : `${all}${withId}${such}; at most ${count(most)} allowed${natural}`,
    observed: rows,
    required: most,
    limit: 'at most',
    unit: 'rows',
    ...(rows > most ? { location: { file: evaluation.uri } } : {}),
  };
}

function duplicateChecks(dataset: Dataset, found: Duplicates, settings: Leakage): Check[] {
  const { rows, repeated, conflicting } = found;
  const limited = (id: string, title: string, observed: number, most: number | undefined, said: string): Check => {
    const check = { id: `data/${dataset.name}/${id}`, title, message: said, observed };
    if (most === undefined) return { ...check, verdict: 'pass', severity: 'info', required: null };
    const passes = observed <= most;
    return {
      ...check,
      message: `${said}; at most ${count(most)} allowed`,
      verdict: passes ? 'pass' : 'fail',
      severity: settings.severity ?? 'warn',
      required: most,
      limit: 'at most',
      unit: 'rows',
      ...(passes ? {} : { location: { file: dataset.uri } }),
    };
  };
  const of = (number: number): string => `${count(number)} of ${rowsOf(rows)}`;
  return [
    limited(
      'duplicates',
      `Rows of the ${dataset.name} data that repeat an earlier one`,
      repeated,
      settings.max_duplicate_rows,
      `${of(repeated)} repeat${repeated === 1 ? 's' : ''} an earlier one, ignoring the id`,
    ),
    ...(conflicting === null
      ? []
      : [
          limited(
            'conflicting-labels',
            `Rows of the ${dataset.name} data that differ in the label alone`,
            conflicting,
            settings.max_conflicting_rows,
            `${of(conflicting)} differ${conflicting === 1 ? 's' : ''} from another in nothing but the label and the id`,
          ),
        ]),
  ];
}

async function firstRow(dataset: Dataset, select: string): Promise<readonly unknown[]> {
  return (await reading(dataset, () => dataset.connection.runAndReadAll(select))).getRows()[0] ?? [];
}
