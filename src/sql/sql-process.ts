/*
 * The process that runs SQL of users, so that an expression that hangs or exhausts memory takes nothing else with it.
 * Started by session.ts; answers questions over IPC, one after another, and ends with its parent.
 */
import {
  DuckDBDataChunk,
  DOUBLE,
  INTEGER,
  VARCHAR,
  type DuckDBConnection,
  type DuckDBType,
  type DuckDBValue,
} from '@duckdb/node-api';
import { tmpdir } from 'node:os';
import { openDataset, quoteIdentifier, quoteLiteral, reading } from '../data/dataset.ts';
import { startEngine } from '../data/engine.ts';
import type { Dataset, DatasetColumn, DatasetSource } from '../data/relation.ts';
import { copyRows } from '../data/workspace.ts';
import { ContenderError, type Fault } from '../errors.ts';
import { answerParent } from '../model/questions.ts';
import { startWatchdog } from '../model/watchdog.ts';
import { parseExpression, type Refusal } from './expression.ts';
import { refusalOfSelection } from './selection.ts';

// The engine goes on in threads of its own, which an orderly exit waits for.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
const functions = {
  open,
  parse: (sql: string) => parseExpression(workspace, sql),
  source,
  table,
  run: async (sql: string): Promise<void> => void (await workspace.run(sql)),
  numbers,
  rowsWhere,
  select,
};
export type SqlProcess = typeof functions;
answerParent(functions, (error): Told | null => {
  if (error instanceof ContenderError) return { fault: { ...error.fault, cause: undefined } };
  const text = error instanceof Error ? error.message : String(error);
  // The engine's own errors begin with their kind: "Invalid Input Error: ...".
  if (!/^(?:[A-Z][A-Za-z ]* Error: |Out of Memory)/u.test(text)) return null;
  return { found: `cannot be computed: ${text.split('\n')[0]?.slice(0, 300) ?? ''}` };
});

/** A fault of the data, or what the engine cannot compute. */
export type Told = { fault: Fault } | { found: string };

/** A column of a table made here: integers; doubles, NaN being no value; texts by their number among `names`; or no value at all. */
export type SentColumn = { name: string } & (
  | { type: 'integer'; values: Int32Array }
  | { type: 'double'; values: Float64Array }
  | { type: 'text'; values: Int32Array; names: readonly string[] }
  | { type: 'nothing' }
);

/** What a query of a person gives, or why it is refused. */
export type Selected = { ok: true; rows: number; first: string[] } | ({ ok: false } & Refusal);

// There once `open` was answered, which is asked first.
let dataset: Dataset;
let workspace: DuckDBConnection;

async function open(named: DatasetSource, memoryBytes: number): Promise<string> {
  startWatchdog(memoryBytes);
  process.env['TZ'] = 'UTC';
  // What the engines cannot keep within their parts of the limit goes to disk; with less they cannot read long lines.
  const share = (part: number): string => `${Math.max(512, Math.round((memoryBytes * part) / 2 ** 20))}MiB`;
  dataset = await openDataset(named, { memoryLimit: share(0.35) });
  ({ connection: workspace } = await startEngine([
    `memory_limit = ${quoteLiteral(share(0.45))}`,
    'threads = 1',
    "Calendar = 'gregorian'",
    `temp_directory = ${quoteLiteral(tmpdir())}`,
  ]));
  return dataset.sha256;
}

async function source(name: string, columns: readonly DatasetColumn[], row: string): Promise<void> {
  const fields = columns.map((column) => `${quoteIdentifier(column.name)} ${column.type}, `).join('');
  await workspace.run(`create table ${name} (${fields}${quoteIdentifier(row)} bigint)`);
  const selected = [...columns.map((column) => quoteIdentifier(column.name)), 'row_number() over () - 1'];
  await reading(dataset, () => copyRows(dataset, selected, workspace, name));
}

/** Rows go in by chunks of the engine's own size. */
async function table(name: string, columns: readonly SentColumn[], rows: number): Promise<void> {
  const types = columns.map(typeOf);
  const fields = columns.map((column, index) => `${quoteIdentifier(column.name)} ${types[index]?.toString() ?? ''}`);
  await workspace.run(`create or replace table ${name} (${fields.join(', ')})`);
  const appender = await workspace.createAppender(name);
  const size = 2048;
  for (let start = 0; start < rows; start += size) {
    const length = Math.min(size, rows - start);
    const chunk = DuckDBDataChunk.create(types, length);
    for (const [index, column] of columns.entries()) {
      chunk.setColumnValues(
        index,
        Array.from({ length }, (_, place) => valueAt(column, start + place)),
      );
    }
    appender.appendDataChunk(chunk);
  }
  appender.closeSync();
}

function typeOf({ type }: SentColumn): DuckDBType {
  return type === 'integer' ? INTEGER : type === 'text' ? VARCHAR : DOUBLE;
}

function valueAt(column: SentColumn, row: number): DuckDBValue {
  switch (column.type) {
    case 'integer':
      return column.values[row] as number;
    case 'double': {
      const value = column.values[row] as number;
      return Number.isNaN(value) ? null : value;
    }
    case 'text':
      return column.names[column.values[row] as number] ?? null;
    case 'nothing':
      return null;
  }
}

async function numbers(sql: string): Promise<Float64Array> {
  const result = await workspace.runAndReadAll(sql);
  return Float64Array.from(result.getRows(), ([value]) => (Number.isFinite(value) ? (value as number) : Number.NaN));
}

async function select(sql: string, limit: number): Promise<Selected> {
  const { connection } = dataset;
  const refusal = await refusalOfSelection(connection, sql);
  if (refusal !== null) return { ok: false, ...refusal };
  // The connection reads the file of the dataset and writes none; the query is one SELECT.
  const query = `(\n${sql}\n)`;
  const counted = await connection.runAndReadAll(`select count(*)::double from ${query}`);
  const first = await connection.runAndReadAll(`select to_json(found)::varchar from ${query} as found limit ${limit}`);
  return { ok: true, rows: Number(counted.getRows()[0]?.[0]), first: first.getRows().map(([row]) => String(row)) };
}

async function rowsWhere(predicate: string): Promise<Uint32Array> {
  const { connection, relation } = dataset;
  // Between parentheses on lines of their own: neither a comment nor a bracket reaches beyond them.
  const query = `select row_number from (select row_number() over () - 1 as row_number, (\n${predicate}\n) as holds from ${relation}) where holds`;
  const rows = (await connection.runAndReadAll(query)).getRows();
  return Uint32Array.from(rows, ([row]) => Number(row)).sort();
}
