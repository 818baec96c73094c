import type { CellTypes } from './cell-types.ts';

/** A cell that stands for nothing: the row has no such property. */
export const absent = Symbol('absent');

/** RFC 8259, section 6. */
const jsonNumber = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/u;

/**
 * The JSON value of a CSV cell, the one mapping there is (docs/data.md):
 * an empty cell is missing; text that spells a JSON number is that number where the contract names numbers for the column;
 * exactly `true` or `false` is a boolean where it names booleans; everything else is text, as written, not trimmed.
 */
export function textCell(text: string, types: CellTypes): unknown {
  if (text === '') return missingCell(types);
  if (types.number && jsonNumber.test(text)) return Number(text);
  if (types.boolean && (text === 'true' || text === 'false')) return text === 'true';
  return text;
}

/** A cell without a value, in CSV and Parquet alike: null where the contract names null for the column, else no property. */
export function missingCell(types: CellTypes): null | typeof absent {
  return types.null ? null : absent;
}
