import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { openDataset } from '../../../src/data/dataset.ts';
import { chooseRows } from '../../../src/stages/behaviour/fed-rows.ts';
import { inTemporaryFolder } from '../../support/project.ts';

test('rows of weight 0 are never among the rows that are looked at, nor do they count as looked at', () =>
  inTemporaryFolder(async (folder) => {
    const path = join(folder, 'rows.csv');
    const rows = Array.from({ length: 300 }, (_, row) => `${row},${row % 2},q${row % 30},${row % 3 === 0 ? 2 : 0}`);
    await writeFile(path, `id,label,query,w\n${rows.join('\n')}\n`);
    const dataset = await openDataset({ name: 'evaluation', path, uri: 'rows.csv' });
    try {
      const columns = { id: 'id', label: 'label', weight: 'w', group: 'query' };
      for (const task of ['binary-classification', 'ranking'] as const) {
        for (const wanted of [40, 100, 1000]) {
          const chosen = await chooseRows(dataset, { task, columns, wanted, seed: 7 });
          assert.ok(chosen.every((row) => row % 3 === 0));
          assert.deepEqual(chosen, chosen.toSorted());
          assert.equal(chosen.length, Math.min(wanted, 100));
        }
      }
    } finally {
      dataset.close();
    }
  }));
