import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { writeWhole, writing } from '../../src/pipeline/writing.ts';
import { UsageError } from '../../src/errors.ts';
import { contender, gateRepository } from '../support/gate-repository.ts';
import { inTemporaryFolder } from '../support/project.ts';

describe('a place that cannot be written', () => {
  test('is told by name before the long work, whatever writes there, and nothing is recorded', () =>
    inTemporaryFolder(async (folder) => {
      const repository = await gateRepository(folder);
      await contender(folder, ['registry', 'register', '--artifact', 'models/champion.onnx']);
      await mkdir(join(folder, '.contender'), { recursive: true });
      await writeFile(join(folder, '.contender/.gitignore'), '*\n');
      await writeFile(join(folder, '.contender/spam-filter'), 'a note');
      const head = await repository.recorded();
      const into = ['--out', '.contender/spam-filter'];
      const cases = [
        ['gate'],
        ['validate'],
        ['promote'],
        ['export'],
        ['gate', ...into],
        ['predict', '--file', '.contender/spam-filter/p.csv'],
      ];
      for (const args of cases) {
        const { code, stdout, stderr } = await contender(folder, args);
        assert.equal(code, 2, `${args.join(' ')}\n${stdout}${stderr}`);
        assert.match(stderr, /^contender: \S*\.contender\/spam-filter: there is a file where a folder is needed\. /mu);
        assert.match(stderr, /Move the file, or choose another path\.\n$/u);
        assert.doesNotMatch(stderr, /Predict|this is a bug/u);
      }
      assert.equal(await repository.recorded(), head);
    }));

  test('is told for whatever reason the system gives, and a fault of ours stays one', async () => {
    const failing = (code: string) => () => Promise.reject(Object.assign(new Error(code), { code }));
    for (const code of ['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'EEXIST', 'EISDIR', 'ENOSPC', 'EDQUOT']) {
      await assert.rejects(
        writing('/nowhere/at/all', failing(code)),
        (error) => error instanceof UsageError && error.fault.where === '/' && error.fault.remedy !== undefined,
        code,
      );
    }
    const full = (): Promise<never> => Promise.reject(new Error('IO Error: Could not write: No space left on device'));
    await assert.rejects(writing('/nowhere/at/all', full), /the disk is full/u);
    await assert.rejects(writing('/nowhere/at/all', failing('EBADF')), (error) => !(error instanceof UsageError));
    await inTemporaryFolder(async (folder) => {
      await mkdir(join(folder, 'report.html'));
      await assert.rejects(writeWhole(join(folder, 'report.html'), ''), /report\.html: there is a folder/u);
    });
  });
});
