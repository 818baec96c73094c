import assert from 'node:assert/strict';
import { appendFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { PromoteResult } from '../../src/pipeline/gate/promote.ts';
import { contender, gateRepository } from '../support/gate-repository.ts';
import { inTemporaryFolder } from '../support/project.ts';

const register = ['registry', 'register', '--artifact', 'models/champion.onnx'];

describe('files that decide and are not committed', () => {
  test('are recorded, told and shown, with the commit they differ from', () =>
    inTemporaryFolder(async (folder) => {
      const repository = await gateRepository(folder);
      const path = join(folder, 'contender.yml');
      await writeFile(path, (await readFile(path, 'utf8')).replace(/ {4}staging:.*(?=registry:)/su, ''));
      const head = await repository.commit('No load test');
      const registered = await contender(folder, [...register, '--json']);
      assert.equal(registered.code, 0, registered.stderr);
      const { decision } = JSON.parse(registered.stdout) as PromoteResult;
      assert.deepEqual(decision.source, { sha: head });
      assert.equal(decision.actor, 'Ada', 'who commits here');

      await writeFile(path, (await readFile(path, 'utf8')).replace('min: 0.85', 'min: 0.80'));
      await appendFile(join(folder, 'schema.json'), '\n');
      const gate = await contender(folder, ['gate', '--json']);
      assert.equal(gate.code, 0, gate.stderr);
      const { source, seq } = (JSON.parse(gate.stdout) as { decision: PromoteResult['decision'] & { seq: number } })
        .decision;
      assert.deepEqual(source.uncommitted, ['contender.yml', 'schema.json']);
      assert.equal(source.sha, await repository.git('rev-parse', 'HEAD'));
      assert.match(
        gate.stderr,
        /warning: contender\.yml, schema\.json are not committed in this state\. The decision uses them as they are here/u,
      );

      const why = await contender(folder, ['registry', 'why']);
      assert.match(why.stdout, /not committed: contender\.yml, schema\.json/u);
      assert.equal((await contender(folder, ['export', 'report', '--decision', String(seq)])).code, 0);
      const report = await readFile(join(folder, `.contender/spam-filter/export/decision-${seq}/report.md`), 'utf8');
      assert.match(report, /Source .*not committed: contender\.yml, schema\.json/u);
      assert.equal((await contender(folder, ['registry', 'verify'])).code, 0);
    }));

  test('are also a configuration that git does not know, but no data kept out of git', () =>
    inTemporaryFolder(async (folder) => {
      const repository = await gateRepository(folder);
      await repository.git('rm', '--quiet', '--cached', 'contender.yml', 'data/eval.parquet');
      await repository.git('commit', '--quiet', '-m', 'Keep them elsewhere');
      const result = await contender(folder, [...register, '--json']);
      assert.deepEqual((JSON.parse(result.stdout) as PromoteResult).decision.source.uncommitted, ['contender.yml']);
    }));

  test('are also data that git writes with other line endings than it has, which others could not fetch', () =>
    inTemporaryFolder(async (folder) => {
      const repository = await gateRepository(folder);
      await repository.git('config', 'core.autocrlf', 'true');
      await mkdir(join(folder, 'data/eval'));
      const rows = (first: number, column: string, value: (id: number) => string): string =>
        `id,${column}\n${Array.from({ length: 50 }, (_, row) => `${first + row},${value(first + row)}\n`).join('')}`;
      const label = (id: number): string => String(id % 2);
      await writeFile(join(folder, 'data/eval/a.csv'), rows(0, 'label', label));
      await writeFile(join(folder, 'data/eval/b.csv'), rows(50, 'label', label));
      await writeFile(
        join(folder, 'models/candidate.csv'),
        rows(0, 'score', label) + rows(50, 'score', label).slice(9),
      );
      await writeFile(join(folder, '.gitattributes'), 'b.csv -text\nmodels/*.csv -text\n');
      await writeFile(
        join(folder, 'contender.yml'),
        `version: 1
models:
  m:
    task: binary-classification
    candidate: { predictions: models/candidate.csv }
    columns: { id: id, label: label, positive: 1 }
    data: { evaluation: data/eval }
    policy: { allow_first: true, primary: { metric: accuracy, min: 0.9 } }
`,
      );
      await repository.commit('Predictions');
      await rm(join(folder, 'data/eval'), { recursive: true });
      await repository.git('checkout', '--quiet', '--', '.');
      assert.equal(await repository.git('status', '--porcelain'), '', 'nothing that a person changed');
      const result = await contender(folder, ['gate', '--json']);
      assert.equal(result.code, 0, result.stderr);
      const { decision } = JSON.parse(result.stdout) as PromoteResult;
      assert.deepEqual(decision.source.uncommitted, ['data/eval/a.csv']);
      await repository.configure('evaluation: data/eval', 'evaluation: "data/eval/*.csv"');
      await repository.git('branch', '--quiet', '-D', 'model-registry');
      const wild = await contender(folder, ['gate', '--json']);
      assert.match(wild.stderr, /data\/eval\/a\.csv as here/u);
      assert.match(result.stderr, /data\/eval\/a\.csv as here.*git converts this.*'data\/eval\/a\.csv -text/u);
    }));

  test('are told once where git was told to forget them and they lie there', () =>
    inTemporaryFolder(async (folder) => {
      const repository = await gateRepository(folder);
      await repository.git('rm', '--quiet', '--cached', 'contender.yml');
      const result = await contender(folder, [...register, '--json']);
      assert.deepEqual((JSON.parse(result.stdout) as PromoteResult).decision.source.uncommitted, ['contender.yml']);
    }));

  test('a file whose path the registry could not vouch for is refused before anything is recorded', () =>
    inTemporaryFolder(async (folder) => {
      const repository = await gateRepository(folder);
      await repository.git('mv', 'models/champion.onnx', 'models/a\nb.onnx');
      await repository.commit('Another name');
      const result = await contender(folder, ['registry', 'register', '--artifact', 'models/a\nb.onnx']);
      assert.equal(result.code, 2);
      assert.match(
        result.stderr,
        /"git:[0-9a-f]+:models\/a\\nb\.onnx", cannot be recorded.*Nothing was recorded\. Rename/su,
      );
      assert.equal(await repository.git('branch', '--list', 'model-registry'), '');
    }));
});
