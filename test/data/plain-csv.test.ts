import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { gzipSync } from 'node:zlib';
import { DuckDBInstance } from '@duckdb/node-api';
import { csvColumns, csvFrom } from '../../src/data/csv-cells.ts';
import { plainCsv } from '../../src/data/plain-csv.ts';
import { fileDigest } from '../../src/file-digest.ts';
import { inTemporaryFolder } from '../support/project.ts';
import fc from '../support/properties.ts';

const names = (width: number): string[] => Array.from({ length: width }, (_, index) => `c${index}`);

const instance = await DuckDBInstance.create(':memory:', { threads: '1' });
const connection = await instance.connect();
after(() => {
  connection.closeSync();
  instance.closeSync();
});

const cell = fc.oneof(
  fc.integer().map(String),
  fc.double().map(String),
  fc.bigInt().map(String),
  fc.constantFrom(
    '',
    'true',
    'False',
    'tRUE',
    'nan',
    '-NaN',
    '+nan',
    'inf',
    '1_0',
    '.5',
    '5.',
    '-',
    '-0',
    '007',
    '1e5',
  ),
  fc.constantFrom(
    '1E+5',
    '1e',
    '1e+',
    '0x1',
    ' 1',
    '1 ',
    '1-2',
    '12345678901234567890',
    `1${'0'.repeat(40)}`,
    '/',
    'é',
  ),
  fc.string({ unit: 'grapheme', maxLength: 4 }).filter((text) => !/[\0-\b]/u.test(text)),
);
const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`;
const written = fc
  .tuple(cell, fc.boolean())
  .map(([text, always]) => (always || /[",\r\n]/u.test(text) ? quoted(text) : text));
const rows = fc.integer({ min: 2, max: 4 }).chain((width) =>
  fc.record({
    width: fc.constant(width),
    lines: fc.array(fc.array(written, { minLength: width, maxLength: width }), { minLength: 1, maxLength: 6 }),
    end: fc.constantFrom('\n', '\r\n'),
    last: fc.boolean(),
  }),
);

test('it says what the engine says of every cell of a plain file, and nothing of any other', async () => {
  let said = 0;
  let unsaid = 0;
  await inTemporaryFolder(async (folder) => {
    const path = join(folder, 'rows.csv');
    const damage = fc.record({ at: fc.nat({ max: 60 }), by: fc.constantFrom('"', ',', '\n', '\r', 'x', '"\n', '') });
    await fc.assert(
      fc.asyncProperty(rows, fc.option(damage, { freq: 2 }), async ({ width, lines, end, last }, damaged) => {
        const named = names(width);
        let text = [named, ...lines].map((each) => each.join(',')).join(end) + (last ? end : '');
        if (damaged !== null) text = text.slice(0, damaged.at) + damaged.by + text.slice(damaged.at + 1);
        await writeFile(path, text);
        const engine = await csvColumns(
          connection,
          csvFrom(
            [path],
            named.map((name) => ({ name })),
          ),
          named,
        ).catch(() => null);
        const plain = await plainCsv([path], named);
        if (plain === null) {
          unsaid += 1;
          assert.ok(damaged !== null, `not taken for plain: ${JSON.stringify(text)}`);
          return;
        }
        said += 1;
        const { columns, sha256s, plain: isPlain, ...others } = await csvColumns(connection, '', named, {}, plain);
        assert.ok(isPlain);
        assert.deepEqual(sha256s, [createHash('sha256').update(text).digest('hex')]);
        assert.deepEqual({ ...others, plain: false, columns }, engine, JSON.stringify(text));
      }),
      { numRuns: Number(process.env['CONTENDER_CSV_RUNS'] ?? 300), seed: 9 },
    );
  });
  assert.ok(said > 50 && unsaid > 50, `${said} said, ${unsaid} not`);
});

test('pieces of a file may end anywhere', async () => {
  await inTemporaryFolder(async (folder) => {
    const path = join(folder, 'rows.csv');
    const line = `1,"a ""b""\n,c",${'x'.repeat(97)},true\r\n`;
    const count = 30_000;
    await writeFile(path, `a,b,c,d\r\n${line.repeat(count)}`);
    const found = await plainCsv([path], names(4));
    assert.deepEqual(found, {
      rows: count,
      kinds: [1, 32, 32, 16],
      present: [count, count, count, count],
      sha256s: [await fileDigest(path)],
      lineBreaks: true,
    });
  });
});

test('a byte order mark is left to the engine where it stands before a value', async () => {
  await inTemporaryFolder(async (folder) => {
    const path = join(folder, 'rows.csv');
    await writeFile(path, '\ufeff1,2\n3,4\n');
    assert.equal(await plainCsv([path], names(2), { header: ['a', 'b'] }), null);
    assert.equal((await plainCsv([path], names(2)))?.rows, 1, 'of a header it is no matter');
  });
});

test('a last row without a line end that fills all the memory is read too', async () => {
  await inTemporaryFolder(async (folder) => {
    const path = join(folder, 'rows.csv.gz');
    // As many columns as make the tables end where a page less sixteen bytes does.
    const width = 7548;
    const row = 'x,'.repeat(width - 1);
    const text = `${names(width).join(',')}\n${row}${'y'.repeat(2 * 1024 * 1024 - row.length)}`;
    await writeFile(path, gzipSync(text, { level: 1 }));
    assert.equal((await plainCsv([path], names(width)))?.rows, 1);
  });
});

test('where there is no memory for WebAssembly the engine reads', async () => {
  await inTemporaryFolder(async (folder) => {
    const path = join(folder, 'rows.csv');
    await writeFile(path, 'c0,c1\n1,2\n');
    // A thread of its own has no memory from before.
    const program = `
      WebAssembly.Memory = function none() { throw new RangeError('WebAssembly.Memory(): could not allocate memory'); };
      const { parentPort } = require('node:worker_threads');
      import(${JSON.stringify(new URL('../../src/data/plain-csv.js', import.meta.url).href)})
        .then(({ plainCsv }) => plainCsv([${JSON.stringify(path)}], ['c0', 'c1']))
        .then((found) => parentPort.postMessage(found));`;
    const [found] = (await once(new Worker(program, { eval: true }), 'message')) as unknown[];
    assert.equal(found, null);
  });
});

test('what was read before, and what is read beside it, is in no other reading', async () => {
  await inTemporaryFolder(async (folder) => {
    const texts = [
      `c0,c1,c2\r\n${'1,x,0.5\r\n'.repeat(50)}`,
      'c0,c1\n1,2,3\n',
      `c0\n${'"a\nb"\n'.repeat(3)}`,
      'c0,c1\ntrue,\n-4,nan\n',
    ];
    const paths = texts.map((_, index) => join(folder, `${index}.csv`));
    for (const [index, path] of paths.entries()) await writeFile(path, texts[index] as string);
    const read = (index: number): ReturnType<typeof plainCsv> =>
      plainCsv([paths[index] as string], names([3, 2, 1, 2][index] as number));
    const alone: unknown[] = [];
    for (const index of [0, 1, 2, 3]) alone.push(await read(index));
    assert.deepEqual(
      alone.map((found) => (found as { rows: number } | null)?.rows),
      [50, undefined, 3, 2],
    );
    for (const order of [
      [3, 2, 1, 0],
      [1, 3, 0, 2],
    ]) {
      const together = await Promise.all(order.map(read));
      assert.deepEqual(
        together,
        order.map((index) => alone[index]),
      );
    }
  });
});

test('what may be part of a number is no delimiter of plain CSV', async () => {
  await inTemporaryFolder(async (folder) => {
    const path = join(folder, 'rows.csv');
    for (const delimiter of ['.', '-', '1']) {
      await writeFile(path, `a${delimiter}b\n2${delimiter}3\n`);
      assert.equal(await plainCsv([path], names(2), { delimiter }), null);
    }
  });
});

test('threads that look at pieces of a file say what one look at all of it says', async () => {
  await inTemporaryFolder(async (folder) => {
    const path = join(folder, 'rows.csv');
    const line = '1,text,,1234567890.12345678\n';
    for (const [text, plain] of [
      [`a,b,c,d\n${line.repeat(50)}`, true],
      [`a,b,c,d\n${line.repeat(50)}2,x,true,-0`, true],
      // The file may be cut within a cell.
      [`a,b,c,d\n${`1,"${'x\n1,2,3,4\n'.repeat(20)}",,2\n`.repeat(3)}`, true],
      [`a,b,c,d\n${`1,"${'x\n'.repeat(20)}",,2\n`.repeat(30)}`, true],
      [`a,b,c,d\n${line.repeat(50)}1,2,3\n`, false],
      [`a,b,c,d\n${line.repeat(50)}${line.repeat(50).replaceAll('\n', '\r\n')}`, false],
      [`a,b,c,d\n1,2,3\n${line.repeat(50)}`, false],
    ] as const) {
      await writeFile(path, text);
      const whole = await plainCsv([path], names(4));
      assert.equal(whole !== null, plain, text.slice(0, 100));
      assert.deepEqual(await plainCsv([path], names(4), {}, null, 20), whole, text.slice(0, 100));
    }
  });
});
