import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import * as zlib from 'node:zlib';
import { linesOfRows } from '../../src/data/csv.ts';
import { datasetSubject, openDataset, readColumns, sourceOf, type DatasetSource } from '../../src/data/dataset.ts';
import { digestOfFiles } from '../../src/data/parts.ts';
import { DataError } from '../../src/errors.ts';
import { writeParquet } from '../support/parquet.ts';
import { inTemporaryFolder } from '../support/project.ts';

type Asked = Partial<Pick<DatasetSource, 'csv' | 'partitions'>>;

async function withFiles<T>(
  files: Readonly<Record<string, string | Uint8Array>>,
  work: (folder: string) => Promise<T>,
): Promise<T> {
  return inTemporaryFolder(async (folder) => {
    for (const [name, content] of Object.entries(files)) {
      await mkdir(dirname(join(folder, name)), { recursive: true });
      // A Parquet file is given by its query.
      if (name.endsWith('.parquet')) await writeParquet(join(folder, name), String(content));
      else await writeFile(join(folder, name), content);
    }
    return work(folder);
  });
}

const open = (folder: string, uri: string, asked: Asked = {}): ReturnType<typeof openDataset> =>
  openDataset({ name: 'evaluation', path: join(folder, uri), uri, ...asked });

async function textsOf(folder: string, uri: string, column: string, asked: Asked = {}): Promise<(string | null)[]> {
  const dataset = await open(folder, uri, asked);
  try {
    return (await readColumns(dataset, { texts: [column] })).texts.get(column)?.values ?? [];
  } finally {
    dataset.close();
  }
}

async function refusal(folder: string, uri: string, asked: Asked = {}): Promise<string> {
  const error: unknown = await open(folder, uri, asked).then(
    (dataset) => {
      dataset.close();
      return null;
    },
    (cause: unknown) => cause,
  );
  assert.ok(error instanceof DataError, String(error));
  assert.ok(!error.message.includes(folder), 'messages speak of the path the user wrote');
  return error.message;
}

test('a folder and a wildcard are their files by name, in one order of rows', () =>
  withFiles(
    {
      'd/b.csv': 'id,v\n3,c\n',
      'd/a.csv': 'id,v\n1,a\n2,"b\nb"\n',
      'd/sub/c.csv': 'id,v\n4,d\n',
      'd/_SUCCESS': '',
      'd/.a.csv.crc': 'x',
    },
    async (folder) => {
      assert.deepEqual(await textsOf(folder, 'd', 'id'), ['1', '2', '3', '4']);
      assert.deepEqual(await textsOf(folder, 'd/*.csv', 'id'), ['1', '2', '3']);
      assert.deepEqual(await textsOf(folder, '?/*/*.csv', 'id'), ['4']);
      const dataset = await open(folder, 'd/*.csv');
      try {
        const digests = ['id,v\n1,a\n2,"b\nb"\n', 'id,v\n3,c\n'].map((text) =>
          createHash('sha256').update(text).digest('hex'),
        );
        const subject = datasetSubject(dataset);
        assert.deepEqual(subject.files, [
          { uri: 'd/a.csv', sha256: digests[0] },
          { uri: 'd/b.csv', sha256: digests[1] },
        ]);
        assert.ok(!digests.includes(subject.sha256));
        assert.deepEqual(
          await linesOfRows(dataset, [2, 3]),
          new Map([
            [2, { line: 3, file: 'd/a.csv' }],
            [3, { line: 2, file: 'd/b.csv' }],
          ]),
        );
        // Another process opens the same files, and not what the wildcard means then.
        await writeFile(join(folder, 'd/c.csv'), 'id,v\n9,z\n');
        const again = await openDataset(sourceOf(dataset));
        assert.deepEqual([again.rows, again.sha256], [3, dataset.sha256]);
        again.close();
      } finally {
        dataset.close();
      }
    },
  ));

