import { pulledWith } from '../config/elsewhere.ts';
import { rmSync } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import type { DuckDBConnection } from '@duckdb/node-api';
import { ContenderError, DataError, openingFault } from '../errors.ts';
import type { Log } from '../log.ts';
import { readingOf } from './cells.ts';
import { csvColumns } from './csv-cells.ts';
import { csvFault, csvHeader, refuseTwin, rowOfMoreCells, type CsvFault } from './csv.ts';
import { jsonlColumns } from './jsonl-cells.ts';
import { isJsonlFault, jsonlFault } from './jsonl-fault.ts';
import { parquetFrom } from './parquet-cells.ts';
import {
  escapeGlob,
  isPacked,
  quoteIdentifier,
  quoteLiteral,
  type Dataset,
  type DatasetColumn,
  type DatasetFormat,
  type DatasetSource,
} from './relation.ts';
import { temporaryFolder } from './temporary.ts';
import { readWhole, type WholeFile } from './whole-file.ts';

export interface OpenOptions {
  log?: Log;
  /** DuckDB memory limit, such as 2GB. */
  memoryLimit?: string;
  threads?: number;
  /** Digest of the file where the caller knows it, or has no use for it. */
  sha256?: string;
}

/**
 * Open a CSV, JSONL or Parquet file (.csv, .jsonl, .ndjson, .parquet; CSV and JSONL may be .gz).
 * CSV is RFC 4180: comma, double quotes, UTF-8, a first line with the names of the columns.
 * @throws DataError when the file is missing, empty, of another format, or cannot be parsed to its end
 */
export async function openDataset(source: DatasetSource, options: OpenOptions = {}): Promise<Dataset> {
  const format = formatOf(source);
  await refuseImpostor(source, format);
  // While the engine starts and looks at the file.
  const whole = wholeOf(source, format, options);
  whole.catch(() => {});
  const { DuckDBInstance } = await import('@duckdb/node-api');
  const temporary = await temporaryFolder('duckdb');
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  const close = (): void => {
    connection.closeSync();
    instance.closeSync();
    rmSync(temporary, { recursive: true, force: true });
  };
  try {
    await secure(connection, source.path, temporary, options);
    const relation = quoteIdentifier('data');
    const { rows, columns } = source.known ?? (await look(connection, source, format));
    const { sha256, lineEndsTogether, emptyAtEnd } = await whole;
    await refuseBlankLines(source, lineEndsTogether, columns.length);
    const longer = emptyAtEnd ? await rowOfMoreCells(source.path, columns.length, source.csv) : null;
    if (longer !== null) throw csvError(source, longer);
    const cells = { path: source.path, format, columns, ...(source.csv === undefined ? {} : { csv: source.csv }) };
    const { from, expressions } = readingOf(
      cells,
      columns.map((column) => ({ column, use: 'typed' })),
    );
    const named = columns.map(({ name }, index) => `${expressions[index]} as ${quoteIdentifier(name)}`);
    // Rows of JSON may have no keys at all.
    const selected = named.length === 0 ? '*' : named.join(', ');
    await connection.run(`create view ${relation} as select ${selected} from ${from}`);
    return { ...cells, name: source.name, uri: source.uri, sha256, rows, connection, relation, close };
  } catch (cause) {
    close();
    // What is left of a file that is cut off may look like anything.
    if (isPacked(source.path) || !(cause instanceof ContenderError)) await whole;
    throw cause instanceof ContenderError ? cause : await unreadable(source, format, cause);
  }
}

async function wholeOf(source: DatasetSource, format: DatasetFormat, { sha256 }: OpenOptions): Promise<WholeFile> {
  const seen = source.known !== undefined || (format !== 'csv' && !isPacked(source.path));
  if (sha256 !== undefined && seen) return { sha256, lineEndsTogether: 'nowhere', emptyAtEnd: false };
  const whole = await readWhole(source.path, source.uri, format, source.csv);
  return { ...whole, sha256: sha256 ?? whole.sha256 };
}

/** The engine skips them without a word. */
async function refuseBlankLines(
  source: DatasetSource,
  together: WholeFile['lineEndsTogether'],
  columns: number,
): Promise<void> {
  // The only cell of a row may be empty; a row of several cells is never blank.
  const single = columns === 1;
  if (source.known !== undefined || together === 'nowhere' || (together === 'at the end' && !single)) return;
  const fault = await csvFault(source.path, source.csv, single);
  if (fault !== null) throw csvError(source, fault);
}

