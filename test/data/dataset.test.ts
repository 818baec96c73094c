import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { linesOfRecords } from '../../src/data/csv.ts';
import { openDataset, quoteIdentifier, quoteLiteral, readColumns, type Dataset } from '../../src/data/dataset.ts';
import { DataError } from '../../src/errors.ts';
import { fixture, inTemporaryFolder } from '../support/project.ts';
import { writeParquet } from '../support/parquet.ts';
import fc from '../support/properties.ts';

const open = (path: string): Promise<Dataset> => openDataset({ name: 'evaluation', path, uri: 'data/file' });

async function withFile<T>(
  name: string,
  bytes: string | Buffer,
  work: (dataset: Dataset) => Promise<T> | T,
): Promise<T> {
  return inTemporaryFolder(async (folder) => {
    const path = join(folder, name);
    await writeFile(path, bytes);
    const dataset = await open(path);
    try {
      return await work(dataset);
    } finally {
      dataset.close();
    }
  });
}

async function refused(name: string, bytes: string | Buffer): Promise<string> {
  return inTemporaryFolder(async (folder) => {
    const path = join(folder, name);
    await writeFile(path, bytes);
    let message = '';
    await assert.rejects(open(path), (error) => {
      assert.ok(error instanceof DataError, String(error));
      message = error.message;
      return true;
    });
    assert.ok(!message.includes(folder), 'messages speak of the path the user wrote');
    return message;
  });
}

test('the spam evaluation set opens with its rows, columns and digest', async () => {
  const path = fixture('spam/data/eval.parquet');
  const dataset = await open(path);
  try {
    assert.equal(dataset.rows, 2350);
    assert.equal(dataset.columns.length, 66);
    assert.equal(
      dataset.sha256,
      createHash('sha256')
        .update(await readFile(path))
        .digest('hex'),
    );
    const { texts, numbers } = await readColumns(dataset, {
      texts: ['id', 'has_html'],
      numbers: ['label', 'word_free'],
    });
    assert.deepEqual(new Set(texts.get('has_html')?.values), new Set(['true', 'false']));
    for (const each of [...texts.values(), ...numbers.values()]) assert.equal(each.values.length, 2350);
  } finally {
    dataset.close();
  }
});

test('CSV, JSONL, their gzip and Parquet of the same rows give the same columns in file order', async () => {
  const csv = 'id,x,ok\nb,1.5,true\na,,false\nc,-2,true\n';
  const jsonl = '{"id":"b","x":1.5,"ok":true}\n\n{"id":"a","x":null,"ok":false}\n{"id":"c","x":-2,"ok":true}\n';
  const read = async (dataset: Dataset): Promise<unknown> => {
    const { texts, numbers } = await readColumns(dataset, { texts: ['ok', 'id'], numbers: ['x', 'ok'] });
    return [...texts.values(), ...numbers.values()].map(({ name, values }) => [name, [...values]]);
  };
  const expected = [
    ['ok', ['true', 'false', 'true']],
    ['id', ['b', 'a', 'c']],
    ['x', [1.5, Number.NaN, -2]],
    ['ok', [1, 0, 1]],
  ];
  assert.deepEqual(await withFile('a.csv', csv, read), expected);
  assert.deepEqual(await withFile('a.csv', `\uFEFF${csv.replaceAll('\n', '\r\n')}`, read), expected);
  assert.deepEqual(await withFile('a.csv.gz', gzipSync(csv), read), expected);
  assert.deepEqual(await withFile('a.jsonl', jsonl, read), expected);
  assert.deepEqual(await withFile('a.ndjson.gz', gzipSync(jsonl), read), expected);
  await inTemporaryFolder(async (folder) => {
    const path = join(folder, 'a.parquet');
    await writeParquet(
      path,
      "select * from (values ('b', 1.5::decimal(9,3), true), ('a', null, false), ('c', -2, true)) t(id, x, ok)",
    );
    const dataset = await open(path);
    assert.deepEqual(await read(dataset), expected);
    dataset.close();
  });
});

test('the order of the file survives many rows and threads', async () => {
  const rows = 300_000;
  const text = `n\n${Array.from({ length: rows }, (_, index) => index).join('\n')}\n`;
  await withFile('a.csv', text, async (dataset) => {
    const values = (await readColumns(dataset, { numbers: ['n'] })).numbers.get('n')?.values as Float64Array;
    assert.equal(values.length, rows);
    assert.ok(values.every((value, index) => value === index));
  });
});

test('columns of a CSV file keep their exact names, whatever is in them', async () => {
  const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }).filter((each) => !/[\0\uFEFF]/u.test(each));
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(name, { minLength: 2, maxLength: 5, selector: (each) => each.toLowerCase() }),
      async (names) => {
        const quoted = names.map((each) => `"${each.replaceAll('"', '""')}"`).join(',');
        await withFile('a.csv', `${quoted}\n${names.map((_, index) => index).join(',')}\n`, async (dataset) => {
          assert.deepEqual(
            dataset.columns.map((column) => column.name),
            names,
          );
          const read = await readColumns(dataset, { numbers: names.toReversed() });
          assert.deepEqual(
            names.map((each) => read.numbers.get(each)?.values[0]),
            names.map((_, index) => index),
          );
        });
      },
    ),
    { numRuns: 25, examples: [[["'; drop table x; --", 'a"b', 'c\nd']], [['__proto__', '*', 'data[1]']]] },
  );
});

