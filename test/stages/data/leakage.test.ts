import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { openDataset, type Dataset } from '../../../src/data/dataset.ts';
import type { Check } from '../../../src/evidence/index.ts';
import { parseConfig } from '../../../src/pipeline/configuration.ts';
import { leakageChecks, type LeakageDetails } from '../../../src/stages/data/leakage.ts';
import type { Leakage } from '../../../src/stages/data/schema.ts';
import { data } from '../../../src/stages/data/stage.ts';
import { writeParquet } from '../../support/parquet.ts';
import { inTemporaryFolder } from '../../support/project.ts';

/** What is found of tables: texts are CSV, others select the rows of a Parquet file. */
async function leakage(
  tables: Record<string, string | { select: string }>,
  settings: Leakage = {},
): Promise<{ checks: Check[]; details: LeakageDetails }> {
  return inTemporaryFolder(async (folder) => {
    const datasets: Record<string, Dataset> = {};
    try {
      for (const [name, rows] of Object.entries(tables)) {
        const path = join(folder, `${name}.${typeof rows === 'string' ? 'csv' : 'parquet'}`);
        await (typeof rows === 'string' ? writeFile(path, rows) : writeParquet(path, rows.select));
        datasets[name] = await openDataset({ name, path, uri: `data/${name}` });
      }
      return await leakageChecks(
        {
          config: {
            task: 'binary-classification',
            candidate: 'm.onnx',
            columns: { id: 'id', label: 'label' },
            data: { evaluation: 'e.csv' },
            policy: {},
          },
          datasets,
        },
        settings,
      );
    } finally {
      for (const dataset of Object.values(datasets)) dataset.close();
    }
  });
}

function find(checks: readonly Check[], id: string): Check {
  const found = checks.find((check) => check.id === id);
  assert.ok(found !== undefined, `no check ${id} among ${checks.map((check) => check.id).join(' ')}`);
  return found;
}

const evaluation = 'id,x,name,label\na,1,ann,0\nb,2.50,bob,1\nc,3,eve,1\nd,,,0\n';

test('rows of the evaluation data in the reference data are counted and named, whatever their id and the order of columns', async () => {
  const { checks, details } = await leakage({
    evaluation,
    reference: 'label,name,id,x\n1,bob,z,2.50\n1,eve,c,3\n0,,q,\n1,ann,a,1\n',
  });
  const check = find(checks, 'data/leakage/overlap');
  assert.deepEqual([check.verdict, check.severity, check.observed], ['fail', 'warn', 3]);
  assert.equal(
    check.message,
    '3 of 4 rows of the evaluation data are also in the reference data, 1 with the same id, such as "b", "c", "d"; at most 0 allowed',
  );
  // Ann has another label there.
  assert.deepEqual(details.overlap, { columns: 3, rows: 3, sameId: 1, sameFeatures: 4, near: 4 });
});

test('numbers are compared by value and texts as they stand, whatever the format', async () => {
  const { details } = await leakage({
    evaluation,
    reference: {
      select: `select * from (values ('a', 1::double, 'ann', 0), ('b', 2.5::double, 'bob', 1), ('c', 3::double, 'Eve', 1),
        ('d', null, null, 0)) as t(id, x, name, label)`,
    },
  });
  // Eve is eve but for case.
  assert.deepEqual(details.overlap, { columns: 3, rows: 3, sameId: 3, sameFeatures: 3, near: 4 });
});

test('whole numbers are told apart beyond what a double holds, and are the same in whatever type', async () => {
  const { details } = await leakage({
    evaluation: 'id,x,label\na,9007199254740993,1\nb,9007199254740992,1\nc,-5,0\n',
    reference: {
      select: `select * from (values ('p', 9007199254740993::bigint, 1::tinyint), ('q', -5::bigint, 0::tinyint)) as t(id, x, label)`,
    },
  });
  assert.deepEqual([details.overlap?.rows, details.datasets['evaluation']?.repeated], [2, 0]);
});

test('data that share no row pass, and so do as many as are allowed', async () => {
  const others = 'id,x,name,label\na,1,ann,1\n';
  const apart = await leakage({ evaluation, reference: others });
  assert.equal(find(apart.checks, 'data/leakage/overlap').verdict, 'pass');
  assert.equal(
    find(apart.checks, 'data/leakage/overlap').message,
    'none of 4 rows is also in the reference data, compared by 3 columns',
  );
  const settings: Leakage = { max_overlap_rows: 4, severity: 'block' };
  const same = find((await leakage({ evaluation, reference: evaluation }, settings)).checks, 'data/leakage/overlap');
  assert.deepEqual([same.verdict, same.severity, same.observed], ['pass', 'block', 4]);
  assert.match(same.message, /all with the same id/u);
});

