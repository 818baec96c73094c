import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { readingOf } from '../../../../src/data/cells.ts';
import { linesOfRows } from '../../../../src/data/csv.ts';
import { openDataset, type CsvDialect, type Dataset } from '../../../../src/data/dataset.ts';
import { flatColumns, scanFlat } from '../../../../src/data/flat-lines.ts';
import type { JudgedLines } from '../../../../src/data/line-rules.ts';
import { plainCsv } from '../../../../src/data/plain-csv.ts';
import { idsOfRows } from '../../../../src/data/row-ids.ts';
import { silentLog } from '../../../../src/log.ts';
import { cellTypes } from '../../../../src/stages/data/cell-types.ts';
import { readContract, type Contract } from '../../../../src/stages/data/contract.ts';
import { compileContract } from '../../../../src/stages/data/judge.ts';
import { rowBatches, type Row } from '../../../../src/stages/data/rows.ts';
import { rowRules, rulesOfContract } from '../../../../src/stages/data/sieve/row-rules.ts';
import type { Suspects } from '../../../../src/stages/data/sieve/suspects.ts';
import { inTemporaryFolder } from '../../../support/project.ts';
import fc from '../../../support/properties.ts';

type Schema = object | boolean;

async function contractOf(folder: string, schema: Schema | string): Promise<Contract> {
  const path = join(folder, 'contract.json');
  await writeFile(path, typeof schema === 'string' ? schema : JSON.stringify(schema));
  return readContract(path, 'contract.json');
}

/** Of lines the numbers of those that are not clear; null where nothing is said. */
async function unclear(
  folder: string,
  contract: Contract,
  lines: readonly string[],
): Promise<readonly number[] | null> {
  const path = join(folder, 'rows.jsonl');
  await writeFile(path, lines.map((line) => `${line}\n`).join(''));
  const rules = rowRules(contract, 'id');
  assert.ok(rules !== null, 'no rules');
  return (await scanFlat({ path }, rules))?.judged?.unclear ?? null;
}

/** @throws where ajv refuses a row, or nobody can judge one of its numbers */
async function requireValid(path: string, contract: Contract, rows: readonly number[]): Promise<void> {
  const columns = (await scanFlat({ path }))?.columns ?? [];
  const types = cellTypes(
    contract.schema,
    columns.map(({ name }) => name),
  );
  const suspects = { from: '', condition: '', cells: [], key: false, rows };
  // Lines are read without the engine.
  const dataset = { format: 'jsonl', columns, parts: [{ path, uri: 'rows' }], paths: [path] } as unknown as Dataset;
  const judge = compileContract(contract, silentLog);
  let judged = 0;
  for await (const batch of rowBatches(dataset, types, suspects, contract.numbers)) {
    assert.deepEqual(judge.judge(batch), []);
    judged += batch.length;
  }
  assert.equal(judged, rows.length);
}

/** What is told of the rows of CSV; undefined where it is nothing. */
async function told(
  path: string,
  contract: Contract,
  columns: readonly string[],
  csv: CsvDialect = {},
): Promise<JudgedLines | undefined> {
  const rules = rowRules(contract, 'id');
  assert.ok(rules !== null, 'no rules');
  return (await plainCsv([path], columns, csv, async () => rules))?.judged;
}

/** Rows of CSV that the engine reads. */
function readByEngine(dataset: Dataset, rows: readonly number[]): Suspects {
  const { from, expressions } = readingOf(
    dataset,
    dataset.columns.map((column) => ({ column, use: 'json' })),
  );
  const numbered = `(select row_number() over () as number, ${expressions.map((each, at) => `${each} as cell_${at}`).join(', ')} from ${from})`;
  const condition = `number in (${rows.join(', ')})`;
  const cells = expressions.map((_, at) => `cell_${at}`);
  return { from: numbered, condition, cells, key: false };
}

/** Rows that were kept while they were judged are what the engine reads of them. Says how many there are. */
async function requireSameRows(path: string, contract: Contract, csv: CsvDialect = {}): Promise<number> {
  const source = { name: 'evaluation' as const, path, uri: 'rows', csv };
  const dataset = await openDataset(source, { rules: async () => rowRules(contract, 'a') }).catch((cause: unknown) => {
    // Line ends in cells, of which the file may be refused where it is opened.
    assert.match(String(cause), /^DataError: .*csv/isu);
  });
  if (dataset === undefined) return 0;
  try {
    const { unclear: rows = [], texts } = dataset.judged ?? {};
    if (texts === undefined || rows.length === 0) return 0;
    const types = cellTypes(
      contract.schema,
      dataset.columns.map(({ name }) => name),
    );
    const engine = readByEngine(dataset, rows);
    const read = async (suspects: Suspects): Promise<Row[] | null> => {
      const found: Row[] = [];
      try {
        for await (const batch of rowBatches(dataset, types, suspects, contract.numbers, 'a')) found.push(...batch);
      } catch (cause) {
        // A number that nobody can judge: which of several is told first is no matter.
        assert.match(String(cause), /^DataError: .*cannot be checked exactly/su);
        return null;
      }
      return found;
    };
    const [kept, wanted] = [await read({ ...engine, rows }), await read(engine)];
    const lines = await linesOfRows(dataset, rows);
    const ids = await idsOfRows(
      dataset,
      'a',
      rows.map((row) => row - 1),
    );
    for (const { number, line, id } of kept ?? []) {
      assert.deepEqual({ line }, lines.get(number));
      if (id !== undefined) assert.equal(id, ids.get(number - 1));
    }
    assert.deepEqual(kept?.map(({ line: _line, id: _id, ...row }) => row) ?? null, wanted);
    return rows.length;
  } finally {
    dataset.close();
  }
}

