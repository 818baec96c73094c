import type { DuckDBConnection, DuckDBValue } from '@duckdb/node-api';
import { nearest } from '../config/suggest.ts';
import { DataError } from '../errors.ts';
import type { DatasetSubject } from '../evidence/evidence.ts';
import type { JudgedLines } from './line-rules.ts';
import { quoted, firstOf } from '../wording.ts';

/** A file of rows, as the configuration names it. */
export interface DatasetSource {
  /** The part it plays: evaluation, reference, current. */
  name: string;
  /** Absolute path. Glob characters in it are taken literally. */
  path: string;
  /** The path as the user wrote it, for messages. */
  uri: string;
  /** The files, where it is known which they are; else those that the path stands for (`partsOf`). */
  parts?: readonly DatasetPart[];
  /** Columns whose values the folders of the parts say: `date=2024-01-01/`. */
  partitions?: readonly string[] | undefined;
  /** How a CSV file is written, where it is not RFC 4180. */
  csv?: CsvDialect | undefined;
  /** What a process that opened the same bytes before has seen: the file is not read through again. */
  known?: { rows: number; columns: DatasetColumn[] };
}

export interface DatasetPart {
  /** Absolute path. */
  path: string;
  /** The path as it is shown. */
  uri: string;
  /** Its path below what all parts lie in, which belongs to the identity of the whole. */
  name: string;
  /** Digest of its bytes. */
  sha256?: string;
}

/** Ways to write CSV that are told, never guessed. */
export interface CsvDialect {
  /** One character between cells; a comma by default. */
  delimiter?: string;
  /** The character before a fraction; a point by default. */
  decimal?: '.' | ',';
  /** Texts that stand for no value, beside the empty cell. */
  missing?: readonly string[];
  /** The character around cells that hold one of the others; a double quote by default, none where it is empty. */
  quote?: string;
  /** Names of the columns, of a file whose first line has none. */
  header?: readonly string[];
  /** The character encoding, by a name that the web knows (utf-8 by default). */
  encoding?: string;
  /** What ends the rows, where the file tells another end first, within quotes: see `endOfRows`. */
  end?: '\n' | '\r\n' | undefined;
}

export interface DatasetColumn {
  name: string;
  /**
   * DuckDB's type, such as DOUBLE or VARCHAR: in Parquet what the file says; in CSV and JSONL BIGINT (HUGEINT beyond 18 digits),
   * DOUBLE or BOOLEAN where every cell that is not missing spells one (a full reading decides, no sample), JSON where one is an
   * object or a list, else VARCHAR.
   */
  type: string;
  /** Cells with a value, where the reading that found the type counted them. */
  present?: number;
  /** Of CSV and JSONL: what else there is among its cells. */
  cells?: {
    /** No cell has a value. */
    empty?: boolean;
    /** Some number is NaN. */
    notANumber?: boolean;
    /** Some number is written with a fraction or an exponent, or as -0: only its token says how. */
    fraction?: boolean;
  };
  /** Of JSONL whose rows are all flat objects (`flatColumns`). */
  flat?: {
    /** No value is of another JSON type than the others, null aside. */
    ofOneType: boolean;
    nulls: boolean;
    /** Some row does not have the key. */
    absent: boolean;
    /**
     * Of its numbers: whether one has so many digits, or an exponent, that its double may be another number; and whether that
     * double may be whole, or a number of at most ten digits, while it is not.
     */
    digits: 'few' | 'many' | 'unclear';
  };
}

export type DatasetFormat = 'csv' | 'jsonl' | 'parquet';

/** An open dataset: a DuckDB connection that can read this file and nothing else. */
export interface Dataset {
  name: string;
  uri: string;
  /** Of the first file. */
  path: string;
  /** The files as they are named, in the order of their rows. */
  parts: readonly Required<DatasetPart>[];
  /** Where the engine reads them: not where they lie if they had to be written again in UTF-8. */
  paths: readonly string[];
  partitions?: readonly string[] | undefined;
  format: DatasetFormat;
  /** SHA-256 of the bytes of the file; of several, of their names and digests (`digestOfParts`). */
  sha256: string;
  rows: number;
  columns: DatasetColumn[];
  /** Of CSV and JSONL: which rows the rules allow that it was opened with. */
  judged?: JudgedLines;
  connection: DuckDBConnection;
  /**
   * SQL name of a view with the rows in file order, with the types of `columns`, where NaN is null too: for SQL of users. Whoever
   * reads cells for a use of theirs asks `readingOf`.
   */
  relation: string;
  csv?: CsvDialect | undefined;
  close(): void;
}

