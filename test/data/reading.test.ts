import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { readingOf, readingOfColumn } from '../../src/data/cells.ts';
import { openDataset, readColumns, type CsvDialect, type Dataset } from '../../src/data/dataset.ts';
import { DataError } from '../../src/errors.ts';
import { inTemporaryFolder } from '../support/project.ts';
import { writeParquet } from '../support/parquet.ts';

async function withFile<T>(
  name: string,
  text: string,
  work: (dataset: Dataset) => Promise<T>,
  csv: CsvDialect = {},
): Promise<T> {
  return inTemporaryFolder(async (folder) => {
    const path = join(folder, name);
    await mkdir(dirname(path), { recursive: true });
    if (name.endsWith('.parquet')) await writeParquet(path, text);
    else await writeFile(path, text);
    const dataset = await openDataset({ name: 'evaluation', path, uri: name, csv });
    try {
      return await work(dataset);
    } finally {
      dataset.close();
    }
  });
}

const textsOf = async (dataset: Dataset, ...texts: string[]): Promise<(string | null)[][]> =>
  [...(await readColumns(dataset, { texts })).texts.values()].map(({ values }) => values);

const numbersOf = async (dataset: Dataset, ...numbers: string[]): Promise<number[][]> =>
  [...(await readColumns(dataset, { numbers })).numbers.values()].map(({ values }) => [...values]);

const typesOf = ({ columns }: Dataset): string[] => columns.map(({ type }) => type);

test('a folder that is named column=value says nothing of the rows', async () => {
  for (const [name, text] of [
    ['label=1/x=9/a.csv', 'label,y\n0,a\n'],
    ['label=1/x=9/a.jsonl', '{"label":0,"y":"a"}\n'],
    ['label=1/x=9/a.parquet', "select 0 as label, 'a' as y"],
  ] as const) {
    await withFile(name, text, async (dataset) => {
      assert.deepEqual(
        dataset.columns.map((column) => column.name),
        ['label', 'y'],
        name,
      );
      assert.deepEqual(await textsOf(dataset, 'label'), [['0']], name);
    });
  }
});

test('the tokens of JSON are texts as they stand, beside strings and alone, whatever a string holds', () => {
  const lines = [
    String.raw`{"a": 1.10, "b": "1.10", "c": 1e5, "d": "x: 1.50, \"y\": 2.0", "n": {"z": 1.0}}`,
    String.raw`{"a": "1.10", "b": "2.0", "c": 12345678901234567890123, "d": "\\", "n": [1.50]}`,
    String.raw`{"a": true, "b": null, "c": -0.0, "d": "\u0001"}`,
  ];
  return withFile('a.jsonl', `${lines.join('\n')}\n`, async (dataset) => {
    assert.deepEqual(typesOf(dataset), ['VARCHAR', 'VARCHAR', 'DOUBLE', 'VARCHAR', 'JSON']);
    assert.deepEqual(await textsOf(dataset, 'a', 'b', 'c', 'd'), [
      ['1.10', '1.10', 'true'],
      ['1.10', '2.0', null],
      ['1e5', '12345678901234567890123', '-0.0'],
      ['x: 1.50, "y": 2.0', '\\', '\u0001'],
    ]);
    assert.deepEqual(await numbersOf(dataset, 'c'), [[1e5, Number('12345678901234567890123'), -0]]);
  });
});

test('a character that nobody sees is a part of its cell, also at its beginning, in every format', async () => {
  const cells = ['\ufeffspam', 'spam', 'a\u200b', '\u00a0a', 'a'];
  for (const [name, file] of [
    ['a.csv', `id,x\n${cells.map((cell, row) => `${row},${cell}\n`).join('')}`],
    ['a.jsonl', cells.map((x, id) => `${JSON.stringify({ id, x })}\n`).join('')],
    ['b.jsonl', cells.map((x) => `{"x":"${x.replace('\ufeff', String.raw`\ufeff`)}","y":1.5}\n`).join('')],
    ['a.parquet', `select unnest(['${cells.join("','")}']) as x`],
  ] as const) {
    await withFile(name, file, async (dataset) => assert.deepEqual(await textsOf(dataset, 'x'), [cells], name));
  }
});

