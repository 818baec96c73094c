import type { DatasetColumn } from './relation.ts';

/**
 * What cells of CSV and JSON spell, one bit for each kind. A column's type follows from all the kinds that all of its cells are of:
 * never from some of them.
 */
export const kind = {
  whole: 1,
  /** Whole, and more than 18 digits. */
  wide: 2,
  /** A number with a fraction or an exponent, or of more than 37 digits. */
  fraction: 4,
  notANumber: 8,
  boolean: 16,
  text: 32,
  /** A JSON object or array. */
  nested: 64,
} as const;

const numbers = kind.whole | kind.wide | kind.fraction | kind.notANumber;

/** The column whose present cells are of these kinds together. */
export function columnOf(name: string, kinds: number): DatasetColumn {
  const cells = {
    ...(kinds === 0 ? { empty: true } : {}),
    ...((kinds & kind.notANumber) === 0 ? {} : { notANumber: true }),
    ...((kinds & kind.fraction) === 0 ? {} : { fraction: true }),
  };
  return { name, type: typeOf(kinds), ...(Object.keys(cells).length === 0 ? {} : { cells }) };
}

/** Types of the engine: what SQL of users sees. */
function typeOf(kinds: number): string {
  if ((kinds & kind.nested) !== 0) return 'JSON';
  if (kinds === kind.boolean) return 'BOOLEAN';
  if (kinds === 0 || (kinds & ~numbers) !== 0) return 'VARCHAR';
  if ((kinds & (kind.fraction | kind.notANumber)) !== 0) return 'DOUBLE';
  return kinds === kind.whole ? 'BIGINT' : 'HUGEINT';
}