/** Columns and rows of a file that was not looked at before. It is read to its end. */
async function look(
  connection: DuckDBConnection,
  source: DatasetSource,
  format: DatasetFormat,
): Promise<{ rows: number; columns: DatasetColumn[] }> {
  switch (format) {
    case 'csv': {
      const names = await csvHeader(source.path, source.uri, source.csv);
      return csvColumns(connection, source.path, names, source.csv);
    }
    case 'jsonl':
      return jsonlColumns(connection, source.path, source.uri);
    case 'parquet':
      return parquetColumns(connection, source);
  }
}

async function parquetColumns(
  connection: DuckDBConnection,
  source: DatasetSource,
): Promise<{ rows: number; columns: DatasetColumn[] }> {
  const from = parquetFrom(source.path);
  const described = await connection.runAndReadAll(`describe select * from ${from}`);
  const columns = described.getRows().map((row) => ({ name: String(row[0]), type: String(row[1]) }));
  await refuseRenamedColumns(connection, source, columns);
  const counted = await connection.runAndReadAll(`select count(*)::double from ${from}`);
  return { rows: Number(counted.getRows()[0]?.[0]), columns };
}

async function secure(
  connection: DuckDBConnection,
  path: string,
  temporary: string,
  options: OpenOptions,
): Promise<void> {
  // The order matters: once the configuration is locked nothing can be loosened again.
  for (const setting of [
    'autoinstall_known_extensions = false',
    'autoload_known_extensions = false',
    'allow_community_extensions = false',
    `memory_limit = ${quoteLiteral(options.memoryLimit ?? '2GB')}`,
    ...(options.threads === undefined ? [] : [`threads = ${Math.max(1, Math.trunc(options.threads))}`]),
    `temp_directory = ${quoteLiteral(temporary)}`,
    'preserve_insertion_order = true',
    // Of the machine's own zone nothing may depend.
    "TimeZone = 'UTC'",
    // The engine reads ahead while the caller works on what it has.
    "streaming_buffer_size = '16MB'",
    // Parquet footers can lie; a predicate must look at the values.
    "disabled_optimizers = 'statistics_propagation'",
    // Access is checked on the name as written, with its escapes, and on the file it leads to.
    `allowed_paths = [${quoteLiteral(path)}, ${quoteLiteral(escapeGlob(path))}]`,
    'enable_external_access = false',
    'lock_configuration = true',
  ]) {
    await connection.run(`set ${setting}`);
  }
}

/** DuckDB reads a second column of one name, in any case, under another name. */
async function refuseRenamedColumns(
  connection: DuckDBConnection,
  source: DatasetSource,
  columns: readonly DatasetColumn[],
): Promise<void> {
  const path = quoteLiteral(escapeGlob(source.path));
  const written = await connection.runAndReadAll(`select name from parquet_schema(${path})`);
  const names = new Set(written.getRows().map((row) => row[0]));
  if (columns.every(({ name }) => names.has(name))) return;
  const seen = new Map<string, string>();
  for (const row of written.getRows().slice(1)) refuseTwin(String(row[0]), seen, source.uri);
}

async function unreadable(source: DatasetSource, format: DatasetFormat, cause: unknown): Promise<DataError> {
  // The file may be no text at all, which the engine says better.
  if (format === 'jsonl') {
    const fault = await jsonlFault(source.path, source.uri, 'unreadable').catch((other: unknown) => other);
    // Of a line that is too long the engine says no number.
    if (fault instanceof DataError) return fault;
    if (isJsonlFault(fault)) {
      const { line, found, expected, remedy } = fault;
      return new DataError({ found, expected, where: `${source.uri}:${line}`, remedy, cause });
    }
  }
  if (format === 'csv') {
    const fault = await csvFault(source.path, source.csv).catch(() => null);
    if (fault !== null) return csvError(source, fault, cause);
  }
  const text = (cause instanceof Error ? cause.message : String(cause)).replaceAll(source.path, source.uri);
  const line = /CSV Error on Line: (\d+)/u.exec(text)?.[1];
  // The engine quotes the bad line, then says what is wrong with it, then what it could ignore.
  const before = text.slice(0, Math.max(0, text.indexOf('\nPossible'))).trim();
  const reason = line === undefined || before === '' ? (text.split('\n')[0] ?? '') : (before.split('\n').at(-1) ?? '');
  return new DataError({
    found: `cannot be read as ${format}: ${reason.slice(0, 300)}`,
    where: line === undefined ? source.uri : `${source.uri}:${line}`,
    remedy:
      line === undefined
        ? 'Mend the file, or name it with the extension of its real format'
        : 'Mend this line: comma-separated, double quotes, UTF-8, as many cells as the header has',
    cause,
  });
}

