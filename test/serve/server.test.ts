import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { request, type IncomingMessage } from 'node:http';
import { createServer } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { entryPath } from '../../src/entries.ts';
import { ModelError, StagingError } from '../../src/errors.ts';
import { silentLog } from '../../src/log.ts';
import { startServer, type RunningServer } from '../../src/serve/server.ts';
import { fixture } from '../support/project.ts';

interface Golden {
  inputs: Record<string, { dtype: string; shape: number[]; data: unknown[] }>;
  outputs: Record<string, unknown[]>;
}
interface ZooModel {
  file: string;
  valid: boolean;
  golden: Golden;
}
interface Output {
  name: string;
  shape: number[];
  datatype: string;
  data: (number | string)[];
}

const zoo = (JSON.parse(readFileSync(fixture('onnx-zoo/manifest.json'), 'utf8')) as { models: ZooModel[] }).models;
const datatypes: Record<string, string> = {
  float16: 'FP16',
  float32: 'FP32',
  float64: 'FP64',
  int64: 'INT64',
  string: 'BYTES',
};

function serve(file: string, port = 0): Promise<RunningServer> {
  return startServer({
    artifact: { path: fixture(file) },
    modelName: 'm',
    port,
    host: '127.0.0.1',
    log: silentLog,
  });
}

