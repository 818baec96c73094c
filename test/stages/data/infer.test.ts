import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { parse } from 'yaml';
import { openDataset } from '../../../src/data/dataset.ts';
import { silentLog } from '../../../src/log.ts';
import { infer, type Inferred, type InferOptions } from '../../../src/stages/data/infer.ts';
import { contender } from '../../support/gate-repository.ts';
import { writeParquet } from '../../support/parquet.ts';
import { inTemporaryFolder } from '../../support/project.ts';
import { validate } from './support.ts';
import fc from '../../support/properties.ts';

async function inferred(path: string, options: Partial<InferOptions> = {}): Promise<Inferred> {
  const dataset = await openDataset({ name: 'data', path, uri: 'rows' });
  try {
    return await infer(dataset, { log: silentLog, ...options });
  } finally {
    dataset.close();
  }
}

/** Everything that was inferred holds of the data; ids may repeat, and texts be e-mail addresses, which no inference is about. */
async function assertHolds(path: string, { contract, rules }: Inferred): Promise<void> {
  const { checks } = await validate(path, contract, rules);
  const broken = checks.filter(({ id, verdict }) => verdict !== 'pass' && !/unique\(id\)|personal-data$/u.test(id));
  assert.deepEqual(broken, [], JSON.stringify(contract));
}

const cell = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      '',
      'a',
      'b',
      'true',
      'True',
      'NaN',
      'nan',
      'inf',
      '007',
      '1',
      '1.0',
      '-0',
      '1e5',
      '2024-02-29',
    ),
  },
  fc.double({ noNaN: true }).map(String),
  fc.integer().map(String),
  fc.string({ maxLength: 5 }),
  fc.uuid(),
  fc.emailAddress(),
);

const seed = 20260714;

