import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test, type TestContext } from 'node:test';
import { percentile } from '../../../src/stages/load/latency.ts';
import type { LoaderPlan } from '../../../src/stages/load/loader.ts';
import { startLoaders, type Loaders } from '../../../src/stages/load/loaders.ts';
import { schedule } from '../../../src/stages/load/schedule.ts';

const program = `const server = require('node:http').createServer((request, response) =>
  request.resume().on('end', () => response.end('{"p":0.5}'))).listen(0, '127.0.0.1', () => console.log(server.address().port));`;
const link = { connections: 20, timeoutMs: 5000, rowsPerRequest: 1 };
const never = new AbortController().signal;

function planOf(url: string): LoaderPlan {
  const scores = new Float64Array(10).fill(0.5);
  const offline = { rows: 10, classes: null, kind: 'value' as const, scores, labels: null, threshold: 0.5 };
  return {
    exchange: {
      url,
      headers: {},
      gzip: false,
      tls: undefined,
      write: { form: { x: 1 }, columns: [], named: new Map(), model: 'm' },
      read: { task: 'regression', columns: { id: 'id', label: 'y' }, offline, reading: {}, places: { scores: '/p' } },
    },
    judging: { offline, positive: null, truth: null, tolerance: { absolute: 1e-6, relative: 1e-6 } },
    rows: 10,
    seed: 1,
  };
}

async function started(t: TestContext): Promise<{ loaders: Loaders; url: string }> {
  const server = spawn(process.execPath, ['-e', program]);
  const loaders = startLoaders();
  t.after(async () => {
    server.kill();
    await loaders.end();
  });
  const [line] = (await once(server.stdout, 'data')) as [Buffer];
  return { loaders, url: `http://127.0.0.1:${line.toString().trim()}/` };
}

test('the load keeps its schedule while the process that asked for it is busy', async (t) => {
  const { loaders, url } = await started(t);
  const loader = loaders.open(planOf(url));
  const offsets = schedule({ rate: 100, durationMs: 1000, arrivals: 'constant', seed: 1 });
  await loader.run({ link, offsets: offsets.subarray(0, 20), first: 0, judged: false }, never);
  const running = loader.run({ link, offsets, first: 20, judged: true }, never);
  await new Promise((resolve) => setTimeout(resolve, 100));
  const began = performance.now();
  while (performance.now() - began < 700); // as a report or a collection of garbage would
  const { window, answers, summary } = await running;
  assert.equal(summary.compared, 100);
  assert.equal(summary.mismatched, 0);
  const late = percentile(window.lag.toSorted(), 0.9);
  assert.ok(late < 200, `${late} ms late`);
  // Its moments are those of our clock.
  assert.ok(answers.at.every((at) => at >= began - 200 && at <= performance.now() + 5));
  assert.ok(Math.abs(window.startedAt + 100 - began) < 300, `${window.startedAt} against ${began}`);
  await loader.close();
});

test('a load that is told to stop ends, and one whose process is ended says so', async (t) => {
  const { loaders, url } = await started(t);
  const loader = loaders.open(planOf(url));
  const offsets = schedule({ rate: 50, durationMs: 60_000, arrivals: 'constant', seed: 1 });
  const stop = new AbortController();
  setTimeout(() => stop.abort(), 500);
  const { window } = await loader.run({ link, offsets, first: 0, judged: true }, stop.signal);
  assert.ok(window.elapsedMs < 5000, `${window.elapsedMs} ms`);
  const running = assert.rejects(loader.run({ link, offsets, first: 0, judged: true }, never), /load generator ended/u);
  await loaders.end();
  await running;
  await assert.rejects(loader.run({ link, offsets, first: 0, judged: true }, never), /load generator ended/u);
});
