import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, readFile, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { gateRepository, runNode } from '../support/gate-repository.ts';
import { fixture, inTemporaryFolder, projectRoot } from '../support/project.ts';

const run = promisify(execFile);

describe('the package that npm pack makes', () => {
  test('has all that the command line needs, the processes that run models too', () =>
    inTemporaryFolder(async (folder) => {
      const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', folder], { cwd: projectRoot });
      const [packed] = JSON.parse(stdout) as { filename: string; files: { path: string }[] }[];
      const paths = packed?.files.map(({ path }) => path) ?? [];
      for (const path of [
        'package.json',
        'README.md',
        'LICENSE',
        'schemas/config.schema.json',
        'workflows/promote.yml',
      ])
        assert.ok(paths.includes(path), path);
      assert.deepEqual(
        paths.filter((path) => /\.map$|^(?:test|bench|fixtures|scripts|src|build\/test)\//u.test(path)),
        [],
      );
      await run('tar', ['-xzf', join(folder, packed?.filename ?? ''), '-C', folder]);
      await symlink(join(projectRoot, 'node_modules'), join(folder, 'node_modules'));
      const program = join(folder, 'package/build/src/cli/main.js');

      const help = await runNode(program, ['--help'], folder);
      assert.equal(help.code, 0, help.stderr);
      assert.match(help.stdout, /Usage: contender/u);

      const repository = join(folder, 'repository');
      await gateRepository(repository);
      const predicted = await runNode(program, ['predict', '--file', 'predictions.csv'], repository);
      assert.equal(predicted.code, 0, predicted.stderr);

      const clean = join(folder, 'clean');
      for (const part of ['models', 'data']) await cp(fixture(`spam/${part}`), join(clean, part), { recursive: true });
      const started = await runNode(program, ['init', '--yes'], clean);
      assert.equal(started.code, 0, started.stderr);
      const model = await readFile(join(clean, 'contender.yml'), 'utf8');
      assert.match(model, /candidate: models\/candidate\.onnx/u);
      assert.match(model, /label: label\b/u);
    }));
});