/** Whether `data.csv` of the configuration says how a file is read: of predictions and of the logs of a rollout it does not. */
export function takesDialect(name: string): boolean {
  return name !== 'predictions' && name !== 'log';
}

/** What evidence keeps of a dataset. */
export function datasetSubject(dataset: Dataset): DatasetSubject {
  const { uri, sha256, rows, parts } = dataset;
  const files = parts.map((part) => ({ uri: part.uri, sha256: part.sha256 }));
  return { uri, sha256, rows, ...(parts.length > 1 ? { files } : {}) };
}

type SourceOfDataset = Pick<Dataset, 'name' | 'path' | 'uri' | 'parts' | 'partitions' | 'csv' | 'rows' | 'columns'>;

/** The source of a dataset that is open, for another process that opens the same bytes. */
export function sourceOf({ name, path, uri, parts, partitions, csv, rows, columns }: SourceOfDataset): DatasetSource {
  return { name, path, uri, parts, partitions, csv, known: { rows, columns } };
}

/** A SQL identifier that names exactly this column, whatever is in it. */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** DuckDB takes file names for globs: `data[1].csv` would read `data1.csv`. */
export function escapeGlob(path: string): string {
  return path.replace(/[[*?]/gu, (character) => `[${character}]`);
}

/** How the name says that the file is packed. */
export function packingOf(path: string): 'gzip' | 'zstd' | null {
  const name = path.toLowerCase();
  return name.endsWith('.gz') ? 'gzip' : name.endsWith('.zst') ? 'zstd' : null;
}

export function isPacked(path: string): boolean {
  return packingOf(path) !== null;
}

/** The option for packed files: the engine tells it by the name, and takes what follows a `?` for no part of that. */
export function compressionOf([path = '']: readonly string[]): string {
  const packing = packingOf(path);
  return packing === null ? '' : `, compression = '${packing}'`;
}

/** The argument of a function of the engine that reads files, each taken literally. */
export function filesFor(paths: readonly string[]): string {
  const literals = paths.map((path) => quoteLiteral(escapeGlob(path)));
  return literals.length === 1 ? (literals[0] as string) : `[${literals.join(', ')}]`;
}

/** A SQL string literal of exactly this text. */
export function quoteLiteral(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

export function quoteLiterals(texts: readonly string[]): string {
  return texts.map(quoteLiteral).join(', ');
}

/**
 * The columns by name.
 * @param section of contender.yml that names them, or whose defaults they are
 * @throws DataError that names a missing one and the nearest there is
 */
export function requireColumns(
  dataset: Pick<Dataset, 'columns' | 'uri'>,
  names: readonly string[],
  section?: string,
): DatasetColumn[] {
  return names.map((name) => {
    const column = dataset.columns.find((each) => each.name === name);
    if (column !== undefined) return column;
    const known = dataset.columns.map((each) => each.name);
    const near = nearest(name, known);
    throw new DataError({
      found: `there is no column ${quoted(name)}`,
      expected: `one of: ${firstOf(known, 20, 'columns')}`,
      where: dataset.uri,
      remedy:
        near === undefined
          ? `Correct the column name in contender.yml${section === undefined ? '' : `, in ${section}`}`
          : `Did you mean ${quoted(near)}?`,
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
      found: `cannot be read to its end: ${withUris(cause.message.split('\n')[0] ?? '', dataset).slice(0, 300)}`,
      where: dataset.uri,
      remedy: 'Write the file again',
      cause,
    });
  }
}

/** The rows that a query gives, of what `reading` guards. */
export async function rowsFrom(dataset: Dataset, query: string): Promise<DuckDBValue[][]> {
  return (await reading(dataset, () => dataset.connection.runAndReadAll(query))).getRows();
}

/** A message of the engine with the files named as the user names them. */
function withUris(text: string, { parts, paths }: Pick<Dataset, 'parts' | 'paths'>): string {
  return parts.reduce(
    (said, { path, uri }, index) => said.replaceAll(paths[index] ?? path, uri).replaceAll(path, uri),
    text,
  );
}
