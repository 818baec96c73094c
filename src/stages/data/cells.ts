import { booleanOf, isNotANumber, numberPattern } from '../../data/grammar.ts';
import type { CsvDialect, DatasetColumn } from '../../data/dataset.ts';
import { isNumeric } from '../../data/types.ts';
import type { CellTypes } from './cell-types.ts';

/** A cell that stands for nothing: the row has no such property. */
export const absent = Symbol('absent');

/**
 * The JSON value of a CSV cell, the one mapping there is (docs/data.md): text that spells a number is that number where the contract
 * names numbers for the column; `true` or `false`, as programs write them, a boolean where it names booleans; everything else is
 * text, as written, not trimmed.
 */
export function textCellReader(
  types: CellTypes,
  { type }: DatasetColumn,
  { decimal = '.' }: CsvDialect = {},
): (text: string | null, written?: (token: string) => void) => unknown {
  const number = new RegExp(`^(?:${numberPattern(decimal)})$`, 'u');
  const numeric = holdsNumbersFor(types, type);
  return (text, written) => {
    if (text === null || (numeric && isNotANumber(text))) return missingCell(types);
    if (types.number && number.test(text)) {
      const token = decimal === ',' ? text.replace(',', '.') : text;
      written?.(token);
      return Number(token);
    }
    return (types.boolean ? booleanOf(text) : null) ?? text;
  };
}

/** Whether NaN stands for no value: in a column of numbers by the contract, or by its cells where the contract names no type. */
export function holdsNumbersFor(types: CellTypes, type: string): boolean {
  return types.number || (!types.any && isNumeric(type));
}

/** A cell without a value, in CSV and Parquet alike: null where the contract names null for the column, else no property. */
export function missingCell(types: CellTypes): null | typeof absent {
  return types.null ? null : absent;
}
