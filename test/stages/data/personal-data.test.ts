import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { openDataset } from '../../../src/data/dataset.ts';
import { silentLog } from '../../../src/log.ts';
import type { DataSettings } from '../../../src/stages/data/schema.ts';
import { personalColumns } from '../../../src/stages/data/personal-data.ts';
import { validateData } from '../../../src/stages/data/validate.ts';
import type { StageResult } from '../../../src/stages/stage.ts';
import type { ConfiguredModel } from '../../support/configured-model.ts';
import { writeParquet } from '../../support/parquet.ts';
import { inTemporaryFolder } from '../../support/project.ts';

const contract = {
  properties: {
    mail: { format: 'email' },
    note: { maxLength: 40 },
    age: { type: 'integer' },
    card: { type: 'integer' },
  },
};

const rows = Array.from({ length: 200 }, (_, row) => {
  const mail =
    row === 7 ? 'broken.address(at)example.org' : row === 9 ? 'person8@example.org' : `person${row}@example.org`;
  const note = row % 50 === 3 ? `"please write to other${row}@example.com about this soon"` : 'nothing to add';
  return `${mail},${row % 2},${note},${row === 11 ? 'old' : row},${4000000000000000 + row},${row}.${row}.1`;
});
const csv = `mail,label,note,age,card,version\n${rows.join('\n')}\n`;

async function validated(privacy?: DataSettings['privacy']): Promise<StageResult> {
  return inTemporaryFolder(async (folder) => {
    const path = join(folder, 'rows.csv');
    await writeFile(path, csv);
    await writeFile(join(folder, 'contract.json'), JSON.stringify(contract));
    const dataset = await openDataset({ name: 'evaluation', path, uri: 'rows.csv' });
    try {
      const config: ConfiguredModel = {
        task: 'binary-classification',
        candidate: 'm.onnx',
        columns: { id: 'mail', label: 'label' },
        data: {
          evaluation: 'rows.csv',
          contract: 'contract.json',
          profile: true,
          rules: [{ sql: "select mail, note from data where age = '12'" }, { unique: ['mail'] }],
          ...(privacy === undefined ? {} : { privacy }),
        },
        policy: { primary: { metric: 'recall' } },
      };
      return await validateData({
        config,
        datasets: { evaluation: dataset },
        pathOf: async () => join(folder, 'contract.json'),
        log: silentLog,
      });
    } finally {
      dataset.close();
    }
  });
}

const told = ({ checks }: StageResult): string | undefined =>
  checks.find(({ id }) => id === 'data/evaluation/personal-data')?.message;

test('columns and texts that look like personal data are a warning that says what they feed', async () => {
  const evidence = await validated();
  const check = evidence.checks.find(({ id }) => id.endsWith('/personal-data'));
  assert.deepEqual([check?.severity, check?.verdict, check?.observed], ['warn', 'fail', 2]);
  assert.match(
    told(evidence) ?? '',
    /^mail, which names rows in reports, has e-mail addresses; note, which is an input of the model, has texts with e-mail addresses \(4 of 200\); their values are masked in reports/u,
  );
});

test('no such value leaves the stage: not in checks, evidence, profile or lists of rows', async () => {
  const evidence = await validated();
  const { checks, details, files = [] } = evidence;
  assert.ok(checks.filter(({ verdict }) => verdict === 'fail').length >= 5);
  const list = files.find(({ name }) => name.endsWith('.csv'))?.content.toString() ?? '';
  for (const text of [JSON.stringify(checks), JSON.stringify(details), list]) {
    // A value of such a column is masked whatever it looks like.
    assert.doesNotMatch(text, /example\.(?:org|com)/u);
  }
  assert.match(list, /\[e-mail address\],8,9,rows\.csv,mail,format,\[e-mail address\]/u);
  // What is nobody's stays.
  assert.match(list, /rows\.csv,age,type,old/u);
});

test('the configuration says which columns are meant, and that values are shown', async () => {
  const allowed = await validated({ allow: ['mail'] });
  assert.match(told(allowed) ?? '', /^note, which is an input of the model/u);
  const shown = await validated({ mask: false });
  assert.match(told(shown) ?? '', /are shown in reports/u);
  assert.match(JSON.stringify(shown.details), /broken\.address/u);
  const off = await validated(false);
  assert.equal(told(off), undefined);
  assert.match(JSON.stringify(off.checks), /person8@example\.org/u);
});

test('texts that Parquet has as bytes are looked at as texts are', () =>
  inTemporaryFolder(async (folder) => {
    const path = join(folder, 'rows.parquet');
    await writeParquet(path, "select ('10.0.7.' || i)::blob as place, i as row from range(1, 200) as t(i)");
    const dataset = await openDataset({ name: 'evaluation', path, uri: 'rows.parquet' });
    try {
      assert.deepEqual(
        (await personalColumns(dataset)).map(({ column, kind }) => [column, kind]),
        [['place', 'ip']],
      );
    } finally {
      dataset.close();
    }
  }));
