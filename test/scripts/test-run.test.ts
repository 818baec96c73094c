import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { inTemporaryFolder, projectRoot } from '../support/project.ts';

const program = join(projectRoot, 'build/scripts/test.js');
const passing = "require('node:test')('stands', () => {});";
const failing = "require('node:test')('is wrong', () => { throw new Error(); });";
const ending = "require('node:test')('ends its process', () => process.exit(0));";
const breaking = `const { test } = require('node:test');
test('stands', () => {});
test('ends its process', () => new Promise(() => setTimeout(() => process.exit(0), 300)));
test('is never begun', () => {});`;
/** It fails where it runs for the first time. */
const flaky = `const { existsSync, writeFileSync } = require('node:fs');
require('node:test')('is 100% unlucky', () => {
  if (existsSync(__filename + '.ran')) return;
  writeFileSync(__filename + '.ran', '');
  throw new Error();
});`;

/** It never ends, and has a temporary folder. */
const endless = `require('node:test')('waits', async () => {
  const { inTemporaryFolder } = await import(${JSON.stringify(pathToFileURL(join(projectRoot, 'build/test/support/project.js')))});
  await inTemporaryFolder(async (folder) => {
    require('node:fs').writeFileSync(folder + '/begun', '');
    await new Promise((resolve) => setTimeout(resolve, 600_000));
  });
});`;

/** What `scripts/test.js` makes of test files, on a runner. */
async function runTests(
  files: Record<string, string>,
  variables: Record<string, string> = {},
  options: string[] = [],
): Promise<{ code: number | null; stdout: string }> {
  return inTemporaryFolder(async (root) => {
    const folder = join(root, 'test');
    await mkdir(folder);
    for (const [name, content] of Object.entries(files)) await writeFile(join(folder, `${name}.test.js`), content);
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const child = spawn(process.execPath, [program, '--tests', folder, ...options], {
      env: { ...env, CONTENDER_TEST_SEED: undefined, ...variables, GITHUB_ACTIONS: 'true' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [stdout, [code]] = await Promise.all([text(child.stdout), once(child, 'close')]);
    return { code: code as number | null, stdout };
  });
}

describe('a run of the tests', () => {
  it('is green, and says so loudly, where what failed passes when it is run again alone', async () => {
    const { code, stdout } = await runTests({ flaky, passing });
    assert.match(stdout, /^running again, alone: flaky\.test\.js$/mu);
    assert.match(stdout, /^failed once, passed when run again alone: is 100% unlucky \(.*flaky\.test\.js:2\)$/mu);
    assert.match(stdout, /^::warning::failed once, passed when run again alone: is 100%25 unlucky/mu);
    assert.match(stdout, /^2 passed, 0 failed, 0 skipped$/mu);
    assert.equal(code, 0);
  });

  it('is red for what fails twice or tells of no test, whatever else passed then', async () => {
    const { code, stdout } = await runTests({ flaky, failing, ending });
    assert.match(stdout, /^failed: is wrong /mu);
    assert.match(stdout, /^failed: ending\.test\.js told of no test$/mu);
    assert.match(stdout, /^failed once, passed when run again alone: is 100% unlucky/mu);
    assert.match(stdout, /^1 passed, 2 failed, 0 skipped$/mu);
    assert.equal(code, 1);
  });

  it('is red for tests that did not end, and for what fails once where seeds are random: another would hide it', async () => {
    const { code, stdout } = await runTests({ flaky, breaking }, { CONTENDER_TEST_SEED: 'random' });
    assert.match(stdout, /^failed: 2 tests of .*breaking\.test\.js did not end$/mu);
    assert.match(stdout, /^1 passed, 2 failed, 0 skipped$/mu);
    assert.equal(code, 1);
  });

  it('runs no file again that did not end in time, and is red for it', async () => {
    const { code, stdout } = await runTests({ endless, flaky }, {}, ['--file-seconds', '4']);
    assert.match(stdout, /^running again, alone: flaky\.test\.js$/mu);
    assert.match(stdout, /^failed: .*endless\.test\.js/mu);
    assert.match(stdout, /^failed once, passed when run again alone: is 100% unlucky/mu);
    assert.equal(code, 1);
  });

  it('that is interrupted leaves no folder, neither its own nor those of tests', async () =>
    inTemporaryFolder(async (root) => {
      const [folder, temporary] = [join(root, 'test'), join(root, 'tmp')];
      await mkdir(folder);
      await mkdir(temporary);
      await writeFile(join(folder, 'endless.test.js'), endless);
      const { NODE_TEST_CONTEXT: _, ...env } = process.env;
      // Ctrl-C on a terminal reaches the whole group of processes.
      const child = spawn(process.execPath, [program, '--tests', folder], {
        env: { ...env, TMPDIR: temporary },
        stdio: 'ignore',
        detached: true,
      });
      const left = (): Promise<string[]> => readdir(temporary, { recursive: true });
      while (!(await left()).some((name) => name.endsWith('begun'))) await sleep(50);
      const ended = once(child, 'close');
      process.kill(-(child.pid as number), 'SIGINT');
      assert.deepEqual((await ended)[0], 130);
      const deadline = Date.now() + 20_000;
      while ((await left()).length > 0 && Date.now() < deadline) await sleep(50);
      assert.deepEqual(await left(), []);
    }));
});
