import { listOf, objectOf } from '../../json.ts';
import { baseWithin, referencesOf, type Place, type References } from './references.ts';

/** What a column's schema speaks of, as far as text and null cells must know. */
export interface CellTypes {
  number: boolean;
  boolean: boolean;
  null: boolean;
  /** Whether it names any type. */
  any: boolean;
  /** Whether a number must be a multiple of another. */
  multiple: boolean;
}

type Schema = Record<string, unknown>;

const numericKeywords = ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf'];
const steps = 10_000;

/**
 * The types the contract names for each column, wherever in the schema of the row it speaks of that column:
 * `properties`, `patternProperties`, `additionalProperties`, through `$ref`, `allOf`, `anyOf`, `oneOf`, `if`, `then`, `else`, `dependentSchemas`.
 * A type is named by `type`, by the members of `enum` and `const`, and by keywords that only numbers have.
 * What lies behind `not` is left out.
 */
export function cellTypes(schema: unknown, columns: readonly string[]): CellTypes[] {
  const types = columns.map(() => ({ number: false, boolean: false, null: false, any: false, multiple: false }));
  const byName = new Map(columns.map((name, index) => [name, types[index] as CellTypes]));
  const references = referencesOf(schema);
  for (const { schema: row, base } of applicable({ schema, base: '' }, references)) {
    const properties = objectOf(row['properties']);
    const patterns = Object.entries(objectOf(row['patternProperties'])).map(
      ([pattern, each]) => [compile(pattern), each] as const,
    );
    for (const [name, cell] of byName) {
      let matched = false;
      const add = (each: unknown): void => {
        matched = true;
        for (const part of applicable({ schema: each, base }, references)) addTypes(cell, part.schema);
      };
      if (Object.hasOwn(properties, name)) add(properties[name]);
      for (const [pattern, each] of patterns) if (pattern?.test(name) === true) add(each);
      if (!matched) {
        add(row['additionalProperties']);
        add(row['unevaluatedProperties']);
      }
    }
  }
  return types;
}

/** The columns that the schema of the row has a schema of (other than `false`), and those that it requires. */
export function rowKeywords(schema: unknown): { named: Set<string>; required: Set<string> } {
  const found = { named: new Set<string>(), required: new Set<string>() };
  for (const { schema: row } of applicable({ schema, base: '' }, referencesOf(schema))) {
    for (const [name, each] of Object.entries(objectOf(row['properties']))) if (each !== false) found.named.add(name);
    const { required } = row;
    for (const name of listOf(required)) found.required.add(String(name));
  }
  return found;
}

/** The schema itself and every schema that applies to the same instance. */
function applicable(start: Place, references: References): { schema: Schema; base: string }[] {
  const found = new Map<Schema, string>();
  const pending = [start];
  while (pending.length > 0 && found.size < steps) {
    const next = pending.pop() as Place;
    if (typeof next.schema !== 'object' || next.schema === null || Array.isArray(next.schema)) continue;
    const each = next.schema as Schema;
    if (found.has(each)) continue;
    const base = baseWithin(each, next.base);
    found.set(each, base);
    const branches = ['allOf', 'anyOf', 'oneOf'].flatMap((keyword): unknown[] => listOf(each[keyword]));
    const conditions = [each['if'], each['then'], each['else'], ...Object.values(objectOf(each['dependentSchemas']))];
    for (const schema of [...branches, ...conditions]) pending.push({ schema, base });
    for (const keyword of ['$ref', '$dynamicRef']) {
      const reference = each[keyword];
      const target = typeof reference === 'string' ? references(reference, base) : undefined;
      if (target !== undefined) pending.push(target);
    }
  }
  return [...found].map(([schema, base]) => ({ schema, base }));
}

function addTypes(cell: CellTypes, schema: Schema): void {
  const named = schema['type'];
  const types = new Set(Array.isArray(named) ? (named as unknown[]) : [named]);
  const values = [...listOf(schema['enum'])];
  if (Object.hasOwn(schema, 'const')) values.push(schema['const']);
  cell.any ||= named !== undefined || values.length > 0;
  cell.number ||=
    types.has('number') ||
    types.has('integer') ||
    values.some((value) => typeof value === 'number') ||
    numericKeywords.some((keyword) => Object.hasOwn(schema, keyword));
  cell.multiple ||= Object.hasOwn(schema, 'multipleOf');
  cell.boolean ||= types.has('boolean') || values.some((value) => typeof value === 'boolean');
  cell.null ||= types.has('null') || values.includes(null);
}

function compile(pattern: string): RegExp | undefined {
  try {
    return new RegExp(pattern, 'u');
  } catch {
    return undefined;
  }
}
