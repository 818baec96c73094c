/** What a column's schema speaks of, as far as text and null cells must know. */
export interface CellTypes {
  number: boolean;
  boolean: boolean;
  null: boolean;
}

type Schema = Record<string, unknown>;

const numericKeywords = ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf'];
const steps = 10_000;

/**
 * The types the contract names for each column, wherever in the schema of the row it speaks of that column:
 * `properties`, `patternProperties`, `additionalProperties`, through local `$ref`, `allOf`, `anyOf`, `oneOf`, `if`, `then`, `else`, `dependentSchemas`.
 * A type is named by `type`, by the members of `enum` and `const`, and by keywords that only numbers have.
 * What lies behind `not` is left out, as is a reference other than a JSON pointer.
 */
export function cellTypes(schema: unknown, columns: readonly string[]): CellTypes[] {
  const types = columns.map(() => ({ number: false, boolean: false, null: false }));
  const byName = new Map(columns.map((name, index) => [name, types[index] as CellTypes]));
  for (const row of applicable(schema, schema)) {
    const properties = asSchema(row['properties']);
    const patterns = Object.entries(asSchema(row['patternProperties'])).map(
      ([pattern, each]) => [compile(pattern), each] as const,
    );
    for (const [name, cell] of byName) {
      let matched = false;
      const add = (each: unknown): void => {
        matched = true;
        for (const part of applicable(each, schema)) addTypes(cell, part);
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

/** The schema itself and every schema that applies to the same instance. */
function applicable(schema: unknown, root: unknown): Schema[] {
  const found = new Set<Schema>();
  const pending = [schema];
  while (pending.length > 0 && found.size < steps) {
    const next = pending.pop();
    if (typeof next !== 'object' || next === null || Array.isArray(next) || found.has(next as Schema)) continue;
    const each = next as Schema;
    found.add(each);
    for (const keyword of ['allOf', 'anyOf', 'oneOf']) {
      const branches = each[keyword];
      if (Array.isArray(branches)) pending.push(...(branches as unknown[]));
    }
    pending.push(each['if'], each['then'], each['else'], ...Object.values(asSchema(each['dependentSchemas'])));
    if (typeof each['$ref'] === 'string') pending.push(resolve(each['$ref'], root));
  }
  return [...found];
}

function addTypes(cell: CellTypes, schema: Schema): void {
  const named = schema['type'];
  const types = new Set(Array.isArray(named) ? (named as unknown[]) : [named]);
  const values = [...(Array.isArray(schema['enum']) ? (schema['enum'] as unknown[]) : [])];
  if (Object.hasOwn(schema, 'const')) values.push(schema['const']);
  cell.number ||=
    types.has('number') ||
    types.has('integer') ||
    values.some((value) => typeof value === 'number') ||
    numericKeywords.some((keyword) => Object.hasOwn(schema, keyword));
  cell.boolean ||= types.has('boolean') || values.some((value) => typeof value === 'boolean');
  cell.null ||= types.has('null') || values.includes(null);
}

function resolve(reference: string, root: unknown): unknown {
  if (reference !== '#' && !reference.startsWith('#/')) return undefined;
  let target: unknown = root;
  try {
    for (const part of decodeURIComponent(reference).split('/').slice(1)) {
      const key = part.replaceAll('~1', '/').replaceAll('~0', '~');
      if (typeof target !== 'object' || target === null || !Object.hasOwn(target, key)) return undefined;
      target = (target as Schema)[key];
    }
  } catch {
    return undefined;
  }
  return target;
}

function asSchema(value: unknown): Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Schema) : {};
}

function compile(pattern: string): RegExp | undefined {
  try {
    return new RegExp(pattern, 'u');
  } catch {
    return undefined;
  }
}
