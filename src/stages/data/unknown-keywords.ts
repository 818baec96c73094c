import { fullFormats } from 'ajv-formats/dist/formats.js';
import { nearest } from '../../config/suggest.ts';
import type { Contract } from './contract.ts';

/** Keywords of JSON Schema 2020-12 that a person may have meant. */
const keywords = (
  'type enum const properties patternProperties additionalProperties unevaluatedProperties ' +
  'propertyNames required minProperties maxProperties dependentRequired dependentSchemas minimum ' +
  'maximum exclusiveMinimum exclusiveMaximum multipleOf minLength maxLength pattern format items ' +
  'prefixItems unevaluatedItems contains minContains maxContains minItems maxItems uniqueItems allOf ' +
  'anyOf oneOf not if then else $ref $defs $anchor title description default examples deprecated ' +
  '$comment $id $schema'
).split(' ');

/** Here names are those of columns and definitions, and values are data: no keyword stands there. */
const named = new Set(['properties', 'patternProperties', '$defs', 'definitions', 'dependentSchemas']);
const data = new Set(['const', 'enum', 'default', 'examples', 'required', 'dependentRequired']);

/** One warning for each unknown keyword: the places it stands at, and the keyword that may be meant. */
export function unknownKeywords({ uri, schema }: Contract, unknown: ReadonlySet<string>): string[] {
  const places = placesOf(schema, (keyword) => (unknown.has(keyword) ? keyword : undefined));
  return [...unknown].map((keyword) => {
    const near = nearest(keyword, keywords);
    const meant = near === undefined ? '' : ` Did you mean ${JSON.stringify(near)}?`;
    return `${uri}: ${listed(places.get(keyword) ?? [])}unknown keyword ${JSON.stringify(keyword)}, which checks nothing.${meant}`;
  });
}

/** The formats of a contract that no program here knows, each with its places. */
export function unknownFormats({ schema }: Contract): Map<string, string[]> {
  return placesOf(schema, (keyword, value) =>
    keyword === 'format' && typeof value === 'string' && !Object.hasOwn(fullFormats, value) ? value : undefined,
  );
}

/** A warning of one of them. */
export function unknownFormat({ uri }: Contract, format: string, places: readonly string[]): string {
  const near = nearest(format, Object.keys(fullFormats));
  const meant = near === undefined ? '' : ` Did you mean ${JSON.stringify(near)}?`;
  return `${uri}: ${listed(places)}unknown format ${JSON.stringify(format)}, which checks nothing.${meant}`;
}

function listed(places: readonly string[]): string {
  const more = places.length > 3 ? ` and ${places.length - 3} more` : '';
  return places.length === 0 ? '' : `${places.slice(0, 3).join(', ')}${more}: `;
}

/**
 * JSON pointers to keywords of a schema.
 * @param asked what a keyword is listed under; undefined for one that is not asked for
 */
function placesOf(
  schema: Contract['schema'],
  asked: (keyword: string, value: unknown) => string | undefined,
): Map<string, string[]> {
  const places = new Map<string, string[]>();
  const pending: { value: unknown; pointer: string; names: boolean }[] = [
    { value: schema, pointer: '#', names: false },
  ];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { value, pointer, names } = next;
    if (typeof value !== 'object' || value === null) continue;
    const children = Object.entries(value).map(([key, child]: [string, unknown]) => {
      const at = `${pointer}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`;
      const listing = names || Array.isArray(value) ? undefined : asked(key, child);
      if (listing !== undefined) places.set(listing, [...(places.get(listing) ?? []), at]);
      return { key, child: { value: child, pointer: at, names: !names && named.has(key) } };
    });
    for (const { key, child } of children.toReversed()) if (names || !data.has(key)) pending.push(child);
  }
  return places;
}
