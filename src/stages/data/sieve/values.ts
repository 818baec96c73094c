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
  if (type === 'BOOLEAN') return absentAsNull({ boolean: present, asBoolean: expression });
  if (type === 'VARCHAR') return absentAsNull({ string: present, asString: expression });
  if (/^(?:U?(?:TINYINT|SMALLINT|INTEGER)|BIGINT)$/u.test(type)) {
    return absentAsNull({ number: present, asNumber: `cast(${expression} as double)`, whole: true });
  }
  if (type === 'DOUBLE') {
    const asNumber = `cast(${expression} as double)`;
    return absentAsNull({ number: `coalesce(isfinite(${asNumber}), false)`, asNumber });
  }
  const list = /^(.*)\[\]$/u.exec(type)?.[1];
  if (list !== undefined) {
    if (typedValue('each', list) === undefined) return undefined;
    const element = (name: string): SqlValue => typedValue(name, list) as SqlValue;
    return absentAsNull({ array: present, elements: { list: expression, element } });
  }
  const fields = structFields(type);
  if (fields === undefined) return undefined;
  const properties = new Map<string, SqlValue>();
  for (const [name, fieldType] of fields) {
    const field = typedValue(`struct_extract(${expression}, '${name.replaceAll("'", "''")}')`, fieldType);
    if (field === undefined) return undefined;
    properties.set(name, field);
  }
  return absentAsNull({ object: present, properties });
}

/** Names and types of `STRUCT("a" INTEGER, b VARCHAR[])`; undefined for any other type. */
function structFields(type: string): [string, string][] | undefined {
  const inner = /^STRUCT\((.*)\)$/u.exec(type)?.[1];
  if (inner === undefined) return undefined;
  const fields: [string, string][] = [];
  let rest = inner;
  while (rest !== '') {
    const head = /^(?:"((?:[^"]|"")*)"|([A-Za-z_][A-Za-z0-9_]*)) /u.exec(rest);
    if (head === null) return undefined;
    rest = rest.slice(head[0].length);
    const end = endOfType(rest);
    fields.push([head[1]?.replaceAll('""', '"') ?? (head[2] as string), rest.slice(0, end)]);
    rest = rest.slice(end).replace(/^,\s*/u, '');
  }
  return fields;
}

function endOfType(text: string): number {
  let depth = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const each = text[at];
    if (each === '"') quoted = !quoted;
    else if (quoted) continue;
    else if (each === '(') depth++;
    else if (each === ')') depth--;
    else if (each === ',' && depth === 0) return at;
  }
  return text.length;
}