test('identifiers and literals mean exactly the text they quote', async () => {
  await withFile('a.csv', 'a\n1\n', async ({ connection }) => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'grapheme', minLength: 1 }), async (text) => {
        fc.pre(!text.includes('\0'));
        const result = await connection.runAndReadAll(`select ${quoteLiteral(text)} as ${quoteIdentifier(text)}`);
        assert.deepEqual([result.columnNames(), result.getRows()], [[text], [[text]]]);
      }),
      { numRuns: 100 },
    );
  });
});

test('glob characters in a file name are taken literally', async () => {
  await inTemporaryFolder(async (folder) => {
    await writeFile(join(folder, 'data1.csv'), 'a\n1\n');
    for (const name of ['data[1].csv', 'data*.csv', 'data?.csv', "it's.csv"]) {
      await writeFile(join(folder, name), 'a\n7\n');
      const dataset = await open(join(folder, name));
      assert.equal((await readColumns(dataset, { numbers: ['a'] })).numbers.get('a')?.values[0], 7, name);
      dataset.close();
    }
  });
});

test('a symbolic link to the data is followed', async () => {
  await inTemporaryFolder(async (folder) => {
    await writeFile(join(folder, 'real.csv'), 'a\n7\n');
    await symlink('real.csv', join(folder, 'link.csv'));
    const dataset = await open(join(folder, 'link.csv'));
    assert.equal(dataset.rows, 1);
    dataset.close();
  });
});

test('the connection reads this file and nothing else, and cannot be unlocked', async () => {
  await inTemporaryFolder(async (folder) => {
    const other = join(folder, 'other.csv');
    await writeFile(other, 'a\n1\n');
    await writeFile(join(folder, 'a.csv'), 'a\n1\n');
    const dataset = await open(join(folder, 'a.csv'));
    for (const statement of [
      `select * from read_csv(${quoteLiteral(other)})`,
      `select * from read_text('/etc/passwd')`,
      `copy (select 1) to ${quoteLiteral(join(folder, 'new.csv'))}`,
      `attach ${quoteLiteral(join(folder, 'new.db'))}`,
      'set enable_external_access = true',
      "set memory_limit = '100GB'",
      'install httpfs',
      'load httpfs',
    ]) {
      await assert.rejects(dataset.connection.run(statement), statement);
    }
    dataset.close();
  });
});

test('Parquet footers are not believed: a predicate looks at NaN too, which is missing', async () => {
  await inTemporaryFolder(async (folder) => {
    const path = join(folder, 'a.parquet');
    await writeParquet(path, "select case when i = 5 then 'nan'::double else 0.5 end as x from range(10) t(i)");
    const dataset = await open(path);
    const query = `select count(*)::double from ${dataset.relation} where x is null`;
    const result = await dataset.connection.runAndReadAll(query);
    assert.equal(result.getRows()[0]?.[0], 1);
    dataset.close();
  });
});

test('a missing column is told with the nearest there is', async () => {
  await withFile('a.csv', 'word_free,word_money\n1,2\n', async (dataset) => {
    await assert.rejects(
      readColumns(dataset, { numbers: ['word_fre'] }),
      /no column "word_fre".*Did you mean "word_free"\?/u,
    );
  });
});

test('integers that a double cannot hold are refused, those it can are kept', async () => {
  await withFile('a.csv', 'n\n9007199254740992\n-9007199254740992\n', async (dataset) => {
    assert.deepEqual(
      [...((await readColumns(dataset, { numbers: ['n'] })).numbers.get('n')?.values ?? [])],
      [2 ** 53, -(2 ** 53)],
    );
  });
  await withFile('a.csv', 'n\n9007199254740993\n', async (dataset) => {
    await assert.rejects(readColumns(dataset, { numbers: ['n'] }), /"n" has integers beyond 2\^53.*as text/u);
  });
});

test('integers that a double cannot hold are texts as they stand', () =>
  withFile('a.csv', 'n\n12345678901234567890\n12345678901234567891\n', async (dataset) => {
    const read = await readColumns(dataset, { texts: ['n'] });
    assert.deepEqual(read.texts.get('n')?.values, ['12345678901234567890', '12345678901234567891']);
  }));

