import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { writeParquet } from '../../support/parquet.ts';
import { inTemporaryFolder } from '../../support/project.ts';
import { quoteLiteral } from '../../../src/data/dataset.ts';
import { violationsBothWays } from './support.ts';

/*
 * The official suite of JSON Schema 2020-12 (github.com/json-schema-org/JSON-Schema-Test-Suite), where instances are objects:
 * CONTENDER_SCHEMA_SUITE names its folder tests/draft2020-12. What SQL clears must be what ajv finds valid, row by row.
 */

const suite = process.env['CONTENDER_SCHEMA_SUITE'];

interface Group {
  description: string;
  schema: unknown;
  tests: { description: string; data: unknown; valid: boolean }[];
}

test(
  'the sieve and ajv agree on the official suite',
  { skip: suite === undefined && 'no CONTENDER_SCHEMA_SUITE' },
  async (t) => {
    const folder = suite ?? '';
    const files = (await readdir(folder)).filter((name) => name.endsWith('.json'));
    let judged = 0;
    await inTemporaryFolder(async (temporary) => {
      const agree = async (name: string, what: string, path: string, schema: unknown): Promise<Set<number> | null> => {
        const found = await violationsBothWays(path, schema).catch((error: Error) => error);
        if (found instanceof Error) {
          t.diagnostic(`${name}: ${what}: refused as a whole: ${found.message}`);
          return null;
        }
        assert.deepEqual(found[0], found[1], `${name}: ${what}: ${path.split('.').at(-1)}`);
        return new Set(found[1].map(({ row }) => row));
      };
      for (const file of files) {
        for (const { description, schema, tests } of JSON.parse(
          await readFile(join(folder, file), 'utf8'),
        ) as Group[]) {
          const objects = tests.filter(({ data }) => typeof data === 'object' && data !== null && !Array.isArray(data));
          const isFlat = ({ data }: (typeof objects)[number]): boolean =>
            Object.values(data as object).every((each) => typeof each !== 'object' || each === null);
          for (const group of [objects.filter(isFlat), objects.filter((each) => !isFlat(each))]) {
            if (group.length === 0) continue;
            const lines = join(temporary, 'rows.jsonl');
            await writeFile(lines, group.map(({ data }) => `${JSON.stringify(data)}\n`).join(''));
            const invalid = await agree(file, description, lines, schema);
            for (const [index, { description: what, valid }] of invalid === null ? [] : group.entries()) {
              judged += 1;
              if (invalid?.has(index + 1) === valid)
                t.diagnostic(`${file}: ${description}: ${what}: ajv differs from the suite`);
            }
            const table = join(temporary, 'rows.parquet');
            const written = writeParquet(table, `select * from read_json(${quoteLiteral(lines)})`);
            if (await written.then(() => true).catch(() => false)) await agree(file, description, table, schema);
          }
        }
      }
    });
    t.diagnostic(`${judged} instances`);
    assert.ok(judged > 0);
  },
);