/** The same of rows of CSV, by all readings of the engine. @throws as `requireValid` does */
async function requireValidCells(
  path: string,
  contract: Contract,
  rows: readonly number[],
  csv: CsvDialect = {},
): Promise<void> {
  const dataset = await openDataset({ name: 'evaluation', path, uri: 'rows', csv }).catch((cause: unknown) => {
    // Line ends in cells, of which the file may be refused where it is opened.
    assert.match(String(cause), /^DataError: /u);
  });
  if (dataset === undefined) return;
  try {
    const types = cellTypes(
      contract.schema,
      dataset.columns.map(({ name }) => name),
    );
    const suspects = readByEngine(dataset, rows);
    const judge = compileContract(contract, silentLog);
    const judged: number[] = [];
    for await (const batch of rowBatches(dataset, types, suspects, contract.numbers)) {
      assert.deepEqual(judge.judge(batch), []);
      judged.push(...batch.map(({ number }) => number));
    }
    assert.deepEqual(judged, rows);
  } finally {
    dataset.close();
  }
}

const long = '1234567890123456789';

test('each rule clears what it allows, and nothing that it does not', async () => {
  const days = ['2024-02-29', '2000-02-29', '2023-04-30', '2023-12-31', '0000-02-29'];
  const noDays =
    '2023-02-29 1900-02-29 2023-04-31 2023-13-01 2023-00-10 2023-01-00 2023-1-1 2023-01-32 12023-01-01'.split(' ');
  const cases: [rule: Schema, clear: string[], unclear: string[]][] = [
    [true, ['1', '"a"', 'null', 'true', '"\\n"', '"é"', '1e5', long.slice(0, 18)], []],
    [false, [], ['1', '"a"', 'null', 'true', 'false']],
    [{ type: 'string' }, ['"a"', '"\\u00e9"', '"é"', '""'], ['1', 'null', 'true', 'false']],
    [{ type: 'number' }, ['1', '-1.5', '1e5'], ['"1"', 'null', 'true', 'false']],
    [
      { type: 'integer' },
      ['1', '1.0', '1e2', '-3', '123456789012345678'],
      ['1.5', '1e-2', '"1"', '0.1234567890123456'],
    ],
    [{ type: 'boolean' }, ['true', 'false'], ['1', '"true"', 'null']],
    [{ type: ['string', 'null'] }, ['"a"', 'null'], ['1', 'true']],
    [{ type: 'object' }, [], ['1', '"a"']],
    [{ const: 'a' }, ['"a"'], ['"b"', '"ab"', '"ba"', '""', '1', 'null', '"\\u0061"']],
    [{ enum: [1, 'a.b', true, null] }, ['1', '1.0', '"a.b"', 'true', 'null'], ['2', '"a_b"', 'false', '1.5']],
    [{ enum: ['é'] }, [], ['"é"', '"e"']],
    [{ minimum: 2 }, ['2', '2.0', '3', '"a"', '2.5000000000000001'], ['1', '1.9', '-2', '1.99999999999999999', '-9']],
    [{ maximum: -1.5 }, ['-1.5', '-2'], ['-1.4', '-1.49999999999999999', '0']],
    [{ exclusiveMinimum: 2 }, ['2.1', '3'], ['2', '2.00000000000000001']],
    [{ exclusiveMaximum: 2 }, ['1.9', '1'], ['2', '1.99999999999999999']],
    [{ multipleOf: 3 }, ['3', '-6', '3.0', '0'], ['4', '3.5', '3000000000000000000', '3e15']],
    [
      { multipleOf: 0.01 },
      ['36.48', '-0.07', '3', '1e3', '4e-2', '0.000', '9999999999999', '"a"'],
      ['0.005', '36.485', '1e-3', '99999999999999', '0.0100000000000000001', '1e22', '1e-22'],
    ],
    [{ multipleOf: 30 }, ['30', '60.0', '3e1'], ['3', '30.3', '1e22']],
    [{ multipleOf: 2.5 }, ['5', '7.50', '-2.5'], ['6', '2.55', '0.25']],
    [
      { format: 'date-time' },
      ['"2024-02-29T10:00:00Z"', '"2024-01-01 23:59:59.125+01:30"', '1'],
      [
        '"2023-02-29T10:00:00Z"',
        '"2024-02-29T24:00:00Z"',
        '"2024-02-29T10:00:00"',
        '"2024-02-29"',
        '"2016-12-31T23:59:60Z"',
      ],
    ],
    [{ format: 'iso-date-time' }, ['"2024-02-29T10:00:00"'], ['"2023-02-29T10:00:00"']],
    [{ format: 'time' }, ['"10:00:00z"'], ['"10:00:00"', '"10:60:00Z"']],
    [{ oneOf: [{ type: 'integer', minimum: 1 }, { enum: ['a', null] }] }, ['1', '"a"', 'null'], ['0', '"b"', 'true']],
    [{ oneOf: [{ type: 'string' }, { type: ['string', 'boolean'] }, { const: 1 }] }, ['true', '1'], ['"a"', '2']],
    [
      { minLength: 2 },
      ['"ab"', '"éé"', '"🤦a"', '"\\n\\u00e9"', '1'],
      ['"a"', '"é"', '"🤦"', '"\\n"', '"\\ud83e\\udd26"'],
    ],
    [{ maxLength: 1 }, ['""', '"a"', '"é"', '"🤦"', '"\\u00e9"', '"\\ud83e\\udd26"'], ['"ab"', '"é🤦"', '"\\n\\n"']],
    [{ pattern: '^a' }, ['"ab"', '1'], ['"ba"', '""', '"aé"', '"a\\n"']],
    [{ pattern: 'b$', minLength: 3 }, ['"aab"'], ['"ab"', '"aaa"']],
    [{ format: 'email' }, ['"a@b.co"'], ['"a@b"']],
    [{ format: 'password' }, ['"a"'], []],
    [{ type: 'string', format: 'date' }, days.map((day) => `"${day}"`), noDays.map((day) => `"${day}"`)],
    [{ allOf: [{ minimum: 1 }, { maximum: 3 }, { type: 'integer' }] }, ['2'], ['0', '4', '2.5', '"a"']],
    [{ anyOf: [{ type: 'integer', minimum: 1 }, { type: 'null' }] }, ['1', 'null'], ['0', '1.5', '"a"', 'true']],
    [{ $ref: '#/$defs/small' }, ['9', '"a"'], ['10']],
    // Rounded to a double it may be a number of the contract, or whole.
    [{ not_asked: 0.5, description: '' }, ['0.5', '0.50', '0.6000000000000001'], []],
    [{ maximum: 0.5 }, ['0.5', '0.4999999999999'], ['0.4999999999999999999', '0.50000000000000000000']],
    [{ enum: [1, 0.3] }, ['1', '0.3'], ['0.7123456789012345678', '0.3000000000000000001']],
    [
      { minimum: 0, examples: [1.1] },
      ['1.1', '1.1123456789012345678'],
      ['1.0999999999999999965831', '1.1000000000000000001'],
    ],
    [{ minimum: 0, examples: [1e17] }, ['100000001000000016'], ['100000000000000001']],
    [{ minimum: 0 }, ['7.1234567890123456'], ['7.00000000000000001', '6.99999999999999999']],
    // What a double cannot say nearly is left.
    [{ minimum: 0 }, ['1e22', '1e-22'], ['1e23', '1e-23', `0.${'1'.repeat(40)}`, '-1']],
  ];
  await inTemporaryFolder(async (folder) => {
    for (const [rule, clear, others] of cases) {
      const asked = JSON.stringify(rule).includes('not_asked') ? { examples: [0.5] } : rule;
      const contract = await contractOf(folder, { properties: { x: asked }, $defs: { small: { maximum: 9 } } });
      const lines = [...clear, ...others].map((token) => `{"x":${token}}`);
      const found = await unclear(folder, contract, lines);
      const wanted = others.map((_, at) => clear.length + at + 1);
      const said = `${JSON.stringify(rule)}: ${lines.filter((_, at) => found?.includes(at + 1)).join(' ')}`;
      assert.deepEqual(found, wanted, said);
      await requireValid(
        join(folder, 'rows.jsonl'),
        contract,
        [...clear.keys()].map((at) => at + 1),
      );
    }
  });
});

