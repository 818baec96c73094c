import assert from 'node:assert/strict';
import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { parseConfig } from '../../src/pipeline/configuration.ts';
import { contender } from '../support/gate-repository.ts';
import { fixture, inTemporaryFolder } from '../support/project.ts';

describe('contender init', () => {
  test('writes nothing into a bare repository, or into the folder that git keeps', () =>
    inTemporaryFolder(async (folder) => {
      const git = promisify(execFile);
      await git('git', ['init', '--quiet', '--template=', '--bare', join(folder, 'm.git')]);
      await git('git', ['init', '--quiet', '--template=', join(folder, 'clone')]);
      for (const bare of [join(folder, 'm.git'), join(folder, 'clone', '.git')]) {
        const before = await readdir(bare);
        const { code, stderr } = await contender(bare, ['init', '--yes', '--name', 'mail']);
        assert.equal(code, 2);
        assert.match(stderr, /is a bare git repository.*has no files of its own.*Run contender init in a clone/u);
        assert.deepEqual(await readdir(bare), before);
      }
    }));

  test('says why git refuses the repository that it is in, and advises no other one', () =>
    inTemporaryFolder(async (folder) => {
      await promisify(execFile)('git', ['init', '--quiet', '--template=', folder]);
      await writeFile(join(folder, '.git/config'), '[core\n');
      const { code, stdout, stderr } = await contender(folder, ['init', '--yes', '--name', 'mail']);
      assert.deepEqual([code, stdout], [2, '']);
      assert.match(stderr, /bad config line 1/u);
      assert.deepEqual(await readdir(folder), ['.git']);
    }));

  test('finds models and data, writes what works, and a second run changes nothing', () =>
    inTemporaryFolder(async (folder) => {
      // On a branch of a person's own, of a repository whose default branch is another.
      const git = (...args: string[]): Promise<unknown> => promisify(execFile)('git', ['-C', folder, ...args]);
      await git('init', '--quiet', '--template=', '--initial-branch=mine');
      await git('symbolic-ref', 'refs/remotes/origin/HEAD', 'refs/remotes/origin/trunk');
      await mkdir(join(folder, 'data'));
      await mkdir(join(folder, 'models'));
      await cp(fixture('spam/data/eval.parquet'), join(folder, 'data', 'eval.parquet'));
      await cp(fixture('spam/models/candidate.onnx'), join(folder, 'models', 'candidate.onnx'));
      await cp(fixture('spam/models/champion.onnx'), join(folder, 'models', 'champion.onnx'));
      const args = ['init', '--yes', '--name', 'mail'];
      const { code, stdout, stderr } = await contender(folder, args);
      assert.equal(code, 0, stderr);
      assert.match(stdout, /^ {2}task: binary-classification \(the label has 2 values\)$/mu);
      assert.match(stdout, /gate --no-record --champion models\/champion\.onnx/u);

      const gate = await contender(folder, ['gate', '--no-record', '--champion', 'models/champion.onnx', '--json']);
      assert.equal(gate.code, 0, gate.stderr);
      const { decision } = JSON.parse(gate.stdout) as { decision: { model: string; outcome: string } };
      assert.deepEqual([decision.model, decision.outcome], ['mail', 'promote']);

      const workflows = join(folder, '.github', 'workflows');
      assert.deepEqual((await readdir(workflows)).sort(), ['model-gate.yml', 'promote-model.yml']);
      const promote = parse(await readFile(join(workflows, 'promote-model.yml'), 'utf8')) as {
        on: { push: { branches: string[]; paths: string[] } };
        jobs: { promote: { strategy: { matrix: { model: string[] } } } };
      };
      assert.deepEqual(promote.on.push, {
        branches: ['trunk'],
        paths: ['contender.yml', 'models/**', 'data/**'],
      });
      assert.deepEqual(promote.jobs.promote.strategy.matrix.model, ['mail']);

      const files = ['contender.yml', 'contract.schema.json', '.github/workflows/model-gate.yml'];
      const read = (): Promise<string[]> => Promise.all(files.map((file) => readFile(join(folder, file), 'utf8')));
      const before = await read();
      const again = await contender(folder, args);
      assert.equal(again.code, 0, again.stderr);
      assert.equal(
        again.stdout,
        'contender.yml already exists and was not changed. To start again, move it away and run init again.\n',
      );
      assert.deepEqual(await read(), before);
      const other = await contender(folder, ['init', '--yes', '--name', 'other']);
      assert.equal(other.code, 2);
      assert.match(other.stderr, /contender\.yml already exists, with mail.*never overwritten/u);
    }));

  const tables: [string, string, string][] = [
    ['a label of words', 'key,class\na,cat\nb,dog\nc,cow\n', 'multiclass-classification'],
    ['a label of numbers', 'key,target\na,1.5\nb,2.25\nc,0.1\n', 'regression'],
    ['a label of yes and no', 'key,answer\na,yes\nb,no\nc,"yes"\n', 'binary-classification'],
  ];
  for (const [name, rows, task] of tables) {
    test(`writes a valid configuration of ${task} for ${name}`, () =>
      inTemporaryFolder(async (folder) => {
        await writeFile(join(folder, 'rows.csv'), rows);
        const args = ['init', '--data', 'rows.csv', '--predictions', 'p.csv', '--name', 'a-model'];
        const { code, stdout, stderr } = await contender(folder, args);
        assert.equal(code, 0, stderr);
        assert.match(stdout, /p\.csv is not there yet/u);
        const { models } = parseConfig(await readFile(join(folder, 'contender.yml'), 'utf8'), 'contender.yml');
        assert.equal(models['a-model']?.task, task);
        assert.deepEqual(models['a-model'].candidate, { predictions: 'p.csv' });
      }));
  }

  test('writes the shape of a configuration where there is nothing to look at, and says what is missing', () =>
    inTemporaryFolder(async (folder) => {
      await writeFile(join(folder, 'model.pkl'), '');
      const { code, stdout, stderr } = await contender(folder, ['init', '--yes', '--name', 'empty']);
      assert.equal(code, 0, stderr);
      assert.match(stdout, /model\.pkl is not ONNX: export it to ONNX.*Then:\n {2}git init /su);
      assert.match(stdout, /Before you start:\n {2}data\.evaluation, id, label and task are placeholders/u);
      parseConfig(await readFile(join(folder, 'contender.yml'), 'utf8'), 'contender.yml');
    }));

  test('writes nothing where a column cannot be told', () =>
    inTemporaryFolder(async (folder) => {
      await writeFile(join(folder, 'rows.csv'), 'id,y,target\n1,0,1\n2,1,0\n');
      const { code, stderr } = await contender(folder, ['init', '--yes']);
      assert.equal(code, 2);
      assert.match(stderr, /could be the label: y, target\. Expected one\. Name it with --label/u);
      assert.deepEqual(await readdir(folder), ['rows.csv']);
    }));
});
