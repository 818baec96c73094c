import type { ErrorObject } from 'ajv/dist/2020.js';
import { nearest } from './suggest.ts';
import { pointsPattern } from './units.ts';

/** One thing wrong with a document: where (a JSON pointer, and the key itself when a key is at fault) and what. */
export interface Problem {
  pointer: string;
  /** Set when the fault is a key of the object at `pointer`, so that the key's own line can be shown. */
  key?: string;
  message: string;
}

/**
 * Turn ajv's errors (allErrors, verbose) into problems a person can act on.
 * Of the alternatives of an `anyOf` only the one that was most probably meant is explained.
 */
export function explain(errors: readonly ErrorObject[]): Problem[] {
  const problems = meantAlternatives(errors).map(problem);
  const seen = new Set<string>();
  return problems.filter((each) => {
    const line = `${each.pointer}\n${each.key ?? ''}\n${each.message}`;
    return !seen.has(line) && seen.add(line);
  });
}

function meantAlternatives(errors: readonly ErrorObject[]): ErrorObject[] {
  let remaining = [...errors];
  const unions = errors
    .filter((error) => error.keyword === 'anyOf')
    // Innermost first: the choice inside an alternative decides how well that alternative fits.
    .sort((a, b) => b.schemaPath.length - a.schemaPath.length || b.instancePath.length - a.instancePath.length);
  for (const union of unions) {
    const prefix = `${union.schemaPath}/`;
    const inside = remaining.filter(
      (error) =>
        error !== union && error.schemaPath.startsWith(prefix) && error.instancePath.startsWith(union.instancePath),
    );
    const branches = new Map<string, ErrorObject[]>();
    for (const error of inside) {
      const branch = error.schemaPath.slice(prefix.length).split('/')[0] ?? '';
      branches.set(branch, [...(branches.get(branch) ?? []), error]);
    }
    const ranked = [...branches.values()].sort((a, b) => misfit(a, union) - misfit(b, union));
    const meant = keyOfNone(ranked, union) ?? ranked[0];
    const dropped = new Set<ErrorObject>(inside);
    if (meant !== undefined && misfit(meant, union) < wrongType) {
      dropped.add(union);
      for (const error of meant) dropped.delete(error);
    } else {
      union.params = { types: inside.filter((error) => error.keyword === 'type').map((error) => error.params['type']) };
    }
    remaining = remaining.filter((error) => !dropped.has(error));
  }
  // Of a key that takes one value the value says all: its type would be a second line about the same.
  const fixed = new Set(remaining.filter(({ keyword }) => keyword === 'const').map(({ instancePath }) => instancePath));
  return remaining.filter(({ keyword, instancePath }) => keyword !== 'type' || !fixed.has(instancePath));
}

/** A key that no alternative knows: said once, with the keys of all. */
function keyOfNone(branches: readonly ErrorObject[][], { instancePath }: ErrorObject): ErrorObject[] | undefined {
  const unknown = branches.map((errors) =>
    errors.filter((error) => error.keyword === 'additionalProperties' && error.instancePath === instancePath),
  );
  const keyOf = ({ params }: ErrorObject): string => String((params as Record<string, unknown>)['additionalProperty']);
  const [first] = (unknown[0] ?? []).filter((error) =>
    unknown.every((errors) => errors.some((each) => keyOf(each) === keyOf(error))),
  );
  if (first === undefined || branches.length < 2) return undefined;
  const properties = unknown.flat().map(({ parentSchema }) => parentSchema?.['properties'] as object | undefined);
  const merged: ErrorObject = {
    ...first,
    parentSchema: { ...first.parentSchema, properties: Object.assign({}, ...properties) as object },
  };
  // It takes the place of the error it was made of.
  return [Object.assign(first, merged)];
}

const wrongType = 1e6;

function misfit(errors: readonly ErrorObject[], union: ErrorObject): number {
  let score = 0;
  for (const error of errors) {
    const here = error.instancePath === union.instancePath;
    if (here && (error.keyword === 'type' || error.keyword === 'enum')) score += wrongType;
    else if (
      here &&
      (error.keyword === 'required' || error.keyword === 'additionalProperties' || error.keyword === 'const')
    )
      score += 100;
    else score += 1;
  }
  return score;
}

/** Names of environments that are aliases of the registry's own, or versions. */
const reserved = /^(?:champion|previous|latest|v[0-9]+)$/u;

function problem(error: ErrorObject): Problem {
  const pointer = error.instancePath;
  const found = `found ${show(error.data)}`;
  const params = error.params as Record<string, unknown>;
  const schema = (error.parentSchema ?? {}) as { properties?: Record<string, unknown>; description?: string };
  switch (error.keyword) {
    case 'additionalProperties': {
      const key = String(params['additionalProperty']);
      const allowed = Object.keys(schema.properties ?? {});
      if (allowed.length === 0 && reserved.test(key) && pointer === '/registry/environments') {
        return { pointer, key, message: `${quote(key)} is reserved: the registry itself says which version it is` };
      }
      if (allowed.length === 0) {
        return {
          pointer,
          key,
          message: `${quote(key)} is not a valid name. Expected letters, digits, - and _, starting and ending with a letter or digit, at most 100`,
        };
      }
      const near = nearest(key, allowed);
      const meant = near === undefined ? '' : ` Did you mean ${quote(near)}?`;
      return { pointer, key, message: `unknown key ${quote(key)}.${meant} Expected one of: ${allowed.join(', ')}` };
    }
    case 'required':
      return { pointer, message: `the key ${quote(String(params['missingProperty']))} is missing` };
    case 'enum': {
      const allowed = (params['allowedValues'] as unknown[]).map(String);
      const near = typeof error.data === 'string' ? nearest(error.data, allowed) : undefined;
      const meant = near === undefined ? '' : ` Did you mean ${quote(near)}?`;
      return { pointer, message: `${found}.${meant} Expected one of: ${allowed.join(', ')}` };
    }
    case 'const':
      return { pointer, message: `${found}. Expected ${show(params['allowedValue'])}${meaning(schema)}` };
    case 'type':
      return { pointer, message: `${found}. Expected ${String(params['type'])}${meaning(schema)}` };
    case 'anyOf': {
      const types = [...new Set((params['types'] as string[] | undefined) ?? [])];
      const expected = types.length > 0 ? types.join(' or ') : 'one of the forms the schema names';
      return { pointer, message: `${found}. Expected ${expected}${meaning(schema)}` };
    }
    case 'pattern':
      return { pointer, message: `${found}. Expected ${formOf(String(params['pattern']))}${meaning(schema)}` };
    default:
      return { pointer, message: `${found}. It ${error.message ?? 'is not valid'}${meaning(schema)}` };
  }
}

/** Nobody should have to read a pattern for what most often goes wrong. */
function formOf(pattern: string): string {
  return pattern === pointsPattern ? 'a number, or percentage points such as 1pp' : `text that matches ${pattern}`;
}

function meaning(schema: { description?: string }): string {
  return schema.description === undefined ? '' : ` (${schema.description})`;
}

function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}

function show(value: unknown): string {
  if (typeof value === 'string') return quote(value);
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  if (value !== null && typeof value === 'object') return 'a mapping';
  return String(value);
}
