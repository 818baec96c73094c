import { readingOfColumns } from '../../../data/cells.ts';
import { booleanTexts, notANumber, numberPattern } from '../../../data/grammar.ts';
import { typedLines } from '../../../data/jsonl-cells.ts';
import { typedCell } from '../../../data/parquet-cells.ts';
import {
  quoteIdentifier,
  quoteLiteral,
  quoteLiterals,
  type Dataset,
  type DatasetColumn,
} from '../../../data/relation.ts';
import { keyOfStored } from '../../../data/row-ids.ts';
import { hasManyDigits, isNested, isNumeric, isWhole } from '../../../data/types.ts';
import type { CellTypes } from '../cell-types.ts';
import { holdsNumbersFor } from '../cells.ts';
import { missingIf, nothing, typedValue, type SqlValue } from './values.ts';
import { and, negated } from './verdicts.ts';

/** The cells of a dataset as JSON values of the engine, by the same reading that makes the values that ajv gets. */
export interface CellValues {
  /** A FROM clause with the rows in file order and the columns that the values speak of. */
  from: string;
  values: Map<string, SqlValue>;
  /** Expressions over `from` that make the values that ajv gets, in the order of the columns. */
  cells: string[];
  /** Numbers and the texts that they are written as, of columns that may have more digits than a double. */
  tokens: Token[];
  /** Lists, structs and maps that may have such numbers within them, as JSON. */
  within: string[];
  /** Conditions that hold where a cell is null and it is not known whether the value is, or is not there. */
  eitherNull?: string[];
  /** Whether `from` has a column `row_key`, which is equal for equal ids. */
  key: boolean;
}

export interface Token {
  number: string;
  /** Null where only this is known of them all. */
  text: string | null;
  digits?: NonNullable<DatasetColumn['flat']>['digits'];
  /** Without fraction or exponent. */
  whole: boolean;
  /** Whether the contract wants a multiple. */
  multiple: boolean;
}

/**
 * @param types what the contract says of each column, in their order
 * @param id the column that tells rows apart
 * @returns undefined of JSONL whose rows are not all flat objects: they are judged one by one
 */
export function cellValues(dataset: Dataset, types: readonly CellTypes[], id?: string): CellValues | undefined {
  if (dataset.format === 'jsonl') return flatValues(dataset, types, id);
  const { from, expressions } = readingOfColumns(dataset, dataset.columns, 'json');
  const selected: string[] = [];
  const values = new Map<string, SqlValue>();
  const cells: string[] = [];
  const tokens: Token[] = [];
  const within: string[] = [];
  for (const [index, column] of dataset.columns.entries()) {
    const expression = expressions[index] as string;
    const cellOf = dataset.format === 'csv' ? csvCell : parquetCell;
    const { columns, value } = cellOf(`cell_${index}`, expression, column, types[index] as CellTypes, dataset);
    selected.push(...columns);
    values.set(column.name, value);
    const { number: judged, multiple } = types[index] as CellTypes;
    const digits = dataset.format === 'parquet' && hasManyDigits(column.type);
    if (digits) {
      const text = readingOfColumns(dataset, [column], 'text').expressions[0] as string;
      selected.push(`${text} as cell_${index}_text`);
      if (judged)
        tokens.push({ number: `cell_${index}`, text: `cell_${index}_text`, multiple, whole: isWhole(column.type) });
    } else if (dataset.format === 'csv' && judged)
      tokens.push({ number: `cell_${index}_number`, text: `cell_${index}`, multiple, whole: isWhole(column.type) });
    const nested = dataset.format === 'parquet' && isNested(column.type);
    const json = typedCell(`cell_${index}`, column.type, 'json');
    if (nested && /BIGINT|HUGEINT|DECIMAL/u.test(column.type)) within.push(json);
    cells.push(nested ? json : digits ? `cell_${index}_text` : `cell_${index}`);
  }
  const key = dataset.format === 'parquet' ? keyAmong(dataset.columns, id) : undefined;
  if (key !== undefined) selected.push(`${key} as row_key`);
  return {
    from: `(select ${selected.join(', ')} from ${from})`,
    values,
    cells,
    tokens,
    within,
    key: key !== undefined,
  };
}

/** What tells rows apart, by the id among columns as they are stored. */
function keyAmong(stored: readonly { name: string; type: string }[], id: string | undefined): string | undefined {
  const column = stored.find(({ name }) => name === id);
  return column === undefined ? undefined : keyOfStored(quoteIdentifier(column.name), column.type);
}

