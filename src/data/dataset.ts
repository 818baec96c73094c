import { nearestPath } from '../config/near-path.ts';
import { pulledWith } from '../config/elsewhere.ts';
import { rmSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import type { DuckDBConnection } from '@duckdb/node-api';
import { ContenderError, DataError, openingFault } from '../errors.ts';
import type { Log } from '../log.ts';
import { fileDigest } from '../file-digest.ts';
import { fromOf, readingOfColumns } from './cells.ts';
import { csvColumns } from './csv-cells.ts';
import { csvFault, csvHeader, endOfRows, refuseUnspeakable, refuseTwin } from './csv.ts';
import { jsonlColumns } from './jsonl-cells.ts';
import { jsonlFault } from './jsonl-fault.ts';
import { startEngine } from './engine.ts';
import { inUtf8 } from './encoding.ts';
import type { JudgedLines, LineRules } from './line-rules.ts';
import { refuseCutTimes } from './nanoseconds.ts';
import { parquetFrom } from './parquet-cells.ts';
import { plainCsv, type PlainCsv } from './plain-csv.ts';
import { digestOfParts, partsOf } from './parts.ts';
import {
  escapeGlob,
  isPacked,
  packingOf,
  quoteIdentifier,
  quoteLiteral,
  takesDialect,
  type Dataset,
  type DatasetColumn,
  type DatasetFormat,
  type DatasetPart,
  type DatasetSource,
} from './relation.ts';
import { refuseSwallowedRows } from './swallowed-rows.ts';
import { temporaryFolder } from './temporary.ts';
import { readWhole } from './whole-file.ts';
import { readHead } from './read-file.ts';

export interface OpenOptions {
  log?: Log;
  /** DuckDB memory limit, such as 2GB. */
  memoryLimit?: string;
  threads?: number;
  /** Digest of the file where the caller knows it, or has no use for it. */
  sha256?: string;
  /** What is asked of rows of CSV and JSONL while they are looked at, where that is worth it. */
  rules?: (() => Promise<LineRules | null>) | undefined;
}

/**
 * Open a CSV, JSONL or Parquet file (.csv, .jsonl, .ndjson, .parquet; CSV and JSONL may be .gz).
 * CSV is RFC 4180: comma, double quotes, UTF-8, a first line with the names of the columns.
 * @throws DataError when the file is missing, empty, of another format, or cannot be parsed to its end
 */
export async function openDataset(named: DatasetSource, options: OpenOptions = {}): Promise<Dataset> {
  let source = named;
  const parts = source.parts ?? (await partsOf(source.path, source.uri));
  const format = formatOf(parts);
  for (const part of parts) await refuseImpostor(source.name, part, format);
  const temporary = await temporaryFolder('duckdb');
  let close = (): void => rmSync(temporary, { recursive: true, force: true });
  const files: DatasetPart[] = [];
  try {
    files.push(...(await inUtf8(parts, format, source.csv, temporary)));
    // What cannot be read is told by who reads it next.
    const end = format === 'csv' ? await endOfRows(files[0]?.path ?? '', source.csv).catch(() => undefined) : undefined;
    if (end !== undefined) source = { ...source, csv: { ...source.csv, end } };
    let begun: Promise<string[]> | undefined;
    const whole = (): Promise<string[]> => (begun ??= wholeOf(source, parts, files, options));
    // While the engine starts and looks at the files. Of CSV the look may tell all of it.
    if (format !== 'csv' || source.known !== undefined) whole().catch(() => {});
    const early = format === 'csv' && source.known === undefined ? plainFiles(source, files, options) : undefined;
    early?.catch(() => {});
    const paths = files.map(({ path }) => path);
    const { connection, close: closeEngine } = await startEngine(settingsFor(paths, temporary, options));
    close = (): void => {
      closeEngine();
      rmSync(temporary, { recursive: true, force: true });
    };
    try {
      const relation = quoteIdentifier('data');
      const looked: Looked = source.known ?? (await look(connection, source, files, format, options, early));
      const { rows, columns, judged } = looked;
      const asNamed = files.every(({ path }, index) => path === parts[index]?.path);
      const sha256s = looked.sha256s !== undefined && asNamed ? looked.sha256s : await whole();
      if (format === 'csv' && source.known === undefined && looked.plain !== true) {
        const own = columns.length - (source.partitions?.length ?? 0);
        for (const file of files) {
          const fault = await csvFault(file, source.csv, { columns: own });
          if (fault !== null) throw fault;
        }
      }
      const { csv, partitions } = source;
      const cells = { paths, format, columns, csv, partitions };
      const { from, expressions } = readingOfColumns(cells, columns, 'typed');
      const named = columns.map(({ name }, index) => `${expressions[index]} as ${quoteIdentifier(name)}`);
      // Rows of JSON may have no keys at all.
      const selected = named.length === 0 ? '*' : named.join(', ');
      await connection.run(`create view ${relation} as select ${selected} from ${from}`);
      const known = parts.map((part, index) => ({ ...part, sha256: sha256s[index] ?? '' }));
      const sha256 = options.sha256 ?? digestOfParts(known);
      const { name, uri } = source;
      const path = paths[0] ?? '';
      const opened = { ...cells, path, parts: known, name, uri, sha256, rows, connection, relation, close };
      return judged === undefined ? opened : { ...opened, judged };
    } catch (cause) {
      // What is left of a file that is cut off may look like anything.
      if (files.some(({ path }) => isPacked(path)) || !(cause instanceof ContenderError)) await whole();
      throw cause;
    }
  } catch (cause) {
    close();
    if (files.length > 1) await refuseEach(source, parts, options);
    if (cause instanceof ContenderError) throw cause;
    const [file = { path: source.path, uri: source.uri, name: '' }] = files;
    throw await unreadable(source, file, format, cause);
  }
}

/** Open a dataset for as long as `work` takes. @throws DataError as `openDataset` */
export async function withDataset<T>(
  source: DatasetSource,
  options: OpenOptions,
  work: (dataset: Dataset) => Promise<T> | T,
): Promise<T> {
  const dataset = await openDataset(source, options);
  try {
    return await work(dataset);
  } finally {
    dataset.close();
  }
}

/** Of several files the one at fault says more than all. @throws DataError of the first that cannot be opened alone */
async function refuseEach(source: DatasetSource, parts: readonly DatasetPart[], options: OpenOptions): Promise<void> {
  const { known: _known, ...asked } = source;
  for (const part of parts) {
    const { path, uri } = part;
    (await openDataset({ ...asked, path, uri, parts: [part] }, { ...options, sha256: '' })).close();
  }
}

/**
 * Digests of the files, each read to its end.
 * @param files where the parts are read, which may be others: the digest is of the bytes that were named
 */
async function wholeOf(
  { known }: DatasetSource,
  parts: readonly DatasetPart[],
  files: readonly DatasetPart[],
  { sha256 }: OpenOptions,
): Promise<string[]> {
  const found: string[] = [];
  for (const [index, part] of parts.entries()) {
    const file = files[index] ?? part;
    if (sha256 !== undefined && (known !== undefined || !isPacked(part.path))) continue;
    const whole = await readWhole(file.path, part.uri);
    found[index] = file.path !== part.path && sha256 === undefined ? await fileDigest(part.path) : whole;
  }
  return found;
}

interface Looked {
  rows: number;
  columns: DatasetColumn[];
  /** Digests of the files, where one look told both. */
  sha256s?: readonly string[];
  /** Of CSV: no line of it is written in any way that is not RFC 4180. */
  plain?: boolean;
  judged?: JudgedLines;
}

/** Columns and rows of files that were not looked at before. They are read to their end. */
async function look(
  connection: DuckDBConnection,
  source: DatasetSource,
  files: readonly DatasetPart[],
  format: DatasetFormat,
  options: OpenOptions,
  early?: ReturnType<typeof plainFiles>,
): Promise<Looked> {
  const paths = files.map(({ path }) => path);
  const partitions = source.partitions ?? [];
  for (const name of partitions) refuseUnnamedFolder(name, source.parts ?? files, format);
  switch (format) {
    case 'csv': {
      const { names, plain } = await (early ?? plainFiles(source, files, options));
      const all = withPartitions(names, partitions, source.uri);
      const columns = all.map((name) => ({ name, type: 'VARCHAR' }));
      const from = fromOf({ ...source, paths, format, columns });
      const found = await csvColumns(connection, from, all, source.csv, plain);
      const own = found.columns.slice(0, names.length);
      if (found.lineBreaks) await refuseSwallowedRows(connection, from, own, source);
      return found;
    }
    case 'jsonl':
      return jsonlColumns(connection, files, (await options.rules?.()) ?? null);
    case 'parquet': {
      const own = await sameParquetColumns(connection, files);
      withPartitions(
        own.map(({ name }) => name),
        partitions,
        source.uri,
      );
      const typed = partitions.map((name) => ({ name, type: typeOfFolders(name, files) }));
      const counted = await connection.runAndReadAll(`select count(*)::double from ${parquetFrom(paths)}`);
      return { rows: Number(counted.getRows()[0]?.[0]), columns: [...own, ...typed] };
    }
  }
}

/** The columns that files of CSV have, and what is to be said of them without the engine. */
async function plainFiles(
  source: DatasetSource,
  files: readonly DatasetPart[],
  { rules }: OpenOptions,
): Promise<{ names: readonly string[]; plain: PlainCsv | null }> {
  const names = source.csv?.header ?? (await sameHeaders(files, source));
  if ((source.partitions ?? []).length > 0) return { names, plain: null };
  const paths = files.map(({ path }) => path);
  return { names, plain: await plainCsv(paths, names, source.csv, rules) };
}

/** Names of columns, those of the folders after those of the files. @throws DataError for a name that both have */
function withPartitions(names: readonly string[], partitions: readonly string[], uri: string): string[] {
  const seen = new Map(names.map((name) => [name.toLowerCase(), name]));
  for (const name of partitions) {
    const twin = seen.get(name.toLowerCase());
    if (twin === undefined) continue;
    throw new DataError({
      found: `data.partitions names ${JSON.stringify(name)}, but the files already have a column ${JSON.stringify(twin)}`,
      expected: 'each column either in the files or in their folder names',
      where: uri,
      remedy: 'Remove it from data.partitions',
    });
  }
  return [...names, ...partitions];
}

function refuseUnnamedFolder(name: string, files: readonly DatasetPart[], format: DatasetFormat): void {
  if (format === 'jsonl') {
    throw new DataError({
      found: 'data.partitions with files of JSONL',
      expected: 'CSV or Parquet: in JSONL every value must be in its line',
      where: files[0]?.uri ?? '',
      remedy: 'Write the value into each row',
    });
  }
  const other = files.find(({ uri }) => !`/${uri}`.includes(`/${name}=`));
  if (other === undefined) return;
  throw new DataError({
    found: `the path of this file has no folder ${name}=...`,
    expected: 'a folder in the path for each column of data.partitions',
    where: other.uri,
    remedy: 'Move the file into such a folder, or remove the column from data.partitions',
  });
}

/** Whole numbers where every folder names one. */
function typeOfFolders(name: string, files: readonly DatasetPart[]): string {
  const values = files.map(({ uri }) => `/${uri}`.split(`/${name}=`).at(-1)?.split('/')[0] ?? '');
  return values.every((value) => /^(?:0|-?[1-9][0-9]{0,17})$/u.test(value)) ? 'BIGINT' : 'VARCHAR';
}

/** @throws DataError where the first lines of two files name other columns, or in another order */
async function sameHeaders(files: readonly DatasetPart[], { name, csv }: DatasetSource): Promise<string[]> {
  let first: string[] | undefined;
  for (const { path, uri } of files) {
    const names = await csvHeader(path, uri, csv, takesDialect(name));
    first ??= names;
    refuseOtherColumns(first, names, files[0]?.uri ?? '', uri);
  }
  return first ?? [];
}

function refuseOtherColumns(first: readonly string[], names: readonly string[], firstUri: string, uri: string): void {
  if (names.length === first.length && names.every((name, index) => name === first[index])) return;
  const at = names.findIndex((name, index) => name !== first[index]);
  const [here, there] = at < 0 ? [undefined, first[names.length]] : [names[at], first[at]];
  const shown = (name: string | undefined): string => (name === undefined ? 'nothing' : name.slice(0, 300));
  throw new DataError({
    found: `column ${(at < 0 ? names.length : at) + 1} is ${shown(here)}`,
    expected: `${shown(there)}, as in ${firstUri}: all files of a dataset have the same columns`,
    where: uri,
    remedy: 'Write all files with the same columns in the same order',
  });
}

/** @throws DataError where two files have columns of other names or types, or in another order */
async function sameParquetColumns(
  connection: DuckDBConnection,
  files: readonly DatasetPart[],
): Promise<DatasetColumn[]> {
  let first: DatasetColumn[] | undefined;
  for (const { path, uri } of files) {
    const described = await connection.runAndReadAll(`describe select * from ${parquetFrom([path])}`);
    const columns = described.getRows().map((row) => ({ name: String(row[0]), type: String(row[1]) }));
    await refuseMisreadColumns(connection, { path, uri }, columns);
    first ??= columns;
    const shown = (each: readonly DatasetColumn[]): string[] =>
      each.map(({ name, type }) => `${JSON.stringify(name)} (${type})`);
    refuseOtherColumns(shown(first), shown(columns), files[0]?.uri ?? '', uri);
  }
  return first ?? [];
}

/** What the engine may reach and use. */
function settingsFor(paths: readonly string[], temporary: string, { memoryLimit, threads }: OpenOptions): string[] {
  return [
    `memory_limit = ${quoteLiteral(memoryLimit ?? '2GB')}`,
    ...(threads === undefined ? [] : [`threads = ${Math.max(1, Math.trunc(threads))}`]),
    `temp_directory = ${quoteLiteral(temporary)}`,
    'preserve_insertion_order = true',
    // The engine reads ahead while the caller works on what it has.
    "streaming_buffer_size = '16MB'",
    // Parquet footers can lie: a predicate must look at the values. A list of six or more values would become a join, which gives
    // rows in another order than that of the file, by which they are numbered.
    "disabled_optimizers = 'statistics_propagation,in_clause'",
    // Access is checked on the name as written, with its escapes, and on the file it leads to.
    `allowed_paths = [${paths.flatMap((path) => [path, escapeGlob(path)].map(quoteLiteral)).join(', ')}]`,
  ];
}

/** Of wider decimals the engine reads other numbers. */
const mostDigits = 38;
/** How the engine describes a column in nanoseconds, of which it may read microseconds. */
const nanoseconds = /NANOS=NanoSeconds/u;

/**
 * What the engine would read otherwise than it is written: wide decimals, nanoseconds, and a second column of one name, in any case,
 * which it gives another name.
 */
async function refuseMisreadColumns(
  connection: DuckDBConnection,
  source: { path: string; uri: string },
  columns: readonly DatasetColumn[],
): Promise<void> {
  const path = quoteLiteral(escapeGlob(source.path));
  const written = await connection.runAndReadAll(
    `select name, precision, type, logical_type::varchar from parquet_schema(${path})`,
  );
  const wide = written.getRows().find(([, precision]) => Number(precision) > mostDigits);
  if (wide !== undefined) {
    throw new DataError({
      found: `column ${JSON.stringify(String(wide[0]).slice(0, 100))} holds decimals of ${Number(wide[1])} digits`,
      expected: `at most ${mostDigits} digits`,
      where: source.uri,
      remedy: 'Write the column as decimals of fewer digits, or as text',
    });
  }
  if (written.getRows().some(([, , type, logical]) => type === 'INT96' || nanoseconds.test(String(logical))))
    await refuseCutTimes(source.path, source.uri);
  for (const { name } of columns) refuseUnspeakable(name, source.uri);
  const names = new Set(written.getRows().map((row) => row[0]));
  if (columns.every(({ name }) => names.has(name))) return;
  const seen = new Map<string, string>();
  for (const row of written.getRows().slice(1)) {
    refuseUnspeakable(String(row[0]), source.uri);
    refuseTwin(String(row[0]), seen, source.uri);
  }
}

async function unreadable(
  { name, csv, path: named }: DatasetSource,
  { path, uri }: DatasetPart,
  format: DatasetFormat,
  cause: unknown,
): Promise<DataError> {
  // The file may be no text at all, which the engine says better.
  if (format === 'jsonl') {
    const fault = await jsonlFault(path, uri, 'unreadable', cause).catch((other: unknown) => other);
    // Of a line that is too long the engine says no number.
    if (fault instanceof DataError) return fault;
  }
  if (format === 'csv') {
    const fault = await csvFault({ path, uri }, csv, { cause }).catch(() => null);
    if (fault !== null) return fault;
  }
  const text = (cause instanceof Error ? cause.message : String(cause)).replaceAll(path, uri).replaceAll(named, uri);
  const line = /CSV Error on Line: (\d+)/u.exec(text)?.[1];
  // The engine quotes the bad line, then says what is wrong with it, then what it could ignore.
  const before = text.slice(0, Math.max(0, text.indexOf('\nPossible'))).trim();
  const reason = line === undefined || before === '' ? (text.split('\n')[0] ?? '') : (before.split('\n').at(-1) ?? '');
  return new DataError({
    found: `cannot be read as ${format}: ${reason.slice(0, 300)}`,
    where: line === undefined ? uri : `${uri}:${line}`,
    remedy: /not utf-8/iu.test(reason)
      ? `Save the file as UTF-8${takesDialect(name) ? ', or name its encoding in data.csv.encoding, such as windows-1252' : ''}`
      : line === undefined
        ? 'Correct the file, or rename it with the extension of its real format'
        : 'Correct this line: comma-separated, double quotes, UTF-8, as many cells as the header',
    cause,
  });
}

/** Files are read by one rule: all are of one format, packed in one way. */
function formatOf(parts: readonly DatasetPart[]): DatasetFormat {
  let first: { format: DatasetFormat; packing: string | null; uri: string } | undefined;
  for (const { path, uri } of parts) {
    const format = formatOfFile(path, uri);
    const packing = packingOf(path);
    first ??= { format, packing, uri };
    if (format === first.format && packing === first.packing) continue;
    throw new DataError({
      found: `this is ${format}${packing === null ? '' : ` packed with ${packing}`}`,
      expected: `${first.format}${first.packing === null ? '' : ` packed with ${first.packing}`}, as ${first.uri}`,
      where: uri,
      remedy: 'Write all files of a dataset in the same format',
    });
  }
  return first?.format ?? 'csv';
}

function formatOfFile(path: string, uri: string): DatasetFormat {
  const name = path.toLowerCase().replace(/\.(?:gz|zst)$/u, '');
  if (name.endsWith('.parquet') && name === path.toLowerCase()) return 'parquet';
  if (name.endsWith('.csv')) return 'csv';
  if (name.endsWith('.jsonl') || name.endsWith('.ndjson')) return 'jsonl';
  throw new DataError({
    found: 'the file name does not show the format',
    expected: '.csv, .jsonl, .ndjson (each may end in .gz or .zst) or .parquet',
    where: uri,
    remedy:
      otherFormats.find(([ending]) => ending.test(name))?.[1] ?? 'Rename the file with the extension of its format',
  });
}

/** What to do with files of other names, by how these end. */
const otherFormats: readonly (readonly [ending: RegExp, remedy: string])[] = [
  [/\.(?:tsv|tab)$/u, 'Rename it to .csv, and set data.csv.delimiter to a tab ("\\t")'],
  [
    /\.json$/u,
    'Write one object per line, and name the file .jsonl (pandas: to_json(path, orient="records", lines=True))',
  ],
  [/\.(?:pq|parq)$/u, 'Rename it to .parquet'],
  [/\.(?:bz2|xz|zip|7z|br|lz4|tar)$/u, 'Decompress it, or compress it with gzip or Zstandard'],
  [
    /\.(?:feather|arrow|ipc|orc|avro|xlsx?|ods|pkl|pickle|h5|hdf5?|npy|npz|db|sqlite)$/u,
    'Write the rows as Parquet or CSV',
  ],
];

async function refuseImpostor(dataset: string, source: DatasetPart, format: DatasetFormat): Promise<void> {
  const info = await stat(source.path).catch(async (cause: NodeJS.ErrnoException) => {
    const near = await nearestPath(source.path, source.uri, /\.(?:csv|parquet|jsonl|ndjson)(?:\.gz|\.zst)?$/u);
    throw new DataError({
      found: openingFault(cause),
      // What is named on the command line has no name of its own.
      expected: dataset === 'data' ? 'rows of data' : `the ${dataset} data`,
      where: source.uri,
      remedy:
        pulledWith(source.path, source.uri) ??
        (near === undefined ? 'Check the path' : `Did you mean ${JSON.stringify(near)}?`),
      cause,
    });
  });
  if (!info.isFile()) {
    throw new DataError({
      found: info.isDirectory() ? 'this is a folder' : 'this is not a file',
      expected: 'one file of rows',
      where: source.uri,
      remedy: 'Name the file itself',
    });
  }
  if (info.size === 0) {
    throw new DataError({
      found: 'the file is empty',
      expected: 'rows of data',
      where: source.uri,
      remedy: 'Write the data again',
    });
  }
  const head = await readHead(source.path, 64).catch((cause: NodeJS.ErrnoException) => {
    throw new DataError({
      found: openingFault(cause),
      expected: 'a readable file',
      where: source.uri,
      remedy: 'Check its permissions',
      cause,
    });
  });
  if (head.toString('latin1').startsWith('version https://git-lfs')) {
    throw new DataError({
      found: 'this is a Git LFS pointer, not the data',
      where: source.uri,
      remedy: "Run 'git lfs pull' first (actions/checkout: lfs: true)",
    });
  }
  if (/^(?:\u00ef\u00bb\u00bf)?\s*<(?:!doctype\s+html|html)/iu.test(head.toString('latin1'))) {
    throw new DataError({
      found: 'this is an HTML page, not data',
      expected: `a file of rows (${format})`,
      where: source.uri,
      remedy: 'Download it again: a server that requires a login, or does not have the file, answers with a web page',
    });
  }
  refusePacked(source, format, head);
  if (format === 'parquet' && head.toString('latin1', 0, 4) !== 'PAR1') {
    throw new DataError({
      found: 'this is not a Parquet file',
      expected: 'a file that starts with PAR1',
      where: source.uri,
      remedy: 'Rename the file with the extension of its real format, or write it again',
    });
  }
}

const packings = [
  { name: 'gzip', start: Buffer.from([0x1f, 0x8b, 0x08]) },
  { name: 'ZIP', start: Buffer.from('PK\x03\x04') },
  { name: 'Zstandard', start: Buffer.from([0x28, 0xb5, 0x2f, 0xfd]) },
  { name: 'XZ', start: Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a]) },
  { name: 'bzip2', start: Buffer.from([0x42, 0x5a, 0x68, 0x39, 0x31, 0x41, 0x59]) },
];

