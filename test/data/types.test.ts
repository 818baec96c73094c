import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { openDataset, readColumns } from '../../src/data/dataset.ts';
import { isNested, isNumeric, isWhole } from '../../src/data/types.ts';
import { inTemporaryFolder } from '../support/project.ts';

test('numbers are the types of numbers, and not lists of them', () => {
  for (const type of [
    'TINYINT',
    'UBIGINT',
    'HUGEINT',
    'UHUGEINT',
    'FLOAT',
    'DOUBLE',
    'DECIMAL(18,3)',
    'DECIMAL(18, 3)',
  ]) {
    assert.ok(isNumeric(type), type);
    for (const list of [`${type}[]`, `${type}[3]`]) {
      assert.ok(!isNumeric(list), list);
      assert.ok(isNested(list), list);
    }
  }
  assert.deepEqual(['UINTEGER', 'DOUBLE', 'INTEGER[]'].map(isWhole), [true, false, false]);
  for (const type of ['VARCHAR', 'BOOLEAN', 'INTERVAL', 'DATE']) assert.ok(!isNumeric(type) && !isNested(type), type);
  for (const type of ['STRUCT(a DOUBLE)', 'MAP(VARCHAR, DOUBLE)']) assert.ok(!isNumeric(type) && isNested(type), type);
});

test('a column of lists is refused where one value per row is needed', () =>
  inTemporaryFolder(async (folder) => {
    const path = join(folder, 'a.jsonl');
    await writeFile(path, '{"x":[1,2]}\n');
    const dataset = await openDataset({ name: 'evaluation', path, uri: 'a.jsonl' });
    try {
      await assert.rejects(
        readColumns(dataset, { texts: ['x'] }),
        /a\.jsonl: column "x" is JSON\. Expected one value per row/u,
      );
    } finally {
      dataset.close();
    }
  }));
