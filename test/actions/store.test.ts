import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { sha256, type Evidence } from '../../src/evidence/index.ts';
import { contender, gateRepository, type GateRepository } from '../support/gate-repository.ts';
import { startGitHub, type GitHubStandIn } from '../support/github-api/server.ts';
import { fixture } from '../support/project.ts';
import { runHere, type Step } from './runner.ts';

const name = 'acme/models';
const told = { 'fail-on-failure': 'false', 'fail-on-inconclusive': 'false' };
const readers = { 'evaluate-model': told, behaviour: told, 'load-test': told };

for (const store of ['git', 'github']) {
  describe(`the actions that read the registry, kept with store: ${store}`, () => {
    let folder = '';
    let repository: GateRepository;
    let hub: GitHubStandIn;

    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'contender-store-'));
      hub = await startGitHub(join(folder, 'hub'));
      const { git } = await hub.create(name, { files: {} });
      repository = await gateRepository(join(folder, 'work'));
      await repository.shortLoad();
      await repository.configure('    staging:', '    behaviour: { importance: {} }\n    staging:');
      await repository.configure('path: registry', `path: registry\n  store: ${store}`);
      await repository.git('push', '--quiet', '--force', git.folder, 'main');
      const env = {
        GITHUB_REPOSITORY: name,
        GITHUB_API_URL: hub.url,
        GITHUB_TOKEN: hub.token({ permissions: { contents: 'write' } }),
      };
      const register = ['registry', 'register', '--artifact', 'models/candidate.onnx'];
      for (const [model, how] of [
        ['candidate-small', register],
        ['candidate', ['gate']],
      ] as const) {
        await repository.propose(`spam/models/${model}.onnx`);
        if (store === 'github') {
          await repository.git('pull', '--quiet', '--rebase', git.folder, 'main');
          await repository.git('push', '--quiet', git.folder, 'main');
        }
        const { code, stdout, stderr } = await contender(repository.folder, how, env);
        assert.equal(code, 0, stdout + stderr);
      }
    });
    after(async () => {
      await hub.close();
      await rm(folder, { recursive: true, force: true });
    });

    /** A step with the token of its job and no other. */
    const step = async (
      action: string,
      inputs: Record<string, string>,
      contents: 'read' | 'write' = 'read',
    ): Promise<Step> =>
      runHere({
        folder: `actions/${action}`,
        workspace: repository.folder,
        sha: await repository.git('rev-parse', 'HEAD'),
        temporary: join(folder, 'runner'),
        inputs: { ...inputs, token: hub.token({ permissions: { contents } }) },
        env: { ...hub.environment(name), GITHUB_REPOSITORY: name },
      });

    const champion = async (): Promise<string> => sha256(await readFile(fixture('spam/models/candidate.onnx')));

    for (const [action, inputs] of Object.entries(readers)) {
      it(`${action} judges against its champion`, async () => {
        const { outputs, log } = await step(action, { ...inputs, candidate: 'models/champion.onnx' });
        assert.notEqual(outputs['verdict'], 'error', log);
        const { subjects } = JSON.parse(await readFile(outputs['evidence'] ?? '', 'utf8')) as Evidence;
        assert.equal(subjects.champion?.sha256, await champion());
      });
    }

    it('predict predicts with its champion', async () => {
      const { outputs, log } = await step('predict', { role: 'champion', file: 'champion.parquet' });
      assert.equal(outputs['model-sha256'], await champion(), log);
    });

    it('verify-model knows the champion', async () => {
      const { exitCode, outputs, log } = await step('verify-model', { file: 'models/candidate.onnx' });
      assert.deepEqual([exitCode, outputs['verified'], outputs['version']], [0, 'true', '1.0.1'], log);
    });

    it('verify-registry finds it sound', async () => {
      const { outputs, log } = await step('verify-registry', {});
      assert.equal(outputs['verified'], 'true', log);
    });

    it('rollback goes back in it', async () => {
      const { outputs, log } = await step('rollback', { reason: 'It is slow' }, 'write');
      assert.deepEqual([outputs['status'], outputs['version']], ['recorded', '1.0.0'], log);
    });
  });
}
