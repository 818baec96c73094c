import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { withEngine } from './engine.ts';
import { quoteIdentifier, quoteLiteral } from './relation.ts';
import { withTemporaryFolder } from './temporary.ts';

/** A column to be written: texts, or whole numbers. */
export interface WrittenColumn {
  name: string;
  type: 'varchar' | 'bigint';
}

/** The bytes of a Parquet file with these rows. */
export async function parquetOf(
  columns: readonly WrittenColumn[],
  rows: readonly (readonly (string | number | null)[])[],
): Promise<Uint8Array> {
  return withTemporaryFolder('workspace', (folder) => {
    const path = join(folder, 'rows.parquet');
    return withEngine([`allowed_paths = [${quoteLiteral(path)}]`], async (connection) => {
      const fields = columns.map(({ name, type }) => `${quoteIdentifier(name)} ${type}`).join(', ');
      await connection.run(`create table written (${fields})`);
      const appender = await connection.createAppender('written');
      for (const row of rows) {
        for (const [index, { type }] of columns.entries()) {
          const value = row[index] ?? null;
          if (value === null) appender.appendNull();
          else if (type === 'bigint') appender.appendBigInt(BigInt(value));
          else appender.appendVarchar(String(value));
        }
        appender.endRow();
      }
      appender.closeSync();
      await connection.run(`copy written to ${quoteLiteral(path)} (format parquet, compression zstd)`);
      return readFile(path);
    });
  });
}
