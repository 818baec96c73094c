import { rmSync } from 'node:fs';
import type { DuckDBConnection } from '@duckdb/node-api';
import { engine } from './engine.ts';
import { quoteLiteral, type Dataset } from './relation.ts';
import { temporaryFolder } from './temporary.ts';

/** Do `work` in a database of its own that can reach no file. @param threads 1: sums of floats come out the same every time */
export async function inWorkspace<T>(work: (connection: DuckDBConnection) => Promise<T>, threads?: number): Promise<T> {
  const { DuckDBInstance } = await engine();
  const folder = await temporaryFolder('workspace');
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  try {
    for (const setting of [
      // Of the machine's own zone nothing may depend.
      "TimeZone = 'UTC'",
      'autoinstall_known_extensions = false',
      'autoload_known_extensions = false',
      'allow_community_extensions = false',
      "memory_limit = '2GB'",
      ...(threads === undefined ? [] : [`threads = ${threads}`]),
      `temp_directory = ${quoteLiteral(folder)}`,
      'enable_external_access = false',
      'lock_configuration = true',
    ]) {
      await connection.run(`set ${setting}`);
    }
    return await work(connection);
  } finally {
    connection.closeSync();
    instance.closeSync();
    rmSync(folder, { recursive: true, force: true });
  }
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
  for (let chunk = await result.fetchChunk(); chunk !== null && chunk.rowCount > 0; chunk = await result.fetchChunk()) {
    appender.appendDataChunk(chunk);
  }
  appender.closeSync();
}
