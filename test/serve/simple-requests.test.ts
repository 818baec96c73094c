import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { describe, test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { silentLog } from '../../src/log.ts';
import { startServer } from '../../src/serve/server.ts';
import { answerSimpleRequests, type Service, type SimpleRequests } from '../../src/serve/simple-requests.ts';
import { uniform } from '../../src/statistics/splitmix.ts';
import { fixture } from '../support/project.ts';

const path = '/v2/models/m/infer';
const plain = ['Host: x', 'Connection: keep-alive', 'Content-Type: application/json'];

function request(body: string, lines: readonly string[] = plain, start = `POST ${path} HTTP/1.1`): string {
  return [start, ...lines, `Content-Length: ${Buffer.byteLength(body)}`, '', body].join('\r\n');
}

interface Started {
  server: Server;
  port: number;
  simple: SimpleRequests | undefined;
  /** How each request was read, in turn. */
  by: string[];
  /** Statuses with which places were given back. */
  left: (number | undefined)[];
  state: { draining: boolean; places: number };
}

/** A server that answers bodies with themselves, by Node alone or with the short way before it. */
async function start(t: TestContext, short: boolean, own: Partial<Service> = {}, idleMs = 5000): Promise<Started> {
  const by: string[] = [];
  const left: (number | undefined)[] = [];
  const state = { draining: false, places: 100 };
  const headers = { 'content-type': 'text/plain' };
  const server = createServer({ keepAliveTimeout: idleMs }, (asked, reply) => {
    const chunks: Buffer[] = [];
    asked.on('data', (chunk: Buffer) => chunks.push(chunk));
    asked.on('end', () => {
      by.push('node');
      const body = Buffer.concat(chunks);
      const known = asked.method === 'POST' && asked.url === path;
      reply.writeHead(known ? 200 : 404, { ...headers, 'content-length': body.length }).end(body);
    });
  });
  const simple = short
    ? answerSimpleRequests(server, {
        targets: [path],
        patienceMs: 1000,
        isDraining: () => state.draining,
        enter() {
          if (state.places === 0) return undefined;
          state.places -= 1;
          return (status) => {
            state.places += 1;
            left.push(status);
          };
        },
        full: () => ({ status: 429, headers, body: 'full' }),
        answer(body) {
          by.push('simple');
          return Promise.resolve({ status: 200, headers, body: Buffer.from(body) });
        },
        ...own,
      })
    : undefined;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    simple?.destroy();
    server.closeAllConnections();
    server.close();
  });
  return { server, simple, by, left, state, port: (server.address() as AddressInfo).port };
}

interface Client {
  socket: Socket;
  received(): string;
  closed: Promise<unknown>;
}

function client(port: number, ...parts: (string | Buffer)[]): Client {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
  socket.on('error', () => {});
  const closed = new Promise((resolve) => socket.once('close', resolve).once('end', resolve));
  for (const part of parts) socket.write(part);
  return { socket, received: () => text, closed };
}

/** What is received until it holds so many answers, or nothing more comes for long. */
async function answers({ received, closed, socket }: Client, count: number, mostMs = 5000): Promise<string> {
  const over = closed.then(() => true);
  for (const end = performance.now() + mostMs; performance.now() < end;) {
    if (received().split('HTTP/1.1 ').length > count && received().endsWith('!')) break;
    if (await Promise.race([over, sleep(2)])) break;
  }
  socket.destroy();
  return undated(received());
}

const undated = (text: string): string => text.replaceAll(/^Date: .*\r\n/gmu, '');

const statuses = (text: string): string[] =>
  [...text.matchAll(/HTTP\/1\.1 (\d{3})/gu)].map(([, status]) => status as string);

