import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { openDataset } from '../../src/data/dataset.ts';
import { readingOfTimes, readTimes, timeText } from '../../src/data/times.ts';
import { writeParquet } from '../support/parquet.ts';
import { inTemporaryFolder } from '../support/project.ts';

const noon = Date.UTC(2026, 2, 1, 12);

/** The times of a column `at` that holds the cells, and the message where one of them is none. */
async function timesIn(cells: readonly string[] | { select: string }): Promise<string[] | string> {
  return inTemporaryFolder(async (folder) => {
    const uri = 'select' in cells ? 'rows.parquet' : 'rows.csv';
    const path = join(folder, uri);
    if ('select' in cells) await writeParquet(path, cells.select);
    else await writeFile(path, `id,at\n${cells.map((cell, row) => `${row},${cell}`).join('\n')}\n`);
    const dataset = await openDataset({ name: 'evaluation', path, uri });
    try {
      await readingOfTimes(dataset, 'at');
      return [...(await readTimes(dataset, 'at'))].map(timeText);
    } catch (error) {
      return (error as Error).message;
    } finally {
      dataset.close();
    }
  });
}

describe('a time', () => {
  const same: string[] = [
    '2026-03-01T12:00:00Z',
    '2026-03-01T14:00:00+02:00',
    '2026-03-01 07:00:00-05',
    '2026-03-01 12:00:00',
    '2026-03-01T12:00:00.000000',
  ];
  for (const text of same) {
    test(`written ${text} is one moment, whatever its zone`, async () =>
      assert.deepEqual(await timesIn([text]), ['2026-03-01T12:00:00Z']));
  }

  for (const [unit, scale] of [
    ['seconds', 1e-3],
    ['milliseconds', 1],
    ['microseconds', 1e3],
  ] as const) {
    test(`in ${unit} since 1970 is read by its size`, async () =>
      assert.deepEqual(await timesIn([String(noon * scale)]), ['2026-03-01T12:00:00Z']));
  }

  test('of a Parquet column has its zone, or is UTC', async () => {
    for (const type of ['timestamp', 'timestamptz'])
      assert.deepEqual(
        await timesIn({ select: `select 0 as id, cast('2026-03-01T14:00:00+02:00' as timestamptz)::${type} as at` }),
        ['2026-03-01T12:00:00Z'],
        type,
      );
    assert.deepEqual(await timesIn({ select: `select 0 as id, date '2026-03-01' as at` }), ['2026-03-01']);
    assert.deepEqual(await timesIn({ select: `select 0 as id, ${noon}000000::bigint as at` }), [
      '2026-03-01T12:00:00Z',
    ]);
  });

  const none: [string[], RegExp][] = [
    [['20260301', '20260302'], /row 1 is "20260301".*since 1970/u],
    [['2026-03-01', 'soon'], /row 2 is "soon".*a time in/u],
    [['infinity'], /row 1 is "infinity"/u],
    [['2026-02-30'], /row 1 is "2026-02-30"/u],
    [['2026-03-01', ''], /row 2 is empty/u],
  ];
  for (const [cells, says] of none) {
    test(`is missed in ${cells.join(', ')}, with its row`, async () =>
      assert.match(String(await timesIn(cells)), says));
  }
});
