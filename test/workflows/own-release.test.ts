import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import { fileDigest } from '../../src/file-digest.ts';
import { nodes } from '../actions/runner.ts';
import { runNode } from '../support/gate-repository.ts';
import { startGitHub, type GitHubStandIn } from '../support/github-api/server.ts';
import type { RepositoryState } from '../support/github-api/state.ts';
import { projectRoot } from '../support/project.ts';
import type { StandIn } from '../support/runner/action-source.ts';
import { startActions } from '../support/runner/service.ts';
import { unzip, zip } from '../support/runner/zip.ts';
import { workflowHub } from '../support/workflow-hub.ts';

const run = promisify(execFile);
const name = 'contender/contender';

/** How this machine reaches the package registry, and what it has of it already. */
function registryAccess(): Record<string, string> {
  const names = [
    'NODE_EXTRA_CA_CERTS',
    'HTTPS_PROXY',
    'HTTP_PROXY',
    'NO_PROXY',
    'https_proxy',
    'http_proxy',
    'no_proxy',
  ];
  const own = names.flatMap((each) => (process.env[each] === undefined ? [] : [[each, process.env[each]] as const]));
  return { ...Object.fromEntries(own), npm_config_cache: join(homedir(), '.npm'), npm_config_prefer_offline: 'true' };
}

/** What was attested: the files that a list of digests names, and that are those bytes. */
const attested: string[] = [];
const standIns: Record<string, StandIn> = {
  // The one version of Node that is here besides the one that runs the tests.
  'actions/setup-node': {
    inputs: { 'node-version': '', cache: '' },
    async main(step) {
      assert.equal(step.input('node-version'), '24');
      const folder = join(step.job.folders.tools, 'node-24');
      await mkdir(folder, { recursive: true });
      await symlink(nodes['Node 24'], join(folder, 'node'));
      step.job.path.unshift(folder);
    },
  },
  'actions/attest-build-provenance': {
    inputs: { 'subject-checksums': '' },
    async main(step) {
      const { workspace } = step.job.folders;
      const list = await readFile(join(workspace, step.input('subject-checksums')), 'utf8');
      for (const line of list.trimEnd().split('\n')) {
        const [sha256, file = ''] = line.split('  ');
        if ((await fileDigest(join(workspace, 'dist', file))) === sha256) attested.push(file);
      }
    },
  },
};