test('the digest of several files says their names and bytes, and not where they lie', () =>
  withFiles(
    {
      'd/a.csv': 'id\n1\n',
      'd/b.csv': 'id\n2\n',
      'e/a.csv': 'id\n1\n',
      'e/c.csv': 'id\n2\n',
      'f/d/a.csv': 'id\n1\n',
      'f/d/b.csv': 'id\n2\n',
    },
    async (folder) => {
      const digest = async (uri: string): Promise<string> => {
        const dataset = await open(folder, uri);
        dataset.close();
        return dataset.sha256;
      };
      assert.equal(await digest('d'), await digest('f/d/*.csv'));
      assert.equal(await digestOfFiles(join(folder, 'd'), 'd'), await digest('d'));
      assert.equal(await digestOfFiles(join(folder, 'd/a.csv'), 'd/a.csv'), await digest('d/a.csv'));
      assert.notEqual(await digest('d'), await digest('e'));
    },
  ));

test('a file of another schema, format or fault among several is named', () =>
  withFiles(
    {
      'order/a.csv': 'id,v\n1,2\n',
      'order/b.csv': 'v,id\n1,2\n',
      'fewer/a.csv': 'id,v\n1,2\n',
      'fewer/b.csv': 'id\n1\n',
      'ragged/a.csv': 'id,v\n1,2\n',
      'ragged/b.csv': 'id,v\n1,2\n3\n',
      'longer/a.csv': 'id,v\n1,2\n',
      'longer/b.csv': 'id,v\n1,2,\n',
      'lines/a.jsonl': '{"id":1}\n',
      'lines/b.jsonl': '{"id":1}\n[]\n',
      'types/a.parquet': 'select 1 as id',
      'types/b.parquet': 'select 1.5::double as id',
      'formats/a.csv': 'id\n1\n',
      'formats/b.jsonl': '{"id":1}\n',
      'packed/a.csv': 'id\n1\n',
      'packed/b.csv.gz': zlib.gzipSync('id\n1\n'),
      'other/a.csv': 'id\n1\n',
      'other/notes.txt': 'x',
      'empty/_SUCCESS': '',
    },
    async (folder) => {
      assert.match(await refusal(folder, 'order'), /^order\/b\.csv: column 1 is v\. Expected id, as in order\/a\.csv/u);
      assert.match(await refusal(folder, 'fewer'), /^fewer\/b\.csv: column 2 is nothing\. Expected v/u);
      assert.match(await refusal(folder, 'ragged'), /^ragged\/b\.csv:3: /u);
      assert.match(await refusal(folder, 'longer'), /^longer\/b\.csv:2: this row has 3 cells/u);
      assert.match(await refusal(folder, 'lines/*.jsonl'), /^lines\/b\.jsonl:2: /u);
      assert.match(
        await refusal(folder, 'types'),
        /^types\/b\.parquet: column 1 is "id" \(DOUBLE\)\. Expected "id" \(INTEGER\)/u,
      );
      assert.match(await refusal(folder, 'formats'), /^formats\/b\.jsonl: this is jsonl\. Expected csv/u);
      assert.match(
        await refusal(folder, 'packed'),
        /^packed\/b\.csv\.gz: this is csv packed with gzip\. Expected csv, as/u,
      );
      assert.match(await refusal(folder, 'other'), /"notes\.txt" is not a data file/u);
      assert.match(await refusal(folder, 'empty'), /there are no data files in this folder/u);
      assert.match(await refusal(folder, 'none-*.csv'), /no file matches/u);
    },
  ));

test('a link among several files is refused, whatever it leads to', () =>
  withFiles({ 'd/a.csv': 'id\n1\n', 'outside/b.csv': 'id\n2\n' }, async (folder) => {
    await symlink(join(folder, 'outside/b.csv'), join(folder, 'd/b.csv'));
    assert.match(await refusal(folder, 'd'), /"b\.csv" is a link/u);
    assert.match(await refusal(folder, 'd/*.csv'), /"b\.csv" is a link/u);
    await symlink(join(folder, 'outside'), join(folder, 'e'));
    assert.match(await refusal(folder, '?/*.csv'), /is a link/u);
  }));

