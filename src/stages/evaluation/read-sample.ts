import type { Columns, Task } from '../../config/schema.ts';
import type { ColumnVector, ColumnVectors, NumberColumn, TextColumn } from '../../data/dataset.ts';
import { ConfigError, DataError } from '../../errors.ts';
import { readNumbers, type Labels } from './labels.ts';
import { queriesOf, type Queries, type Sample, numbered } from './sample.ts';

/** What columns are read for, together. */
export function usesOf(...uses: readonly { texts: string[]; numbers: string[] }[]): {
  texts: string[];
  numbers: string[];
} {
  return { texts: uses.flatMap(({ texts }) => texts), numbers: uses.flatMap(({ numbers }) => numbers) };
}

/** How the columns that say how rows count and belong together are read. */
export function sampleUses(task: Task, columns: Columns): { texts: string[]; numbers: string[] } {
  const given = (names: readonly (string | null | undefined)[]): string[] =>
    names.filter((name): name is string => (name ?? null) !== null);
  return {
    texts: given([columns.cluster, task === 'ranking' ? columns.group : null]),
    numbers: given([columns.weight]),
  };
}

/**
 * The sample of an evaluation set: labels, and the columns that say how rows count and belong together.
 * @param vectors the columns named in `columns`, and the group column of a ranking
 * @throws DataError for a weight, a cluster or a query that cannot be used
 */
export function sampleOf(
  { task, columns, where }: { task: Task; columns: Columns; where: string },
  vectors: ColumnVectors,
  labels: Labels,
): Sample {
  const keysOf = (name: string | null | undefined, what: string): Int32Array | null =>
    (name ?? null) === null ? null : readKeys(vectors.texts.get(name as string) as TextColumn, what, where);
  const weights =
    (columns.weight ?? null) === null
      ? null
      : readWeights(vectors.numbers.get(columns.weight as string) as NumberColumn, where);
  const clusters = keysOf(columns.cluster, 'cluster');
  const common = { names: labels.classes, truth: labels.truth, weights, clusters };
  if (task === 'multilabel-classification') {
    const width = labels.classes?.length as number;
    return { ...common, rows: labels.truth.length / width, classes: 0, labels: width };
  }
  const rows = labels.truth.length;
  if (task !== 'ranking') return { ...common, rows, classes: labels.classes?.length ?? 0 };
  const group = keysOf(columns.group, 'query');
  if (group === null) {
    throw new ConfigError({
      found: 'no columns.group',
      expected: 'the column of the query that a row belongs to',
      where: 'columns.group',
    });
  }
  const queries = queriesOf(group);
  refuseSplit(queries, weights, `different weights in column "${columns.weight}"`, where);
  refuseSplit(queries, clusters, `different clusters in column "${columns.cluster}"`, where);
  return { ...common, rows, classes: 0, queries };
}

/** Rows that count: a row of weight 0 is no row for anything. Null where every row does. */
export function countingRows({ numbers }: ColumnVectors, { weight }: Columns): Uint32Array | null {
  const weights = numbers.get(weight ?? '')?.values;
  if (weights === undefined || !weights.includes(0)) return null;
  const rows = Uint32Array.from(weights.keys()).filter((row) => weights[row] !== 0);
  // Whoever reads the weights says that there is none.
  return rows.length === 0 ? null : rows;
}

/** The columns at these rows alone. */
export function columnsAt({ texts, numbers }: ColumnVectors, rows: Uint32Array): ColumnVectors {
  return {
    texts: new Map([...texts].map(([name, column]) => [name, textsAt(column, rows)])),
    numbers: new Map([...numbers].map(([name, column]) => [name, numbersAt(column, rows)])),
  };
}

/** A column at these rows alone. */
export function columnAt(column: ColumnVector, rows: Uint32Array): ColumnVector {
  return column.kind === 'text' ? textsAt(column, rows) : numbersAt(column, rows);
}

function textsAt(column: TextColumn, rows: Uint32Array): TextColumn {
  return { ...column, values: Array.from(rows, (row) => column.values[row] as string | null) };
}

function numbersAt(column: NumberColumn, rows: Uint32Array): NumberColumn {
  return { ...column, values: Float64Array.from(rows, (row) => column.values[row] as number) };
}

/** Sums of the squares of these, and what is divided by them, are numbers. */
const [smallestWeight, largestWeight] = [1e-100, 1e100];

/** Weights of rows. @throws DataError naming the first that is none */
export function readWeights(vector: NumberColumn, where: string): Float64Array {
  const weights = readNumbers(vector, where);
  const negative = weights.findIndex((weight) => weight < 0);
  if (negative >= 0) {
    throw new DataError({
      found: `row ${negative + 1} has the weight ${weights[negative]} in column "${vector.name}"`,
      expected: 'weights of at least 0',
      where,
    });
  }
  const extreme = weights.findIndex((weight) => weight !== 0 && (weight < smallestWeight || weight > largestWeight));
  if (extreme >= 0) {
    throw new DataError({
      found: `row ${extreme + 1} has the weight ${weights[extreme]} in column "${vector.name}"`,
      expected: `0, or weights from ${smallestWeight} to ${largestWeight}, whose squares are finite`,
      where,
      remedy: 'Divide or multiply all weights by one number: only their ratios count',
    });
  }
  if (weights.some((weight) => weight > 0)) return weights;
  throw new DataError({ found: `every weight in column "${vector.name}" is 0`, where });
}

/** Numbers for the values of a column: equal values, equal numbers. */
function readKeys(vector: TextColumn, what: string, where: string): Int32Array {
  const { ofRow, numbers } = numbered(vector.values);
  if (numbers.has(null)) {
    throw new DataError({
      found: `row ${vector.values.indexOf(null) + 1} has no ${what} in column "${vector.name}"`,
      expected: `a ${what} in every row`,
      where,
    });
  }
  refuseTwins([...numbers.keys()] as string[]);
  return ofRow;

  /**
   * A whole number becomes 7.0 where a column has had a gap: as another one it would be counted twice. Beside texts they are texts,
   * such as versions; 007 is another than 7, and 1.10 than 1.1.
   */
  function refuseTwins(texts: readonly string[]): void {
    if (!texts.every((text) => text.trim() !== '' && Number.isFinite(Number(text)))) return;
    const written = new Map<string, string>();
    for (const text of texts) {
      const whole = /^-?\d+(?=(?:\.0*)?$)/u.exec(text)?.[0];
      if (whole === undefined) continue;
      const twin = written.get(whole);
      if (twin === undefined) {
        written.set(whole, text);
        continue;
      }
      throw new DataError({
        found: `column ${JSON.stringify(vector.name)} has ${JSON.stringify(twin)} and, in row ${vector.values.indexOf(text) + 1}, ${JSON.stringify(text)}`,
        expected: `one spelling for each ${what}`,
        where,
        remedy:
          'Write whole numbers without a fraction; if these are two different names, put a letter in front of all of them, such as v1.0',
      });
    }
  }
}

/** A query is one unit: it has one weight and lies in one cluster. */
function refuseSplit(
  { ofRow, rows, starts }: Queries,
  values: Float64Array | Int32Array | null,
  found: string,
  where: string,
): void {
  if (values === null) return;
  const first = (row: number): number => rows[starts[ofRow[row] as number] as number] as number;
  const row = values.findIndex((value, each) => value !== values[first(each)]);
  if (row < 0) return;
  throw new DataError({
    found: `rows ${first(row) + 1} and ${row + 1} belong to the same query but have ${found}`,
    expected: 'the same in all rows of a query',
    where,
  });
}
