/*
 * Generated tables, and every way to write the same rows. Seeded: a failure names the seed that gives it again.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { quoteIdentifier, quoteLiteral } from '../../src/data/dataset.ts';
import { splitmix32 } from '../../src/statistics/splitmix.ts';
import { writeParquet } from '../support/parquet.ts';

/** How a column is typed where a format has types. Cells are the texts that stand in a CSV file; null where there is none. */
export interface GeneratedColumn {
  name: string;
  type: 'text' | 'whole' | 'large' | 'fraction' | 'boolean';
  cells: (string | null)[];
}

export interface GeneratedTable {
  rows: number;
  columns: GeneratedColumn[];
}

export const formats = ['csv', 'csv.gz', 'jsonl', 'parquet'] as const;
export type Format = (typeof formats)[number];

/** Texts that some reader somewhere takes for something else. */
const texts = [
  'web',
  'True',
  'TRUE',
  'false',
  '1e5',
  '1.10',
  '1.1',
  '007',
  '7',
  '2024-01-01',
  '2024-01-01T00:00:00Z',
  '2024-01-01 09:00:00',
  '09:00:00',
  '6F9619FF-8B86-D011-B42D-00C04FC964FF',
  'NA',
  'null',
  'inf',
  ' padded ',
  'a,b',
  'say "hi"',
  'two\nlines',
  '18446744073709551615',
  '0x10',
  '=1+1',
  'é',
  '{"a":1}',
];

/** A table of `rows` rows: an id, and columns of every type, with gaps. */
export function generateTable(seed: number, rows: number): GeneratedTable {
  const next = uniformFrom(seed);
  const below = (count: number): number => Math.floor(next() * count);
  const column = (
    name: string,
    type: GeneratedColumn['type'],
    gaps: number,
    cell: (row: number) => string,
  ): GeneratedColumn => ({
    name,
    type,
    cells: Array.from({ length: rows }, (_, row) => (next() < gaps ? null : cell(row))),
  });
  // Of which some columns have few different texts, and others many.
  const few = Array.from({ length: 2 + below(4) }, () => texts[below(texts.length)] as string);
  return {
    rows,
    columns: [
      column('id', 'text', 0, (row) => `r${row}`),
      column('kind', 'text', 0.1, () => few[below(few.length)] as string),
      column('note', 'text', 0.2, () => texts[below(texts.length)] as string),
      column('count', 'whole', 0, () => String(below(2000) - 1000)),
      column('gap', 'whole', 0.3, () => String(below(5))),
      column('ratio', 'fraction', 0.1, () => python((next() - 0.5) * 10 ** (below(12) - 4))),
      column('ok', 'boolean', 0.1, () => (next() < 0.5 ? 'true' : 'false')),
      column('label', 'whole', 0, () => String(below(2))),
      column('f0', 'fraction', 0, () => python((next() - 0.5) * 4)),
      column('f1', 'fraction', 0, () => python((next() - 0.5) * 4)),
    ],
  };
}

/** As many columns as asked for, each of a kind, a range and a share of gaps of its own, beside an id. */
export function generateColumns(seed: number, rows: number, columns: number): GeneratedTable {
  const next = uniformFrom(seed);
  const below = (count: number): number => Math.floor(next() * count);
  const cellsOf = (type: GeneratedColumn['type']): (() => string) => {
    const [size, few] = [below(15), 1 + below(texts.length)];
    const start = below(texts.length);
    const digits = (): string => Array.from({ length: 18 }, () => below(10)).join('');
    switch (type) {
      case 'text':
        return () => texts[(start + below(few)) % texts.length] as string;
      case 'whole':
        return () => String(Math.round((next() - 0.5) * 10 ** size) + 0);
      case 'large':
        return () => `17${digits().slice(below(3))}`;
      case 'fraction':
        return () => python((next() - 0.5) * 10 ** (size * 4 - 20));
      case 'boolean':
        return () => (next() < 0.5 ? 'true' : 'false');
    }
  };
  const kinds = ['text', 'whole', 'text', 'fraction', 'large', 'boolean', 'text', 'fraction'] as const;
  const generated = Array.from({ length: columns }, (_, index): GeneratedColumn => {
    const type = kinds[below(kinds.length)] as GeneratedColumn['type'];
    const cell = cellsOf(type);
    // Some have a value in every row, and some in none.
    const gaps = next() < 0.1 ? 1 : Math.max(0, next() - 0.5);
    return { name: `c${index}`, type, cells: Array.from({ length: rows }, () => (next() < gaps ? null : cell())) };
  });
  const id: GeneratedColumn = { name: 'id', type: 'text', cells: Array.from({ length: rows }, (_, row) => `r${row}`) };
  return { rows, columns: [id, ...generated] };
}

