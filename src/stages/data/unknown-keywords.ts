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
  const places = new Map<string, string[]>();
  const pending: { value: unknown; pointer: string; names: boolean }[] = [
    { value: schema, pointer: '#', names: false },
  ];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { value, pointer, names } = next;
    if (typeof value !== 'object' || value === null) continue;
    const children = Object.entries(value).map(([key, child]) => {
      const at = `${pointer}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`;
      if (!names && !Array.isArray(value) && unknown.has(key)) places.set(key, [...(places.get(key) ?? []), at]);
      return { key, child: { value: child as unknown, pointer: at, names: !names && named.has(key) } };
    });
    for (const { key, child } of children.toReversed()) if (names || !data.has(key)) pending.push(child);
  }
  return [...unknown].map((keyword) => {
    const near = nearest(keyword, keywords);
    const found = places.get(keyword) ?? [];
    const more = found.length > 3 ? ` and ${found.length - 3} more` : '';
    const where = found.length === 0 ? '' : `${found.slice(0, 3).join(', ')}${more}: `;
    const meant = near === undefined ? '' : ` Did you mean ${JSON.stringify(near)}?`;
    return `${uri}: ${where}unknown keyword ${JSON.stringify(keyword)}, which checks nothing.${meant}`;
  });
}
