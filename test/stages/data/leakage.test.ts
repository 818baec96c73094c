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
  assert.deepEqual(details.overlap, { columns: 3, rows: 3, sameId: 1 });
});

test('numbers are compared by value and texts as they stand, whatever the format', async () => {
  const { details } = await leakage({
    evaluation,
    reference: {
      select: `select * from (values ('a', 1::double, 'ann', 0), ('b', 2.5::double, 'bob', 1), ('c', 3::double, 'Eve', 1),
        ('d', null, null, 0)) as t(id, x, name, label)`,
    },
  });
  assert.deepEqual(details.overlap, { columns: 3, rows: 3, sameId: 3 });
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
        '3 of 7 rows differ from another in nothing but the label and the id',
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
