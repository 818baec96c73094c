import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormatsModule from 'ajv-formats';
import { quoteIdentifier, quoteLiteral } from '../../../src/data/dataset.ts';
import { inTemporaryFolder } from '../../support/project.ts';
import { writeParquet } from '../../support/parquet.ts';
import { violationsBothWays } from './support.ts';
import fc from '../../support/properties.ts';

/*
 * The verdict on a file must be ajv's verdict on its rows written as JSON. The rows are generated as JSON, so this file
 * writes cells its own way and knows nothing of the code under test but the written policy (docs/data.md).
 */

// The package is CommonJS whose types claim a default export.
const addFormats = addFormatsModule as unknown as typeof addFormatsModule.default;

type Cell = null | boolean | number | string;
type Row = Record<string, Cell>;

const names = ['x', 'y "q"', 'constructor'];
const text = fc
  .oneof(
    fc.constantFrom(
      'a',
      'abc',
      'true ',
      'True',
      'nan',
      '1_000',
      '.5',
      '0x10',
      ' 1',
      '+1',
      '2024-02-30',
      '2024-02-28',
      'é\n,"',
    ),
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 6 }),
  )
  .filter((each) => !/[\0\r\uFEFF]/u.test(each));
const number = fc
  .oneof(fc.integer({ min: -3, max: 12 }), fc.constantFrom(0.1, 0.3, 1.5, 3, -0.5, 3e21, 5e-324, 2 ** 53))
  .map((each) => each + 0);
const cells = { number, integer: fc.integer({ min: -3, max: 12 }), boolean: fc.boolean(), string: text } as const;
type Type = keyof typeof cells;

const textRules = [
  { minLength: 2 },
  { maxLength: 3 },
  { pattern: '^[a-z]+$' },
  { pattern: '\\s' },
  { pattern: '^\\p{L}' },
  { format: 'date' },
  { enum: ['a', 'abc', '1_000', null] },
];
const numberRules = [
  { minimum: 0 },
  { exclusiveMaximum: 3 },
  { maximum: 0.3 },
  { multipleOf: 0.1 },
  { multipleOf: 1.5 },
  { enum: [0, 1, 0.3, null] },
];

const column = fc.constantFrom<Type>('number', 'integer', 'boolean', 'string').chain((type) =>
  fc.record({
    type: fc.constant(type),
    // What the schema says may be another type than what the cells hold.
    declared: fc.oneof({ weight: 8, arbitrary: fc.constant(type) }, fc.constantFrom<Type>('number', 'string')),
    nullable: fc.boolean(),
    rule: fc.oneof(fc.constant({}), fc.constantFrom(...(type === 'string' ? textRules : numberRules))),
    values: fc.array(fc.option(cells[type] as fc.Arbitrary<Cell>, { freq: 8 }), { minLength: 1, maxLength: 12 }),
  }),
);

const table = fc
  .record({
    columns: fc.tuple(column, column, column),
    required: fc.subarray(names),
    open: fc.boolean(),
    branch: fc.constantFrom('none', 'anyOf', 'if', 'ref', 'not'),
    sized: fc.boolean(),
  })
  .map(({ columns, required, open, branch, sized }) => {
    const count = Math.min(...columns.map(({ values }) => values.length));
    const properties = Object.fromEntries(
      columns.map(({ declared, nullable, rule }, index) => [
        names[index] as string,
        { ...rule, type: nullable ? [declared, 'null'] : declared },
      ]),
    );
    const [first, second] = names as [string, string, string];
    const schema = {
      type: 'object',
      required,
      ...(branch === 'ref'
        ? { allOf: [{ $ref: '#/$defs/row' }], $defs: { row: { properties } } }
        : { properties, ...(open ? {} : { additionalProperties: false }) }),
      ...(branch === 'anyOf' ? { anyOf: [{ required: [first] }, { properties: { [second]: { minLength: 2 } } }] } : {}),
      // oxlint-disable-next-line unicorn/no-thenable -- a keyword of JSON Schema
      ...(branch === 'if' ? { if: { required: [first] }, then: { required: [second] } } : {}),
      ...(branch === 'not' ? { not: { required: [first, second] } } : {}),
      ...(sized ? { minProperties: 2 } : {}),
    };
    const rows = Array.from({ length: count }, (_, row) => columns.map(({ values }) => values[row] ?? null));
    return {
      schema,
      rows,
      types: columns.map(({ type }) => type),
      // Null in an enum names null as well.
      nullable: columns.map(({ nullable, rule }) => nullable || 'enum' in rule),
      // CSV has one text for 1 and "1": which it is follows what the schema names.
      spoken: columns.every(({ type, declared }) => type === declared || (type === 'integer' && declared === 'number')),
    };
  });

type Table = typeof table extends fc.Arbitrary<infer T> ? T : never;

/** ajv on the rows as JSON, with nothing of ours between. */
function expected({ schema, rows, nullable }: Table): number[] {
  // By division 0.3 would be no multiple of 0.1.
  const ajv = new Ajv2020({ strict: false, ownProperties: true, multipleOfPrecision: 9 });
  addFormats(ajv);
  const validate = ajv.compile(schema);
  return rows.flatMap((cellsOfRow, index) => {
    const row: Row = Object.create(null) as Row;
    for (const [at, cell] of cellsOfRow.entries()) {
      if (cell !== null || nullable[at] === true) row[names[at] as string] = cell;
    }
    return validate(JSON.parse(JSON.stringify(row))) ? [] : [index + 1];
  });
}

