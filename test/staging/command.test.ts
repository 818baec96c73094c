import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { Staging } from '../../src/config/index.ts';
import { ConfigError, StagingError } from '../../src/errors.ts';
import { silentLog } from '../../src/log.ts';
import { startStaging, type StagingTarget } from '../../src/staging/index.ts';
import { inTemporaryFolder } from '../support/project.ts';

const skip = process.platform !== 'linux';

/** A server whose environment is its answer; beforehand it runs what a test gives. */
const program = `
const { spawn } = require('node:child_process');
const http = require('node:http');
const idle = ['-e', 'process.on("SIGTERM", () => {}); setInterval(() => {}, 1000)'];
eval(process.argv[2] ?? '');
http.createServer((request, response) => response.end(JSON.stringify({ env: process.env, argv: process.argv, cwd: process.cwd() })))
  .listen(Number(process.env.PORT), '127.0.0.1');
console.log('listening');`;

async function start(
  t: TestContext,
  folder: string,
  options: { before?: string; staging?: Partial<Extract<Staging, { command: string[] }>>; signal?: AbortSignal } = {},
): Promise<StagingTarget> {
  const script = join(folder, 'service.cjs');
  await writeFile(script, program);
  const target = await startStaging({
    staging: {
      command: [process.execPath, script, options.before ?? ''],
      protocol: 'json',
      path: '/predict',
      request: { x: '{{x}}' },
      answer: { scores: '/score' },
      start_timeout: '10s',
      stop_timeout: '300ms',
      ...options.staging,
    },
    candidate: {
      role: 'model',
      uri: 'm',
      sha256: '0'.repeat(64),
      size: 1,
      path: '/models/m.onnx',
      files: [],
      signature: null,
    },
    modelName: 'm',
    workspace: folder,
    folder,
    log: silentLog,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  t.after(() => target.stop());
  return target;
}

interface Seen {
  env: Record<string, string>;
  argv: string[];
  cwd: string;
}

/** Processes with this in their command line. */
async function running(text: string): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/u.test(name)).map(Number);
  const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')));
  return pids.filter((pid, index) => pid !== process.pid && lines[index]?.includes(text) === true);
}

test(
  'a command is told its port and its model, runs beside contender.yml, and sees no secret of ours',
  { skip },
  async (t) => {
    process.env['SECRET_OF_OURS'] = 'hush';
    t.after(() => delete process.env['SECRET_OF_OURS']);
    await inTemporaryFolder(async (folder) => {
      const target = await start(t, folder, {
        staging: { command: [process.execPath, 'service.cjs', '', '{model}', '--port={port}'], env: { WORKERS: '2' } },
      });
      const seen = (await (await fetch(target.url)).json()) as Seen;
      assert.equal(seen.env['PORT'], new URL(target.url).port);
      assert.equal(seen.env['CONTENDER_MODEL'], '/models/m.onnx');
      assert.deepEqual(seen.argv.slice(3), ['/models/m.onnx', `--port=${seen.env['PORT']}`]);
      assert.equal(seen.env['WORKERS'], '2');
      assert.equal(seen.cwd, folder);
      assert.ok(!JSON.stringify(seen.env).includes('hush'));
      assert.match(await target.logs(), /listening/u);
      assert.ok((target.startedInMs ?? 0) > 0);
      assert.equal(target.service.path, '/predict');
      assert.equal(target.metadata, null);
    });
  },
);