test('each kind of bad file is refused with its place and a remedy', async () => {
  assert.match(await refused('a.csv', ''), /data\/file: the file is empty/u);
  assert.match(await refused('a.txt', 'a\n1\n'), /does not show the format.*\.parquet/su);
  assert.match(await refused('a.tsv', 'a\tb\n1\t2\n'), /Rename it to \.csv, and set data\.csv\.delimiter to a tab/u);
  assert.match(await refused('a.json', '[{"a":1}]'), /name the file \.jsonl \(pandas: to_json/u);
  assert.match(await refused('a.csv.bz2', 'BZh9'), /Decompress it, or compress it with gzip or Zstandard/u);
  assert.match(await refused('a.feather', 'ARROW1'), /Write the rows as Parquet or CSV/u);
  assert.match(
    await refused('a.csv', Buffer.from('\ufeffa,b\n1,2\n', 'utf16le')),
    /begins as UTF-16 does.*data\.csv\.encoding to utf-16le/u,
  );
  assert.match(
    await refused('a.jsonl', '[\n{"a":1},\n{"a":2}\n]\n'),
    /data\/file:1: the line begins a list.*nothing around or between them/u,
  );
  assert.match(await refused('a.jsonl', '[{"a":1},{"a":2}]\n'), /data\/file:1: the line begins a list/u);
  assert.match(
    await refused('a.jsonl', '{"a":1},\n{"a":2}\n'),
    /data\/file:1: the line ends with a comma after its object/u,
  );
  assert.match(await refused('a.parquet', 'a,b\n1,2\n'), /not a Parquet file/u);
  assert.match(await refused('a.parquet', 'PAR1 and then nothing'), /cannot be read as parquet/u);
  assert.match(await refused('a.parquet', 'version https://git-lfs.github.com/spec/v1\noid'), /git lfs pull/u);
  assert.match(await refused('a.csv', 'a,b\n1,2\n3\n'), /data\/file:3: .*Expected Number of Columns: 2 Found: 1/u);
  assert.match(await refused('a.csv', 'a,b\n1,2\n3,4,5\n'), /data\/file:3: .*Expected Number of Columns: 2 Found: 3/u);
  assert.match(await refused('a.csv', 'a,b\n1,2\n3,"4\n'), /data\/file:3: .*unterminated quote/u);
  assert.match(await refused('a.csv', '"a\n,b\n1,2\n'), /data\/file:1: a quote in the first line is not closed/u);
  assert.match(await refused('a.csv', Buffer.from('a,b\n1,2\n3,\xff\n', 'latin1')), /data\/file:3: .*utf-8/u);
  assert.match(await refused('a.csv', 'a,b,a\n1,2,3\n'), /data\/file:1: column "a" occurs twice/u);
  assert.match(await refused('a.csv', 'a,A\n1,2\n'), /"a" and "A" differ only in case/u);
  assert.match(
    await refused('a.csv', 'caf\u00e9,cafe\u0301\n1,2\n'),
    /"caf\u00e9" and "cafe\\u\{301\}" differ only in Unicode form/u,
  );
  assert.match(await refused('a.csv', '\na,b\n1,2\n'), /data\/file:1: the first line is blank/u);
  assert.match(await refused('a.csv', 'a,,b\n1,2,3\n'), /column 2 has no name.*Name every/u);
  assert.match(await refused('a.csv', ',a\n0,1\n'), /column 1 has no name.*index=False/u);
  assert.match(await refused('a.csv.gz', 'a,b\n1,2\n'), /not a gzip file.*without \.gz/su);
  assert.match(await refused('a.jsonl', '{"a":1}\n{"a":\n{"a":2}\n'), /data\/file:2: the line is not JSON/u);
  assert.match(await refused('a.jsonl', '{"a":1}\n{"a":1,"a":2}\n'), /data\/file:2: an object has the key "a" twice/u);
  await inTemporaryFolder(async (folder) => {
    await assert.rejects(open(join(folder, 'no.csv')), /there is no such file.*Check the path/su);
    await mkdir(join(folder, 'folder.csv'));
    await assert.rejects(open(join(folder, 'folder.csv')), /no data files in this folder/u);
    await writeParquet(join(folder, 'twins.parquet'), 'select 1 as a, 2 as b');
    const bytes = await readFile(join(folder, 'twins.parquet'));
    // The same file with its second column renamed to the first's name in another case.
    const renamed = Buffer.from(bytes.toString('latin1').replaceAll('\x01b', '\x01A'), 'latin1');
    await writeFile(join(folder, 'twins.parquet'), renamed);
    await assert.rejects(open(join(folder, 'twins.parquet')), /"a" and "A" differ only in case/u);
  });
});

test('a gzip file that is cut off anywhere is refused, whatever its rows look like', async () => {
  const rows = Array.from({ length: 40 }, (_, index) => index);
  const packed = {
    'a.csv.gz': gzipSync(`a,b\n${rows.map((row) => `${row},1\n`).join('')}`),
    'a.jsonl.gz': gzipSync(rows.map((row) => `{"a":${row}}\n`).join('')),
  };
  for (const [name, bytes] of Object.entries(packed)) {
    const cuts = [3, 10, 11, 20, bytes.length - 9, bytes.length - 8, bytes.length - 1];
    for (const cut of cuts) {
      assert.match(
        await refused(name, bytes.subarray(0, cut)),
        /data\/file: the gzip stream ends early \(the file is cut off\)/u,
        `${name} cut at ${cut} of ${bytes.length}`,
      );
    }
  }
  // What arrived ends with a row, and the stream has no end.
  const half = gzipSync('a,b\n1,2\n3,4\n', { level: 0 });
  assert.match(await refused('a.csv.gz', half.subarray(0, 15 + 'a,b\n1,2\n'.length)), /ends early/u);
});

test('a gzip file of several members is whole, one with a wrong check sum or other bytes behind it is not', async () => {
  const [first, second] = [gzipSync('a,b\n1,2\n'), gzipSync('3,4\n')];
  assert.equal(await withFile('a.csv.gz', Buffer.concat([first, second]), async ({ rows }) => rows), 2);
  assert.match(await refused('a.csv.gz', Buffer.concat([first, second.subarray(0, -3)])), /ends early/u);
  assert.match(
    await refused('a.csv.gz', Buffer.concat([first, Buffer.from('no gzip')])),
    /data\/file: .*header check/u,
  );
  const wrong = Buffer.from(first);
  wrong.writeUInt32LE(1, wrong.length - 8);
  assert.match(await refused('a.csv.gz', wrong), /data\/file: the gzip stream is damaged \(incorrect data check\)/u);
});

test('packed bytes under a name that says text are told by their kind', async () => {
  const packed = gzipSync('a,b\n1,2\n');
  assert.match(await refused('a.csv', packed), /this is a gzip file.*Expected CSV as text.*Rename it to file\.gz/su);
  assert.match(await refused('a.jsonl', packed), /this is a gzip file.*Expected JSONL as text/su);
  assert.match(await refused('a.csv', Buffer.from('PK\x03\x04 and more')), /this is a ZIP file.*Decompress it/su);
  assert.match(
    await refused('a.csv.gz', Buffer.from('PK\x03\x04 and more')),
    /this is a ZIP file.*compress it with gzip/su,
  );
});

test('a blank line between rows of a CSV file is an error with its line, one in quotes or at the end is none', async () => {
  for (const end of ['\n', '\r\n', '\r']) {
    const text = (lines: readonly string[]): string => lines.map((line) => `${line}${end}`).join('');
    assert.match(await refused('a.csv', text(['a,b', '1,2', '', '3,4'])), /data\/file:3: this line is blank.*Remove/su);
    assert.match(await refused('a.csv', text(['a,b', '', '1,2'])), /data\/file:2: this line is blank/u);
    assert.match(await refused('a.csv', text(['\uFEFFa,b', '1,2', '', '', '3,4', ''])), /data\/file:3: this line/u);
    const rows = async ({ rows: count }: Dataset): Promise<number> => count;
    assert.equal(await withFile('a.csv', text(['a,b', '1,2', '', '']), rows), 1);
    assert.equal(await withFile('a.csv', text(['a,b', '"x', '', 'y",2', '3,4']), rows), 2);
    assert.equal(await withFile('a.csv', text(['a,b', '"",2', ',']), rows), 2);
  }
  const quoted = 'a,b\n"x\n\ny",5" wide\n\n3,4\n';
  assert.match(await refused('a.csv', quoted), /data\/file:5: this line is blank/u);
  assert.match(await refused('a.csv.gz', gzipSync(quoted)), /data\/file:5: this line is blank/u);
  // Line ends that meet at the border of two pieces of a file.
  for (const filler of [2 ** 20 - 5, 2 ** 20 - 6]) {
    assert.match(await refused('a.csv', `a,b\n${'x'.repeat(filler)},\n\n1,2\n`), /data\/file:3: this line is blank/u);
  }
});

test('a blank line in a CSV file of one column is no empty cell and no end: it is an error', async () => {
  assert.match(await refused('a.csv', 'id\n1\n\n2\n'), /data\/file:3: this line is blank.*Write "" .*missing value/su);
  assert.match(await refused('a.csv', 'id\r\n1\r\n\r\n'), /data\/file:3: this line is blank/u);
  assert.match(await refused('a.csv', 'id\r1\r\r'), /data\/file:3: this line is blank/u);
  const values = await withFile(
    'a.csv',
    'id\n1\n""\n2',
    async (dataset) => (await readColumns(dataset, { texts: ['id'] })).texts.get('id')?.values,
  );
  assert.equal(values?.length, 3);
});

test('a quote within a CSV cell that begins with none is text, for values, names and the lines of rows', () =>
  inTemporaryFolder(async (folder) => {
    const text = 'id,size 3",note\r\n1,5" pipe,"two\r\nlines"\r\n2,6"" ,x\r\n3,\t"a","y ""z"""\r\n4,",",""\r\n';
    for (const [name, bytes] of [
      ['a.csv', text],
      ['b.csv', `\uFEFF${text}`],
      ['a.csv.gz', gzipSync(text)],
    ] as const) {
      const path = join(folder, name);
      await writeFile(path, bytes);
      const dataset = await open(path);
      const { texts } = await readColumns(dataset, { texts: ['size 3"', 'note'] });
      assert.deepEqual(texts.get('size 3"')?.values, ['5" pipe', '6"" ', '\t"a"', ',']);
      assert.deepEqual(texts.get('note')?.values, ['two\r\nlines', 'x', 'y "z"', null]);
      dataset.close();
      const lines = [2, 4, 5, 6].map((line, index) => [index + 1, line] as const);
      assert.deepEqual((await linesOfRecords(path, [1, 2, 3, 4])).found, new Map(lines));
    }
  }));

test('what the engine would read as another cell than others do is refused with its line', async () => {
  for (const [line, found] of [
    ['1, "x",2', /data\/file:3: a cell begins with spaces before its quote/u],
    ['1,"x" ,2', /data\/file:3: a quote is closed before the end of its cell/u],
    // Behind a quote that is text.
    ['1,5" pipe,2,', /data\/file:3: this row has 4 cells, and the first line 3/u],
  ] as const) {
    const text = `a,b,c\n1,x,2\n${line}\n`;
    assert.match(await refused('a.csv', text), found);
    assert.match(await refused('a.csv.gz', gzipSync(text)), found);
  }
  assert.match(await refused('a.csv', 'a, "b"\n1,x\n'), /data\/file:1: a cell begins with spaces before its quote/u);
});

test('every CSV is read as others read RFC 4180, or refused with its line', async () => {
  const cell = fc.oneof(
    fc.constantFrom('1', '', 'x y', '2.5'),
    fc
      .array(fc.constantFrom('a', '"', '""', ' ', '\\', "'", '\t', '5" p', '#'), { maxLength: 3 })
      .map((parts) => parts.join('')),
    fc
      .array(fc.constantFrom('a', '"', '\n', ',', ' ', '7'), { maxLength: 3 })
      .map((parts) => `"${parts.join('').replaceAll('"', '""')}"`),
  );
  const rows = fc.array(fc.array(cell, { minLength: 3, maxLength: 4 }), { minLength: 1, maxLength: 4 });
  let [read, refusals] = [0, 0];
  await inTemporaryFolder(async (folder) => {
    const path = join(folder, 'a.csv');
    await fc.assert(
      fc.asyncProperty(rows, fc.constantFrom('\n', '\r\n'), async (table, end) => {
        const text = `a,b,c${end}${table.map((row) => row.join(',')).join(end)}${end}`;
        await writeFile(path, text);
        const expected = csvRows(text);
        const dataset = await open(path).catch((error: Error) => error);
        if (dataset instanceof Error) {
          refusals += 1;
          assert.ok(dataset instanceof DataError && expected === null, `${JSON.stringify(text)}: ${dataset.message}`);
          assert.match(dataset.message, /^data\/file:\d+: /u);
          return;
        }
        read += 1;
        const { texts } = await readColumns(dataset, { texts: ['a', 'b', 'c'] });
        dataset.close();
        const found = Array.from({ length: dataset.rows }, (_, row) =>
          ['a', 'b', 'c'].map((name) => texts.get(name)?.values[row] ?? ''),
        );
        assert.deepEqual(found, expected, JSON.stringify(text));
      }),
      { numRuns: 50, seed: 4180 },
    );
  });
  assert.ok(read > 10 && refusals > 10, `${read} read, ${refusals} refused`);
});

/** Rows of three cells below the header; null where a row has more, or spaces stand around quotes. */
function csvRows(text: string): string[][] | null {
  const cell = /(?:"((?:[^"]|"")*)"|((?! +")[^",\r\n][^,\r\n]*|))(,|\r?\n)/uy;
  const rows: string[][] = [[]];
  for (let at = 0; at < text.length; at = cell.lastIndex) {
    const found = cell.exec(text);
    if (found === null) return null;
    rows.at(-1)?.push(found[1]?.replaceAll('""', '"') ?? found[2] ?? '');
    if (found[3] !== ',') rows.push([]);
  }
  const below = rows.slice(1, -1);
  return below.every(({ length }) => length === 3) ? below : null;
}

