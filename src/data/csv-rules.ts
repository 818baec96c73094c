import type { ColumnRules, LineRules } from './line-rules.ts';

/** What is known of the rows before any of them is read. */
export interface CsvForm {
  width: number;
  delimiter: string;
  /** Whether the first row names the columns. */
  header: boolean;
  rules: CsvRules | null;
}

/** `LineRules` of rows that all have the same columns. */
export interface CsvRules {
  /** In the order of the columns. */
  columns: readonly CellRules[];
  numbers: readonly number[];
  /** The place of the column that tells rows apart; -1 where there is none. */
  id: number;
}

export interface CellRules extends ColumnRules {
  /** Whether a cell may be without a value. */
  missing: boolean;
}

/** Null where no row has all that is required, and where the first line ends within a name: the engine may take another view of it. */
export function cellRules(
  { columns, others, required, numbers, id }: LineRules,
  names: readonly string[],
): CsvRules | null {
  if (!required.every((name) => names.includes(name)) || /[\r\n]/u.test(names.join(''))) return null;
  const byName = new Map(columns);
  const each = names.map((name): CellRules => {
    const values = byName.get(name) ?? others;
    return { ...values, missing: values.cells.null ? values.null : !required.includes(name) };
  });
  return { columns: each, numbers, id: id === null ? -1 : names.indexOf(id) };
}
