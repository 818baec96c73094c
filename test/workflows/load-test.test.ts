import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Check, Evidence } from '../../src/evidence/index.ts';
import { nodes } from '../actions/runner.ts';
import { startGitHub, type GitHubStandIn } from '../support/github-api/server.ts';
import { fixture, projectRoot } from '../support/project.ts';
import type { RunResult } from '../support/runner/run.ts';
import { startActions, type ActionsService } from '../support/runner/service.ts';
import { unzip } from '../support/runner/zip.ts';
import { downloadContender, repositoryName } from '../support/workflow-hub.ts';

/* workflows/load-test.yml on an image classifier whose replicas answer one image at a time, 40 a second each. */
const service = join(dirname(fileURLToPath(import.meta.url)), '../support/image-service.js');
const msPerImage = 25;
const load = (replicas: number): string => `
    staging:
      command: [${process.execPath}, ${service}, --port, '{port}', --model, '{model}', --replicas, '${replicas}', --ms, '${msPerImage}']
    load:
      profile:
        - { kind: ramp, from: 10, to: 110, duration: 4s, warmup: 300ms }
        - { kind: spike, base: 20, factor: 10, before: 3s, length: 200ms, after: 4s, warmup: 0s }
        - { kind: soak, rate: 20, duration: 2s, warmup: 0s }
        - { kind: capacity, window: 2s, budget: 20s, warmup: 0s }
      slo: { p90_ms: 200, accuracy: 0.97, error_rate: 0.01, capacity: 44, recovery: 4s, latency_growth: 5 }
      sizing: { target_rps: 46, replicas: ${replicas} }
`;

let folder = '';
let hub: GitHubStandIn;
let actions: ActionsService;
let config = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'contender-load-workflow-'));
  hub = await startGitHub(join(folder, 'hub'));
  config = await readFile(fixture('digits/contender.yml'), 'utf8');
  const workflow = await readFile(join(projectRoot, 'workflows/load-test.yml'), 'utf8');
  const names = ['data/eval.parquet', 'schema.json', 'models/champion.onnx', 'models/candidate.onnx'];
  const files = await Promise.all(
    names.map(async (name) => [name, await readFile(fixture(`digits/${name}`))] as const),
  );
  await hub.create(repositoryName, {
    files: {
      ...Object.fromEntries(files),
      'contender.yml': config + load(1),
      '.github/workflows/load-test.yml': workflow.replace('- spam-filter ', '- digits '),
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
  await hub.close();
  await rm(folder, { recursive: true, force: true });
});

/** Commit to main, as a merge does, and wait for the load test that it starts. */
async function push(files: Record<string, string | Buffer>): Promise<{ result: RunResult; evidence: Evidence }> {
  const { git } = hub.repository(repositoryName);
  const changes = new Map<string, { mode: string; oid: string }>();
  for (const [path, content] of Object.entries(files))
    changes.set(path, { mode: '100644', oid: await git.write('blob', Buffer.from(content)) });
  const parent = await git.git('rev-parse', 'main');
  const tree = await git.treeWith(await git.git('rev-parse', 'main^{tree}'), changes);
  const author = { name: 'Ada', email: 'ada@example.invalid' };
  const commit = await git.commit({ tree, parents: [parent], message: 'Change', author, signed: false });
  await git.updateRefs([{ ref: 'refs/heads/main', before: parent, after: commit }]);
  const [run, ...others] = await actions.push('refs/heads/main');
  assert.ok(run !== undefined && others.length === 0);
  const result = await run.done;
  const artifact = [...hub.repository(repositoryName).artifacts.values()].find(
    (each) => each.run === run.id && each.name === 'load-test-digits',
  );
  const text = artifact === undefined ? undefined : unzip(artifact.bytes).get('digits/evidence/load.json');
  assert.ok(text !== undefined, result.log);
  return { result, evidence: JSON.parse(text.toString()) as Evidence };
}

function check(evidence: Evidence, id: string): Check {
  const found = evidence.checks.find((each) => each.id === id);
  assert.ok(found !== undefined, evidence.checks.map((each) => each.id).join(' '));
  return found;
}

/** What did not pass. */
function open(evidence: Evidence): string[] {
  return evidence.checks
    .filter(({ verdict, severity }) => severity === 'block' && verdict !== 'pass' && verdict !== 'skipped')
    .map(({ id }) => id);
}

describe('load-test.yml, on an image classifier', () => {
  let alone = 0;

  it('shows where one replica breaks, how many the target takes, and that its answers are right meanwhile', async () => {
    const { result, evidence } = await push({ 'contender.yml': `# One replica.\n${config}${load(1)}` });
    assert.equal(result.conclusion, 'failure', result.log);
    // It stands the spike and the soak, and reads the digits as well as ever; it is only too slow for so many images.
    assert.ok(open(evidence).includes('load/capacity@capacity'), result.log);
    assert.deepEqual(
      open(evidence).filter((id) => !id.startsWith('load/capacity@')),
      [],
      result.log,
    );
    assert.ok(Math.abs(Number(check(evidence, 'load/accuracy').observed) - 0.984) < 0.01);
    alone = Number(check(evidence, 'load/capacity@capacity').observed);
    assert.ok(alone > 20 && alone < 46, `${alone}/s, where 40/s is the truth`);
    const advice = check(evidence, 'load/replicas@capacity');
    assert.equal(advice.observed, Math.ceil(46 / (0.7 * alone)), advice.message);
    const summary = result.jobs[0]?.steps.map((step) => step.summary).join('') ?? '';
    assert.match(summary, /46\/s need [23] replicas/u);
    assert.match(summary, /HorizontalPodAutoscaler/u);
  });

  it('passes once a replica is added, at about twice the rate', async () => {
    const { result, evidence } = await push({ 'contender.yml': config + load(2) });
    assert.equal(result.conclusion, 'success', result.log);
    const both = Number(check(evidence, 'load/capacity@capacity').observed);
    assert.ok(both > 1.3 * alone, `${both}/s of two, ${alone}/s of one`);
    // The advice is still for one replica, though two were measured.
    const advice = check(evidence, 'load/replicas@capacity');
    assert.equal(advice.observed, Math.ceil(46 / (0.7 * (both / 2))), advice.message);
  });

  it('fails a model that answers as fast and reads fewer digits rightly', async () => {
    const short = load(2).replace(
      /profile:\n(?: {8}.*\n)+/u,
      'profile: { rate: 50, duration: 3s, warmup: 300ms, rows_per_request: 4 }\n',
    );
    const { result, evidence } = await push({
      'contender.yml': config + short.replace(/, capacity: .* 5/u, '').replace('200, acc', '4000, acc'),
      'models/candidate.onnx': await readFile(fixture('digits/models/candidate-worse.onnx')),
    });
    assert.equal(result.conclusion, 'failure', result.log);
    assert.deepEqual(open(evidence), ['load/accuracy'], result.log);
    assert.match(check(evidence, 'load/accuracy').message, /answers are right \(9[45]\.\d+%, at least 97% required\)/u);
  });
});
