import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { openDataset } from '../../../../src/data/dataset.ts';
import { cellTypes } from '../../../../src/stages/data/cell-types.ts';
import { suspectsOf, survey } from '../../../../src/stages/data/sieve/suspects.ts';
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
