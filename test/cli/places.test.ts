import assert from 'node:assert/strict';
import { cp, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { contender, gateRepository } from '../support/gate-repository.ts';
import { inTemporaryFolder } from '../support/project.ts';

test('a command works from any folder of the repository, and takes paths as they are typed there', () =>
  inTemporaryFolder(async (folder) => {
    await gateRepository(folder);
    const below = join(folder, 'data/raw');
    await mkdir(below, { recursive: true });
    await cp(join(folder, 'models/champion.onnx'), join(below, 'copy.onnx'));
    const run = async (...args: string[]): Promise<string> => {
      const { code, stdout, stderr } = await contender(below, args);
      assert.equal(code, 0, stderr);
      return stdout;
    };
    await run('registry', 'register', '--artifact', '../../models/champion.onnx');
    assert.match(await run('verify', 'copy.onnx', '--config', '../../contender.yml'), /is spam-filter 1\.0\.0/u);
    await run('validate', '--junit', 'checks.xml');
    await readFile(join(below, 'checks.xml'));
    await readFile(join(folder, '.contender/spam-filter/evidence/data.json'));
    await run('validate', '--workspace', '../..', '--out', 'reports');
    await readFile(join(folder, 'reports/spam-filter/evidence/data.json'));
    await run('predict', '--file', 'p.csv', '--candidate', '../../models/champion.onnx');
    await readFile(join(below, 'p.csv'));
    assert.match(await run('registry', 'verify'), /The registry is valid/u);

    const outside = await contender(below, ['validate', '--config', '../../../elsewhere.yml']);
    assert.equal(outside.code, 2);
    assert.match(outside.stderr, /elsewhere\.yml: there is no such file/u);
    for (const [where, found] of [
      ['/nowhere', /nowhere: there is no such folder.*Check the path/u],
      ['copy.onnx', /copy\.onnx: this is no folder/u],
    ] as const) {
      const { code, stderr } = await contender(below, ['validate', '--workspace', where]);
      assert.equal(code, 2);
      assert.match(stderr, found);
    }
  }));
