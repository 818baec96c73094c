import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { Evidence } from '../../src/evidence/index.ts';
import type { Profile } from '../../src/profile/profile.ts';
import { faultOf } from '../../src/profile/read-profile.ts';
import { contender, gateRepository } from '../support/gate-repository.ts';
import { writeParquet } from '../support/parquet.ts';
import { inTemporaryFolder } from '../support/project.ts';

async function done(folder: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await contender(folder, args);
  assert.equal(code, 0, stderr + stdout);
  return stdout;
}

async function json<T>(...parts: string[]): Promise<T> {
  return JSON.parse(await readFile(join(...parts), 'utf8')) as T;
}

/** 20,000 rows, more different numbers than a profile keeps; `moved` shifts x by half a standard deviation. */
function rowsOf(seed: number, moved = 0): string {
  const uniform = (salt: number): string => `((hash(i, ${seed}, ${salt}) % 1000000)::double / 1000000)`;
  return `select i as id, ${uniform(1)} + ${uniform(2)} + ${uniform(3)} + ${uniform(4)} + ${moved} as x, ${uniform(5)} as y,
    case when ${uniform(6)} < .5 then 'red' when ${uniform(6)} < .9 then 'green' else 'blue' end as colour,
    (${uniform(7)} < .3)::int as label from range(20000) as t(i)`;
}

const configuration = (drift: string): string => `version: 1
models:
  m:
    task: binary-classification
    candidate: m.onnx
    columns: { id: id, label: label }
    data:
      evaluation: now.parquet
      ${drift}
    policy: { primary: { metric: roc_auc, margin: 0.01 } }
`;

async function driftOf(folder: string, settings: string): Promise<{ code: number | null; evidence: Evidence }> {
  await writeFile(join(folder, 'contender.yml'), configuration(settings));
  const { code, stderr } = await contender(folder, ['validate']);
  assert.ok(code === 0 || code === 1, stderr);
  return { code, evidence: await json<Evidence>(folder, '.contender/m/evidence/data.json') };
}

type Details = Record<string, { columns: Record<string, { verdict: string; psi: number; ks: number | null }> }>;