describe('the workflow that releases Contender', () => {
  let folder = '';
  let hub: GitHubStandIn;
  let repository: RepositoryState;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'contender-own-release-'));
    hub = await startGitHub(join(folder, 'hub'));
    repository = await hub.create(name, { files: {} });
    const clone = join(folder, 'clone');
    const { stdout } = await run('git', [
      '-C',
      projectRoot,
      'ls-files',
      '-z',
      '--cached',
      '--others',
      '--exclude-standard',
    ]);
    for (const file of stdout.split('\0').filter(Boolean)) await cp(join(projectRoot, file), join(clone, file));
    const git = (...parameters: string[]): Promise<unknown> => run('git', ['-C', clone, ...parameters]);
    await git('init', '--quiet', '--initial-branch=main');
    await git('add', '--all');
    await git('-c', 'user.name=Ada', '-c', 'user.email=ada@example.org', 'commit', '--quiet', '--message', 'Contender');
    await git('push', '--quiet', '--force', repository.git.folder, 'main');
  });
  after(async () => {
    await hub.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('releases no commit whose tests did not pass', async () => {
    const script = join(projectRoot, 'build/scripts/release.js');
    const env = {
      GITHUB_REPOSITORY: name,
      GITHUB_TOKEN: hub.token(),
      GITHUB_SERVER_URL: new URL(hub.url).origin,
      GITHUB_API_URL: hub.url,
    };
    const check = (): ReturnType<typeof runNode> =>
      runNode(script, ['--check'], join(folder, 'clone'), env, process.execPath);
    assert.match((await check()).stderr, /no test was run/u);
    await conclude('test (20)', 'success');
    await conclude('test (24)', 'failure');
    const { code, stderr } = await check();
    assert.equal(code, 1);
    assert.match(stderr, /test \(24\) is failure/u);
    for (const each of repository.checks.values()) Object.assign(each, { conclusion: 'success', app: 'somebody-else' });
    assert.match((await check()).stderr, /no test was run/u);
    for (const each of repository.checks.values()) each.app = 'github-actions';
    assert.equal((await check()).code, 0);
  });

  it('builds a tree of bundles, refuses another, tags it beside the branch, publishes it, and that tree runs', async () => {
    const main = await repository.git.git('rev-parse', 'main');
    const actions = startActions({
      hub,
      repository: name,
      folder: join(folder, 'runs'),
      actions: {},
      standIns,
      settings: { node: nodes['Node 24'], machine: registryAccess() },
    });
    hub.guard(name, { name: 'release', reviewers: ['grace'], branches: ['main'] });
    const [started] = await actions.dispatch('release.yml');
    assert.ok(started !== undefined);
    const status = (): string => repository.runs.get(started.id)?.status ?? '';
    while (status() !== 'waiting' && status() !== 'completed') await setTimeout(50);
    if (status() === 'completed') assert.fail((await started.done).log.slice(-3000));
    const [artifact] = [...repository.artifacts.values()];
    assert.ok(artifact !== undefined);
    const { bytes } = artifact;
    artifact.bytes = zip(new Map([...unzip(bytes), ['gate/index.js.map', Buffer.from('{}')]]));
    await actions.review(started, 'grace');
    const refused = await started.done;
    assert.match(refused.log, /^> gate\/index\.js\.map$/mu);
    assert.deepEqual(await tags(), []);

    artifact.bytes = bytes;
    const again = actions.rerun(started.id, { failedOnly: true });
    await actions.review(again, 'grace');
    const result = await again.done;
    assert.equal(result?.conclusion, 'success', result?.log.slice(-3000));
    const { version } = JSON.parse(await readFile(join(projectRoot, 'package.json'), 'utf8')) as { version: string };
    const commit = await repository.git.git('rev-parse', `v${version}^{commit}`);
    assert.equal(await repository.git.git('rev-parse', `v${version.split('.')[0]}^{commit}`), commit);
    assert.equal(await repository.git.git('rev-parse', `${commit}^`), main);
    assert.equal(await repository.git.git('rev-parse', 'main'), main);
    const changed = await repository.git.git('diff', '--name-only', main, commit);
    assert.ok(changed.split('\n').every((file) => file.startsWith('dist/')));
    assert.equal(attested.length, changed.split('\n').length - 1, 'all but the list itself');
    const [release, ...others] = [...repository.releases.values()];
    assert.deepEqual(others, []);
    assert.equal(release?.draft, false);
    assert.deepEqual(
      release?.assets.map((each) => each.bytes.toString('utf8')),
      [await repository.git.git('show', `${commit}:dist/SHA256SUMS`).then((text) => `${text}\n`)],
    );

    const tree = join(folder, 'tree');
    await run('git', ['clone', '--quiet', '--branch', `v${version}`, repository.git.folder, tree]);
    const at = await workflowHub(join(folder, 'spam'), tree, ['pull-request.yml']);
    try {
      await at.clone.git('switch', '--quiet', '--create', 'worse', 'main');
      await at.clone.propose('spam/models/candidate-worse.onnx');
      await at.push('worse');
      const number = await at.openPull('worse');
      const [gate] = await at.actions.pullRequest(number, 'opened');
      assert.equal((await gate?.done)?.conclusion, 'failure');
      const [comment] = [...at.repository.comments.values()];
      assert.match(comment?.body ?? '', /Rejected/u);
    } finally {
      await at.close();
    }
  });

  const tags = async (): Promise<string[]> =>
    (await repository.git.git('for-each-ref', '--format=%(refname)', 'refs/tags')).split('\n').filter(Boolean);

  async function conclude(check: string, conclusion: string): Promise<void> {
    const answer = await fetch(`${hub.url}/repos/${name}/check-runs`, {
      method: 'POST',
      headers: { authorization: `Bearer ${hub.token()}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        name: check,
        head_sha: await repository.git.git('rev-parse', 'main'),
        status: 'completed',
        conclusion,
      }),
    });
    assert.equal(answer.status, 201);
  }
});
