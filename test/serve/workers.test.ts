import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { request, type IncomingMessage } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { entryPath } from '../../src/entries.ts';
import { silentLog } from '../../src/log.ts';
import { startServer } from '../../src/serve/server.ts';
import { fixture } from '../support/project.ts';

interface Started {
  child: ChildProcess;
  url: string;
  /** What it wrote to standard error. */
  said(): string;
}

const model = fixture('spam/models/candidate.onnx');
const bodies = Array.from({ length: 40 }, (_, index) =>
  JSON.stringify({
    inputs: [
      {
        name: 'features',
        shape: [1, 60],
        datatype: 'FP32',
        data: Array.from({ length: 60 }, (_value, at) => ((index * 7 + at) % 13) / 3),
      },
    ],
  }),
);

function spawned(...options: string[]): { child: ChildProcess; said: () => string } {
  const child = spawn(process.execPath, [
    entryPath('serve-process'),
    '--name=m',
    '--host=127.0.0.1',
    '--port=0',
    '--workers=2',
    ...options,
  ]);
  let text = '';
  child.stderr.on('data', (chunk) => (text += String(chunk)));
  return { child, said: () => text };
}

async function start(t: TestContext, ...options: string[]): Promise<Started> {
  const { child, said } = spawned(`--model=${model}`, ...options);
  t.after(() => child.kill('SIGKILL'));
  const [line] = (await once(child.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
  const { ready, url } = JSON.parse(line.toString()) as { ready: boolean; url: string };
  assert.equal(ready, true);
  return { child, url, said };
}

/** Over a connection of its own, so that requests go round the workers. */
async function ask(url: string, body: string): Promise<unknown> {
  const response = await fetch(`${url}/v2/models/m/infer`, { method: 'POST', body, headers: { connection: 'close' } });
  assert.equal(response.status, 200);
  return response.json();
}

async function metric(url: string, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`, { headers: { connection: 'close' } })).text();
  return text
    .split('\n')
    .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
    .reduce((sum, line) => sum + Number(line.split(' ')[1]), 0);
}

async function workersOf(child: ChildProcess): Promise<number[]> {
  const listed = await readFile(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8');
  return listed.trim().split(' ').map(Number);
}

describe('several workers', () => {
  test('answer what one server answers, and count together', async (t) => {
    const { url, child } = await start(t);
    const alone = await startServer({
      artifact: { path: model },
      modelName: 'm',
      port: 0,
      host: '127.0.0.1',
      log: silentLog,
    });
    t.after(() => alone.close());
    assert.equal((await workersOf(child)).length, 2);
    const answers = await Promise.all(bodies.map((body) => ask(url, body)));
    assert.deepEqual(answers, await Promise.all(bodies.map((body) => ask(alone.url, body))));
    for (let scrape = 0; scrape < 4; scrape += 1) {
      assert.equal(await metric(url, 'contender_requests_total'), 40, 'whichever worker is asked');
      assert.equal(await metric(url, 'contender_model_runs_total'), 40);
    }
    assert.equal(await metric(url, 'contender_requests_in_flight_limit'), 512, 'the queue is shared among them');
    const shares = await Promise.all(
      (await workersOf(child)).map(async (pid) => Number((await readFile(`/proc/${pid}/stat`, 'utf8')).split(' ')[13])),
    );
    assert.ok(shares.every((ticks) => ticks > 0));
  });

  test('tell every scrape the same story, however many ask at once and while requests go on', async (t) => {
    const { url, child, said } = await start(t);
    const scrape = async (): Promise<string> => {
      const answer = await fetch(`${url}/metrics`, { headers: { connection: 'close' } });
      assert.match(answer.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/u);
      return answer.text();
    };
    const totalOf = (text: string): number =>
      Number(/^contender_requests_total\{status="200"\} (\d+)$/mu.exec(text)?.[1] ?? 0);
    let before = 0;
    for (let round = 0; round < 3; round += 1) {
      const [texts] = await Promise.all([
        Promise.all(Array.from({ length: 30 }, scrape)),
        ...bodies.slice(0, 10).map((body) => ask(url, body)),
      ]);
      for (const text of texts) {
        const lines = text.trimEnd().split('\n');
        const samples = lines.filter((line) => !line.startsWith('#'));
        const shape = /^[a-z_]+(?:\{(?:le|status)="[^"]+"\})? \d+(?:\.\d+)?(?:e-?\d+)?$/u;
        assert.deepEqual(
          samples.filter((line) => !shape.test(line)),
          [],
        );
        const names = samples.map((line) => line.split(' ')[0]);
        assert.equal(new Set(names).size, names.length, 'each series once');
        assert.ok(totalOf(text) >= before, 'a counter never falls');
      }
      before = totalOf(await scrape());
      assert.equal(before, 10 * (round + 1), 'and no request is lost or counted twice');
    }
    // One that hangs is not waited for: what it told last counts.
    const [hanging] = await workersOf(child);
    process.kill(hanging as number, 'SIGSTOP');
    const total = await new Promise<number>((resolve) => {
      const asking = setInterval(
        () =>
          void scrape().then(
            (text) => resolve(totalOf(text)),
            () => {},
          ),
        50,
      );
      t.after(() => clearInterval(asking));
    });
    process.kill(hanging as number, 'SIGCONT');
    assert.equal(total, before);
    assert.doesNotMatch(said(), /Warning/u, 'nothing listens for ever');
  });

  test('are replaced when they die, which is said, and counters do not fall', async (t) => {
    const { url, child, said } = await start(t);
    for (const body of bodies.slice(0, 10)) await ask(url, body);
    assert.equal(await metric(url, 'contender_requests_total'), 10);
    const [victim, other] = await workersOf(child);
    process.kill(victim as number, 'SIGKILL');
    let now: number[] = [];
    for (let attempt = 0; attempt < 200; attempt += 1) {
      now = await workersOf(child);
      if (now.length === 2 && !now.includes(victim as number)) break;
      await sleep(50);
    }
    assert.ok(now.includes(other as number) && now.length === 2 && !now.includes(victim as number));
    assert.match(said(), new RegExp(`Worker ${victim} ended by SIGKILL: another takes its place`, 'u'));
    for (const body of bodies.slice(10, 20)) await ask(url, body);
    assert.equal(await metric(url, 'contender_requests_total'), 20);
  });

  test('finish the answers under way when told to stop, and leave nothing running', async (t) => {
    const { url, child } = await start(t);
    const pids = await workersOf(child);
    const sent = request(`${url}/v2/models/m/infer`, { method: 'POST', headers: { expect: '100-continue' } });
    sent.flushHeaders();
    await once(sent, 'continue');
    child.kill('SIGTERM');
    await sleep(100);
    sent.end(bodies[0]);
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    assert.equal(response.statusCode, 200);
    response.resume();
    assert.deepEqual(await once(child, 'exit'), [0, null]);
    for (const pid of pids) assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' });
  });

  test('end with the process that started them, even when that is killed', async (t) => {
    const { child } = await start(t);
    const pids = await workersOf(child);
    child.kill('SIGKILL');
    for (const pid of pids) {
      let alive = true;
      for (let attempt = 0; attempt < 200 && alive; attempt += 1) {
        await sleep(50);
        alive = await readFile(`/proc/${pid}/stat`, 'utf8').then(
          (stat) => !/\) [ZX] /u.test(stat),
          () => false,
        );
      }
      assert.equal(alive, false);
    }
  });

  test('serve the same bytes: one that finds others in the file is not used', async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'contender-test-'));
    t.after(() => rm(folder, { recursive: true }));
    const copy = join(folder, 'model.onnx');
    await copyFile(model, copy);
    const { child, said, url } = await start(t, `--model=${copy}`);
    const [victim] = await workersOf(child);
    const before = await Promise.all(bodies.map((body) => ask(url, body)));
    await writeFile(copy, await readFile(fixture('spam/models/champion.onnx')));
    process.kill(victim as number, 'SIGKILL');
    const refusals = (): number => said().split('A worker cannot take its place').length - 1;
    const until = async (done: () => boolean): Promise<void> => {
      // One that would listen with the other bytes, if only for a moment, is asked too.
      for (let round = 0; round < 1000 && !done(); round += 1) {
        const at = round % bodies.length;
        assert.deepEqual(await ask(url, bodies[at] as string), before[at]);
        await sleep(5);
      }
    };
    for (let attempt = 0; attempt < 200 && !said().includes('ended by SIGKILL'); attempt += 1) await sleep(10);
    await until(() => refusals() === 1);
    const first = performance.now();
    assert.match(said(), /A worker cannot take its place: .*a worker opened a model with digest [0-9a-f]{12}/u);
    assert.match(said(), /The next one is tried in 2 s/u);
    await until(() => refusals() === 2);
    assert.ok(performance.now() - first > 1900, 'it is not started over and over');
    assert.match(said(), /The next one is tried in 4 s/u);
    assert.equal(said().split('ended by').length - 1, 1, 'nobody was killed beside the first');
  });
});

describe('workers that cannot start are an error told once, with nothing left running:', () => {
  const refused = async (...options: string[]): Promise<string> => {
    const { child, said } = spawned(...options);
    const [line] = (await once(child.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
    const { ready, error } = JSON.parse(line.toString()) as { ready: boolean; error: string };
    assert.equal(ready, false);
    assert.deepEqual(await once(child, 'exit'), [1, null]);
    assert.equal(said(), '');
    return error;
  };

  test('no model', async () => {
    assert.match(await refused(`--model=${fixture('onnx-zoo/broken/truncated.onnx')}`), /truncated\.onnx/u);
  });

  test('a port in use', async (t) => {
    const taken = createServer().listen(0, '127.0.0.1');
    t.after(() => taken.close());
    await once(taken, 'listening');
    const { port } = taken.address() as { port: number };
    assert.match(await refused(`--model=${model}`, `--port=${port}`), new RegExp(`Port ${port} is in use`, 'u'));
  });
});
