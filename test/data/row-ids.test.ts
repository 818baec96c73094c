import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { openDataset } from '../../src/data/dataset.ts';
import { requireRowIds } from '../../src/data/row-ids.ts';
import { inTemporaryFolder } from '../support/project.ts';

describe('row ids', () => {
  const cases: [string, string, RegExp | null][] = [
    ['different ids are accepted', 'id,x\na,1\nb,2\n', null],
    ['a repeated id is named with how often it stands there', 'id,x\na,1\nb,2\na,3\n', /"a" \(2 times\)/u],
    ['rows without an id are counted', 'id,x\na,1\n,2\n', /1 of 2 rows have no "id"/u],
    ['no rows at all is said', 'id,x\n', /no rows/u],
    ['a missing column is named with the nearest', 'ids,x\na,1\n', /no column "id".*"ids"/su],
  ];
  for (const [name, text, says] of cases) {
    test(name, () =>
      inTemporaryFolder(async (folder) => {
        const path = join(folder, 'rows.csv');
        await writeFile(path, text);
        const dataset = await openDataset({ name: 'evaluation', path, uri: 'rows.csv' });
        try {
          if (says === null) await requireRowIds(dataset, 'id');
          else await assert.rejects(requireRowIds(dataset, 'id'), says);
        } finally {
          dataset.close();
        }
      }),
    );
  }
});
