import type * as Engine from '@duckdb/node-api';

/**
 * DuckDB, loaded once it is wanted. Its reader of texts drops a byte order mark at the beginning of each, so that two texts of a file
 * would be one here: it gets one that keeps every character.
 */
export async function engine(): Promise<typeof Engine> {
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
