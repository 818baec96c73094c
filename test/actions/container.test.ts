import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { contender, gateRepository, type GateRepository } from '../support/gate-repository.ts';
import { runHere } from './runner.ts';

const skip = process.getuid?.() === 0 ? false : 'only root can give files to somebody else';

describe('a job container, where the workspace is of another user', { skip }, () => {
  let folder = '';
  let repository: GateRepository;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'contender-container-'));
    repository = await gateRepository(join(folder, 'work'));
    await promisify(execFile)('chown', ['-R', '12345:12345', repository.folder]);
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const register = { act: 'register', artifact: 'models/champion.onnx', reason: 'It served for a year' };

  it('is no reason for git to refuse it as a runner checks it out', async () => {
    const { exitCode, outputs, log } = await runHere({
      folder: 'actions/registry',
      workspace: repository.folder,
      sha: '0'.repeat(40),
      temporary: join(folder, 'runner'),
      inputs: register,
    });
    assert.deepEqual([exitCode, outputs['status']], [0, 'recorded'], log);
  });

  it('is one anywhere else: outside a workflow, and outside the workspace of one', async () => {
    const show = ['registry', 'show'];
    const laptop = await contender(repository.folder, show);
    assert.match(laptop.stderr, /belongs to another user.*safe\.directory/su);
    const elsewhere = { GITHUB_ACTIONS: 'true', GITHUB_WORKSPACE: join(folder, 'runner') };
    const beside = await contender(repository.folder, show, elsewhere);
    assert.match(beside.stderr, /belongs to another user/u);
  });
});
