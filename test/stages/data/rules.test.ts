import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { openDataset, type Dataset } from '../../../src/data/dataset.ts';
import { silentLog } from '../../../src/log.ts';
import { parseConfig } from '../../../src/pipeline/configuration.ts';
import type { DataSettings, TableRule } from '../../../src/stages/data/schema.ts';
import { validateData } from '../../../src/stages/data/validate.ts';
import type { StageResult } from '../../../src/stages/stage.ts';
import type { ConfiguredModel } from '../../support/configured-model.ts';
import { writeParquet } from '../../support/parquet.ts';
import { inTemporaryFolder } from '../../support/project.ts';
import { validate } from './support.ts';

/** Rules on CSV texts, or what a query gives as Parquet, which stand for the datasets of these names. */
async function judged(
  texts: { evaluation: string; reference?: string | { select: string } },
  rules: TableRule[],
  contract?: object,
): Promise<StageResult> {
  return inTemporaryFolder(async (folder) => {
    const datasets: Record<string, Dataset> = {};
    try {
      for (const [name, text] of Object.entries(texts)) {
        const path = join(folder, typeof text === 'string' ? `${name}.csv` : `${name}.parquet`);
        if (typeof text === 'string') await writeFile(path, text);
        else await writeParquet(path, text.select);
        datasets[name] = await openDataset({ name, path, uri: `${name}.csv` });
      }
      if (contract !== undefined) await writeFile(join(folder, 'contract.json'), JSON.stringify(contract));
      const data: DataSettings = {
        evaluation: 'evaluation.csv',
        rules,
        leakage: false,
        ...(contract === undefined ? {} : { contract: 'contract.json' }),
      };
      const config: ConfiguredModel = {
        task: 'binary-classification',
        candidate: 'm.onnx',
        columns: { id: 'id', label: 'label' },
        data,
        policy: { primary: { metric: 'recall' } },
      };
      return await validateData({ config, datasets, pathOf: async (file) => join(folder, file), log: silentLog });
    } finally {
      for (const dataset of Object.values(datasets)) dataset.close();
    }
  });
}

const evaluation = `id,time,colour,city,country,label
1,2024-01-01,red,Oslo,NO,1
2,2024-01-02,red,Oslo,NO,0
3,2024-01-04,green,Bergen,NO,0
4,2024-01-03,blue,Oslo,SE,0
5,2024-01-05,,Lund,SE,0
`;

