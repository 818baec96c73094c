import type { Policy, Slice } from './schema.ts';
import { holdsNumbers } from '../../data/cells.ts';
import { quoteIdentifier, type ColumnVectors, type DatasetColumn, type NumberColumn } from '../../data/dataset.ts';
import { ConfigError } from '../../errors.ts';
import type { SqlSession } from '../../sql/session.ts';
import { quantileOfSorted } from '../../statistics/quantile.ts';
import type { MeasuredMetric } from './sample.ts';
import { givenName, sliceName } from './slice-names.ts';
import { columnsOfExpression, dataColumn, orRefused } from './sql-expression.ts';

/** A named part of the evaluation rows. */
export interface SliceRows {
  /** Such as `source=hard_ham`. */
  name: string;
  rows: Uint32Array;
  /** What was measured in SQL on these rows. */
  measured?: Record<'champion' | 'candidate', ReadonlyMap<string, MeasuredMetric>>;
}

/** Above this many values a column is no slice but an identifier. */
const maximumValues = 200;

/** How the columns of slices are read: to be cut into bins as numbers, else as texts. */
export function sliceUses(slices: readonly Slice[]): { texts: string[]; numbers: string[] } {
  const texts = slices.flatMap((slice) =>
    typeof slice === 'string'
      ? [slice]
      : 'cross' in slice
        ? slice.cross
        : 'column' in slice && slice.bins === undefined
          ? [slice.column]
          : [],
  );
  const numbers = slices.flatMap((slice) =>
    typeof slice !== 'string' && 'column' in slice && slice.bins !== undefined ? [slice.column] : [],
  );
  return { texts, numbers };
}

type PredicateSlice = Extract<Slice, { sql: string }>;

const condition = `a condition on one row, such as ${quoteIdentifier('age')} < 30`;

export function hasPredicates(policy: Policy): boolean {
  return slicesOf(policy).some(({ slice }) => isPredicate(slice));
}

/** The slices that guardrails are held to, with the key of the configuration that asks for each. */
function slicesOf({ guardrails = [] }: Policy): { slice: Slice; where: string }[] {
  return guardrails.flatMap(({ slices = [] }, guardrail) =>
    slices.map((slice, index) => ({ slice, where: placeOf(guardrail, index) })),
  );
}

/**
 * Check the predicates of the slices that a policy asks for, before anything is run.
 * @throws ConfigError for what is no expression over the columns, or gives other rows each time
 */
export async function checkPredicates(
  session: SqlSession,
  policy: Policy,
  available: readonly DatasetColumn[],
): Promise<void> {
  for (const { slice, where } of slicesOf(policy)) {
    if (!isPredicate(slice)) continue;
    const names = await columnsOfExpression(session, slice.sql, `${where}.sql`, condition);
    for (const name of names) dataColumn(name, available, [], `${where}.sql`);
  }
}

/**
 * Check the columns that are to be cut into bins, before anything is run. A file of text has a cell to name instead, once it is read.
 * @throws ConfigError for one that a typed file says holds no numbers
 */
export function checkBins(policy: Policy, available: readonly DatasetColumn[]): void {
  for (const { slice, where } of slicesOf(policy)) {
    if (typeof slice === 'string' || !('column' in slice) || slice.bins === undefined) continue;
    const column = available.find(({ name }) => name === slice.column);
    if (column === undefined || column.cells !== undefined || holdsNumbers(column)) continue;
    throw new ConfigError({
      found: `column ${JSON.stringify(slice.column)} does not hold numbers`,
      expected: 'numbers, to divide into bins',
      where,
      remedy: `Slice by its values instead: ${slice.column}`,
    });
  }
}

/** Key of the configuration that asks for a slice. */
export function placeOf(guardrail: number, slice: number): string {
  return `policy.guardrails[${guardrail}].slices[${slice}]`;
}

export function isPredicate(slice: Slice): slice is PredicateSlice {
  return typeof slice !== 'string' && 'sql' in slice;
}