test('a name of a column with a NUL, which SQL cannot say, is refused by its name in every format', async () => {
  assert.match(await refused('a.csv', 'a,b\0c\n1,2\n'), /data\/file:1: the name of column "b\\u0000c" contains a NUL/u);
  assert.match(await refused('a.jsonl', '{"a":1,"b\\u0000c":2}\n'), /the name of column "b\\u0000c" contains a NUL/u);
  await inTemporaryFolder(async (folder) => {
    await writeParquet(join(folder, 'a.parquet'), 'select 1 as a, 2 as bXc');
    const bytes = (await readFile(join(folder, 'a.parquet'))).toString('latin1').replaceAll('bXc', 'b\0c');
    const message = await refused('b.parquet', Buffer.from(bytes, 'latin1'));
    assert.match(message, /the name of column "b\\u0000c" contains a NUL/u);
  });
});

test('a column without a name and bytes in another encoding are told with what to do', async () => {
  assert.match(await refused('a.jsonl', '{"":1,"a":2}\n'), /data\/file: a column \(a key of JSON\) has no name/u);
  assert.match(
    await refused('a.csv', Buffer.from('a\ncaf\xe9\n', 'latin1')),
    /data\/file:2: .*or name its encoding in data\.csv\.enc/u,
  );
});

test('a byte order mark in JSONL is refused with its line and the remedy', async () => {
  const rows = '\uFEFF{"a":1}\r\n{"a":2}\r\n';
  for (const [name, bytes] of [
    ['a.jsonl', Buffer.from(rows)],
    ['a.ndjson.gz', gzipSync(rows)],
  ] as const) {
    assert.match(await refused(name, bytes), /data\/file:1: .*byte order mark.*without a BOM/su);
  }
  assert.match(await refused('a.jsonl', `{"a":0}\n${rows}`), /data\/file:2: .*byte order mark/u);
});

