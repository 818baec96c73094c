import type { DuckDBConnection } from '@duckdb/node-api';
import { nearest } from '../config/suggest.ts';
import { DataError } from '../errors.ts';
import type { DatasetSubject } from '../evidence/evidence.ts';

/** A file of rows, as the configuration names it. */
export interface DatasetSource {
  /** The part it plays: evaluation, reference, current. */
  name: string;
  /** Absolute path. Glob characters in it are taken literally. */
  path: string;
  /** The path as the user wrote it, for messages. */
  uri: string;
}

export interface DatasetColumn {
  name: string;
  /** DuckDB's type, such as DOUBLE or VARCHAR. */
  type: string;
}

export type DatasetFormat = 'csv' | 'jsonl' | 'parquet';

/** An open dataset: a DuckDB connection that can read this file and nothing else. */
export interface Dataset {
  name: string;
  uri: string;
  path: string;
  format: DatasetFormat;
  /** SHA-256 of the bytes of the file. */
  sha256: string;
  rows: number;
  columns: DatasetColumn[];
  connection: DuckDBConnection;
  /** SQL name of a view with the rows in file order, typed as DuckDB detects them. */
  relation: string;
  /**
   * A FROM clause with the same rows in the same order, in which this column holds the text that stands in the file: of CSV and
   * JSON, whose types are only detected. What a Parquet file holds has the type the file says.
   */
  withText(column: string): string;
  close(): void;
}

/** What evidence keeps of a dataset. */
export function datasetSubject(dataset: Dataset): DatasetSubject {
  return { uri: dataset.uri, sha256: dataset.sha256, rows: dataset.rows };
}

/** A SQL identifier that names exactly this column, whatever is in it. */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** A SQL string literal of exactly this text. */
export function quoteLiteral(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** The columns by name. @throws DataError that names a missing one and the nearest there is */
export function requireColumns(dataset: Dataset, names: readonly string[]): DatasetColumn[] {
  return names.map((name) => {
    const column = dataset.columns.find((each) => each.name === name);
    if (column !== undefined) return column;
    const near = nearest(
      name,
      dataset.columns.map((each) => each.name),
    );
    const known = dataset.columns
      .slice(0, 20)
      .map((each) => each.name)
      .join(', ');
    throw new DataError({
      found: `there is no column ${JSON.stringify(name)}`,
      expected: `one of: ${known}${dataset.columns.length > 20 ? `, … (${dataset.columns.length} columns)` : ''}`,
      where: dataset.uri,
      remedy: near === undefined ? 'Correct the column name in contender.yml' : `Did you mean ${JSON.stringify(near)}?`,
    });
  });
}

/** The last work begun on each connection. */
const busy = new WeakMap<DuckDBConnection, Promise<unknown>>();

/**
 * Run queries over a dataset, one work after another: a connection that streams one result loses it to the next query.
 * @param work must not call `reading` on the same dataset, or it waits for itself
 * @throws DataError where the engine finds the file damaged further in
 */
export async function reading<T>(dataset: Dataset, work: () => Promise<T>): Promise<T> {
  const before = busy.get(dataset.connection) ?? Promise.resolve();
  const done = before.then(work, work);
  busy.set(dataset.connection, done);
  try {
    return await done;
  } catch (cause) {
    // The engine's own errors begin with their kind: "Invalid Input Error: ..."; ours and bugs pass through.
    if (!(cause instanceof Error) || !/^[A-Z][A-Za-z ]* Error: /u.test(cause.message)) throw cause;
    throw new DataError({
      found: `cannot be read to its end: ${(cause.message.split('\n')[0] ?? '').replaceAll(dataset.path, dataset.uri).slice(0, 300)}`,
      where: dataset.uri,
      remedy: 'Write the file again',
      cause,
    });
  }
}
