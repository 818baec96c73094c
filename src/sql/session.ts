import { sourceOf, type Dataset, type DatasetColumn, type DatasetSource } from '../data/relation.ts';
import { DataError, type Fault } from '../errors.ts';
import { startGuarded } from '../model/guarded-process.ts';
import { questions } from '../model/questions.ts';
import type { Parsed, Refusal } from './expression.ts';
import { count } from '../wording.ts';

/** A column of a table made here: integers; doubles, NaN being no value; texts by their number among `names`; or no value at all. */
export type SentColumn = { name: string } & (
  | { type: 'integer'; values: Int32Array }
  | { type: 'double'; values: Float64Array }
  | { type: 'text'; values: Int32Array; names: readonly string[] }
  | { type: 'nothing' }
);

/** What the process is asked. `sql` of `run`, `numbers` and `rows` is ours, around expressions that were parsed; that of `select` is a person's. */
export type Question = { id: number } & (
  | { kind: 'open'; dataset: DatasetSource; memoryBytes: number }
  | { kind: 'parse'; sql: string }
  | { kind: 'source'; table: string; columns: readonly DatasetColumn[]; row: string }
  | { kind: 'table'; table: string; columns: readonly SentColumn[]; rows: number }
  | { kind: 'run'; sql: string }
  | { kind: 'numbers'; sql: string }
  | { kind: 'rows'; predicate: string }
  | { kind: 'select'; sql: string; limit: number }
);

/** What it answers. */
export interface Answers {
  open: { sha256: string };
  parse: Parsed;
  source: null;
  table: null;
  run: null;
  /** The first column, NaN where there is no value. */
  numbers: Float64Array;
  /** Rows of the data, in their order, where the predicate holds. */
  rows: Uint32Array;
  select: Selected;
}

/** What a query of a person gives, or why it is refused. */
export type Selected = { ok: true; rows: number; first: string[] } | ({ ok: false } & Refusal);

export type Reply = { id: number } & (
  | { ok: true; value: Answers[keyof Answers] }
  | { ok: false; kind: 'sql'; found: string }
  | { ok: false; kind: 'fault'; fault: Fault }
  | { ok: false; kind: 'bug'; text: string }
);

export interface SqlLimits {
  signal?: AbortSignal;
  /** Of one question. Default: two minutes. */
  timeMs?: number;
  /** Resident, of the whole process. Default: 2 GiB. */
  memoryBytes?: number;
}

/** SQL that cannot be computed, or not within its limits: `message` follows the name of what is computed. */
export class SqlFault extends Error {
  constructor(found: string) {
    super(found);
    this.name = 'SqlFault';
  }
}

/**
 * An engine in a process of its own that can read one dataset and nothing else, for SQL that a person wrote. It is ended at its
 * limit of time and of resident memory, when the run is stopped, and with its parent. Every question throws `SqlFault` for what
 * the engine cannot compute, and from then on where the process was ended.
 */
export interface SqlSession {
  /** The columns an expression reads, or why it is refused. */
  parse(sql: string): Promise<Parsed>;
  /** Make a table of columns of the dataset; `row` is the name of one more, the number of the row from 0. */
  source(table: string, columns: readonly DatasetColumn[], row: string): Promise<void>;
  /** Make a table of these values. */
  table(table: string, columns: readonly SentColumn[], rows: number): Promise<void>;
  run(sql: string): Promise<void>;
  numbers(sql: string): Promise<Float64Array>;
  rowsWhere(predicate: string): Promise<Uint32Array>;
  /** Count the rows of one SELECT from the table `data`, and give the first as JSON. */
  select(sql: string, limit: number): Promise<Selected>;
  close(): void;
}

/** One thread for what is summed, so that sums are the same every time. @throws DataError where the file is no longer what it was */
export async function openSqlSession(
  dataset: Dataset,
  { signal, timeMs = 120_000, memoryBytes = 2 ** 31 }: SqlLimits = {},
): Promise<SqlSession> {
  const { uri, sha256 } = dataset;
  const { child, ended, end } = await startGuarded({
    entry: 'sql-process',
    doing: 'SQL',
    limits: { memoryBytes, timeMs: longest },
    signal,
  });
  const asked = questions();
  const close = (): void => {
    end();
    asked.giveUp(new SqlFault('was asked after its end'));
  };
  ended.then(
    ({ code, message }) =>
      asked.giveUp(
        new SqlFault(
          code === 'memory'
            ? `took more than ${count(memoryBytes / 2 ** 20)} MiB of memory and was stopped`
            : `cannot be computed: ${message}`,
        ),
      ),
    asked.giveUp,
  );
  child.on('message', (reply: Reply) => {
    if (reply.ok) asked.answer(reply.id, reply.value);
    else asked.refuse(reply.id, errorOf(reply));
  });
  const ask = <Kind extends keyof Answers>(
    question: { kind: Kind } & Omit<Extract<Question, { kind: Kind }>, 'id'>,
  ): Promise<Answers[Kind]> => {
    const limitMs = question.kind === 'open' ? Math.max(timeMs, startMs) : timeMs;
    const timer = setTimeout(() => {
      asked.giveUp(new SqlFault(`took longer than ${limitMs / 1000} s and was stopped`));
      end();
    }, limitMs);
    // A process that is gone before it is asked is told by its end.
    const answer = asked.ask<Answers[Kind]>((id) => child.send({ ...question, id }, () => {}));
    return answer.finally(() => clearTimeout(timer));
  };
  try {
    const opened = await ask({ kind: 'open', dataset: sourceOf(dataset), memoryBytes });
    if (opened.sha256 !== sha256) {
      throw new DataError({
        found: 'the file changed while it was being read',
        where: uri,
        remedy: 'Run again when no other process writes to it',
      });
    }
  } catch (error) {
    close();
    throw error;
  }
  return {
    parse: (sql) => ask({ kind: 'parse', sql }),
    source: async (table, columns, row) => void (await ask({ kind: 'source', table, columns, row })),
    table: async (table, columns, rows) => void (await ask({ kind: 'table', table, columns, rows })),
    run: async (sql) => void (await ask({ kind: 'run', sql })),
    numbers: (sql) => ask({ kind: 'numbers', sql }),
    rowsWhere: (predicate) => ask({ kind: 'rows', predicate }),
    select: (sql, limit) => ask({ kind: 'select', sql, limit }),
    close,
  };
}

/** What the start of the engine and a first look at the file may take, however short the limit of what is asked. */
const startMs = 120_000;

/** The longest a timer can wait, in milliseconds: each question has a limit of its own. */
const longest = 2 ** 31 - 1;

function errorOf(reply: Extract<Reply, { ok: false }>): Error {
  switch (reply.kind) {
    case 'sql':
      return new SqlFault(reply.found);
    case 'fault':
      return new DataError(reply.fault);
    case 'bug':
      return new Error(reply.text);
  }
}
