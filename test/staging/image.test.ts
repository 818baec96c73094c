import type Docker from 'dockerode';
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { readFile, rm, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { test, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { ConfigError, StagingError } from '../../src/errors.ts';
import { silentLog } from '../../src/log.ts';
import { startStaging, type StagingTarget } from '../../src/staging/index.ts';
import { buildImage, dockerOrSkip, finished, importBaseImage } from '../support/docker.ts';
import { fixture, inTemporaryFolder } from '../support/project.ts';

const run = promisify(execFile);

const label = 'dev.contender.staging';

/** A program that answers as a model server does; `extra` runs first, /allocate takes memory and /exit ends it. */
function server(extra = ''): string {
  return `
    ${extra};
    const metadata = { name: 'm', platform: 'test', inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 2] }],
      outputs: [{ name: 'p', datatype: 'FP32', shape: [-1] }] };
    const hoard = [];
    require('node:http').createServer((request, response) => {
      if (request.url === '/exit') process.exit(3);
      if (request.url === '/allocate') for (;;) hoard.push(Buffer.alloc(1e6, 1));
      response.end(JSON.stringify(metadata));
    }).listen(8080);`;
}

async function start(
  t: TestContext,
  engine: Docker,
  staging: { command: string[]; [name: string]: unknown },
  signal?: AbortSignal,
): Promise<StagingTarget> {
  const image = await importBaseImage(engine);
  const target = await startStaging({
    staging: { image, start_timeout: '20s', ...staging },
    candidate: {
      role: 'model',
      uri: 'file:m.onnx',
      sha256: '0'.repeat(64),
      size: 1,
      path: fixture('spam/models/champion.onnx'),
      files: [],
      signature: null,
    },
    modelName: 'm',
    workspace: '/',
    folder: '/',
    log: silentLog,
    ...(signal !== undefined && { signal }),
  });
  t.after(() => target.stop());
  return target;
}

/** The base image with one more instruction. */
async function derivedImage(engine: Docker, instruction: string): Promise<string> {
  const tag = 'contender-test/derived:local';
  const base = await importBaseImage(engine);
  await inTemporaryFolder(async (folder) => {
    await writeFile(join(folder, 'Dockerfile'), `FROM ${base}\n${instruction}\n`);
    await buildImage(engine, folder, tag, {});
  });
  return tag;
}

/** Containers this test process answers for. */
async function mine(engine: Docker): Promise<Docker.ContainerInfo[]> {
  const all = await engine.listContainers({ all: true, filters: { label: [label] } });
  return all.filter((container) => container.Labels[label]?.includes(`"pid":${process.pid},`));
}

async function eventuallyDead(target: StagingTarget): Promise<string | undefined> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const { alive, exit } = await target.observe();
    if (!alive) return exit;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return assert.fail('the container lives on');
}

test('an image is served from a limited container without privileges, watched, and removed', async (t) => {
  const engine = await dockerOrSkip(t);
  if (engine === null) return;
  const target = await start(t, engine, { command: ['node', '-e', server()], memory: '128MiB', cpus: 0.5 });

  const [container] = await mine(engine);
  assert.ok(container);
  const { HostConfig: host, Image } = await engine.getContainer(container.Id).inspect();
  assert.equal(host.Memory, 128 * 1024 ** 2);
  assert.equal(host.MemorySwap, host.Memory);
  assert.equal(host.NanoCpus, 0.5e9);
  assert.deepEqual(host.CapDrop, ['ALL']);
  assert.deepEqual(host.SecurityOpt, ['no-new-privileges']);
  assert.ok((host.PidsLimit ?? 0) > 0);
  assert.deepEqual(
    Object.values((host.PortBindings ?? {}) as Record<string, { HostIp: string }[]>)[0]?.[0]?.HostIp,
    '127.0.0.1',
  );
  assert.equal(target.artifact?.sha256, Image.replace('sha256:', ''));
  assert.equal((await fetch(new URL(target.service.path, target.url), { method: 'POST' })).status, 200);

  await target.observe();
  const observation = await target.observe();
  assert.equal(observation.alive, true);
  assert.ok((observation.memoryBytes ?? 0) > 1e6, 'a running node takes more than a megabyte');
  assert.ok(Number.isFinite(observation.cpuPercent));
  assert.ok((observation.engineSeconds ?? 0) > 0, 'the engine works for it too');

  await target.stop();
  await target.stop();
  assert.deepEqual(await mine(engine), []);
});

test('an image that starts as root and hands over to a user starts as with docker run', async (t) => {
  const engine = await dockerOrSkip(t);
  if (engine === null) return;
  const handOver = `
    const fs = require('node:fs');
    fs.writeFileSync('/tmp/cache', 'x', { mode: 0o600 });
    fs.chownSync('/tmp/cache', 1234, 1234);
    fs.appendFileSync('/tmp/cache', 'y');
    process.setgid(1234);
    process.setuid(1234);
    console.log('user', process.getuid())`;
  const target = await start(t, engine, { command: ['node', '-e', server(handOver)] });
  assert.match(await target.logs(), /user 1234/u);
});

test('the candidate is mounted read-only where the configuration says', async (t) => {
  const engine = await dockerOrSkip(t);
  if (engine === null) return;
  const report = `
    const fs = require('node:fs');
    console.log('size', fs.statSync('/model/m.onnx').size);
    try { fs.appendFileSync('/model/m.onnx', 'x'); } catch (error) { console.log(error.code); }`;
  const target = await start(t, engine, { command: ['node', '-e', server(report)], mount_model: '/model/m.onnx' });
  assert.match(await target.logs(), /size 2615\nEROFS/u);
});

test('a container that never becomes healthy is an error that shows its last answer and lines', async (t) => {
  const engine = await dockerOrSkip(t);
  if (engine === null) return;
  const unhealthy = `console.log('loading for ever');
    require('node:http').createServer((request, response) => { response.statusCode = 503; response.end(); }).listen(8080)`;
  await assert.rejects(start(t, engine, { command: ['node', '-e', unhealthy], start_timeout: '1s' }), (error) => {
    assert.ok(error instanceof StagingError);
    assert.match(
      error.message,
      /was not healthy after 1 s \(last answer: 503\).*loading for ever.*listens on 0\.0\.0\.0/su,
    );
    return true;
  });
  assert.deepEqual(await mine(engine), []);
});

test('a container that ends while it starts is an error with its exit code and last lines', async (t) => {
  const engine = await dockerOrSkip(t);
  if (engine === null) return;
  const dying = `console.error('no such model'); setTimeout(() => process.exit(7), 300)`;
  await assert.rejects(start(t, engine, { command: ['node', '-e', dying] }), (error) => {
    assert.ok(error instanceof StagingError);
    assert.match(error.message, /exit code 7.*no such model/u);
    return true;
  });
  assert.deepEqual(await mine(engine), []);
});

test('a container that is out of memory while it starts is told by its limit', async (t) => {
  const engine = await dockerOrSkip(t);
  if (engine === null) return;
  const greedy = `setTimeout(() => { const hoard = []; for (;;) hoard.push(Buffer.alloc(1e6, 1)); }, 300)`;
  await assert.rejects(start(t, engine, { command: ['node', '-e', greedy], memory: '64MiB' }), (error) => {
    assert.ok(error instanceof StagingError);
    assert.match(error.message, /out of memory \(limit 64MiB\).*Raise staging\.memory/u);
    return true;
  });
  assert.deepEqual(await mine(engine), []);
});

test('a container that dies under load is observed with the reason', async (t) => {
  const engine = await dockerOrSkip(t);
  if (engine === null) return;
  const exiting = await start(t, engine, { command: ['node', '-e', server()] });
  await fetch(new URL('/exit', exiting.url)).catch(() => {});
  assert.equal(await eventuallyDead(exiting), 'exit code 3');
  await exiting.stop();

  const greedy = await start(t, engine, { command: ['node', '-e', server()], memory: '96MiB' });
  await fetch(new URL('/allocate', greedy.url)).catch(() => {});
  assert.equal(await eventuallyDead(greedy), 'out of memory (limit 96MiB)');
  await greedy.stop();
  assert.deepEqual(await mine(engine), []);
});

test('an image that is not there is an error with a remedy', async (t) => {
  const engine = await dockerOrSkip(t);
  if (engine === null) return;
  await assert.rejects(start(t, engine, { command: [], image: 'localhost:9/contender-test/absent:1' }), (error) => {
    assert.ok(error instanceof StagingError);
    assert.match(error.message, /localhost:9\/contender-test\/absent:1 is not on this machine and cannot be pulled/u);
    assert.equal(error.unavailable, true);
    return true;
  });
});

test('settings that the engine refuses are for a person to mend, and no container stays', async (t) => {
  const engine = await dockerOrSkip(t);
  if (engine === null) return;
  const command = ['node', '-e', server()];
  for (const [staging, says] of [
    [{ command: ['no-such-program'] }, /does not start.*no-such-program/u],
    [{ command: [] }, /cannot be created: No command/iu],
    [{ command, memory: '1MiB' }, /cannot be created: .*memory/iu],
    [{ command, cpus: 4096 }, /cannot be created: .*CPUs/u],
    [{ command, mount_model: '/' }, /cannot be created: .*destination/u],
    [{ command, image: 'Upper/Case:1' }, /Image Upper\/Case:1 cannot be read: .*lowercase/u],
  ] as const) {
    await assert.rejects(start(t, engine, staging as unknown as { command: string[] }), (error) => {
      assert.ok(error instanceof ConfigError, String(error));
      assert.match(error.message, says);
      return true;
    });
  }
  assert.deepEqual(await mine(engine), []);
});

test('an image whose own program is not there is at fault itself', async (t) => {
  const engine = await dockerOrSkip(t);
  if (engine === null) return;
  const image = await derivedImage(engine, 'ENTRYPOINT ["/no-such-entry"]');
  await assert.rejects(start(t, engine, { command: ['node'], image }), (error) => {
    assert.ok(error instanceof StagingError && !error.unavailable, String(error));
    assert.match(error.message, /does not start.*no-such-entry.*Correct the entry point/u);
    return true;
  });
});

test('an image for another kind of processor, which does not start here, says nothing of the candidate', async (t) => {
  const engine = await dockerOrSkip(t);
  if (engine === null) return;
  const image = 'contender-test/other-processor:local';
  const base = await importBaseImage(engine);
  await inTemporaryFolder(async (folder) => {
    const archive = join(folder, 'image.tar');
    await pipeline(await engine.getImage(base).get(), createWriteStream(archive));
    await run('tar', ['-xf', archive, '-C', folder]);
    await unlink(archive);
    const read = async (name: string): Promise<unknown> => JSON.parse(await readFile(join(folder, name), 'utf8'));
    const [{ Config: config, Layers: layers }] = (await read('manifest.json')) as [
      { Config: string; Layers: string[] },
    ];
    await writeFile(
      join(folder, config),
      JSON.stringify({ ...((await read(config)) as object), architecture: 's390x' }),
    );
    await writeFile(
      join(folder, 'manifest.json'),
      JSON.stringify([{ Config: config, RepoTags: [image], Layers: layers }]),
    );
    for (const name of ['index.json', 'oci-layout', 'repositories']) await rm(join(folder, name), { force: true });
    await run('tar', ['-cf', join(folder, 'other.tar'), '-C', folder, '.']);
    await finished(engine, await engine.loadImage(join(folder, 'other.tar')));
  });
  await assert.rejects(start(t, engine, { command: ['node', '-e', 'process.exit(1)'], image }), (error) => {
    assert.ok(error instanceof StagingError && error.unavailable, String(error));
    assert.match(error.message, /The image is for s390x, and this machine is /u);
    return true;
  });
});

test('a run that is aborted while it waits leaves no container', async (t) => {
  const engine = await dockerOrSkip(t);
  if (engine === null) return;
  const abort = new AbortController();
  const starting = start(t, engine, { command: ['node', '-e', 'setInterval(() => {}, 1000)'] }, abort.signal);
  starting.catch(() => {});
  while ((await mine(engine)).length === 0) await new Promise((resolve) => setTimeout(resolve, 50));
  abort.abort(new Error('stopped by hand'));
  await assert.rejects(starting, /stopped by hand/u);
  assert.deepEqual(await mine(engine), []);
});

test('the container of a run that was killed is removed by the next', async (t) => {
  const engine = await dockerOrSkip(t);
  if (engine === null) return;
  const image = await importBaseImage(engine);
  const killed = await inTemporaryFolder(async (folder) => {
    const program = join(folder, 'killed.mjs');
    const staging = { image, command: ['node', '-e', server()] };
    await writeFile(
      program,
      `import { startStaging } from ${JSON.stringify(new URL('../../src/staging/index.js', import.meta.url).href)};
       const log = { info() {}, warning() {}, debug() {}, progress() {}, group: (title, work) => work() };
       await startStaging({ staging: ${JSON.stringify(staging)}, modelName: 'm', candidate: { path: '/m.onnx', files: [], signature: null }, log });
       console.log('started'); setInterval(() => {}, 1000);`,
    );
    const child = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout, 'data');
    child.kill('SIGKILL');
    await once(child, 'exit');
    return `"pid":${child.pid},`;
  });
  const left = async () => {
    const all = await engine.listContainers({ all: true, filters: { label: [label] } });
    return all.filter((container) => container.Labels[label]?.includes(killed)).length;
  };
  assert.equal(await left(), 1);
  await start(t, engine, { command: ['node', '-e', server()] });
  assert.equal(await left(), 0);
});
