import assert from 'node:assert/strict';
import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { compileContract } from '../../../src/stages/data/judge.ts';
import { DataError } from '../../../src/errors.ts';
import { silentLog } from '../../../src/log.ts';
import { combinedVerdict } from '../../../src/evidence/index.ts';
import { fixture, inTemporaryFolder } from '../../support/project.ts';
import { writeParquet } from '../../support/parquet.ts';
import { check, invalidRows, validate, violationsOf } from './support.ts';

interface Details {
  datasets: {
    evaluation: {
      columns: { name: string; nulls: number; invalid: number }[];
      violations: { column: string | null; rule: string; rows: number }[];
      examples: { row: number; line?: number; column: string | null; rule: string; message: string; value: string }[];
    };
  };
}

async function withRows<T>(name: string, text: string, work: (path: string) => Promise<T>): Promise<T> {
  return inTemporaryFolder(async (folder) => {
    const path = join(folder, name);
    await writeFile(path, text);
    return work(path);
  });
}

const contract = {
  type: 'object',
  required: ['id', 'age'],
  properties: { id: { type: 'string' }, age: { type: 'integer', minimum: 0 }, member: { type: 'boolean' } },
  additionalProperties: false,
};

test('the spam evaluation set keeps to its contract', async () => {
  const schema: unknown = JSON.parse(await readFile(fixture('spam/schema.json'), 'utf8'));
  await inTemporaryFolder(async (folder) => {
    const path = join(folder, 'eval.parquet');
    await copyFile(fixture('spam/data/eval.parquet'), path);
    const evidence = await validate(path, schema, [{ row_count: { min: 2350, max: 2350 } }]);
    assert.deepEqual(
      evidence.checks.map(({ verdict }) => verdict),
      ['pass', 'pass', 'pass'],
    );
  });
});

test('offending rows are counted by column and rule and shown with row, line, column, value and rule', async () => {
  await withRows('a.csv', 'id,age,member\na,1,true\n"b\nb",-1,true\nc,,yes\nd,x,false\n', async (path) => {
    const evidence = await validate(path, contract);
    const { verdict, observed, message, location } = check(evidence, 'contract');
    assert.deepEqual([combinedVerdict(evidence.checks), verdict, observed], ['fail', 'fail', 3]);
    assert.equal(message, '3 of 4 rows break the contract; first row 2 (line 3): age is -1: must be >= 0');
    assert.deepEqual(location, { file: 'data/rows', line: 3 });
    const { violations, examples, columns } = (evidence.details as unknown as Details).datasets.evaluation;
    assert.deepEqual(
      examples.map(({ row, line, column, rule, value }) => [row, line, column, rule, value]),
      [
        [2, 3, 'age', 'minimum', '-1'],
        [3, 5, 'age', 'required', 'nothing'],
        [4, 6, 'age', 'type', '"x"'],
      ],
    );
    assert.deepEqual(
      violations.map(({ column, rule, rows }) => [column, rule, rows]),
      [
        ['age', 'minimum', 1],
        ['age', 'required', 1],
        ['age', 'type', 1],
      ],
    );
    assert.deepEqual(
      columns.map(({ name, nulls, invalid }) => [name, nulls, invalid]),
      [
        ['id', 0, 0],
        ['age', 1, 3],
        ['member', 0, 0],
      ],
    );
  });
});

test('rows that are told valid when the file is opened are not read again', async () => {
  const schema = { properties: { id: { type: 'integer' }, age: { minimum: 0 }, member: { type: 'boolean' } } };
  const rows = [
    [1, 20, true],
    [2, 30, false],
    [7, 41, true],
  ];
  const lines = rows.map(([id, age, member]) => JSON.stringify({ id, age, member }));
  for (const [name, text] of [
    ['rows.csv', `id,age,member\r\n${rows.map((row) => `${row.join(',')}\r\n`).join('')}`],
    ['rows.jsonl', `${lines.join('\n')}\n`],
  ] as const) {
    const verdicts = async (changed: string, gone: boolean): Promise<string[]> =>
      withRows(name, changed, async (path) =>
        (await validate(path, schema, [], 'id', gone)).checks.map(({ id, verdict }) => `${id} ${verdict}`),
      );
    const all = ['row-count', 'unique(id)', 'contract'].map((each) => `data/evaluation/${each} pass`);
    assert.deepEqual(await verdicts(text, false), all);
    assert.deepEqual(await verdicts(text, true), all);
    const broken = verdicts(text.replace('41', '-41'), true);
    // Of CSV rows that are not certainly valid are kept, but for those that have line ends in cells.
    if (name === 'rows.jsonl') await assert.rejects(broken, /ENOENT/u);
    else {
      assert.deepEqual(await broken, [...all.slice(0, 2), 'data/evaluation/contract fail']);
      await assert.rejects(verdicts(text.replace('41', '"-41\n"'), true), /cannot be read/u);
    }
    // Ids that do not grow are compared.
    await assert.rejects(verdicts(text.replace('7', '1'), true), /cannot be read/u);
  }
});