describe('contender profile', () => {
  test('of shards, merged, is the profile of the whole, byte for byte', () =>
    inTemporaryFolder(async (folder) => {
      await writeParquet(join(folder, 'rows.parquet'), rowsOf(1));
      await mkdir(join(folder, 'parts'));
      const shown = await done(folder, 'profile', 'rows.parquet', '--file', 'whole.json');
      assert.match(shown, /rows\.parquet: 20,000 rows\n/u);
      assert.match(shown, /colour +VARCHAR +0% +3 .*red 49/u);
      for (const part of ['1', '2', '3']) {
        const told = await done(
          folder,
          'profile',
          'rows.parquet',
          '--shard',
          `${part}/3`,
          '--file',
          `parts/${part}.json`,
        );
        assert.match(told, /rows of 20,000: one part/u);
      }
      await done(folder, 'profile', 'parts/3.json', 'parts/1.json', 'parts/2.json', '--file', 'merged.json');
      assert.equal(
        await readFile(join(folder, 'merged.json'), 'utf8'),
        await readFile(join(folder, 'whole.json'), 'utf8'),
      );
      const twice = await contender(folder, ['profile', 'parts/1.json', 'parts/1.json']);
      assert.equal(twice.code, 2);
      assert.match(twice.stderr, /parts\/1\.json: rows 1 to 6666 of rows\.parquet are counted twice/u);
    }));

  test('reads a file as contender.yml says that CSV is written here, and infer does', () =>
    inTemporaryFolder(async (folder) => {
      await writeFile(join(folder, 'train.csv'), 'id;x\n1;0,5\n2;1,5\n');
      for (const command of ['profile', 'infer']) {
        const { code, stderr } = await contender(folder, [command, 'train.csv']);
        assert.equal(code, 2);
        assert.match(stderr, /semicolons and no comma/u);
      }
      await writeFile(join(folder, 'contender.yml'), configuration(`csv: { delimiter: ';', decimal: ',' }`));
      assert.match(await done(folder, 'profile', 'train.csv'), /x +DOUBLE +0% +2 +0\.5/u);
      assert.match(await done(folder, 'infer', 'train.csv'), /"x": \{\s+"type": "number"/u);
      // One that cannot be read is no reason not to look at a file.
      await writeFile(join(folder, 'contender.yml'), 'version: 7\n');
      await writeFile(join(folder, 'other.csv'), 'id,x\n1,0.5\n2,1.5\n');
      assert.match(await done(folder, 'profile', 'other.csv'), /x +DOUBLE/u);
    }));

  test('stands for the reference data: the same columns drift as against the rows', () =>
    inTemporaryFolder(async (folder) => {
      await writeParquet(join(folder, 'before.parquet'), rowsOf(1));
      await writeParquet(join(folder, 'now.parquet'), rowsOf(2, 0.3));
      await done(folder, 'profile', 'before.parquet', '--file', 'before.json');
      const rows = await driftOf(folder, 'reference: before.parquet\n      drift: { labels: true }');
      const profile = await driftOf(folder, 'reference: before.json\n      drift: { labels: true }');
      assert.deepEqual([rows.code, profile.code], [1, 1]);
      const found = [rows, profile].map(
        ({ evidence }) => (evidence.details['drift'] as Details)['reference_vs_evaluation']?.columns ?? {},
      ) as [Details[string]['columns'], Details[string]['columns']];
      assert.deepEqual(Object.keys(found[1]), ['x', 'y', 'colour', 'label']);
      for (const [name, one] of Object.entries(found[0])) {
        const other = found[1][name];
        assert.equal(other?.verdict, one.verdict, name);
        // Numbers are rounded to buckets, categories are not.
        assert.ok(Math.abs((other?.psi ?? 0) - one.psi) < (one.ks === null ? 1e-12 : 0.01), name);
        assert.ok(Math.abs((other?.ks ?? 0) - (one.ks ?? 0)) < 0.005, name);
      }
      assert.equal(found[1]['x']?.verdict, 'fail');
      assert.deepEqual(profile.evidence.subjects.datasets['reference']?.rows, 20_000);
      // Both ways it is kept for later, and both ways it is the same but for what it is a profile of.
      const kept = [rows, profile].map(
        ({ evidence }) => (evidence.details['profiles'] as { reference: Profile }).reference,
      );
      assert.deepEqual(kept[1]?.columns, kept[0]?.columns);
      assert.equal(kept[0]?.form, 'summary');
      assert.equal(faultOf(kept[0]), null);
    }));

  test('is kept with each promotion, and later data are compared with the champion’s', () =>
    inTemporaryFolder(async (folder) => {
      const repository = await gateRepository(folder);
      await repository.withoutLoad();
      await repository.configure(
        '      evaluation: data/eval.parquet',
        '      evaluation: data/eval.parquet\n      profile: true',
      );
      await done(folder, 'registry', 'register', '--artifact', 'models/champion.onnx');
      await repository.configure('profile: true', 'reference: registry\n      drift: {}');
      const early = await contender(folder, ['validate']);
      assert.equal(early.code, 2);
      assert.match(early.stderr, /1\.0\.0 of spam-filter became champion without evidence/u);
      await repository.configure('reference: registry\n      drift: {}', 'profile: true');
      await done(folder, 'gate');
      await repository.configure('profile: true', 'reference: registry\n      drift: {}');
      await done(folder, 'validate');
      const evidence = await json<Evidence>(folder, '.contender/spam-filter/evidence/data.json');
      assert.equal(evidence.subjects.datasets['reference']?.uri, 'registry:spam-filter@1.0.1');
      const { columns } = (evidence.details['drift'] as Details)['reference_vs_evaluation'] ?? { columns: {} };
      assert.ok(Object.keys(columns).length > 50);
      assert.ok(Object.values(columns).every(({ verdict }) => verdict === 'pass'));
      // Of the model's scores too.
      await done(folder, 'evaluate');
      const evaluation = await json<Evidence>(folder, '.contender/spam-filter/evidence/evaluation.json');
      const { scores } = evaluation.details['profiles'] as { scores: Profile };
      assert.equal(faultOf(scores), null);
      assert.deepEqual(
        scores.columns.map(({ name, kind }) => ({ name, kind })),
        [{ name: 'score', kind: 'number' }],
      );
      assert.equal(scores.rows, 2350);
    }));

  const mistakes: { name: string; args: string[]; says: RegExp }[] = [
    { name: 'a page of HTML', args: ['page.csv'], says: /page\.csv: this is an HTML page, not data/u },
    { name: 'no file', args: ['nothing.csv'], says: /nothing\.csv: there is no such file/u },
    {
      name: 'a profile that is none',
      args: ['contender.json'],
      says: /contender\.json: this is not a profile: its schema is "x"/u,
    },
    { name: 'a profile that is not JSON', args: ['broken.json'], says: /broken\.json: this is not JSON/u },
    { name: 'shards of two files', args: ['a.csv', 'b.csv', '--shard', '1/2'], says: /--shard 1\/2 of 2 files/u },
    { name: 'more shards than rows', args: ['a.csv', '--shard', '1/5'], says: /5 shards of 1 row/u },
    { name: 'a file of another name', args: ['a.csv', '--file', 'a.txt'], says: /a name that ends in \.json/u },
    {
      name: 'its own input as output',
      args: ['contender.json', '--file', 'contender.json'],
      says: /not also an input/u,
    },
    { name: 'no configuration and no file', args: [], says: /contender\.yml/u },
  ];
  for (const { name, args, says } of mistakes) {
    test(`says what is wrong with ${name}`, () =>
      inTemporaryFolder(async (folder) => {
        await writeFile(join(folder, 'a.csv'), 'x\n1\n');
        await writeFile(join(folder, 'b.csv'), 'x\n1\n');
        await writeFile(join(folder, 'contender.json'), '{"schema":"x"}');
        await writeFile(join(folder, 'broken.json'), '{"schema":');
        await writeFile(join(folder, 'page.csv'), '<!DOCTYPE html><html><body>Sign in</body></html>\n');
        const { code, stderr } = await contender(folder, ['profile', ...args]);
        assert.equal(code, 2, stderr);
        assert.match(stderr, says);
      }));
  }

  test('data.current may not be the registry, nor leakage be sought in a profile', () =>
    inTemporaryFolder(async (folder) => {
      await writeFile(join(folder, 'contender.yml'), configuration('current: registry'));
      const current = await contender(folder, ['validate']);
      assert.equal(current.code, 2);
      assert.match(current.stderr, /allowed only for data\.reference/u);
      await writeFile(
        join(folder, 'contender.yml'),
        configuration('reference: registry\n      leakage: { max_overlap_rows: 3 }'),
      );
      const leakage = await contender(folder, ['validate']);
      assert.equal(leakage.code, 2);
      assert.match(leakage.stderr, /but data\.reference is a profile/u);
    }));
});
