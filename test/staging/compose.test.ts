import type Docker from 'dockerode';
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { StagingError } from '../../src/errors.ts';
import { silentLog } from '../../src/log.ts';
import { startStaging, type StagingTarget } from '../../src/staging/index.ts';
import { dockerOrSkip, importBaseImage } from '../support/docker.ts';

const program = `
  const metadata = { name: 'm', platform: 'test', inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 2] }],
    outputs: [{ name: 'p', datatype: 'FP32', shape: [-1] }] };
  console.log('serving');
  require('node:http').createServer((request, response) => response.end(JSON.stringify(metadata))).listen(8080);`;

/** A container as Docker Compose labels it. */
async function service(
  t: TestContext,
  engine: Docker,
  name: string,
  published: boolean,
  project = 'shop',
): Promise<Docker.Container> {
  const container = await engine.createContainer({
    Image: await importBaseImage(engine),
    Cmd: ['node', '-e', program],
    Labels: { 'com.docker.compose.service': name, 'com.docker.compose.project': project },
    ExposedPorts: { '8080/tcp': {} },
    HostConfig: {
      Memory: 128 * 1024 ** 2,
      ...(published && { PortBindings: { '8080/tcp': [{ HostIp: '127.0.0.1', HostPort: '' }] } }),
    },
  });
  t.after(() => container.remove({ force: true }));
  await container.start();
  return container;
}

function use(compose: string, more: { project?: string } = {}): Promise<StagingTarget> {
  return startStaging({
    staging: { compose, start_timeout: '20s', ...more },
    candidate: null,
    modelName: 'm',
    workspace: '/',
    folder: '/',
    log: silentLog,
  });
}

test('a service of Docker Compose is used by its name, seen with its memory, and left running', async (t) => {
  const engine = await dockerOrSkip(t);
  if (engine === null) return;
  const container = await service(t, engine, 'contender-test-api', true);
  const target = await use('contender-test-api');
  const seen = await target.observe();
  assert.ok(seen.alive && (seen.memoryBytes ?? 0) > 1e6, JSON.stringify(seen));
  assert.equal(target.limits.memoryBytes, 128 * 1024 ** 2);
  assert.match(await target.logs(), /serving/u);
  await target.stop();
  assert.equal((await container.inspect()).State.Running, true);
  await container.kill();
  assert.equal((await target.observe()).alive, false);
});

test('a service that publishes no port is reached in its network; several, or none, are told with the remedy', async (t) => {
  const engine = await dockerOrSkip(t);
  if (engine === null) return;
  await service(t, engine, 'contender-test-inner', false);
  assert.equal((await (await use('contender-test-inner')).observe()).alive, true);
  await service(t, engine, 'contender-test-inner', false, 'other');
  assert.equal((await use('contender-test-inner', { project: 'other' })).metadata?.name, 'm');
  const fails = (message: RegExp) => (error: unknown) => error instanceof StagingError && message.test(error.message);
  await assert.rejects(use('contender-test-inner'), fails(/2 containers .* in the projects .*staging\.project/su));
  await assert.rejects(
    use('contender-test-none'),
    fails(/No container of the service "contender-test-none" runs.*docker compose up/su),
  );
});
