import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { openDataset, type Dataset } from '../../../src/data/dataset.ts';
import { DataError } from '../../../src/errors.ts';
import { silentLog } from '../../../src/log.ts';
import { parseConfig } from '../../../src/pipeline/configuration.ts';
import { withPredictions } from '../../../src/pipeline/gate/champion-profiles.ts';
import { summaryOfProfile } from '../../../src/profile/merge.ts';
import { profileDataset } from '../../../src/profile/profile-dataset.ts';
import { profiledData } from '../../../src/profile/profiled-data.ts';
import { profileScores } from '../../../src/profile/profile-scores.ts';
import { randomFrom } from '../../../src/statistics/random.ts';
import { driftChecks, type ComparisonDetails } from '../../../src/stages/data/drift.ts';
import type { Drift } from '../../../src/stages/data/schema.ts';
import { sections } from '../../../src/stages/data/sections.ts';
import type { Check } from '../../../src/evidence/index.ts';
import type { ConfiguredModel } from '../../support/configured-model.ts';
import { writeParquet } from '../../support/parquet.ts';
import { inTemporaryFolder } from '../../support/project.ts';
import { evidenceFrom } from '../../support/stage-context.ts';
import fc from '../../support/properties.ts';

interface Found {
  checks: Check[];
  comparison: ComparisonDetails;
  /** Verdicts by id. */
  verdicts: Record<string, string>;
}

/** Compare two files under settings. Texts are CSV; others select the rows of a Parquet file. */
async function drift(
  before: string | { select: string },
  now: string | { select: string },
  settings: Drift = {},
  columns: Partial<ConfiguredModel['columns']> = {},
): Promise<Found> {
  return inTemporaryFolder(async (folder) => {
    const open = async (name: string, rows: string | { select: string }): Promise<Dataset> => {
      const path = join(folder, `${name}.${typeof rows === 'string' ? 'csv' : 'parquet'}`);
      await (typeof rows === 'string' ? writeFile(path, rows) : writeParquet(path, rows.select));
      return openDataset({ name, path, uri: `data/${name}` });
    };
    const datasets = { reference: await open('reference', before), current: await open('current', now) };
    try {
      const { checks, details } = await driftChecks(
        {
          config: {
            task: 'binary-classification',
            candidate: 'm.onnx',
            columns: { id: 'id', label: 'label', ...columns },
            data: { evaluation: 'e.csv' },
            policy: {},
          },
          datasets,
          log: silentLog,
        },
        { against: ['current'], ...settings },
      );
      const comparison = details['reference_vs_current'];
      assert.ok(comparison !== undefined);
      return { checks, comparison, verdicts: Object.fromEntries(checks.map(({ id, verdict }) => [id, verdict])) };
    } finally {
      for (const dataset of Object.values(datasets)) dataset.close();
    }
  });
}

/** A CSV of so many rows. */
function table(header: string, rows: number, row: (index: number) => string): string {
  return `${header}\n${Array.from({ length: rows }, (_, index) => row(index)).join('\n')}\n`;
}

function find(checks: readonly Check[], id: string): Check {
  const found = checks.find((check) => check.id === id);
  assert.ok(found !== undefined, `no check ${id} among ${checks.map((check) => check.id).join(' ')}`);
  return found;
}

