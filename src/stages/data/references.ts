import uriModule from 'ajv/dist/runtime/uri.js';

// The package is CommonJS whose types claim a default export.
const { resolve } = (uriModule as unknown as { default: { resolve(base: string, reference: string): string } }).default;

/** A schema and the URI that references in it are relative to. */
export interface Place {
  schema: unknown;
  base: string;
}

/** What a reference leads to, as JSON Schema says (2020-12, section 8.2); undefined where it leaves the document. */
export type References = (reference: string, base: string) => Place | undefined;

/** Places that hold data, not schemas. */
const data = new Set(['const', 'enum', 'default', 'examples']);

/** The references within one document, by JSON pointer, `$id`, `$anchor` and `$dynamicAnchor`. */
export function referencesOf(document: unknown): References {
  const named = new Map<string, Place>([['', { schema: document, base: '' }]]);
  const pending: Place[] = [{ schema: document, base: '' }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { schema } = next;
    if (typeof schema !== 'object' || schema === null) continue;
    const base = baseWithin(schema, next.base);
    if (base !== next.base) named.set(base, { schema, base });
    for (const keyword of ['$anchor', '$dynamicAnchor'] as const) {
      const name = (schema as Record<string, unknown>)[keyword];
      if (typeof name === 'string') named.set(`${base}#${name}`, { schema, base });
    }
    for (const [key, child] of Object.entries(schema)) if (!data.has(key)) pending.push({ schema: child, base });
  }
  return (reference, base) => {
    const [document = '', fragment = ''] = resolve(base, reference).split('#');
    if (fragment !== '' && !fragment.startsWith('/')) return named.get(`${document}#${decoded(fragment)}`);
    return along(named.get(document), decoded(fragment));
  };
}

/** The base URI inside a schema: that of its own `$id`, where it has one. */
export function baseWithin(schema: object, base: string): string {
  const id = (schema as { $id?: unknown }).$id;
  return typeof id === 'string' ? (resolve(base, id).split('#')[0] as string) : base;
}

/** RFC 6901. */
function along(start: Place | undefined, pointer: string): Place | undefined {
  let place = start;
  for (const part of pointer.split('/').slice(1)) {
    const key = part.replaceAll('~1', '/').replaceAll('~0', '~');
    if (place === undefined || typeof place.schema !== 'object' || place.schema === null) return undefined;
    if (!Object.hasOwn(place.schema, key)) return undefined;
    const base = baseWithin(place.schema, place.base);
    place = { schema: (place.schema as Record<string, unknown>)[key], base };
  }
  return place;
}

function decoded(fragment: string): string {
  try {
    return decodeURIComponent(fragment);
  } catch {
    return fragment;
  }
}