describe('a rule', () => {
  const cases: { rule: TableRule; id: string; passes: boolean; says: RegExp }[] = [
    {
      rule: { distinct_count: { column: 'colour', min: 3, max: 3 } },
      id: 'distinct-count(colour)',
      passes: true,
      says: /^3 different values; 3 to 3 required/u,
    },
    {
      rule: { distinct_count: { column: 'colour', min: 4 } },
      id: 'distinct-count(colour)',
      passes: false,
      says: /^3 different values; at least 4 required/u,
    },
    {
      rule: { freshness: { column: 'time', max_age: '24h' } },
      id: 'freshness(time)',
      passes: false,
      says: /^the newest row is of 2024-01-05, .* days ago; at most 24h/u,
    },
    {
      rule: { freshness: { column: 'time', max_age: '100000d' } },
      id: 'freshness(time)',
      passes: true,
      says: /days ago/u,
    },
    {
      rule: { monotonic: { column: 'time' } },
      id: 'monotonic(time)',
      passes: false,
      says: /^1 of 5 rows: less than the value before it, such as "2024-01-03" \(row 4\)/u,
    },
    {
      rule: { monotonic: { column: 'id', strict: true } },
      id: 'monotonic(id)',
      passes: true,
      says: /^none of 5 rows/u,
    },
    {
      rule: { monotonic: { column: 'id', order: 'decreasing' } },
      id: 'monotonic(id)',
      passes: false,
      says: /^4 of 5 rows: more than/u,
    },
    {
      rule: { monotonic: { column: 'time' }, mostly: 0.8 },
      id: 'monotonic(time)',
      passes: true,
      says: /at most 1 allowed/u,
    },
    {
      rule: { foreign_key: { columns: ['city'], dataset: 'reference', to: ['name'] } },
      id: 'foreign-key(city)',
      passes: false,
      says: /^1 of 5 rows: not in the reference data, such as "Lund" \(row 5\)/u,
    },
    {
      rule: { foreign_key: { columns: ['colour'], dataset: 'reference', to: ['colour'] } },
      id: 'foreign-key(colour)',
      passes: true,
      says: /^none of 5 rows/u,
    },
    {
      rule: { class_balance: { min: 0.3 } },
      id: 'class-balance(label)',
      passes: false,
      says: /^"1" is 20% of 5 rows of 2 classes; at least 0.3 required/u,
    },
    { rule: { class_balance: { max: 0.9 } }, id: 'class-balance(label)', passes: true, says: /^"0" is 80%/u },
    {
      rule: { value_frequency: { column: 'colour', values: ['red', 'green'], min: 0.6 } },
      id: 'value-frequency(colour)',
      passes: true,
      says: /^3 of 5 rows \(60%\) have "red", "green"/u,
    },
    {
      rule: { value_frequency: { column: 'colour', values: ['red'], max: 0.1 } },
      id: 'value-frequency(colour)',
      passes: false,
      says: /^2 of 5 rows \(40%\)/u,
    },
    {
      rule: { functional_dependency: { from: ['city'], to: ['country'] } },
      id: 'functional-dependency(city,country)',
      passes: false,
      says: /^1 of 5 rows: another country than most rows with the same city, such as "SE" \(row 4\)/u,
    },
    {
      rule: { functional_dependency: { from: ['id'], to: ['city', 'colour'] } },
      id: 'functional-dependency(id,city,colour)',
      passes: true,
      says: /^none/u,
    },
    {
      rule: { sql: "select id, city from data where country = 'SE'", name: 'no-sweden' },
      id: 'no-sweden',
      passes: false,
      says: /^2 of 5 rows: returned by the query, such as .*Oslo/u,
    },
    {
      rule: {
        sql: 'with x as (select *, lag(id) over (order by id) as before from data) select * from x where id = before -- none',
      },
      id: 'sql',
      passes: true,
      says: /^none of 5 rows/u,
    },
    {
      rule: { unique: ['city', 'country'], mostly: 0.8 },
      id: 'unique(city,country)',
      passes: true,
      says: /no more than allowed/u,
    },
    { rule: { unique: ['city', 'country'] }, id: 'unique(city,country)', passes: false, says: /1 row repeats/u },
  ];
  for (const { rule, id, passes, says } of cases) {
    test(`${JSON.stringify(rule)} ${passes ? 'passes' : 'fails'}`, async () => {
      const reference = 'id,name,colour\n1,Oslo,red\n2,Bergen,green\n3,,blue\n';
      const { checks } = await judged({ evaluation, reference }, [{ ...rule, datasets: ['evaluation'] }]);
      const check = checks.find((each) => each.id === `data/evaluation/${id}`);
      assert.equal(check?.verdict, passes ? 'pass' : 'fail', JSON.stringify(checks));
      assert.match(check.message, says);
      assert.equal(check.severity, 'block');
      assert.ok(!checks.some((each) => each.id === `data/reference/${id}`));
    });
  }

  test('may only warn', async () => {
    const { checks } = await judged({ evaluation }, [
      { distinct_count: { column: 'colour', min: 9 }, severity: 'warn' },
      { row_count: { min: 9 }, severity: 'info' },
      { null_fraction: { column: 'colour', max: 0 }, severity: 'warn' },
      { distinct_count: { column: 'colour', max: 9 } },
    ]);
    assert.deepEqual(
      checks.filter(({ id }) => !id.includes('unique')).map(({ id, verdict, severity }) => [id, verdict, severity]),
      [
        ['data/evaluation/row-count', 'fail', 'info'],
        ['data/evaluation/null-fraction(colour)', 'fail', 'warn'],
        ['data/evaluation/distinct-count(colour)', 'fail', 'warn'],
        ['data/evaluation/distinct-count(colour)#2', 'pass', 'block'],
      ],
    );
  });

  const mistakes: [TableRule, RegExp][] = [
    [{ distinct_count: { column: 'color', min: 1 } }, /there is no column "color".*Did you mean "colour"/u],
    [{ freshness: { column: 'city', max_age: '1d' } }, /column "city", row 1 is "Oslo".*a time in/u],
    [{ foreign_key: { columns: ['city'], dataset: 'current' } }, /not given as rows/u],
  ];
  for (const [rule, says] of mistakes) {
    test(`${JSON.stringify(rule)} says what is wrong with it`, () =>
      assert.rejects(judged({ evaluation }, [rule]), says));
  }
});

