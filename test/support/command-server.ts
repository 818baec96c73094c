/*
 * A command line that is loaded once and runs one command after another, each in the folder and with the environment it is asked
 * for: most of what a command costs is loading and compiling its code. What belongs to the process itself (signals, memory,
 * an environment that is read at the start) is tested on processes of their own.
 * Usage: node command-server.js SOCKET. Asked by command-client.ts; ends after a number of commands, and with whoever started it.
 */
import { createInterface } from 'node:readline';
import { createServer, type Socket } from 'node:net';
import { runCommand } from '../../src/cli/run.ts';
import type { AskedCommand } from './command-client.ts';

/** What commands leave behind stays small. */
const commandsOfALife = 200;

const [socketPath = ''] = process.argv.slice(2);
const inherited = { ...process.env };
let commands = 0;
let busy = false;

const server = createServer((socket) => {
  createInterface(socket).once('line', (line) => {
    if (busy) socket.end('busy');
    else void answer(socket, JSON.parse(line) as AskedCommand);
  });
});
server.listen(socketPath);
process.on('disconnect', () => process.exit());

async function answer(socket: Socket, { folder, args, env }: AskedCommand): Promise<void> {
  busy = true;
  // The test has ended without the command: it would go on beside the next one.
  const given = (): void => process.exit(1);
  socket.once('close', given);
  const said = { stdout: '', stderr: '' };
  const restore = (['stdout', 'stderr'] as const).map((name) => collect(name, (written) => (said[name] += written)));
  const before = new Set(process.listeners('exit'));
  process.chdir(folder);
  environment({ PATH: inherited['PATH'] ?? '', HOME: folder, ...env });
  const code = await runCommand(args, process.env, new AbortController().signal);
  for (const listener of process.listeners('exit')) {
    if (before.has(listener)) continue;
    listener.call(process, code);
    process.off('exit', listener);
  }
  for (const each of restore) each();
  process.chdir('/');
  environment(inherited);
  socket.off('close', given);
  commands += 1;
  const last = commands >= commandsOfALife;
  if (last) server.close();
  socket.end(JSON.stringify({ code, ...said }), () => {
    if (last) process.exit();
  });
  // Who has connected meanwhile is told so.
  busy = last;
}

function environment(wanted: NodeJS.ProcessEnv): void {
  for (const name of Object.keys(process.env)) delete process.env[name];
  Object.assign(process.env, wanted);
}

function collect(name: 'stdout' | 'stderr', take: (written: string) => void): () => void {
  const stream = process[name];
  const write = stream.write;
  stream.write = (chunk: Uint8Array | string, ...rest: unknown[]): boolean => {
    take(typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString('utf8'));
    const written = rest.at(-1);
    if (typeof written === 'function') process.nextTick(written);
    return true;
  };
  return () => {
    stream.write = write;
  };
}
