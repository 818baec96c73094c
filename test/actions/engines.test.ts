import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { contender, gateRepository, type GateRepository } from '../support/gate-repository.ts';
import { downloadActions, nodes, runStep, type Step } from './runner.ts';

/** What makes a machine look like another one to the code that runs on it. */
const machines = {
  'linux arm64': "Object.defineProperty(process, 'arch', { value: 'arm64' });",
  'darwin arm64':
    "Object.defineProperty(process, 'arch', { value: 'arm64' }); Object.defineProperty(process, 'platform', { value: 'darwin' });",
  'linux x64 with musl': 'process.report.getReport = () => ({ header: {} });',
};

describe('the bundled actions on a machine that their engines are not for', () => {
  let folder = '';
  let actions = '';
  let repository: GateRepository;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'contender-engines-'));
    actions = await downloadActions(join(folder, 'actions'));
    repository = await gateRepository(join(folder, 'work'));
    await contender(repository.folder, ['registry', 'register', '--artifact', 'models/champion.onnx']);
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const step = async (action: string, inputs: Record<string, string>, machine: string): Promise<Step> => {
    const preload = join(folder, 'machine.cjs');
    await writeFile(preload, machine);
    return runStep(actions, {
      folder: action,
      node: nodes['Node 24'],
      workspace: repository.folder,
      sha: await repository.git('rev-parse', 'HEAD'),
      temporary: join(folder, 'runner'),
      inputs,
      env: { NODE_OPTIONS: `--require ${preload}` },
    });
  };

  for (const [machine, preload] of Object.entries(machines)) {
    it(`say once that they expect Linux x64 with glibc, and not ${machine}`, async () => {
      for (const action of ['.', 'actions/validate-data', 'actions/evaluate-model', 'actions/load-test']) {
        const { exitCode, annotations, log } = await step(action, {}, preload);
        assert.equal(exitCode, 1, log);
        assert.equal(annotations.length, 1, log);
        assert.match(annotations[0]?.message ?? '', new RegExp(`^${machine}`, 'u'));
        assert.match(annotations[0]?.message ?? '', /Expected linux x64 with glibc\. .*runs-on: ubuntu-latest/u);
      }
    });
  }

  it('run all the same where they need none', async () => {
    const { exitCode, log } = await step(
      'actions/verify-model',
      { file: 'models/champion.onnx' },
      machines['linux arm64'],
    );
    assert.equal(exitCode, 0, log);
  });
});
