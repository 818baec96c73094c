import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { silentLog } from '../../src/log.ts';
import { startServer } from '../../src/serve/server.ts';
import { uniform } from '../../src/statistics/splitmix.ts';
import { fixture } from '../support/project.ts';

/* Requests that are wrong in every way a client can be wrong, thrown at the server: those of the plain form, and all others, which Node reads. The seed fixes them; MALFORMED_REQUESTS says how many. */

const count = Number(process.env['MALFORMED_REQUESTS'] ?? 10_000);
const path = '/v2/models/m/infer';
const valid = JSON.stringify({
  id: 'seven',
  inputs: [{ name: 'features', shape: [1, 60], datatype: 'FP32', data: new Array<number>(60).fill(0.5) }],
  outputs: [{ name: 'probabilities' }],
});

test('malformed requests are refused as what they are: no 5xx, no hang, no crash', async (t) => {
  const warnings: string[] = [];
  const server = await startServer({
    artifact: { path: fixture('spam/models/candidate.onnx') },
    modelName: 'm',
    port: 0,
    host: '127.0.0.1',
    log: { ...silentLog, warning: (message) => warnings.push(message) },
    settings: { arrivalMs: 1000 },
  });
  t.after(() => server.close());
  const port = Number(new URL(server.url).port);
  const random = uniform(7);
  const below = (limit: number): number => Math.floor(random() * limit);
  const pick = <T>(list: readonly T[]): T => list[below(list.length)] as T;
  const seen = new Map<string, number>();
  const one = async (): Promise<void> => {
    const message = malformed();
    const status = await answerTo(port, message);
    seen.set(status, (seen.get(status) ?? 0) + 1);
    assert.match(status, /^(?:[24]\d\d|closed)$/u, message.subarray(0, 600).toString('latin1'));
  };
  for (let sent = 0; sent < count; sent += 25) await Promise.all(Array.from({ length: 25 }, one));
  assert.ok((seen.get('400') ?? 0) > count / 4, JSON.stringify([...seen]));
  const response = await fetch(server.url + path, { method: 'POST', body: valid });
  assert.equal(response.status, 200, 'the next right request is served');
  assert.deepEqual(warnings, []);
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  assert.match(metrics, /^contender_requests_in_flight 0$/mu, 'no place in the queue is lost');

  function malformed(): Buffer {
    switch (below(6)) {
      case 0:
        return http(changed());
      case 1:
        return http(bytesOf(valid));
      case 2:
        return head(pick(framings), valid);
      case 3:
        return http(pick(packed), [`Content-Encoding: ${pick(codings)}`]);
      case 4:
        return http(pick(binaries), [`Inference-Header-Content-Length: ${pick(lengths)}`]);
      default:
        return bytesOf(http(valid));
    }
  }

  /** A right body in which one value is replaced. */
  function changed(): string {
    const body = JSON.parse(valid) as Record<string, unknown>;
    const [input] = body['inputs'] as [Record<string, unknown>];
    const target = pick([body, input, input, (body['outputs'] as [Record<string, unknown>])[0]]);
    const marker = '@hostile@';
    if (below(8) === 0) (input['data'] as unknown[])[below(60)] = marker;
    else target[pick(Object.keys(target))] = marker;
    return JSON.stringify(body).replace(`"${marker}"`, pick(hostile));
  }

  /** The bytes with some cut off, flipped or doubled. */
  function bytesOf(content: string | Buffer): Buffer {
    const bytes = Buffer.from(content as string);
    const at = below(bytes.length);
    if (below(3) === 0) return bytes.subarray(0, at);
    if (below(2) === 0) return Buffer.concat([bytes.subarray(0, at), Buffer.from(pick(hostile)), bytes.subarray(at)]);
    bytes[at] = below(256);
    return bytes;
  }
});

const deep = `${'['.repeat(20_000)}${']'.repeat(20_000)}`;
const hostile = [
  'null',
  'true',
  '""',
  '-1',
  '1e400',
  '9007199254740993',
  '[]',
  '{}',
  '[[1],[2,3]]',
  '[-1,60]',
  '[0,60]',
  '[1,60,1,1,1,1,1,1,1]',
  '[4294967296,4294967296]',
  '[1e9,60]',
  '"FP64"',
  '"BYTES"',
  '"\\ud800"',
  '"\\u0000"',
  '{"__proto__":{"x":1},"constructor":1}',
  '{"binary_data_size":-1}',
  '{"length":60}',
  'NaN',
  deep,
];
const packed = [
  gzipSync(valid),
  gzipSync(valid).subarray(0, 40),
  gzipSync('x'),
  gzipSync(Buffer.alloc(20 * 1024 ** 2)), // a bomb: 20 kB that become 20 MB
  Buffer.from(valid),
  Buffer.alloc(0),
];
const codings = ['gzip', 'GZIP', 'deflate', 'br', 'identity', 'gzip, gzip', 'zstd', '\t', '*'];
const withSize = (size: number): string =>
  `{"inputs":[{"name":"features","shape":[1,60],"datatype":"FP32","parameters":{"binary_data_size":${size}}}]}`;
const binaries = [240, 239, 4, 1e9, 0].map((size) => Buffer.concat([Buffer.from(withSize(size)), Buffer.alloc(240)]));
const lengths = ['103', '104', '105', '0', '-1', '1e9', '99999999999', 'x', '', '344'];
const framings = [
  'POST PATH HTTP/1.1\r\nHost: x\r\nContent-Length: 5',
  'POST PATH HTTP/1.1\r\nHost: x\r\nContent-Length: -5',
  'POST PATH HTTP/1.1\r\nHost: x\r\nContent-Length: 9999',
  'POST PATH HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999',
  'POST PATH HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6',
  'POST PATH HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked',
  'POST PATH HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5',
  'POST PATH HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked',
  'POST PATH HTTP/1.1\r\nHost: x',
  'POST PATH HTTP/1.1',
  'POST PATH HTTP/9.9\r\nHost: x',
  'POST PATH\r\nHost: x',
  'PRI * HTTP/2.0',
  `POST PATH HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(20_000)}`,
  'POST PATH HTTP/1.1\r\nHost: x\r\nX Y: z',
  'POST PATH HTTP/1.1\r\nHost: x\r\nExpect: the worst\r\nContent-Length: 5',
  'POST /v2/models/%ff/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 0',
  'POST /v2/models/m/versions/2/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 0',
  `POST /v2/models/${'m'.repeat(400)}/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 0`,
  'GET PATH HTTP/1.1\r\nHost: x',
  'DELETE PATH HTTP/1.1\r\nHost: x\r\nContent-Length: 2',
  '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
];

function http(body: string | Buffer, headers: string[] = []): Buffer {
  const content = Buffer.from(body as string);
  return head(['POST PATH HTTP/1.1', 'Host: x', `Content-Length: ${content.length}`, ...headers].join('\r\n'), content);
}

function head(lines: string, body: string | Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${lines.replace('PATH', path)}\r\n\r\n`, 'latin1'), Buffer.from(body as string)]);
}

/** Status of the first answer; closed: there was none. The client says that it sends no more, as one that gave up does. */
function answerTo(port: number, message: Buffer): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    let received = '';
    let hung = false;
    const timer = setTimeout(() => {
      hung = true;
      socket.destroy();
    }, 8000);
    socket.on('data', (chunk: Buffer) => (received += chunk.toString('latin1')));
    socket.on('error', () => {});
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(hung ? 'hung' : (/^HTTP\/1\.1 (\d{3})/u.exec(received)?.[1] ?? 'closed'));
    });
    socket.end(message);
  });
}
