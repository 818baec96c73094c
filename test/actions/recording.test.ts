import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Decision } from '../../src/evidence/index.ts';
import { contender, gateRepository, type GateRepository } from '../support/gate-repository.ts';
import { runHere, type Step, type StepInput } from './runner.ts';

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
    runHere({
      folder: action,
      workspace: repository.folder,
      sha: await head(),
      temporary: join(folder, 'runner'),
      branch: 'feature',
      ...over,
    });

  for (const event of ['push', 'workflow_dispatch']) {
    it(`is judged on a ${event}, and nothing is recorded, tagged or released from it; a notice says why`, async () => {
      const before = [await repository.recorded(), await tags()];
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
      assert.deepEqual([await repository.recorded(), await tags()], before);
    });
  }

  it('is not even read on pull_request_target, which has the secrets of the base', async () => {
    for (const action of [
      '.',
      'actions/validate-data',
      'actions/promote',
      'actions/rollback',
      'actions/verify-registry',
    ]) {
      const { exitCode, annotations, log } = await step(action, { event: 'pull_request_target' });
      assert.equal(exitCode, 1, log);
      assert.match(annotations[0]?.message ?? '', /pull_request_target.*Expected pull_request: .*workflow_run/u);
    }
  });

  it('records where it is told to, and is not gone back from unless told', async () => {
    const judged = await head();
    const promoted = await step('.', { sha: '0'.repeat(40), inputs: { record: 'true' } });
    assert.equal(promoted.outputs['status'], 'recorded', promoted.log);
    const decision = JSON.parse(await readFile(promoted.outputs['decision'] ?? '', 'utf8')) as Decision;
    assert.equal(decision.source.sha, judged, 'the commit that was checked out, not the one of the event');
    const [metric] = JSON.parse(promoted.outputs['metrics'] ?? '') as Record<string, unknown>[];
    assert.deepEqual(Object.keys(metric ?? {}), [
      'metric',
      'candidate',
      'champion',
      'delta',
      'lower',
      'upper',
      'verdict',
    ]);
    assert.equal(promoted.outputs['commit'], await repository.recorded());
    const back = await step('actions/rollback', { event: 'workflow_dispatch', inputs: { reason: 'It is slow' } });
    assert.equal(back.outputs['status'], 'not-recorded', back.log);
    assert.match(back.log, /::notice::Nothing is recorded: this run is of refs\/heads\/feature/u);
    assert.equal(promoted.outputs['commit'], await repository.recorded());
  });
});
