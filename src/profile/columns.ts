import { countedSample, countsOf, edgesWithAtoms, quantile } from './bins.ts';
import {
  countNumber,
  countText,
  distinctCount,
  mergeRegisters,
  noValues,
  registersFrom,
  registersText,
  type Registers,
} from './distinct.ts';
import { exactFrom, exactText, nothing, plus, quotient, times, type Exact } from './exact-sum.ts';
import { emptySketch, fitted, mergeSketches, representative, type NumberSketch } from './number-sketch.ts';
import type { CategoryColumn, ColumnProfile, NumberColumn } from './profile.ts';

/** Different texts that a profile keeps; a column of more has no categories. */
export const mostCategories = 10_000;

/** What every column has. */
export interface ColumnHead {
  name: string;
  type: string;
  missing: number;
}

const testBins = 10;

/** A column of numbers with what follows from its sketch. */
export function numberColumn(
  head: ColumnHead & { nan: number; infinite: [number, number] },
  sketch: NumberSketch,
): NumberColumn {
  const { n, min, max, shift, registers } = sketch;
  const buckets = [...sketch.buckets].sort(([a], [b]) => a - b);
  const summed = sketch.huge === 0 && n > 0;
  return {
    name: head.name,
    type: head.type,
    kind: 'number',
    missing: head.missing,
    nan: head.nan,
    infinite: head.infinite,
    n,
    min,
    max,
    mean: summed ? quotient(sketch.sum, BigInt(n)) : null,
    sd: summed && n > 1 ? deviation(sketch) : null,
    moments: { sum: exactText(sketch.sum), squares: exactText(sketch.squares), huge: sketch.huge },
    distinct:
      shift === 0
        ? { count: buckets.length, exact: true }
        : { count: distinctCount(registers), exact: false, registers: registersText(registers) },
    shift,
    values: buckets.map(([value]) => value),
    counts: buckets.map(([, count]) => count),
    ...shapeOf(buckets, shift, [min, max]),
  };
}

/** sqrt((sum of squares - sum^2 / n) / (n - 1)), with no rounding before the root. */
function deviation({ n, sum, squares }: NumberSketch): number {
  const size = BigInt(n);
  const squared = times(sum, sum);
  const above = plus({ ...squares, mantissa: squares.mantissa * size }, { ...squared, mantissa: -squared.mantissa });
  return Math.sqrt(quotient(above, size * (size - 1n)));
}

function shapeOf(
  buckets: readonly [number, number][],
  shift: number,
  [min, max]: [number | null, number | null],
): Pick<NumberColumn, 'quantiles' | 'bins'> {
  if (min === null || max === null) return { quantiles: [], bins: { edges: [], counts: [] } };
  const sample = countedSample(buckets.map(([value, count]) => [representative(value, shift), count] as const));
  const within = (value: number): number => Math.min(max, Math.max(min, value));
  const edges = edgesWithAtoms(sample, testBins);
  return {
    quantiles: Array.from({ length: 101 }, (_, percent) =>
      percent === 0 ? min : percent === 100 ? max : within(quantile(sample, percent / 100)) + 0,
    ),
    bins: { edges: edges.map((edge) => edge + 0), counts: countsOf(sample, edges) },
  };
}

/** What a column of numbers was made from. */
function sketchOf(column: NumberColumn): NumberSketch {
  const { n, min, max, shift, moments } = column;
  if (n === 0) return emptySketch;
  const exact = (text: string | undefined): Exact => (text === undefined ? nothing : exactFrom(text));
  return {
    n,
    min,
    max,
    sum: exact(moments?.sum),
    squares: exact(moments?.squares),
    huge: moments?.huge ?? 0,
    shift,
    buckets: new Map(column.values.map((value, index) => [value, column.counts[index] as number])),
    registers: registersOf(column.distinct, column.values, countNumber),
  };
}

function registersOf<T>(
  { registers }: NumberColumn['distinct'],
  values: Iterable<T>,
  count: (found: Registers, value: T) => void,
): Registers {
  const kept = registers === undefined ? null : registersFrom(registers);
  if (kept !== null) return kept;
  const found = noValues();
  for (const value of values) count(found, value);
  return found;
}

/** @param counts rows by text; null: more of them than `mostCategories`, of which registers and lengths are known */
export function categoryColumn(
  head: ColumnHead,
  counts: ReadonlyMap<string, number> | null,
  many?: { registers: Registers; length: [number, number] },
): CategoryColumn {
  const base = { name: head.name, type: head.type, kind: 'category' as const, missing: head.missing };
  if (counts !== null && counts.size <= mostCategories) {
    const length = counts.size === 0 ? null : lengthsOf(counts);
    return { ...base, length, distinct: { count: counts.size, exact: true }, categories: byFrequency(counts) };
  }
  const { registers, length } = many ?? manyOf(counts ?? new Map());
  return {
    ...base,
    length,
    distinct: { count: distinctCount(registers), exact: false, registers: registersText(registers) },
    categories: null,
  };
}

function manyOf(counts: ReadonlyMap<string, number>): { registers: Registers; length: [number, number] } {
  const registers = noValues();
  for (const text of counts.keys()) countText(registers, text);
  return { registers, length: lengthsOf(counts) };
}

