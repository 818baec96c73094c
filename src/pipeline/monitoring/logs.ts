import type { CaptureFormat } from '../../config/forms.ts';
import { filesOf } from '../../model/prediction-file/files.ts';
import { canonicalClass, classReader } from '../../data/class-text.ts';
import { readColumns, type Dataset } from '../../data/dataset.ts';
import { idsOf, readingOfIds } from '../../data/row-ids.ts';
import { readTimes } from '../../data/times.ts';
import { requireEngines } from '../../model/engines.ts';
import type { ComparableColumn } from '../../stages/data/drift-columns.ts';
import { openRows } from '../contestants/contestants.ts';
import { inside, type Workspace } from '../workspace.ts';

/** Open the files a path of the configuration stands for, by name; they are closed when `work` is done. @throws DataError */
export async function withLogs<T>(
  workspace: Workspace,
  { name, uri, key, format }: { name: string; uri: string; key: string; format?: CaptureFormat | undefined },
  work: (datasets: Dataset[]) => Promise<T>,
): Promise<T> {
  requireEngines();
  const path = await inside(workspace, uri, key);
  const paths = await filesOf(path, uri);
  const { csv } = workspace.modelConfig.data;
  const datasets: Dataset[] = [];
  try {
    for (const each of paths) {
      const shown = paths.length === 1 ? uri : uri.replace(/[^/]*$/u, each.slice(each.lastIndexOf('/') + 1));
      const source = { name, uri: shown, path: each, csv };
      datasets.push(await openRows(workspace, source, format));
    }
    return await work(datasets);
  } finally {
    for (const dataset of datasets) dataset.close();
  }
}

/** A column of several files as numbers, NaN where there is none, one file after the other. */
export async function numbersOf(datasets: readonly Dataset[], name: string): Promise<Float64Array> {
  return joined(datasets, async (dataset) => {
    const { numbers } = await readColumns(dataset, { numbers: [name], nearest: true });
    return (numbers.get(name) as { values: Float64Array }).values;
  });
}

/** The same as times, in milliseconds since 1970. @param of the column of what the times are of, as `readTimes` has it */
export async function timesIn(datasets: readonly Dataset[], name: string, of?: string): Promise<Float64Array> {
  return joined(datasets, (dataset) => readTimes(dataset, name, of));
}

async function joined(
  datasets: readonly Dataset[],
  read: (dataset: Dataset) => Promise<Float64Array>,
): Promise<Float64Array> {
  const values = new Float64Array(rowsOf(datasets));
  let start = 0;
  for (const dataset of datasets) {
    values.set(await read(dataset), start);
    start += dataset.rows;
  }
  return values;
}

/** The same as texts; null where there is none. */
export async function textsOf(datasets: readonly Dataset[], name: string): Promise<(string | null)[]> {
  const values: (string | null)[] = [];
  for (const dataset of datasets) {
    const { texts } = await readColumns(dataset, { texts: [name] });
    for (const text of (texts.get(name) as { values: (string | null)[] }).values) values.push(text);
  }
  return values;
}

/** The values of a column of categories: of classes by the one name that each has whatever type holds it, else the texts. */
export async function categoriesIn(
  datasets: readonly Dataset[],
  { name, as }: Pick<ComparableColumn, 'name' | 'as'>,
): Promise<(string | null)[]> {
  const texts = await textsOf(datasets, name);
  return as === 'classes' ? texts.map(classNamed) : texts;
}

/** The one name of the class that a text says; null: it says none. */
export function classNamed(text: string | null): string | null {
  return text === null ? null : canonicalClass(text);
}

/**
 * The labels of every row, by the one name of their class; null where there is none.
 * @throws DataError where a file writes one class in two ways
 */
export async function labelsIn(datasets: readonly Dataset[], label: string): Promise<(string | null)[]> {
  const labels: (string | null)[] = [];
  for (const dataset of datasets) {
    const classOf = classReader(label, dataset.uri);
    for (const [row, text] of (await textsOf([dataset], label)).entries())
      labels.push(classNamed(text === null ? null : classOf(text, row)));
  }
  return labels;
}

/** The ids of every row, as they are joined by; null where there is none. */
export async function idsIn(datasets: readonly Dataset[], id: string): Promise<(string | null)[]> {
  const ids: (string | null)[] = [];
  for (const dataset of datasets) {
    for (const each of await idsOf(dataset, id, { start: 0, count: dataset.rows })) ids.push(each);
  }
  return ids;
}

/** The column of ids of some files. */
export interface IdColumn {
  datasets: readonly Dataset[];
  id: string;
}

/**
 * The ids of two sides, of which rows are joined. Where one of them stores its ids as numbers, leading zeros of the other mean
 * nothing.
 */
export async function idsToJoin(
  one: IdColumn,
  other: IdColumn,
): Promise<[one: (string | null)[], other: (string | null)[]]> {
  const isNumeric = ({ datasets, id }: IdColumn): boolean => datasets.some((each) => readingOfIds(each, id).numeric);
  const inDigits = isNumeric(one) !== isNumeric(other);
  const read = async ({ datasets, id }: IdColumn): Promise<(string | null)[]> => {
    const ids = await idsIn(datasets, id);
    return inDigits ? ids.map((each) => each?.replace(/^(-?)0+([0-9]+)$/u, '$1$2') ?? null) : ids;
  };
  return [await read(one), await read(other)];
}

/** Rows by their id; rows without one are left out. */
export function rowsById(ids: readonly (string | null)[]): Map<string, number[]> {
  const rows = new Map<string, number[]>();
  for (const [row, id] of ids.entries()) {
    if (id === null) continue;
    const known = rows.get(id);
    if (known === undefined) rows.set(id, [row]);
    else known.push(row);
  }
  return rows;
}

export function rowsOf(datasets: readonly Dataset[]): number {
  return datasets.reduce((sum, { rows }) => sum + rows, 0);
}

/** Does every file have the column? */
export function hasColumn(datasets: readonly Dataset[], name: string): boolean {
  return datasets.every(({ columns }) => columns.some((column) => column.name === name));
}