test('each rule clears the cells of CSV that it allows, and no others', async () => {
  const anyText = ['1', 'a', '', '""', '"a, b"', 'é', 'TRUE', '007', 'a\tb', '1e999', ' 1', '-0', '+1', long];
  const numbers = '1 -1.5 1e5 -0 0.0 -0.0 "2" 1E+2 5e-05 123456789012345678'.split(' ');
  const noNumbers = 'a 01 +1 .5 1. - 1e -01 --1 Infinity -inf 1e999 TRUE 0x1 1_000 1e5.5 é n/a'.split(' ');
  const missing = ['', '""'];
  const nan = ['nan', 'NaN', '"NaN"', '-nan', '+NAN'];
  const booleans = 'true True TRUE false False FALSE "true"'.split(' ');
  const breaks = ['"a\nb"', '"a\rb"', '"a\r\nb"'];
  const doubled = '"a ""b"" c"';
  const required = true;
  const cases: [rule: Schema, clear: string[], unclear: string[], required?: boolean][] = [
    // Whether the column is one of numbers, where NaN is none, no cell says.
    [true, [...anyText, ...booleans, doubled], [...nan, ...breaks]],
    [true, ['a'], [...missing], required],
    [{ description: 'b' }, anyText, nan],
    [false, missing, ['1', 'a', 'true', ...nan, doubled]],
    [{ type: 'string' }, [...anyText, ...nan, ...booleans, ...numbers, doubled], breaks],
    [{ type: 'string' }, ['a', '1', 'nan'], missing, required],
    [{ type: ['string', 'null'] }, [...anyText, ...missing, doubled], breaks, required],
    [{ allOf: [{ type: ['string', 'null'] }, { type: 'string' }] }, ['a'], missing],
    [{ type: 'null' }, missing, ['a', '0', 'null', 'nan']],
    [{ type: 'number' }, [...numbers, ...missing, ...nan], [...noNumbers, ' 1', '1 ', doubled]],
    [{ type: 'number' }, numbers, [...noNumbers, ...missing, ...nan], required],
    [{ type: ['number', 'null'] }, [...numbers, ...missing, ...nan], noNumbers, required],
    [{ type: ['number', 'string'] }, [...numbers, ...missing, ...nan, 'a', '01', doubled], ['1e999']],
    [{ type: ['number', 'boolean'] }, [...numbers, ...nan, ...booleans], ['a', 'tRUE']],
    [
      { type: 'integer' },
      ['1', '1.0', '1e2', '-3', '"7"'],
      ['1.5', '1e-2', 'a', '0.1234567890123456', '"7.5"', '12345678901234567e-1'],
    ],
    [{ type: 'boolean' }, [...booleans, ...missing], ['tRUE', '1', '0', 't', 'yes', 'trueé', ...nan]],
    [{ type: 'boolean' }, booleans, missing, required],
    [{ type: 'string', minimum: 0 }, ['a', '01', 'nan'], ['1', '"1"', '1e5', '0.5']],
    [{ const: true }, ['true', 'True', 'TRUE'], ['false', 'False', 'FALSE']],
    [{ const: false }, ['false', 'False', 'FALSE'], ['true', 'True', 'TRUE']],
    [{ enum: ['true', 1] }, ['true', '1', '1.0', 'nan'], ['True', 'false', '2', '"2"']],
    [{ enum: ['1', 'a,b'] }, ['1', '"1"', '"a,b"'], ['1.0', 'a', '2', '"2"', 'é']],
    [{ const: 'é' }, [], ['é', 'e']],
    [{ const: 'NaN' }, ['NaN'], ['nan', 'a']],
    [
      { minimum: 2 },
      ['2', '2.0', '"2"', '3', 'nan', 'a', '02'],
      ['1', '"1"', '1.9', '-2', '1.99999999999999999', '-9'],
    ],
    [{ maximum: -1.5 }, ['-1.5', '-2', '-15e-1'], ['-1.4', '-1.49999999999999999', '0', '15e-1', '"1.5"']],
    // A double for each digit makes more of it than there is.
    [{ minimum: 100 }, ['100', '100.12345678901234567'], ['99.999999999999999282685', '99.999999999999999671039']],
    [{ exclusiveMinimum: 2 }, ['2.1', '3'], ['2', '2.00000000000000001', '20e-1']],
    [{ exclusiveMaximum: 2 }, ['1.9', '1', '-0'], ['2', '1.99999999999999999']],
    [{ multipleOf: 3 }, ['3', '-6', '3.0', '0', '30e1'], ['4', '3.5', '3000000000000000000', '3e15']],
    [
      { minLength: 2 },
      ['10', 'ab', '"a,"', '"10"', 'éé', '🤦a', '1.', '-1', '', '""""""'],
      ['1', '""""', '\uFEFFa', 'é', '🤦', '"1"', '"é"', 'a', 'nan'],
    ],
    [{ maxLength: 1 }, ['1', 'é', '🤦', '"🤦"', '', '""""'], ['10', 'ab', 'é🤦', '"\n"', '-1', '""""""']],
    [{ pattern: '^[0-9]{3}$' }, ['007', '123', '"123"', ''], ['12', '"12"', '"1""2"', '1234', '12é', '12\\', 'nan']],
    [{ pattern: 'b$', minLength: 3, maxLength: 4 }, ['aab'], ['ab', 'aaa', 'aaaab', '"a\nb"', 'a\tb']],
    [{ format: 'email' }, ['a@b.co', '"a@b.co"'], ['a@b']],
    [{ $ref: '#/$defs/small' }, ['9', 'a', '9.0'], ['10', '1e1']],
    [{ maximum: 0.5 }, ['0.5', '0.4999999999999'], ['0.4999999999999999999', '0.50000000000000000000']],
    [{ minimum: 0, examples: [1e17] }, ['100000001000000016'], ['100000000000000001']],
    [{ minimum: 0 }, ['1e22', '1e-22'], ['1e23', '1e-23', `0.${'1'.repeat(40)}`, `1${'0'.repeat(120)}`, '-1']],
  ];
  await inTemporaryFolder(async (folder) => {
    const path = join(folder, 'rows.csv');
    for (const [rule, clear, others, needed = false] of cases) {
      const schema = { properties: { x: rule }, $defs: { small: { maximum: 9 } }, required: needed ? ['x'] : [] };
      const contract = await contractOf(folder, schema);
      for (const end of ['\n', '\r\n']) {
        // What is read after a number of many digits is read in another way.
        const long = ['0.12345678901234567', '-0.12345678901234567'];
        const cells = [...clear, ...others, ...long, ...clear, ...others];
        await writeFile(path, ['x,y', ...cells.map((cell) => `${cell},1`)].map((line) => line + end).join(''));
        const all = (await told(path, contract, ['x', 'y']))?.unclear;
        const before = clear.length + others.length;
        const found = all?.filter((row) => row <= before);
        assert.deepEqual(
          all?.flatMap((row) => (row > before + long.length ? [row - before - long.length] : [])),
          found,
        );
        const said = `${JSON.stringify(rule)}: ${cells.filter((_, at) => found?.includes(at + 1)).join(' ')}`;
        assert.deepEqual(
          found,
          others.map((_, at) => clear.length + at + 1),
          said,
        );
        const rows = [...clear.keys()].map((at) => at + 1);
        if (rows.length > 0) await requireValidCells(path, contract, rows);
      }
    }
  });
});

