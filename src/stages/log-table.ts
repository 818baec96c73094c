import type { DuckDBConnection } from '@duckdb/node-api';
import { readingOf, type Use } from '../data/cells.ts';
import { requireNumbers } from '../data/numbers.ts';
import { quoteLiteral, reading, type Dataset, type DatasetColumn } from '../data/relation.ts';
import { readingOfTimes } from '../data/times.ts';
import { DataError } from '../errors.ts';
import { copyRows } from '../data/workspace.ts';

/** A column of a table of events. */
export interface LogColumn {
  /** Its name in the table. */
  as: string;
  /** Its name in the log. Where there is no such column the cells are null. */
  name: string | undefined;
  /** Times are milliseconds since 1970. */
  use: 'text' | 'number' | 'time';
  /** SQL of the cell, of what is written there. */
  of?: (written: string) => string;
}

/** Copy columns of a log to a new table of a workspace, in the order of the log. @throws DataError where a number is none */
export async function copyLog(
  workspace: DuckDBConnection,
  table: string,
  dataset: Dataset,
  wanted: readonly LogColumn[],
): Promise<void> {
  const parts: { as: string; column: DatasetColumn; use: Use; of(written: string): string }[] = [];
  const numbers: DatasetColumn[] = [];
  for (const { as, name, use, of = (written: string) => written } of wanted) {
    const column = dataset.columns.find((each) => each.name === name);
    if (column === undefined) continue;
    if (use === 'number') numbers.push(column);
    parts.push({ as, column, of, ...(use === 'time' ? await readingOfTimes(dataset, column.name) : { use }) });
  }
  await requireNumbers(dataset, numbers);
  const { from, expressions } = readingOf(dataset, parts);
  const cells = new Map(parts.map(({ as, of }, index) => [as, of(expressions[index] as string)]));
  const typed = wanted.map(({ as, use }) => ({ as, type: use === 'text' ? 'varchar' : 'double' }));
  await workspace.run(`create table ${table} (${typed.map(({ as, type }) => `${as} ${type}`).join(', ')})`);
  const selected = typed.map(({ as, type }) => `(${cells.get(as) ?? 'null'})::${type}`);
  await reading(dataset, () => copyRows(dataset, selected, workspace, table, from));
}

export type Ask = (query: string) => Promise<unknown[][]>;

/** The rows that a query gives. @throws DataError where numbers are so large that they have no mean or spread */
export function asking(workspace: DuckDBConnection): Ask {
  return async (query) => {
    try {
      return (await workspace.runAndReadAll(query)).getRows();
    } catch (cause) {
      if (!(cause instanceof Error && cause.message.startsWith('Out of Range Error'))) throw cause;
      throw new DataError({
        found: 'the log has numbers so large that their mean or variance is not finite',
        expected: 'numbers whose squares are finite',
        remedy: 'Look for a number that marks a missing value, and remove it',
        cause,
      });
    }
  };
}

/** Parts beyond so many values of a column are not told apart. */
const mostValues = 12;

/** Rows of a table by the values of its columns `s0`, `s1` and so on, the most frequent first. @param columns as the log names them */
export async function partsBy(
  ask: Ask,
  table: string,
  columns: readonly string[],
): Promise<{ name: string; where: string }[]> {
  const parts: { name: string; where: string }[] = [];
  for (const [index, name] of columns.entries()) {
    const values = await ask(
      `select s${index} from ${table} where s${index} is not null group by 1 order by count(*) desc, 1 limit ${mostValues}`,
    );
    for (const [value] of values)
      parts.push({ name: `${name}=${String(value)}`, where: `s${index} = ${quoteLiteral(String(value))}` });
  }
  return parts;
}
