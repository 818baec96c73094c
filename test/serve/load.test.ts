import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, test, type TestContext } from 'node:test';
import type { Tensor } from '../../src/protocol/index.ts';
import { silentLog } from '../../src/log.ts';
import { batched } from '../../src/serve/batching.ts';
import { startServer, type RunningServer, type ServerSettings } from '../../src/serve/server.ts';
import { fixture } from '../support/project.ts';

const path = '/v2/models/m/infer';

async function serve(t: TestContext, settings: ServerSettings = {}): Promise<RunningServer> {
  const server = await startServer({
    artifact: { path: fixture('spam/models/candidate.onnx') },
    modelName: 'm',
    port: 0,
    host: '127.0.0.1',
    log: silentLog,
    settings,
  });
  t.after(() => server.close());
  return server;
}

function request(values: number[]): string {
  return JSON.stringify({
    inputs: [{ name: 'features', shape: [values.length / 60, 60], datatype: 'FP32', data: values }],
  });
}

describe('requests nested deeper than any stack are refused as what they are', () => {
  const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
  const bodies: [string, string][] = [
    ['a name', `{"inputs":[{"name":${deep},"shape":[1,60],"datatype":"FP32","data":[]}]}`],
    ['a datatype', `{"inputs":[{"name":"features","shape":[1,60],"datatype":${deep},"data":[]}]}`],
    ['a shape', `{"inputs":[{"name":"features","shape":${deep},"datatype":"FP32","data":[]}]}`],
    [
      'an element',
      `{"inputs":[{"name":"features","shape":[1,60],"datatype":"FP32","data":[${'0,'.repeat(59)}${deep}]}]}`,
    ],
    ['an id', `{"id":${deep},"inputs":[]}`],
    [
      'an output',
      `{"inputs":[{"name":"features","shape":[1,60],"datatype":"FP32","data":[${'0,'.repeat(59)}0]}],"outputs":[{"name":${deep}}]}`,
    ],
    ['all of it', deep],
    ['an object', `{"inputs":${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}}`],
  ];
  for (const [what, body] of bodies) {
    test(what, async (t) => {
      const server = await serve(t);
      const { status } = await fetch(server.url + path, { method: 'POST', body });
      assert.equal(status, 400);
    });
  }
});

test('a body that never comes to its end is closed, and others are served meanwhile', async (t) => {
  const server = await serve(t, { arrivalMs: 400 });
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
  socket.on('error', () => {});
  socket.write(`POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{`);
  const trickle = setInterval(() => socket.write(' '), 50);
  let answer = '';
  socket.on('data', (chunk) => (answer += chunk.toString()));
  const started = performance.now();
  assert.equal(
    (await fetch(server.url + path, { method: 'POST', body: request(new Array<number>(60).fill(0)) })).status,
    200,
  );
  await once(socket, 'close');
  clearInterval(trickle);
  assert.ok(performance.now() - started < 8000);
  assert.match(answer, /^HTTP\/1\.1 408/u);
});

