import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parseConfig } from '../../../src/pipeline/configuration.ts';
import type { Policy } from '../../../src/stages/evaluation/schema.ts';
import { openDataset, type Dataset, type NumberColumn, type TextColumn } from '../../../src/data/dataset.ts';
import { openSqlSession, type SqlSession } from '../../../src/sql/session.ts';
import { sliceName } from '../../../src/stages/evaluation/slice-names.ts';
import { checkPredicates, columnSlices, predicateRows } from '../../../src/stages/evaluation/slices.ts';
import fc from '../../support/properties.ts';

const text = (name: string, ...values: (string | null)[]): TextColumn => ({ name, kind: 'text', values });

describe('the name of a slice', () => {
  it('is column and value where these are ordinary', () => {
    for (const value of ['hard_ham', 'Sales & Marketing', 'a=b', '', '[0, 2.5)', 'éü 😀', '-1', '(none)', '5"']) {
      assert.equal(sliceName(['source'], [value]), `source=${value}`);
    }
    assert.equal(sliceName(['source'], [null]), 'source=(missing)');
    assert.equal(sliceName(['a', 'b'], ['x', null]), 'a=x & b=(missing)');
  });

  it('quotes what could be taken for something else, and shows what cannot be seen', () => {
    assert.equal(sliceName(['a', 'b'], ['x & b=z', 'q']), 'a="x & b=z" & b=q');
    assert.equal(sliceName(['a'], ['(missing)']), 'a="(missing)"');
    assert.equal(sliceName(['a'], ['a\nb\u200b']), String.raw`a="a\nb\u{200b}"`);
  });

  it('of other values is another, short and on one line', () => {
    const part = fc.constantFrom(
      ' & ',
      'b',
      '=',
      '"',
      '\\',
      '(missing)',
      '\u2026 #',
      '\n',
      '\u200b',
      'x',
      '\\u{a}',
      '0'.repeat(99),
    );
    const value = fc.option(
      fc.oneof(
        fc.array(part, { maxLength: 6 }).map((parts) => parts.join('')),
        fc.string(),
      ),
    );
    fc.assert(
      fc.property(fc.tuple(value, value), fc.tuple(value, value), (some, others) => {
        const [one, other] = [some, others].map((values) => sliceName(['a', 'b'], values)) as [string, string];
        assert.equal(one === other, JSON.stringify(some) === JSON.stringify(others));
        assert.ok(one.length <= 200 && !/[\n\u200b]/u.test(one), one);
        // Nor is that of a value of one column.
        assert.notEqual(sliceName(['a'], [some[0]]), one);
      }),
      { numRuns: 2000 },
    );
    const long = 'x'.repeat(220);
    assert.notEqual(sliceName(['a'], [`${long}1`]), sliceName(['a'], [`${long}2`]));
  });
});

describe('slices by columns', () => {
  it('hold the rows with these very values, a missing one being none of the texts', () => {
    const a = text('a', 'x & b=z', 'x', 'x', '(missing)', null);
    const b = text('b', 'q', 'z & b=q', 'z', 'z', 'z');
    const vectors = { texts: new Map([a, b].map((each) => [each.name, each])), numbers: new Map() };
    const crossed = columnSlices({ cross: ['a', 'b'] }, vectors);
    assert.deepEqual(
      crossed.map(({ name, rows }) => [name, [...rows]]),
      [
        ['a="(missing)" & b=z', [3]],
        ['a="x & b=z" & b=q', [0]],
        ['a=(missing) & b=z', [4]],
        ['a=x & b="z & b=q"', [1]],
        ['a=x & b=z', [2]],
      ],
    );
    assert.deepEqual(
      columnSlices('a', vectors).map(({ rows }) => rows.length),
      [1, 1, 1, 2],
    );
  });
});