async function post(server: RunningServer, body: unknown): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await fetch(`${server.url}/v2/models/m/infer`, {
    method: 'POST',
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

describe('served answers equal the reference values of each exporter', () => {
  for (const { file, golden } of zoo.filter((model) => model.valid)) {
    test(file, async (t) => {
      const server = await serve(`onnx-zoo/${file}`);
      t.after(() => server.close());
      const inputs = Object.entries(golden.inputs).map(([name, { dtype, shape, data }]) => ({
        name,
        shape,
        datatype: datatypes[dtype],
        data,
      }));
      const { status, body } = await post(server, { inputs });
      assert.equal(status, 200, JSON.stringify(body));
      for (const { name, data } of body['outputs'] as Output[]) {
        // A ZipMap's row is an object by class, in the order of the columns.
        const expected = (golden.outputs[name] ?? []).flat(9).flatMap((value) =>
          typeof value === 'object' && value !== null ? Object.values(value) : [value],
        ); // oxfmt-ignore
        assert.equal(data.length, expected.length, name);
        for (const [index, value] of data.entries()) {
          if (typeof value === 'string') assert.equal(value, expected[index]);
          else assert.ok(Math.abs(value - Number(expected[index])) <= 1e-6, `${name}[${index}]: ${value}`);
        }
      }
    });
  }
});

describe('the endpoints of the protocol', () => {
  let server: RunningServer;
  before(async () => {
    server = await serve('spam/models/champion.onnx');
  });
  after(() => server.close());
  const ask = async (path: string) => {
    const response = await fetch(server.url + path);
    return [response.status, await response.json()];
  };
  const row = { name: 'features', shape: [1, 60], datatype: 'FP32', data: Array.from({ length: 60 }, () => 0) };

  test('tell the server and its health', async () => {
    const [status, body] = await ask('/v2');
    assert.equal(status, 200);
    assert.equal((body as { name: string }).name, 'contender');
    assert.deepEqual(await ask('/v2/health/live'), [200, { live: true }]);
    assert.deepEqual(await ask('/v2/health/ready'), [200, { ready: true }]);
  });

  test('tell the model, with or without its version', async () => {
    const metadata = {
      name: 'm',
      platform: 'onnxruntime_onnx',
      inputs: [{ name: 'features', datatype: 'FP32', shape: [-1, 60] }],
      outputs: [
        { name: 'label', datatype: 'INT64', shape: [-1] },
        { name: 'probabilities', datatype: 'FP32', shape: [-1, 2] },
      ],
    };
    assert.deepEqual(await ask('/v2/models/m'), [200, metadata]);
    assert.deepEqual(await ask('/v2/models/m/versions/1'), [200, metadata]);
    assert.deepEqual(await ask('/v2/models/m/ready'), [200, { name: 'm', ready: true }]);
  });

  test('refuse a model, a version or a path that is not there with 404', async () => {
    for (const path of ['/v2/models/other', '/v2/models/m/versions/2', '/v2/models/m/versions/2/ready', '/nothing']) {
      const [status, body] = await ask(path);
      assert.equal(status, 404, path);
      assert.equal(typeof (body as { error: unknown }).error, 'string');
    }
  });

  test('give back the id and only the outputs asked for', async () => {
    const { body } = await post(server, { id: 'seven', inputs: [row], outputs: [{ name: 'label' }] });
    assert.equal(body['id'], 'seven');
    assert.deepEqual(
      (body['outputs'] as Output[]).map(({ name }) => name),
      ['label'],
    );
  });

  test('answer many rows as they answer each', async () => {
    const rows = Array.from({ length: 50 }, (_, index) => row.data.map((_zero, column) => (index * column) % 7));
    const scores = async (batch: number[][]) => {
      const { body } = await post(server, { inputs: [{ ...row, shape: [batch.length, 60], data: batch.flat() }] });
      return (body['outputs'] as Output[]).find(({ name }) => name === 'probabilities')?.data as number[];
    };
    const together = await scores(rows);
    const alone = (await Promise.all(rows.map((each) => scores([each])))).flat();
    assert.equal(together.length, 100);
    for (const [index, value] of together.entries()) assert.ok(Math.abs(value - (alone[index] ?? NaN)) <= 1e-6);
  });

  test('refuse a bad request with 400 and the reason, and serve the next', async () => {
    assert.deepEqual(await post(server, { inputs: [{ ...row, shape: [1, 59], data: row.data.slice(1) }] }), {
      status: 400,
      body: { error: 'Input "features" has shape [1, 59]. Expected [?, 60].' },
    });
    const { status, body } = await post(server, '{"inputs": [NaN]}');
    assert.equal(status, 400);
    assert.match(String(body['error']), /not JSON/u);
    assert.equal((await post(server, { inputs: [row] })).status, 200);
  });

  test('refuse a body past the limit with 413', async () => {
    assert.equal((await post(server, ' '.repeat(16 * 1024 * 1024 + 1))).status, 413);
  });
});

test('a port in use is an error with the remedy', async (t) => {
  const other = createServer().listen(0, '127.0.0.1');
  t.after(() => other.close());
  await once(other, 'listening');
  const address = other.address();
  assert.ok(typeof address === 'object' && address !== null);
  await assert.rejects(serve('spam/models/champion.onnx', address.port), (error) => {
    assert.ok(error instanceof StagingError);
    assert.match(error.message, new RegExp(`Port ${address.port} is in use.*choose another port`, 'u'));
    return true;
  });
});

test('a file that is no model is an error before a port is opened', async () => {
  await assert.rejects(serve('onnx-zoo/broken/html-error-page.onnx'), ModelError);
});

test('a server told to stop finishes the answers under way and then refuses', async () => {
  const server = await serve('spam/models/candidate.onnx');
  const data = Array.from({ length: 60 }, () => 0);
  // The server says "continue" once the request is under way; only then is it told to stop, and only then the body comes.
  const sent = request(`${server.url}/v2/models/m/infer`, { method: 'POST', headers: { expect: '100-continue' } });
  sent.flushHeaders();
  await once(sent, 'continue');
  const closed = server.close();
  sent.end(JSON.stringify({ inputs: [{ name: 'features', shape: [1, 60], datatype: 'FP32', data }] }));
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  assert.equal(response.statusCode, 200);
  response.resume();
  await closed;
  await assert.rejects(fetch(`${server.url}/v2`));
});

describe('the server as a program', () => {
  const start = (...options: string[]) =>
    spawn(process.execPath, [entryPath('serve-process'), '--host', '127.0.0.1', '--port', '0', ...options]);

  test('says where it serves, and ends cleanly on SIGTERM', async () => {
    const child = start('--model', fixture('spam/models/champion.onnx'));
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    const { ready, url } = JSON.parse(line.toString()) as { ready: boolean; url: string };
    assert.equal(ready, true);
    assert.equal((await fetch(`${url}/v2/health/ready`)).status, 200);
    child.kill('SIGTERM');
    assert.deepEqual(await once(child, 'exit'), [0, null]);
  });

  test('ends when its standard input does, if asked to', async () => {
    const child = start('--model', fixture('spam/models/champion.onnx'), '--until-stdin-ends');
    await once(child.stdout, 'data');
    child.stdin.end();
    assert.deepEqual(await once(child, 'exit'), [0, null]);
  });

  test('says why it cannot serve, without a stack trace', async () => {
    const child = start('--model', fixture('onnx-zoo/broken/truncated.onnx'));
    let said = '';
    child.stderr.on('data', (chunk) => (said += String(chunk)));
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    const { ready, error } = JSON.parse(line.toString()) as { ready: boolean; error: string };
    assert.equal(ready, false);
    assert.match(error, /truncated\.onnx/u);
    assert.deepEqual(await once(child, 'exit'), [1, null]);
    assert.equal(said, '');
  });
});
