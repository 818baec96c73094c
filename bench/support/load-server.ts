import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/*
 * Servers of known behaviour for bench/load.ts, each in a process of its own: node load-server.js KIND MS [PORT]. Over IPC: the port, and
 * on `told` how long each request was there.
 * - plain: answers at once
 * - delay: after MS; every fourth after twice as long, and nothing is answered in 300 ms of every two seconds
 * - queue: one request at a time, MS each
 * - work: MS of one CPU to itself for each request
 * - cpu: MS of CPU for each request, however long a limit makes that
 */

const [kind = 'plain', text = '0', port = '0'] = process.argv.slice(2);
const ms = Number(text);
const stall = { every: 2000, length: 300 };
const answer = JSON.stringify({
  p: 0.5,
  outputs: [{ name: 'probabilities', datatype: 'FP32', shape: [1, 2], data: [0.25, 0.75] }],
});
let durations: number[] = [];
let count = 0;
let free = 0;
const began = performance.now();

const server = createServer((request, response) => {
  const came = performance.now();
  request.resume().on('end', () => {
    if (kind === 'work') while (performance.now() - came < ms);
    if (kind === 'cpu' && request.method === 'POST') for (const before = cpuMs(); cpuMs() - before < ms;);
    const due = dueAt(came);
    const reply = (): void => {
      response.setHeader('content-type', 'application/json').end(answer);
      durations.push(performance.now() - came);
    };
    if (due <= performance.now()) reply();
    else setTimeout(reply, due - performance.now());
  });
});
server.keepAliveTimeout = 60_000;
server.listen(Number(port), port === '0' ? '127.0.0.1' : '0.0.0.0', () =>
  process.send?.((server.address() as AddressInfo).port),
);
process.on('message', () => {
  process.send?.(durations);
  durations = [];
});
process.on('disconnect', () => process.exit(0));

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function dueAt(came: number): number {
  count += 1;
  if (kind === 'queue') return (free = Math.max(free, came) + ms);
  if (kind !== 'delay') return came;
  const due = came + (count % 4 === 0 ? 2 * ms : ms);
  const since = (due - began) % stall.every;
  return since < stall.length ? due + stall.length - since : due;
}
