import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { postMessage } from '../../../src/stages/load/message.ts';
import {
  openGenerator,
  type ClosedLoop,
  outcomes,
  type Outcome,
  type Window,
  type WindowResult,
} from '../../../src/stages/load/driver.ts';
import { percentile } from '../../../src/stages/load/latency.ts';
import { schedule } from '../../../src/stages/load/schedule.ts';
import { httpServer, rawServer, type RunningServer } from './servers.ts';

describe('the load generator', () => {
  test('sends every planned request once, with its own body, and pairs each answer with its request', async () => {
    const received: string[] = [];
    const server = await httpServer((body, response) => {
      received.push(body);
      setTimeout(() => response.end(body), Math.random() * 20);
    });
    const paired: boolean[] = [];
    const result = await load(server, { rate: 400, durationMs: 1000, arrivals: 'poisson' }, (index, body) => {
      paired.push(body === `request ${index} ü`);
      return true;
    });
    assert.equal(result.offsets.length, 400);
    assert.deepEqual(counts(result), { accepted: 400 });
    assert.equal(paired.length, 400);
    assert.ok(paired.every(Boolean));
    assert.equal(new Set(received).size, 400);
  });

  test('spreads requests over the whole window instead of sending a burst each second', async () => {
    const arrivals: number[] = [];
    const server = await httpServer((_body, response) => {
      arrivals.push(performance.now());
      response.end('ok');
    });
    await load(server, { rate: 100, durationMs: 1500 });
    const first = arrivals[0] as number;
    const perTenth = Array.from({ length: 15 }, (_, tenth) => {
      return arrivals.filter((at) => Math.floor((at - first) / 100) === tenth).length;
    });
    assert.ok(
      perTenth.filter((count) => count > 0).length >= 12,
      `arrivals per tenth of a second: ${perTenth.join(' ')}`,
    );
  });

  test('sees a stall of the server in the latencies of the requests it kept waiting', async () => {
    let stalledUntil = Number.POSITIVE_INFINITY;
    let seen = 0;
    const server = await httpServer((_body, response) => {
      seen += 1;
      if (seen === 50) stalledUntil = performance.now() + 2000;
      const wait = seen < 50 ? 0 : Math.max(0, stalledUntil - performance.now());
      setTimeout(() => response.end('ok'), wait);
    });
    const result = await load(server, { rate: 100, durationMs: 4000 }, undefined, { connections: 4 });
    const sorted = result.latency.toSorted();
    assert.deepEqual(counts(result), { accepted: 400 });
    // Of 400 requests, 200 fell into the stall, and the latest of them waited two seconds.
    assert.ok(percentile(sorted, 0.9) > 800, `p90 is ${percentile(sorted, 0.9)}`);
    assert.ok(percentile(sorted, 0.25) < 500, `p25 is ${percentile(sorted, 0.25)}`);
    assert.ok(result.queued > 100);
  });

  test('lets no request starve at a server that reads one connection until it is closed', async () => {
    for (const rate of [{ rate: 30, durationMs: 4000, arrivals: 'poisson' } as const, { users: 4, durationMs: 2000 }]) {
      const waiting: (() => void)[] = [];
      let opened = 0;
      const server = await rawServer((socket) => {
        const serve = (): void => {
          socket.on('data', () => setTimeout(() => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'), 15));
          socket.on('close', () => {
            waiting.shift();
            waiting[0]?.();
          });
        };
        opened += 1;
        waiting.push(serve);
        if (waiting.length === 1) serve();
      });
      const result = await load(server, rate);
      assert.deepEqual(Object.keys(counts(result)), ['accepted']);
      assert.ok(Math.max(...result.latency) < 1000, `the slowest took ${Math.max(...result.latency)} ms`);
      assert.ok(opened > 1);
    }
  });

  test('keeps the connections of a server that answers some requests late', async () => {
    const connections = new Set<unknown>();
    let seen = 0;
    const server = await httpServer((_body, response, request) => {
      connections.add(request.socket);
      seen += 1;
      setTimeout(() => response.end('ok'), seen % 20 === 1 ? 900 : 10);
    });
    const result = await load(server, { rate: 100, durationMs: 3000 }, undefined, { connections: 40 });
    assert.deepEqual(counts(result), { accepted: 300 });
    assert.ok(connections.size <= 20, `${connections.size} connections`);
  });

  test('counts an answer that is not accepted as no faster than the time-out', async () => {
    const server = await httpServer((_body, response) => response.writeHead(500).end('{"error":"no"}'));
    const result = await load(server, { rate: 100, durationMs: 500 }, (_index, _body, status) => status === 200);
    assert.deepEqual(counts(result), { refused: 50 });
    assert.ok(result.latency.every((latency) => latency >= 1000));
  });

  test('gives up requests that a hanging server never answers, and ends', async () => {
    const server = await httpServer(() => {});
    const result = await load(server, { rate: 50, durationMs: 500 });
    assert.deepEqual(counts(result), { timeout: 25 });
    assert.ok(result.latency.every((latency) => latency >= 1000));
    assert.ok(result.elapsedMs < 10_000);
  });

  test('times rightly a server that closes the connection after each answer', async () => {
    const server = await httpServer((_body, response) => {
      setTimeout(() => response.writeHead(200, { connection: 'close' }).end('ok'), 20);
    });
    const result = await load(server, { rate: 100, durationMs: 1000 });
    assert.deepEqual(counts(result), { accepted: 100 });
    assertLittlesLaw(result, 10);
    assert.ok(percentile(result.latency.toSorted(), 0.5) < 300);
  });

  test('reads a body that ends with its connection, as HTTP/1.0 servers send it', async () => {
    const server = await rawServer((socket) => {
      socket.once('data', () => socket.end('HTTP/1.0 200 OK\r\n\r\nall of it'));
    });
    const bodies = new Set<string>();
    const result = await load(server, { rate: 50, durationMs: 500 }, (_index, body) => bodies.add(body) !== null);
    assert.deepEqual(counts(result), { accepted: 25 });
    assert.deepEqual([...bodies], ['all of it']);
    assertLittlesLaw(result, 10);
  });

  test('loses a request whose answer breaks off, and pairs the next ones rightly', async () => {
    const server = await rawServer((socket) => {
      let served = 0;
      socket.on('data', (chunk) => {
        served += 1;
        const body = chunk.toString('utf8').split('\r\n\r\n')[1] ?? '';
        const length = Buffer.byteLength(body);
        if (served === 3) socket.end(`HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\n${body.slice(0, 3)}`);
        else socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\n${body}`);
      });
    });
    let mismatched = 0;
    const result = await load(server, { rate: 100, durationMs: 1000 }, (index, body) => {
      if (body !== `request ${index} ü`) mismatched += 1;
      return true;
    });
    const seen = counts(result);
    assert.equal(mismatched, 0);
    assert.equal((seen.accepted ?? 0) + (seen.lost ?? 0), 100);
    assert.ok((seen.lost ?? 0) >= 20, JSON.stringify(seen));
    assert.equal(result.lost['connection closed'], seen.lost);
  });

  test('counts requests lost on busy connections, which the server resets while it works', async () => {
    let asked = 0;
    const server = await httpServer((_body, response) => {
      asked += 1;
      if (asked % 20 === 0) response.socket?.resetAndDestroy();
      else response.end('{}');
    });
    const result = await load(server, { rate: 200, durationMs: 1000 });
    assert.equal((counts(result).lost ?? 0) + result.resent, Math.floor(asked / 20));
    assert.ok(result.resent <= 1, `${result.resent} were sent again`);
    assert.ok((counts(result).lost ?? 0) >= 8);
  });

  test('waits for no body of a status that has none, whatever length is stated', async () => {
    const heads = ['304 Not Modified\r\nContent-Length: 120', '204 No Content\r\nTransfer-Encoding: chunked'];
    let asked = 0;
    const server = await rawServer((socket) =>
      socket.on('data', () => socket.write(`HTTP/1.1 ${heads[asked++ % 2]}\r\n\r\n`)),
    );
    const result = await load(server, { rate: 50, durationMs: 200 });
    assert.equal(asked, 10);
    assert.deepEqual(result.lost, {});
  });

  test('names an answer that is not HTTP', async () => {
    const server = await rawServer((socket) => socket.on('data', () => socket.write('\u0000\u0001 garbage\r\n\r\n')));
    const result = await load(server, { rate: 50, durationMs: 500 });
    assert.equal(counts(result).accepted, undefined);
    assert.ok((result.lost['not HTTP'] ?? 0) > 0, JSON.stringify(result.lost));
  });

  test('survives a server that dies midway without hammering it', async () => {
    let seen = 0;
    const server = await httpServer((_body, response) => {
      seen += 1;
      response.end('ok');
      if (seen === 30) void server.stop();
    });
    const result = await load(server, { rate: 100, durationMs: 1500 });
    const { accepted = 0, lost = 0, timeout = 0 } = counts(result);
    assert.equal(accepted + lost + timeout, 150);
    assert.ok(accepted >= 25 && accepted <= 60, `${accepted} accepted`);
    assert.ok((result.lost['ECONNREFUSED'] ?? 0) > 0, JSON.stringify(result.lost));
  });

  test('stops at once when it is told to', async () => {
    const server = await httpServer((_body, response) => response.end('ok'));
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 300);
    const result = await load(server, { rate: 100, durationMs: 60_000 }, undefined, { signal: stop.signal });
    const { accepted = 0, unfinished = 0 } = counts(result);
    assert.equal(accepted + unfinished, 6000);
    assert.ok(accepted > 5 && accepted < 3000);
    assert.ok(result.elapsedMs < 20_000);
  });

  test('hands a fault of the caller back instead of crashing in a parser', async () => {
    const server = await httpServer((_body, response) => response.end('ok'));
    await assert.rejects(
      load(server, { rate: 100, durationMs: 500 }, () => {
        throw new Error('a bug in the caller');
      }),
      /a bug in the caller/u,
    );
  });

  test('runs several windows on the same connections', async () => {
    let connections = 0;
    const server = await rawServer((socket) => {
      connections += 1;
      socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'));
    });
    const generator = await openGenerator({ url: server.url, connections: 3, timeoutMs: 1000 });
    try {
      for (let round = 0; round < 3; round += 1) {
        const result = await generator.run(windowOf(server, { rate: 100, durationMs: 200 }));
        assert.deepEqual(counts(result), { accepted: 20 });
      }
    } finally {
      await generator.close();
      await server.stop();
    }
    // A busy machine may keep one waiting, and take another; none is opened for a window.
    assert.ok(connections <= 3, `${connections} connections`);
  });
});

interface Rate {
  rate: number;
  durationMs: number;
  arrivals?: 'constant' | 'poisson';
}
type Accept = (index: number, body: string, status: number) => boolean;

async function load(
  server: RunningServer,
  rate: Rate | ClosedLoop,
  accept?: Accept,
  options: { connections?: number; signal?: AbortSignal } = {},
): Promise<WindowResult> {
  const generator = await openGenerator({
    url: server.url,
    connections: options.connections ?? 10,
    timeoutMs: options.connections === undefined ? 1000 : 5000,
  });
  try {
    return await generator.run({ ...windowOf(server, rate, accept), signal: options.signal });
  } finally {
    await generator.close();
    await server.stop();
  }
}

function windowOf(server: RunningServer, rate: Rate | ClosedLoop, accept: Accept = () => true): Window {
  const url = new URL('/infer', server.url);
  return {
    offsets: 'users' in rate ? rate : schedule({ arrivals: 'constant', seed: 1, ...rate }),
    request: (index) => postMessage(url, `request ${index} ü`),
    accept: (index, answer) => accept(index, answer.body.toString('utf8'), answer.status),
  };
}

function counts(result: WindowResult): Partial<Record<Outcome, number>> {
  const tally: Partial<Record<Outcome, number>> = {};
  for (const code of result.outcome) {
    const name = outcomes[code] as Outcome;
    tally[name] = (tally[name] ?? 0) + 1;
  }
  return tally;
}

/** Little's law: the requests in service on average, rate x latency, cannot outnumber the connections. */
function assertLittlesLaw(result: WindowResult, connections: number): void {
  const inService = result.latency.reduce((sum, latency) => sum + latency, 0) / result.elapsedMs;
  assert.ok(inService <= connections, `${inService} requests in service on ${connections} connections`);
}