function csvError(source: DatasetSource, { line, found, remedy }: CsvFault, cause?: unknown): DataError {
  return new DataError({
    found,
    expected: 'CSV as defined in RFC 4180',
    where: `${source.uri}:${line}`,
    remedy,
    ...(cause === undefined ? {} : { cause }),
  });
}

function formatOf(source: DatasetSource): DatasetFormat {
  const name = source.path.toLowerCase().replace(/\.gz$/u, '');
  if (name.endsWith('.parquet') && name === source.path.toLowerCase()) return 'parquet';
  if (name.endsWith('.csv')) return 'csv';
  if (name.endsWith('.jsonl') || name.endsWith('.ndjson')) return 'jsonl';
  throw new DataError({
    found: 'the file name does not show the format',
    expected: '.csv, .jsonl, .ndjson (each may end in .gz) or .parquet',
    where: source.uri,
    remedy: 'Rename the file after its format',
  });
}

async function refuseImpostor(source: DatasetSource, format: DatasetFormat): Promise<void> {
  const info = await stat(source.path).catch((cause: NodeJS.ErrnoException) => {
    throw new DataError({
      found: openingFault(cause),
      expected: `the ${source.name} data`,
      where: source.uri,
      remedy: pulledWith(source.path, source.uri) ?? 'Check the path in contender.yml',
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
  const head = Buffer.alloc(64);
  const file = await open(source.path).catch((cause: NodeJS.ErrnoException) => {
    throw new DataError({
      found: openingFault(cause),
      expected: 'a readable file',
      where: source.uri,
      remedy: 'Check its permissions',
      cause,
    });
  });
  try {
    await file.read(head, 0, 64, 0);
  } finally {
    await file.close();
  }
  if (head.toString('latin1').startsWith('version https://git-lfs')) {
    throw new DataError({
      found: 'this is a Git LFS pointer, not the data',
      where: source.uri,
      remedy: "Run 'git lfs pull' first (actions/checkout: lfs: true)",
    });
  }
  if (/^(?:\u00ef\u00bb\u00bf)?\s*<(?:!doctype\s+html|html)/iu.test(head.toString('latin1'))) {
    throw new DataError({
      found: 'this is a page of HTML, not data',
      expected: `a file of rows (${format})`,
      where: source.uri,
      remedy: 'Download it again: a server that wants a login, or has no such file, answers with a page',
    });
  }
  refusePacked(source, format, head);
  if (format === 'parquet' && head.toString('latin1', 0, 4) !== 'PAR1') {
    throw new DataError({
      found: 'this is not a Parquet file',
      expected: 'a file that starts with PAR1',
      where: source.uri,
      remedy: 'Name the file after its real format, or write it again',
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
function refusePacked(source: DatasetSource, format: DatasetFormat, head: Buffer): void {
  if (format === 'parquet') return;
  const packing = packings.find(({ start }) => head.subarray(0, start.length).equals(start))?.name;
  const packed = isPacked(source.path);
  if (packing === (packed ? 'gzip' : undefined)) return;
  const asText = format === 'csv' ? 'CSV' : 'JSONL';
  throw new DataError({
    found: packing === undefined ? 'this is not a gzip file' : `this is a ${packing} file`,
    expected: packed ? `${asText} packed with gzip, as its name says` : `${asText} as text`,
    where: source.uri,
    remedy:
      packing === undefined
        ? 'Name it without .gz, or pack it with gzip'
        : packing === 'gzip'
          ? `Name it ${basename(source.uri)}.gz`
          : 'Unpack it, or pack it with gzip',
  });
}

export * from './relation.ts';
export { isNumeric } from './types.ts';
export { readColumns, type ColumnVector, type ColumnVectors, type NumberColumn, type TextColumn } from './columns.ts';
