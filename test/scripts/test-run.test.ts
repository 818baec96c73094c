import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { inTemporaryFolder, projectRoot } from '../support/project.ts';

const passing = "require('node:test')('stands', () => {});";
const failing = "require('node:test')('is wrong', () => { throw new Error(); });";
/** It fails where it runs for the first time. */
const flaky = `const { existsSync, writeFileSync } = require('node:fs');
require('node:test')('is 100% unlucky', () => {
  if (existsSync(__filename + '.ran')) return;
  writeFileSync(__filename + '.ran', '');
  throw new Error();
});`;

/** What `scripts/test.js` makes of test files, on a runner. */
async function runTests(files: Record<string, string>): Promise<{ code: number | null; stdout: string }> {
  return inTemporaryFolder(async (root) => {
    const folder = join(root, 'test');
    await mkdir(folder);
    for (const [name, content] of Object.entries(files)) await writeFile(join(folder, `${name}.test.js`), content);
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const child = spawn(process.execPath, [join(projectRoot, 'build/scripts/test.js'), '--tests', folder], {
      env: { ...env, GITHUB_ACTIONS: 'true' },
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

  it('is red for what fails twice, whatever else passed then', async () => {
    const { code, stdout } = await runTests({ flaky, failing });
    assert.match(stdout, /^failed: is wrong /mu);
    assert.match(stdout, /^failed once, passed when run again alone: is 100% unlucky/mu);
    assert.match(stdout, /^1 passed, 1 failed, 0 skipped$/mu);
    assert.equal(code, 1);
  });
});