describe('the short way', () => {
  const fields = [
    ['Host: x'],
    [...plain, 'User-Agent: a/1.0 (b; c)', 'Accept: */*', 'Accept-Encoding: gzip, deflate'],
    ['host: [::1]:80', 'content-type: application/json; charset=utf-8', 'X-Request-Id: 1', 'Authorization: Bearer a.b'],
  ];
  for (const lines of fields) {
    test(`answers what has only ${lines.join(', ')}`, async (t) => {
      const { port, by } = await start(t, true);
      assert.deepEqual(statuses(await answers(client(port, request('{"a":1}!', lines)), 1)), ['200']);
      assert.deepEqual(by, ['simple']);
    });
  }

  const others: [string, string][] = [
    ['another method', request('{}!', plain, `PUT ${path} HTTP/1.1`)],
    ['another target', request('{}!', plain, 'POST /v2/models/n/infer HTTP/1.1')],
    ['a query', request('{}!', plain, `POST ${path}?a=1 HTTP/1.1`)],
    ['a whole URL', request('{}!', plain, `POST http://x${path} HTTP/1.1`)],
    ['HTTP/1.0', request('{}!', plain, `POST ${path} HTTP/1.0`)],
    ['two spaces', request('{}!', plain, `POST  ${path} HTTP/1.1`)],
    ['a line before it', `\r\n${request('{}!')}`],
    ['no host', request('{}!', plain.slice(1))],
    ['two hosts', request('{}!', [...plain, 'Host: y'])],
    ['a length twice', request('{}!', [...plain, 'Content-Length: 3'])],
    ['two lengths', request('{}!', [...plain, 'Content-Length: 4'])],
    ['a list of lengths', request('{}!').replace('Length: 3', 'Length: 3, 3')],
    ['a signed length', request('{}!').replace('Length: 3', 'Length: +3')],
    ['a length that begins with 0', request('{}!').replace('Length: 3', 'Length: 03')],
    ['a length in base 16', request('{}!').replace('Length: 3', 'Length: 0x3')],
    ['a length and more', request('{}!').replace('Length: 3', 'Length: 3 ')],
    ['no length', request('{}!').replace('Content-Length: 3\r\n', '')],
    ['no body', request('')],
    [
      'chunks',
      `${request('', [...plain, 'Transfer-Encoding: chunked']).replace(/Content-Length: 0\r\n/u, '')}3\r\n{}!\r\n0\r\n\r\n`,
    ],
    ['chunks and a length', request('3\r\n{}!\r\n0\r\n\r\n', [...plain, 'Transfer-Encoding: chunked'])],
    ['chunks whose name is padded', request('{}!', [...plain, 'Transfer-Encoding : chunked'])],
    ['chunks on a second line', request('{}!', [...plain, 'X-A: b', ' Transfer-Encoding: chunked'])],
    ['chunks after a bare line feed', request('{}!', [...plain, 'X-A: b\nTransfer-Encoding: chunked'])],
    ['chunks after a bare carriage return', request('{}!', [...plain, 'X-A: b\rTransfer-Encoding: chunked'])],
    ['a null byte', request('{}!', [...plain, 'X-A: b\0c'])],
    ['no space after the name', request('{}!', [...plain, 'X-A:b'])],
    ['an empty value', request('{}!', [...plain, 'X-A: '])],
    ['bytes beyond ASCII', request('{}!', [...plain, 'X-A: ü'])],
    ['a length that is another name', request('{}!', [...plain, 'Content_Length: 9'])],
    ['packed bytes', request('{}!', [...plain, 'Content-Encoding: gzip'])],
    ['tensors in bytes', request('{}!', [...plain, 'Inference-Header-Content-Length: 2'])],
    ['an expectation', request('{}!', [...plain, 'Expect: 100-continue'])],
    ['an upgrade', request('{}!', ['Host: x', 'Connection: Upgrade', 'Upgrade: h2c'])],
    ['the wish to close', request('{}!', ['Host: x', 'Connection: close'])],
    ['a field that is not known', request('{}!', [...plain, 'Cache-Control: no-cache'])],
    ['a long head', request('{}!', [...plain, `X-A: ${'b'.repeat(9000)}`])],
    ['a long body', request(`${'b'.repeat(100_000)}!`)],
  ];
  for (const [what, bytes] of others) {
    test(`leaves a request with ${what} to Node, which answers as it would alone`, async (t) => {
      const [own, alone] = [await start(t, true), await start(t, false)];
      // A request behind it shows where Node takes the first one to end.
      const all = bytes + request('{"behind":1}!');
      const [found, expected] = await Promise.all([own, alone].map(({ port }) => answers(client(port, all), 2, 1000)));
      assert.equal(found, expected);
      assert.ok(!own.by.includes('simple'));
      assert.equal(own.state.places, 100);
    });
  }

  test('never reads what Node would read otherwise: requests with bytes changed, one behind the other', async (t) => {
    const [own, alone] = [await start(t, true), await start(t, false)];
    const random = uniform(11);
    const below = (limit: number): number => Math.floor(random() * limit);
    const scraps = [
      '\r\n',
      '\n',
      '\r',
      ' ',
      ':',
      ', 5',
      '0',
      '\0',
      'Transfer-Encoding: chunked\r\n',
      'Content-Length: 5\r\n',
      '\r\n\r\n',
    ];
    const changed = (): Buffer => {
      const bytes = Buffer.from(
        Array.from({ length: 3 }, (_, index) => request(`{"n":${below(999)},"of":${index}}!`)).join(''),
      );
      const at = below(bytes.length);
      const kind = below(3);
      if (kind === 0) bytes[at] = below(256);
      const [before, after] = [bytes.subarray(0, at), bytes.subarray(kind === 1 ? at + 1 + below(8) : at)];
      const scrap = kind === 2 ? (scraps[below(scraps.length)] as string) : '';
      return Buffer.concat([before, Buffer.from(scrap), after]);
    };
    /** Node refuses what follows before it answers what came before; here that is answered first. */
    const alike = ([found = '', expected = '']: string[]): boolean => {
      const refused = 'HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n';
      const before = expected.endsWith(refused) && found.endsWith(refused) ? expected.slice(0, -refused.length) : found;
      return found === expected || (before !== found && found.startsWith(before));
    };
    for (let round = 0; round < 40; round += 1) {
      await Promise.all(
        Array.from({ length: 10 }, async () => {
          const bytes = changed();
          const clients = [own, alone].map(({ port }) => client(port, bytes));
          const told = (): string[] => clients.map((each) => undated(each.received()));
          const began = performance.now();
          // Where nothing more is to come, that shows only by time.
          for (let ms = 0; ms < 300 || (ms < 8000 && !alike(told())); ms = performance.now() - began) {
            if (alike(told()) && statuses(told()[0] as string).length === 3) break;
            await sleep(5);
          }
          for (const { socket } of clients) socket.destroy();
          assert.ok(alike(told()), JSON.stringify([bytes.toString('latin1'), ...told()]));
        }),
      );
    }
    assert.ok(own.by.filter((by) => by === 'simple').length > 300);
    assert.equal(own.state.places, 100, 'no place is lost');
  });

  test('answers requests in the order in which they came, whoever reads them', async (t) => {
    const { port, by } = await start(t, true);
    const bodies = Array.from({ length: 40 }, (_, index) => `{"number":${index}}!`);
    const chunked = request('', [...plain, 'Transfer-Encoding: chunked']).replace(/Content-Length: 0\r\n/u, '');
    const all = [
      ...bodies.slice(0, 30).map((body) => request(body)),
      `${chunked}5\r\n"30"!\r\n0\r\n\r\n`,
      ...bodies.slice(31).map((body) => request(body)),
    ];
    const text = await answers(client(port, all.join('')), 40);
    assert.deepEqual(
      [...text.matchAll(/(?:"number":|")(\d+)/gu)].map(([, number]) => Number(number)),
      [...bodies.keys()],
    );
    assert.deepEqual([by.indexOf('node'), by.lastIndexOf('simple')], [30, 29]);
  });

  test('answers a request that comes in two parts, wherever it is cut', async (t) => {
    const { port, by } = await start(t, true);
    const bytes = request('{"a":1}!');
    await Promise.all(
      Array.from({ length: bytes.length - 1 }, async (_, index) => {
        const asking = client(port, bytes.slice(0, index + 1));
        await sleep(10);
        asking.socket.write(bytes.slice(index + 1));
        assert.deepEqual(statuses(await answers(asking, 1)), ['200'], String(index));
      }),
    );
    assert.ok(by.includes('simple'));
    assert.equal(by.length, bytes.length - 1);
  });

  test('gives a body that is slow to Node, and the place in the queue back', async (t) => {
    const { port, by, left, state } = await start(t, true, { patienceMs: 50 });
    const bytes = request('{"a":1}!');
    const asking = client(port, bytes.slice(0, -3));
    while (left.length === 0) await sleep(5);
    assert.deepEqual([left, state.places], [[undefined], 100]);
    asking.socket.write(bytes.slice(-3));
    assert.deepEqual(statuses(await answers(asking, 1)), ['200']);
    assert.deepEqual(by, ['node']);
  });

  test('gives a connection over which nothing comes to Node', async (t) => {
    const { port, by } = await start(t, true, { patienceMs: 50 });
    const late = client(port);
    await sleep(300);
    late.socket.write(request('{}!'));
    assert.deepEqual(statuses(await answers(late, 1)), ['200']);
    assert.deepEqual(by, ['node']);
  });

  test('closes a connection over which nothing is asked any more', async (t) => {
    const { port } = await start(t, true, {}, 100);
    const asking = client(port, request('{}!'));
    await asking.closed;
    assert.match(asking.received(), /Keep-Alive: timeout=0\.1\r\n/u);
  });

  test('answers who sends no more, and then closes', async (t) => {
    const { port, by } = await start(t, true);
    const asking = client(port);
    asking.socket.end(request('{"a":1}!') + request('{"a":2}!'));
    await asking.closed;
    assert.deepEqual(statuses(asking.received()), ['200', '200']);
    assert.match(asking.received(), /Connection: keep-alive[^]*Connection: close/u);
    assert.deepEqual(by, ['simple', 'simple']);
  });

  test('leaves half a request of who sends no more to Node, which refuses it', async (t) => {
    const { port, state } = await start(t, true);
    const asking = client(port, request('{"a":1}!'));
    asking.socket.end(request('{"a":2}!').slice(0, -2));
    await asking.closed;
    assert.deepEqual(statuses(asking.received()), ['200', '400']);
    assert.equal(state.places, 100);
  });

  test('counts a client that went away as one', async (t) => {
    let go = (): void => {};
    const waits = new Promise<void>((resolve) => (go = resolve));
    const { port, left, state } = await start(t, true, {
      patienceMs: 5000,
      answer: () => waits.then(() => ({ status: 200, headers: {}, body: 'late' })),
    });
    const [half, whole] = [client(port, request('{"a":1}!').slice(0, -2)), client(port, request('{"a":1}!'))];
    while (state.places > 98) await sleep(5);
    half.socket.resetAndDestroy();
    whole.socket.resetAndDestroy();
    while (left.length < 2) await sleep(5);
    go();
    await sleep(20);
    assert.deepEqual([left, state.places], [[499, 499], 100]);
  });

  test('reads no more requests of who does not read the answers', async (t) => {
    const big = Buffer.alloc(8 * 1024 * 1024, 'a');
    let asked = 0;
    const { port, left } = await start(t, true, {
      answer: () => {
        asked += 1;
        return Promise.resolve({ status: 200, headers: {}, body: asked === 6 ? 'last!' : big });
      },
    });
    const asking = client(port);
    asking.socket.pause();
    for (let index = 0; index < 6; index += 1) asking.socket.write(request(`{"n":${index}}!`));
    await sleep(200);
    assert.ok(asked <= 2, `${asked} were run`);
    assert.ok(left.length < asked, 'and the place is held until the answer is read');
    asking.socket.resume();
    await new Promise<void>((resolve) => {
      asking.socket.on('data', (chunk: Buffer) => {
        if (chunk.includes('last!')) resolve();
      });
    });
    assert.equal(statuses(asking.received()).length, 6);
    while (left.length < 6) await sleep(5);
    assert.deepEqual(left, new Array(6).fill(200));
  });

  test('refuses where there is no place, and half a request is left to Node', async (t) => {
    const { port, state, by } = await start(t, true);
    state.places = 0;
    const text = await answers(client(port, request('{}!'), request('{}!')), 2, 300);
    assert.deepEqual(statuses(text), ['429', '429']);
    const half = client(port, request('{}!').slice(0, -1));
    await sleep(20);
    half.socket.write('!');
    await answers(half, 1);
    assert.deepEqual(by, ['node']);
  });

  test('ends with the server: idle ones at once, the others with their answer', async (t) => {
    let go = (): void => {};
    const waits = new Promise<void>((resolve) => (go = resolve));
    const { port, simple, state, server } = await start(t, true, {
      answer: () => waits.then(() => ({ status: 200, headers: {}, body: 'done!' })),
    });
    const [idle, half, busy] = [
      client(port),
      client(port, request('{}!').slice(0, -1)),
      client(port, request('{}!'), request('{}!')),
    ];
    await sleep(20);
    state.draining = true;
    simple?.endIdle();
    const ended = new Promise((resolve) => server.close(resolve));
    await idle.closed;
    half.socket.write('!');
    assert.deepEqual(statuses(await answers(half, 1)), ['200']);
    go();
    await busy.closed;
    assert.deepEqual(statuses(busy.received()), ['200'], 'the request behind it is not answered');
    assert.match(busy.received(), /Connection: close\r\n/u);
    for (const { socket } of [idle, half, busy]) socket.destroy();
    await ended;
  });

  test('is cut off where it takes too long to end', async (t) => {
    const { port, simple } = await start(t, true, { answer: () => new Promise(() => {}) });
    const asking = client(port, request('{}!'));
    await sleep(20);
    simple?.destroy();
    await asking.closed;
    assert.equal(asking.received(), '');
  });
});

test('a model is served alike by the short way and by the long one, byte for byte, and counted alike', async (t) => {
  const server = await startServer({
    artifact: { path: fixture('spam/models/candidate.onnx') },
    modelName: 'm',
    port: 0,
    host: '127.0.0.1',
    log: silentLog,
  });
  t.after(() => server.close());
  const port = Number(new URL(server.url).port);
  const random = uniform(3);
  const below = (limit: number): number => Math.floor(random() * limit);
  const pick = <T>(list: readonly T[]): T => list[below(list.length)] as T;
  const input = (rows: number): Record<string, unknown> => ({
    name: 'features',
    shape: [rows, 60],
    datatype: pick(['FP32', 'FP64']),
    data: Array.from({ length: rows * 60 }, () => pick([random() * 100, below(9), null, -1e-30, 1e300])),
  });
  const body = (): string => {
    const value: Record<string, unknown> = { inputs: [input(pick([1, 1, 2, 60]))] };
    if (below(3) === 0) value['id'] = pick(['seven', 'ünï', '\u{1F600}']);
    if (below(3) === 0) value['outputs'] = [{ name: pick(['label', 'probabilities', 'none']) }];
    if (below(4) === 0) value['parameters'] = { binary_data_output: pick([true, false]) };
    if (below(6) === 0) value['inputs'] = pick([[], null, [input(1), input(1)], [{ ...input(1), shape: [1, 59] }]]);
    const text = JSON.stringify(value);
    return below(8) === 0 ? pick(['\uFEFF', '[', 'x']) + text : text;
  };
  const ask = (lines: readonly string[], content: string, target: string): Promise<string> => {
    const asking = client(port, request(content, lines, `POST ${target} HTTP/1.1`));
    // Node gives no answer to who said that it sends no more, where it was not ready by then.
    if (!lines.includes('Connection: close')) asking.socket.end();
    return asking.closed.then(() => {
      asking.socket.destroy();
      return asking.received();
    });
  };
  const head = (text: string): unknown => {
    const [start, ...lines] = text.slice(0, text.indexOf('\r\n\r\n')).split('\r\n');
    const own = lines.filter((line) => !/^(?:date|connection|keep-alive):/iu.test(line));
    return [start, own.map((line) => line.toLowerCase()).toSorted()];
  };
  const counts = async (): Promise<[Record<number, number>, number, number]> => {
    const { byStatus, runs, runRows } = await server.counts();
    return [{ ...byStatus }, runs, runRows];
  };
  const cases = Array.from({ length: 300 }, () => ({
    content: body(),
    lines: [...plain, ...pick([[], ['Accept-Encoding: gzip'], ['Accept-Encoding: identity']])],
    target: pick([path, '/v2/models/m/versions/1/infer']),
  }));
  const all = async (extra: readonly string[]): Promise<string[]> => {
    const found: string[] = [];
    for (let at = 0; at < cases.length; at += 20) {
      const some = cases.slice(at, at + 20);
      found.push(...(await Promise.all(some.map((each) => ask([...each.lines, ...extra], each.content, each.target)))));
    }
    return found;
  };
  const short = await all([]);
  const first = await counts();
  const long = await all(['Connection: close']);
  const both = await counts();
  for (const [index, text] of short.entries()) {
    const other = long[index] as string;
    assert.deepEqual(head(text), head(other), cases[index]?.content.slice(0, 300));
    assert.equal(text.slice(text.indexOf('\r\n\r\n')), other.slice(other.indexOf('\r\n\r\n')));
  }
  const twice = Object.fromEntries(Object.entries(first[0]).map(([status, total]) => [status, 2 * total]));
  assert.deepEqual(both, [twice, 2 * first[1], 2 * first[2]]);
  assert.deepEqual(Object.keys(twice), ['200', '400']);
});
