import type { Slice } from '../config/schema.ts';
import { columnTexts, quoteIdentifier, type ColumnVector, type Dataset } from '../data/dataset.ts';
import { ConfigError } from '../errors.ts';
import type { Measured } from './sample.ts';
import { quantileOfSorted } from './metrics/calibration.ts';

/** A named part of the evaluation rows. */
export interface SliceRows {
  /** Such as `source=hard_ham`. */
  name: string;
  rows: Uint32Array;
  /** What was measured in SQL on these rows. */
  measured?: Record<'champion' | 'candidate', ReadonlyMap<string, Measured>>;
}

/** Above this many values a column is no slice but an identifier. */
const maximumValues = 200;

/** Columns that the slices read. */
export function sliceColumns(slices: readonly Slice[]): string[] {
  return [
    ...new Set(
      slices.flatMap((slice) =>
        typeof slice === 'string' ? [slice] : 'cross' in slice ? slice.cross : 'column' in slice ? [slice.column] : [],
      ),
    ),
  ];
}

/** Rows where a SQL predicate over the dataset is true. @throws ConfigError when the predicate cannot be run */
export async function predicateRows(dataset: Dataset, name: string, sql: string): Promise<SliceRows> {
  try {
    const reader = await dataset.connection.runAndReadAll(
      `select row_number from (select row_number() over () - 1 as row_number, (${sql}) as holds from ${dataset.relation}) where holds`,
    );
    return { name: shown(name), rows: Uint32Array.from(reader.getRows(), ([row]) => Number(row)).sort() };
  } catch (cause) {
    throw new ConfigError({
      found: `the predicate of slice "${name}" cannot be run: ${cause instanceof Error ? cause.message : String(cause)}`,
      expected: `a condition on one row, such as ${quoteIdentifier('age')} < 30`,
      where: `policy.guardrails, slice ${name}`,
      cause,
    });
  }
}

/** The slices of one definition over columns. A missing value is a slice of its own. */
export function columnSlices(
  slice: Exclude<Slice, { sql: string }>,
  vectors: ReadonlyMap<string, ColumnVector>,
): SliceRows[] {
  const column = (name: string): ColumnVector => {
    const vector = vectors.get(name);
    if (vector === undefined) throw new Error(`column ${name} was not read`);
    return vector;
  };
  if (typeof slice === 'string') return byValue([slice], [columnTexts(column(slice))]);
  if ('cross' in slice)
    return byValue(
      slice.cross,
      slice.cross.map((name) => columnTexts(column(name))),
    );
  const vector = column(slice.column);
  if (slice.bins === undefined) return byValue([slice.column], [columnTexts(vector)]);
  return byValue([slice.column], [binTexts(vector, slice.bins)]);
}

function byValue(names: readonly string[], texts: readonly (string | null)[][]): SliceRows[] {
  const groups = new Map<string, number[]>();
  const rows = texts[0]?.length ?? 0;
  for (let row = 0; row < rows; row += 1) {
    let name = '';
    for (let index = 0; index < names.length; index += 1) {
      name += `${index === 0 ? '' : ' & '}${names[index]}=${texts[index]?.[row] ?? '(missing)'}`;
    }
    const members = groups.get(name);
    if (members !== undefined) members.push(row);
    else if (groups.size < maximumValues) groups.set(name, [row]);
    else {
      throw new ConfigError({
        found: `${names.join(' & ')} has more than ${maximumValues} different values`,
        expected: 'a column with few values to slice by',
        where: 'policy.guardrails.slices',
        remedy: `Slice a number by quantiles with {column: ${names[0]}, bins: 4}, or name a predicate with {name, sql}`,
      });
    }
  }
  return [...groups.keys()]
    .sort()
    .map((name) => ({ name: shown(name), rows: Uint32Array.from(groups.get(name) as number[]) }));
}

/** Quantile bins, closed on the left, the last on both sides; equal edges merge. */
function binTexts(vector: ColumnVector, bins: number): (string | null)[] {
  if (vector.kind !== 'number') {
    throw new ConfigError({
      found: `column "${vector.name}" does not hold numbers`,
      expected: 'numbers, to be cut into bins',
      where: 'policy.guardrails.slices',
      remedy: `Slice by its values instead: ${vector.name}`,
    });
  }
  const present = vector.values.filter((value, row) => vector.nulls?.[row] !== 1 && !Number.isNaN(value)).sort();
  const edges = quantileEdges(present, bins);
  const labels = binLabels(edges);
  return Array.from(vector.values, (value, row) =>
    vector.nulls?.[row] === 1 || Number.isNaN(value) ? null : (labels[binOf(value, edges)] as string),
  );
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

/** Names of the bins, such as `[0, 2.5)`. */
export function binLabels(edges: readonly number[]): string[] {
  const format = (value: number | undefined): string => String(Number(value?.toPrecision(6)));
  const last = edges.length - 2;
  if (last < 0) return [format(edges[0])];
  return Array.from(
    { length: last + 1 },
    (_, bin) => `[${format(edges[bin])}, ${format(edges[bin + 1])}${bin === last ? ']' : ')'}`,
  );
}

/** A value from the data in an id and a message: no control characters, not endless. */
export function shown(name: string): string {
  const printable = name.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '\ufffd');
  return printable.length > 200 ? `${printable.slice(0, 199)}\u2026` : printable;
}
