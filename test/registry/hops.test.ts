import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { RegistryError } from '../../src/errors.ts';
import { download } from '../../src/registry/download.ts';
import { refuseHop, type Address } from '../../src/registry/hops.ts';
import { inTemporaryFolder } from '../support/project.ts';

describe('an address of a download', () => {
  const secrets: [string, Address, RegExp][] = [
    ['a password', { url: new URL('https://ada:SECRET@models.example/m?k=SECRET') }, /a user name or a password/u],
    [
      'a header that cannot be sent',
      { url: new URL('https://models.example/m'), headers: { authorization: 'Bearer SECRET1\nSECRET2' } },
      /the header "authorization" would contain/u,
    ],
    [
      'a header whose name is none',
      { url: new URL('http://127.0.0.1/m'), headers: { 'SECRET name': 'x' } },
      /the request could not be made/u,
    ],
  ];
  for (const [what, address, message] of secrets) {
    test(`with ${what} is refused before anything is sent, and shows nothing of it`, () =>
      inTemporaryFolder((folder) =>
        assert.rejects(
          download(address, join(folder, 'm'), { limit: 10, pauseMs: 1 }),
          (error: Error) =>
            message.test(error.message) && !error.message.includes('SECRET') && error.cause === undefined,
        ),
      ));
  }
});

describe('a redirect of a download', () => {
  const further = [
    ['https://93.184.216.34/a', 'https://93.184.216.35/b'],
    ['https://10.0.0.1/a', 'https://10.0.0.2/b'],
    ['https://10.0.0.1/a', 'https://93.184.216.34/b'],
    ['http://127.0.0.1/a', 'http://localhost/b'],
    ['http://[::1]/a', 'https://93.184.216.34/b'],
    ['https://93.184.216.34/a', 'https://[64:ff9b::93.184.216.35]/b'],
    ['https://93.184.216.34/a', 'https://[2606:4700::1111]/b'],
  ] as const;
  for (const [from, to] of further) {
    test(`may lead from ${from} to ${to}`, () => refuseHop(new URL(from), new URL(to)));
  }

  const inward = [
    ['https://93.184.216.34/a', 'https://localhost/b'],
    ['https://93.184.216.34/a', 'https://127.8.8.8/b'],
    ['https://93.184.216.34/a', 'https://169.254.169.254/b'],
    ['https://93.184.216.34/a', 'https://172.31.0.1/b'],
    ['https://93.184.216.34/a', 'https://[::ffff:192.168.0.1]/b'],
    ['https://93.184.216.34/a', 'https://[fe80::1]/b'],
    ['https://93.184.216.34/a', 'https://[fd00::1]/b'],
    ['https://93.184.216.34/a', 'https://0.0.0.0/b'],
    // IPv6 addresses that a translator or a tunnel turns into the IPv4 address inside them
    ['https://93.184.216.34/a', 'https://[::127.0.0.1]/b'],
    ['https://93.184.216.34/a', 'https://[::ffff:0:10.0.0.1]/b'],
    ['https://93.184.216.34/a', 'https://[64:ff9b::169.254.169.254]/b'],
    ['https://93.184.216.34/a', 'https://[64:ff9b:1::127.0.0.1]/b'],
    ['https://93.184.216.34/a', 'https://[2002:7f00:1::1]/b'],
    ['https://93.184.216.34/a', 'https://[2002:c0a8:1::]/b'],
    ['https://93.184.216.34/a', 'https://[2001:0:1:2:3:4:5601:5601]/b'],
    // site-local, multicast, and what clouds use beside the link
    ['https://93.184.216.34/a', 'https://[fec0::1]/b'],
    ['https://93.184.216.34/a', 'https://[ff02::1]/b'],
    ['https://93.184.216.34/a', 'https://224.0.0.1/b'],
    ['https://93.184.216.34/a', 'https://192.0.0.192/b'],
    ['https://10.0.0.1/a', 'https://169.254.169.254/b'],
  ] as const;
  for (const [from, to] of inward) {
    test(`may not lead from ${from} to ${to}`, () =>
      assert.rejects(refuseHop(new URL(from), new URL(to)), /leads to an address inside the network/u));
  }

  test('may not lead to where nothing is encrypted, be it on the way to a place that would do', () =>
    serving(
      ({ url }) =>
        ({
          '/plain': 'http://models.example/m.onnx',
          '/cloud': 'http://169.254.169.254/latest/meta-data/',
          '/file': 'file:///etc/passwd',
          '/nothing': 'http://:0',
        })[url ?? ''] ?? null,
      async (get) => {
        for (const path of ['/plain', '/cloud', '/file']) {
          await assert.rejects(get(path), /127\.0\.0\.1:[0-9]+\/[a-z]+ leads to an address without encryption/u, path);
        }
        await assert.rejects(get('/nothing'), /invalid address/u);
      },
    ));

  test('is followed ten times and not more', () =>
    serving(
      ({ url = '' }) => (url === '/0' ? null : `/${Number(url.slice(1)) - 1}`),
      async (get, seen) => {
        assert.equal(await get('/10'), 'bytes');
        seen.length = 0;
        await assert.rejects(get('/11'), /more than 10 redirects/u);
        assert.equal(seen.length, 11);
      },
    ));

  test('takes no token to another origin, nor back from there', () =>
    serving(
      ({ url, headers }) => {
        const port = headers.host?.split(':')[1] ?? '';
        if (url === '/a') return '/b';
        if (url === '/b') return `http://localhost:${port}/c`;
        return url === '/c' ? `http://127.0.0.1:${port}/d` : null;
      },
      async (get, seen) => {
        assert.equal(await get('/a'), 'bytes');
        assert.deepEqual(seen, ['/a Bearer token', '/b Bearer token', '/c none', '/d none']);
      },
    ));
});

/** Run `work` beside a server that answers each request with a redirect, or with bytes. */
function serving(
  leads: (request: IncomingMessage) => string | null,
  work: (get: (path: string) => Promise<string>, seen: string[]) => Promise<void>,
): Promise<void> {
  return inTemporaryFolder(async (folder) => {
    const seen: string[] = [];
    const server = createServer((request, response) => {
      seen.push(`${request.url ?? ''} ${request.headers.authorization ?? 'none'}`);
      const location = leads(request);
      if (location !== null) response.writeHead(302, { location });
      response.end(location === null ? 'bytes' : undefined);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    try {
      await work(async (path) => {
        const to = join(folder, 'file');
        const url = new URL(`http://127.0.0.1:${port}${path}`);
        await download({ url, headers: { authorization: 'Bearer token' } }, to, { limit: 100, pauseMs: 1 });
        return readFile(to, 'utf8');
      }, seen);
      await assert.rejects(
        download({ url: new URL('http://models.example/') }, join(folder, 'x'), { limit: 1 }),
        RegistryError,
      );
    } finally {
      server.close();
      server.closeAllConnections();
    }
  });
}
