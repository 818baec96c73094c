import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { test, type TestContext } from 'node:test';
import { ConfigError, StagingError } from '../../src/errors.ts';
import { silentLog } from '../../src/log.ts';
import { startServer } from '../../src/serve/server.ts';
import { startStaging } from '../../src/staging/index.ts';
import { fixture } from '../support/project.ts';

async function listen(t: TestContext, answer: RequestListener): Promise<string> {
  const server = createServer(answer).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  return `http://127.0.0.1:${address.port}`;
}

const use = (url: string, options: { health?: string; start_timeout?: string } = {}) =>
  startStaging({
    staging: { url, start_timeout: '1s', ...options },
    candidate: {
      role: 'model',
      uri: 'file:m.onnx',
      sha256: '0'.repeat(64),
      size: 1,
      path: '/m.onnx',
      files: [],
      signature: null,
    },
    modelName: 'spam-filter',
    workspace: '/',
    folder: '/',
    log: silentLog,
  });

const refusal = (message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof StagingError);
  assert.match(error.message, message);
  return true;
};

test('a server that runs already is used and left running', async (t) => {
  const server = await startServer({
    artifact: { path: fixture('spam/models/champion.onnx') },
    modelName: 'spam-filter',
    port: 0,
    host: '127.0.0.1',
    log: silentLog,
  });
  t.after(() => server.close());
  const target = await use(server.url);
  assert.equal(target.metadata?.name, 'spam-filter');
  assert.deepEqual(await target.observe(), { memoryBytes: null, cpuPercent: null, alive: true });
  await target.stop();
  assert.equal((await fetch(server.url + '/v2')).status, 200);
});

test('the path of the URL comes before the paths of the protocol', async (t) => {
  const asked: string[] = [];
  const url = await listen(t, (request, response) => {
    asked.push(request.url ?? '');
    const tensor = { name: 'x', datatype: 'FP32', shape: [-1, 2] };
    response.end(JSON.stringify({ name: 'spam-filter', inputs: [tensor], outputs: [tensor] }));
  });
  const target = await use(`${url}/serving/`);
  assert.deepEqual(asked, ['/serving/v2/health/ready', '/serving/v2/models/spam-filter']);
  assert.equal(new URL(target.service.path, target.url).href, `${url}/serving/v2/models/spam-filter/infer`);
  await use(url, { health: '/healthz' });
  assert.equal(asked[2], '/healthz');
});

test('a server that is not there, not ready or redirects is an error with its last answer', async (t) => {
  await assert.rejects(
    use('http://127.0.0.1:9'),
    refusal(/was not healthy after 1 s \(last answer: .*ECONNREFUSED.*https:\/\/ if the server uses TLS/su),
  );
  const failing = await listen(t, (_request, response) => response.writeHead(500).end());
  await assert.rejects(use(failing), refusal(/last answer: 500/u));
  const moved = await listen(t, (_request, response) =>
    response.writeHead(302, { location: 'http://127.0.0.1/login?ticket=hidden' }).end(),
  );
  await assert.rejects(
    use(moved),
    refusal(/last answer: 302 to http:\/\/127\.0\.0\.1\/login, which is not followed\)/u),
  );
  const metadataMoved = await listen(t, (request, response) =>
    request.url?.includes('models') === true
      ? response.writeHead(308, { location: '/elsewhere?key=hidden' }).end()
      : response.end(),
  );
  await assert.rejects(use(metadataMoved), refusal(/answered 308 to \/elsewhere, which is not followed \(/u));
  const silent = await listen(t, () => {});
  await assert.rejects(use(silent), refusal(/last answer: no answer in time/u));
});

test('a server is healthy once its answers say so, of itself and of its model', async (t) => {
  const tensor = { name: 'x', datatype: 'FP32', shape: [-1, 2] };
  const metadata = JSON.stringify({ name: 'spam-filter', inputs: [tensor], outputs: [tensor] });
  const loading: [number, string][] = [
    [200, '{"ready":false}'],
    [200, '{"status":"Unhealthy"}'],
    [200, '{"model_version_status":[{"version":"1","state":"LOADING"}]}'],
    [204, ''],
  ];
  const model = [503, 429];
  const url = await listen(t, (request, response) => {
    if (request.url?.includes('models') !== true) {
      const [status, body] = loading.length > 1 ? loading.shift()! : loading[0]!;
      return response.writeHead(status).end(body);
    }
    const status = model.shift();
    return response.writeHead(status ?? 200).end(status === undefined ? metadata : '{"error":"loading"}');
  });
  const target = await use(url, { start_timeout: '20s' });
  assert.equal(target.metadata?.name, 'spam-filter');
  assert.deepEqual(model, []);

  const never = await listen(t, (request, response) =>
    response.writeHead(request.url?.includes('models') === true ? 503 : 200).end('{"error":"loading"}'),
  );
  await assert.rejects(use(never), refusal(/last answer: 503 from .*models\/spam-filter: .*loading/u));
  const unready = await listen(t, (_request, response) => response.end('{"name":"spam-filter","ready":false}'));
  await assert.rejects(use(unready), refusal(/last answer: 200: .*ready/u));
});

test('what the end of the time cut off does not hide the answer before it', async (t) => {
  let asked = 0;
  const url = await listen(t, (_request, response) => {
    if (asked++ < 3) response.writeHead(401).end();
  });
  await assert.rejects(use(url), refusal(/last answer: 401\).*Set CONTENDER_TARGET_TOKEN/su));
});

test('a server of another model or another protocol is an error', async (t) => {
  const other = await listen(t, (request, response) =>
    response.writeHead(request.url?.includes('models') === true ? 404 : 200).end('{}'),
  );
  await assert.rejects(use(other), refusal(/answered 404.*metadata of model "spam-filter"/u));
  const page = await listen(t, (_request, response) => response.end('<html>'));
  await assert.rejects(use(page), refusal(/metadata is not JSON/u));
  const endless = await listen(t, (request, response) => {
    if (request.url?.includes('models') !== true) return response.end();
    const chunk = 'x'.repeat(65_536);
    const more = (): void => {
      while (response.writable && response.write(chunk));
    };
    response.on('drain', more);
    more();
    return undefined;
  });
  await assert.rejects(use(endless), refusal(/more than 1048576 bytes/u));
});

test('an address where clouds keep the credentials of a machine gets no load', async () => {
  for (const url of [
    'http://169.254.169.254',
    'http://[fe80::1]:80',
    'http://[64:ff9b::a9fe:a9fe]',
    'http://2852039166/v2',
  ]) {
    await assert.rejects(
      use(url),
      (error) => error instanceof ConfigError && /where cloud machines get their credentials/u.test(error.message),
      url,
    );
  }
});

test('a URL with credentials or a query is refused, and not repeated', async () => {
  for (const url of ['http://user:hunter2@localhost', 'http://localhost/?token=hunter2']) {
    await assert.rejects(use(url), (error: Error) => {
      assert.match(error.message, /holds credentials or a query/u);
      assert.doesNotMatch(error.message, /hunter2/u);
      return true;
    });
  }
});
