import type { DuckDBConnection } from '@duckdb/node-api';
import { withEngine } from './engine.ts';
import { quoteLiteral, type Dataset } from './relation.ts';
import { withTemporaryFolder } from './temporary.ts';

/** Do `work` in a database of its own that can reach no file. @param threads 1: sums of floats come out the same every time */
export async function inWorkspace<T>(work: (connection: DuckDBConnection) => Promise<T>, threads?: number): Promise<T> {
  return withTemporaryFolder('workspace', (folder) =>
    withEngine(
      [
        "memory_limit = '2GB'",
        ...(threads === undefined ? [] : [`threads = ${threads}`]),
        `temp_directory = ${quoteLiteral(folder)}`,
      ],
      work,
    ),
  );
}

/**
 * Chunks go from one engine to the other as they are: no value is made a JavaScript object.
 * @param selected expressions over the source
 * @param from FROM clause of the source, where it is not the relation itself
 */
export async function copyRows(
  source: Dataset,
  selected: readonly string[],
  target: DuckDBConnection,
  table: string,
  from: string = source.relation,
): Promise<void> {
  const result = await source.connection.stream(`select ${selected.join(', ')} from ${from}`);
  const appender = await target.createAppender(table);
  for await (const chunk of result) appender.appendDataChunk(chunk);
  appender.closeSync();
}