test('-0 of JSON is that text, as it is in CSV, alone, with other whole numbers, with fractions and with strings', async () => {
  for (const [file, texts] of [
    ['{"x":-0}\n{"x":0}\n', ['-0', '0']],
    ['{"x":-0, "y":1}\n{"x":7}\n{"x":1.50}\n', ['-0', '7', '1.50']],
    ['{"y":"a","x": -0 }\n{"x":"a"}\n', ['-0', 'a']],
  ] as const) {
    await withFile('a.jsonl', file, async (dataset) => assert.deepEqual(await textsOf(dataset, 'x'), [texts], file));
  }
});

test('types are those that every cell spells: one cell at the end of many decides, none is sampled', async () => {
  const many = Array.from({ length: 30_000 }, (_, row) => `${row},${row}.5,true\n`).join('');
  await withFile('a.csv', `a,b,c\n${many}`, async (dataset) =>
    assert.deepEqual(typesOf(dataset), ['BIGINT', 'DOUBLE', 'BOOLEAN']),
  );
  await withFile('a.csv', `a,b,c\n${many}x,1_0,yes\n`, async (dataset) =>
    assert.deepEqual(typesOf(dataset), ['VARCHAR', 'VARCHAR', 'VARCHAR']),
  );
  await withFile('a.csv', 'a,b,c\n1000000000000000000000,007,\n', async (dataset) =>
    assert.deepEqual(typesOf(dataset), ['HUGEINT', 'VARCHAR', 'VARCHAR']),
  );
});

test('NaN is missing in every format, and among texts it is a text', async () => {
  for (const [name, text] of [
    ['a.csv', 'x,t\n1,nan\nnan,a\nNaN,b\n,c\n'],
    ['a.jsonl', '{"x":1,"t":"nan"}\n{"x":NaN,"t":"a"}\n{"x":null,"t":"b"}\n{"t":"c"}\n'],
    ['a.parquet', "select unnest(['1', 'nan', 'nan', null])::double as x, unnest(['nan', 'a', 'b', 'c']) as t"],
  ] as const) {
    await withFile(name, text, async (dataset) => {
      const [x, t] = await textsOf(dataset, 'x', 't');
      assert.deepEqual(
        [x?.slice(1), t],
        [
          [null, null, null],
          ['nan', 'a', 'b', 'c'],
        ],
        name,
      );
      assert.deepEqual(await numbersOf(dataset, 'x'), [[1, Number.NaN, Number.NaN, Number.NaN]], name);
      const read = await dataset.connection.runAndReadAll(`select count(x)::double from ${dataset.relation}`);
      assert.deepEqual(read.getRows(), [[1]], name);
    });
  }
});

test('texts and numbers of Parquet are those of docs/data.md', () =>
  withFile(
    'a.parquet',
    `select 18446744073709551615::ubigint as u, 36.50::decimal(10,2) as d, 0.1::float as f, 1::double as one, true as ok,
     timestamptz '2024-02-29 12:30:00+02' as zoned, timestamp '2024-02-29 12:30:00' as at, date '2024-02-29' as day`,
    async (dataset) => {
      assert.deepEqual((await textsOf(dataset, 'u', 'd', 'f', 'one', 'ok', 'zoned', 'at', 'day')).flat(), [
        '18446744073709551615',
        '36.50',
        '0.1',
        '1.0',
        'true',
        '2024-02-29T10:30:00.000000Z',
        '2024-02-29T12:30:00.000000Z',
        '2024-02-29',
      ]);
      assert.deepEqual(await numbersOf(dataset, 'd', 'ok'), [[36.5], [1]]);
    },
  ));

test('SQL of users sees UTC, whatever the zone of the machine', async () => {
  const script = `
    const { openDataset } = await import(${JSON.stringify(new URL('../../src/data/dataset.js', import.meta.url).href)});
    const { inWorkspace } = await import(${JSON.stringify(new URL('../../src/data/workspace.js', import.meta.url).href)});
    const dataset = await openDataset({ name: 'x', path: process.argv[1], uri: 'x' });
    const query = (from) => "select hour(t), cast(t as varchar) from " + from;
    const own = await dataset.connection.runAndReadAll(query(dataset.relation));
    const other = await inWorkspace((c) => c.runAndReadAll(query("(select timestamptz '2024-02-29 23:30:00+00' as t)")));
    console.log(JSON.stringify([own.getRows().map(String), other.getRows().map(String)]));
    dataset.close();`;
  await inTemporaryFolder(async (folder) => {
    const path = join(folder, 'a.parquet');
    await writeParquet(path, "select timestamptz '2024-02-29 23:30:00+00' as t");
    const seen = new Set<string>();
    for (const TZ of ['UTC', 'Asia/Tokyo']) {
      const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script, path], {
        env: { ...process.env, TZ },
      });
      seen.add(stdout.trim());
    }
    assert.deepEqual([...seen], ['[["23,2024-02-29 23:30:00+00"],["23,2024-02-29 23:30:00+00"]]']);
  });
});

