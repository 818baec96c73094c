import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { exitCodeOfVerdict } from '../../src/cli/exit-codes.ts';
import type { Evidence } from '../../src/evidence/index.ts';
import { silentLog } from '../../src/log.ts';
import { checkBatch } from '../../src/pipeline/monitoring/check-batch.ts';
import { openWorkspace } from '../../src/pipeline/workspace.ts';
import { viewOf } from '../../src/registry/manifest.ts';
import { contender, gateRepository, type GateRepository } from '../support/gate-repository.ts';
import { writeParquet } from '../support/parquet.ts';
import { fixture, inTemporaryFolder } from '../support/project.ts';

async function spamCase(folder: string): Promise<GateRepository> {
  const repository = await gateRepository(folder);
  await repository.configure(
    'champion: registry',
    "champion: registry\n    batch: { predictions: 'out/batch.parquet', input: data/eval.parquet }",
  );
  await mkdir(join(folder, 'out'));
  return repository;
}

interface Judged {
  code: number | null;
  verdicts: Record<string, string>;
}

async function judged(folder: string, ...args: string[]): Promise<Judged> {
  const { code, stdout, stderr } = await contender(folder, ['check-batch', '--json', ...args]);
  assert.notEqual(code, 2, stderr);
  return { ...seen(JSON.parse(stdout) as Evidence), code };
}

function seen({ checks, verdict }: Evidence): Judged {
  return {
    code: exitCodeOfVerdict(verdict),
    verdicts: Object.fromEntries(checks.map(({ id, verdict }) => [id.replace('batch/', ''), verdict])),
  };
}

describe('contender check-batch', () => {
  test('passes what the champion predicted, knows its digest from the file, and shows it to people', () =>
    inTemporaryFolder(async (folder) => {
      await spamCase(folder);
      // Fetched from the registry, and gone before the end.
      const registered = await contender(folder, [
        'registry',
        'register',
        '--artifact',
        'models/champion.onnx',
        '--reason',
        'x',
      ]);
      assert.equal(registered.code, 0, registered.stderr);
      const predicted = await contender(folder, ['predict', '--role', 'champion', '--file', 'out/batch.parquet']);
      assert.equal(predicted.code, 0, predicted.stderr);
      const { code, verdicts } = await judged(folder);
      assert.deepEqual(new Set(Object.values(verdicts)), new Set(['pass']));
      assert.equal(verdicts['model'], 'pass');
      assert.equal(code, 0);
      const shown = await contender(folder, ['check-batch']);
      assert.match(shown.stdout, /PASSED {2}/u);
      // The candidate's predictions look alike, and are not the champion's.
      await contender(folder, ['predict', '--file', 'out/batch.parquet']);
      const other = await judged(folder);
      assert.equal(other.verdicts['model'], 'fail');
      assert.equal(other.code, 1);
    }));

  describe('against a reference of earlier predictions', () => {
    const rows =
      'select i::varchar as id, (i % 4 = 0)::int as prediction, (i % 997) / 997 as score from range(4000) t(i)';
    const cases: { name: string; select: string; fails: string[]; model?: string; keys?: string }[] = [
      { name: 'the same shares', select: rows, fails: [] },
      {
        name: 'the same classes as booleans',
        select: `select id, prediction::boolean as prediction, score from (${rows})`,
        fails: [],
      },
      { name: 'rows lost', select: `${rows} limit 3990`, fails: ['rows', 'ids'] },
      { name: 'an id twice', select: `(${rows} limit 3999) union all (${rows} limit 1)`, fails: ['ids-unique', 'ids'] },
      {
        name: 'missing scores',
        select: `select id, prediction, case when id < '2' then null else score end as score from (${rows})`,
        fails: ['missing/score'],
      },
      {
        name: 'infinite scores',
        select: `select id, prediction, case when id = '7' then 'inf'::double else score end as score from (${rows})`,
        fails: ['missing/score'],
      },
      {
        name: 'a constant',
        select: `select id, prediction, 0.5::double as score from (${rows})`,
        fails: ['constant/score', 'scores/score'],
      },
      {
        name: 'a constant but for the last bits',
        select: `select id, prediction, 0.5 + id::int * 1e-15 as score from (${rows})`,
        fails: ['constant/score', 'scores/score'],
      },
      {
        name: 'no row',
        select: `${rows} limit 0`,
        fails: ['ids', 'missing/prediction', 'missing/score', 'rows'],
      },
      {
        name: 'other shares',
        select: `select id, (id::int % 2)::int as prediction, score from (${rows})`,
        fails: ['shares'],
      },
      {
        name: 'a new class',
        select: `select id, prediction + 1 as prediction, score from (${rows})`,
        fails: ['shares', 'classes'],
      },
      { name: 'another model', select: rows, fails: ['model'], model: '0'.repeat(64) },
      {
        name: 'yesterday',
        select: `select *, timestamp '2020-01-01' as at from (${rows})`,
        keys: ', time: at, max_age: 24h',
        fails: ['age'],
      },
      {
        name: 'the future',
        select: `select *, timestamp '2999-01-01' as at from (${rows})`,
        keys: ', time: at, max_age: 24h',
        fails: ['age'],
      },
    ];
    const found = new Map<string, Judged>();
    before(() =>
      inTemporaryFolder(async (folder) => {
        const model = await readFile(fixture('spam/models/champion.onnx'));
        await mkdir(join(folder, 'models'));
        await writeFile(join(folder, 'models/champion.onnx'), model);
        const digest = createHash('sha256').update(model).digest('hex');
        await writeParquet(join(folder, 'last.parquet'), rows);
        await writeParquet(join(folder, 'input.parquet'), 'select i::varchar as id from range(4000) t(i)');
        const check = async (select: string, keys: string, modelDigest: string | undefined): Promise<Judged> => {
          await writeParquet(join(folder, 'batch.parquet'), select);
          await writeFile(
            join(folder, 'contender.yml'),
            `version: 1
models:
  spam:
    task: binary-classification
    candidate: models/champion.onnx
    champion: models/champion.onnx
    columns: { id: id, label: label }
    data: { evaluation: input.parquet }
    policy: { primary: { metric: accuracy, margin: 0.01, require: non-inferior } }
    batch: { predictions: batch.parquet, input: input.parquet, reference: last.parquet${keys} }
`,
          );
          const workspace = await openWorkspace({ root: folder, config: 'contender.yml', out: 'out', log: silentLog });
          return seen(await checkBatch(workspace, viewOf(null, []), { now: new Date(), modelDigest }));
        };
        for (const { name, select, model: stated = digest, keys = '' } of cases) {
          found.set(name, await check(select, keys, stated));
        }
        found.set('unsaid', await check(rows, '', undefined));
      }),
    );
    for (const { name, fails } of cases) {
      test(`${name}: ${fails.length === 0 ? 'passes' : `fails ${fails.join(', ')}`}`, () => {
        const { verdicts, code } = found.get(name) as Judged;
        const failed = Object.keys(verdicts).filter((id) => verdicts[id] === 'fail');
        assert.deepEqual(failed.sort(), [...fails].sort());
        assert.equal(code, fails.length === 0 ? 0 : 1);
      });
    }
    test('what does not say which model predicted it is inconclusive, never a pass', () => {
      const { verdicts, code } = found.get('unsaid') as Judged;
      assert.equal(verdicts['model'], 'inconclusive');
      assert.equal(code, 3);
    });
  });
});
