import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { StagingError } from '../../src/errors.ts';
import { silentLog } from '../../src/log.ts';
import { localModel } from '../../src/model/artifact.ts';
import { startStaging, type StagingTarget } from '../../src/staging/index.ts';
import { fixture, inTemporaryFolder } from '../support/project.ts';

async function start(
  t: TestContext,
  path: string,
  options: { port?: number; signal?: AbortSignal; sha256?: string } = {},
): Promise<StagingTarget> {
  const target = await startStaging({
    staging: { target: 'builtin', ...(options.port !== undefined && { port: options.port }) },
    candidate: {
      role: 'model',
      uri: `file:${path}`,
      sha256:
        options.sha256 ??
        (await localModel(path, path).then(
          (artifact) => artifact.sha256,
          () => '',
        )),
      size: 1,
      path,
      files: [],
      signature: null,
    },
    modelName: 'spam-filter',
    workspace: '/',
    folder: '/',
    log: silentLog,
    ...(options.signal !== undefined && { signal: options.signal }),
  });
  t.after(() => target.stop());
  return target;
}

test('the built-in server is stopped where it opened other bytes than will be recorded', async (t) => {
  await assert.rejects(start(t, fixture('spam/models/candidate.onnx'), { sha256: '0'.repeat(64) }), {
    name: 'ModelError',
    message: /the model has changed since this run began: sha256 [0-9a-f]{64} was opened\. Expected sha256 0{64}/u,
  });
});

test('the built-in server serves the candidate until it is stopped', async (t) => {
  const target = await start(t, fixture('spam/models/candidate.onnx'));
  assert.equal(target.metadata?.inputs[0]?.name, 'features');
  assert.equal(target.service.path, '/v2/models/spam-filter/infer');

  await target.observe();
  const { alive, memoryBytes, cpuPercent } = await target.observe();
  assert.equal(alive, true);
  assert.ok((memoryBytes ?? 0) > 1e7, 'node with onnxruntime takes more than ten megabytes');
  assert.ok(Number.isFinite(cpuPercent));

  await target.stop();
  await target.stop();
  assert.deepEqual(await target.observe(), { memoryBytes: null, cpuPercent: null, alive: false, exit: 'exit code 0' });
  await assert.rejects(fetch(target.url));
});

test('the server sees no secret of ours', async (t) => {
  process.env['CONTENDER_TEST_TOKEN'] = 'secret';
  t.after(() => delete process.env['CONTENDER_TEST_TOKEN']);
  const target = await start(t, fixture('spam/models/champion.onnx'));
  const children = await readFile(`/proc/${process.pid}/task/${process.pid}/children`, 'utf8');
  const [child] = children.trim().split(' ').slice(-1);
  const environment = await readFile(`/proc/${child}/environ`, 'utf8');
  assert.match(environment, /PATH=/u);
  assert.doesNotMatch(environment, /CONTENDER_TEST_TOKEN/u);
  await target.stop();
});

test('a model that cannot be loaded is an error with the reason', async (t) => {
  await assert.rejects(start(t, fixture('onnx-zoo/broken/unknown-op.onnx')), (error) => {
    assert.ok(error instanceof StagingError);
    assert.match(error.message, /did not start.*unknown-op\.onnx/u);
    return true;
  });
});

test('a port in use is an error with the remedy', async (t) => {
  const other = createServer().listen(0, '127.0.0.1');
  t.after(() => other.close());
  await once(other, 'listening');
  const address = other.address();
  assert.ok(typeof address === 'object' && address !== null);
  const starting = start(t, fixture('spam/models/champion.onnx'), { port: address.port });
  await assert.rejects(starting, /is in use.*choose another port/u);
});

test('a run that is aborted before the server is ready says so', async (t) => {
  const abort = new AbortController();
  const starting = start(t, fixture('spam/models/candidate.onnx'), { signal: abort.signal });
  starting.catch(() => {});
  setImmediate(() => abort.abort(new Error('stopped by hand')));
  await assert.rejects(starting, /stopped by hand/u);
});

test('a server that is killed is observed with the signal', async (t) => {
  const target = await start(t, fixture('spam/models/champion.onnx'));
  const children = await readFile(`/proc/${process.pid}/task/${process.pid}/children`, 'utf8');
  process.kill(Number(children.trim().split(' ').at(-1)), 'SIGKILL');
  let observation = await target.observe();
  while (observation.alive) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    observation = await target.observe();
  }
  assert.equal(observation.exit, 'signal SIGKILL');
});

test('a server does not outlive a run that is killed', async () => {
  await inTemporaryFolder(async (folder) => {
    const program = join(folder, 'killed.mjs');
    await writeFile(
      program,
      `import { startStaging } from ${JSON.stringify(new URL('../../src/staging/index.js', import.meta.url).href)};
       import { localModel } from ${JSON.stringify(new URL('../../src/model/artifact.js', import.meta.url).href)};
       const path = ${JSON.stringify(fixture('spam/models/champion.onnx'))};
       const target = await startStaging({ staging: { target: 'builtin' }, modelName: 'm', candidate: await localModel(path, path) });
       console.log(target.url); setInterval(() => {}, 1000);`,
    );
    const child = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    const url = line.toString().trim();
    assert.equal((await fetch(url + '/v2/health/live')).status, 200);
    child.kill('SIGKILL');
    await once(child, 'exit');
    const answers = () =>
      fetch(url + '/v2/health/live').then(
        () => true,
        () => false,
      );
    for (let attempt = 0; attempt < 100 && (await answers()); attempt++) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.equal(await answers(), false);
  });
});
