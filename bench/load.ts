import { createServer } from 'node:http';
import { fork } from 'node:child_process';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import autocannon from 'autocannon';
import { openGenerator } from '../src/stages/load/driver.ts';
import { percentile } from '../src/stages/load/latency.ts';
import { postMessage } from '../src/stages/load/message.ts';
import { schedule } from '../src/stages/load/schedule.ts';

/*
 * The load generator against bare autocannon with the same varied bodies, at saturation and side by side, and how
 * exactly it offers a rate. The server runs in a process of its own. Rounds alternate; the median ratio counts.
 */

const connections = 20;
const seconds = Number(process.env['BENCH_SECONDS'] ?? 4);
const rounds = Number(process.env['BENCH_ROUNDS'] ?? 5);
const bodies = Array.from({ length: 2350 }, (_, row) => {
  const data = Array.from({ length: 60 }, (_value, column) => ((row * 31 + column * 17) % 1000) / 7);
  return JSON.stringify({ inputs: [{ name: 'features', shape: [1, 60], datatype: 'FP32', data }] });
});

if (process.argv[2] === 'server') serve();
else await compare();

async function compare(): Promise<void> {
  const server = fork(fileURLToPath(import.meta.url), ['server']);
  const port = await new Promise<number>((resolve) => server.once('message', (message) => resolve(Number(message))));
  const url = `http://127.0.0.1:${port}/infer`;
  try {
    await bare(url, 1);
    await ours(url, 1);
    const ratios: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const [first, second] = round % 2 === 0 ? [bare, ours] : [ours, bare];
      const results = [await first(url, seconds), await second(url, seconds)] as [number, number];
      const [theirs, own] = round % 2 === 0 ? results : (results.toReversed() as [number, number]);
      ratios.push(own / theirs);
      console.log(`saturation: bare autocannon ${theirs.toFixed(0)}/s, contender ${own.toFixed(0)}/s`);
    }
    const median = ratios.toSorted((a, b) => a - b)[Math.floor(ratios.length / 2)] as number;
    console.log(`saturation: median ratio ${median.toFixed(3)} (target >= 0.95)`);
    for (const [rate, arrivals] of [
      [100, 'constant'],
      [1000, 'constant'],
      [1000, 'poisson'],
      [5000, 'poisson'],
    ] as const) {
      await offered(url, rate, arrivals);
    }
  } finally {
    server.kill();
  }
}

/** Requests a second of autocannon alone, with a body of its own for each request. */
async function bare(url: string, duration: number): Promise<number> {
  let next = 0;
  const result = await autocannon({
    url,
    connections,
    duration,
    requests: [
      {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        setupRequest(request) {
          next += 1;
          return { ...request, body: bodies[next % bodies.length] };
        },
      },
    ],
  });
  return result['2xx'] / result.duration;
}

/** Requests a second of our generator when far more are due than the server can answer. */
async function ours(url: string, duration: number): Promise<number> {
  const generator = await openGenerator({ url, connections, timeoutMs: 600_000 });
  const target = new URL(url);
  const messages = bodies.map((body) => postMessage(target, body));
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), duration * 1000);
  try {
    const result = await generator.run({
      offsets: new Float64Array(200_000 * duration),
      request: (index) => messages[index % messages.length] as Buffer,
      accept: (_index, answer) => answer.status === 200,
      signal: stop.signal,
    });
    return result.outcome.filter((outcome) => outcome === 1).length / (result.elapsedMs / 1000);
  } finally {
    clearTimeout(timer);
    await generator.close();
  }
}

/** How exactly a rate is offered: when requests were really sent against when they were due. */
async function offered(url: string, rate: number, arrivals: 'constant' | 'poisson'): Promise<void> {
  const generator = await openGenerator({ url, connections: 50, timeoutMs: 5000 });
  const target = new URL(url);
  const messages = bodies.map((body) => postMessage(target, body));
  const started = performance.now();
  let last = started;
  let sent = 0;
  try {
    const result = await generator.run({
      offsets: schedule({ rate, durationMs: seconds * 1000, arrivals, seed: 1 }),
      request(index) {
        sent += 1;
        last = performance.now();
        return messages[index % messages.length] as Buffer;
      },
      accept: (_index, answer) => answer.status === 200,
    });
    const achieved = sent / Math.max((last - started) / 1000, seconds);
    const lag = percentile(result.lag.toSorted(), 0.99);
    console.log(
      `rate ${rate} ${arrivals}: offered ${achieved.toFixed(1)}/s (${((achieved / rate - 1) * 100).toFixed(2)}%), ` +
        `send lag p99 ${lag.toFixed(2)} ms, latency p50 ${percentile(result.latency.toSorted(), 0.5).toFixed(2)} ms, ` +
        `event loop ${(100 * result.host.eventLoop).toFixed(0)}% busy`,
    );
  } finally {
    await generator.close();
  }
}

function serve(): void {
  const answer = JSON.stringify({
    model_name: 'm',
    outputs: [{ name: 'probabilities', datatype: 'FP32', shape: [1, 2], data: [0.25, 0.75] }],
  });
  const server = createServer((request, response) => {
    request.resume().on('end', () => response.setHeader('content-type', 'application/json').end(answer));
  });
  server.keepAliveTimeout = 60_000;
  server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
}
