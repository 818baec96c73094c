import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { openDataset } from '../../../src/data/dataset.ts';
import { idsToJoin } from '../../../src/pipeline/monitoring/logs.ts';
import { inTemporaryFolder } from '../../support/project.ts';

test('ids that one side stores as numbers have no leading zeros on the other, and ids of two texts keep them', () =>
  inTemporaryFolder(async (folder) => {
    const opened = async (uri: string, text: string): Promise<Awaited<ReturnType<typeof openDataset>>> => {
      await writeFile(join(folder, uri), text);
      return openDataset({ name: 'logs', path: join(folder, uri), uri });
    };
    const padded = await opened('labels.csv', 'id,label\n0007,1\n-08,0\n00,1\nx01,0\n');
    const numbers = await opened('served.jsonl', '{"id":7}\n{"id":-8}\n{"id":0}\n{"id":null}\n');
    const texts = await opened('served.csv', 'id\n7\n0007\n');
    try {
      const join = (other: typeof texts): ReturnType<typeof idsToJoin> =>
        idsToJoin({ datasets: [padded], id: 'id' }, { datasets: [other], id: 'id' });
      assert.deepEqual(await join(numbers), [
        ['7', '-8', '0', 'x01'],
        ['7', '-8', '0', null],
      ]);
      assert.deepEqual(await join(texts), [
        ['0007', '-08', '00', 'x01'],
        ['7', '0007'],
      ]);
    } finally {
      for (const each of [padded, numbers, texts]) each.close();
    }
  }));