test('a key that stands twice in an object of JSONL is told with its first line, also within a cell', async () => {
  const told = (line: number, key: string): RegExp =>
    new RegExp(`data/file:${line}: an object has the key "${key}" twice`, 'u');
  assert.match(await refused('a.jsonl', '{"a":0}\n{"b":1,"x":1,"x":2}\n{"a":3,"a":4}\n'), told(2, 'x'));
  assert.match(await refused('a.jsonl', '{"a":0}\n{"a":{"x":1,"x":2}}\n'), told(2, 'x'));
  assert.match(await refused('a.jsonl', '{"a":[{"y":{"x":1}},{"z":1,"\\u007a":NaN}]}\n'), told(1, 'z'));
  const wide = Array.from({ length: 80 }, (_, index) => `"k${index}":${index}`).join(',');
  assert.match(await refused('a.jsonl', `{"a":{${wide}}}\n{"a":{${wide},"k3":1}}\n`), told(2, 'k3'));
  const fine = '{"a":{"x":"a: \\"b\\": {","__proto__":1,"b":{"x":[{"x":1},{"x":2}]}}}\n{"a":{"x":NaN}}\n';
  assert.equal(await withFile('a.jsonl', fine, async ({ rows }) => rows), 2);
});

test('the line of a CSV row is found behind quoted line breaks, and blank lines at the end are none', async () => {
  const cell = fc.oneof(fc.constant('x'), fc.constant('a\nb'), fc.constant('a\r\nb'), fc.constant('say "hi"\n\n'));
  const rows = fc.array(fc.tuple(cell, cell), { minLength: 1, maxLength: 8 });
  await inTemporaryFolder(async (folder) => {
    const path = join(folder, 'a.csv');
    await fc.assert(
      fc.asyncProperty(rows, fc.constantFrom('\n', '\r\n'), fc.nat({ max: 2 }), async (table, end, blanks) => {
        let text = `a,b${end}`;
        const expected = new Map<number, number>();
        for (const [index, cells] of table.entries()) {
          expected.set(index + 1, text.split('\n').length);
          text += `${cells.map((each) => `"${each.replaceAll('"', '""')}"`).join(',')}${end}`;
        }
        await writeFile(path, text + end.repeat(blanks));
        assert.deepEqual((await linesOfRecords(path, [...expected.keys()])).found, expected);
        const dataset = await open(path);
        const read = await readColumns(dataset, { texts: ['a'] });
        assert.deepEqual(
          read.texts.get('a')?.values,
          table.map(([first]) => first),
        );
        dataset.close();
      }),
      { numRuns: 25 },
    );
  });
});