/** Rows where a SQL predicate over the dataset is true. @throws ConfigError when it cannot be run, or not within its limits */
export async function predicateRows(
  session: SqlSession,
  { name, sql }: PredicateSlice,
  where: string,
): Promise<SliceRows> {
  const rows = await orRefused(
    session.rowsWhere(sql),
    (found, cause) =>
      new ConfigError({
        found: `the predicate of slice ${JSON.stringify(name)} ${found}`,
        expected: condition,
        where: `${where}.sql`,
        cause,
      }),
  );
  return { name: givenName(name), rows };
}

/** The slices of one definition over columns. A missing value is a slice of its own. */
export function columnSlices(slice: Exclude<Slice, PredicateSlice>, vectors: ColumnVectors): SliceRows[] {
  const texts = (name: string): readonly (string | null)[] => read(vectors.texts, name).values;
  if (typeof slice === 'string') return byValue([slice], [texts(slice)]);
  if ('cross' in slice) return byValue(slice.cross, slice.cross.map(texts));
  if (slice.bins === undefined) return byValue([slice.column], [texts(slice.column)]);
  return byValue([slice.column], [binTexts(read(vectors.numbers, slice.column), slice.bins)]);
}

function read<T>(columns: ReadonlyMap<string, T>, name: string): T {
  const column = columns.get(name);
  if (column === undefined) throw new Error(`column ${name} was not read`);
  return column;
}

function byValue(names: readonly string[], texts: readonly (readonly (string | null)[])[]): SliceRows[] {
  const groups = new Map<string | null, { values: (string | null)[]; rows: number[] }>();
  const rows = texts[0]?.length ?? 0;
  const only = texts.length === 1 ? texts[0] : undefined;
  const valuesOf = (row: number): (string | null)[] => texts.map((column) => column[row] ?? null);
  for (let row = 0; row < rows; row += 1) {
    const key = only === undefined ? JSON.stringify(valuesOf(row)) : (only[row] ?? null);
    const group = groups.get(key);
    if (group !== undefined) group.rows.push(row);
    else if (groups.size < maximumValues) groups.set(key, { values: valuesOf(row), rows: [row] });
    else {
      throw new ConfigError({
        found: `${names.join(' & ')} has more than ${maximumValues} different values`,
        expected: 'a column with few values to slice by',
        where: 'policy.guardrails.slices',
        remedy: `Slice a number by quantiles with {column: ${names[0]}, bins: 4}, or name a predicate with {name, sql}`,
      });
    }
  }
  return [...groups.values()]
    .map((group) => ({ name: sliceName(names, group.values), rows: Uint32Array.from(group.rows) }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Quantile bins, closed on the left, the last on both sides; equal edges merge. */
function binTexts({ values }: NumberColumn, bins: number): (string | null)[] {
  const present = values.filter((value) => !Number.isNaN(value)).sort();
  const edges = quantileEdges(present, bins);
  const labels = binLabels(edges);
  return Array.from(values, (value) => (Number.isNaN(value) ? null : (labels[binOf(value, edges)] as string)));
}

/** Edges of quantile bins of sorted values; equal edges merge. */
export function quantileEdges(sorted: Float64Array, bins: number): number[] {
  return [...new Set(Array.from({ length: bins + 1 }, (_, edge) => quantileOfSorted(sorted, edge / bins)))];
}

/** The bin of a value; what lies outside the edges belongs to the outer bins. */
export function binOf(value: number, edges: readonly number[]): number {
  const last = edges.length - 2;
  let bin = 0;
  while (bin < last && value >= (edges[bin + 1] as number)) bin += 1;
  return bin;
}

/** Names of the bins, such as `[0, 2.5)`: in as many digits as tell the edges apart, since bins of one name would be one slice. */
export function binLabels(edges: readonly number[]): string[] {
  const rounded = [6, 9, 12].map((digits) => edges.map((edge) => Number(edge.toPrecision(digits))));
  const told = rounded.find((each) => new Set(each).size === edges.length) ?? edges;
  const texts = told.map((edge) => String(edge).replace('Infinity', 'inf'));
  const last = edges.length - 2;
  if (last < 0) return texts;
  return Array.from({ length: last + 1 }, (_, bin) => `[${texts[bin]}, ${texts[bin + 1]}${bin === last ? ']' : ')'}`);
}
