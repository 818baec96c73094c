import { pulledWith } from '../config/elsewhere.ts';
import { rmSync } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { TextDecoder } from 'node:util';
import type { DuckDBConnection } from '@duckdb/node-api';
import { ContenderError, DataError, openingFault } from '../errors.ts';
import { fileDigest } from '../file-digest.ts';
import type { Log } from '../log.ts';
import { readingOf } from './cells.ts';
import { csvColumns } from './csv-cells.ts';
import { csvFault, csvHeader, refuseTwin } from './csv.ts';
import { jsonlColumns, KeyTwice } from './jsonl-cells.ts';
import { jsonRow, lineBatches } from './lines.ts';
import { parquetFrom } from './parquet-cells.ts';
import {
  escapeGlob,
  quoteIdentifier,
  quoteLiteral,
  type Dataset,
  type DatasetColumn,
  type DatasetFormat,
  type DatasetSource,
} from './relation.ts';
import { temporaryFolder } from './temporary.ts';

export interface OpenOptions {
  log?: Log;
  /** DuckDB memory limit, such as 2GB. */
  memoryLimit?: string;
  threads?: number;
  /** Digest of the file where the caller knows it, or has no use for it: it is not computed again. */
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
  const digest = options.sha256 ?? fileDigest(source.path);
  if (typeof digest !== 'string') digest.catch(() => {});
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
    const cells = { path: source.path, format, columns, ...(source.csv === undefined ? {} : { csv: source.csv }) };
    const { from, expressions } = readingOf(
      cells,
      columns.map((column) => ({ column, use: 'typed' })),
    );
    const named = columns.map(({ name }, index) => `${expressions[index]} as ${quoteIdentifier(name)}`);
    // Rows of JSON may have no keys at all.
    const selected = named.length === 0 ? '*' : named.join(', ');
    await connection.run(`create view ${relation} as select ${selected} from ${from}`);
    return { ...cells, name: source.name, uri: source.uri, sha256: await digest, rows, connection, relation, close };
  } catch (cause) {
    close();
    throw cause instanceof ContenderError ? cause : await unreadable(source, format, cause);
  }
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
  if (format === 'jsonl') {
    const broken = await brokenLine(source);
    if (broken !== undefined) {
      return new DataError({
        found: broken.found,
        expected: 'one JSON object a line',
        where: `${source.uri}:${broken.line}`,
        remedy: 'Fix this line',
        cause,
      });
    }
  }
  if (format === 'csv') {
    // The file may be no text at all, which the engine says better.
    const fault = await csvFault(source.path, source.csv).catch(() => null);
    if (fault !== null) {
      return new DataError({
        found: fault.found,
        expected: 'CSV as defined in RFC 4180',
        where: `${source.uri}:${fault.line}`,
        remedy: fault.remedy,
        cause,
      });
    }
  }
  if (cause instanceof KeyTwice) {
    return new DataError({
      found: `an object has the key ${JSON.stringify(cause.key.slice(0, 200))} twice`,
      expected: 'each key once',
      where: source.uri,
      remedy: 'Write each key once',
      cause,
    });
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

async function brokenLine(source: DatasetSource): Promise<{ line: number; found: string } | undefined> {
  const utf8 = new TextDecoder('utf-8', { fatal: true });
  for await (const lines of lineBatches(source.path, source.uri)) {
    for (const { number, bytes } of lines) {
      const { broken } = jsonRow(utf8, bytes);
      if (broken !== undefined) return { line: number, found: broken };
    }
  }
  return undefined;
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
  if (format === 'parquet' && head.toString('latin1', 0, 4) !== 'PAR1') {
    throw new DataError({
      found: 'this is not a Parquet file',
      expected: 'a file that starts with PAR1',
      where: source.uri,
      remedy: 'Name the file after its real format, or write it again',
    });
  }
}

export * from './relation.ts';
export { isNumeric } from './types.ts';
export { readColumns, type ColumnVector, type ColumnVectors, type NumberColumn, type TextColumn } from './columns.ts';
