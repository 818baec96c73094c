import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { DuckDBInstance, type DuckDBConnection } from '@duckdb/node-api';
import { parseExpression } from '../../src/sql/expression.ts';
import { allowedFunctions, collects } from '../../src/sql/functions.ts';

/** What the engine says of one signature of a function. */
interface Signature {
  name: string;
  kind: string;
  types: string[];
  variadic: string | null;
}

let connection: DuckDBConnection;
before(async () => (connection = await connect()));
after(() => connection.closeSync());

describe('the functions that SQL of users may call', () => {
  it('are functions that the engine has', async () => {
    const known = new Set((await signatures()).map(({ name }) => name));
    assert.deepEqual(
      [...allowedFunctions].filter((name) => !known.has(name)),
      [],
    );
  });

  it('are few among all the engine has, and every other is refused by its name', async () => {
    const names = [...new Set((await signatures()).map(({ name }) => name))];
    assert.ok(names.length > 700, String(names.length));
    const accepted: string[] = [];
    for (const name of names) {
      const parsed = await parseExpression(connection, `"${name}"(x)`);
      if (parsed.ok) accepted.push(name);
      else assert.ok(parsed.found.startsWith(/^\w+$/u.test(name) ? `${name}()` : name), `${name}: ${parsed.found}`);
    }
    assert.deepEqual(
      accepted.toSorted(),
      names.filter((name) => allowedFunctions.has(name) && !collects(name)).toSorted(),
    );
  });

  it('are none that the engine calls volatile, or constant within a query only', async () => {
    const rows = await connection.runAndReadAll(
      "select distinct function_name from duckdb_functions() where stability is not null and stability <> 'CONSISTENT'",
    );
    const unstable = rows.getRows().map(([name]) => String(name).toLowerCase());
    assert.ok(unstable.length > 20);
    assert.deepEqual(
      unstable.filter((name) => allowedFunctions.has(name)),
      [],
    );
  });

  it('give one value in every session: later, in another time zone, with other settings', async () => {
    const other = await connect([
      "TimeZone = 'UTC'",
      'threads = 3',
      "default_null_order = 'nulls_first'",
      "search_path = 'other'",
    ]);
    try {
      const calls = (await signatures())
        .filter(({ name, kind }) => allowedFunctions.has(name) && kind !== 'aggregate')
        .flatMap((signature) => callsOf(signature));
      let run = 0;
      for (const call of calls) {
        const query = `select cast(${call} as varchar) from facts order by n`;
        const one = await answer(connection, query);
        if (one === null) continue;
        run += 1;
        assert.equal(await answer(other, query), one, call);
      }
      assert.ok(run > 700, `${run} of ${calls.length} calls ran`);
    } finally {
      other.closeSync();
    }
  });

  it('that are aggregates give one value whatever the order of the rows, ties included', async () => {
    const aggregates = (await signatures()).filter(
      ({ name, kind }) => allowedFunctions.has(name) && kind === 'aggregate',
    );
    let run = 0;
    for (const signature of aggregates) {
      for (const call of callsOf(signature)) {
        const ordered = collects(signature.name)
          ? call.replace(
              /\)$/u,
              ` order by ${
                call
                  .slice(call.indexOf('(') + 1)
                  .split(',')[0]
                  ?.replace(/\)$/u, '') ?? ''
              })`,
            )
          : call;
        const answers: (string | null)[] = [];
        for (const order of ['n', 'n desc', 'md5(n::varchar)']) {
          answers.push(
            await answer(connection, `select cast(${ordered} as varchar) from (from facts order by ${order})`),
          );
        }
        const [first, ...others] = answers;
        if (first === null || first === undefined) continue;
        run += 1;
        for (const each of others) assert.ok(near(each, first), `${ordered}: ${first} and ${each}`);
      }
    }
    assert.ok(run > 100, `${run} aggregates ran`);
  });
});

