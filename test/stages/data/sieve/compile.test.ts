import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormatsModule from 'ajv-formats';
import { DuckDBInstance } from '@duckdb/node-api';
import { decideMultiplesInDecimal } from '../../../../src/stages/data/multiple-of.ts';
import { compileSchema } from '../../../../src/stages/data/sieve/compile.ts';
import { rowValue, typedValue, type SqlValue } from '../../../../src/stages/data/sieve/values.ts';
import fc from '../../../support/properties.ts';

const addFormats = addFormatsModule as unknown as typeof addFormatsModule.default;
const runs = Number(process.env['CONTENDER_SIEVE_RUNS'] ?? 500);

const instance = await DuckDBInstance.create(':memory:', { threads: '1' });
const connection = await instance.connect();
after(() => {
  connection.closeSync();
  instance.closeSync();
});

interface Row {
  n: number | null;
  s: string | null;
  b: boolean | null;
  o: { x: number | null; y: string | null } | null;
  l: (number | null)[] | null;
}

const numbers = [0, 1, -1, 0.5, 0.1, 36.48, 3, 1e15, 0.30000000000000004, -2.5, 7, 100, 1e-7, Number.MAX_VALUE];
const texts = [
  '',
  'a',
  'abc',
  'A1',
  'spam',
  '2024-02-29',
  '2023-02-29',
  '2024-01-01T10:00:00Z',
  '2024-01-01T23:59:60Z',
  '10:00:00+01:00',
  'a@b.co',
  '192.168.0.1',
  '::1',
  'f81d4fae-7dec-11d0-a765-00a0c91e6bf6',
  'naïve',
  '🤦',
  'line\r\nend',
  '\u00A0',
  "it's",
  '-5',
  '007',
];
const patterns = [
  '^a',
  '[0-9]+$',
  '^[A-Za-z]{1,3}$',
  'a|b',
  '\\s',
  '^.$',
  '\\S+@\\S+',
  '[^a-z]',
  '\\bspam\\b',
  '^\\p{L}+$',
  '(?=a)',
  '(a)\\1',
  '\\u{1F926}',
  '^\\d{4}-\\d{2}-\\d{2}$',
  '[\\w-]+',
  '^$',
  "'",
];
const formats = [
  'date',
  'date-time',
  'time',
  'email',
  'ipv4',
  'ipv6',
  'uuid',
  'uri',
  'hostname',
  'duration',
  'json-pointer',
  'regex',
  'int32',
];

const numberKeywords = fc.record(
  {
    type: fc.constantFrom('number', 'integer', ['number', 'null'], 'string', ['integer', 'boolean']),
    minimum: fc.constantFrom(...numbers),
    maximum: fc.constantFrom(...numbers),
    exclusiveMinimum: fc.constantFrom(...numbers),
    exclusiveMaximum: fc.constantFrom(...numbers),
    multipleOf: fc.constantFrom(1, 2, 0.5, 0.01, 0.1, 3, 7e-3),
    enum: fc.array(fc.constantFrom<unknown>(...numbers, 'a', null, true, {}), { minLength: 1, maxLength: 4 }),
    const: fc.constantFrom<unknown>(...numbers, null, 'x'),
    format: fc.constantFrom('int32', 'double'),
  },
  { requiredKeys: [] },
);
const textKeywords = fc.record(
  {
    type: fc.constantFrom('string', ['string', 'null'], 'number'),
    minLength: fc.integer({ min: 0, max: 4 }),
    maxLength: fc.integer({ min: 0, max: 12 }),
    pattern: fc.constantFrom(...patterns),
    format: fc.constantFrom(...formats),
    enum: fc.array(fc.constantFrom<unknown>(...texts, null, 1), { minLength: 1, maxLength: 4 }),
    const: fc.constantFrom<unknown>(...texts),
  },
  { requiredKeys: [] },
);
const listKeywords = fc.record(
  {
    type: fc.constantFrom('array', ['array', 'null']),
    items: numberKeywords,
    minItems: fc.integer({ min: 0, max: 2 }),
    maxItems: fc.integer({ min: 0, max: 3 }),
    uniqueItems: fc.boolean(),
    contains: fc.constant({ const: 1 }),
  },
  { requiredKeys: [] },
);
const nestedKeywords = fc.record(
  {
    type: fc.constantFrom('object', ['object', 'null']),
    properties: fc.record({ x: numberKeywords, y: textKeywords }, { requiredKeys: [] }),
    required: fc.subarray(['x', 'y', 'z']),
    additionalProperties: fc.boolean(),
    maxProperties: fc.integer({ min: 0, max: 3 }),
  },
  { requiredKeys: [] },
);
const { schema } = fc.letrec<{ schema: object; branches: object[] }>((tie) => ({
  branches: fc.array(tie('schema'), { minLength: 1, maxLength: 3 }),
  schema: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.record(
      {
        properties: fc.record(
          {
            n: numberKeywords,
            s: textKeywords,
            b: fc.constantFrom({ type: 'boolean' }, { const: true }, { enum: [false, null] }),
            o: nestedKeywords,
            l: listKeywords,
          },
          { requiredKeys: [] },
        ),
        required: fc.subarray(['n', 's', 'b', 'o', 'zz']),
        additionalProperties: fc.constantFrom<unknown>(true, false, { type: 'string' }),
        patternProperties: fc.constantFrom({ '^[ns]$': { not: { const: 1 } } }, { '.': {} }),
        propertyNames: fc.constantFrom({ maxLength: 1 }, { pattern: '^[nsbo]$' }),
        dependentRequired: fc.constantFrom({ n: ['s'] }, { s: ['zz'] }),
        minProperties: fc.integer({ min: 0, max: 5 }),
        maxProperties: fc.integer({ min: 2, max: 6 }),
        unevaluatedProperties: fc.constant(false),
        $ref: fc.constantFrom('#/$defs/n'),
      },
      { requiredKeys: [], noNullPrototype: true },
    ),
    fc.record({ allOf: tie('branches') }),
    fc.record({ anyOf: tie('branches') }),
    fc.record({ oneOf: tie('branches') }),
    fc.record({ not: tie('schema') }),
    fc.tuple(tie('schema'), tie('schema'), tie('schema')).map(([condition, met, unmet]) =>
      Object.fromEntries([
        ['if', condition],
        // oxlint-disable-next-line unicorn/no-thenable -- a keyword of JSON Schema
        ['then', met],
        ['else', unmet],
      ]),
    ),
    fc.record({ dependentSchemas: fc.record({ s: tie('schema') }) }),
  ),
}));
/** One rule alone, which nothing else hides. */
const single = fc
  .tuple(
    fc.constantFrom('n', 's', 'o', 'l'),
    fc.record({ n: numberKeywords, s: textKeywords, o: nestedKeywords, l: listKeywords }),
    fc.nat(),
    fc.boolean(),
  )
  .map(([name, all, place, referred]) => {
    const keywords = Object.entries(all[name as 'n']);
    const rule = Object.fromEntries(
      keywords.length === 0 ? [] : [keywords[place % keywords.length] as [string, unknown]],
    );
    return referred ? { $ref: '#/$defs/n' } : { properties: { [name]: rule } };
  });
