import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { after, before, describe, it } from 'node:test';
import { compiled, gateRepository, runNode, type GateRepository } from '../support/gate-repository.ts';
import { resultsService } from '../support/runner/stand-ins/results-service.ts';
import { downloadActions, nodes, runStep, type Step } from './runner.ts';

describe('the HTML report of a gate', () => {
  let folder = '';
  let actions = '';
  let repository: GateRepository;
  let service: Awaited<ReturnType<typeof resultsService>>;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'contender-upload-'));
    actions = await downloadActions(join(folder, 'actions'));
    repository = await gateRepository(join(folder, 'work'));
    await repository.withoutLoad();
    service = await resultsService();
  });
  after(async () => {
    await service.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const gate = async (inputs: Record<string, string> = {}): Promise<Step> =>
    runStep(actions, {
      folder: '.',
      node: nodes['Node 24'],
      workspace: repository.folder,
      sha: await repository.git('rev-parse', 'HEAD'),
      temporary: join(folder, 'runner'),
      event: 'pull_request',
      inputs: { champion: 'models/champion.onnx', ...inputs },
      env: { GITHUB_SERVER_URL: 'https://github.com', ...service.env },
    });

  it('is uploaded as it is, so that it opens in the browser, and its address heads the summary', async () => {
    const { outputs, summary, log } = await gate();
    const [uploaded, ...others] = service.artifacts;
    assert.ok(uploaded !== undefined && others.length === 0, log);
    assert.deepEqual([uploaded.name, uploaded.contentType], ['spam-filter-report.html', 'text/html']);
    assert.deepEqual(uploaded.bytes, await readFile(outputs['report-html'] ?? ''));
    const address = `https://github.com/example/spam/actions/runs/7/artifacts/${uploaded.id}`;
    assert.equal(outputs['report-url'], address);
    assert.ok(summary.indexOf(`[Report with charts](${address})`) < summary.indexOf('|'), summary.slice(0, 600));
  });

  it('gets a name of its own beside that of another job of the run', async () => {
    const { log } = await gate();
    assert.equal(service.artifacts.at(-1)?.name, 'spam-filter-report-2.html', log);
  });

  it('is not uploaded where nobody wants it', async () => {
    const before = service.artifacts.length;
    const { outputs } = await gate({ 'upload-report': 'false' });
    assert.equal(outputs['report-url'], '');
    assert.equal(service.artifacts.length, before);
  });

  it('is given up in the end, and leaves nothing at work', async () => {
    const silent = createServer(() => undefined).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
    const program = compiled('actions/upload-report.js');
    const code = `const { uploadReport } = await import(${JSON.stringify(pathToFileURL(program).href)});
      const workspace = { out: ${JSON.stringify(join(repository.folder, '.contender/spam-filter'))}, model: 'm' };
      console.log(await uploadReport(workspace, 500));
      console.log(await uploadReport({ ...workspace, signal: AbortSignal.timeout(200) }));`;
    const began = performance.now();
    await writeFile(join(folder, 'wait.mjs'), code);
    const env = { ...service.env, ACTIONS_RESULTS_URL: url };
    const ran = await runNode(join(folder, 'wait.mjs'), [], folder, env);
    silent.closeAllConnections();
    silent.close();
    assert.equal(ran.code, 0, ran.stderr);
    assert.match(
      ran.stdout,
      /::notice::The HTML report was not uploaded \(no answer within 0\.5 s\).*\nundefined\n(?:::.*\n)*::notice::.*\(the run was cancelled\).*\nundefined\n/u,
    );
    assert.ok(performance.now() - began < 20_000);
  });

  it('that cannot be uploaded is said, and changes no verdict', async () => {
    service.refuse(403);
    const { exitCode, outputs, annotations, summary, log } = await gate();
    assert.deepEqual([exitCode, outputs['outcome'], outputs['report-url']], [0, 'promote', ''], log);
    assert.match(
      annotations.find(({ level }) => level === 'notice')?.message ?? '',
      /^The HTML report was not uploaded \(.*403.*\), so the comment has no link to it\. The file is .*report\.html\./u,
    );
    assert.doesNotMatch(summary, /Report with charts/u);
  });
});