describe('an expression', () => {
  const accepted = [
    'avg(abs(label - prediction))',
    "string_agg(name, ',' order by name desc)",
    'list(x order by x)[1]',
    'list_sort(array_agg(x))[2]',
    "sum(x) filter (where name like 'a%' and not (y in (1, 2)))",
    'case when x > 1 then 2 else coalesce(y, 0) end',
    "epoch(age(t, timestamp '2020-01-01'))",
    'quantile_cont(x, 0.9) + percentile_disc(0.5) within group (order by x)',
    "date '2020-01-01' + interval 3 day > t",
    'count(distinct (a, b)) // 2 ** 3',
    'name.lower().length()',
  ];
  for (const sql of accepted) {
    it(`may be ${sql}`, async () => assert.equal((await parseExpression(connection, sql)).ok, true));
  }

  const refused: [sql: string, found: RegExp, remedy?: RegExp][] = [
    ["length(current_setting('temp_directory'))", /^current_setting\(\), which depends on the session/u],
    ["age(timestamp '2020-01-01')", /^age\(\) with one argument, which depends on the current time/u, /age\(a, b\)/u],
    ['now()', /^now\(\), which depends on the current time/u],
    ['main.random()', /^random\(\), which gives a different value each time/u],
    ["getenv('HOME')", /^getenv\(\), which depends on the session/u],
    ['first(x)', /^first\(\), which depends on the order of the rows/u, /min\(\) or max\(\)/u],
    ['arg_min(x, y)', /^arg_min\(\), which depends on the order of the rows/u],
    ['list(x)', /^list\(\) without ORDER BY/u, /list\(x order by x\)/u],
    ['string_agg(x, y order by y)', /^string_agg\(\) without ORDER BY/u],
    ['sum(x) over (order by n)', /^a window in the expression/u],
    ['lag(x) over (order by n)', /^a window in the expression/u],
    ['max(name collate nocase)', /^a collate in the expression/u, /lower\(x\)/u],
    ["read_text('/etc/passwd')", /^read_text\(\), which is not one of the functions/u],
    ['sleep_ms(10)', /^sleep_ms\(\)/u],
    ["list_aggregate(l, 'reservoir_quantile')", /^list_aggregate\(\), which calls another function/u],
    ['levenstein(a, b)', /^levenstein\(\), which is not one/u, /most similar allowed function is levenshtein\(\)/u],
    ['(select 1)', /^a subquery in the expression/u],
    ['exists(from facts)', /^a subquery in the expression/u],
    ['x = any([1, 2])', /^a subquery in the expression/u],
    ['columns(*)', /^a star in the expression/u],
    ['list_transform(l, x -> x + 1)', /^list_transform\(\)|^a lambda in the expression/u],
    ['unnest([1, 2])', /^unnest\(\), which is not one/u],
    ['#1', /^a positional reference in the expression/u],
    ['$1', /^a parameter in the expression/u],
    ['1), (2', /^more than an expression/u],
    ['1 limit 1', /^this cannot be parsed/u],
    ["1); copy facts to '/tmp/x'; select (1", /^this cannot be parsed|^more than/u],
    ['1); pragma version; select (1', /^this cannot be parsed|^more than/u],
    ['', /^this cannot be parsed/u],
  ];
  for (const [sql, found, remedy] of refused) {
    it(`is refused where it is ${sql === '' ? 'nothing' : sql}`, async () => {
      const parsed = await parseExpression(connection, sql);
      assert.ok(!parsed.ok, 'accepted');
      assert.match(parsed.found, found);
      if (remedy !== undefined) assert.match(parsed.remedy ?? '', remedy);
    });
  }

  it('names the columns it reads, in their order', async () => {
    const parsed = await parseExpression(connection, 'sum(b * "A b") filter (where c.d > 1) / count(b)');
    assert.deepEqual(parsed, { ok: true, columns: ['b', 'A b', 'c'] });
  });
});