const orNull = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(value, { nil: null, freq: 6 });
const row: fc.Arbitrary<Row> = fc.record({
  n: orNull(fc.oneof(fc.constantFrom(...numbers), fc.double({ noNaN: true, noDefaultInfinity: true }))),
  s: orNull(fc.oneof(fc.constantFrom(...texts), fc.string({ unit: 'grapheme', maxLength: 6 }))),
  b: orNull(fc.boolean()),
  o: orNull(fc.record({ x: orNull(fc.constantFrom(...numbers)), y: orNull(fc.constantFrom(...texts)) })),
  l: orNull(fc.array(orNull(fc.constantFrom(...numbers)), { maxLength: 3 })),
});

const definitions = { n: { properties: { n: { type: ['number', 'null'], maximum: 50 } } } };

describe('the sieve says nothing that ajv does not', () => {
  test('of generated schemas on generated rows', async () => {
    let decided = 0;
    let pairs = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(schema, single),
        fc.array(row, { minLength: 1, maxLength: 8 }),
        async (generated, rows) => {
          const whole = { ...generated, $defs: definitions };
          const validate = ajvOf(whole);
          if (validate === null) return;
          const said = await sieve(whole, rows);
          for (const [index, { yes, no }] of said.entries()) {
            const isValid = validate(rows[index]);
            assert.ok(!(yes && !isValid), `cleared, and ajv refuses: ${JSON.stringify(rows[index])}`);
            assert.ok(!(no && isValid), `refused, and ajv accepts: ${JSON.stringify(rows[index])}`);
            pairs++;
            if (yes || no) decided++;
          }
        },
      ),
      {
        numRuns: runs,
        seed: 11,
        includeErrorInReport: true,
        endOnFailure: process.env['CONTENDER_SIEVE_SHRINK'] === 'no',
      },
    );
    assert.ok(decided > pairs / 2, `only ${decided} of ${pairs} were decided`);
  });
});

function ajvOf(whole: object): ((row: unknown) => boolean) | null {
  const ajv = new Ajv2020({
    strictSchema: false,
    strictNumbers: true,
    strictTypes: false,
    strictTuples: false,
    ownProperties: true,
    logger: false,
  });
  addFormats(ajv);
  decideMultiplesInDecimal(ajv);
  try {
    return ajv.compile(whole) as (row: unknown) => boolean;
  } catch {
    return null;
  }
}

const types = { n: 'DOUBLE', s: 'VARCHAR', b: 'BOOLEAN', o: 'STRUCT(x DOUBLE, y VARCHAR)', l: 'DOUBLE[]' };

async function sieve(whole: object, rows: readonly Row[]): Promise<{ yes: boolean; no: boolean }[]> {
  const properties = new Map(
    Object.entries(types).map(([name, type]) => [name, typedValue(`"${name}"`, type) as SqlValue]),
  );
  const verdict = compileSchema(whole, rowValue(properties));
  const values = rows.map(
    (each, index) =>
      `(${index}, ${Object.keys(types)
        .map((name) => literal(each[name as keyof Row]))
        .join(', ')})`,
  );
  const cast = Object.entries(types).map(([name, type]) => `cast("${name}" as ${type}) as "${name}"`);
  const read = await connection.runAndReadAll(
    `select ${verdict.yes()}, ${verdict.no()} from (select row_at, ${cast.join(', ')} from (values ${values.join(', ')}) as t(row_at, n, s, b, o, l)) order by row_at`,
  );
  return read.getRows().map(([yes, no]) => ({ yes: yes as boolean, no: no as boolean }));
}

function literal(value: unknown): string {
  if (value === null) return 'null';
  if (typeof value === 'number') return `cast('${value}' as double)`;
  if (typeof value === 'string') return `'${value.replaceAll("'", "''")}'`;
  if (typeof value === 'boolean') return String(value);
  if (Array.isArray(value)) return `cast([${value.map(literal).join(', ')}] as double[])`;
  const { x, y } = value as { x: unknown; y: unknown };
  return `{'x': cast(${literal(x)} as double), 'y': cast(${literal(y)} as varchar)}`;
}