test('rows of CSV are told by their columns, and of those that are not plain nothing is', async () => {
  await inTemporaryFolder(async (folder) => {
    const path = join(folder, 'rows.csv');
    const unclearIn = async (
      schema: Schema,
      text: string,
      csv?: CsvDialect,
      columns: readonly string[] = ['a', 'b'],
    ): Promise<readonly number[] | undefined> => {
      await writeFile(path, text);
      return (await told(path, await contractOf(folder, schema), columns, csv))?.unclear;
    };
    const schema = { properties: { a: { minimum: 1 } }, required: ['b'], additionalProperties: { type: 'boolean' } };
    const text = 'a,b\n1,true\n0,true\n1,x\n,True\n1,\n2,FALSE';
    assert.deepEqual(await unclearIn(schema, text), [2, 3, 5]);
    assert.deepEqual(await unclearIn(schema, `\uFEFF${text}`), [2, 3, 5]);
    assert.deepEqual(await unclearIn(schema, text.replaceAll(',', ';'), { delimiter: ';' }), [2, 3, 5]);
    assert.deepEqual(await unclearIn(schema, text.slice(4), { header: ['a', 'b'] }), [2, 3, 5]);
    assert.deepEqual(await unclearIn({ properties: { a: true }, additionalProperties: false }, text), [1, 2, 3, 4, 6]);
    assert.deepEqual(await unclearIn({ properties: { b: false } }, 'a,b\n1,\n'), []);
    assert.equal(await unclearIn({}, '"a\n",b\n1,2\n', undefined, ['a\n', 'b']), undefined);
    // No row has it.
    assert.equal(await unclearIn({ required: ['b', 'c'] }, text), undefined);
    for (const csv of [{ decimal: ',' }, { missing: ['NA'] }, { quote: "'" }, { delimiter: '-' }] as const)
      assert.equal(await unclearIn({}, 'a,b\n1,2\n', csv), undefined);
    for (const row of ['1', '1,2,3', '"1,2', '1,a"b', '1,"a"b', '1,2\r', '', '1,\0'])
      assert.equal(await unclearIn({}, `a,b\n1,2\n${row}\n`), undefined, row);
  });
});

