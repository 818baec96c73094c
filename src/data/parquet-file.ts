import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { engine } from './engine.ts';
import { quoteIdentifier, quoteLiteral } from './relation.ts';
import { temporaryFolder } from './temporary.ts';

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
  const { DuckDBInstance } = await engine();
  const folder = await temporaryFolder('workspace');
  const path = join(folder, 'rows.parquet');
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  try {
    await connection.run(`set allowed_paths = [${quoteLiteral(path)}]`);
    await connection.run('set enable_external_access = false');
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
    return await readFile(path);
  } finally {
    connection.closeSync();
    instance.closeSync();
    await rm(folder, { recursive: true, force: true });
  }
}
