import { linesOfRows } from '../../data/csv.ts';
import type { Dataset } from '../../data/dataset.ts';
import { parquetOf, type WrittenColumn } from '../../data/parquet-file.ts';
import { idsOfRows } from '../../data/row-ids.ts';
import type { StageResult } from '../stage.ts';
import type { BrokenRow } from './rules/rule.ts';
import { showValue } from './show.ts';
import { violationFiles } from './violation-file-names.ts';

/** A table of more rows is no reading matter. */
const mostInCsv = 1000;

const columns: readonly WrittenColumn[] = [
  { name: 'dataset', type: 'varchar' },
  { name: 'id', type: 'varchar' },
  { name: 'row', type: 'bigint' },
  { name: 'line', type: 'bigint' },
  { name: 'file', type: 'varchar' },
  { name: 'column', type: 'varchar' },
  { name: 'rule', type: 'varchar' },
  { name: 'value', type: 'varchar' },
  { name: 'message', type: 'varchar' },
];

type Listed = (string | number | null)[];

/** The rows of one dataset that break contract or rules, with what tells them apart in it. */
export async function listedRows(
  dataset: Dataset,
  idColumn: string,
  rows: readonly BrokenRow[],
  shownId: (id: string) => string,
): Promise<Listed[]> {
  const numbers = [...new Set(rows.flatMap(({ row }) => row ?? []))].sort((a, b) => a - b);
  const lines = new Map<number | null, Pick<BrokenRow, 'line' | 'file'>>(
    rows.flatMap((each) => (each.line === undefined ? [] : [[each.row, each]])),
  );
  const unplaced = numbers.filter((row) => !lines.has(row));
  for (const [row, place] of await linesOfRows(dataset, unplaced)) lines.set(row, place);
  const hasId = dataset.columns.some(({ name }) => name === idColumn);
  const known = new Map(rows.flatMap(({ row, id }) => (row === null || id === undefined ? [] : [[row, id]])));
  const unknown = hasId ? numbers.filter((number) => !known.has(number)).map((number) => number - 1) : [];
  const ids = unknown.length > 0 ? await idsOfRows(dataset, idColumn, unknown) : new Map<number, string>();
  const idOf = (row: number | null): string | null => {
    const id = row === null ? undefined : (known.get(row) ?? ids.get(row - 1));
    return id === undefined ? null : shownId(id);
  };
  return rows.map(({ row, column, rule, value, message }) => [
    dataset.name,
    idOf(row),
    row,
    lines.get(row)?.line ?? null,
    lines.get(row)?.file ?? dataset.uri,
    column,
    rule,
    value,
    message,
  ]);
}

/** None where there is nothing to list. CSV is written beside Parquet where the rows are few. */
export async function violationFilesOf(rows: readonly Listed[]): Promise<NonNullable<StageResult['files']>> {
  if (rows.length === 0) return [];
  const [parquet, csv] = violationFiles;
  const files: { name: string; content: string | Uint8Array }[] = [
    { name: parquet, content: await parquetOf(columns, rows) },
  ];
  if (rows.length <= mostInCsv) {
    const lines = [columns.map(({ name }) => name), ...rows].map((row) => row.map(csvCell).join(','));
    files.push({ name: csv, content: `${lines.join('\n')}\n` });
  }
  return files;
}

/** A spreadsheet takes a text that begins with one of these for a formula. */
function csvCell(value: string | number | null): string {
  if (value === null) return '';
  const text = typeof value === 'string' && /^[=+\-@\t\r]/u.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/u.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** A value as the files hold it: a text as it is, shortened; anything else as JSON. */
export function listedValue(value: unknown): string | null {
  if (value === undefined) return null;
  return typeof value === 'string' ? value.slice(0, 1000) : showValue(value);
}
