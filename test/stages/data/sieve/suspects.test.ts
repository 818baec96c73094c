import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { openDataset } from '../../../../src/data/dataset.ts';
import { cellTypes } from '../../../../src/stages/data/cell-types.ts';
import { contractNumbers } from '../../../../src/stages/data/exact-numbers.ts';
import { suspectsOf, survey } from '../../../../src/stages/data/sieve/suspects.ts';
import { invalidRows } from '../support.ts';
import { writeParquet } from '../../../support/parquet.ts';
import { inTemporaryFolder } from '../../../support/project.ts';

test('ids that stand more than once are counted alike at once and in shares that need less memory', () =>
  inTemporaryFolder(async (folder) => {
    const path = join(folder, 'a.parquet');
    for (const id of ['range % 900', "'r' || range % 900", "(range % 900) || '.0'"]) {
      await writeParquet(path, `select if(range % 100 = 99, null, ${id}) as id, range as x from range(1000)`);
      const dataset = await openDataset({ name: 'evaluation', path, uri: 'a.parquet' });
      try {
        const schema = { properties: { x: { type: 'integer', minimum: 10 } } };
        const suspects = suspectsOf(dataset, schema, cellTypes(schema, ['id', 'x']), undefined, 'id');
        assert.ok(suspects !== null);
        const atOnce = await survey(dataset, suspects);
        assert.deepEqual([atOnce.suspects, atOnce.id], [10, { surplus: 99, missing: 10 }]);
        assert.deepEqual(await survey(dataset, suspects, 150), atOnce);
      } finally {
        dataset.close();
      }
    }
  }));

test('of a column that is required it is not asked first whether it has a value, nor what no number can be', () =>
  inTemporaryFolder(async (folder) => {
    const path = join(folder, 'a.parquet');
    await writeParquet(path, 'select range as id from range(10)');
    const dataset = await openDataset({ name: 'evaluation', path, uri: 'a.parquet' });
    const conditionOf = (maximum: number): string | undefined => {
      const schema = { type: 'object', properties: { id: { type: 'integer', maximum } }, required: ['id'] };
      const numbers = contractNumbers(JSON.stringify(schema));
      return suspectsOf(dataset, schema, cellTypes(schema, ['id']), numbers)?.condition;
    };
    const asked = "(((not (cell_0 is null) and cell_0 <= cast('9' as double)) and not (cell_0 is null))) is not true";
    assert.equal(conditionOf(9), asked);
    // A longer number may be taken for this one.
    const long = "(abs(cell_0) >= 1e15 and cell_0 in (cast('1000000000000000' as double)))";
    assert.equal(conditionOf(1e15), `(${asked.replace("'9'", "'1000000000000000'")} or ${long})`);
    dataset.close();
  }));

test('rows are counted in the order of the file, also where a list of values is long', () =>
  inTemporaryFolder(async (folder) => {
    const values = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
    const schema = { properties: { x: { type: 'string', enum: values } } };
    const rows = 400_000;
    const broken = (row: number): boolean => row % 40_000 === 7;
    const x = `if(range % 40000 = 7, 'no', [${values.map((each) => `'${each}'`).join(', ')}][1 + range % 8])`;
    const parquet = join(folder, 'a.parquet');
    await writeParquet(parquet, `select range as id, ${x} as x from range(${rows})`);
    const cells = Array.from({ length: rows }, (_, row) => [row, broken(row) ? 'no' : values[row % 8]] as const);
    const csv = join(folder, 'a.csv');
    await writeFile(csv, `id,x\n${cells.map((row) => `${row.join(',')}\n`).join('')}`);
    const jsonl = join(folder, 'a.jsonl');
    await writeFile(jsonl, cells.map(([id, each]) => `{"id":${id},"x":"${each}"}\n`).join(''));
    const wanted = cells.flatMap(([row]) => (broken(row) ? [row + 1] : []));
    for (const path of [parquet, csv, jsonl]) assert.deepEqual(await invalidRows(path, schema), wanted, path);
  }));