test('keys of JSON that differ only by case are refused, and lines that are no objects are named', async () => {
  await assert.rejects(
    withFile('a.jsonl', '{"A":1}\n{"a":2}\n', async () => {}),
    /columns "A" and "a" differ only in case/u,
  );
  await assert.rejects(
    withFile('a.jsonl', '{"A":1}\n\n[1]\n', async () => {}),
    /a\.jsonl:3: the line begins a list/u,
  );
});

test('a cell that is no number where one is wanted is named with row, column, value and what helps', async () => {
  for (const [csv, cell, message] of [
    [{ delimiter: ';' }, '1,5', /column "x", row 2 is "1,5"\. .* Set data\.csv\.decimal to ","/u],
    [{}, 'NA', /column "x", row 2 is "NA"\. .* Set data\.csv\.missing to \["NA"\]/u],
    [{}, '"1,234.5"', /row 2 is "1,234\.5"\. .* without separators between the thousands/u],
    [{}, ' 2', /row 2 is " 2"\. .* Remove the spaces/u],
    [{}, '007', /row 2 is "007"\. .* without leading zeros/u],
  ] as const) {
    await withFile(
      'a.csv',
      `id${csv.delimiter ?? ','}x\na${csv.delimiter ?? ','}1\nb${csv.delimiter ?? ','}${cell}\n`,
      (dataset) =>
        assert.rejects(readColumns(dataset, { numbers: ['x'] }), (error: Error) => {
          assert.ok(error instanceof DataError);
          assert.match(error.message, message);
          return true;
        }),
      csv,
    );
  }
  await withFile('a.jsonl', '{"x":1}\n{"x":"2"}\n', (dataset) =>
    assert.rejects(readColumns(dataset, { numbers: ['x'] }), /without quotes/u),
  );
});

test('CSV is read with the delimiter, the decimal comma and the texts for nothing that are told', () =>
  withFile(
    'a.csv',
    'id;x;s\na;1,5;1,5\nb;NA;NA\n',
    async (dataset) => {
      assert.deepEqual(await numbersOf(dataset, 'x'), [[1.5, Number.NaN]]);
      assert.deepEqual(await textsOf(dataset, 's'), [['1,5', null]]);
      assert.deepEqual(typesOf(dataset), ['VARCHAR', 'DOUBLE', 'DOUBLE']);
    },
    { delimiter: ';', decimal: ',', missing: ['NA'] },
  ));

test('what is wrong with a CSV file is told with its line and what mends it', async () => {
  for (const [text, message] of [
    ['a;b\n1;2\n', /a\.csv:1: the first line has semicolons and no comma.*Set data\.csv\.delimiter to ";"/u],
    ['a\tb\n1\t2\n', /:1: the first line has tabs.*Set data\.csv\.delimiter to "\\t"/u],
    ['a,b\n1,2\r\n', /a\.csv:2: this line ends with CRLF, but the lines before it with LF/u],
    ['a,b\r\n1,"x\n"\r\n1,2\n', /a\.csv:4: this line ends with LF, but the lines before it with CRLF/u],
    ['a,b\n1,2\n"3"x,4\n', /a\.csv:3: a quote is closed before the end of its cell/u],
  ] as const) {
    await assert.rejects(
      withFile('a.csv', text, async () => {}),
      message,
    );
  }
});

test('a pipe is no file of rows, and is not waited for', () =>
  inTemporaryFolder(async (folder) => {
    const path = join(folder, 'a.csv');
    await promisify(execFile)('mkfifo', [path]);
    await assert.rejects(openDataset({ name: 'evaluation', path, uri: 'a.csv' }), /a\.csv: this is not a file/u);
  }));

