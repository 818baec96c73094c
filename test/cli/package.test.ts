import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { gateRepository, runNode } from '../support/gate-repository.ts';
import { inTemporaryFolder, projectRoot } from '../support/project.ts';

const run = promisify(execFile);

describe('the package that npm pack makes', () => {
  test('has all that the command line needs, the processes that run models too', () =>
    inTemporaryFolder(async (folder) => {
      const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', folder], { cwd: projectRoot });
      const [packed] = JSON.parse(stdout) as { filename: string }[];
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
    }));
});
