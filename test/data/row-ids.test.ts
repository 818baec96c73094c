import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { openDataset } from '../../src/data/dataset.ts';
import { idsOf, idsOfRows, requireRowIds } from '../../src/data/row-ids.ts';
import { writeParquet } from '../support/parquet.ts';
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

describe('the text of an id', () => {
  const read = async (folder: string, name: string, rows: number): Promise<string[]> => {
    const dataset = await openDataset({ name: 'evaluation', path: join(folder, name), uri: name });
    try {
      await requireRowIds(dataset, 'id');
      const ids = await idsOf(dataset, 'id', { start: 0, count: rows });
      const picked = await idsOfRows(dataset, 'id', [rows - 1]);
      assert.deepEqual([...picked], [[rows - 1, ids[rows - 1]]]);
      return ids;
    } finally {
      dataset.close();
    }
  };

  test('is what stands in a file whose types are only detected, but for the .0 of a whole number', () =>
    inTemporaryFolder(async (folder) => {
      const csv = ['0007', '7', '12345678901234567890', '12345678901234567891', '8.0', '9.50', '00e1', 'True', '-3.00'];
      const texts = csv.map((text) => text.replace(/\.0+$/u, ''));
      await writeFile(join(folder, 'a.csv'), `id,x\n${csv.map((text) => `${text},1\n`).join('')}`);
      assert.deepEqual(await read(folder, 'a.csv', csv.length), texts);
      const numbers = csv.filter((text) => /^-?[1-9]/u.test(text));
      await writeFile(join(folder, 'b.jsonl'), numbers.map((text) => `{"id":${text},"x":1}\n`).join(''));
      const written = ['7', '12345678901234567890', '12345678901234567891', '8', '9.50', '-3'];
      assert.deepEqual(await read(folder, 'b.jsonl', numbers.length), written);
      await writeFile(join(folder, 'c.jsonl'), csv.map((text) => `{"id":"${text}"}\n`).join(''));
      assert.deepEqual(await read(folder, 'c.jsonl', csv.length), texts);
    }));

  test('is that of the number in a file that says so', () =>
    inTemporaryFolder(async (folder) => {
      const types: [type: string, ids: string[]][] = [
        ['double', ['0', '7', '-3', '0.5', '1e+300']],
        ['decimal(20,2)', ['7', '0.50', '123456789012345678']],
        ['ubigint', ['18446744073709551615', '18446744073709551614']],
        ['varchar', ['0007', '7', 'a']],
      ];
      for (const [type, ids] of types) {
        const values = ids.map((id) => `('${id}'::${type})`).join(', ');
        await writeParquet(join(folder, 'a.parquet'), `select * from (values ${values}) t(id)`);
        assert.deepEqual(await read(folder, 'a.parquet', ids.length), ids, type);
      }
    }));
});
