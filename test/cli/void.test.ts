import assert from 'node:assert/strict';
import { test } from 'node:test';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { contender, gateRepository } from '../support/gate-repository.ts';
import { inTemporaryFolder } from '../support/project.ts';

test('a decision that Contender did not make is taken off by a branch that a person pushes, and verify tells it from then on', () =>
  inTemporaryFolder(async (folder) => {
    const { git } = await gateRepository(folder);
    const run = (...args: string[]): ReturnType<typeof contender> => contender(folder, ['registry', ...args]);
    assert.equal((await run('register', '--artifact', 'models/champion.onnx')).code, 0);
    await git('switch', '--quiet', 'model-registry');
    await writeFile(join(folder, 'registry/models/spam-filter/decisions/000/000002.json'), '{}\n');
    await git('add', 'registry');
    await git('commit', '--quiet', '-m', 'Forge');
    await git('switch', '--quiet', 'main');
    const before = await run('verify');
    assert.equal(before.code, 1);
    assert.match(before.stdout, /000002\.json: not a recorded decision/u);
    for (const args of [
      ['--decision', 'two', '--reason', 'x'],
      ['--decision', '1', '--reason', 'x'],
      ['--decision', '2', '--reason', ' '],
    ]) {
      assert.equal((await run('void', ...args)).code, 2, args.join(' '));
    }
    const tip = await git('rev-parse', 'model-registry');
    const off = await run('void', '--decision', '2', '--reason', 'Pushed past the check', '--by', 'grace');
    assert.equal(off.code, 0, off.stderr);
    assert.equal(await git('rev-parse', 'model-registry'), tip);
    const [, push = ''] = /git (push \. \S+)\n?$/mu.exec(off.stdout) ?? [];
    await git(...push.split(' '));
    const after = await run('verify');
    assert.equal(after.code, 0, after.stdout);
    assert.match(
      after.stdout,
      /The registry is valid.*Void: decision 2 of spam-filter \(sha256 [0-9a-f]{12}\), made void by grace on .*: Pushed past the check/su,
    );
    assert.match((await run('show')).stdout, /1\.0\.0/u);
  }));
