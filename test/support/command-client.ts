import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import type { CommandResult } from './gate-repository.ts';

export interface AskedCommand {
  folder: string;
  args: readonly string[];
  /** Beside PATH, and HOME, which is the folder. */
  env: Record<string, string>;
}

/** The sockets of the command servers that the test runner keeps, see command-server.ts. */
const servers = (process.env['CONTENDER_TEST_SERVERS'] ?? '').split(':').filter((path) => path !== '');

/** What a running process takes up from its environment. Anything else (NODE_OPTIONS, TZ, a proxy) is read as it starts. */
const takenUp = /^(?:CONTENDER|GIT|GITHUB|ACTIONS|RUNNER|INPUT)_|^(?:PATH|HOME|CI)$/u;

/** What a command said in a command server; null where none is free or the command needs a process of its own. */
export async function runInServer(command: AskedCommand): Promise<CommandResult | null> {
  if (command.args[0] === 'serve' || !Object.keys(command.env).every((name) => takenUp.test(name))) return null;
  for (const path of servers) {
    const answer = await ask(path, command).catch((error: NodeJS.ErrnoException) => {
      if (['ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE'].includes(error.code ?? '')) return 'busy';
      throw error;
    });
    if (answer === '') throw new Error(`the command server ended in the middle of contender ${command.args.join(' ')}`);
    if (answer !== 'busy') return JSON.parse(answer) as CommandResult;
  }
  return null;
}

async function ask(path: string, command: AskedCommand): Promise<string> {
  const socket = connect(path);
  // Node 24 reads lines to these separators too, which JSON leaves as they are.
  const line = JSON.stringify(command).replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029');
  socket.write(`${line}\n`);
  return text(socket);
}