/** The least and the greatest of texts, of which there are some. */
function lengthsOf(counts: ReadonlyMap<string, number>): [number, number] {
  let [least, most] = [Infinity, 0];
  for (const text of counts.keys()) {
    const size = [...text].length;
    [least, most] = [Math.min(least, size), Math.max(most, size)];
  }
  return [least, most];
}

function byFrequency(counts: ReadonlyMap<string, number>): [string, number][] {
  return [...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1));
}

/** Rows that two profiles count are no row of both. Null: the columns are of two kinds. */
export function mergeColumns(one: ColumnProfile, other: ColumnProfile): ColumnProfile | null {
  const missing = one.missing + other.missing;
  // A column without any value is of any kind.
  if (isEmpty(one) && isEmpty(other) && one.kind > other.kind) return withMissing(other, one, missing);
  if (isEmpty(other)) return withMissing(one, other, missing);
  if (isEmpty(one)) return withMissing(other, one, missing);
  const head = { name: one.name, type: one.type === other.type ? one.type : widerType(one.type, other.type), missing };
  if (one.kind === 'number' && other.kind === 'number') {
    const infinite: [number, number] = [one.infinite[0] + other.infinite[0], one.infinite[1] + other.infinite[1]];
    return numberColumn({ ...head, nan: one.nan + other.nan, infinite }, mergeSketches(sketchOf(one), sketchOf(other)));
  }
  if (one.kind === 'category' && other.kind === 'category') return mergeCategories(head, one, other);
  if (one.kind === 'time' && other.kind === 'time') {
    const either = (a: string | null, b: string | null, least: boolean): string | null =>
      a === null ? b : b === null ? a : isEarlier(a, b) === least ? a : b;
    return { ...head, kind: 'time', min: either(one.min, other.min, true), max: either(one.max, other.max, false) };
  }
  return one.kind === 'nested' && other.kind === 'nested' ? { ...head, kind: 'nested' } : null;
}

/** Of two times as profiles write them: years may have more than four digits, and infinity has none. */
function isEarlier(one: string, other: string): boolean {
  const [a, b] = [yearOf(one), yearOf(other)];
  return a === b ? one < other : a < b;
}

function yearOf(time: string): number {
  if (time.endsWith('infinity')) return time.startsWith('-') ? -Infinity : Infinity;
  const year = Number.parseInt(time, 10);
  return time.endsWith('(BC)') ? 1 - year : year;
}

/** Whether no row has a value. */
export function isEmpty(column: ColumnProfile): boolean {
  switch (column.kind) {
    case 'number':
      return column.n + column.infinite[0] + column.infinite[1] === 0;
    case 'category':
      return column.distinct.count === 0;
    case 'time':
      return column.min === null;
    case 'nested':
      return false;
  }
}

function withMissing(column: ColumnProfile, empty: ColumnProfile, missing: number): ColumnProfile {
  const nan = empty.kind === 'number' ? empty.nan : 0;
  return column.kind === 'number' ? { ...column, missing, nan: column.nan + nan } : { ...column, missing };
}

/** Parts of one table may hold whole numbers here and fractions there. */
function widerType(one: string, other: string): string {
  return [...new Set([...one.split('|'), ...other.split('|')])].sort().join('|');
}

function mergeCategories(head: ColumnHead, one: CategoryColumn, other: CategoryColumn): CategoryColumn {
  if (one.categories !== null && other.categories !== null) {
    const counts = new Map(one.categories);
    for (const [text, count] of other.categories) counts.set(text, (counts.get(text) ?? 0) + count);
    return categoryColumn(head, counts);
  }
  const registers = [one, other].map((each) =>
    registersOf(
      each.distinct,
      (each.categories ?? []).map(([text]) => text),
      countText,
    ),
  ) as [Registers, Registers];
  const lengths = [one.length, other.length].flatMap((each) => each ?? []);
  return categoryColumn(head, null, {
    registers: mergeRegisters(...registers),
    length: [Math.min(...lengths), Math.max(...lengths)],
  });
}

/** Categories of fewer rows may be of one person. */
const leastNamed = 5;
const namedCategories = 200;
const summaryBuckets = 256;

/** A column with fewer buckets and categories, for a place where it stays for good. */
export function summaryOf(column: ColumnProfile): ColumnProfile {
  if (column.kind === 'number') {
    const sketch = sketchOf(column);
    const { moments: _moments, ...kept } = numberColumn(column, {
      ...sketch,
      ...fitted(sketch.buckets, sketch.shift, summaryBuckets),
    });
    const { quantiles, distinct, mean, sd } = column;
    return { ...kept, mean, sd, quantiles, distinct: { count: distinct.count, exact: distinct.exact } };
  }
  if (column.kind !== 'category') return column;
  const distinct = { count: column.distinct.count, exact: column.distinct.exact };
  if (column.categories === null) return { ...column, distinct };
  const named = column.categories.filter(([, count]) => count >= leastNamed).slice(0, namedCategories);
  const rare = column.categories.slice(named.length);
  if (rare.length === 0) return { ...column, distinct };
  const rows = rare.reduce((sum, [, count]) => sum + count, 0);
  return { ...column, distinct, categories: named, rare: { categories: rare.length, rows } };
}