test('rows end as the first of them does, whatever line ends stand within its quotes', async () => {
  await inTemporaryFolder(async (folder) => {
    const path = join(folder, 'rows.csv');
    for (const [text, header, rows] of [
      [
        '"\n",2\r\n3,4\r\n',
        ['a', 'b'],
        [
          ['\n', '2'],
          ['3', '4'],
        ],
      ],
      ['"a\n",b\r\n3,"4\n5"\r\n', undefined, [['3', '4\n5']]],
      ['"a\r\n",b\n1,"x\r\ny"\n', undefined, [['1', 'x\r\ny']]],
      ['"a\r",b\n1,2\n', undefined, [['1', '2']]],
      ['"a\n",b\n1,2', undefined, [['1', '2']]],
    ] as const) {
      await writeFile(path, text);
      const csv = header === undefined ? {} : { header };
      const dataset = await openDataset({ name: 'evaluation', path, uri: 'rows.csv', csv });
      const read = await dataset.connection.runAndReadAll('select columns(*)::varchar from data');
      assert.deepEqual(read.getRows(), rows, JSON.stringify(text));
      dataset.close();
    }
  });
});

test('of a CSV only true and false are booleans: yes and no, t and f, 1 and 0 stay what they are', () =>
  withFile('a.csv', 'yes,t,one,ok,gap\nyes,t,1,true,\nno,f,0,False,TRUE\n', async (dataset) => {
    assert.deepEqual(
      dataset.columns.map(({ type }) => type),
      ['VARCHAR', 'VARCHAR', 'BIGINT', 'BOOLEAN', 'BOOLEAN'],
    );
    const { texts, numbers } = await readColumns(dataset, {
      texts: ['yes', 't', 'ok', 'gap'],
      numbers: ['one', 'ok', 'gap'],
    });
    assert.deepEqual(
      [...texts.values()].map(({ values }) => values),
      [
        ['yes', 'no'],
        ['t', 'f'],
        ['true', 'False'],
        [null, 'TRUE'],
      ],
    );
    assert.deepEqual(
      [...numbers.values()].map(({ values }) => [...values]),
      [
        [1, 0],
        [1, 0],
        [Number.NaN, 1],
      ],
    );
  }));

test('columns read at the same time are those read one after the other', async () => {
  const rows = Array.from({ length: 20_000 }, (_, row) => `${row},${row * 2},t${row}`);
  await withFile('wide.csv', `a,b,c\n${rows.join('\n')}\n`, async (dataset) => {
    const together = await Promise.all(
      [['a'], ['b'], ['c'], ['b', 'a']].map((texts) => readColumns(dataset, { texts })),
    );
    for (const read of together) {
      for (const [name, { values }] of read.texts) {
        const alone = (await readColumns(dataset, { texts: [name] })).texts.get(name)?.values;
        assert.deepEqual(values, alone);
      }
    }
    assert.equal(together[0]?.texts.get('a')?.values[19_999], '19999');
  });
});

test('a read that fails does not hold up the next', async () => {
  await withFile('one.csv', 'a\n1\n', async (dataset) => {
    const [bad, good] = await Promise.allSettled([
      readColumns(dataset, { texts: ['b'] }),
      readColumns(dataset, { texts: ['a'] }),
    ]);
    assert.equal(bad.status, 'rejected');
    assert.equal(good.status, 'fulfilled');
  });
});