test('where many rows are not clear, or a quarter of many, nothing is told', async () => {
  await inTemporaryFolder(async (folder) => {
    const contract = await contractOf(folder, { properties: { x: { minimum: 1 } } });
    const path = join(folder, 'rows.csv');
    for (const [rows, each, told] of [
      [10_000, 1, true],
      [10_001, 1, false],
      [60_000, 5, true],
      [60_000, 3, false],
    ] as const) {
      const cells = Array.from({ length: rows }, (_, row) => `${row % each === 0 ? 0 : 1},${'y'.repeat(9)}\n`);
      await writeFile(path, `x,y\n${cells.join('')}`);
      const found = await plainCsv([path], ['x', 'y'], {}, async () => rowRules(contract, 'id'));
      assert.equal(found?.rows, rows);
      assert.equal(found.judged?.unclear.length, told ? rows / each : undefined);
    }
    // Nor of several files that together have as many.
    const paths = [path, join(folder, 'more.csv')];
    for (const [rows, told] of [
      [5000, true],
      [5001, false],
    ] as const) {
      for (const each of paths) await writeFile(each, `x,y\n${'0,\n'.repeat(rows)}`);
      const found = await plainCsv(paths, ['x', 'y'], {}, async () => rowRules(contract, 'id'));
      assert.equal(found?.rows, 2 * rows);
      assert.equal(found.judged?.unclear.length, told ? 2 * rows : undefined);
    }
  });
});

test('rows have what is required, and nothing that is not allowed', async () => {
  await inTemporaryFolder(async (folder) => {
    const schema = {
      type: 'object',
      required: ['a', 'b'],
      properties: { a: { minimum: 1 } },
      additionalProperties: { type: 'string' },
    };
    const lines = [
      '{"a":1,"b":"x"}',
      '{"b":"x","a":1}',
      '{ "b" : "x" , "a" : 1 }\r',
      '{"a":1}',
      '{}',
      '{"a":1,"b":2}',
      '{"a":1,"b":"","A":0}',
      '{"a":0,"b":""}',
      '{"a":null,"b":"y"}',
    ];
    assert.deepEqual(await unclear(folder, await contractOf(folder, schema), lines), [4, 5, 6, 7, 8]);
    const closed = await contractOf(folder, { properties: { a: true }, additionalProperties: false });
    assert.deepEqual(await unclear(folder, closed, ['{"a":1}', '{"A":1}', '{"__proto__":1}', '{"b":null}']), [2, 3, 4]);
    for (const line of [
      '{"a":1,"a":2}',
      '{"\\u0061":1}',
      '{"a":1,}',
      '{"a":1',
      '{"a":01}',
      '{"a":-0}',
      '{"a":1e400}',
      '\uFEFF{"a":1}',
      '{"a":"\\ud800"}',
      '{"a":1}{}',
      '{"a":[1]}',
      '',
    ])
      assert.equal(await unclear(folder, closed, ['{"a":1}', line]), null, line);
  });
});

test('a column of which the contract says more than rules do leaves the others as they are', async () => {
  const cases: [rule: object, unclear: string[], clear?: string[]][] = [
    [{ not: { const: 1 } }, ['2', '"a"', 'null']],
    [{ if: true }, ['2']],
    [{ pattern: '(?=a)' }, ['"a"'], ['2', 'null']],
    [{ format: 'uri' }, ['"a:b"'], ['2']],
    [{ format: 'int32' }, ['1']],
    [{ format: 'date', formatMinimum: '2020-01-01' }, ['"2021-01-01"']],
    [{ format: 'email', pattern: 'a' }, ['"a@b.co"'], ['2']],
    [{ anyOf: [{ minimum: 1 }, { maximum: 0 }] }, ['0'], ['1', '"a"']],
    [{ $ref: '#/properties/x' }, ['1']],
    [{ $ref: '#/nowhere' }, ['1']],
    [{ oneOf: [true, true] }, ['1', '"a"']],
    [{ oneOf: [{ type: 'number' }, { minimum: 1 }] }, ['1', '0'], ['"a"', 'null']],
  ];
  await inTemporaryFolder(async (folder) => {
    for (const [x, others, clear = []] of cases) {
      const contract = await contractOf(folder, { properties: { x, y: { minimum: 1 } } });
      const lines = [...clear, ...others].map((token) => `{"x":${token}}`);
      const found = await unclear(folder, contract, [...lines, '{"y":1}', '{"y":0}']);
      const wanted = others.map((_, at) => clear.length + at + 1);
      assert.deepEqual(found, [...wanted, lines.length + 2], JSON.stringify(x));
    }
  });
});

test('nothing is asked of rows where the contract says more than rules do', async () => {
  await inTemporaryFolder(async (folder) => {
    const ofRow: (Schema | string)[] = [
      false,
      { minProperties: 1 },
      { anyOf: [{ required: ['a'] }] },
      { patternProperties: { a: true } },
      { properties: { ['__proto__']: { type: 'string' } } },
      { required: ['__proto__'] },
      { type: 'object', unevaluatedProperties: false },
      '{"properties":{"x":{"minimum":0.1000000000000000055}}}',
      '{"properties":{"x":{"minimum":0,"maximum":1e400}}}',
    ];
    for (const schema of ofRow)
      assert.equal(rowRules(await contractOf(folder, schema), 'id'), null, JSON.stringify(schema));
    const { numbers: _none, ...untold } = await contractOf(folder, {});
    assert.equal(rowRules(untold, 'id'), null);
  });
});

