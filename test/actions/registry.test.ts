import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { contender, gateRepository, type GateRepository } from '../support/gate-repository.ts';
import { runHere, type Step, type StepInput } from './runner.ts';

describe('what a person does to the registry without a laptop', () => {
  let folder = '';
  let repository: GateRepository;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'contender-registry-'));
    repository = await gateRepository(join(folder, 'work'));
    await repository.configure('path: registry', 'path: registry\n  environments: { staging: {} }');
    await repository.withoutLoad();
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const act = async (inputs: Record<string, string>, over: Partial<StepInput> = {}): Promise<Step> =>
    runHere({
      folder: 'actions/registry',
      workspace: repository.folder,
      sha: await repository.git('rev-parse', 'HEAD'),
      temporary: join(folder, 'runner'),
      event: 'workflow_dispatch',
      inputs,
      ...over,
    });
  const register = { act: 'register', artifact: 'models/champion.onnx', reason: 'It served for a year' };

  it('is only shown on a pull request, and on a branch that nobody need have reviewed', async () => {
    for (const over of [{ event: 'pull_request' }, { branch: 'feature' }]) {
      const { exitCode, outputs, log } = await act(register, over);
      assert.deepEqual([exitCode, outputs['status'], outputs['version']], [0, 'not-recorded', '1.0.0'], log);
    }
  });

  it('registers a first champion on the word of who started the run, and says that the commit is not pushed', async () => {
    const { exitCode, outputs, summary, log } = await act(register);
    assert.equal(exitCode, 0, log);
    assert.deepEqual(
      [outputs['status'], outputs['version'], outputs['commit']],
      ['recorded', '1.0.0', await repository.recorded()],
    );
    assert.equal(outputs['headline'], 'Registered: It served for a year');
    assert.match(summary, /It served for a year.*by ada at/su);
    assert.match(log, /::notice::The decision is commit/u);
    assert.equal((await act(register)).outputs['status'], 'already-recorded', 'the same run of a workflow');
  });

  it('assigns an environment and deprecates a version', async () => {
    const assigned = await act({ act: 'assign', environment: 'staging' });
    assert.deepEqual([assigned.outputs['status'], assigned.outputs['version']], ['recorded', '1.0.0'], assigned.log);
    const refused = await act({ act: 'register', artifact: 'models/candidate.onnx', version: '2.0.0' });
    assert.match(refused.outputs['headline'] ?? '', /has a champion, version 1\.0\.0.*contender gate/u);
    const second = await contender(repository.folder, ['gate', '--set-version', '2.0.0']);
    assert.equal(second.code, 0, second.stdout);
    const emptied = await act({ act: 'unassign', environment: 'staging', reason: 'Another is to be tried' });
    assert.equal(emptied.outputs['status'], 'recorded', emptied.log);
    const moved = await act({ act: 'assign', environment: 'staging', version: '2.0.0', reason: 'To be tried' });
    assert.equal(moved.outputs['status'], 'recorded', moved.log);
    const gone = await act({ act: 'deprecate', version: '1.0.0', reason: 'It leaks' });
    assert.equal(gone.outputs['status'], 'recorded', gone.log);
    const shown = await contender(repository.folder, ['registry', 'show', 'spam-filter', '--json']);
    const { environments, versions } = JSON.parse(shown.stdout) as {
      environments: Record<string, string>;
      versions: { version: string; status: string }[];
    };
    assert.deepEqual(environments, { staging: '2.0.0' });
    assert.equal(versions.find(({ version }) => version === '1.0.0')?.status, 'deprecated');
    assert.equal((await contender(repository.folder, ['registry', 'verify'])).code, 0);
  });

  const mistakes: [Record<string, string>, RegExp][] = [
    [{ act: 'remove' }, /^input act: "remove"\. Expected register, assign, unassign, deprecate, waive/u],
    [{}, /^input act: no act/u],
    [{ act: 'register' }, /^input artifact: no artifact/u],
    [{ act: 'assign' }, /^input environment: no environment/u],
    [{ act: 'deprecate' }, /^input version: no version/u],
    [{ act: 'waive', check: 'data/contract' }, /^input until: no until/u],
    [{ act: 'waive', check: 'data/none', until: '30d', reason: 'x' }, /no check "data\/none"/u],
    [{ act: 'deprecate', version: '2.0.0' }, /no reason given.*input reason/u],
  ];
  for (const [inputs, says] of mistakes) {
    it(`says what is missing in ${JSON.stringify(inputs)}`, async () => {
      const { exitCode, outputs, log } = await act(inputs);
      assert.equal(exitCode, 1);
      assert.match(outputs['headline'] ?? '', says, log);
    });
  }
});
