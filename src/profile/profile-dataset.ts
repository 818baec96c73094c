import { readingOf, readingOfColumns } from '../data/cells.ts';
import { quoteIdentifier, reading, type Dataset, type DatasetColumn } from '../data/dataset.ts';
import { chunksAhead } from '../data/engine.ts';
import { isNested, isNumeric } from '../data/types.ts';
import { categoryColumn, mostCategories, numberColumn } from './columns.ts';
import { noValues, registersOfTexts, type Registers } from './distinct.ts';
import { NumberSketcher } from './number-sketch.ts';
import { profileSchemaId, type ColumnProfile, type Profile } from './profile.ts';

export interface ProfileOptions {
  /** The rows to count: from the one at `start`, the first being 0. Default: all. */
  rows?: { start: number; count: number };
  /** Told after each part of the work. */
  progress?: (done: number, of: number) => void;
  signal?: AbortSignal | undefined;
}

/** What is kept of a dataset, or of some of its rows, column by column. Numbers are read as doubles. */
export async function profileDataset(
  dataset: Dataset,
  { rows = { start: 0, count: dataset.rows }, progress, signal }: ProfileOptions = {},
): Promise<Profile> {
  const numbers = dataset.columns.filter(({ type, cells }) => isNumeric(type) && cells?.empty !== true);
  const found = new Map<string, ColumnProfile>();
  const done = (column: ColumnProfile): void => {
    signal?.throwIfAborted();
    found.set(column.name, column);
    progress?.(found.size, dataset.columns.length);
  };
  await reading(dataset, async () => {
    for (const column of await numbersOf(dataset, numbers, rows, signal)) done(column);
    for (const column of dataset.columns) {
      if (found.has(column.name)) continue;
      done(await otherOf(dataset, column, rows));
    }
  });
  return {
    schema: profileSchemaId,
    form: 'full',
    sources: [
      {
        uri: dataset.uri,
        sha256: dataset.sha256,
        rows: dataset.rows,
        counted: rows.count === 0 ? [] : [[rows.start, rows.start + rows.count]],
      },
    ],
    rows: rows.count,
    columns: dataset.columns.map(({ name }) => found.get(name) as ColumnProfile),
  };
}

type Rows = NonNullable<ProfileOptions['rows']>;

function partOf(dataset: Dataset, from: string, { start, count }: Rows): string {
  return start === 0 && count === dataset.rows ? from : `(select * from ${from} limit ${count} offset ${start})`;
}

/** All columns of numbers in one pass. */
async function numbersOf(
  dataset: Dataset,
  columns: readonly DatasetColumn[],
  rows: Rows,
  signal: AbortSignal | undefined,
): Promise<ColumnProfile[]> {
  if (columns.length === 0) return [];
  // NaN is missing, and told apart from no value where the format can.
  const binary = dataset.format === 'parquet';
  const { from, expressions } = readingOf(
    dataset,
    columns.map((column) => ({ column, use: binary ? 'input' : 'number' })),
  );
  const part = partOf(dataset, from, rows);
  const found = columns.map(() => new NumberSketcher());
  const doubles = expressions.map((each) => `cast(${each} as double)`);
  const result = await dataset.connection.stream(`select ${doubles.join(', ')} from ${part}`);
  for await (const chunk of chunksAhead(result)) {
    signal?.throwIfAborted();
    for (const [index, column] of found.entries()) {
      const vector = chunk.getColumnVector(index);
      for (let row = 0; row < chunk.rowCount; row++) column.add(vector.getItem(row) as number | null);
    }
  }
  const written = binary ? new Map<string, number>() : await notANumbers(dataset, columns, rows);
  return columns.map(({ name, type }, index) => {
    const { missing, nan, infinite, sketch } = found[index] as NumberSketcher;
    return numberColumn({ name, type, missing, nan: nan + (written.get(name) ?? 0), infinite }, sketch);
  });
}

/** Of CSV: cells that spell NaN, by column. */
async function notANumbers(
  dataset: Dataset,
  columns: readonly DatasetColumn[],
  rows: Rows,
): Promise<Map<string, number>> {
  const spelled = dataset.format === 'csv' ? columns.filter(({ cells }) => cells?.notANumber === true) : [];
  if (spelled.length === 0) return new Map();
  const { from, expressions } = readingOf(
    dataset,
    spelled.flatMap((column) => [
      { column, use: 'json' as const },
      { column, use: 'number' as const },
    ]),
  );
  const counts = spelled.map(
    (_, index) => `(count(${expressions[2 * index]}) - count(${expressions[2 * index + 1]}))::double`,
  );
  const [row = []] = (
    await dataset.connection.runAndReadAll(`select ${counts.join(', ')} from ${partOf(dataset, from, rows)}`)
  ).getRows();
  return new Map(spelled.map(({ name }, index) => [name, Number(row[index])]));
}

async function otherOf(dataset: Dataset, column: DatasetColumn, rows: Rows): Promise<ColumnProfile> {
  const { name, type } = column;
  const { from, expressions } = readingOfColumns(dataset, [column], 'text');
  const cells = `(select cast(${expressions[0]} as varchar) as value from ${partOf(dataset, from, rows)}) as ${quoteIdentifier('cells')}`;
  const read = async (query: string): Promise<readonly (readonly unknown[])[]> =>
    (await dataset.connection.runAndReadAll(query)).getRows();
  if (isNested(type) || /^(?:DATE|TIME)/u.test(type)) {
    const typed = readingOf(dataset, [
      { column, use: 'text' },
      { column, use: 'typed' },
    ]).expressions;
    // Texts of times are not in the order of time: years may have more than four digits.
    const [text, time] = isNested(type) ? [typed[0], typed[0]] : typed;
    const [[missing, min, max] = []] = await read(
      `select (count(*) - count(value))::double, arg_min(value, time), arg_max(value, time)
       from (select cast(${text} as varchar) as value, ${time} as time from ${partOf(dataset, from, rows)}) as ${quoteIdentifier('cells')}`,
    );
    const head = { name, type: type.slice(0, 200), missing: Number(missing) };
    if (isNested(type)) return { ...head, kind: 'nested' };
    return { ...head, kind: 'time', min: textOrNull(min), max: textOrNull(max) };
  }
  const counted = await read(`select value, count(*)::double from ${cells} group by value limit ${mostCategories + 2}`);
  if (counted.length <= mostCategories + 1) {
    const counts = new Map(counted.map(([text, count]) => [textOrNull(text), Number(count)]));
    const missing = counts.get(null) ?? 0;
    counts.delete(null);
    return categoryColumn({ name, type, missing }, counts as Map<string, number>);
  }
  const [[missing, shortest, longest] = []] = await read(
    `select (count(*) - count(value))::double, min(length(value))::double, max(length(value))::double from ${cells}`,
  );
  const registers: Registers = noValues();
  for (const [register, least] of await read(registersOfTexts('value', cells)))
    registers[Number(register)] = Number(least);
  return categoryColumn({ name, type, missing: Number(missing) }, null, {
    registers,
    length: [Number(shortest), Number(longest)],
  });
}

function textOrNull(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}