test('it says whether ids grow', async () => {
  await inTemporaryFolder(async (folder) => {
    const contract = await contractOf(folder, {});
    const grows = async (...ids: (string | null)[]): Promise<boolean> => {
      const lines = ids.map((id) => (id === null ? '{"x":1}\n' : `{"id":${id},"x":1}\n`));
      const path = join(folder, 'rows.jsonl');
      await writeFile(path, lines.join(''));
      const dataset = await openDataset(
        { name: 'evaluation', path, uri: 'rows' },
        { rules: async () => rowRules(contract, 'id') },
      );
      dataset.close();
      assert.equal(dataset.judged?.by, rowRules(contract, 'id')?.key);
      return dataset.judged?.idsGrow === true;
    };
    assert.equal(await grows('-2', '1', null, '7', 'null', '123456789012'), true);
    for (const ids of [
      ['1', '1'],
      ['2', '1'],
      ['1', '2.5'],
      ['1', '"2"'],
      ['1', 'true'],
      ['1', '2000000000000000'],
      ['-1', '-2'],
      ['1.0', '2'],
    ])
      assert.equal(await grows(...ids), false, ids.join());
  });
});

test('it says whether ids of CSV grow', async () => {
  await inTemporaryFolder(async (folder) => {
    const path = join(folder, 'rows.csv');
    const contract = await contractOf(folder, { properties: { id: { minimum: -5 } } });
    const grows = async (...ids: string[]): Promise<boolean | undefined> => {
      await writeFile(path, `id,x\n${ids.map((id) => `${id},"a\n"\n`).join('')}`);
      return (await told(path, contract, ['id', 'x']))?.idsGrow;
    };
    assert.equal(await grows('-2', '-0', '"1"', '', '7', '""', '123456789012', '999999999999999'), true);
    assert.equal(await grows('', ''), true);
    for (const ids of [
      ['1', '1'],
      ['2', '1'],
      ['"2"', '"1"'],
      ['1', '"1"'],
      ['-0', '0'],
      ['1', '2.5'],
      ['1', '2.0'],
      ['1', '2e0'],
      ['1', '02'],
      ['1', '+2'],
      ['1', 'x'],
      ['1', 'true'],
      ['1', 'nan'],
      ['1', '2', '"3 ""x"" y"'],
      ['1', '1000000000000000'],
      ['1', '12345678901234567890'],
      ['-1', '-2'],
      ['-1', '"-2"'],
    ])
      assert.equal(await grows(...ids), false, ids.join());
  });
});

test('pieces and files are told as one', async () => {
  await inTemporaryFolder(async (folder) => {
    const contract = await contractOf(folder, { properties: { x: { minimum: 0 } } });
    const paths = [join(folder, 'a.jsonl'), join(folder, 'b.jsonl')];
    const write = (at: number, ids: readonly number[]): Promise<void> =>
      writeFile(paths[at] as string, ids.map((id) => `{"id":${id},"x":${id % 7 === 3 ? -1 : 1}}\n`).join(''));
    const ids = (from: number): number[] => Array.from({ length: 40 }, (_, at) => from + at);
    await write(0, ids(1));
    await write(1, ids(41));
    const wanted = {
      by: rowRules(contract, 'id')?.key,
      unclear: [...ids(1), ...ids(41)].filter((id) => id % 7 === 3),
      idsGrow: true,
    };
    for (const least of [undefined, 50])
      assert.deepEqual((await flatColumns(paths, rowRules(contract, 'id'), least))?.judged, wanted);
    await write(1, ids(40));
    for (const least of [undefined, 50])
      assert.equal((await flatColumns(paths, rowRules(contract, 'id'), least))?.judged?.idsGrow, false);
    const texts = [
      '3,-1',
      '10,-1',
      '17,-1',
      '24,-1',
      '31,-1',
      '38,-1',
      '45,-1',
      '52,-1',
      '59,-1',
      '66,-1',
      '73,-1',
      '80,-1',
    ];
    const written = [join(folder, 'a.csv'), join(folder, 'b.csv')];
    const rows = (of: readonly number[]): string =>
      `id,x\n${of.map((id) => `${id},${id % 7 === 3 ? -1 : 1}\n`).join('')}`;
    await writeFile(written[0] as string, rows(ids(1)));
    await writeFile(written[1] as string, rows(ids(41)));
    const columns = ['id', 'x'];
    for (const least of [undefined, 50]) {
      const { judged } = (await plainCsv(written, columns, {}, async () => rowRules(contract, 'id'), least)) ?? {};
      assert.deepEqual(judged, { ...wanted, texts, files: [40, 40] });
    }
    await writeFile(written[1] as string, rows(ids(40)));
    for (const least of [undefined, 50])
      assert.equal(
        (await plainCsv(written, columns, {}, async () => rowRules(contract, 'id'), least))?.judged?.idsGrow,
        false,
      );
  });
});

const value = fc.oneof(
  fc.constantFrom<Schema>(
    {},
    {},
    {},
    { type: 'number' },
    { type: 'integer' },
    { type: 'string' },
    { type: ['boolean', 'null'] },
    { type: ['string', 'integer', 'null'] },
    { minimum: 0.3 },
    { exclusiveMinimum: 0.3 },
    { maximum: 3 },
    { exclusiveMaximum: 3 },
    { multipleOf: 1 },
    { multipleOf: 3 },
    { multipleOf: 0.1 },
    { multipleOf: 0.15 },
    { minLength: 1 },
    { maxLength: 1 },
    { pattern: '^[a-c]' },
    { pattern: 'c$' },
    { format: 'date' },
    { format: 'email' },
    { format: 'date-time' },
    { format: 'uri' },
    { format: 'int32' },
    { pattern: '^(?=a)' },
    { not: { type: 'number' } },
    { enum: ['a', 1, null, true] },
    { const: 0.3 },
    { const: false },
    true,
    false,
  ),
);
const rule = fc.oneof(
  value,
  fc.tuple(value, value).map(([one, other]): Schema => ({ allOf: [one, other] })),
  fc.tuple(value, value).map(([one, other]): Schema => ({ anyOf: [one, other] })),
  fc.array(value, { minLength: 1, maxLength: 3 }).map((all): Schema => ({ oneOf: all })),
  fc
    .tuple(value, value)
    .map(([one, other]): Schema => Object.assign({}, Object(one) as object, Object(other) as object)),
);
const names = ['a', 'b', 'c'];
const asked = {
  rules: fc.tuple(rule, rule),
  others: fc.option(value, { freq: 2 }),
  required: fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, fc.subarray(names)),
};

