import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { silentLog } from '../../src/log.ts';
import { startServer, type RunningServer } from '../../src/serve/server.ts';
import { fixture } from '../support/project.ts';

const rows = 60;
const data = Array.from({ length: rows * 60 }, (_, index) => (index % 7) / 8);
const input = { name: 'features', shape: [rows, 60], datatype: 'FP32' };
const json = JSON.stringify({ inputs: [{ ...input, data }] });

interface Output {
  name: string;
  datatype: string;
  data?: number[];
  parameters?: { binary_data_size: number };
}

function serve(file: string, settings = {}): Promise<RunningServer> {
  return startServer({
    artifact: { path: fixture(file) },
    modelName: 'm',
    port: 0,
    host: '127.0.0.1',
    log: silentLog,
    settings,
  });
}

describe('the body of a request or an answer', () => {
  let server: RunningServer;
  before(async () => {
    server = await serve('spam/models/candidate.onnx');
  });
  after(() => server.close());
  const post = (body: string | Buffer, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(`${server.url}/v2/models/m/infer`, { method: 'POST', body, headers: { 'accept-encoding': '', ...headers } });
  const plain = async (): Promise<Output[]> => ((await (await post(json)).json()) as { outputs: Output[] }).outputs;

  test('may come packed', async () => {
    const response = await post(gzipSync(json), { 'content-encoding': 'gzip' });
    assert.equal(response.status, 200);
    assert.deepEqual(((await response.json()) as { outputs: Output[] }).outputs, await plain());
  });

  test('may begin with a byte order mark, as .NET writes it', async () => {
    assert.equal((await post(`\uFEFF${json}`)).status, 200);
  });

  for (const [what, body, coding, status, message] of [
    [
      'that unpacks to more than the limit',
      gzipSync(Buffer.alloc(17 * 1024 ** 2)),
      'gzip',
      413,
      /more than \d+ bytes/u,
    ],
    ['that is not what it says', Buffer.from(json), 'gzip', 400, /not gzip/u],
    ['of a coding that is not known', Buffer.from(json), 'zstd', 415, /Expected gzip, deflate or br/u],
  ] as const) {
    test(`${what} is refused with ${status}`, async () => {
      const response = await post(body, { 'content-encoding': coding });
      assert.equal(response.status, status);
      assert.match(((await response.json()) as { error: string }).error, message);
    });
  }

  test('goes out packed to who reads that, and not otherwise', async () => {
    const whole = await (await post(json)).text();
    for (const accepted of ['gzip, deflate', 'br;q=1.0, gzip;q=0.8', '*']) {
      const response = await post(json, { 'accept-encoding': accepted });
      assert.equal(response.headers.get('content-encoding'), 'gzip', accepted);
      assert.equal(await response.text(), whole);
    }
    for (const accepted of ['identity', 'gzip;q=0', 'gzip;q=0.0, br']) {
      assert.equal((await post(json, { 'accept-encoding': accepted })).headers.get('content-encoding'), null, accepted);
    }
  });

  const binary = (asked: object, bytes: Buffer, length?: number): Promise<Response> => {
    const head = Buffer.from(JSON.stringify(asked));
    return post(Buffer.concat([head, bytes]), {
      'inference-header-content-length': String(length ?? head.length),
      'content-type': 'application/octet-stream',
    });
  };
  const bytes = Buffer.from(Float32Array.from(data).buffer);
  const sized = { ...input, parameters: { binary_data_size: bytes.length } };

  test('may hold tensors in bytes, each way, and says the same', async () => {
    const response = await binary({ inputs: [sized], parameters: { binary_data_output: true } }, bytes);
    assert.equal(response.status, 200);
    const length = Number(response.headers.get('inference-header-content-length'));
    const body = Buffer.from(await response.arrayBuffer());
    const { outputs } = JSON.parse(body.subarray(0, length).toString()) as { outputs: Output[] };
    let offset = length;
    for (const [index, expected] of (await plain()).entries()) {
      const { name, datatype, parameters, data: none } = outputs[index] as Output;
      const size = parameters?.binary_data_size ?? 0;
      const { buffer } = Uint8Array.from(body.subarray(offset, offset + size));
      offset += size;
      const values =
        datatype === 'INT64' ? Array.from(new BigInt64Array(buffer), Number) : Array.from(new Float32Array(buffer));
      assert.equal(none, undefined);
      assert.deepEqual(
        [name, values],
        [expected.name, expected.data?.map(datatype === 'INT64' ? Number : Math.fround)],
      );
    }
    assert.equal(offset, body.length);
  });

  test('may mix bytes and JSON: one output as it was asked for, the others not', async () => {
    const outputs = [{ name: 'label', parameters: { binary_data: true } }, { name: 'probabilities' }];
    const response = await binary({ inputs: [sized], outputs }, bytes);
    const length = Number(response.headers.get('inference-header-content-length'));
    const body = Buffer.from(await response.arrayBuffer());
    const head = JSON.parse(body.subarray(0, length).toString()) as { outputs: Output[] };
    assert.equal(body.length - length, rows * 8);
    assert.deepEqual(
      head.outputs.find(({ name }) => name === 'probabilities'),
      (await plain()).find(({ name }) => name === 'probabilities'),
    );
  });

  for (const [what, asked, given, length] of [
    ['more bytes than there are', { inputs: [sized] }, bytes.subarray(4)],
    ['fewer bytes than there are', { inputs: [sized] }, Buffer.concat([bytes, Buffer.alloc(4)])],
    ['part of a number', { inputs: [{ ...input, parameters: { binary_data_size: 3 } }] }, bytes.subarray(0, 3)],
    ['no number of bytes', { inputs: [{ ...input, parameters: { binary_data_size: -1 } }] }, Buffer.alloc(0)],
    ['more JSON than the body is long', { inputs: [sized] }, bytes, 1e8],
  ] as const) {
    test(`is refused with 400 where it tells of ${what}`, async () => {
      assert.equal((await binary(asked, given, length)).status, 400);
    });
  }
});

test('texts travel in bytes too', async (t) => {
  const server = await serve('onnx-zoo/sklearn-string-labels.onnx');
  t.after(() => server.close());
  const metadata = (await (await fetch(`${server.url}/v2/models/m`)).json()) as {
    inputs: { name: string; shape: number[]; datatype: string }[];
  };
  const [only] = metadata.inputs as [{ name: string; shape: number[]; datatype: string }];
  const shape = [2, ...only.shape.slice(1)];
  const zeros = new Array<number>(shape.reduce((product, size) => product * size, 1)).fill(0);
  const ask = async (parameters: object): Promise<Response> =>
    fetch(`${server.url}/v2/models/m/infer`, {
      method: 'POST',
      body: JSON.stringify({ inputs: [{ name: only.name, datatype: only.datatype, shape, data: zeros }], parameters }),
    });
  const { outputs } = (await (await ask({})).json()) as { outputs: { datatype: string; data: string[] }[] };
  const response = await ask({ binary_data_output: true });
  const body = Buffer.from(await response.arrayBuffer());
  const labels = outputs.find(({ datatype }) => datatype === 'BYTES')?.data ?? [];
  const encoded = Buffer.concat(
    labels.map((text) => Buffer.concat([Buffer.from(Uint32Array.of(text.length).buffer), Buffer.from(text)])),
  );
  assert.ok(labels.length === 2 && body.includes(encoded));
});

test('a server told to stop says that it is not ready, and serves on until balancers have heard', async () => {
  const server = await serve('spam/models/candidate.onnx', { drainDelayMs: 300 });
  const closed = server.close();
  assert.equal((await fetch(`${server.url}/v2/health/ready`)).status, 503);
  assert.equal((await fetch(`${server.url}/v2/health/live`)).status, 200);
  const answer = await fetch(`${server.url}/v2/models/m/infer`, { method: 'POST', body: json });
  assert.deepEqual([answer.status, answer.headers.get('connection')], [200, 'close']);
  await closed;
  await assert.rejects(fetch(`${server.url}/v2/health/live`));
});

test('an answer in bytes goes out packed as well', async (t) => {
  const server = await serve('spam/models/candidate.onnx');
  t.after(() => server.close());
  const many = JSON.stringify({
    inputs: [{ ...input, shape: [200, 60], data: new Array<number>(200 * 60).fill(0) }],
    parameters: { binary_data_output: true },
  });
  const response = await fetch(`${server.url}/v2/models/m/infer`, {
    method: 'POST',
    body: many,
    headers: { 'accept-encoding': 'gzip' },
  });
  assert.equal(response.headers.get('content-encoding'), 'gzip');
  const length = Number(response.headers.get('inference-header-content-length'));
  const body = Buffer.from(await response.arrayBuffer());
  assert.equal(body.length - length, 200 * 8 + 200 * 2 * 4);
  assert.throws(() => gunzipSync(body));
});