describe('slices by bins of a number', () => {
  const binned = (bins: number, ...values: number[]): [string, number][] => {
    const column: NumberColumn = { name: 'n', kind: 'number', values: Float64Array.from(values) };
    const vectors = { texts: new Map(), numbers: new Map([['n', column]]) };
    return columnSlices({ column: 'n', bins }, vectors).map(({ name, rows }) => [name, rows.length]);
  };

  it('are each one, however near their edges are to one another', () => {
    const seconds = Array.from({ length: 8 }, (_, at) => 1_700_000_000 + at);
    assert.deepEqual(binned(2, ...seconds), [
      ['n=[1700000000, 1700000003.5)', 4],
      ['n=[1700000003.5, 1700000007]', 4],
    ]);
    assert.equal(binned(4, ...seconds.map((value) => value / 1e6)).length, 4);
    assert.deepEqual(binned(2, 0, 1 / 3, 1, 2).at(0), ['n=[0, 0.666667)', 2]);
  });

  it('end at an infinity where values do', () => {
    assert.deepEqual(binned(2, Number.NEGATIVE_INFINITY, -1, 0, 1, 2, Number.POSITIVE_INFINITY), [
      ['n=[-inf, 0.5)', 3],
      ['n=[0.5, inf]', 3],
    ]);
  });
});

describe('a slice by a predicate', () => {
  let folder: string;
  let dataset: Dataset;
  let session: SqlSession;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'contender-test-'));
    const path = join(folder, 'a.csv');
    await writeFile(path, `id,age\n${Array.from({ length: 50 }, (_, row) => `${row},${row}\n`).join('')}`);
    dataset = await openDataset({ name: 'evaluation', path, uri: 'a.csv' });
    session = await openSqlSession(dataset);
  });
  after(async () => {
    session.close();
    dataset.close();
    await rm(folder, { recursive: true });
  });
  const policy = (sql: string): Policy => ({
    primary: { metric: 'accuracy', margin: 0.1 },
    guardrails: [{ metric: 'accuracy', margin: 0.1, slices: ['age', { name: 'young', sql }] }],
  });

  it('holds the rows where it is true', async () => {
    const sql = 'age between 10 and 12 or age is null -- young';
    await checkPredicates(session, policy(sql), dataset.columns);
    const slice = await predicateRows(session, { name: 'young', sql }, 'policy');
    assert.deepEqual([slice.name, [...slice.rows]], ['young', [10, 11, 12]]);
  });

  const refused: [sql: string, message: RegExp][] = [
    [
      'random() < 0.5',
      /random\(\), which gives a different value each time.*slices\[1\]\.sql|slices\[1\]\.sql: random\(\)/u,
    ],
    ['(select count(*) from range(100000000000)) > 0', /slices\[1\]\.sql: a subquery in the expression/u],
    ['age > avg(age) over ()', /a window in the expression/u],
    ['ages > 3', /there is no column "ages".*Did you mean "age"/u],
    ['age > 3), (true', /cannot be parsed|more than an expression/u],
    ['nonsense(', /cannot be parsed/u],
  ];
  for (const [sql, message] of refused) {
    it(`is refused before anything is run: ${sql}`, () =>
      assert.rejects(checkPredicates(session, policy(sql), dataset.columns), { name: 'ConfigError', message }));
  }

  it('that the engine does not run is told with its place', () =>
    assert.rejects(predicateRows(session, { name: 'odd', sql: "age = 'x'" }, 'policy.guardrails[0].slices[1]'), {
      name: 'ConfigError',
      message: /slices\[1\]\.sql: the predicate of slice "odd" cannot be computed/u,
    }));
});

describe('a slice that one metric is asked for twice', () => {
  const config = (guardrails: string): string => `version: 1
models:
  m:
    task: binary-classification
    candidate: a.onnx
    columns: { id: id, label: y }
    data: { evaluation: a.csv }
    policy:
      primary: { metric: accuracy, margin: 0.1 }
      guardrails:
${guardrails}`;
  const guardrail = (metric: string, slices: string): string =>
    `        - { metric: ${metric}, margin: 0.1, slices: [${slices}] }\n`;

  for (const [first, second] of [
    ['s', 's'],
    ['s', '{ column: s, bins: 4 }'],
    ['{ cross: [a, b] }', '{ cross: [a, b] }'],
    ['{ name: n, sql: "x > 1" }', '{ name: n, sql: "x > 2" }'],
  ] as const) {
    it(`is refused with its place: ${first} and ${second}`, () => {
      const twice =
        /c\.yml:12:\d+: models\.m\.policy\.guardrails\[1\]\.slices\[0\]: accuracy is asked for by the \w+ "[\w &]+" twice/u;
      assert.throws(
        () => parseConfig(config(guardrail('accuracy', first) + guardrail('accuracy', second)), 'c.yml'),
        twice,
      );
      parseConfig(config(guardrail('accuracy', first) + guardrail('f1', second)), 'c.yml');
    });
  }
});