test('duplicates inside a dataset are counted, and those whose labels contradict each other apart', async () => {
  const rows = 'id,x,name,label\na,1,ann,0\nb,1,ann,0\nc,1,ann,1\nd,2,bob,1\ne,2,bob,1\nf,3,eve,\ng,3,eve,1\n';
  const { checks, details } = await leakage({ evaluation: rows });
  assert.deepEqual(details.datasets['evaluation'], { rows: 7, repeated: 2, conflicting: 3 });
  assert.deepEqual(
    checks.map(({ id, verdict, severity, message }) => [id, verdict, severity, message]),
    [
      ['data/evaluation/duplicates', 'pass', 'info', '2 of 7 rows repeat an earlier one, ignoring the id'],
      [
        'data/evaluation/conflicting-labels',
        'pass',
        'info',
        '3 of 7 rows differ from another row only in the label and the id',
      ],
    ],
  );
  const limited = await leakage({ evaluation: rows }, { max_duplicate_rows: 2, max_conflicting_rows: 2 });
  assert.deepEqual(
    limited.checks.map(({ verdict, severity }) => [verdict, severity]),
    [
      ['pass', 'warn'],
      ['fail', 'warn'],
    ],
  );
});

test('a file of ids and labels has no rows to compare', async () => {
  const rows = 'id,label\na,1\nb,1\n';
  const { checks, details } = await leakage({ evaluation: rows, reference: rows });
  assert.deepEqual(checks, []);
  assert.equal(details.overlap, null);
});

test('leakage is looked for where there are reference data, and its evidence is required where it blocks', () => {
  const model = (keys: string) =>
    Object.values(
      parseConfig(
        `
version: 1
models:
  m:
    task: binary-classification
    candidate: m.onnx
    columns: { id: id, label: label }
    data: { evaluation: e.csv${keys} }
    policy: { primary: { metric: roc_auc, margin: 0.005 } }
`,
        'contender.yml',
      ).models,
    )[0] as Parameters<typeof data.enabled>[0];
  const asked = (keys: string): boolean[] => [data.enabled(model(keys)), data.required(model(keys))];
  assert.deepEqual(asked(''), [false, false]);
  assert.deepEqual(asked(', reference: r.csv'), [true, false]);
  assert.deepEqual(asked(', reference: r.csv, leakage: false, profile: false'), [false, false]);
  // A profile is kept of it.
  assert.deepEqual(asked(', reference: r.csv, leakage: false'), [true, false]);
  assert.deepEqual(asked(', profile: true'), [true, false]);
  assert.deepEqual(asked(', leakage: {}'), [true, false]);
  assert.deepEqual(asked(', reference: r.csv, leakage: { severity: block }'), [true, true]);
  assert.deepEqual(asked(', reference: r.csv, drift: {}'), [true, true]);
  assert.deepEqual(asked(', reference: r.csv, drift: { severity: warn }'), [true, false]);
});

test('near duplicates are counted by a rule, and may be limited', async () => {
  const tables = {
    evaluation: 'id,x,text,label\na,1.2341,"Hello, World!",1\nb,7,other,0\nc,-5.5,minus,1\n',
    reference: 'id,x,text,label\np,1.2339,hello  world,0\nq,5.5,minus,1\nr,7.1,Other,0\n',
  };
  const { checks, details } = await leakage(tables);
  assert.deepEqual([details.overlap?.rows, details.overlap?.sameFeatures, details.overlap?.near], [0, 0, 1]);
  assert.deepEqual(
    [find(checks, 'data/leakage/near-duplicates')].map(({ verdict, severity }) => [verdict, severity]),
    [['pass', 'info']],
  );
  const limited = await leakage(tables, { max_near_duplicate_rows: 0, severity: 'block' });
  const check = find(limited.checks, 'data/leakage/near-duplicates');
  assert.deepEqual([check.verdict, check.severity, check.observed], ['fail', 'block', 1]);
});

/** 1,000 rows whose label is 1 in three of ten, and columns that know more or less of it. */
const telling = (more: string): string =>
  `select i as id, hash(i, 7) % 10 < 3 as positive, positive::int as label, (hash(i, 1) % 1000)::double as noise,
   'text ' || i as own, ${more} from range(1000) as t(i)`;

test('a column that tells the label almost alone is named, and none that merely has many values', async () => {
  const { checks, details } = await leakage({
    evaluation: {
      select: telling(
        "case when positive then 'spam folder' else 'inbox' end as folder, label * 10 + (hash(i, 2) % 9) as score",
      ),
    },
  });
  const check = find(checks, 'data/leakage/label-in-one-column');
  assert.deepEqual([check.verdict, check.severity, check.observed], ['fail', 'warn', 1]);
  assert.match(check.message, /^the label is predicted by (positive|folder|score) \(100%\), .*learned on one half/u);
  const skills = new Map(details.predictors?.features.map(({ column, skill }) => [column, skill]));
  assert.deepEqual([skills.get('folder'), skills.get('positive')], [1, 1]);
  assert.ok((skills.get('noise') ?? 1) < 0.2 && (skills.get('own') ?? 1) < 0.2);
  const honest = await leakage({ evaluation: { select: `select * exclude (positive) from (${telling('1 as one')})` } });
  assert.equal(find(honest.checks, 'data/leakage/label-in-one-column').verdict, 'pass');
  assert.equal(find(honest.checks, 'data/leakage/label-in-id').verdict, 'pass');
});