test('a thousand offending rows are all counted and twenty are shown', async () => {
  const text = `id,age\n${Array.from({ length: 1000 }, (_, index) => `i${index},-1`).join('\n')}\n`;
  await withRows('a.csv', text, async (path) => {
    const evidence = await validate(path, contract);
    assert.equal(check(evidence, 'contract').observed, 1000);
    assert.equal((evidence.details as unknown as Details).datasets.evaluation.examples.length, 20);
  });
});

test('in CSV only exact spellings are numbers and booleans, and an empty cell is a missing value, as is NaN among numbers', async () => {
  const column = async (cells: string[], schema: unknown): Promise<number[]> =>
    withRows('a.csv', `id,x\n${cells.map((cell, index) => `${index},${cell}\n`).join('')}`, (path) =>
      invalidRows(path, { properties: { x: schema }, required: ['x'] }),
    );
  const numbers = ['1', '-0.5', '1e3', '1E+3', '0', '01', '.5', '1.', '+1', '1_0', 'nan', 'inf', '0x1', ' 1', '""', ''];
  assert.deepEqual(await column(numbers, { type: 'number' }), [6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
  assert.deepEqual(
    await column(['true', 'false', 'True', 'FALSE', 'tRue', '1', 'T', ''], { type: 'boolean' }),
    [5, 6, 7, 8],
  );
  assert.deepEqual(await column(['nan', '1', 'NaN'], { type: ['number', 'null'] }), []);
  assert.deepEqual(await column(['nan', 'x'], { type: 'string' }), [], 'of texts it is a text');
  assert.deepEqual(await column(['', '3', 'x'], { type: ['integer', 'null'] }), [3]);
  assert.deepEqual(await column(['3.0', '3.5', '1e400'], { type: 'integer' }), [2, 3]);
  assert.deepEqual(await column(['3', '-3', 'x'], { minimum: 0 }), [2], 'a bound alone names numbers');
  assert.deepEqual(await column(['3', '4'], { enum: ['3'] }), [2]);
});

test('Parquet cells become the JSON that docs/data.md says', async () => {
  await inTemporaryFolder(async (folder) => {
    const path = join(folder, 'a.parquet');
    await writeParquet(
      path,
      `select 1 as id, 1.50::decimal(5,2) as price, date '2024-02-29' as day, timestamp '2024-02-29 12:30:00.25' as at,
       timestamptz '2024-02-29 12:30:00+02' as zoned, 'ab'::blob as bytes, '\\xFFa'::blob as other, [1, 2] as list, {'a': 'x', 'b': null} as struct, null::integer as none`,
    );
    const exactly = (value: unknown): unknown => ({ const: value });
    const properties = {
      id: exactly(1),
      price: exactly(1.5),
      day: exactly('2024-02-29'),
      at: exactly('2024-02-29T12:30:00.250000Z'),
      zoned: exactly('2024-02-29T10:30:00.000000Z'),
      bytes: exactly('ab'),
      other: exactly('/2E='),
      list: exactly([1, 2]),
      struct: exactly({ a: 'x', b: null }),
    };
    assert.deepEqual(await invalidRows(path, { properties, required: Object.keys(properties) }), []);
    assert.deepEqual(await invalidRows(path, { properties: { at: { format: 'date-time' } }, required: ['at'] }), []);
    assert.deepEqual(await invalidRows(path, { properties: { none: { type: 'integer' } } }), []);
    assert.deepEqual(await invalidRows(path, { properties: { none: { type: 'integer' } }, required: ['none'] }), [1]);
    assert.deepEqual(await invalidRows(path, { properties: { none: { type: 'null' } }, required: ['none'] }), []);
  });
});

test('an infinite date or time is neither a date nor missing', async () => {
  await inTemporaryFolder(async (folder) => {
    const path = join(folder, 'a.parquet');
    for (const [type, format] of [
      ['date', 'date'],
      ['timestamp', 'date-time'],
      ['timestamptz', 'date-time'],
    ]) {
      await writeParquet(path, `select unnest(['infinity', '2024-02-29', null, '-infinity'])::${type} as x`);
      assert.deepEqual(await invalidRows(path, { properties: { x: { format } } }), [1, 4], type);
    }
  });
});

test('NaN is missing to a contract, and infinities are not numbers', async () => {
  await inTemporaryFolder(async (folder) => {
    const path = join(folder, 'a.parquet');
    await writeParquet(path, "select unnest(['1', 'nan', 'inf', '-inf'])::double as x");
    const x = { type: 'number' };
    assert.deepEqual(await invalidRows(path, { properties: { x } }), [3, 4]);
    assert.deepEqual(await invalidRows(path, { properties: { x }, required: ['x'] }), [2, 3, 4]);
  });
});

test('JSON that JSON.parse refuses is a finding with its line, and null is not the same as missing', async () => {
  const text = '{"id":"a","age":1}\n\n{"id":"b","age":2}\n{"id":"c","age":3,}\n{"id":"d"}\n{"id":"e","age":null}\n';
  await withRows('a.jsonl', text, async (path) => {
    const evidence = await validate(path, contract);
    const { examples } = (evidence.details as unknown as Details).datasets.evaluation;
    assert.deepEqual(
      examples.map(({ row, line, rule }) => [row, line, rule]),
      [
        [3, 4, 'json'],
        [4, 5, 'required'],
        [5, 6, 'type'],
      ],
    );
  });
});

test('a required column that is missing is told with the nearest there is', async () => {
  await withRows('a.csv', 'id,agee\na,1\n', async (path) => {
    const { message } = check(await validate(path, { required: ['age'] }), 'contract');
    assert.match(message, /must have required property 'age'; did you mean agee\?/u);
  });
});

test('the id must be there, unique and never missing', async () => {
  await withRows('a.csv', 'id,x\na,1\nb,2\na,3\n,4\n', async (path) => {
    const unique = check(await validate(path), 'unique(id)');
    assert.deepEqual([unique.verdict, unique.severity], ['fail', 'block']);
    assert.equal(unique.message, '1 row repeats an earlier one, such as "a" (2 times); 1 row without a value');
  });
  await withRows('a.csv', 'idd,x\na,1\n', async (path) => {
    await assert.rejects(validate(path), /there is no column "id".*Did you mean "idd"\?/u);
  });
});

test('a row that breaks several rules is listed with its line and file under each', async () => {
  await inTemporaryFolder(async (folder) => {
    for (const [name, rows] of Object.entries({ a: 'a,1\nb,2\n', b: 'c,-1\na,-2\n' }))
      await writeFile(join(folder, `${name}.csv`), `id,age\n${rows}`);
    const { files = [] } = await validate(join(folder, '*.csv'), contract);
    assert.deepEqual(
      String(files[1]?.content)
        .split('\n')
        .slice(1, -1)
        .map((each) => each.split(',').slice(1, 7).join(' ')),
      [
        'c 3 2 data/rows/b.csv age minimum',
        'a 4 3 data/rows/b.csv age minimum',
        'a 1 2 data/rows/a.csv id unique',
        'a 4 3 data/rows/b.csv id unique',
      ],
    );
  });
});

test('NaN in a column of numbers is no id, whether or not there is a contract', async () => {
  await withRows('a.csv', 'id,x,label\n1,0.5,0\nnan,0.6,1\nNaN,0.7,1\n', async (path) => {
    for (const schema of [undefined, { type: 'object', properties: { x: { type: 'number' } } }]) {
      const { verdict, observed } = check(await validate(path, schema), 'unique(id)');
      assert.deepEqual([verdict, observed], ['fail', '2 rows without a value']);
    }
  });
});

test('a rule that no data can keep to is a slip of whoever wrote it', async () => {
  await withRows('a.csv', 'id,x\n1,a\n', async (path) => {
    await assert.rejects(validate(path, undefined, [{ unique: ['id'] }, { row_count: { min: 5, max: 4 } }]), {
      name: 'ConfigError',
      message: /data\.rules\[1\]\.row_count: min 5 and max 4: no value can satisfy both/u,
    });
    await assert.rejects(
      validate(path, undefined, [{ value_frequency: { column: 'x', values: ['a'], min: 0.5, max: 0.1 } }]),
      /value_frequency: min 0\.5 and max 0\.1/u,
    );
  });
});

test('table rules judge row count, uniqueness over several columns and the fraction of nulls', async () => {
  await withRows('a.csv', 'id,x,y\n1,a,\n2,a,b\n3,a,b\n4,,\n', async (path) => {
    const evidence = await validate(path, undefined, [
      { row_count: { min: 4, max: 4 } },
      { unique: ['x', 'y'] },
      { null_fraction: { column: 'y', max: 0.5 } },
      { null_fraction: { column: 'x', max: 0.2 } },
    ]);
    assert.deepEqual(
      evidence.checks.map(({ id, verdict, observed }) => [id, verdict, observed]),
      [
        ['data/evaluation/row-count', 'pass', 4],
        ['data/evaluation/unique(id)', 'pass', 'unique, never null'],
        ['data/evaluation/unique(x,y)', 'fail', '1 row repeats an earlier one, such as "a", "b" (2 times)'],
        ['data/evaluation/null-fraction(y)', 'pass', 0.5],
        ['data/evaluation/null-fraction(x)', 'fail', 0.25],
      ],
    );
  });
});

test('a rule on a column that is not there is a mistake, and says nothing of the data', async () => {
  await withRows('a.csv', 'id,x\n1,a\n', async (path) => {
    for (const rule of [{ unique: ['x', 'z'] }, { null_fraction: { column: 'z', max: 1 } }]) {
      await assert.rejects(validate(path, undefined, [rule]), { name: 'DataError', message: /no column "z"/u });
    }
  });
});

test('a dataset without rows fails every check that needs rows', async () => {
  await withRows('a.csv', 'id,age\n', async (path) => {
    const evidence = await validate(path, contract, [{ null_fraction: { column: 'age', max: 1 } }]);
    assert.deepEqual(
      evidence.checks.filter(({ verdict }) => verdict === 'fail').map(({ id }) => id.split('/')[2]),
      ['row-count', 'null-fraction(age)', 'contract'],
    );
  });
});

test('hostile values and names reach the evidence short, on one line, with nothing invisible', async () => {
  const row = JSON.stringify({ id: `x\u202E\n\u0007${'y'.repeat(500)}`, 'a"; --\n`|': 1 });
  await withRows('a.jsonl', `${row}\n`, async (path) => {
    const evidence = await validate(path, { properties: { id: { type: 'number' } } });
    const { message } = check(evidence, 'contract');
    assert.ok(message.length < 250);
    assert.doesNotMatch(message, /[\p{Cc}\p{Cf}]/u);
    const second = check(
      await validate(path, { additionalProperties: { const: 2 }, properties: { id: true } }),
      'contract',
    );
    assert.doesNotMatch(second.message, /[\p{Cc}\p{Cf}]/u);
  });
});

test('a reference to the only dynamic anchor of its name leads there', async () => {
  await withRows('a.csv', 'id,x\na,1\nb,two\n', async (path) => {
    const schema = { properties: { x: { $dynamicRef: '#n' } }, $defs: { n: { $dynamicAnchor: 'n', type: 'number' } } };
    const { observed, message } = check(await validate(path, schema), 'contract');
    assert.equal(observed, 1);
    assert.match(message, /first row 2 \(line 3\): x is "two": must be number/u);
  });
});

test('a contract that cannot be used is refused with the reason', async () => {
  await withRows('a.csv', 'id\n1\n', async (path) => {
    const cases: [unknown, RegExp][] = [
      ['{"type": ', /contract\.schema\.json: not JSON/u],
      ['[]', /not a JSON Schema/u],
      [
        { properties: { 'a/b': { type: 'numbr' } } },
        /not a usable JSON Schema: #\/properties\/a~1b\/type is "numbr", and must be one of "array", .*Did you mean "number"\?$/u,
      ],
      [
        { properties: { id: { exclusiveMinimum: true } } },
        /#\/properties\/id\/exclusiveMinimum is true, and must be number\./u,
      ],
      [{ $ref: 'https://example.com/a.json' }, /resolve reference.*references are never fetched/su],
      [{ $schema: 'http://json-schema.org/draft-07/schema#' }, /draft-07.*2020-12/su],
      [{ $async: true }, /\$async/u],
      [{ type: 'array', items: {} }, /"type": "array" at the top\. Expected "object": a row is an object/u],
      [{ type: ['string', 'null'] }, /"type": \["string","null"\] at the top/u],
      ['{"properties": {"a": false}, "properties": {"id": {}}}', /the key "properties" twice, of which only the last/u],
      ['{"properties": {"id": {"minimum": 5, "minimum": 0}}}', /the key "minimum" twice/u],
      [{ properties: { id: { pattern: '(' } } }, /not a usable JSON Schema: .*pattern|regular expression/u],
      [`${'{"not":'.repeat(200)}{}${'}'.repeat(200)}`, /deeper than 100/u],
      [`{}${' '.repeat(1024 * 1024)}`, /at most 1 MiB/u],
      // In another encoding no row would have the value, and in UTF-16 nothing is JSON.
      [Buffer.from('{"properties": {"id": {"enum": ["caf\u00e9"]}}}', 'latin1'), /this is not text in UTF-8/u],
      [Buffer.from('\uFEFF{"type": "object"}', 'utf16le'), /this is not text in UTF-8/u],
    ];
    for (const [schema, message] of cases) {
      await assert.rejects(
        validate(path, schema),
        (error) => error instanceof DataError && message.test(error.message),
        String(message),
      );
    }
  });
});

test('a contract of more columns than can be compiled is told as that, and not as one that refers to itself', () => {
  const columns = Array.from({ length: 12_000 }, (_, index) => [`gene_${index}`, { type: 'number', minimum: index }]);
  // The time limit is reached on any machine.
  const of = (schema: Record<string, unknown>, limit?: number) =>
    compileContract({ uri: 'c.json', sha256: '', schema }, silentLog, limit);
  assert.throws(() => of({ properties: Object.fromEntries(columns) as unknown }, 200), {
    name: 'DataError',
    message:
      /^c\.json: the contract has rules for 12,000 columns, too many to compile.*about 10,000 at most.*patternProperties/u,
  });
  const judge = of({ patternProperties: { '^gene_': { type: 'number' } } });
  const value = Object.fromEntries(columns.map(([name]) => [name, name === 'gene_11999' ? 'x' : 1]));
  assert.deepEqual(
    judge.judge([{ number: 1, value }]).map(({ column }) => column),
    ['gene_11999'],
  );
});

test('a pattern that backtracks without end is stopped and the row named', () => {
  const schema = { properties: { x: { type: 'string', pattern: '^(a|a)*$' } } };
  const judge = compileContract({ uri: 'c.json', sha256: '', schema }, silentLog, 1000);
  const rows = [
    { number: 7, value: { x: 'aaa' } },
    { number: 8, value: { x: `${'a'.repeat(60)}b` } },
  ];
  assert.throws(() => judge.judge(rows), /c\.json: judging row 8 took longer than 1 s/u);
  assert.deepEqual(judge.judge(rows.slice(0, 1)), []);
});

test('NaN within a list is null and an infinity is no number, in Parquet as in JSONL, before the sieve and behind it', () =>
  inTemporaryFolder(async (folder) => {
    const lists = ["['nan'::double]", "['inf'::double]", '[1.5::double]', '[]::double[]', '[null]::double[]'];
    const parquet = join(folder, 'rows.parquet');
    await writeParquet(parquet, lists.map((list, row) => `select ${row} as id, ${list} as l`).join(' union all '));
    const jsonl = join(folder, 'rows.jsonl');
    const written = ['[NaN]', '[Infinity]', '[1.5]', '[]', '[null]'];
    await writeFile(jsonl, written.map((list, row) => `{"id":${row},"l":${list}}\n`).join(''));
    for (const [type, expected] of [
      [['number', 'null'], [2]],
      ['number', [1, 2, 5]],
      ['null', [2, 3]],
    ] as const) {
      const schema = { properties: { l: { type: 'array', items: { type } } } };
      for (const path of [parquet, jsonl]) {
        for (const sieved of [true, false])
          assert.deepEqual(await invalidRows(path, schema, sieved), expected, `${path} ${JSON.stringify(type)}`);
      }
    }
  }));

test('a number within a list of Parquet that a double cannot judge is refused, as one of JSONL is', () =>
  inTemporaryFolder(async (folder) => {
    const path = join(folder, 'rows.parquet');
    const schema = { properties: { s: { properties: { n: { type: 'integer', maximum: 2 ** 53 } } } } };
    await writeParquet(
      path,
      `select 'a' as id, {'n': 9007199254740993} as s union all select 'b', {'n': 9007199254740992}`,
    );
    await assert.rejects(
      validate(path, schema),
      /s, row 1 is 9007199254740993, which cannot be checked exactly against the contract/u,
    );
    await writeParquet(path, `select 'a' as id, {'n': 9007199254740992} as s union all select 'b', {'n': 1}`);
    assert.equal(check(await validate(path, schema), 'contract').verdict, 'pass');
  }));

test('a number too near to zero for a double is refused, however the file is read', async () => {
  const refused = /v, row 2 .*is -?[0-9.]*e-[0-9]+, which cannot be checked exactly against the contract/iu;
  const schema = { properties: { v: { type: 'integer' } } };
  for (const number of ['1e-400', '-1.5E-330']) {
    await withRows('a.jsonl', `{"id":"a","v":0}\n{"id":"b","v":${number}}\n`, (path) =>
      assert.rejects(validate(path, schema), refused),
    );
    // Of lone quotes nobody but the engine knows what they are.
    for (const id of ['a', 'a"'])
      await withRows('a.csv', `id,v\n${id},0\nb,${number}\n`, (path) =>
        assert.rejects(validate(path, schema), refused),
      );
  }
});

test('whether a number of more digits than a double has is a multiple is not guessed', async () => {
  const schema = { properties: { v: { type: 'integer', multipleOf: 3 } } };
  // The double of the first is no multiple although it is one, that of the last is one although it is none.
  for (const number of ['9007199254740993', '18014398509481986', '9007199254740995']) {
    const refused = new RegExp(`v, row 2 .*is ${number}, which cannot be checked exactly against the contract`, 'u');
    await withRows('a.csv', `id,v\na,3\nb,${number}\n`, (path) => assert.rejects(validate(path, schema), refused));
    await withRows('a.jsonl', `{"id":"a","v":3}\n{"id":"b","v":${number}}\n`, (path) =>
      assert.rejects(validate(path, schema), refused),
    );
    await inTemporaryFolder(async (folder) => {
      const path = join(folder, 'a.parquet');
      await writeParquet(path, `select 'a' as id, 3::bigint as v union all select 'b', ${number}`);
      await assert.rejects(validate(path, schema), refused);
    });
  }
  await withRows('a.csv', 'id,v\na,9007199254740992\nb,1e300\n', async (path) => {
    assert.deepEqual(await invalidRows(path, { properties: { v: { multipleOf: 2 } } }), []);
  });
});

test('among rows that several threads read, those that break the contract keep their numbers, ids and values', () =>
  inTemporaryFolder(async (folder) => {
    const rows = 300_000;
    // Of rows in groups of 122,880 each is one thread's; every 20,011th row is wrong, and one in three of those has no id.
    const wrong = Array.from({ length: Math.floor(rows / 20_011) }, (_, index) => (index + 1) * 20_011);
    const select = `select if(row % 3 = 0 and row % 20011 = 0, null, 'r' || row) as id, if(row % 20011 = 0, -row, row) as age,
      row / 8 as share, row % 2 = 0 as member from (select range + 1 as row from range(${rows}))`;
    const schema = {
      ...contract,
      required: ['age'],
      properties: { ...contract.properties, share: { type: 'number' } },
    };
    await writeParquet(join(folder, 'a.parquet'), select);
    const line = (row: number): string => {
      const broken = row % 20_011 === 0;
      return `${broken && row % 3 === 0 ? '' : `r${row}`},${broken ? -row : row},${row / 8},${row % 2 === 0}\n`;
    };
    const numbers = Array.from({ length: rows }, (_, index) => index + 1);
    await writeFile(join(folder, 'a.csv'), `id,age,share,member\n${numbers.map(line).join('')}`);
    await writeFile(
      join(folder, 'a.jsonl'),
      numbers
        .map((row) => JSON.stringify({ id: `r${row}`, age: row % 20_011 === 0 ? -row : row, share: row / 8 }))
        .join('\n'),
    );
    for (const name of ['a.parquet', 'a.csv', 'a.jsonl']) {
      const found = await violationsOf(join(folder, name), schema);
      assert.deepEqual(
        found.map(({ row, column, value }) => [row, column, value]),
        wrong.map((row) => [row, 'age', -row]),
        name,
      );
      if (name === 'a.jsonl') continue;
      const { files = [] } = await validate(join(folder, name), schema);
      const listed = String(files[1]?.content).split('\n').slice(1, -1);
      assert.deepEqual(
        listed.map((each) => each.split(',').slice(1, 4)),
        wrong.map((row) => [row % 3 === 0 ? '' : `r${row}`, `${row}`, name === 'a.csv' ? `${row + 1}` : '']),
        name,
      );
    }
  }));
