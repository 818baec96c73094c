import { firstFault, validatorOf } from '../validator.ts';
import { DataError } from '../errors.ts';
import { sha256 } from '../evidence/canonical.ts';
import { truncated } from './number-sketch.ts';
import { Profile, profileSchemaId, type ColumnProfile } from './profile.ts';
import { sum } from '../statistics/sums.ts';
import { readBounded } from '../data/read-file.ts';

const longest = 256 * 1024 * 1024;

/** Read a profile that `contender profile` wrote. @throws DataError for a file that is none */
export async function readProfile(path: string, uri: string): Promise<{ profile: Profile; sha256: string }> {
  const fault = (found: string, cause?: unknown): DataError =>
    new DataError({
      found,
      expected: 'a profile, as contender profile --file writes it',
      where: uri,
      remedy: 'Write it again, or name a file of rows',
      cause,
    });
  const bytes = await readBounded(path, longest, fault);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw fault(`this is not JSON: ${cause instanceof Error ? cause.message : String(cause)}`, cause);
  }
  const told = faultOf(value);
  if (told !== null) throw fault(told);
  return { profile: value as Profile, sha256: sha256(bytes) };
}

const isProfile = validatorOf<Profile>(Profile);

/** Why a value is no profile; null: it is one. */
export function faultOf(value: unknown): string | null {
  const schema = (value as { schema?: unknown } | null)?.schema;
  if (schema !== profileSchemaId) {
    return `this is not a profile: its schema is ${JSON.stringify(schema)?.slice(0, 100) ?? 'not stated'}, not ${profileSchemaId}`;
  }
  if (!isProfile(value)) return `this is not a profile: ${firstFault(isProfile)}`;
  const { rows, columns, sources } = value;
  const names = new Set<string>();
  const counted = sources.flatMap((each) => each.counted);
  if (counted.some(([from, to]) => from > to)) return 'this profile has a range of rows that ends before it starts';
  if (counted.reduce((sum, [from, to]) => sum + to - from, 0) !== rows)
    return 'the row ranges and the row count of this profile differ';
  for (const column of columns) {
    const name = JSON.stringify(column.name.slice(0, 80));
    if (names.has(column.name)) return `this profile has column ${name} twice`;
    names.add(column.name);
    const found = rowsCounted(column);
    if (found !== null && found !== rows) return `column ${name} of this profile counts ${found} of ${rows} rows`;
    if (!isInOrder(column)) return `the buckets of column ${name} of this profile are not in order`;
  }
  return null;
}

/** Null where the counts do not tell. */
function rowsCounted(column: ColumnProfile): number | null {
  if (column.kind === 'number') {
    const { n, counts, values, missing, infinite } = column;
    return sum(counts) === n && counts.length === values.length ? n + missing + sum(infinite) : Number.NaN;
  }
  if (column.kind !== 'category' || column.categories === null) return null;
  return column.missing + sum(column.categories.map(([, count]) => count)) + (column.rare?.rows ?? 0);
}

function isInOrder(column: ColumnProfile): boolean {
  if (column.kind !== 'number') return true;
  const { values, shift, n, min, max } = column;
  if (n > 0 && (min === null || max === null || min > max)) return false;
  return values.every(
    (value, index) => truncated(value, shift) === value && (index === 0 || (values[index - 1] as number) < value),
  );
}
