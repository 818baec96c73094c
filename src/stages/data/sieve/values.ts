import { typedCell } from '../../../data/parquet-cells.ts';
import { elementOf, fieldsOf, isBinary } from '../../../data/types.ts';
import { or } from './verdicts.ts';

/** The JSON value that an expression of the engine stands for. Every condition is SQL that is never null. */
export interface SqlValue {
  /** The row has no such property. */
  absent: string;
  null: string;
  boolean: string;
  /** A finite number: ajv takes no other for a number. */
  number: string;
  string: string;
  object: string;
  array: string;
  /** What numbers it holds are whole. */
  whole?: boolean;
  /** DOUBLE, where it is a number. */
  asNumber: string;
  /** VARCHAR, where it is a string. */
  asString: string;
  /** BOOLEAN, where it is one. */
  asBoolean: string;
  /** What it is when it is there is not known: only schemas that say nothing of it are decided. */
  opaque?: boolean;
  /** The properties, where it is an object: of any other name it has none. */
  properties?: ReadonlyMap<string, SqlValue>;
  /** The elements, where it is an array; `element` reads one that a lambda calls by this name. */
  elements?: { list: string; element: (name: string) => SqlValue };
}

/** A value that is never anything: the ground for the constructors below. */
export const nothing: SqlValue = {
  absent: 'false',
  null: 'false',
  boolean: 'false',
  number: 'false',
  string: 'false',
  object: 'false',
  array: 'false',
  asNumber: 'null',
  asString: 'null',
  asBoolean: 'null',
};

/** A row: an object of exactly these columns. */
export function rowValue(properties: ReadonlyMap<string, SqlValue>): SqlValue {
  return { ...nothing, object: 'true', properties };
}

/** The same value under another name for "no value": null where the contract names null for the column, else no property. */
export function missingIf(condition: string, isNull: boolean, value: SqlValue): SqlValue {
  return isNull ? { ...value, null: or([value.null, condition]) } : { ...value, absent: or([value.absent, condition]) };
}

/** A typed value of a Parquet file, nested ones too; undefined where its JSON form is not plain. */
export function typedValue(expression: string, type: string): SqlValue | undefined {
  const present = `(${expression}) is not null`;
  const absentAsNull = (value: Partial<SqlValue>): SqlValue => ({
    ...nothing,
    null: `(${expression}) is null`,
    ...value,
  });
  // The same reading as that which makes the value ajv gets: NaN is null, and a number of single precision its own decimal.
  if (isBinary(type)) {
    const asNumber = typedCell(expression, type, 'json');
    return { ...nothing, null: `(${asNumber}) is null`, number: `coalesce(isfinite(${asNumber}), false)`, asNumber };
  }
  if (type === 'BOOLEAN') return absentAsNull({ boolean: present, asBoolean: expression });
  if (type === 'VARCHAR') return absentAsNull({ string: present, asString: expression });
  if (/^(?:U?(?:TINYINT|SMALLINT|INTEGER)|BIGINT)$/u.test(type)) {
    return absentAsNull({ number: present, asNumber: `cast(${expression} as double)`, whole: true });
  }
  const list = elementOf(type);
  if (list !== undefined) {
    if (typedValue('each', list) === undefined) return undefined;
    const element = (name: string): SqlValue => typedValue(name, list) as SqlValue;
    return absentAsNull({ array: present, elements: { list: expression, element } });
  }
  const fields = fieldsOf(type);
  if (fields === undefined) return undefined;
  const properties = new Map<string, SqlValue>();
  for (const [name, fieldType] of fields) {
    const field = typedValue(`struct_extract(${expression}, '${name.replaceAll("'", "''")}')`, fieldType);
    if (field === undefined) return undefined;
    properties.set(name, field);
  }
  return absentAsNull({ object: present, properties });
}
