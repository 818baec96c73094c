import type { ErrorObject } from 'ajv/dist/2020.js';
import { withoutSecrets } from '../object-address.ts';
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
  const remaining = new Set(errors);
  // Innermost first, as ajv tells them: the choice inside an alternative decides how well that alternative fits.
  for (const [place, union] of errors.entries()) {
    if (union.keyword !== 'anyOf') continue;
    const prefix = `${union.schemaPath}/`;
    // The errors of its alternatives are told just before it.
    let start = place;
    while (
      errors[start - 1]?.schemaPath.startsWith(prefix) === true &&
      errors[start - 1]?.instancePath.startsWith(union.instancePath) === true
    )
      start -= 1;
    const inside = errors.slice(start, place).filter((error) => remaining.has(error));
    const branches = new Map<string, ErrorObject[]>();
    for (const error of inside) {
      const branch = error.schemaPath.slice(prefix.length).split('/')[0] ?? '';
      branches.set(branch, [...(branches.get(branch) ?? []), error]);
    }
    const ranked = [...branches.values()].sort((a, b) => misfit(a, union) - misfit(b, union));
    const forms = union.schema as Form[];
    const kind = kindOf(forms, union.data);
    if (kind?.is === -1) {
      for (const error of inside) remaining.delete(error);
      const instancePath = `${union.instancePath}/${kind.key}`;
      Object.assign(union, { keyword: 'enum', instancePath, data: kind.said, params: { allowedValues: kind.allowed } });
      continue;
    }
    const meant = branches.get(String(kind?.is)) ?? keyOfNone(ranked, union) ?? ranked[0];
    for (const error of meant ?? []) {
      if (error.instancePath !== union.instancePath) continue;
      if (error.keyword === 'required') tellChoice(error, forms, kind);
      else if (error.keyword === 'additionalProperties') tellWhoseKey(error, forms, kind?.key);
    }
    const dropped = new Set<ErrorObject>(inside);
    if (meant !== undefined && misfit(meant, union) < wrongType) {
      dropped.add(union);
      for (const error of meant) dropped.delete(error);
    } else {
      const types = inside.flatMap(({ keyword, params, instancePath, parentSchema }) => {
        // Of a value that is fixed its type says less.
        if (keyword === 'type') return parentSchema?.['const'] === undefined ? [params['type'] as string] : [];
        if (instancePath !== union.instancePath) return [];
        if (keyword === 'const') return [show(params['allowedValue'])];
        return keyword === 'anyOf' ? (params['types'] as string[]) : [];
      });
      union.params = { types };
    }
    for (const error of dropped) remaining.delete(error);
  }
  // Of a key that takes one value the value says all: its type would be a second line about the same.
  const left = [...remaining];
  const fixed = new Set(left.filter(({ keyword }) => keyword === 'const').map(({ instancePath }) => instancePath));
  return left.filter(({ keyword, instancePath }) => keyword !== 'type' || !fixed.has(instancePath));
}

interface Form {
  properties?: Record<string, { const?: unknown }>;
  required?: string[];
}

/**
 * The key whose value says which of several forms is meant, such as `kind`: what it may be, what it is, and which form that is
 * (-1: none, undefined: it is not there).
 */
function kindOf(
  forms: readonly Form[],
  data: unknown,
): { key: string; allowed: unknown[]; said: unknown; is: number | undefined } | undefined {
  if (typeof data !== 'object' || data === null) return undefined;
  for (const key of Object.keys(forms[0]?.properties ?? {})) {
    const fixed = forms.map(({ properties }) => properties?.[key]?.const);
    const allowed = fixed.filter((value) => value !== undefined);
    if (allowed.length < 2) continue;
    const said = (data as Record<string, unknown>)[key];
    return { key, allowed, said, is: said === undefined ? undefined : fixed.indexOf(said) };
  }
  return undefined;
}

/** The key that a form needs and no other. */
function ownKey(form: Form | undefined, forms: readonly Form[]): string | undefined {
  return form?.required?.find((key) => !forms.some((each) => each !== form && each.required?.includes(key)));
}

/** Where nothing says which form is meant: what would. */
function tellChoice({ params, data }: ErrorObject, forms: readonly Form[], kind: ReturnType<typeof kindOf>): void {
  const missing = params['missingProperty'] as string;
  const own = forms.map((form) => ownKey(form, forms)).filter((key) => key !== undefined);
  if (missing === kind?.key) params['choice'] = kind.allowed;
  else if (kind === undefined && own.includes(missing) && !own.some((key) => Object.hasOwn(data as object, key)))
    params['choice'] = own;
}

/** Of a key that another of the forms has: which form that is, and which one this is, each by its kind or its own key. */
function tellWhoseKey(error: ErrorObject, forms: readonly Form[], kind: string | undefined): void {
  const named = (form: Form | undefined): string | undefined => {
    if (kind !== undefined) return show(form?.properties?.[kind]?.const);
    const own = ownKey(form, forms);
    return own === undefined ? undefined : quote(own);
  };
  const extra = error.params['additionalProperty'] as string;
  const here = named(forms.find((form) => form === error.parentSchema));
  const others = forms.filter(({ properties }) => properties !== undefined && Object.hasOwn(properties, extra));
  if (here === undefined || others.length === 0) return;
  const of = kind === undefined ? '' : `${kind}: `;
  const elsewhere = others.map(named).filter((name) => name !== undefined && name !== quote(extra));
  const but = elsewhere.length === 0 ? '' : `, but with ${of}${elsewhere.join(' or ')}`;
  error.params['fault'] = `${quote(extra)} does not go with ${of}${here}${but}.`;
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
    // Of a choice within it none fits: else that is explained already.
    if (here && ['type', 'enum', 'const', 'anyOf'].includes(error.keyword)) score += wrongType;
    // What says which form it is weighs more than a key too many.
    else if (here && error.keyword === 'required') score += 101;
    else if (here && error.keyword === 'additionalProperties') score += 100;
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
      const fault = (params['fault'] as string | undefined) ?? `unknown key ${quote(key)}.${meant}`;
      return { pointer, key, message: `${fault} Expected one of: ${allowed.join(', ')}` };
    }
    case 'required': {
      const allowed = (params['choice'] as unknown[] | undefined)?.map(String).join(', ');
      const missing = `the key ${quote(String(params['missingProperty']))} is missing`;
      return { pointer, message: allowed === undefined ? missing : `${missing}. Expected one of: ${allowed}` };
    }
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

function quote(value: string): string {
  const text = withoutSecrets(value);
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}

function show(value: unknown): string {
  if (typeof value === 'string') return quote(value);
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  if (value !== null && typeof value === 'object') return 'a mapping';
  return String(value);
}
