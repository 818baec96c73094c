import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { contender, gateRepository, type GateRepository } from '../support/gate-repository.ts';
import { runCompiled, type Step, type StepInput } from './runner.ts';

describe('a branch that nobody need have reviewed', () => {
  let folder = '';
  let repository: GateRepository;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'contender-recording-'));
    repository = await gateRepository(join(folder, 'work'));
    await repository.withoutLoad();
    await contender(repository.folder, ['registry', 'register', '--artifact', 'models/champion.onnx']);
    await repository.git('switch', '--quiet', '--create', 'feature');
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const head = (): Promise<string> => repository.git('rev-parse', 'HEAD');
  const tags = (): Promise<string> => repository.git('tag', '--list');

  const step = async (action: string, over: Partial<StepInput>): Promise<Step> =>
    runCompiled({
      folder: action,
      workspace: repository.folder,
      sha: await head(),
      temporary: join(folder, 'runner'),
      branch: 'feature',
      ...over,
    });

  for (const event of ['push', 'workflow_dispatch']) {
    it(`is judged on a ${event}, and nothing is recorded, tagged or released from it; a notice says why`, async () => {
      const before = [await head(), await tags()];
      const { exitCode, outputs, annotations, log } = await step('.', {
        event,
        inputs: { release: 'true', token: 'none' },
      });
      assert.equal(exitCode, 0, log);
      assert.deepEqual(
        [outputs['outcome'], outputs['status'], outputs['commit']],
        ['promote', 'not-recorded', ''],
        log,
      );
      assert.match(
        annotations.find(({ level }) => level === 'notice')?.message ?? '',
        /^Nothing is recorded: this run is of refs\/heads\/feature, .* default branch, main, .*record: true/u,
      );
      assert.doesNotMatch(log, /Release/u);
      assert.deepEqual([await head(), await tags()], before);
    });
  }

  it('records where it is told to, and is not gone back from unless told', async () => {
    const promoted = await step('.', { inputs: { record: 'true' } });
    assert.equal(promoted.outputs['status'], 'recorded', promoted.log);
    assert.equal(promoted.outputs['commit'], await head());
    const back = await step('actions/rollback', { event: 'workflow_dispatch', inputs: { reason: 'It is slow' } });
    assert.equal(back.outputs['status'], 'not-recorded', back.log);
    assert.match(back.log, /::notice::Nothing is recorded: this run is of refs\/heads\/feature/u);
    assert.equal(promoted.outputs['commit'], await head());
  });
});
