import assert from 'node:assert/strict';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { startGitHub, type GitHubStandIn } from '../support/github-api/server.ts';
import type { Release } from '../support/github-api/state.ts';
import {
  contender,
  gateRepository,
  runAction,
  type CommandResult,
  type GateRepository,
} from '../support/gate-repository.ts';
import { fixture } from '../support/project.ts';

const name = 'acme/models';

describe('the release of a champion', () => {
  let folder = '';
  let repository: GateRepository;
  let server: GitHubStandIn;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'contender-release-'));
    repository = await gateRepository(join(folder, 'work'));
    const sha = await repository.withoutLoad();
    server = await startGitHub(join(folder, 'hub'));
    const { git } = await server.create(name, { files: {} });
    await repository.git('remote', 'add', 'origin', git.folder);
    await repository.git('push', '--quiet', 'origin', 'main');
    const run = { GITHUB_SHA: sha, GITHUB_EVENT_NAME: 'schedule', GITHUB_REPOSITORY: name };
    await contender(repository.folder, ['registry', 'register', '--artifact', 'models/champion.onnx'], run);
    const gate = await contender(repository.folder, ['gate', '--quiet'], run);
    assert.equal(gate.code, 0, gate.stderr);
  });
  after(async () => {
    await server.close();
    await rm(folder, { recursive: true, force: true });
  });

  async function step(
    action: string,
    inputs: Record<string, string> = {},
    env: Record<string, string> = {},
    cancel?: AbortSignal,
  ): Promise<CommandResult & { outputs: string }> {
    await writeFile(join(folder, 'output'), '');
    const environment = {
      ...server.environment(name),
      GITHUB_WORKSPACE: repository.folder,
      GITHUB_RUN_ID: '7',
      GITHUB_SHA: await repository.git('rev-parse', 'HEAD'),
      GITHUB_OUTPUT: join(folder, 'output'),
      INPUT_TOKEN: server.token({ permissions: { contents: 'write' } }),
      ...env,
      ...Object.fromEntries(Object.entries(inputs).map(([key, value]) => [`INPUT_${key.toUpperCase()}`, value])),
    };
    const result = await runAction(action, folder, environment, cancel);
    return { ...result, outputs: await readFile(join(folder, 'output'), 'utf8') };
  }

  const releases = (): Release[] => [...server.repository(name).releases.values()];

  it('is refused while GitHub does not have the decision', async () => {
    const { code, stdout, outputs } = await step('release');
    assert.equal(code, 1, stdout);
    assert.match(stdout, /::error::GitHub does not have decision 2 of spam-filter.*git push/u);
    assert.match(outputs, /status<<.*\nerror\n/u);
    assert.deepEqual(releases(), []);
  });

  it('holds the model byte for byte, card, report, evidence and statements, and says what changed', async () => {
    await repository.git('push', '--quiet', 'origin', 'model-registry');
    const { code, stdout, outputs } = await step('release');
    assert.equal(code, 0, stdout);
    assert.match(outputs, /status<<.*\ncreated\n(?:.*\n)*tag<<.*\nspam-filter@v1\.0\.1\n/u);
    const [release] = releases();
    assert.equal(release?.name, 'spam-filter 1.0.1');
    assert.equal(release?.draft, false);
    assert.equal(release?.latest, true);
    const { git } = server.repository(name);
    const decided = await repository.recorded();
    assert.equal(await git.git('rev-parse', 'spam-filter@v1.0.1^{commit}'), decided);
    assert.match(await git.git('cat-file', 'tag', 'spam-filter@v1.0.1'), /Contender-Decision: spam-filter#2\n/u);
    assert.match(release?.body ?? '', /### Since spam-filter 1\.0\.0\n\n- Size: 2\.55 KiB to/u);
    assert.deepEqual(
      release?.assets.map((asset) => asset.name).toSorted((a, b) => a.localeCompare(b)),
      [
        'candidate.onnx',
        'decision.json',
        'evidence-data.json',
        'evidence-evaluation.json',
        'in-toto-data.json',
        'in-toto-evaluation.json',
        'model-card.md',
        'report.html',
        'report.md',
      ],
    );
    const model = release?.assets.find((asset) => asset.name === 'candidate.onnx')?.bytes;
    assert.deepEqual(model, await readFile(fixture('spam/models/candidate.onnx')));
    assert.match((await step('release')).outputs, /status<<.*\nunchanged\n/u);
    assert.equal(releases().length, 1);
  });

  it('is the same from the command line, which needs a token and a repository', async () => {
    const { folder: work } = repository;
    assert.match((await contender(work, ['release'])).stderr, /GITHUB_TOKEN: no token/u);
    const env = { GITHUB_TOKEN: server.token(), GITHUB_API_URL: server.url };
    const { code, stdout, stderr } = await contender(work, ['release', '--repository', name], env);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^spam-filter@v1\.0\.1: unchanged\. http/u);
  });

  it('of an earlier version is made on request, once its tag is pushed', async () => {
    await repository.git('tag', '--annotate', '-m', '1.0.0', 'spam-filter@v1.0.0', 'model-registry~1');
    const early = await step('release', { version: '1.0.0' });
    assert.match(
      early.stdout,
      /::error::the tag spam-filter@v1\.0\.0 is in this clone but not on GitHub.*git push origin refs\/tags/u,
    );
    await repository.git('push', '--quiet', 'origin', 'refs/tags/spam-filter@v1.0.0');
    assert.match((await step('release', { version: '1.0.0' })).outputs, /status<<.*\ncreated\n/u);
    assert.match(releases().at(-1)?.body ?? '', /first version in the registry/u);
    assert.equal(releases().at(-1)?.latest, false);
  });

  it('is looked after by the gate where it records, and left alone on a pull request and without a champion', async () => {
    const gate = async (inputs: Record<string, string>, event: string): Promise<string> => {
      const { code, stdout } = await step('gate', { release: 'true', ...inputs }, { GITHUB_EVENT_NAME: event });
      assert.equal(code, 0, stdout);
      return stdout;
    };
    assert.match(await gate({}, 'schedule'), /No change.*Release spam-filter@v1\.0\.1: unchanged/su);
    assert.doesNotMatch(await gate({}, 'pull_request'), /Release spam-filter/u);
    const config = await readFile(join(repository.folder, 'contender.yml'), 'utf8');
    await writeFile(join(repository.folder, 'other.yml'), config.replace('path: registry', 'path: other'));
    const named = { config: 'other.yml', champion: 'models/candidate.onnx' };
    assert.match(await gate(named, 'schedule'), /the candidate is the champion/iu);
  });

  it('is not made of a candidate that has another digest than the input states', async () => {
    const other = { candidate: 'models/candidate.onnx', 'candidate-sha256': '0'.repeat(64), release: 'true' };
    const { code, stdout } = await step('gate', other);
    assert.equal(code, 1);
    assert.match(stdout, /::error::.*models\/candidate\.onnx has sha256 .*Expected sha256 0{64}/u);
  });

  it('is guarded by the check of a tag: no file but the champion passes, under no other version', async () => {
    const tagged = { GITHUB_REF_TYPE: 'tag', GITHUB_REF_NAME: 'spam-filter@v1.0.1' };
    const good = await step('verify-model', { file: 'models/candidate.onnx' }, tagged);
    assert.equal(good.code, 0, good.stdout);
    assert.match(good.outputs, /verified<<.*\ntrue\n/u);
    const wrong = await step('verify-model', { file: 'models/champion.onnx' }, tagged);
    assert.equal(wrong.code, 1);
    assert.match(wrong.stdout, /is spam-filter 1\.0\.0, but the tag spam-filter@v1\.0\.1 claims version 1\.0\.1/u);
    assert.match(wrong.outputs, /verified<<.*\nfalse\n/u);
    await cp(fixture('spam/models/candidate-worse.onnx'), join(repository.folder, 'stranger.onnx'));
    const stranger = await step('verify-model', { file: 'stranger.onnx' }, tagged);
    assert.match(stranger.stdout, /is not a recorded version of spam-filter/u);
  });

  it('is what a run that is cancelled after it recorded says is missing, and the next run makes', async () => {
    await repository.propose('spam/models/candidate-small.onnx');
    await repository.configure('require: superior', 'require: not-inferior');
    await repository.configure('margin: 0.01, require: non-inferior', 'margin: 0.2, require: non-inferior');
    await repository.configure('path: registry', 'path: registry\n  push: origin');
    await repository.git('push', '--quiet', 'origin', 'main');
    const cancel = new AbortController();
    server.failBy(({ name: request }) => {
      if (!/^POST .*\/releases$/u.test(request)) return null;
      cancel.abort();
      return 'hang';
    });
    const env = { GITHUB_EVENT_NAME: 'schedule' };
    const { code, stdout, outputs } = await step('gate', { release: 'true' }, env, cancel.signal);
    server.failBy(null);
    assert.equal(code, 1, stdout);
    const commit = await server.repository(name).git.git('rev-parse', 'model-registry');
    assert.match(outputs, new RegExp(`commit<<.*\n${commit}\n`, 'u'), stdout);
    assert.match(
      stdout,
      new RegExp(`::error::Cancelled after .* recorded in commit ${commit}; missing: the release\\.`, 'u'),
    );
    const before = releases().length;
    const again = await step('gate', { release: 'true' }, env);
    assert.equal(again.code, 0, again.stdout);
    assert.equal(releases().length, before + 1);
  });
});