test('no row of JSONL is clear that ajv refuses, or whose numbers nobody can judge', async () => {
  const tokens = fc.oneof(
    fc.constantFrom(
      'null',
      'true',
      'false',
      '""',
      '"a"',
      '"abc"',
      '"é"',
      '"\\u0061"',
      '"2024-02-29"',
      '"2023-02-29"',
      '"2024-02-29T10:00:00Z"',
      '"a@b.co"',
      '"🤦"',
      '" "',
    ),
    fc.constantFrom(
      '0',
      '1',
      '-1',
      '3',
      '0.1',
      '0.30',
      '0.3',
      '1.0',
      '1e0',
      '3e-1',
      '0.30000000000000004',
      '0.3000000000000000001',
      '0.2999999999999999',
      '2.99999999999999999',
      '3.0000000000000001',
      '0.1000000000000000055',
      '9007199254740993',
      '1000000000000000000',
      '1e15',
      '-0.0',
      '1e22',
      '5e-05',
      '100000000000000000.1',
    ),
    fc.constantFrom(
      '-0',
      '01',
      '1.',
      '.5',
      '+1',
      'NaN',
      'Infinity',
      '1e400',
      '"\\ud800"',
      '"\t"',
      '[1]',
      '{"a":1}',
      'nul',
      '"',
      'TRUE',
      '0x1',
    ),
    fc.double({ noNaN: true, min: -5, max: 5 }).map(String),
  );
  const plainTokens = tokens.filter(
    (each) => !/^(?:-0|0[1x]|1\.|\.|\+|N|I|1e400|"\\ud|"\t|[[{]|nul$|"$|T)/u.test(each),
  );
  const pair = (token: typeof tokens): fc.Arbitrary<string> =>
    fc
      .tuple(fc.constantFrom('"a"', '"a"', '"c"', '"b"', '"__proto__"'), fc.constantFrom(':', ': ', ' :'), token)
      .map((parts) => parts.join(''));
  const line = fc.oneof(
    {
      weight: 12,
      arbitrary: fc
        .tuple(
          fc.uniqueArray(pair(plainTokens), { maxLength: 3, selector: (each) => each.split('"')[1] }),
          fc.constantFrom(',', ', ', ' ,\t'),
          fc.constantFrom('', '', '\r', ' '),
        )
        .map(([pairs, comma, end]) => `{${pairs.join(comma)}}${end}`),
    },
    {
      weight: 1,
      arbitrary: fc
        .tuple(
          fc.array(pair(tokens), { maxLength: 3 }),
          fc.constantFrom(',', ',,'),
          fc.constantFrom('}', ',}', '', '}}', '} {}'),
        )
        .map(([pairs, comma, end]) => `{${pairs.join(comma)}${end}`),
    },
  );
  const generated = fc.record({
    ...asked,
    lines: fc.array(line, { minLength: 1, maxLength: 6 }),
  });
  let [clear, left, unsaid] = [0, 0, 0];
  await inTemporaryFolder(async (folder) => {
    const path = join(folder, 'rows.jsonl');
    await fc.assert(
      fc.asyncProperty(generated, async ({ rules: [a, b], others, required, lines }) => {
        const contract = await contractOf(folder, {
          properties: { a, b },
          required,
          ...(others === null ? {} : { additionalProperties: others }),
        });
        const rules = rowRules(contract, 'id');
        if (rules === null) return;
        await writeFile(path, `${lines.join('\n')}\n`);
        const found = (await scanFlat({ path }, rules))?.judged?.unclear;
        if (found === undefined) {
          unsaid += 1;
          return;
        }
        const cleared = [...lines.keys()].map((at) => at + 1).filter((row) => !found.includes(row));
        clear += cleared.length;
        left += found.length;
        if (cleared.length > 0) await requireValid(path, contract, cleared);
      }),
      { numRuns: Number(process.env['CONTENDER_SIEVE_RUNS'] ?? 500), seed: 9 },
    );
  });
  assert.ok(
    clear > 50 && left > 50 && unsaid > 50,
    `${clear} clear, ${left} not, ${unsaid} files of which nothing is said`,
  );
});

test('a contract whose references branch without end is read in little time', async () => {
  await inTemporaryFolder(async (folder) => {
    const definitions = Object.fromEntries(
      Array.from({ length: 60 }, (_, at) => {
        const next = { $ref: `#/$defs/d${at + 1}` };
        return [`d${at}`, at === 59 ? { type: 'string' } : { allOf: [next, next] }];
      }),
    );
    const contract = await contractOf(folder, { properties: { x: { $ref: '#/$defs/d0' } }, $defs: definitions });
    assert.deepEqual(await unclear(folder, contract, ['{"id":1,"x":"a"}', '{"id":2,"x":1}']), [2]);
  });
});

test('no row of CSV is clear that ajv refuses, or whose numbers nobody can judge', async () => {
  const word = fc.oneof(
    fc.constantFrom(
      '',
      '',
      'a',
      'abc',
      'é',
      '🤦',
      ' ',
      ' a',
      'a ',
      '\\',
      '\t',
      'a@b.co',
      '2024-02-29',
      '2023-02-29',
      '2024-02-29T10:00:00Z',
    ),
    fc.constantFrom('true', 'True', 'TRUE', 'tRUE', 'false', 'FALSE', 'nan', 'NaN', '-nan', '+nan', 'null', '\uFEFFa'),
    fc.constantFrom('0', '1', '-1', '3', '0.1', '0.30', '0.3', '1.0', '1e0', '3e-1', '-0', '-0.0', '1e15', '1e22', '4'),
    fc.constantFrom('01', '+1', ' 1', '1 ', '.5', '1.', '-', '1e', '1e999', '-1e999', 'Infinity', 'inf', '0x1', '1_0'),
    fc.constantFrom(
      '0.30000000000000004',
      '0.3000000000000000001',
      '0.2999999999999999',
      '2.99999999999999999',
      '3.0000000000000001',
      '9007199254740993',
      '1000000000000000000',
      '100000000000000000.1',
      '12345678901234567890123456789012345678901234567890',
    ),
    fc.double({ noNaN: true, min: -5, max: 5 }).map(String),
    fc.string({ unit: 'grapheme', maxLength: 3 }).filter((each) => !/[\0-\b]/u.test(each)),
    fc.constantFrom('a,b', '"', 'a"b', 'a\nb', '\r\n', ',', '\n'),
  );
  const generated = fc.record({
    ...asked,
    rows: fc.array(fc.tuple(word, word, word), { minLength: 1, maxLength: 8 }),
    delimiter: fc.constantFrom(',', ',', ';', 'a'),
    quoted: fc.infiniteStream(fc.constantFrom(false, false, true)),
    end: fc.constantFrom('\n', '\n', '\r\n'),
    last: fc.boolean(),
    mark: fc.constantFrom('', '', '\uFEFF'),
    named: fc.boolean(),
    damage: fc.oneof(
      { weight: 4, arbitrary: fc.constant(null) },
      {
        weight: 1,
        arbitrary: fc.record({ at: fc.nat({ max: 40 }), by: fc.constantFrom('"', ',', '\n', '\r', '"\n') }),
      },
    ),
  });
  let [clear, left, kept, unsaid] = [0, 0, 0, 0];
  await inTemporaryFolder(async (folder) => {
    const path = join(folder, 'rows.csv');
    await fc.assert(
      fc.asyncProperty(generated, async ({ rules: [a, b], others, required, ...table }) => {
        const contract = await contractOf(folder, {
          properties: { a, b },
          required,
          ...(others === null ? {} : { additionalProperties: others }),
        });
        if (rowRules(contract, 'id') === null) return;
        const { delimiter, end, named, damage } = table;
        const cell = (each: string): string =>
          table.quoted.next().value || /["\r\n]/u.test(each) || each.includes(delimiter)
            ? `"${each.replaceAll('"', '""')}"`
            : each;
        const header = named ? [] : [names.map((name) => (name === delimiter ? `"${name}"` : name))];
        const lines = [...header, ...table.rows.map((row) => row.map(cell))].map((row) => row.join(delimiter));
        let text = `${named ? '' : table.mark}${lines.join(end)}${table.last ? end : ''}`;
        if (damage !== null) text = text.slice(0, damage.at) + damage.by + text.slice(damage.at);
        await writeFile(path, text);
        const csv = { delimiter, ...(named ? { header: names } : {}) };
        const found = (await told(path, contract, names, csv))?.unclear;
        // A header that is damaged has other names.
        if (found === undefined || (damage !== null && !named)) {
          unsaid += 1;
          return;
        }
        const count = (await plainCsv([path], names, csv))?.rows ?? 0;
        const cleared = Array.from({ length: count }, (_, at) => at + 1).filter((row) => !found.includes(row));
        clear += cleared.length;
        left += found.length;
        kept += found.length === 0 ? 0 : await requireSameRows(path, contract, csv);
        if (cleared.length === 0) return;
        await requireValidCells(path, contract, cleared, csv).catch((cause: unknown) => {
          // Of line ends in cells, which are never clear.
          if (found.length === 0 || !String(cause).includes('CSV')) throw cause;
          unsaid += 1;
        });
      }),
      { numRuns: Number(process.env['CONTENDER_SIEVE_RUNS'] ?? 500), seed: 9 },
    );
  });
  assert.ok(
    clear > 50 && left > 50 && kept > 50 && unsaid > 20,
    `${clear} clear, ${left} not, ${kept} of them kept, ${unsaid} files of which nothing is said`,
  );
});

test('a multiple in a part of a contract that allows no number leaves numbers to whoever judges them', async () => {
  await inTemporaryFolder(async (folder) => {
    const contract = await contractOf(folder, {
      properties: { x: { anyOf: [{ type: 'string', multipleOf: 2 }, { type: 'number' }] } },
    });
    assert.deepEqual(await unclear(folder, contract, ['{"id":1,"x":0.12345678901234567}', '{"id":2,"x":"a"}']), [1]);
  });
});

test('a contract that takes long to understand has no rules', async () => {
  await inTemporaryFolder(async (folder) => {
    const properties = Object.fromEntries(
      Array.from({ length: 400 }, (_, at) => [`a${at}`, { pattern: `${at}[ab]*a[ab]{7}$` }]),
    );
    await contractOf(folder, { properties });
    const config = { columns: { id: 'id', label: 'y' }, data: { evaluation: 'e.csv', contract: 'contract.json' } };
    const began = performance.now();
    const rules = await rulesOfContract({
      config: config as unknown as Parameters<typeof rulesOfContract>[0]['config'],
      pathOf: async (uri) => join(folder, uri),
    });
    assert.equal(rules, null);
    assert.ok(performance.now() - began < 60_000);
  });
});