function uniformFrom(seed: number): () => number {
  const next = splitmix32(seed);
  return () => next() / 2 ** 32;
}

/** As Python, and the engine, write a double. */
function python(value: number): string {
  const [digits = '', exponent] = String(value).split('e');
  if (exponent === undefined) {
    // JavaScript writes out what Python gives an exponent.
    if (value !== 0 && (Math.abs(value) < 1e-4 || Math.abs(value) >= 1e16)) return twoDigits(value.toExponential());
    return digits.includes('.') ? digits : `${digits}.0`;
  }
  return twoDigits(String(value));
}

/** Of the exponent. */
function twoDigits(text: string): string {
  return text.replace(/e([+-])(\d)$/u, 'e$10$2');
}

/** The same rows and columns in another order. */
export function shuffledTable(table: GeneratedTable, seed: number): GeneratedTable {
  const next = uniformFrom(seed);
  const order = <T>(items: readonly T[]): T[] =>
    items
      .map((item) => ({ item, key: next() }))
      .sort((a, b) => a.key - b.key)
      .map(({ item }) => item);
  const rows = order(Array.from({ length: table.rows }, (_, row) => row));
  return {
    rows: table.rows,
    columns: order(table.columns).map((column) => ({
      ...column,
      cells: rows.map((row) => column.cells[row] as string | null),
    })),
  };
}

/** Write a table. @returns the name of the file in `folder` */
export async function writeTable(
  folder: string,
  name: string,
  { rows, columns }: GeneratedTable,
  format: Format,
): Promise<string> {
  const file = `${name}.${format}`;
  const path = join(folder, file);
  const cellsOf = (row: number): (string | null)[] => columns.map(({ cells }) => cells[row] as string | null);
  const numbers = Array.from({ length: rows }, (_, row) => row);
  if (format === 'parquet') {
    const types = { text: 'varchar', whole: 'bigint', large: 'ubigint', fraction: 'double', boolean: 'boolean' };
    const selected = columns.map(
      ({ name: column, type }) => `cast(${quoteIdentifier(column)} as ${types[type]}) as ${quoteIdentifier(column)}`,
    );
    const values = numbers.map(
      (row) =>
        `(${cellsOf(row)
          .map((cell) => (cell === null ? 'null' : quoteLiteral(cell)))
          .join(', ')})`,
    );
    await writeParquet(
      path,
      `select ${selected.join(', ')} from (values ${values.join(', ')}) t(${columns.map((each) => quoteIdentifier(each.name)).join(', ')})`,
    );
    return file;
  }
  const lines =
    format === 'jsonl'
      ? numbers.map(
          (row) =>
            `{${columns
              .map(({ name: column, type }, index) => {
                const cell = cellsOf(row)[index] as string | null;
                return `${JSON.stringify(column)}: ${cell === null ? 'null' : type === 'text' ? JSON.stringify(cell) : cell}`;
              })
              .join(', ')}}`,
        )
      : [columns.map((each) => each.name), ...numbers.map(cellsOf)].map((cells) => cells.map(csvCell).join(','));
  const text = `${lines.join('\n')}\n`;
  await writeFile(path, format === 'csv.gz' ? gzipSync(text) : text);
  return file;
}

function csvCell(cell: string | null): string {
  if (cell === null) return '';
  return /[",\n\r]/u.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}