/** Packed bytes under a name that does not say so, or the other way round. */
function refusePacked(source: DatasetPart, format: DatasetFormat, head: Buffer): void {
  if (format === 'parquet') return;
  const packing = packings.find(({ start }) => head.subarray(0, start.length).equals(start))?.name;
  const said = packingOf(source.path);
  const wanted = said === null ? undefined : { gzip: 'gzip', zstd: 'Zstandard' }[said];
  if (packing === wanted) return;
  const asText = format === 'csv' ? 'CSV' : 'JSONL';
  const ending = packing === 'gzip' ? '.gz' : packing === 'Zstandard' ? '.zst' : null;
  throw new DataError({
    found: packing === undefined ? `this is not a ${wanted} file` : `this is a ${packing} file`,
    expected: wanted === undefined ? `${asText} as text` : `${asText} compressed with ${wanted}, as the file name says`,
    where: source.uri,
    remedy:
      packing === undefined
        ? `Rename it without ${said === 'gzip' ? '.gz' : '.zst'}, or compress it with ${wanted}`
        : ending !== null
          ? `Rename it to ${basename(source.uri).replace(/\.(?:gz|zst)$/iu, '')}${ending}`
          : 'Decompress it, or compress it with gzip or Zstandard',
  });
}

export * from './relation.ts';
export { isNumeric } from './types.ts';
export { readColumns, type ColumnVector, type ColumnVectors, type NumberColumn, type TextColumn } from './columns.ts';
