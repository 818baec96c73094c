import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { sha256 } from '../../src/evidence/index.ts';
import type { PromoteResult } from '../../src/pipeline/gate/promote.ts';
import { contender, gateRepository, type CommandResult, type GateRepository } from '../support/gate-repository.ts';
import { startGitHub, type GitHubStandIn } from '../support/github-api/server.ts';
import { inDays, newId, type WorkflowArtifact } from '../support/github-api/state.ts';
import { fixture } from '../support/project.ts';
import { zip } from '../support/runner/zip.ts';

const name = 'acme/models';

describe('a candidate that is an artifact of a workflow run', () => {
  let folder = '';
  let repository: GateRepository;
  let server: GitHubStandIn;
  let token = '';
  let model: Buffer;
  let uploaded: { uri: string; artifact: WorkflowArtifact };

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'contender-artifact-'));
    server = await startGitHub(join(folder, 'hub'));
    const { git } = await server.create(name, { files: {}, private: true });
    repository = await gateRepository(join(folder, 'work'));
    const config = await readFile(join(repository.folder, 'contender.yml'), 'utf8');
    await repository.configure(/ {4}staging:.*(?=registry:)/su.exec(config)?.[0] ?? '', '');
    await repository.git('remote', 'add', 'origin', git.folder);
    await repository.configure('path: registry', 'path: registry\n  push: origin');
    await repository.git('push', '--quiet', 'origin', 'main');
    token = server.token({ permissions: { actions: 'read', contents: 'write' } });
    const registered = await run(['registry', 'register', '--artifact', 'models/champion.onnx']);
    assert.equal(registered.code, 0, registered.stderr);
    model = await readFile(fixture('spam/models/candidate.onnx'));
    uploaded = upload(7);
  });
  after(async () => {
    await server.close();
    await rm(folder, { recursive: true, force: true });
  });

  function upload(run: number): typeof uploaded {
    const id = newId();
    const bytes = zip(new Map([['model.onnx', model]]));
    const artifact = { id, name: 'model', bytes, expired: false, expires: inDays(90), run, attempt: 1 };
    server.repository(name).artifacts.set(id, artifact);
    return { uri: `${server.site}/${name}/actions/runs/${run}/artifacts/${id}`, artifact };
  }

  /** As a step of a job on a fresh machine does: nothing is cached. */
  async function run(args: readonly string[], env: Record<string, string> = {}): Promise<CommandResult> {
    const result = await contender(repository.folder, args, {
      GITHUB_API_URL: server.url,
      GITHUB_REPOSITORY: name,
      GITHUB_EVENT_NAME: 'schedule',
      GITHUB_SHA: await repository.git('rev-parse', 'HEAD'),
      GITHUB_RUN_ID: '7',
      GITHUB_ACTOR: 'ada',
      GITHUB_TOKEN: token,
      CONTENDER_CACHE: await mkdtemp(join(folder, 'cache-')),
      ...env,
    });
    assert.ok(!(result.stdout + result.stderr).includes(token), 'the token is told to nobody');
    return result;
  }

  it('needs no digest; one that is stated must be the right one, and be of something', async () => {
    const evaluate = (...args: string[]): Promise<CommandResult> => run(['evaluate', '--candidate', ...args]);
    const fine = await evaluate(uploaded.uri, '--candidate-sha256', sha256(model));
    assert.equal(fine.code, 0, fine.stderr);
    const other = await evaluate(uploaded.uri, '--candidate-sha256', sha256('other'));
    assert.equal(other.code, 2);
    assert.match(other.stderr, /not the recorded model|has sha256/u);
    const signed = await evaluate('https://ada:SECRET@models.example/m.onnx?X-Amz-Signature=SECRET');
    assert.match(
      signed.stderr,
      /https:\/\/models\.example\/m\.onnx contains a user name or password.*without a secret.*s3:\/\//su,
    );
    assert.doesNotMatch(signed.stdout + signed.stderr, /SECRET/u);
    const presigned = await evaluate(
      'https://models.example/m.onnx?X-Amz-Signature=SECRET',
      '--candidate-sha256',
      sha256(model),
    );
    assert.equal(presigned.code, 2);
    assert.match(presigned.stderr, /contains a secret \(X-Amz-Signature\) in its query.*where every reader sees it/su);
    assert.doesNotMatch(presigned.stdout + presigned.stderr, /SECRET/u);
    const unread = await evaluate('az://models/m.onnx?sig=SECRET');
    assert.match(unread.stderr, /az storage copy az:\/\/models\/m\.onnx m\.onnx/u);
    assert.doesNotMatch(unread.stdout + unread.stderr, /SECRET/u);
    assert.match((await evaluate(uploaded.uri, '--candidate-sha256', 'abc')).stderr, /candidate-sha256: "abc"/u);
    assert.match((await run(['evaluate', '--candidate-sha256', sha256(model)])).stderr, /a digest without a file/u);
    const blind = await run(['evaluate', '--candidate', uploaded.uri], { GITHUB_TOKEN: '' });
    assert.match(blind.stderr, /cannot be downloaded from GitHub without a token.*actions: read/su);
  });

  it('is held where the policy wants approvals, unless the approved run made it', async () => {
    await repository.git('switch', '--quiet', '--create', 'approved');
    await repository.configure('      alpha: 0.05\n', '      alpha: 0.05\n      approvals: { from: [grace] }\n');
    await repository.git('push', '--quiet', 'origin', 'approved');
    server.repository(name).runs.set(7, {
      id: 7,
      name: 'Train',
      head_branch: 'approved',
      head_sha: await repository.git('rev-parse', 'HEAD'),
      event: 'push',
      status: 'in_progress',
      conclusion: null,
      path: '.github/workflows/train.yml',
      head_repository: name,
      pull_requests: [],
      approvals: [{ state: 'approved', comment: '', user: 'grace', environments: ['production'] }],
    });
    const env = {
      GITHUB_TOKEN: server.token({ permissions: { actions: 'read', contents: 'read', 'pull-requests': 'read' } }),
    };
    const gate = (uri: string): Promise<CommandResult> =>
      run(['gate', '--no-record', '--quiet', '--candidate', uri], env);
    const own = await gate(uploaded.uri);
    assert.equal(own.code, 0, own.stdout + own.stderr);
    const foreign = await gate(upload(8).uri);
    assert.equal(foreign.code, 3, foreign.stdout + foreign.stderr);
    assert.match(foreign.stderr, /not an artifact of this workflow run/u);
    await repository.git('switch', '--quiet', 'main');
  });

  it('is recorded with the file and its digest, and a warning of the day that GitHub deletes it', async () => {
    const { code, stdout, stderr } = await run(['gate', '--json', '--candidate', uploaded.uri]);
    assert.equal(code, 0, stderr);
    const { decision } = JSON.parse(stdout) as PromoteResult;
    assert.deepEqual(decision.to, {
      version: '1.0.1',
      artifacts: [{ role: 'model', uri: `${uploaded.uri}#model.onnx`, sha256: sha256(model), size: model.length }],
    });
    const day = uploaded.artifact.expires.slice(0, 10);
    assert.match(stderr, new RegExp(`GitHub deletes on ${day}\\. Its release keeps the bytes`, 'u'));
  });

  it('is in the release of its version, byte for byte', async () => {
    const released = await run(['release', '--repository', name]);
    assert.equal(released.code, 0, released.stderr);
    const [release] = [...server.repository(name).releases.values()];
    assert.deepEqual(release?.assets.find((asset) => asset.name === 'model.onnx')?.bytes, model);
    const card = release?.assets.find((asset) => asset.name === 'model-card.md')?.bytes.toString('utf8');
    assert.match(card ?? '', /model\.onnx/u);
  });

  it('is compared with, and gone back to, from there once it expired', async () => {
    uploaded.artifact.expired = true;
    const evaluated = await run(['evaluate', '--candidate', 'models/champion.onnx', '--verbose']);
    assert.match(
      evaluated.stderr,
      /expired on .*taken from http.*\/releases\/download\/spam-filter%40v1\.0\.1\/model\.onnx/u,
    );
    assert.doesNotMatch(evaluated.stdout, /champion cannot|unloadable/iu);
    assert.equal((await run(['release', '--repository', name])).stdout.includes('unchanged'), true);
    const back = await run(['rollback', '--reason', 'Trying it']);
    assert.equal(back.code, 0, back.stderr);
    const forth = await run(['rollback', '--to', '1.0.1', '--reason', 'It was better']);
    assert.equal(forth.code, 0, forth.stderr);
    assert.match(forth.stdout, /spam-filter 1\.0\.1 is champion/u);
    assert.equal((await run(['registry', 'verify'])).code, 0);
  });

  it('is not gone back to where nothing has its bytes any more', async () => {
    const later = { GITHUB_RUN_ID: '8' };
    assert.equal((await run(['rollback', '--to', '1.0.0', '--reason', 'Away'], later)).code, 0);
    server.repository(name).releases.clear();
    const { code, stderr } = await run(['rollback', '--to', '1.0.1', '--reason', 'Back'], later);
    assert.notEqual(code, 0);
    assert.match(stderr, /expired on .*from the other address: .*answered 404/su);
  });
});