async function connect(settings: readonly string[] = ["TimeZone = 'UTC'", 'threads = 1']): Promise<DuckDBConnection> {
  const made = await (await DuckDBInstance.create(':memory:')).connect();
  await made.run('create schema other');
  await made.run(
    `create table facts as select n, n % 7 as i, n / 3 - 5 as d, (n % 5)::decimal(9, 2) / 4 as m, chr(97 + (n % 6)::integer) || n % 3 as s,
     n % 2 = 0 as b, date '2020-02-27' + (n % 9)::integer as day, timestamp '2020-02-28 23:00:00' + to_hours(n % 11) as t,
     (timestamp '2020-02-28 23:00:00' + to_hours(n % 11))::timestamptz as z, time '10:11:12' + to_seconds(n % 13) as c,
     to_minutes(n % 17) as v, [n % 3, n % 4, n % 5] as l, ['x' || n % 2, 'y'] as w, map(['k' || n % 2], [n % 3]) as p,
     {'a': n % 3, 'b': 'q'} as r, ('{"a": [' || n % 3 || ', 2]}')::json as j, encode('ab' || n % 3) as o, (n % 8)::integer::bit as e
     from range(60) g(n)`,
  );
  for (const setting of settings) await made.run(`set ${setting}`);
  return made;
}

/** A column of facts, or a literal, for each type a parameter can have. */
const samples: [pattern: RegExp, values: string[]][] = [
  [/^(?:U?(?:TINY|SMALL|BIG|HUGE)INT|U?INTEGER)$/u, ['i', '3']],
  [/^(?:DOUBLE|FLOAT)$/u, ['d', '0.5']],
  [/^DECIMAL/u, ['m']],
  [/^VARCHAR$/u, ['s', "'b1'", "'day'", "'%Y-%m'", "'{:d}'"]],
  [/^BOOLEAN$/u, ['b', 'true']],
  [/^DATE$/u, ['day']],
  [/^TIMESTAMP WITH TIME ZONE$/u, ['z']],
  [/^TIMESTAMP/u, ['t']],
  [/^TIME/u, ['c']],
  [/^INTERVAL$/u, ['v', 'interval 1 day']],
  [/^BLOB$/u, ['o']],
  [/^BIT$/u, ['e']],
  [/^JSON$/u, ['j']],
  [/^MAP/u, ['p']],
  [/^STRUCT/u, ['r']],
  [/^VARCHAR\[/u, ['w']],
  [/\[\d+\]$/u, ['[1.0, 2.0, d]::double[3]']],
  [/\[/u, ['l']],
  [/./u, ['i', 's', 'd', 'l', 'p', 'r', 'j', 't']],
];

function callsOf({ name, types, variadic }: Signature): string[] {
  const called = /^\w+$/u.test(name) && name !== '!__postfix' ? name : `"${name}"`;
  const all = [...types, ...(variadic === null ? [] : [variadic, variadic])];
  if (all.length === 0) return [`${called}()`];
  const choices = all.map((type) => samples.find(([pattern]) => pattern.test(type))?.[1] ?? ['i']);
  const most = Math.max(...choices.map((each) => each.length));
  return [
    ...new Set(
      Array.from({ length: most + 2 }, (_, at) => {
        const given = choices.map((each, place) => each[(at + (at >= most ? place : 0)) % each.length] as string);
        return `${called}(${given.join(', ')})`;
      }),
    ),
  ];
}

async function signatures(): Promise<Signature[]> {
  const rows = await connection.runAndReadAll(
    'select lower(function_name), function_type, parameter_types::varchar[], varargs from duckdb_functions()',
  );
  return (rows.getRowsJson() as [string, string, (string | null)[] | null, string | null][]).map(
    ([name, kind, types, variadic]) => ({ name, kind, types: (types ?? []).map((type) => type ?? 'ANY'), variadic }),
  );
}

/** All rows of a query as one text; null where it cannot be run: not every sample fits every parameter. */
async function answer(on: DuckDBConnection, query: string): Promise<string | null> {
  try {
    return JSON.stringify((await on.runAndReadAll(query)).getRowsJson());
  } catch {
    return null;
  }
}

/** Sums of doubles differ in their last bits. */
function near(a: string | null | undefined, b: string): boolean {
  if (a === b) return true;
  const [x, y] = [a, b].map((each) => Number((JSON.parse(each ?? '[[null]]') as [[string | null]])[0][0]));
  return x !== undefined && y !== undefined && Math.abs(x - y) <= 1e-9 * Math.max(1, Math.abs(x), Math.abs(y));
}
