import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Agent, createServer, request as ask, type IncomingMessage } from 'node:http';
import { parseArgs } from 'node:util';
import { entryPath } from '../../src/entries.ts';

/*
 * A service as people run one: so many replicas of our model server behind one address. Each answers one image at a time and is held for
 * --ms by it, as by a slow CPU, so that its capacity is known: node image-service.js --port 8080 --model m.onnx --replicas 2 --ms 10.
 */
const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    model: { type: 'string', default: '' },
    replicas: { type: 'string', default: '1' },
    ms: { type: 'string', default: '10' },
  },
});
const ms = Number(values.ms);
const agent = new Agent({ keepAlive: true });
const replicas = await Promise.all(Array.from({ length: Number(values.replicas) }, start));

createServer((request, response) => {
  const parts: Buffer[] = [];
  request.on('data', (part: Buffer) => parts.push(part));
  request.on('end', () => {
    const [quickest] = replicas.toSorted((left, right) => left.free - right.free) as [(typeof replicas)[0]];
    const now = performance.now();
    if (request.method === 'POST') quickest.free = Math.max(quickest.free, now) + ms;
    const due = request.method === 'POST' ? quickest.free - ms : now;
    setTimeout(() => pass(request, Buffer.concat(parts), quickest.url, due + ms), Math.max(0, due - now));
  });

  function pass(from: IncomingMessage, body: Buffer, to: string, until: number): void {
    const { method = 'GET', url = '/', headers } = from;
    const onward = ask(`${to}${url}`, { agent, method, headers }, (answer) => {
      const held = method === 'POST' ? Math.max(0, until - performance.now()) : 0;
      setTimeout(() => answer.pipe(response.writeHead(answer.statusCode ?? 502, answer.headers)), held);
    });
    onward.on('error', () => response.writeHead(502).end()).end(body);
  }
}).listen(Number(values.port), '127.0.0.1');

async function start(): Promise<{ url: string; free: number }> {
  const program = entryPath('serve-process');
  const options = [`--model=${values.model}`, '--name=digits', '--host=127.0.0.1', '--port=0', '--until-stdin-ends'];
  const child = spawn(process.execPath, [program, ...options], { stdio: ['pipe', 'pipe', 'inherit'] });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const { url, error } = JSON.parse(line.toString()) as { url?: string; error?: string };
  if (url === undefined) throw new Error(error);
  return { url, free: 0 };
}