test('more requests than the queue holds are refused with 429, told when to come back, and counted', async (t) => {
  const server = await serve(t, { queue: 2 });
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
  const other = connect(Number(new URL(server.url).port), '127.0.0.1');
  for (const each of [socket, other]) each.write(`POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{`);
  const body = request(new Array<number>(60).fill(0));
  let refused: Response;
  for (let attempt = 0; ; attempt += 1) {
    refused = await fetch(server.url + path, { method: 'POST', body });
    if (refused.status === 429 || attempt > 100) break;
  }
  assert.equal(refused.status, 429);
  assert.equal(refused.headers.get('retry-after'), '1');
  assert.match(((await refused.json()) as { error: string }).error, /2 requests are being answered/u);
  socket.destroy();
  other.destroy();
  let served = 0;
  for (let attempt = 0; attempt < 100 && served !== 200; attempt += 1) {
    served = (await fetch(server.url + path, { method: 'POST', body })).status;
  }
  assert.equal(served, 200, 'places are free again');
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  assert.match(metrics, /^contender_requests_total\{status="429"\} [1-9]/mu);
  assert.match(metrics, /^contender_requests_total\{status="200"\} [1-9]/mu);
  assert.match(metrics, /^contender_requests_in_flight 0$/mu);
  assert.match(metrics, /^contender_request_duration_seconds_bucket\{le="\+Inf"\} \d+$/mu);
  for (const line of metrics.trimEnd().split('\n'))
    assert.match(line, /^(?:# (?:HELP|TYPE) [a-z_]+ .+|[a-z_]+(?:\{[a-z]+="[^"]+"\})? [-+.\de]+)$/u);
});

test('requests that are answered together get what each gets alone', async (t) => {
  const [alone, together] = [await serve(t), await serve(t, { batch: { maxRows: 16, maxDelayMs: 5 } })];
  const bodies = Array.from({ length: 60 }, (_, index) =>
    request(Array.from({ length: 60 * (1 + (index % 3)) }, (_value, at) => ((index * 7 + at) % 13) / 3)),
  );
  const ask = async (server: RunningServer): Promise<number[][]> =>
    Promise.all(
      bodies.map(async (body) => {
        const answer = (await (await fetch(server.url + path, { method: 'POST', body })).json()) as {
          outputs: { name: string; data: number[] }[];
        };
        return answer.outputs.flatMap(({ data }) => data);
      }),
    );
  const [expected, found] = [await ask(alone), await ask(together)];
  for (const [index, values] of found.entries()) {
    assert.equal(values.length, expected[index]?.length);
    for (const [at, value] of values.entries())
      assert.ok(Math.abs(value - (expected[index]?.[at] ?? Number.NaN)) <= 1e-6);
  }
  const metrics = await (await fetch(`${together.url}/metrics`)).text();
  const count = (name: string): number => Number(new RegExp(`^${name} (\\d+)$`, 'mu').exec(metrics)?.[1]);
  assert.equal(count('contender_model_run_requests_total'), 60);
  assert.equal(count('contender_model_run_rows_total'), 120);
  assert.ok(count('contender_model_runs_total') < 60, 'some were answered together');
});

test('a batch gives each the outputs it asked for, whatever else it says, and may be of one', async (t) => {
  const servers = [await serve(t), await serve(t, { batch: { maxRows: 8, maxDelayMs: 20 } })];
  servers.push(await serve(t, { batch: { maxRows: 1, maxDelayMs: 20 } }));
  // Outputs of one request and parameters of another are what servers with batching have lost (MLServer#514, #1541; BentoML#4856).
  const input = { name: 'features', shape: [1, 60], datatype: 'FP32', data: new Array<number>(60).fill(1) };
  const bodies = [
    { inputs: [input], outputs: [{ name: 'probabilities' }] },
    { inputs: [{ ...input, parameters: { id: '123', size: { width: 2.4 } } }], id: 'second', extra: [0.5] },
    { inputs: [{ ...input, data: [input.data] }], outputs: [{ name: 'label' }] },
  ];
  const told = await Promise.all(
    servers.map((server) =>
      Promise.all(
        bodies.map(async (body) => {
          const answer = await fetch(server.url + path, { method: 'POST', body: JSON.stringify(body) });
          const { id, outputs } = (await answer.json()) as { id?: string; outputs: { name: string }[] };
          return [answer.status, id, ...outputs.map(({ name }) => name)];
        }),
      ),
    ),
  );
  const expected = [
    [200, undefined, 'probabilities'],
    [200, 'second', 'label', 'probabilities'],
    [200, undefined, 'label'],
  ];
  assert.deepEqual(told, [expected, expected, expected]);
});

describe('a batch', () => {
  const declared = { name: 'x', datatype: 'FP32' as const, shape: [-1, 1] };
  const tensor = (...values: number[]): Tensor[] => [
    { ...declared, shape: [values.length, 1], data: Float32Array.from(values) },
  ];
  /** Doubles; fails a run that holds a negative number. */
  const model = (runs: number[][]) => ({
    inputs: [declared],
    outputs: [declared],
    async infer([input]: readonly Tensor[]): Promise<Tensor[]> {
      const values = [...((input as Tensor).data as Float32Array)];
      runs.push(values);
      await new Promise((resolve) => setTimeout(resolve, 10));
      if (values.some((value) => value < 0)) throw new Error('negative');
      return tensor(...values.map((value) => 2 * value));
    },
  });

  test('gathers while the model runs, holds at most so many rows, and gives each its own', async () => {
    const runs: number[][] = [];
    const infer = batched(model(runs), { maxRows: 4, maxDelayMs: 0 });
    const answers = await Promise.all(
      [tensor(1), tensor(2, 3), tensor(4), tensor(5, 6), tensor(7, 8, 9, 10, 11)].map((inputs) => infer(inputs)),
    );
    assert.deepEqual(
      answers.map(([output]) => [...((output as Tensor).data as Float32Array)]),
      [[2], [4, 6], [8], [10, 12], [14, 16, 18, 20, 22]],
    );
    assert.deepEqual(runs, [[1], [2, 3, 4], [5, 6], [7, 8, 9, 10, 11]]);
  });

  test('waits no longer than the delay for others', async () => {
    const runs: number[][] = [];
    const infer = batched(model(runs), { maxRows: 100, maxDelayMs: 30 });
    const started = performance.now();
    await Promise.all([infer(tensor(1)), infer(tensor(2))]);
    assert.deepEqual(runs, [[1, 2]]);
    assert.ok(performance.now() - started < 1000);
  });

  test('that fails for one request fails only that one', async () => {
    const infer = batched(model([]), { maxRows: 100, maxDelayMs: 5 });
    const [good, bad] = await Promise.allSettled([infer(tensor(1)), infer(tensor(-1))]);
    assert.equal(good?.status, 'fulfilled');
    assert.equal(bad?.status, 'rejected');
  });
});