test('freshness is that of the rows that are not in the future, and says how many are', async () => {
  const rule: TableRule = { freshness: { column: 'time', max_age: '48h' } };
  const ago = (days: number): string => new Date(Date.now() - days * 86_400_000).toISOString();
  const check = async (...times: string[]): Promise<[string, string]> => {
    const rows = times.map((time, row) => `${row},${time},${row % 2}`);
    const { checks } = await judged({ evaluation: `id,time,label\n${rows.join('\n')}\n` }, [rule]);
    const found = checks.find(({ id }) => id.includes('freshness'));
    return [found?.verdict ?? '', found?.message ?? ''];
  };
  const [old, said] = await check(ago(9), '2999-01-01', ago(5));
  assert.equal(old, 'fail');
  assert.match(said, /5 days ago; at most 48h required; 1 row more than a day in the future not counted/u);
  assert.equal((await check('2999-01-01', '2999-01-02'))[0], 'fail');
  // Of a zone that is ahead, written without it.
  assert.equal((await check(ago(9), ago(-0.5)))[0], 'pass');
});

test('times that two programs wrote as texts are the same keys', async () => {
  const { checks } = await judged(
    {
      evaluation: 'id,time,label\n1,2024-03-01 10:00:00,0\n2,2024-03-01 11:00:00,1\n3,soon,1\n',
      reference: 'id,time,label\n1,2024-03-01T10:00:00.000000,0\n2,2024-03-01T13:00:00+02:00,1\n',
    },
    [{ foreign_key: { columns: ['time'], dataset: 'reference' }, datasets: ['evaluation'] }],
  );
  const found = checks.find(({ id }) => id.includes('foreign-key'));
  assert.match(found?.message ?? '', /^1 of 3 rows: not in the reference data, such as "soon"/u);
});

describe('SQL of a rule is refused where it', () => {
  const refused: [string, string, RegExp][] = [
    ['reads a file by a function', "select * from read_csv('/etc/passwd')", /a table function in the query/u],
    ['reads a file by its name', "select * from '/etc/passwd'", /the table "\/etc\/passwd"/u],
    [
      'reads a file in a subquery',
      "select * from data where id in (select 1 from read_text('x'))",
      /a table function/u,
    ],
    ['reads the catalogue', 'select * from information_schema.tables', /the table "tables"/u],
    ['reads settings', 'select * from duckdb_settings()', /a table function/u],
    ['writes', "copy data to 'x.csv'", /another statement than SELECT|cannot be parsed/u],
    ['is two statements', 'select 1; drop view data', /another statement than SELECT|cannot be parsed/u],
    ['closes the bracket', 'select * from data) union (select 1 from secrets', /the table "secrets"/u],
    ['attaches', "attach 'x.db'", /cannot be parsed/u],
    ['installs', 'install httpfs', /cannot be parsed/u],
    ['reads the environment', "select getenv('HOME')", /getenv\(\)/u],
    ['depends on the clock', 'select * from data where now() > id', /now\(\)/u],
    ['samples', 'select * from data using sample 1', /sample/u],
    ['is none', 'selekt', /cannot be parsed/u],
    ['is one aggregate', 'select count(*) + 1 as n from data where id > 9', /one row for any data/u],
    ['is one row of no table', 'with t as (select 1) select 1', /one row for any data.*HAVING/su],
    ['names no column', 'select nope from data', /the query cannot be computed: .*nope/u],
  ];
  for (const [name, sql, says] of refused) {
    test(name, () =>
      assert.rejects(judged({ evaluation }, [{ sql }]), (error: Error) => {
        assert.match(error.message, says);
        assert.match(error.message, /data\.rules\[0\]\.sql/u);
        return true;
      }),
    );
  }
});