test('the verdict on JSONL is that of ajv on its rows', async () => {
  await agree('jsonl', (path, { rows, nullable }) =>
    writeFile(
      path,
      rows
        .map((row) => {
          const pairs = row.flatMap((cell, at) =>
            cell === null && nullable[at] !== true ? [] : [`${JSON.stringify(names[at])}:${JSON.stringify(cell)}`],
          );
          return `{${pairs.join(',')}}\n`;
        })
        .join(''),
    ),
  );
});

test('null, a missing key, another type, other orders of keys and long numbers are judged in JSONL as ajv judges them', async () => {
  const value = fc.oneof(
    fc.constantFrom<unknown>(null, undefined, true, 'a', 'abc', '1', 0, 1, 1.5, -2, 0.1),
    fc.constantFrom(
      ...['0.30000000000000004', '12345678901234567', '1e2', '[1]', '{"x":1}'].map((token) => ({ token })),
    ),
  );
  // Of one type in most columns, so that most are sieved.
  const cellsOf = fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom<unknown>(null, 0, 1, 1.5, -2, 0.1, { token: '0.30000000000000004' }) },
    { weight: 2, arbitrary: fc.constantFrom<unknown>(undefined, 'a', 'abc', '1') },
    { weight: 1, arbitrary: value },
  );
  const ofColumn = fc.oneof(cellsOf, fc.constantFrom<unknown>(0, 1, null), fc.constantFrom<unknown>('a', undefined));
  const rule = fc.oneof(
    fc.constantFrom<object>(...textRules, ...numberRules, { type: 'number' }, { not: { const: 1 } }),
  );
  const generated = fc.record({
    rows: fc.array(fc.tuple(ofColumn, ofColumn, cellsOf, fc.boolean()), { minLength: 1, maxLength: 8 }),
    rules: fc.tuple(rule, rule, rule),
    required: fc.subarray(['a', 'b', 'c']),
    fewest: fc.constantFrom(0, 2),
  });
  await inTemporaryFolder(async (folder) => {
    const path = join(folder, 'rows.jsonl');
    await fc.assert(
      fc.asyncProperty(generated, async ({ rows, rules: [a, b, c], required, fewest }) => {
        const lines = rows.map(([x, y, z, turned]) => {
          const pairs = Object.entries({ a: x, b: y, c: z }).flatMap(([name, each]) =>
            each === undefined
              ? []
              : [`"${name}": ${Object(each) === each ? (each as { token: string }).token : JSON.stringify(each)}`],
          );
          return `{${(turned ? pairs.toReversed() : pairs).join(', ')}}`;
        });
        await writeFile(path, `${lines.join('\n')}\n`);
        const schema = { properties: { a, b, c }, required, minProperties: fewest };
        // Numbers that no double tells apart from those of the contract are refused either way.
        const found = await violationsBothWays(path, schema).catch((error: unknown) => {
          if (!/cannot be checked exactly/u.test(String(error))) throw error;
        });
        const [sieved, all] = found ?? [];
        assert.deepEqual(sieved, all, lines.join('\n'));
      }),
      { numRuns: Number(process.env['CONTENDER_AGREEMENT_RUNS'] ?? 60), seed: 5 },
    );
  });
});

test('the verdict on Parquet is that of ajv on its rows', async () => {
  const sqlTypes = { number: 'double', integer: 'bigint', boolean: 'boolean', string: 'varchar' };
  await agree('parquet', (path, { rows, types }) => {
    const values = rows.map((row) => {
      const row_ = row.map((cell, at) => {
        const value =
          cell === null ? 'null' : typeof cell === 'string' ? quoteLiteral(cell) : quoteLiteral(String(cell));
        return `cast(${value} as ${sqlTypes[types[at] as Type]})`;
      });
      return `(${row_.join(', ')})`;
    });
    return writeParquet(
      path,
      `select * from (values ${values.join(', ')}) t(${names.map(quoteIdentifier).join(', ')})`,
    );
  });
});

test('the verdict on CSV is that of ajv on its rows', async () => {
  await agree(
    'csv',
    (path, { rows }) => {
      const quote = (cell: Cell): string => (cell === null ? '' : `"${String(cell).replaceAll('"', '""')}"`);
      return writeFile(path, [names, ...rows].map((row) => `${row.map(quote).join(',')}\n`).join(''));
    },
    ({ spoken }) => spoken,
  );
});

async function agree(
  extension: string,
  write: (path: string, table: Table) => Promise<void>,
  applies: (table: Table) => boolean = () => true,
): Promise<void> {
  let bad = 0;
  let good = 0;
  await inTemporaryFolder(async (folder) => {
    const path = join(folder, `rows.${extension}`);
    await fc.assert(
      fc.asyncProperty(table, async (each) => {
        fc.pre(applies(each));
        const wanted = expected(each);
        bad += wanted.length;
        good += each.rows.length - wanted.length;
        await write(path, each);
        const [found, all] = await violationsBothWays(path, each.schema);
        assert.deepEqual(
          found.map(({ row }) => row),
          wanted,
        );
        // What ajv says of every row, one after another.
        assert.deepEqual(found, all);
      }),
      { numRuns: Number(process.env['CONTENDER_AGREEMENT_RUNS'] ?? 40), seed: 13 },
    );
  });
  // The generator must reach both verdicts.
  assert.ok(bad > 0 && good > 0, `${bad} invalid and ${good} valid rows`);
}