describe('a column', () => {
  test('that moved fails, is told with its numbers, and fails the comparison', async () => {
    const { checks } = await drift(
      table('id,x,y', 400, (row) => `${row},${row % 20},${row % 7}`),
      table('id,x,y', 400, (row) => `${row},${(row % 20) + 8},${row % 7}`),
    );
    assert.deepEqual(
      checks.map(({ id, verdict, severity }) => [id, verdict, severity]),
      [
        ['data/drift/current', 'fail', 'block'],
        ['data/drift/current/x', 'fail', 'block'],
        ['data/drift-together/current', 'fail', 'block'],
      ],
    );
    assert.match(
      find(checks, 'data/drift-together/current').message,
      /^a linear classifier distinguishes rows of the two with an AUC of 0\.\d{3}, at most 0\.6 allowed .*most of all by x/u,
    );
    assert.match(
      find(checks, 'data/drift/current/x').message,
      /^x: PSI \d+\.\d+ \(corrected \d\.\d+\), at most 0\.2; p < 0\.001 over 2 columns$/u,
    );
    assert.match(find(checks, 'data/drift/current').message, /^1 of 2 columns drifted: x: PSI/u);
    assert.equal(find(checks, 'data/drift/current').location?.file, 'data/current');
  });

  test('with few different numbers is compared as numbers, and one of true and false as categories', async () => {
    const rows = table('id,k,b', 200, (row) => `${row},${row % 3},${row % 2 === 0}`);
    const { comparison } = await drift(rows, rows);
    assert.deepEqual([comparison.columns['k']?.kind, comparison.columns['b']?.kind], ['number', 'category']);
    assert.deepEqual([comparison.columns['k']?.ks, comparison.columns['b']?.ks], [0, null]);
  });

  test('that lost its values fails, however few there are left to compare', async () => {
    const { checks, comparison } = await drift(
      table('id,x', 300, (row) => `${row},${row}`),
      table('id,x', 300, (row) => `${row},`),
    );
    assert.equal(find(checks, 'data/drift/current/x').verdict, 'fail');
    assert.equal(
      find(checks, 'data/drift/current/x').message,
      'x: 0% of the values missing in the reference data, 100% here, a change of at most 5 points; p < 0.001 over 1 column',
    );
    assert.deepEqual(comparison.columns['x']?.missing, [0, 300]);
  });

  test('without any value on both sides passes', async () => {
    const rows = table('id,x', 200, (row) => `${row},`);
    const { verdicts, comparison } = await drift(rows, rows);
    assert.deepEqual(verdicts, { 'data/drift/current': 'pass' });
    assert.equal(comparison.columns['x']?.psi, null);
  });

  test('with too few values is inconclusive, and so is the comparison, which says how many it takes', async () => {
    const rows = table('id,x,y', 300, (row) => `${row},${row < 50 ? row : ''},${row}`);
    const { checks, comparison } = await drift(rows, rows);
    assert.deepEqual([comparison.columns['x']?.verdict, comparison.columns['y']?.verdict], ['inconclusive', 'pass']);
    assert.equal(find(checks, 'data/drift/current').verdict, 'inconclusive');
    assert.match(
      find(checks, 'data/drift/current').message,
      /1 of 2 columns cannot be tested, such as x: 50 values on one side, at least 100 needed \(data\.drift\.min_rows\)/u,
    );
  });

  test('of categories that the reference has none of fails, and names the frequent ones', async () => {
    const { checks } = await drift(
      table('id,country', 400, (row) => `${row},${['de', 'fr', 'it'][row % 3]}`),
      table('id,country', 400, (row) => `${row},${row < 20 ? 'xx' : ['de', 'fr', 'it'][row % 3]}`),
    );
    assert.match(
      find(checks, 'data/drift/current/country').message,
      /^country: 5% of the rows in new categories such as "xx", at most 1%; p < 0\.001/u,
    );
    assert.equal(find(checks, 'data/drift/current/country').unit, 'share');
  });

  test('of numbers on one side and texts on the other is compared as texts, and says so', async () => {
    const { checks, comparison } = await drift(
      table('id,x', 200, (row) => `${row},${row % 4}`),
      table('id,x', 200, (row) => `${row},${row % 4 === 0 ? 'none' : row % 4}`),
    );
    assert.equal(comparison.columns['x']?.kind, 'category');
    assert.match(
      find(checks, 'data/drift/current/x').message,
      /\("none", row 1 \(line 2\) of data\/current, is not a number and the other data have only numbers: set data\.csv\.missing to \["none"\]/u,
    );
  });

  test('of numbers but for one cell never passes, and says which cell it is', async () => {
    const numbers = (shift: number, row: number): string => String(shift + Math.sin(row));
    const clean = table('id,x', 200, (row) => `${row},${numbers(0, row)}`);
    const other = (shift: number, text: string): string =>
      table('id,x', 200, (row) => `${row},${row === 6 ? text : numbers(shift, row)}`);
    for (const [before, now] of [
      [clean, other(100, 'NA')],
      [other(0, 'NA'), other(100, 'NA')],
      [clean, other(100, '€12')],
    ] as const) {
      const check = find((await drift(before, now)).checks, 'data/drift/current');
      assert.equal(check.verdict, 'inconclusive');
      assert.match(
        check.message,
        /^1 of 1 column cannot be compared: x: "(?:NA|€12)", row \d \(line \d\) of data\/\w+, is not a number.*data\.csv\.missing to \["/u,
      );
    }
  });

  test('of texts of which nearly every one is another is said to be none that can be judged', async () => {
    const texts = (from: number): string => table('id,x', 200, (row) => `${row},name ${from + row}`);
    const { checks, verdicts } = await drift(texts(0), texts(1000));
    assert.equal(verdicts['data/drift/current'], 'pass');
    const check = find(checks, 'data/drift-texts/current');
    assert.equal(check.verdict, 'inconclusive');
    assert.match(check.message, /^drift of x cannot be tested/u);
  });

  test('of a few numbers has not drifted in single precision, nor by the noise of computing', async () => {
    const values = 'case when i % 3 = 0 then 0.1 when i % 3 = 1 then 0.2 else 0.7 end';
    const rows = (x: string): { select: string } => ({ select: `select i as id, ${x} as x from range(300) t(i)` });
    for (const now of [rows(`(${values})::float`), rows(`(${values})::double + 1e-9 * sin(i)`)]) {
      const { comparison } = await drift(rows(`(${values})::double`), now);
      assert.equal(comparison.columns['x']?.verdict, 'pass');
    }
    const { comparison } = await drift(rows(`(${values})::double`), rows(`(${values})::double + 0.01`));
    assert.equal(comparison.columns['x']?.verdict, 'fail');
    const whole = (least: number): { select: string } => rows(`${20240101 + least} + i % 3`);
    const days = await drift(whole(0), whole(3));
    assert.equal(days.comparison.columns['x']?.verdict, 'fail');
  });

  test('is told with the PSI of the bins that decide', async () => {
    const { checks } = await drift(
      table('id,x', 300, (row) => `${row},${[10, 10, 30][row % 3]}`),
      table('id,x', 300, (row) => `${row},${[20, 10, 30][row % 3]}`),
    );
    const told = /PSI (?<raw>[\d.]+) \(corrected (?<corrected>[\d.]+)\)/u.exec(
      find(checks, 'data/drift/current/x').message,
    );
    const [raw, corrected] = [Number(told?.groups?.['raw']), Number(told?.groups?.['corrected'])];
    assert.ok(raw > corrected / 2 && corrected > 0.2, told?.[0]);
  });

  test('of 1 and 0 on one side and true and false on the other has not changed', async () => {
    const { comparison } = await drift(
      table('id,x', 200, (row) => `${row},${row % 2}`),
      table('id,x', 200, (row) => `${row},${row % 2 === 1}`),
    );
    assert.deepEqual([comparison.columns['x']?.psi, comparison.columns['x']?.verdict], [0, 'pass']);
  });

  test('of true and false has not changed where one file writes them with capitals', async () => {
    const { comparison } = await drift(
      table('id,x', 200, (row) => `${row},${row % 2 === 1 ? 'True' : 'False'}`),
      { select: 'select range as id, range % 2 = 1 as x from range(200)' },
    );
    assert.deepEqual([comparison.columns['x']?.psi, comparison.columns['x']?.verdict], [0, 'pass']);
  });

  test('of true and false in two spellings does not tell rows of the two apart, with other columns beside it', async () => {
    const rows = (spelled: (value: boolean) => string | number): string =>
      table('id,b,k', 400, (row) => `${row},${spelled(row % 3 === 0)},${row % 7}`);
    for (const spelled of [(value: boolean) => (value ? 'True' : 'False'), Number]) {
      const { verdicts } = await drift(rows(String), rows(spelled));
      assert.equal(verdicts['data/drift-together/current'], 'pass');
    }
  });

  test('of true and false keeps these names where both files write them the same', async () => {
    const { comparison } = await drift(
      table('id,x', 200, (row) => `${row},${row % 2 === 1}`),
      table('id,x', 200, (row) => `${row},${row % 10 > 0}`),
    );
    assert.deepEqual(comparison.columns['x']?.bins?.labels, ['true', 'false']);
  });

  test('of labels is one of classes, however each file writes them', async () => {
    const { comparison } = await drift(
      table('id,label', 200, (row) => `${row},${row % 2}`),
      { select: 'select range as id, (range % 2)::double as label from range(200)' },
    );
    assert.deepEqual([comparison.columns['label']?.kind, comparison.columns['label']?.psi], ['category', 0]);
  });

  test('of labels that are true and false on one side and 1 and 0 on the other has not changed, whatever the types', async () => {
    for (const [yes, no] of [
      ['true', 'false'],
      ['True', 'False'],
    ]) {
      const { comparison } = await drift(
        table('id,label', 200, (row) => `${row},${row % 2}`),
        table('id,label', 200, (row) => `${row},${row % 2 === 1 ? yes : no}`),
      );
      assert.deepEqual([comparison.columns['label']?.psi, comparison.columns['label']?.verdict], [0, 'pass'], yes);
    }
  });

  test('of integers beyond 2^53 or with infinities is compared all the same', async () => {
    const { comparison } = await drift(
      {
        select: `select range as id, 9007199254740993 + range as wide, if(range = 0, 'inf'::double, range) as x from range(200)`,
      },
      {
        select: `select range as id, 9007199254740993 + range as wide, if(range < 90, '-inf'::double, range) as x from range(200)`,
      },
    );
    assert.deepEqual([comparison.columns['wide']?.verdict, comparison.columns['x']?.verdict], ['pass', 'fail']);
    assert.deepEqual(comparison.columns['x']?.n, [200, 200]);
  });

  test('may have the name of a part of every object', async () => {
    const rows = table('id,__proto__,constructor', 150, (row) => `${row},${row},${row}`);
    const { comparison } = await drift(rows, rows);
    assert.deepEqual(Object.keys(comparison.columns), ['__proto__', 'constructor']);
  });
});

describe('the columns', () => {
  test('that are ids, times or lists are left out, and those of one side alone are named', async () => {
    const { checks, comparison } = await drift(
      {
        select: `select range as id, range as person, date '2024-01-01' + range::integer as day, [range] as parts, range as x,
          range as gone, 1 as label from range(150)`,
      },
      {
        select: `select range as id, range + 1000 as person, date '2025-01-01' + range::integer as day, [range] as parts, range as x,
          range as fresh from range(150)`,
      },
      {},
      { cluster: 'person' },
    );
    assert.deepEqual(Object.keys(comparison.columns), ['x']);
    assert.deepEqual(
      comparison.leftOut.map(({ name, why }) => `${name}: ${why}`),
      [
        'id: an id',
        'person: an id',
        'day: a time',
        'parts: lists or structs',
        'label: the current data have no labels',
      ],
    );
    const alone = find(checks, 'data/drift-columns/current');
    assert.deepEqual([alone.verdict, alone.severity], ['fail', 'warn']);
    assert.equal(alone.message, 'only in the reference data: gone; only in the current data: fresh');
  });

  test('that are times are left out in formats that write them as texts too, however many there are', async () => {
    const day = (from: string, at: number, by = 86_400_000): string =>
      new Date(Date.parse(from) + at * by).toISOString().slice(0, 19);
    const rows = (from: string, count: number, by?: number): string =>
      table(
        'id,at,when,x',
        count,
        (at) => `${at},${day(from, at % 50)},"${day(from, at, by).replace('T', ' ')}",${at % 7}`,
      );
    const { checks, comparison } = await drift(rows('2024-01-01', 300), rows('2025-01-01', 300));
    assert.deepEqual(Object.keys(comparison.columns), ['x']);
    assert.deepEqual(comparison.leftOut.slice(1), [
      { name: 'at', why: 'a time' },
      { name: 'when', why: 'a time' },
    ]);
    assert.ok(checks.every(({ verdict }) => verdict === 'pass'));
    const many = await drift(rows('2024-01-01', 100_010, 1000), rows('2025-01-01', 100_010, 1000));
    assert.deepEqual(many.comparison.leftOut.slice(1), comparison.leftOut.slice(1));
    assert.ok(many.checks.every(({ verdict }) => verdict === 'pass'));
    // Who names the column means it.
    const asked = await drift(rows('2024-01-01', 300), rows('2025-01-01', 300), { columns: ['at'] });
    assert.equal(asked.verdicts['data/drift/current/at'], 'fail');
    const codes = await drift(
      table('id,code', 300, (at) => `${at},2024-01-${at % 9}`),
      table('id,code', 300, (at) => `${at},2025-01-${at % 9}`),
    );
    assert.equal(codes.verdicts['data/drift/current/code'], 'fail');
  });

  test('that are asked for by name are the only ones, and must be there', async () => {
    const rows = table('id,x,y', 150, (row) => `${row},${row},${row}`);
    const { comparison } = await drift(rows, rows, { columns: ['y'] });
    assert.deepEqual(Object.keys(comparison.columns), ['y']);
    await assert.rejects(
      drift(rows, rows, { columns: ['yy'] }),
      (error) => error instanceof DataError && /there is no column "yy"/u.test(error.message),
    );
  });

  test('that have none in common cannot pass', async () => {
    const { verdicts } = await drift(
      table('id,a', 150, (row) => `${row},${row}`),
      table('id,b', 150, (row) => `${row},${row}`),
    );
    assert.equal(verdicts['data/drift/current'], 'inconclusive');
  });
});

test('what only warns blocks nothing', async () => {
  const { checks } = await drift(
    table('id,x', 400, (row) => `${row},${row % 20}`),
    table('id,x', 400, (row) => `${row},${(row % 20) + 8}`),
    { severity: 'warn' },
  );
  assert.deepEqual(new Set(checks.map(({ severity }) => severity)), new Set(['warn']));
});

test('limits are those of the settings, of shares also in points', async () => {
  const before = table('id,x', 400, (row) => `${row},${row}`);
  const now = table('id,x', 400, (row) => `${row},${row % 20 === 0 ? '' : row}`);
  assert.equal((await drift(before, now)).verdicts['data/drift/current'], 'pass');
  assert.equal((await drift(before, now, { max_missing_change: '4pp' })).verdicts['data/drift/current'], 'fail');
  assert.equal((await drift(before, now, { max_missing_change: 0.04 })).verdicts['data/drift/current'], 'fail');
});

test('data never drift from themselves, in whatever order their rows stand', async () => {
  const cell = fc.oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
    fc.constantFrom('', 'true', 'a', 'é', '0', '1'),
  );
  const row = fc.tuple(cell, fc.integer({ min: 0, max: 3 }), fc.boolean(), fc.constantFrom('a', 'b', ''));
  const shuffled = fc
    .array(row, { minLength: 100, maxLength: 130 })
    .chain((rows) => fc.tuple(fc.constant(rows), fc.shuffledSubarray(rows, { minLength: rows.length })));
  await fc.assert(
    fc.asyncProperty(shuffled, async ([rows, others]) => {
      const csv = (each: typeof rows): string =>
        table('id,mixed,k,flag,letter', each.length, (index) => `${index},${each[index]?.join(',')}`);
      const settings = { min_rows: 2 };
      const [same, permuted] = [
        await drift(csv(rows), csv(rows), settings),
        await drift(csv(rows), csv(others), settings),
      ];
      assert.deepEqual(permuted.comparison, same.comparison);
      assert.deepEqual(permuted.checks, same.checks);
      for (const [name, column] of Object.entries(same.comparison.columns)) {
        assert.equal(column.verdict, 'pass', name);
        assert.equal(column.psi ?? 0, 0, name);
      }
    }),
    { numRuns: 6, seed: 7 },
  );
});

test('the report tables what changed most first, and charts the shares of what changed too much', async () => {
  const { checks, comparison } = await drift(
    table('id,still,moved', 400, (row) => `${row},${row % 7},${row % 20}`),
    table('id,still,moved', 400, (row) => `${row},${row % 7},${(row % 20) + 8}`),
  );
  const evidence = evidenceFrom('data', { checks, details: { drift: { reference_vs_current: comparison } } });
  const section = sections(evidence).find(({ title }) => title === 'Drift of the current data');
  assert.deepEqual(
    section?.rows.map((row) => [row[0]?.text, row[1]?.text]),
    [
      ['fail', 'moved'],
      ['pass', 'still'],
    ],
  );
  const [chart, ...others] = section?.charts ?? [];
  assert.equal(others.length, 0);
  assert.equal(chart?.title, 'moved: reference against current data');
  for (const { points } of chart?.series ?? []) {
    assert.ok(Math.abs(points.reduce((sum, { y }) => sum + y, 0) - 100) < 1e-9);
    assert.equal(new Set(points.map(({ x }) => x)).size, points.length);
  }
});

describe('the configuration', () => {
  const config = (data: string): string => `
version: 1
models:
  m:
    task: binary-classification
    candidate: m.onnx
    columns: { id: id, label: label }
    data: ${data}
    policy: { primary: { metric: roc_auc, margin: 0.005 } }
`;
  for (const [what, data, message] of [
    ['drift', '{ evaluation: e.csv, drift: {} }', /8.*add data\.reference/su],
    [
      'drift of current',
      '{ evaluation: e.csv, reference: r.csv, drift: { against: [current] } }',
      /add data\.current/u,
    ],
    ['overlap', '{ evaluation: e.csv, leakage: { max_overlap_rows: 3 } }', /add data\.reference/u],
  ] as const) {
    test(`says what ${what} is missing`, () => {
      assert.throws(() => parseConfig(config(data), 'contender.yml'), message);
    });
  }

  test('takes all settings', () => {
    const all = `{ evaluation: e.csv, reference: r.csv, current: c.csv, leakage: false, drift: { columns: "*", against: [current, evaluation],
      max_psi: 0.1, max_missing_change: 5pp, max_new_categories: 0.02, alpha: 0.01, min_rows: 500, severity: warn, labels: false } }`;
    assert.doesNotThrow(() => parseConfig(config(all), 'contender.yml'));
  });
});

describe('what was predicted', () => {
  const rowsOf = (shift: number, seed: number, columns: 'with' | 'without'): string => {
    const random = randomFrom(seed);
    const rows = Array.from({ length: 600 }, (_, row) => {
      const score = Math.min(1, Math.max(0, random.uniform() * 0.6 + shift));
      const known = [row, random.uniform().toFixed(4), random.uniform().toFixed(4), row % 2];
      return (columns === 'with' ? [...known, score.toFixed(4)] : known).join(',');
    });
    return `id,x,z,label${columns === 'with' ? ',p_spam' : ''}\n${rows.join('\n')}\n`;
  };
  const settings = { predictions: { score: 'p_spam' } };

  test('is tested with the columns and told as such, and is no input of the test of all together', async () => {
    const moved = await drift(rowsOf(0.1, 1, 'with'), rowsOf(0.3, 2, 'with'), settings);
    assert.equal(moved.verdicts['data/drift/current/p_spam'], 'fail');
    assert.equal(
      moved.checks.find(({ id }) => id === 'data/drift/current/p_spam')?.title,
      'Drift of the prediction p_spam in the current data',
    );
    assert.deepEqual(
      Object.entries(moved.comparison.columns).map(([name, { part }]) => [name, part]),
      [
        ['x', undefined],
        ['z', undefined],
        ['label', 'label'],
        ['p_spam', 'prediction'],
      ],
    );
    // One level over all of them.
    assert.match(
      moved.checks.find(({ id }) => id === 'data/drift/current')?.message ?? '',
      /p < 0\.001 over 4 columns/u,
    );
    assert.equal(moved.verdicts['data/drift-together/current'], 'pass');
    const same = await drift(rowsOf(0.1, 1, 'with'), rowsOf(0.1, 2, 'with'), { columns: ['x'], ...settings });
    assert.deepEqual(Object.keys(same.comparison.columns), ['x', 'p_spam']);
    assert.equal(same.verdicts['data/drift/current'], 'pass');
  });

  test('is left out where one side has none', async () => {
    const found = await drift(rowsOf(0.1, 1, 'without'), rowsOf(0.3, 2, 'with'), settings);
    assert.deepEqual(
      found.comparison.leftOut.filter(({ name }) => name === 'p_spam'),
      [{ name: 'p_spam', why: 'the reference data have no predictions' }],
    );
    assert.equal(found.verdicts['data/drift-columns/current'], undefined);
  });

  test('is compared with what the champion predicted when it was judged', () =>
    inTemporaryFolder(async (folder) => {
      const open = async (name: string, text: string): Promise<Dataset> => {
        await writeFile(join(folder, `${name}.csv`), text);
        return openDataset({ name, path: join(folder, `${name}.csv`), uri: name });
      };
      const before = await open('before', rowsOf(0.1, 1, 'without'));
      const current = await open('current', rowsOf(0.3, 2, 'with'));
      const random = randomFrom(3);
      const predicted = {
        rows: 500,
        classes: ['0', '1'],
        scores: Float64Array.from({ length: 500 }, () => random.uniform() * 0.6 + 0.1),
        labels: null,
        multilabel: false,
      };
      const scores = profileScores(predicted, { uri: 'e', sha256: 'a'.repeat(64), rows: 500 });
      const profile = withPredictions(summaryOfProfile(await profileDataset(before)), scores, settings.predictions);
      try {
        const { checks, details } = await driftChecks(
          {
            config: {
              task: 'binary-classification',
              candidate: 'm.onnx',
              columns: { id: 'id', label: 'label' },
              data: { evaluation: 'e.csv' },
              policy: {},
            },
            datasets: { current },
            profiles: {
              reference: profiledData('reference', { profile, uri: 'registry:m@1', sha256: 'b'.repeat(64) }),
            },
            log: silentLog,
          },
          { against: ['current'], ...settings },
        );
        assert.equal(checks.find(({ id }) => id === 'data/drift/current/p_spam')?.verdict, 'fail');
        const column = details['reference_vs_current']?.columns['p_spam'];
        assert.deepEqual([column?.n, column?.part], [[500, 600], 'prediction']);
      } finally {
        before.close();
        current.close();
      }
    }));
});
