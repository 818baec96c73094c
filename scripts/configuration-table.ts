/** The part of a JSON Schema that the table of keys reads. */
interface Schema {
  type?: string;
  description?: string;
  enum?: (string | number)[];
  const?: string | number;
  anyOf?: Schema[];
  items?: Schema;
  properties?: Record<string, Schema>;
  patternProperties?: Record<string, Schema>;
  required?: string[];
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
}

/** A Markdown table of every key of the configuration, with its form and meaning, from the schema itself. */
export function configurationTable(schema: unknown): string {
  const rows = keysOf(schema as Schema, '');
  return ['| key | form | meaning |', '|---|---|---|', ...new Set(rows)].join('\n');
}

function keysOf(schema: Schema, prefix: string): string[] {
  const own = Object.entries(schema.properties ?? {}).flatMap(([key, value]) => {
    const path = prefix === '' ? key : `${prefix}.${key}`;
    const required = schema.required?.includes(key) === true ? ' **required**' : '';
    return [row(path, value, required), ...keysOf(value, path)];
  });
  const named = Object.values(schema.patternProperties ?? {}).flatMap((value) => keysOf(value, `${prefix}.<name>`));
  const alternatives = (schema.anyOf ?? []).flatMap((each) => keysOf(each, prefix));
  const items = schema.items === undefined ? [] : keysOf(schema.items, `${prefix}[]`);
  return [...own, ...named, ...alternatives, ...items];
}

function row(path: string, schema: Schema, required: string): string {
  return `| \`${path}\` | ${form(schema)}${required} | ${escape(schema.description ?? '')} |`;
}

function form(schema: Schema): string {
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${String(value)}\``).join(', ');
  if (schema.const !== undefined) return `\`${String(schema.const)}\``;
  if (schema.anyOf !== undefined) return [...new Set(schema.anyOf.map(form))].join(' or ');
  if (schema.type === 'array') return `list of ${schema.items === undefined ? 'anything' : form(schema.items)}`;
  if (schema.type === 'object') return 'mapping';
  const bounds = [
    schema.minimum === undefined ? '' : `≥ ${schema.minimum}`,
    schema.exclusiveMinimum === undefined ? '' : `> ${schema.exclusiveMinimum}`,
    schema.maximum === undefined ? '' : `≤ ${schema.maximum}`,
  ].filter((bound) => bound !== '');
  return `${schema.type ?? 'anything'}${bounds.length === 0 ? '' : ` ${bounds.join(', ')}`}`;
}

function escape(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;');
}