test('keys of another dataset are found whatever format wrote them', async () => {
  const { checks } = await judged(
    {
      evaluation:
        'id,b,d,t,k,w,label\n1,True,1.50,2024-01-01,7,9007199254740993,1\n2,False,2,2024-01-02T05:00:00+03:00,8,1,0\n3,True,9.25,2024-02-02,9,,0\n4,True,1e2,,,9007199254740992,0\n',
      reference: {
        select: `select * from (values (true, 1.5::double, timestamp '2024-01-01', 7::double, 9007199254740993::decimal(38, 2)), (false, 2.0, timestamp '2024-01-02 02:00:00', 8.0, 1), (true, 100, null, null, null)) as t(b, d, t, k, w)`,
      },
    },
    ['b', 'd', 't', 'k', 'w'].map((column) => ({ foreign_key: { columns: [column], dataset: 'reference' } })),
  );
  const own = checks.filter(({ id }) => id.includes('foreign-key'));
  assert.deepEqual(
    own.map(({ verdict, message }) => [verdict, /such as (.*) \(row/u.exec(message)?.[1]]),
    [
      ['pass', undefined],
      ['fail', '"9.25"'],
      ['fail', '"2024-02-02"'],
      ['fail', '"9"'],
      ['fail', '"9007199254740992"'],
    ],
  );
});

test('SQL of a rule may be an aggregate with a condition, by group, in a window or in a subquery', async () => {
  const queries = [
    'select max(id) from data having max(id) > 100',
    'select city from data group by city having count(*) > 100',
    'select city, max(id) from data where id > 100 group by all',
    'select id, max(id) over () as most from data where id > 100',
    'select id from data where id > 10 * (select avg(id) from data)',
    'select * from (select count(*) as n from data) where n > 100',
    'select upper(city) from data where id > 100 order by 1',
  ];
  const { checks } = await judged(
    { evaluation },
    queries.map((sql, at) => ({ sql, name: `q${at}` })),
  );
  const own = checks.filter(({ id }) => /q\d/u.test(id));
  assert.deepEqual(
    own.map(({ verdict }) => verdict),
    queries.map(() => 'pass'),
  );
});

test('every row that fails is listed in files, with id, line, column, rule and value', async () => {
  const contract = {
    properties: {
      colour: { enum: ['red', 'green', 'blue'] },
      id: { type: 'integer', maximum: 4 },
      city: { pattern: '^[A-Z]' },
    },
    required: ['colour'],
  };
  const rows = 'id,colour,city\n1,red,"a\nb"\n2,red,=1+1\n3,red,Oslo\n3,,Oslo\n5,red,Oslo\n';
  const {
    checks,
    files = [],
    details,
  } = await judged({ evaluation: rows }, [{ sql: 'select id from data where id = 5', name: 'five' }], contract);
  assert.deepEqual(
    files.map(({ name }) => name),
    ['violations.parquet', 'violations.csv'],
  );
  assert.equal(
    files[1]?.content,
    [
      'dataset,id,row,line,file,column,rule,value,message',
      'evaluation,1,1,2,evaluation.csv,city,pattern,"a\nb","must match pattern ""^[A-Z]"""',
      `evaluation,2,2,4,evaluation.csv,city,pattern,'=1+1,"must match pattern ""^[A-Z]"""`,
      "evaluation,3,4,6,evaluation.csv,colour,required,,must have required property 'colour'",
      'evaluation,5,5,7,evaluation.csv,id,maximum,5,must be <= 4',
      'evaluation,3,3,5,evaluation.csv,id,unique,3,id occurs more than once',
      'evaluation,3,4,6,evaluation.csv,id,unique,3,id occurs more than once',
      'evaluation,,,,evaluation.csv,,five,"{""id"":5}",returned by the query',
      '',
    ].join('\n'),
  );
  // Each kind has a check of its own, with its count, examples and line.
  const kinds = checks.filter(({ id }) => id.startsWith('data/evaluation/contract('));
  assert.deepEqual(
    kinds.map(({ id, observed, location }) => [id, observed, location?.line]),
    [
      ['data/evaluation/contract(city:pattern)', 2, 2],
      ['data/evaluation/contract(colour:required)', 1, 6],
      ['data/evaluation/contract(id:maximum)', 1, 7],
    ],
  );
  assert.match(
    kinds[0]?.message ?? '',
    /^city must match pattern .*: 2 of 5 rows break it before any other rule; "a\\u\{a\}b" \(row 1, line 2\), "=1\+1" \(row 2, line 4\)|^city must match pattern/u,
  );
  assert.match(
    kinds[2]?.message ?? '',
    /^id must be <= 4: 1 of 5 rows breaks it before any other rule; 5 \(row 5, line 7\)/u,
  );
  assert.ok(JSON.stringify(details).includes('"examples"'));
});

describe('values are told apart as their texts are', () => {
  const codes = 'id,zip,label\n1,007,1\n2,7,0\n3,x,0\n4,007,0\n';
  const shareOf = async (text: string, column: string, values: (string | number)[]): Promise<unknown> => {
    const { checks } = await judged({ evaluation: text }, [{ value_frequency: { column, values, min: 0 } }]);
    return checks.find(({ id }) => id.includes('value-frequency'))?.observed;
  };

  test('a text is itself, and a number one that a column of numbers has, however it is written', async () => {
    assert.deepEqual([await shareOf(codes, 'zip', ['007']), await shareOf(codes, 'zip', ['7'])], [0.5, 0.25]);
    const numbers = 'id,n\n1,1.10\n2,1.1\n3,2\n4,11e-1\n';
    assert.deepEqual([await shareOf(numbers, 'n', [1.1, '1.1']), await shareOf(numbers, 'n', ['1.10'])], [0.75, 0.25]);
  });

  test('of no rows there is no share', async () => {
    assert.equal(await shareOf('id,zip,label\n', 'zip', ['007']), null);
  });

  test('a number that is two texts is an error that names both', () =>
    assert.rejects(shareOf(codes, 'zip', [7]), /7 is "007" and "7" of the texts in column "zip".*in quotes/u));

  test('classes that are written in two ways have no balance', () =>
    assert.rejects(
      judged({ evaluation: codes }, [{ class_balance: { column: 'zip', min: 0.1 } }]),
      /column "zip" has the labels "007" and "7"/u,
    ));
});

test('the configuration knows the rules, and says what none may say', () => {
  const parsed = (rule: string): unknown =>
    parseConfig(
      `version: 1\nmodels:\n  m:\n    task: regression\n    candidate: m.onnx\n    columns: { id: id, label: y }\n    data: { evaluation: e.csv, rules: [${rule}] }\n    policy: { primary: { metric: r2, margin: 0.1 } }\n`,
      'contender.yml',
    );
  for (const rule of [
    '{ foreign_key: { columns: [a], dataset: reference }, severity: warn, mostly: 0.99 }',
    '{ sql: "select 1 from data", name: mine, datasets: [current] }',
    '{ freshness: { column: t, max_age: 36h } }',
  ]) {
    assert.ok(parsed(rule));
  }
  for (const rule of [
    '{ row_count: { min: 1 }, mostly: 0.5 }',
    '{ distinct_count: { column: x } }',
    '{ value_frequency: { column: x, values: [1] } }',
    '{ sql: "", name: mine }',
    '{ freshness: { column: t, max_age: soon } }',
    '{ unique: [a], null_fraction: { column: a, max: 0 } }',
  ]) {
    assert.throws(() => parsed(rule), /rules/u, rule);
  }
});

test('times are in order by the moment that they are, whatever their zone and form', () =>
  inTemporaryFolder(async (folder) => {
    const brokenBy = async (times: readonly string[], strict: boolean): Promise<unknown> => {
      const path = join(folder, 'times.jsonl');
      await writeFile(path, times.map((time, row) => `${JSON.stringify({ id: row, time })}\n`).join(''));
      const { checks } = await validate(path, undefined, [{ monotonic: { column: 'time', strict } }]);
      return checks.find(({ id }) => id.includes('monotonic'))?.observed;
    };
    const later = ['2024-01-01T10:00:00+02:00', '2024-01-01T09:00:00Z', '2024-01-01 09:00:00.5'];
    assert.equal(await brokenBy(later, true), 0);
    assert.equal(await brokenBy([...later].reverse(), false), 2);
    const same = ['2024-11-28 23:59:00.312', '2024-11-28T23:59:00.312000Z'];
    assert.deepEqual([await brokenBy(same, false), await brokenBy(same, true)], [0, 1]);
    // To the last digit.
    const close = ['2024-01-01T00:00:00.123456789Z', '2024-01-01T01:00:00.12345679+01:00'];
    assert.deepEqual([await brokenBy(close, true), await brokenBy([...close].reverse(), false)], [0, 1]);
    // Other texts are in the order of their characters.
    assert.equal(await brokenBy(['2024-01-01', 'later', 'latest'], true), 0);
    const path = join(folder, 'times.parquet');
    await writeParquet(path, "select 1 as id, date '9999-12-31' as time union all select 2, date '10000-01-01'");
    const { checks } = await validate(path, undefined, [{ monotonic: { column: 'time' } }]);
    assert.equal(checks.find(({ id }) => id.includes('monotonic'))?.verdict, 'pass');
  }));