test('texts are read as they stand in the file, few different ones or many, whatever is in them', async () => {
  const hostile = fc.constantFrom('', ' ', "'", "','", '"', '\\', 'a\u0000b', '\u0000', 'é', '😀', 'null', '(missing)');
  const texts = fc.array(fc.option(fc.oneof(hostile, fc.string({ unit: 'binary', maxLength: 40 }))), {
    minLength: 1,
    maxLength: 40,
  });
  await fc.assert(
    fc.asyncProperty(texts, fc.boolean(), async (some, many) => {
      const rows = many ? [...some, ...Array.from({ length: 300 }, (_, index) => `text ${index}`)] : some;
      // With a value that JSON can only give as text, so that an all-null column is one of texts too.
      const lines = [...rows, 'x'].map((text) => `${JSON.stringify({ text })}\n`);
      const read = await withFile('a.jsonl', lines.join(''), async (dataset) =>
        readColumns(dataset, { texts: ['text'] }),
      );
      assert.deepEqual(read.texts.get('text')?.values, [...rows, 'x']);
    }),
    { numRuns: 40 },
  );
});

test('a row with an empty cell too many is an error with its line, however that is written', async () => {
  for (const [text, line] of [
    ['a,b\n1,2\n3,4,\n', 3],
    ['a,b\r\n1,2,\r\n', 2],
    ['a,b\n1,"x\ny"\n1,2,""\n', 4],
    ['a,b\n1,2,,', 2],
  ] as const) {
    assert.match(
      await refused('rows.csv', text),
      new RegExp(`:${line}: this row has [34] cells, and the first line 2`, 'u'),
    );
  }
  await withFile('rows.csv', 'a,b\n1,\n"2,\n",""\n', async ({ rows }) => assert.equal(rows, 2));
  // Where the pieces that a file is read in meet.
  const rows = 'aaaaaa,b\n'.repeat(2 ** 20 / 8);
  await withFile('rows.csv', `a,b\n${rows}`, async ({ rows: found }) => assert.equal(found, 2 ** 17));
  assert.match(await refused('rows.csv', `a,b\n${rows}1,2,\n`), /this row has 3 cells/u);
});

test('a line of JSONL that is too long or holds half a character is named', async () => {
  const long = `{"a":1}\n{"a":"${'x'.repeat(34 * 2 ** 20)}"}\n`;
  assert.match(await refused('rows.jsonl', long), /:2: a line is longer than 16 MiB/u);
  assert.match(
    await refused('rows.jsonl', '{"a":"\\ud83d\\ude00"}\n{"a":"\\ude00"}\n'),
    /:2: .*half of a surrogate pair \(\\ude00\)/u,
  );
  await withFile('rows.jsonl', '{"a":"\\ud83d\\ude00"}\n', async ({ rows }) => assert.equal(rows, 1));
});

/** Two rows with a column x of decimals of 39 digits, which the engine cannot write: 10.25 and 1.50. */
const wideDecimals = Buffer.from(
  [
    'UEFSMRUEFSAVIEwVBBUAEgAAAQAAAAAAAAACAAAAAAAAABUAFRIVEiwVBBUQFQYVBhwAAAACAAAABAEBAwIVBBVEFURMFQQVABIAAAAAAAAAAA',
    'AAAAAAAAAAAAQBAAAAAAAAAAAAAAAAAAAAAJYVABUSFRIsFQQVEBUGFQYcAAAAAgAAAAQBAQMCFQQZPDUAGAZzY2hlbWEVBAAVBCUCGAJpZAAV',
    'DhUiFQIYAXglChUEFU4sXBUEFU4AAAAWBBkcGSwmABwVBBk1AAYQGRgCaWQVABYEFnQWdCZEJggpLBUEFQAVAgAVABUQFQIAPCkGGSYABAAAAC',
    'YAHBUOGTUABhAZGAF4FQAWBBaYARaYASbcASZ8KSwVBBUAFQIAFQAVEBUCADwpBhkmAAQAAAAWjAIWBCYIFowCACggcGFycXVldC1jcHAtYXJy',
    'b3cgdmVyc2lvbiAyNS4wLjEZLBwAABwAAADaAAAAUEFSMQ==',
  ].join(''),
  'base64',
);

test('decimals of more digits than the engine reads aright are refused', async () => {
  assert.match(await refused('wide.parquet', wideDecimals), /column "x" holds decimals of 39 digits.*at most 38/u);
});

