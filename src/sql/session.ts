import { sourceOf, type Dataset, type DatasetColumn } from '../data/relation.ts';
import { DataError } from '../errors.ts';
import { startGuarded } from '../model/guarded-process.ts';
import { askChild, type Asked } from '../model/questions.ts';
import type { Parsed } from './expression.ts';
import type { Selected, SentColumn, SqlProcess, Told } from './sql-process.ts';
import { count } from '../wording.ts';

export interface SqlLimits {
  signal?: AbortSignal | undefined;
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
  /** SQL of ours, around expressions that were parsed; so is that of `numbers` and `rowsWhere`. */
  run(sql: string): Promise<void>;
  /** The first column, NaN where there is no value. */
  numbers(sql: string): Promise<Float64Array>;
  /** Rows of the data, in their order, where the predicate holds. */
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
  const asked = askChild<SqlProcess>(child, (told: Told) =>
    'fault' in told ? new DataError(told.fault) : new SqlFault(told.found),
  );
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
  const ask: Asked<SqlProcess>['ask'] = (name, ...given) => {
    const limitMs = name === 'open' ? Math.max(timeMs, startMs) : timeMs;
    const timer = setTimeout(() => {
      asked.giveUp(new SqlFault(`took longer than ${limitMs / 1000} s and was stopped`));
      end();
    }, limitMs);
    return asked.ask(name, ...given).finally(() => clearTimeout(timer));
  };
  try {
    const opened = await ask('open', sourceOf(dataset), memoryBytes);
    if (opened !== sha256) {
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
    parse: (sql) => ask('parse', sql),
    source: (table, columns, row) => ask('source', table, columns, row),
    table: (table, columns, rows) => ask('table', table, columns, rows),
    run: (sql) => ask('run', sql),
    numbers: (sql) => ask('numbers', sql),
    rowsWhere: (predicate) => ask('rowsWhere', predicate),
    select: (sql, limit) => ask('select', sql, limit),
    close,
  };
}

/** What the start of the engine and a first look at the file may take, however short the limit of what is asked. */
const startMs = 120_000;

/** The longest a timer can wait, in milliseconds: each question has a limit of its own. */
const longest = 2 ** 31 - 1;
