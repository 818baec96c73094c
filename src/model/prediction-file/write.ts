import { mkdtemp, rename, rm } from 'node:fs/promises';
import { dirname, extname, join } from 'node:path';
import { startEngine } from '../../data/engine.ts';
import { quoteIdentifier, quoteLiteral } from '../../data/dataset.ts';
import { UsageError } from '../../errors.ts';
import { makeFolder } from '../../make-folder.ts';
import type { Predictions } from '../predictions.ts';
import { labelColumn, scoreColumn } from './layout.ts';

/**
 * Write predictions so that `readPredictionFile` gives them back: Parquet, or CSV by the name of the file.
 * @param ids of the rows, as many as there are predictions
 * @param metadata kept in a Parquet file beside the rows, by key; CSV has no place for it
 * @throws UsageError where the file cannot be written
 */
export async function writePredictionFile(input: {
  /** Absolute; folders that are not there are made. */
  path: string;
  /** The path as the user wrote it, for messages. */
  uri: string;
  idColumn: string;
  ids: readonly (string | number | null)[];
  predictions: Predictions;
  metadata?: Readonly<Record<string, string>>;
}): Promise<void> {
  try {
    await write(input);
  } catch (cause) {
    const code = reasonOf(cause);
    if (code === null) throw cause;
    throw new UsageError({
      found: `the predictions cannot be written (${code})`,
      expected: 'a file in a writable folder with free space',
      where: input.uri,
      remedy: 'Name another file with --file',
      cause,
    });
  }
}

/** Why the system or the engine, for the system, did not write; null for anything else. */
function reasonOf(cause: unknown): string | null {
  if (!(cause instanceof Error)) return null;
  const { code } = cause as NodeJS.ErrnoException;
  if (typeof code === 'string') return code;
  return /^IO Error: (?<reason>.{1,200})/u.exec(cause.message)?.groups?.['reason'] ?? null;
}

async function write(input: Parameters<typeof writePredictionFile>[0]): Promise<void> {
  const { path, ids, predictions } = input;
  await makeFolder(dirname(path));
  const folder = await mkdtemp(join(dirname(path), '.predictions-'));
  const written = join(folder, 'file');
  const { connection, close } = await startEngine([`allowed_paths = [${quoteLiteral(written)}]`]);
  try {
    const { scores, labels, classes, rows } = predictions;
    const width = scores === null ? 0 : scores.length / Math.max(1, rows);
    const names = width === 1 ? [scoreColumn] : (classes ?? []).map((each) => `${scoreColumn}_${each}`);
    // One label a row, or 0 or 1 for each label.
    const given = labels === null ? 0 : labels.length / Math.max(1, rows);
    const labelNames = given === 1 ? [labelColumn] : (classes ?? []).map((each) => `${labelColumn}_${each}`);
    const fields = [
      `${quoteIdentifier(input.idColumn)} varchar`,
      ...names.slice(0, width).map((name) => `${quoteIdentifier(name)} double`),
      ...labelNames.slice(0, given).map((name) => `${quoteIdentifier(name)} ${given === 1 ? 'varchar' : 'tinyint'}`),
    ];
    await connection.run(`create table predictions (${fields.join(', ')})`);
    const appender = await connection.createAppender('predictions');
    for (let row = 0; row < rows; row += 1) {
      appender.appendVarchar(String(ids[row]));
      for (let index = 0; index < width; index += 1)
        appender.appendDouble((scores as Float64Array)[row * width + index] as number);
      for (let index = 0; index < given; index += 1) {
        const label = labels?.[row * given + index] as number;
        if (given === 1) appender.appendVarchar(String(classes?.[label]));
        else appender.appendTinyInt(label);
      }
      appender.endRow();
    }
    appender.closeSync();
    const pairs = Object.entries(input.metadata ?? {}).map(
      ([key, text]) => `${quoteIdentifier(key)}: ${quoteLiteral(text)}`,
    );
    const metadata = pairs.length === 0 ? '' : `, kv_metadata {${pairs.join(', ')}}`;
    const format = extname(path).toLowerCase() === '.csv' ? 'csv, header true' : `parquet${metadata}`;
    await connection.run(`copy predictions to ${quoteLiteral(written)} (format ${format})`);
    await rename(written, path);
  } finally {
    close();
    await rm(folder, { recursive: true, force: true });
  }
}