/** Written by pyarrow: old (INT96), and utc, day and list of nanoseconds, of which all are whole microseconds; the engine cannot write them. */
const oldTimes = Buffer.from(
  [
    'UEFSMRUAFTwVPCwVBBUAFQYVBhwAAAACAAAABAHoA5VzwkgAAGeKJQDQB5VzwkgAAGeKJQAVBBksNQAYBnNjaGVtYRUCABUGJQIYA29sZAAWBBkcGR',
    'wmABwVBhklBgAZGANvbGQVABYEFmIWYiYISRwVABUAFQIAPCkGGSYABAAAABZiFgQmCBZiACggcGFycXVldC1jcHAtYXJyb3cgdmVyc2lvbiAyNS4w',
    'LjEZHBwAAAB+AAAAUEFSMQ==',
  ].join(''),
  'base64',
);
const nanoseconds = Buffer.from(
  [
    'UEFSMRUAFSwVLCwVBBUAFQYVBhwAAAACAAAABAG4Cyo2/pyXF6APKjb+nJcXFQAVHBUcLBUEFQAVBhUGHAAAAAIAAAADAYgTAAAAAAAAFQAVKhUqLB',
    'UEFQAVBhUGHAAAAAIAAAAEAAMAAAADAwBwFyo2/pyXFxUAFSwVLCwVBBUAFQYVBhwAAAACAAAABAFZGyo2/pyXF1obKjb+nJcXFQQZfDUAGAZzY2hl',
    'bWEVCAAVBCUCGAN1dGNsjBEcPAAAAAAAFQQlAhgDZGF5bHwSHDwAAAAAADUCGARsaXN0FQIVBkw8AAAANQQYBGxpc3QVAgAVBCUCGAdlbGVtZW50bI',
    'wRHDwAAAAAABUEJQIYBWxvY2FsbIwSHDwAAAAAABYEGRwZTCYAHBUEGSUGABkYA3V0YxUAFgQWUhZSJghJHBUAFQAVAgA8KQYZJgAEAAAAJgAcFQQZ',
    'JQYAGRgDZGF5FQAWBBZCFkImWkkcFQAVABUCADwpBhkmAgIAAAAmABwVBBklBgAZOARsaXN0BGxpc3QHZWxlbWVudBUAFgQWUBZQJpwBSRwVABUAFQ',
    'IAPCkmBAAZRgIAAAIAAAAmABwVBBklBgAZGAVsb2NhbBUAFgQWUhZSJuwBSRwVABUAFQIAPCkGGSYABAAAABa2AhYEJggWtgIAKCBwYXJxdWV0LWNw',
    'cC1hcnJvdyB2ZXJzaW9uIDI1LjAuMRlMHAAAHAAAHAAAHAAAAIcBAABQQVIx',
  ].join(''),
  'base64',
);

test('times in nanoseconds are read where no digit is lost, and refused where two would be one', async () => {
  await withFile('old.parquet', oldTimes, ({ rows }) => assert.equal(rows, 2));
  await withFile('nanoseconds.parquet', nanoseconds, async (dataset) => {
    const { texts } = await readColumns(dataset, { texts: ['utc', 'day', 'local'] });
    assert.deepEqual(
      ['utc', 'day', 'local'].map((name) => texts.get(name)?.values[0]),
      ['2023-11-14T22:13:20.000003Z', '00:00:00.000005Z', '2023-11-14T22:13:20.000007001Z'],
    );
  });
  const start = 1_700_000_000_000_000_000n;
  const cases: [column: string, bytes: Buffer, value: bigint][] = [
    ['old', oldTimes, (start % 86_400_000_000_000n) + 2000n],
    ['utc', nanoseconds, start + 4000n],
    ['day', nanoseconds, 5000n],
    ['list', nanoseconds, start + 6000n],
  ];
  for (const [column, bytes, value] of cases) {
    const written = Buffer.alloc(8);
    written.writeBigInt64LE(value);
    const changed = Buffer.from(bytes);
    changed.writeBigInt64LE(value + 1n, changed.indexOf(written));
    assert.match(
      await refused('cut.parquet', changed),
      new RegExp(
        `column "${column}" has times with nanoseconds, such as one that ends in 001\\. Expected times in micro`,
        'u',
      ),
    );
  }
});

test('times in nanoseconds of a file packed in a way that Node.js cannot unpack are told with what can be', async () => {
  const packed =
    'UEFSMRUAFRwVHiwVAhUAFQYVBhwAAADgAgAAAAIB6AMAAAAAAAAVBBksNQAYBnNjaGVtYRUCABUEJQIYAmF0bHwSHDwAAAAAABYCGRwZHCYAHBUEGSUGABkYAmF0FQ4W' +
    'AhZCFkQmCEkcFQAVABUCADwpBhkmAAIAAAAWQhYCJggWRAAoIHBhcnF1ZXQtY3BwLWFycm93IHZlcnNpb24gMjUuMC4xGRwcAAAAhQAAAFBBUjE=';
  assert.match(
    await refused('lz4.parquet', Buffer.from(packed, 'base64')),
    /column "at" .*packed with LZ4_RAW, which Node\.js [\d.]+ does not unpack.*pack the file with Snappy/u,
  );
});

test('a JSONL file may have values missing in any combination of its columns', async () => {
  const keys = Array.from({ length: 17 }, (_, index) => `k${index}`);
  const rows = 100_100;
  const line = (row: number): string =>
    `{${keys.map((key, index) => `"${key}":${(row >> index) % 2 === 0 ? 'null' : '1'}`).join(',')}}`;
  const text = Array.from({ length: rows }, (_, row) => line(row)).join('\n');
  await withFile('gaps.jsonl', text, (dataset) => {
    assert.equal(dataset.rows, rows);
    assert.deepEqual(
      dataset.columns.map(({ name, type }) => `${name} ${type}`),
      keys.map((key) => `${key} BIGINT`),
    );
  });
});
