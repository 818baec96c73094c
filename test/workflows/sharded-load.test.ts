import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Evidence } from '../../src/evidence/index.ts';
import { silentLog } from '../../src/log.ts';
import { startServer, type RunningServer } from '../../src/serve/server.ts';
import { nodes } from '../actions/runner.ts';
import { startGitHub, type GitHubStandIn } from '../support/github-api/server.ts';
import { fixture, projectRoot } from '../support/project.ts';
import { startActions, type ActionsService } from '../support/runner/service.ts';
import { unzip } from '../support/runner/zip.ts';
import { downloadContender, repositoryName } from '../support/workflow-hub.ts';

/* workflows/sharded-load.yml: two runners load one server, from one instant on, and a third judges the samples of both. */
let folder = '';
let hub: GitHubStandIn;
let actions: ActionsService;
let server: RunningServer;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'contender-sharded-load-'));
  hub = await startGitHub(join(folder, 'hub'));
  const candidate = fixture('digits/models/candidate.onnx');
  server = await startServer({
    artifact: { path: candidate },
    modelName: 'digits',
    port: 0,
    host: '127.0.0.1',
    log: silentLog,
  });
  const workflow = await readFile(join(projectRoot, 'workflows/sharded-load.yml'), 'utf8');
  assert.ok(workflow.includes("'+5 minutes'"));
  const names = ['data/eval.parquet', 'schema.json', 'models/champion.onnx', 'models/candidate.onnx'];
  const files = await Promise.all(
    names.map(async (name) => [name, await readFile(fixture(`digits/${name}`))] as const),
  );
  const load = `
    staging: { url: '${server.url}' }
    load:
      parts: [load-0.json.gz, load-1.json.gz]
      profile: { rate: 60, duration: 2s, warmup: 0s }
      slo: { p90_ms: 4000, accuracy: parity, error_rate: 0 }
`;
  await hub.create(repositoryName, {
    files: {
      ...Object.fromEntries(files),
      'contender.yml': (await readFile(fixture('digits/contender.yml'), 'utf8')) + load,
      '.github/workflows/sharded-load.yml': workflow.replace("'+5 minutes'", "'+30 seconds'"),
    },
  });
  actions = startActions({
    hub,
    repository: repositoryName,
    folder: join(folder, 'runs'),
    actions: { 'contender/contender': await downloadContender(folder) },
    settings: { node: nodes['Node 24'] },
  });
});
after(async () => {
  await Promise.all([hub.close(), server.close()]);
  await rm(folder, { recursive: true, force: true });
});

describe('sharded-load.yml', () => {
  it('sends one load from two runners, and judges all of it once', async () => {
    const [run] = await actions.dispatch('sharded-load.yml');
    assert.ok(run !== undefined);
    const { conclusion, log } = await run.done;
    const { artifacts } = hub.repository(repositoryName);
    const artifact = [...artifacts.values()].find((each) => each.name === 'load-test');
    const text = artifact === undefined ? undefined : unzip(artifact.bytes).get('digits/evidence/load.json');
    assert.ok(text !== undefined, log);
    const { checks, details } = JSON.parse(text.toString()) as Evidence;
    assert.equal(details['requests'], 120, 'those of both parts');
    const verdicts = Object.fromEntries(checks.map(({ id, verdict }) => [id, verdict]));
    for (const id of ['load/error-rate', 'load/parity']) assert.equal(verdicts[id], 'pass', log);
    // A machine that is busy with other tests may begin a second later, which is inconclusive.
    assert.equal(conclusion, verdicts['load/parts'] === 'pass' ? 'success' : 'failure', log);
    assert.notEqual(verdicts['load/parts'], 'fail', log);
    // What the server itself counted: no more than was asked, and what each part asks once beforehand.
    const metrics = await (await fetch(`${server.url}/metrics`)).text();
    const answered = Number(/contender_requests_total\{status="200"\} (\d+)/u.exec(metrics)?.[1]);
    assert.ok(answered >= 120 && answered <= 124, `${answered} requests`);
  });
});