test('ids that carry the label, and a file sorted by it, are told as information', async () => {
  const ids = await leakage({
    evaluation: {
      select: `select * exclude (positive) replace (case when positive then 's' else 'h' end || id as id) from (${telling('1 as one')})`,
    },
  });
  const check = find(ids.checks, 'data/leakage/label-in-id');
  assert.deepEqual([check.verdict, check.severity], ['fail', 'info']);
  assert.match(check.message, /the beginning of id/u);
  const sorted = await leakage({
    evaluation: { select: `select * exclude (positive) from (${telling('1 as one')}) order by label, id` },
  });
  assert.match(find(sorted.checks, 'data/leakage/label-in-id').message, /predicted by "?the order of the rows/u);
});

test('evaluation rows that are not later than the reference rows are counted where a time is named', async () => {
  const tables = {
    evaluation: 'id,day,label\na,2024-02-01,1\nb,2024-03-01,0\n',
    reference: 'id,day,label\np,2024-01-01,1\nq,2024-02-01,0\n',
  };
  const { checks } = await leakage(tables, { time: 'day', severity: 'block' });
  const check = find(checks, 'data/leakage/time');
  assert.deepEqual([check.verdict, check.severity, check.observed], ['fail', 'block', 1]);
  assert.match(check.message, /^1 of 2 rows are not later than 2024-02-01, the newest/u);
  const later = { ...tables, reference: 'id,day,label\np,2024-01-01,1\n' };
  assert.equal(find((await leakage(later, { time: 'day' })).checks, 'data/leakage/time').verdict, 'pass');
  const broken = { ...tables, reference: 'id,day,label\np,soon,1\n' };
  await assert.rejects(leakage(broken, { time: 'day' }), /column "day", row \d+ is "soon".*a time in/u);
});

test('one column of another type switches no comparison off', async () => {
  const rows = (cells: (row: number) => string): string =>
    `id,x,t,label\n${Array.from({ length: 20 }, (_, row) => `${row},${cells(row)},${row % 2}`).join('\n')}\n`;
  const day = (row: number): string => `2024-03-${String(row + 1).padStart(2, '0')}`;
  const overlap = async (reference: string | { select: string }, cells?: (row: number) => string): Promise<number> => {
    const here = rows(cells ?? ((row): string => `${row}.50,${day(row)}`));
    const { details } = await leakage({ evaluation: here, reference });
    return details.overlap?.rows ?? -1;
  };
  const parquet = (x: string, t: string): { select: string } => ({
    select: `select i as id, ${x} as x, ${t} as t, i % 2 as label from range(20) r(i)`,
  });
  const texts = "strftime(date '2024-03-01' + i::integer, '%Y-%m-%d')";
  assert.equal(await overlap(parquet('i + 0.5', `(date '2024-03-01' + i::integer)::timestamp`)), 20, 'times');
  assert.equal(await overlap(parquet('i + 0.5', `(date '2024-03-01' + i::integer)::timestamptz`)), 20, 'with a zone');
  assert.equal(await overlap(rows((row) => `${row === 3 ? 'NA' : `${row}.5`},${day(row)}`)), 19, 'one NA');
  const timed = (form: (day: string) => string): string => rows((row) => `${row}.5,${form(day(row))}`);
  const written = (row: number): string => `${row}.50,${day(row)} 10:00:00`;
  assert.equal(
    await overlap(
      timed((on) => `${on}T10:00:00.000000`),
      written,
    ),
    20,
    'times in the texts of two programs',
  );
  assert.equal(
    await overlap(
      timed((on) => `${on}T12:00:00+02:00`),
      written,
    ),
    20,
    'in two zones',
  );
  assert.equal(
    await overlap(
      timed((on) => `${on}T10:00:01`),
      written,
    ),
    0,
    'another second',
  );
  const fraction = (row: number): string => `${row}.1,${day(row)}`;
  assert.equal(await overlap(parquet('(i + 0.1)::float', texts), fraction), 20, 'single precision');
  assert.equal(await overlap(parquet('(i + 0.1)::float', `(date '2024-03-01' + i::integer)`), fraction), 20, 'both');
});

test('a column that can be equal in no row leaves the overlap open, and is named', async () => {
  const { checks } = await leakage({
    evaluation,
    reference: {
      select: `select * from (values ('a', timestamp '2024-01-01', 'ann', 0), ('b', timestamp '2024-01-02', 'bob', 1)) as t(id, x, name, label)`,
    },
  });
  const check = find(checks, 'data/leakage/overlap');
  assert.equal(check.verdict, 'inconclusive');
  assert.match(check.message, /because x is DOUBLE in the evaluation data and TIMESTAMP in the reference data/u);
});

test('the index that pandas saved beside the columns tells no rows apart', async () => {
  const rows = (first: number): { select: string } => ({
    select: `select 'r' || (i + ${first}) as id, i as x, i % 2 as label, i * 7 + ${first} as __index_level_0__ from range(4) t(i)`,
  });
  const { details } = await leakage({ evaluation: rows(0), reference: rows(1000) });
  assert.deepEqual([details.overlap?.columns, details.overlap?.rows], [2, 4]);
});