test(
  'stopping a command ends all that it started, also what left its group and what ignores to be asked',
  { skip },
  async (t) => {
    await inTemporaryFolder(async (folder) => {
      const mark = `left-${process.pid}-${Date.now()}`;
      const before = `
      spawn(process.execPath, [...idle, '${mark}'], { stdio: 'ignore' });
      const detached = spawn(process.execPath, [...idle, '${mark}'], { stdio: 'ignore', detached: true });
      detached.unref();
      // One whose parent is gone.
      spawn(process.execPath, ['-e', 'require("node:child_process").spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)", "${mark}"], { stdio: "ignore", detached: true }).unref()']);`;
      const target = await start(t, folder, { before });
      for (let attempt = 0; attempt < 100 && (await running(mark)).length < 4; attempt += 1) {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      assert.ok((await running(mark)).length >= 4, 'the service and three others run');
      await target.stop();
      await target.stop();
      assert.deepEqual(await running(mark), []);
    });
  },
);

test('memory and CPU are those of all its processes', { skip }, async (t) => {
  await inTemporaryFolder(async (folder) => {
    const before = `
      globalThis.held = Buffer.alloc(60e6, 1);
      spawn(process.execPath, ['-e', 'globalThis.held = Buffer.alloc(60e6, 1); setInterval(() => {}, 1000)'], { stdio: 'ignore' });
      // One whose parent is gone.
      spawn(process.execPath, ['-e', 'require("node:child_process").spawn(process.execPath, ["-e", "for (;;);"], { stdio: "ignore", detached: true }).unref()']);`;
    const target = await start(t, folder, { before });
    await target.observe();
    await new Promise((resolve) => setTimeout(resolve, 800));
    const { alive, memoryBytes, cpuPercent } = await target.observe();
    assert.equal(alive, true);
    assert.ok((memoryBytes ?? 0) > 120e6, `${memoryBytes} bytes`);
    assert.ok((cpuPercent ?? 0) > 20, `${cpuPercent}% of a core`);
  });
});

test('a command that ends is told with its code and its last lines', { skip }, async (t) => {
  await inTemporaryFolder(async (folder) => {
    await assert.rejects(
      start(t, folder, { before: `console.error('Traceback\\n\\nno model here'); process.exit(3)` }),
      (error: unknown) => {
        assert.ok(error instanceof StagingError);
        assert.match(
          error.message,
          /ended before it was healthy: exit code 3\. It wrote last: no model here \(after Traceback\)/u,
        );
        return true;
      },
    );
    await assert.rejects(start(t, folder, { before: 'process.exit(0)' }), /exit code 0.*start it in the foreground/u);
    const target = await start(t, folder, { before: `setTimeout(() => process.kill(process.pid, 'SIGKILL'), 400)` });
    let seen = await target.observe();
    for (let attempt = 0; attempt < 100 && seen.alive; attempt += 1) {
      await new Promise((resolve) => setTimeout(resolve, 30));
      seen = await target.observe();
    }
    assert.equal(seen.exit, 'signal SIGKILL');
  });
});

test('a program or folder that is not there is for a person to mend', { skip }, async (t) => {
  await inTemporaryFolder(async (folder) => {
    await assert.rejects(start(t, folder, { staging: { command: ['no-such-program'] } }), (error: unknown) => {
      assert.ok(error instanceof ConfigError);
      assert.match(error.message, /"no-such-program" cannot be started \(ENOENT\)/u);
      return true;
    });
    await assert.rejects(start(t, folder, { staging: { directory: 'missing' } }), /"missing" is not a folder/u);
    await assert.rejects(start(t, folder, { staging: { directory: '..' } }), /leads outside the workspace/u);
  });
});

test('the health of whatever listens on its port is not taken for that of the command', { skip }, async (t) => {
  const other = createServer().listen(0, '127.0.0.1');
  t.after(() => other.close());
  await once(other, 'listening');
  await inTemporaryFolder(async (folder) => {
    const { port } = other.address() as AddressInfo;
    await assert.rejects(start(t, folder, { staging: { port } }), (error: unknown) => {
      assert.ok(error instanceof StagingError && error.unavailable);
      assert.match(error.message, /is in use \(EADDRINUSE\)/u);
      return true;
    });
  });
});

test('a command that is never healthy, or whose run is cancelled, is stopped', { skip }, async (t) => {
  await inTemporaryFolder(async (folder) => {
    const mark = `unhealthy-${process.pid}-${Date.now()}`;
    const never = { before: `/* ${mark} */ process.env.PORT = '0'`, staging: { start_timeout: '600ms' } };
    await assert.rejects(start(t, folder, never), /was not healthy after 0\.6 s \(last answer: .*ECONNREFUSED/u);
    const elsewhere = {
      before:
        'http.createServer((_, response) => response.writeHead(404).end()).listen(Number(process.env.PORT), "127.0.0.1"); http.createServer = () => ({ listen: () => {} })',
      staging: { health: '/healthz', start_timeout: '2s' },
    };
    await assert.rejects(start(t, folder, elsewhere), (error: StagingError) => {
      assert.match(error.message, /last answer: 404/u);
      return error.unavailable; // the path of health is wrong, not the candidate
    });
    assert.deepEqual(await running(mark), []);
    const signal = AbortSignal.timeout(500);
    await assert.rejects(start(t, folder, { ...never, staging: {}, signal }), /aborted|timeout/iu);
    assert.deepEqual(await running(mark), []);
  });
});

test('a command does not outlive a run that is killed', { skip }, async () => {
  await inTemporaryFolder(async (folder) => {
    const mark = `killed-${process.pid}-${Date.now()}`;
    await writeFile(join(folder, 'service.cjs'), program);
    const caller = join(folder, 'caller.mjs');
    await writeFile(
      caller,
      `import { startStaging } from ${JSON.stringify(new URL('../../src/staging/index.js', import.meta.url).href)};
       const command = [process.execPath, 'service.cjs', '/* ${mark} */'];
       const staging = { command, protocol: 'mlflow', health: '/', stop_timeout: '200ms' };
       const folder = ${JSON.stringify(folder)};
       await startStaging({ staging, modelName: 'm', candidate: null, workspace: folder, folder, log: console });
       console.log('started'); setInterval(() => {}, 1000);`,
    );
    const child = spawn(process.execPath, [caller], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout, 'data');
    assert.ok((await running(mark)).length > 0);
    child.kill('SIGKILL');
    for (let attempt = 0; attempt < 100 && (await running(mark)).length > 0; attempt += 1) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.deepEqual(await running(mark), []);
  });
});
