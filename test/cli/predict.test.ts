import assert from 'node:assert/strict';
import { mkdir, readFile, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { Evidence } from '../../src/evidence/index.ts';
import { contender, gateRepository, type GateRepository } from '../support/gate-repository.ts';
import { inTemporaryFolder } from '../support/project.ts';

/** The spam case with the champion by path, so that no registry is needed. */
async function spamCase(folder: string): Promise<GateRepository> {
  const repository = await gateRepository(folder);
  await repository.configure('champion: registry', 'champion: models/champion.onnx');
  return repository;
}

async function predict(folder: string, ...args: string[]): Promise<void> {
  const { code, stderr } = await contender(folder, ['predict', ...args]);
  assert.equal(code, 0, stderr);
}

/** What the evaluation found, without what names the files it was found from and when. */
async function findings(folder: string): Promise<unknown> {
  const { code, stderr } = await contender(folder, ['evaluate']);
  assert.equal(code, 0, stderr);
  const text = await readFile(join(folder, '.contender/spam-filter/evidence/evaluation.json'), 'utf8');
  const { verdict, checks, details } = JSON.parse(text) as Evidence;
  return { verdict, checks, details };
}

describe('contender predict', () => {
  test('in three shards is judged exactly as the models are', () =>
    inTemporaryFolder(async (folder) => {
      const repository = await spamCase(folder);
      const direct = await findings(folder);
      for (const role of ['candidate', 'champion']) {
        for (const shard of [1, 2, 3]) {
          await predict(folder, '--role', role, '--shard', `${shard}/3`, '--file', `parts/${role}-${shard}.parquet`);
        }
      }
      for (const role of ['candidate', 'champion']) {
        await repository.configure(
          `${role}: models/${role}.onnx`,
          `${role}: { predictions: 'parts/${role}-*.parquet' }`,
        );
      }
      assert.deepEqual(await findings(folder), direct);
    }));

  test('says what it wrote, and every row is in one shard', () =>
    inTemporaryFolder(async (folder) => {
      await spamCase(folder);
      let rows = 0;
      for (const shard of [1, 2, 3]) {
        const args = ['predict', '--json', '--shard', `${shard}/3`, '--file', `part-${shard}.csv`];
        const { stdout } = await contender(folder, args);
        const result = JSON.parse(stdout) as { rows: number; of: number };
        const lines = (await readFile(join(folder, `part-${shard}.csv`), 'utf8')).trim().split('\n');
        assert.equal(lines.length, result.rows + 1);
        assert.equal(result.of, 2350);
        rows += result.rows;
      }
      assert.equal(rows, 2350);
    }));

  const refused: [what: string, args: string[], message: RegExp][] = [
    ['shards begin at one', ['--shard', '0/3', '--file', 'a.parquet'], /Expected i\/N/u],
    ['there is no such shard', ['--shard', '4/3', '--file', 'a.parquet'], /Expected i\/N/u],
    ['there are more shards than rows', ['--shard', '1/9999', '--file', 'a.parquet'], /9999 shards of 2350 rows/u],
    ['the file is outside the workspace', ['--file', '../a.parquet'], /leads outside the workspace/u],
    ['the file lies behind a link that leads out', ['--file', 'out/new/a.parquet'], /leads outside the workspace/u],
    ['the format is not one it writes', ['--file', 'a.json'], /ends in \.parquet or \.csv/u],
  ];
  for (const [what, args, message] of refused) {
    test(`is refused when ${what}`, () =>
      inTemporaryFolder(async (outside) => {
        const folder = join(outside, 'repository');
        await mkdir(folder);
        await spamCase(folder);
        await symlink(outside, join(folder, 'out'));
        const { code, stderr } = await contender(folder, ['predict', ...args]);
        assert.equal(code, 2, stderr);
        assert.match(stderr, message);
      }));
  }
});

describe('a wildcard in the path of predictions', () => {
  test('follows no link out of the workspace, be it a folder or a file', () =>
    inTemporaryFolder(async (outside) => {
      const folder = join(outside, 'repository');
      await mkdir(join(folder, 'parts'), { recursive: true });
      const repository = await spamCase(folder);
      await predict(folder, '--file', 'all.parquet');
      await symlink(outside, join(folder, 'linked'));
      await symlink(join(folder, 'all.parquet'), join(folder, 'parts/1.parquet'));
      await repository.configure('candidate: models/candidate.onnx', "candidate: { predictions: 'linked/*.parquet' }");
      const byFolder = await contender(folder, ['evaluate']);
      assert.equal(byFolder.code, 2);
      assert.match(byFolder.stderr, /leads outside the workspace/u);
      await repository.configure('linked/*.parquet', 'parts/*.parquet');
      const byFile = await contender(folder, ['evaluate']);
      assert.equal(byFile.code, 2);
      assert.match(byFile.stderr, /"1\.parquet" is a link to a file outside the folder/u);
    }));
});
