import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { openDataset } from '../../src/data/dataset.ts';
import { batchRows, featureBatches } from '../../src/model/batches.ts';
import { writeParquet } from '../support/parquet.ts';
import { inTemporaryFolder } from '../support/project.ts';

describe('batches of rows', () => {
  it('are of one size, the last excepted, whatever pieces the file is in', async () => {
    await inTemporaryFolder(async (folder) => {
      const rows = 20_000;
      await writeFile(join(folder, 'e.csv'), ['i', ...Array.from({ length: rows }, (_, row) => row)].join('\n'));
      await writeParquet(join(folder, 'e.parquet'), `select i from range(${rows}) t(i)`);
      for (const [name, range] of [
        ['e.csv', undefined],
        ['e.parquet', undefined],
        ['e.parquet', { start: 1000, count: 19_000 }],
      ] as const) {
        const dataset = await openDataset({ name: 'evaluation', path: join(folder, name), uri: name });
        try {
          const plan = { input: { name: 'x', type: 'float', shape: [null, 1] }, columns: ['i'], rowShape: [1] };
          const sizes: number[] = [];
          let next = range?.start ?? 0;
          for await (const { rows: count, feeds } of featureBatches(dataset, [[plan]], range)) {
            sizes.push(count);
            const data = feeds[0]?.['x']?.data as Float32Array;
            assert.equal(data.length, count);
            for (const value of data) assert.equal(value, next++);
          }
          const last = (range?.count ?? rows) % 8192;
          assert.deepEqual(sizes, [8192, 8192, last], name);
        } finally {
          dataset.close();
        }
      }
    });
  });

  it('hold no text of bytes: what they spell the file does not say', async () => {
    await inTemporaryFolder(async (folder) => {
      await writeParquet(join(folder, 'e.parquet'), `select 'web'::blob as channel from range(3)`);
      const dataset = await openDataset({ name: 'evaluation', path: join(folder, 'e.parquet'), uri: 'e.parquet' });
      try {
        const plan = { input: { name: 'c', type: 'string', shape: [null, 1] }, columns: ['channel'], rowShape: [1] };
        await assert.rejects(async () => {
          for await (const batch of featureBatches(dataset, [[plan]])) assert.fail(String(batch.rows));
        }, /column "channel" is BLOB\. Expected text, for input "c" .*Write the column as text \(UTF8\)/u);
      } finally {
        dataset.close();
      }
    });
  });

  it('hold no number that the type of the input makes an infinity, in any format', async () => {
    await inTemporaryFolder(async (folder) => {
      const files = {
        'e.csv': 'id,v\na,1\nb,\nc,1e39\n',
        'e.jsonl': '{"v":1}\n{"v":null}\n{"v":1e400}\n',
      };
      for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
      await writeParquet(join(folder, 'infinite.parquet'), `select unnest([1.0::float, null, 'inf'::float]) as v`);
      await writeParquet(join(folder, 'half.parquet'), `select unnest([1.0::double, null, -65520]) as v`);
      await writeParquet(join(folder, 'fits.parquet'), `select unnest([-65504::double, null, 'nan'::double]) as v`);
      const fed = async (name: string, type: string): Promise<number[]> => {
        const dataset = await openDataset({ name: 'evaluation', path: join(folder, name), uri: name });
        try {
          const plan = { input: { name: 'x', type, shape: [null, 1] }, columns: ['v'], rowShape: [1] };
          const values: number[] = [];
          for await (const { feeds } of featureBatches(dataset, [[plan]])) {
            values.push(...(feeds[0]?.['x']?.data as Float32Array));
          }
          return values;
        } finally {
          dataset.close();
        }
      };
      for (const [name, type] of [
        ['e.csv', 'float'],
        ['e.jsonl', 'double'],
        ['infinite.parquet', 'float'],
        ['infinite.parquet', 'double'],
        ['half.parquet', 'float16'],
      ] as const) {
        await assert.rejects(
          fed(name, type),
          new RegExp(`column "v", row 3 is .*Expected a value that ${type} can hold`, 'u'),
        );
      }
      assert.deepEqual(await fed('e.csv', 'double'), [1, Number.NaN, 1e39]);
      assert.deepEqual(await fed('half.parquet', 'float'), [1, Number.NaN, -65_520]);
      assert.deepEqual(await fed('fits.parquet', 'float16'), [-65_504, Number.NaN, Number.NaN]);
    });
  });

  it('hold no truth value but 0 and 1', async () => {
    await inTemporaryFolder(async (folder) => {
      await writeFile(join(folder, 'e.csv'), 'flag\n0\n1\n2\n');
      const dataset = await openDataset({ name: 'evaluation', path: join(folder, 'e.csv'), uri: 'e.csv' });
      try {
        const plan = { input: { name: 'c', type: 'bool', shape: [null, 1] }, columns: ['flag'], rowShape: [1] };
        await assert.rejects(async () => {
          for await (const batch of featureBatches(dataset, [[plan]])) assert.fail(String(batch.rows));
        }, /column "flag", row 3 is 2\. Expected 0 or 1, for input "c"/u);
      } finally {
        dataset.close();
      }
    });
  });

  it('have fewer rows where rows are long', () => {
    assert.deepEqual([1, 60, 1024, 10_000, 2 ** 24].map(batchRows), [8192, 8192, 8192, 512, 1]);
  });
});
