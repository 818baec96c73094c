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
import { openDataset, quoteIdentifier, quoteLiteral, reading, type Dataset } from '../data/dataset.ts';
import { startEngine } from '../data/engine.ts';
import { copyRows } from '../data/workspace.ts';
import { ContenderError } from '../errors.ts';
import { startWatchdog } from '../model/watchdog.ts';
import { parseExpression } from './expression.ts';
import { refusalOfSelection } from './selection.ts';
import type { Answers, Question, Reply, SentColumn } from './session.ts';

// The engine goes on in threads of its own, which an orderly exit waits for.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
let last: Promise<void> = Promise.resolve();
process.on('message', (question: Question) => {
  last = last.then(() => reply(question));
});

let dataset: Dataset | undefined;
let workspace: DuckDBConnection | undefined;

async function reply(question: Question): Promise<void> {
  const { id } = question;
  const answer: Reply = await respond(question).then(
    (value) => ({ id, ok: true, value }),
    (error: unknown) => {
      if (error instanceof ContenderError) {
        return { id, ok: false, kind: 'fault', fault: { ...error.fault, cause: undefined } };
      }
      const text = error instanceof Error ? error.message : String(error);
      // The engine's own errors begin with their kind: "Invalid Input Error: ...".
      return /^(?:[A-Z][A-Za-z ]* Error: |Out of Memory)/u.test(text)
        ? { id, ok: false, kind: 'sql', found: `cannot be computed: ${text.split('\n')[0]?.slice(0, 300) ?? ''}` }
        : { id, ok: false, kind: 'bug', text: error instanceof Error ? (error.stack ?? text) : text };
    },
  );
  await new Promise<void>((sent) => process.send?.(answer, undefined, {}, () => sent()));
}

async function respond(question: Question): Promise<Answers[Question['kind']]> {
  if (question.kind === 'open') return open(question);
  if (dataset === undefined || workspace === undefined) throw new Error('nothing was opened');
  switch (question.kind) {
    case 'parse':
      return parseExpression(workspace, question.sql);
    case 'source':
      return source(dataset, workspace, question);
    case 'table':
      return table(workspace, question);
    case 'run':
      await workspace.run(question.sql);
      return null;
    case 'numbers':
      return numbersOf(await workspace.runAndReadAll(question.sql));
    case 'rows':
      return rowsWhere(dataset, question.predicate);
    case 'select':
      return select(dataset, question);
  }
}

async function open({ dataset: named, memoryBytes }: Extract<Question, { kind: 'open' }>): Promise<Answers['open']> {
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
  return { sha256: dataset.sha256 };
}

async function source(
  from: Dataset,
  connection: DuckDBConnection,
  { table: name, columns, row }: Extract<Question, { kind: 'source' }>,
): Promise<null> {
  const fields = columns.map((column) => `${quoteIdentifier(column.name)} ${column.type}, `).join('');
  await connection.run(`create table ${name} (${fields}${quoteIdentifier(row)} bigint)`);
  const selected = [...columns.map((column) => quoteIdentifier(column.name)), 'row_number() over () - 1'];
  await reading(from, () => copyRows(from, selected, connection, name));
  return null;
}

/** Rows go in by chunks of the engine's own size. */
async function table(
  connection: DuckDBConnection,
  { table: name, columns, rows }: Extract<Question, { kind: 'table' }>,
): Promise<null> {
  const types = columns.map(typeOf);
  const fields = columns.map((column, index) => `${quoteIdentifier(column.name)} ${types[index]?.toString() ?? ''}`);
  await connection.run(`create or replace table ${name} (${fields.join(', ')})`);
  const appender = await connection.createAppender(name);
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
  return null;
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

function numbersOf(result: Awaited<ReturnType<DuckDBConnection['runAndReadAll']>>): Float64Array {
  return Float64Array.from(result.getRows(), ([value]) => (Number.isFinite(value) ? (value as number) : Number.NaN));
}

async function select(
  { connection }: Dataset,
  { sql, limit }: Extract<Question, { kind: 'select' }>,
): Promise<Answers['select']> {
  const refusal = await refusalOfSelection(connection, sql);
  if (refusal !== null) return { ok: false, ...refusal };
  // The connection reads the file of the dataset and writes none; the query is one SELECT.
  const query = `(\n${sql}\n)`;
  const counted = await connection.runAndReadAll(`select count(*)::double from ${query}`);
  const first = await connection.runAndReadAll(`select to_json(found)::varchar from ${query} as found limit ${limit}`);
  return { ok: true, rows: Number(counted.getRows()[0]?.[0]), first: first.getRows().map(([row]) => String(row)) };
}

async function rowsWhere({ connection, relation }: Dataset, predicate: string): Promise<Uint32Array> {
  // Between parentheses on lines of their own: neither a comment nor a bracket reaches beyond them.
  const query = `select row_number from (select row_number() over () - 1 as row_number, (\n${predicate}\n) as holds from ${relation}) where holds`;
  const rows = (await connection.runAndReadAll(query)).getRows();
  return Uint32Array.from(rows, ([row]) => Number(row)).sort();
}
