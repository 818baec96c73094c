import type Docker from 'dockerode';
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { cp, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { silentLog } from '../../src/log.ts';
import { startServer } from '../../src/serve/server.ts';
import { startStaging } from '../../src/staging/index.ts';
import { buildImage, dockerOrSkip, importBaseImage } from '../support/docker.ts';
import { fixture, inTemporaryFolder, projectRoot } from '../support/project.ts';

const dist = process.env['CONTENDER_DIST'] ?? join(projectRoot, 'dist');
const baked = 'contender-test/spam-filter:baked';
const empty = 'contender-test/spam-filter:empty';
const row = { name: 'features', shape: [1, 60], datatype: 'FP32', data: Array.from({ length: 60 }, (_, i) => i % 5) };

async function predict(url: string): Promise<unknown> {
  const response = await fetch(url, { method: 'POST', body: JSON.stringify({ inputs: [row] }) });
  assert.equal(response.status, 200);
  return ((await response.json()) as { outputs: unknown }).outputs;
}

const target = (staging: { image: string; mount_model?: string }) =>
  startStaging({
    staging: { memory: '256MiB', start_timeout: '30s', ...staging },
    candidate: {
      role: 'model',
      uri: 'file:candidate.onnx',
      sha256: '0'.repeat(64),
      size: 1,
      path: fixture('spam/models/candidate.onnx'),
      files: [],
      signature: null,
    },
    modelName: 'spam-filter',
    workspace: projectRoot,
    folder: projectRoot,
    log: silentLog,
  });

test('the image of the model server', async (t) => {
  const engine = await dockerOrSkip(t);
  if (engine === null) return;
  assert.ok(existsSync(dist), `no bundles in ${dist}: npm run bundle makes them`);
  await buildImages(engine);
  const local = await startServer({
    artifact: { path: fixture('spam/models/candidate.onnx') },
    modelName: 'spam-filter',
    port: 0,
    host: '127.0.0.1',
    log: silentLog,
  });
  t.after(() => local.close());
  const expected = await predict(`${local.url}/v2/models/spam-filter/infer`);

  await t.test('serves the model that was copied in, as a user without rights on a read-only root', async (t) => {
    const staged = await target({ image: baked });
    t.after(() => staged.stop());
    assert.deepEqual(await predict(staged.url + staged.service.path), expected);
    const [container] = await engine.listContainers({ filters: { ancestor: [baked] } });
    const info = await engine.getContainer(container?.Id ?? '').inspect();
    assert.equal(info.Config.User, '1000:1000');
    assert.equal(info.HostConfig.ReadonlyRootfs, true);
    const { memoryBytes } = await staged.observe();
    assert.ok((memoryBytes ?? 0) > 1e7);
    // Without a certificate bundle, as here, the runtime says so when it means to send something.
    assert.doesNotMatch(await staged.logs(), /telemetry/u);
  });

  await t.test('serves the candidate that is mounted', async (t) => {
    const staged = await target({ image: empty, mount_model: '/model/model.onnx' });
    t.after(() => staged.stop());
    assert.deepEqual(await predict(staged.url + staged.service.path), expected);
  });

  await t.test('says what is missing when it has no model', async () => {
    await assert.rejects(target({ image: empty }), /exit code 1.*There is no ONNX file/u);
  });

  await t.test('reports its health to the engine', async (t) => {
    const container = await engine.createContainer({
      Image: baked,
      Healthcheck: {
        Interval: 500_000_000,
        StartPeriod: 30_000_000_000,
      },
    });
    t.after(() => container.remove({ force: true }));
    await container.start();
    let status: string | undefined;
    for (let attempt = 0; attempt < 100 && status !== 'healthy'; attempt++) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      status = (await container.inspect()).State.Health?.Status;
    }
    assert.equal(status, 'healthy');
  });
});

/** Build the image twice from a small context: the Dockerfile, the bundles and a model. */
async function buildImages(engine: Docker): Promise<void> {
  const base = await importBaseImage(engine);
  await inTemporaryFolder(async (folder) => {
    await cp(join(projectRoot, 'Dockerfile'), join(folder, 'Dockerfile'));
    await cp(join(projectRoot, 'LICENSE'), join(folder, 'LICENSE'));
    await cp(dist, join(folder, 'dist'), { recursive: true, filter: (path) => !path.endsWith('duckdb') });
    await mkdir(join(folder, 'models'));
    await cp(fixture('spam/models/candidate.onnx'), join(folder, 'models/candidate.onnx'));
    await buildImage(engine, folder, baked, { BASE_IMAGE: base, MODEL: 'models/candidate.onnx' });
    await buildImage(engine, folder, empty, { BASE_IMAGE: base });
  });
}