test('a folder names the value of a column only where the configuration says so, and of no column of the files', () =>
  withFiles(
    {
      'd/year=2024/city=a%20b/x.parquet': "select 'p' as id, 1 as v",
      'd/year=2025/city=__HIVE_DEFAULT_PARTITION__/x.parquet': "select 'q' as id, 2 as v",
      'c/year=x/v=9/a.csv': 'id,v\n1,2\n',
      'c/year=7/v=9/b.csv': 'id,v\n2,3\n',
    },
    async (folder) => {
      const plain = await open(folder, 'd');
      assert.deepEqual(
        plain.columns.map(({ name }) => name),
        ['id', 'v'],
      );
      plain.close();
      const dataset = await open(folder, 'd', { partitions: ['year', 'city'] });
      assert.deepEqual(dataset.columns.slice(2), [
        { name: 'year', type: 'BIGINT' },
        { name: 'city', type: 'VARCHAR' },
      ]);
      dataset.close();
      assert.deepEqual(await textsOf(folder, 'd', 'year', { partitions: ['year', 'city'] }), ['2024', '2025']);
      assert.deepEqual(await textsOf(folder, 'd', 'city', { partitions: ['year', 'city'] }), ['a b', null]);
      assert.deepEqual(await textsOf(folder, 'c', 'year', { partitions: ['year'] }), ['7', 'x']);
      assert.deepEqual(await textsOf(folder, 'c', 'v', { partitions: ['year'] }), ['3', '2']);
      assert.match(
        await refusal(folder, 'c', { partitions: ['v'] }),
        /names "v", but the files already have a column "v"/u,
      );
      assert.match(await refusal(folder, 'c', { partitions: ['day'] }), /the path of this file has no folder day=/u);
    },
  ));

test('CSV with another quote, encoding and no header is read as it is told, and named by its line', () =>
  withFiles(
    {
      'a.csv': Buffer.from("1;'x;y'\r\n2;'c''d'\r\n3;ü\"\r\n", 'utf16le'),
      'b.csv': Buffer.from('id,v\n1,caf\u00e9\n', 'latin1'),
      'c.csv': 'id,v\n1,"x"\n',
      'long.csv': "id;v\n1;'x';''\n",
      'bad.csv': Buffer.from([0x69, 0x64, 0x0a, 0x81, 0x0a]),
    },
    async (folder) => {
      const csv = { delimiter: ';', quote: "'", encoding: 'utf-16le', header: ['id', 'v'] };
      assert.deepEqual(await textsOf(folder, 'a.csv', 'v', { csv }), ['x;y', "c'd", 'ü"']);
      const dataset = await open(folder, 'a.csv', { csv });
      assert.deepEqual(
        await linesOfRows(dataset, [1, 3]),
        new Map([
          [1, { line: 1 }],
          [3, { line: 3 }],
        ]),
      );
      assert.equal(dataset.sha256, dataset.parts[0]?.sha256);
      // Another process writes the text again for itself.
      const again = await openDataset(sourceOf(dataset));
      assert.equal(again.sha256, dataset.sha256);
      again.close();
      dataset.close();
      assert.deepEqual(await textsOf(folder, 'b.csv', 'v', { csv: { encoding: 'windows-1252' } }), ['café']);
      assert.deepEqual(await textsOf(folder, 'c.csv', 'v', { csv: { quote: '' } }), ['"x"']);
      assert.match(
        await refusal(folder, 'long.csv', { csv: { delimiter: ';', quote: "'" } }),
        /:2: this row has 3 cells/u,
      );
      assert.match(await refusal(folder, 'b.csv', { csv: { encoding: 'klingon' } }), /the encoding "klingon"/u);
      assert.match(
        await refusal(folder, 'bad.csv', { csv: { encoding: 'shift_jis' } }),
        /bytes that are not valid shift_jis/u,
      );
    },
  ));

test('Zstandard is read where Node can, and refused with the remedy where it cannot', async () => {
  const pack = (zlib as { zstdCompressSync?: (bytes: Buffer) => Buffer }).zstdCompressSync;
  const frame = pack?.(Buffer.from('id,v\n1,a\n')) ?? Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x20, 0x09, 0x49, 0, 0]);
  await withFiles({ 'a.csv.zst': frame, 'cut.csv.zst': frame.subarray(0, -3) }, async (folder) => {
    if (pack === undefined) assert.match(await refusal(folder, 'a.csv.zst'), /does not read Zstandard/u);
    else {
      assert.deepEqual(await textsOf(folder, 'a.csv.zst', 'v'), ['a']);
      assert.match(await refusal(folder, 'cut.csv.zst'), /the zstd stream ends early/u);
    }
  });
});
