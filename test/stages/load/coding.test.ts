import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer as createPlainServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import { createServer as createRawServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { ConfigError } from '../../../src/errors.ts';
import { inTemporaryFolder } from '../../support/project.ts';
import { find, runLoadTest, scores, type LoadTestOptions } from './stand-in.ts';

const profile = { duration: '700ms' };
const tensors = {
  inputs: [{ name: 'features', datatype: 'FP32', shape: [-1, 2] }],
  outputs: [{ name: 'probabilities', datatype: 'FP32', shape: [-1, 2] }],
};

function answerOf(rows: readonly number[]): string {
  const data = rows.flatMap((row) => [1 - (scores[row] as number), scores[row] as number]);
  return JSON.stringify({
    model_name: 'm',
    outputs: [{ name: 'probabilities', datatype: 'FP32', shape: [rows.length, 2], data }],
  });
}

describe('an answer', () => {
  const cases: [string, (rows: number[], response: ServerResponse) => unknown][] = [
    [
      'that comes packed though nobody asked is read',
      (rows, response) => response.setHeader('content-encoding', 'gzip').end(gzipSync(answerOf(rows))),
    ],
    ['that begins with a byte order mark is read', (rows, response) => response.end(`\uFEFF${answerOf(rows)}`)],
    [
      'in chunks with trailers is read',
      (rows, response) => {
        response.writeHead(200, { trailer: 'x-took' });
        response.write(answerOf(rows));
        response.addTrailers({ 'x-took': '1' });
        response.end();
      },
    ],
  ];
  for (const [what, answer] of cases) {
    test(what, async () => {
      const evidence = await runLoadTest({ answer, profile });
      assert.equal(evidence.verdict, 'pass', JSON.stringify(evidence.checks));
    });
  }

  const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
  const told: [string, string | Buffer, RegExp, LoadTestOptions?][] = [
    ['that is not packed as it says', 'plain', /The answer is not gzip/u],
    ['with NaN, which Python writes, is told as such', answerOf([1]).replace(/\[0\.\d+/u, '[NaN'), /JSON has no NaN/u],
    ['nested deeper than any stack', deep, /The answer has no outputs/u],
    [
      'with a score nested deeper than any stack',
      `{"predictions":[[${deep},1]]}`,
      /a list of 1 instead of a score/u,
      {
        staging: ({ url }) => ({ url, protocol: 'kserve-v1', answer: { scores: '/predictions/*' } }),
      },
    ],
    [
      'with a label nested deeper than any stack',
      `{"predictions":[${deep}]}`,
      /instead of a label/u,
      {
        staging: ({ url }) => ({ url, protocol: 'kserve-v1', answer: { label: '/predictions/*' } }),
      },
    ],
  ];
  for (const [what, body, message, options] of told) {
    test(`${what} is a failing check, and no crash`, async () => {
      const coding = body === 'plain' ? { 'content-encoding': 'gzip' } : {};
      const evidence = await runLoadTest({
        serve(_body, response, { method, url }) {
          if (method === 'POST') response.writeHead(200, coding).end(body);
          else response.end(url === '/v2/models/m' ? JSON.stringify({ name: 'm', ...tensors }) : '');
        },
        profile,
        ...options,
      });
      assert.equal(find(evidence, 'load/error-rate').verdict, 'fail');
      assert.match(find(evidence, 'load/error-rate').message, message);
    });
  }
});

describe('a server with a certificate of its own', () => {
  const shell = (folder: string, ...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
  const certify = (folder: string, name: string, extension: string, ca?: string): void => {
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', `${name}.key`];
    const signed = ca === undefined ? [] : ['-CA', `${ca}.pem`, '-CAkey', `${ca}.key`];
    shell(
      folder,
      'req',
      '-x509',
      ...key,
      '-subj',
      `/CN=${name}`,
      '-days',
      '2',
      '-addext',
      extension,
      '-out',
      `${name}.pem`,
      ...signed,
    );
  };

  test('that time cannot mend is told at once, with what to do', () =>
    inTemporaryFolder(async (folder) => {
      certify(folder, 'stranger', 'subjectAltName=IP:127.0.0.1');
      certify(folder, 'elsewhere', 'subjectAltName=DNS:example.org');
      shell(folder, 'req', '-new', '-key', 'stranger.key', '-subj', '/CN=old', '-out', 'old.csr');
      writeFileSync(join(folder, 'old.ext'), 'subjectAltName=IP:127.0.0.1');
      shell(
        folder,
        'x509',
        '-req',
        '-in',
        'old.csr',
        '-CA',
        'stranger.pem',
        '-CAkey',
        'stranger.key',
        '-out',
        'old.pem',
        '-extfile',
        'old.ext',
        '-days',
        '-1',
      );
      const cases: [string | null, string | null, RegExp][] = [
        ['old', 'stranger', /TLS: certificate has expired \(CERT_HAS_EXPIRED\).*Renew/u],
        ['stranger', null, /TLS: self-signed certificate \(DEPTH_ZERO_SELF_SIGNED_CERT\).*staging\.tls\.ca/u],
        ['elsewhere', 'elsewhere', /TLS: .*ERR_TLS_CERT_ALTNAME_INVALID.*host name of the certificate/u],
        [null, null, /TLS: wrong version number.*http:\/\//u],
      ];
      for (const [name, ca, message] of cases) {
        const file = (ending: string): Buffer => readFileSync(join(folder, `${name}.${ending}`));
        const key = name === 'elsewhere' ? 'elsewhere.key' : 'stranger.key';
        const server =
          name === null
            ? createPlainServer((_request, response) => response.end())
            : createServer({ key: readFileSync(join(folder, key)), cert: file('pem') });
        await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
        const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
        const tls = ca === null ? {} : { tls: { ca: join(folder, `${ca}.pem`) } };
        const evidence = await runLoadTest({ staging: () => ({ url, start_timeout: '1s', ...tls }), profile });
        server.close();
        assert.match(find(evidence, 'load/staging').message, message);
        assert.equal(evidence.verdict, 'inconclusive');
      }
    }));

  test('that refuses the handshake says what to do about it', async () => {
    const cases: [number, RegExp][] = [
      [48, /alert unknown ca\. .*its key, in staging\.tls/u],
      [40, /handshake failure\. .*TLS 1\.2.* its key, in staging\.tls/u],
      [70, /protocol version\. .*TLS 1\.2 or later/u],
    ];
    for (const [alert, message] of cases) {
      const server = createRawServer((socket) =>
        socket.once('data', () => socket.end(Buffer.from([0x15, 3, 3, 0, 2, 2, alert]))),
      );
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const evidence = await runLoadTest({ staging: () => ({ url, start_timeout: '1s' }), profile });
      server.close();
      assert.match(find(evidence, 'load/staging').message, message);
    }
  });

  test('that wants one of the client and packed bodies is tested with staging.tls and gzip, and not without', () =>
    inTemporaryFolder(async (folder) => {
      certify(folder, 'ca', 'keyUsage=keyCertSign');
      certify(folder, 'server', 'subjectAltName=IP:127.0.0.1', 'ca');
      certify(folder, 'client', 'extendedKeyUsage=clientAuth', 'ca');
      const file = (name: string): Buffer => readFileSync(join(folder, name));
      const codings = new Set<string>();
      const answer = (request: IncomingMessage, response: ServerResponse): void => {
        const chunks: Buffer[] = [];
        request.on('data', (chunk: Buffer) => chunks.push(chunk));
        request.on('end', () => {
          if (request.method === 'GET') {
            response.end(request.url === '/v2/models/m' ? JSON.stringify({ name: 'm', ...tensors }) : '');
            return;
          }
          codings.add(`${request.headers['content-encoding']} ${request.headers['accept-encoding']}`);
          const { inputs } = JSON.parse(gunzipSync(Buffer.concat(chunks)).toString()) as {
            inputs: [{ data: number[] }];
          };
          response
            .setHeader('content-encoding', 'gzip')
            .end(gzipSync(answerOf(inputs[0].data.filter((_value, index) => index % 2 === 0))));
        });
      };
      const server = createServer(
        {
          key: file('server.key'),
          cert: file('server.pem'),
          ca: file('ca.pem'),
          requestCert: true,
          rejectUnauthorized: true,
        },
        answer,
      );
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const path = (name: string): string => join(folder, name);
      const run = (tls?: object) =>
        runLoadTest({
          staging: () => ({ url, gzip: true, start_timeout: '1s', ...(tls === undefined ? {} : { tls }) }),
          profile,
        });
      try {
        const tls = { ca: path('ca.pem'), certificate: path('client.pem'), key: path('client.key') };
        const evidence = await run(tls);
        assert.equal(evidence.verdict, 'pass', JSON.stringify(evidence.checks));
        assert.deepEqual([...codings], ['gzip gzip']);
        // Another certificate stands in for that of the server until there is one.
        server.setSecureContext({ key: file('client.key'), cert: file('client.pem'), ca: file('ca.pem') });
        server.once('connection', () =>
          server.setSecureContext({ key: file('server.key'), cert: file('server.pem'), ca: file('ca.pem') }),
        );
        assert.equal((await run(tls)).verdict, 'pass');
        assert.match(find(await run(), 'load/staging').message, /certificate/u);
        const anonymous = find(await run({ ca: path('ca.pem') }), 'load/staging');
        assert.equal(anonymous.verdict, 'inconclusive');
        assert.match(
          anonymous.message,
          /does not answer: TLS: [a-z0-9 ]*certificate required\. .*its key, in staging\.tls/u,
        );
        for (const wrong of [
          { ca: path('none.pem') },
          { ca: path('client.key') },
          { key: path('client.key') },
          { certificate: path('client.pem'), key: path('server.key') },
        ]) {
          await assert.rejects(run(wrong), ConfigError, JSON.stringify(wrong));
        }
      } finally {
        server.closeAllConnections();
        server.close();
      }
    }));
});