test('lists, structs and maps of Parquet hold what cells of these types would', () =>
  inTemporaryFolder(async (folder) => {
    const path = join(folder, 'rows.parquet');
    await writeParquet(
      path,
      `select ['nan'::float, 0.1::float, null] as l, {'a': 'nan'::double, 't': timestamp '2024-01-01 10:00:00', 'b"c': '\\x00'::blob} as s,
       map {'k': 'nan'::double, 'm': 2.5::double} as m, [[1.5::double], null, ['nan'::double]] as n, null::double[] as none`,
    );
    const dataset = await openDataset({ name: 'data', path, uri: 'rows.parquet' });
    try {
      const { from, expressions } = readingOf(
        dataset,
        dataset.columns.map((column) => ({ column, use: 'text' })),
      );
      const read = await dataset.connection.runAndReadAll(`select ${expressions.join(', ')} from ${from}`);
      assert.deepEqual(read.getRows()[0], [
        '[null,0.1,null]',
        '{"a":null,"t":"2024-01-01T10:00:00.000000Z","b\\"c":"AA=="}',
        '{"k":null,"m":2.5}',
        '[[1.5],null,[null]]',
        null,
      ]);
    } finally {
      dataset.close();
    }
  }));

test('bytes of Parquet are the text that they hold where they are UTF-8, and else base64', () =>
  inTemporaryFolder(async (folder) => {
    const path = join(folder, 'rows.parquet');
    const cells = [
      "'spam'",
      String.raw`'caf\xC3\xA9'`,
      String.raw`'caf\xE9'`,
      String.raw`'a\x00'`,
      String.raw`'\x1B[31m'`,
      String.raw`'a\x09b'`,
      "''",
      'null',
    ];
    await writeParquet(path, cells.map((cell) => `select ${cell}::blob as label`).join(' union all '));
    const dataset = await openDataset({ name: 'data', path, uri: 'rows.parquet' });
    try {
      const { from, expression } = readingOfColumn(dataset, 'label', 'text');
      const read = await dataset.connection.runAndReadAll(`select ${expression} from ${from}`);
      assert.deepEqual(read.getRows().flat(), ['spam', 'café', 'Y2Fm6Q==', 'YQA=', 'G1szMW0=', 'a\tb', '', null]);
    } finally {
      dataset.close();
    }
  }));

test('the two zeros of a typed column are one text', () =>
  withFile(
    'a.parquet',
    "select unnest(['-0.0', '0.0', '1.5'])::double as d, unnest(['-0.0', '0.0', '1.5'])::float as f",
    async (dataset) => {
      const zeros = ['0.0', '0.0', '1.5'];
      assert.deepEqual(typesOf(dataset).toSorted(), ['DOUBLE', 'FLOAT']);
      assert.deepEqual(await textsOf(dataset, 'd', 'f'), [zeros, zeros]);
    },
  ));

test('times that differ by nanoseconds are different texts, and one time is one text whatever its type', () =>
  inTemporaryFolder(async (folder) => {
    const path = join(folder, 'rows.parquet');
    const times = [
      '2024-01-01 10:00:00.123456789',
      '2024-01-01 10:00:00.123456788',
      '1950-01-01 10:00:00.1',
      'infinity',
    ];
    await writeParquet(
      path,
      times.map((time) => `select timestamp_ns '${time}' as ns, timestamp '${time}' as us`).join(' union all '),
    );
    const dataset = await openDataset({ name: 'data', path, uri: 'rows.parquet' });
    try {
      const { from, expressions } = readingOf(
        dataset,
        dataset.columns.map((column) => ({ column, use: 'text' })),
      );
      const read = await dataset.connection.runAndReadAll(`select ${expressions.join(', ')} from ${from}`);
      assert.deepEqual(read.getRows(), [
        ['2024-01-01T10:00:00.123456789Z', '2024-01-01T10:00:00.123456Z'],
        ['2024-01-01T10:00:00.123456788Z', '2024-01-01T10:00:00.123456Z'],
        ['1950-01-01T10:00:00.100000Z', '1950-01-01T10:00:00.100000Z'],
        ['infinity', 'infinity'],
      ]);
    } finally {
      dataset.close();
    }
  }));
