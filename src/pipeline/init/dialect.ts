import type { CsvDialect } from '../../data/dataset.ts';
import { readHead } from '../../data/read-file.ts';

/** Enough for the names of some thousand columns. */
const looked = 256 * 1024;

/**
 * How a CSV file is written whose first line has no comma: a proposal that contender.yml states and a person checks, since Contender itself
 * guesses nothing. Null for RFC 4180, and for what is no plain CSV.
 */
export async function dialectOf(path: string): Promise<CsvDialect | null> {
  if (!/\.csv$/iu.test(path)) return null;
  const head = await readHead(path, looked).catch(() => null);
  if (head === null) return null;
  const [header = '', ...rows] = head.toString('utf8').split(/\r?\n/u);
  // What stands in quotes separates nothing.
  const bare = header.replace(/"[^"]*"/gu, '');
  const delimiter = [';', '\t', '|'].find((sign) => bare.includes(sign));
  if (bare.includes(',') || delimiter === undefined) return null;
  const cells = rows.slice(0, 100).flatMap((row) => row.split(delimiter));
  const commas = cells.filter((cell) => /^-?\d+,\d+$/u.test(cell)).length;
  const points = cells.filter((cell) => /^-?\d+\.\d+$/u.test(cell)).length;
  return { delimiter, ...(commas > points ? { decimal: ',' } : {}) };
}