/** Of JSON the types are those of the values, and null is not what is not there. ajv gets the lines. */
function flatValues(
  { paths, columns }: Dataset,
  types: readonly CellTypes[],
  id: string | undefined,
): CellValues | undefined {
  if (columns.length === 0 || columns.some(({ flat }) => flat === undefined)) return undefined;
  const values = new Map<string, SqlValue>();
  const tokens: Token[] = [];
  const eitherNull: string[] = [];
  const read: { name: string; type: string }[] = [];
  for (const [index, { name, type, flat = notFlat }] of columns.entries()) {
    const cell = `cell_${index}`;
    read.push({ name, type: type === 'HUGEINT' ? 'DOUBLE' : type });
    const { number: judged, multiple } = types[index] as CellTypes;
    const whole = isWhole(type);
    if (judged && flat.ofOneType && isNumeric(type))
      tokens.push({ number: cell, text: null, digits: flat.digits, multiple, whole });
    if (flat.nulls && flat.absent) eitherNull.push(`${cell} is null`);
    const missing = flat.nulls || flat.absent ? `${cell} is null` : 'false';
    values.set(
      name,
      flat.ofOneType
        ? { ...valueOfType(type, cell, negated(missing)), [flat.absent ? 'absent' : 'null']: missing }
        : { ...nothing, opaque: true, [flat.absent ? 'absent' : 'null']: missing },
    );
  }
  const named = columns.map(({ name }, index) => `${quoteIdentifier(name)} as cell_${index}`);
  // What is not of one type has no one text.
  const key = columns.some(({ name, flat }) => name === id && flat?.ofOneType === true)
    ? keyAmong(read, id)
    : undefined;
  if (key !== undefined) named.push(`${key} as row_key`);
  const from = `(select ${named.join(', ')} from ${typedLines(paths, read)})`;
  return { from, values, cells: [], tokens, within: [], eitherNull, key: key !== undefined };
}

const notFlat = { ofOneType: false, nulls: true, absent: true, digits: 'unclear' } as const;

function valueOfType(type: string, cell: string, present: string): SqlValue {
  if (type === 'BOOLEAN') return { ...nothing, boolean: present, asBoolean: cell };
  if (isNumeric(type)) return { ...nothing, number: present, asNumber: cell, whole: isWhole(type) };
  return { ...nothing, string: present, asString: cell };
}

interface Cell {
  columns: string[];
  value: SqlValue;
}

/** A text: a number or a boolean where the contract names these for the column and it spells one. See `textCellReader`. */
function csvCell(
  name: string,
  expression: string,
  column: DatasetColumn,
  types: CellTypes,
  { csv, rows }: Dataset,
): Cell {
  const columns = [`${expression} as ${name}`];
  // Every cell was looked at when the column got its type: each is a number, or NaN, or missing.
  const known = isNumeric(column.type);
  const absent = !holdsNumbersFor(types, column.type)
    ? column.present === rows
      ? 'false'
      : `${name} is null`
    : known && types.number
      ? `(${name} is null or isnan(${name}_number))`
      : `(${name} is null or lower(${name}) in (${quoteLiterals(notANumber)}))`;
  const present = negated(absent);
  let number = 'false';
  let spells = 'false';
  if (types.number) {
    const decimal = csv?.decimal ?? '.';
    const text = decimal === ',' ? `replace(${expression}, ',', '.')` : expression;
    // Beyond what a double holds JavaScript reads infinity, which is no number of JSON.
    const spelled = known
      ? `${expression} is not null`
      : `regexp_full_match(${expression}, ${quoteLiteral(numberPattern(decimal))})`;
    columns.push(
      `case when ${spelled} then coalesce(try_cast(${text} as double), 'infinity'::double) end as ${name}_number`,
    );
    spells = `${name}_number is not null`;
    number = `coalesce(isfinite(${name}_number), false)`;
  }
  const boolean = types.boolean
    ? `coalesce(${name} in (${quoteLiterals([...booleanTexts.true, ...booleanTexts.false])}), false)`
    : 'false';
  return {
    columns,
    value: missingIf(absent, types.null, {
      ...nothing,
      number,
      asNumber: `${name}_number`,
      whole: isWhole(column.type),
      boolean,
      asBoolean: `${name} in (${quoteLiterals(booleanTexts.true)})`,
      string: and([present, negated(spells), negated(boolean)]),
      asString: name,
    }),
  };
}

function parquetCell(name: string, expression: string, column: DatasetColumn, types: CellTypes): Cell {
  const missing = `${name} is null`;
  const present = negated(missing);
  if (isNested(column.type)) {
    const raw = quoteIdentifier(column.name);
    // What has no plain JSON form is of no kind that the sieve knows: it clears and refuses nothing.
    const value = typedValue(name, column.type) ?? { ...nothing, opaque: true };
    return { columns: [`${raw} as ${name}`], value: missingIf(missing, types.null, { ...value, null: 'false' }) };
  }
  const columns = [`${expression} as ${name}`];
  if (column.type === 'BOOLEAN') {
    return { columns, value: missingIf(missing, types.null, { ...nothing, boolean: present, asBoolean: name }) };
  }
  if (isNumeric(column.type)) {
    const whole = isWhole(column.type);
    const number = whole ? present : `coalesce(isfinite(${name}), false)`;
    return { columns, value: missingIf(missing, types.null, { ...nothing, number, asNumber: name, whole }) };
  }
  return { columns, value: missingIf(missing, types.null, { ...nothing, string: present, asString: name }) };
}