describe('data satisfy what was inferred from them', () => {
  test('in CSV', () =>
    inTemporaryFolder((folder) =>
      fc.assert(
        fc.asyncProperty(fc.array(fc.tuple(cell, cell), { minLength: 1, maxLength: 30 }), async (rows) => {
          const path = join(folder, 'rows.csv');
          const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`;
          await writeFile(path, `id,x\n${rows.map((row) => row.map(quoted).join(',')).join('\n')}\n`);
          await assertHolds(path, await inferred(path));
        }),
        { seed, numRuns: 60 },
      ),
    ));

  test('in JSONL, with columns of several types, null and no key', () =>
    inTemporaryFolder((folder) =>
      fc.assert(
        fc.asyncProperty(
          fc.array(
            fc.record(
              {
                id: fc.integer(),
                x: fc.oneof(cell, fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean(), fc.constant(null)),
                y: fc.oneof(fc.constant(null), fc.array(fc.integer())),
              },
              { requiredKeys: ['id'] },
            ),
            { minLength: 1, maxLength: 30 },
          ),
          async (rows) => {
            const path = join(folder, 'rows.jsonl');
            await writeFile(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
            await assertHolds(path, await inferred(path));
          },
        ),
        { seed, numRuns: 60 },
      ),
    ));

  test('in Parquet, of every type', () =>
    inTemporaryFolder(async (folder) => {
      const path = join(folder, 'rows.parquet');
      await writeParquet(
        path,
        `select i as id, (i / 7)::float as single, case when i = 3 then 'inf'::double when i = 4 then 'nan'::double else i / 3 end as infinite,
         (i * 1000000007)::hugeint * 1000000007 as huge, (i / 100)::decimal(20, 4) as money, i % 2 = 0 as truth, null::int as nothing,
         date '2024-01-01' + i::int as day, case when i = 5 then 'infinity'::timestamp else timestamp '2024-01-01 12:00:00' + to_seconds(i) end as moment,
         timestamptz '2024-01-01 12:00:00+00' as zoned, time '12:00:00' as hour, uuid() as code, 'b' || i as blobbed, [i] as list, {a: i} as struct,
         encode('x' || i) as bytes, -i as negative, (i % 3)::utinyint as three from range(60) as t(i)`,
      );
      const found = await inferred(path, { id: 'id', labels: ['three'] });
      await assertHolds(path, found);
      const { properties, required } = found.contract;
      assert.deepEqual(properties['three'], { enum: [0, 1, 2] });
      assert.deepEqual(properties['truth'], { type: 'boolean' });
      assert.equal(properties['code']?.['format'], 'uuid');
      assert.equal(properties['day']?.['format'], 'date');
      assert.equal(properties['moment']?.['format'], undefined);
      assert.equal(properties['id']?.['minimum'], 0);
      assert.equal(properties['negative']?.['minimum'], undefined);
      assert.ok(required.includes('single') && !required.includes('nothing'));
    }));
});

test('what is inferred is what a person would write', () =>
  inTemporaryFolder(async (folder) => {
    const path = join(folder, 'rows.csv');
    const colours = ['red', 'green', 'blue'];
    const rows = Array.from({ length: 100 }, (_, row) =>
      [
        row + 1,
        colours[row % 3],
        row % 10 === 0 ? '' : row / 100,
        `user${row}@example.org`,
        `A${100 + row}`,
        row % 2,
      ].join(','),
    );
    await writeFile(path, `id,colour,share,mail,order_id,label\n${rows.join('\n')}\n`);
    const found = await inferred(path, { id: 'id', labels: ['label'] });
    assert.deepEqual(found, {
      contract: {
        $schema: 'https://json-schema.org/draft/2020-12/schema',
        type: 'object',
        required: ['id', 'colour', 'mail', 'order_id', 'label'],
        properties: {
          id: { type: 'integer', minimum: 0, description: 'seen: 1 to 100' },
          colour: { enum: ['blue', 'green', 'red'] },
          share: { type: ['number', 'null'], minimum: 0, maximum: 1, description: 'seen: 0.01 to 0.99' },
          mail: { type: 'string', format: 'email' },
          order_id: { type: 'string', minLength: 1, pattern: '^[A-Z0-9]{4}$' },
          label: { enum: [0, 1] },
        },
      },
      rules: [{ row_count: { min: 50 } }, { unique: ['order_id'] }, { null_fraction: { column: 'share', max: 0.16 } }],
    });
  }));

describe('contender infer', () => {
  test('shows contract and rules, or writes the contract and overwrites none', () =>
    inTemporaryFolder(async (folder) => {
      await writeFile(join(folder, 'rows.csv'), 'id,label\n1,a\n2,\n');
      const shown = await contender(folder, ['infer', 'rows.csv']);
      assert.equal(shown.code, 0, shown.stderr);
      const [contract = '', rules = ''] = shown.stdout.split('\n\nrules:');
      assert.equal((JSON.parse(contract) as { type: string }).type, 'object');
      assert.deepEqual(parse(`rules:${rules}`), {
        rules: [{ row_count: { min: 1 } }, { unique: ['id'] }, { null_fraction: { column: 'label', max: 0.76 } }],
      });
      const written = await contender(folder, ['infer', 'rows.csv', '--contract', 'c.json']);
      assert.equal(written.code, 0, written.stderr);
      assert.equal(await readFile(join(folder, 'c.json'), 'utf8'), `${contract}\n`);
      const again = await contender(folder, ['infer', 'rows.csv', '--contract', 'c.json']);
      assert.equal(again.code, 2);
      assert.match(again.stderr, /c\.json: this file already exists/u);
      await writeFile(join(folder, 'empty.csv'), 'id,label\n');
      const empty = await contender(folder, ['infer', 'empty.csv']);
      assert.equal(empty.code, 2);
      assert.match(empty.stderr, /empty\.csv: there are no rows/u);
    }));

  test('in init gives a configuration under which the data pass', () =>
    inTemporaryFolder(async (folder) => {
      const rows = Array.from({ length: 40 }, (_, row) => `${row},${row / 7},${row % 2}`);
      await writeFile(join(folder, 'rows.csv'), `id,x,label\n${rows.join('\n')}\n`);
      const started = await contender(folder, ['init', '--data', 'rows.csv', '--predictions', 'p.csv']);
      assert.equal(started.code, 0, started.stderr);
      assert.match(started.stdout, /contract: contract\.schema\.json, and rules, inferred from rows\.csv/u);
      const { code, stdout, stderr } = await contender(folder, ['validate']);
      assert.equal(code, 0, stderr + stdout);
      assert.match(stdout, /PASS/u);
    }));
});

test('a line that only the engine takes for JSON is named, and infinity is what no type is stated of', () =>
  inTemporaryFolder(async (folder) => {
    const path = join(folder, 'rows.jsonl');
    await writeFile(path, '{"id":1}\n{"id":2,}\n');
    await assert.rejects(inferred(path), /rows:2: the line is not JSON/u);
    await writeFile(path, '{"id":1,"v":-Infinity}\n{"id":2,"v":NaN}\n');
    const found = await inferred(path);
    assert.equal(found.contract.properties['v']?.['type'], undefined);
    await assertHolds(path, found);
  }));

test('few e-mail addresses are a format, and not the names of people in a contract', () =>
  inTemporaryFolder(async (folder) => {
    const path = join(folder, 'rows.csv');
    const rows = Array.from({ length: 60 }, (_, row) => `${row},agent${row % 3}@example.org,${row % 2}`);
    await writeFile(path, `id,agent,label\n${rows.join('\n')}\n`);
    const found = await inferred(path);
    assert.deepEqual(found.contract.properties['agent'], { type: 'string', format: 'email' });
    await assertHolds(path, found);
  }));
