import type * as Engine from '@duckdb/node-api';

/**
 * A database in memory of its own, without a server, a download or a word of what the machine is set to.
 * @param settings more of it, such as `threads = 1`: once these are made nothing can be loosened again, and no file be reached but
 *   those of `allowed_paths`
 */
export async function startEngine(
  settings: readonly string[],
): Promise<{ connection: Engine.DuckDBConnection; close(): void }> {
  const { DuckDBInstance } = await engine();
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  const close = (): void => {
    connection.closeSync();
    instance.closeSync();
  };
  try {
    for (const setting of [
      'autoinstall_known_extensions = false',
      'autoload_known_extensions = false',
      'allow_community_extensions = false',
      // Of the machine's own zone nothing may depend.
      "TimeZone = 'UTC'",
      ...settings,
      'enable_external_access = false',
      'lock_configuration = true',
    ]) {
      await connection.run(`set ${setting}`);
    }
  } catch (cause) {
    close();
    throw cause;
  }
  return { connection, close };
}

/** Such a database for as long as `work` takes. */
export async function withEngine<T>(
  settings: readonly string[],
  work: (connection: Engine.DuckDBConnection) => Promise<T>,
): Promise<T> {
  const { connection, close } = await startEngine(settings);
  try {
    return await work(connection);
  } finally {
    close();
  }
}

/** The chunks of a result, of which the next one is fetched while one is read. */
export async function* chunksAhead(result: Engine.DuckDBResult): AsyncGenerator<Engine.DuckDBDataChunk> {
  let next = result.fetchChunk();
  try {
    for (let chunk = await next; chunk !== null && chunk.rowCount > 0; chunk = await next) {
      next = result.fetchChunk();
      // Its fault is told when its turn comes, if it comes.
      next.catch(() => {});
      yield chunk;
    }
  } finally {
    // The connection must not be closed under a fetch.
    await next.catch(() => {});
  }
}

/**
 * DuckDB, loaded once it is wanted. Its reader of texts drops a byte order mark at the beginning of each, so that two texts of a file
 * would be one here: it gets one that keeps every character.
 */
async function engine(): Promise<typeof Engine> {
  const [api, readers] = await Promise.all([
    import('@duckdb/node-api'),
    import('@duckdb/node-api/lib/vectors/dataAccessors.js'),
  ]);
  // A bundle may give the module itself, without a default.
  const own = (readers as { default?: object }).default ?? readers;
  Object.assign(own, { textDecoder: everyCharacter });
  return api;
}

const everyCharacter = new TextDecoder('utf-8', { ignoreBOM: true });
