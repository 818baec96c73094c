import { spawn } from 'node:child_process';
import { endTree } from './process-tree.ts';
import { endText } from '../processes.ts';

/*
 * Starts a command of the user and answers for it: when its standard input ends, or it is told to stop, it ends the command with
 * everything that it started, so that nothing outlives a run, not even one that is killed. What the command writes goes to our own
 * standard output and error.
 */

/** The first argument, as JSON. */
export interface CommandOrder {
  command: readonly [string, ...string[]];
  directory: string;
  env: Record<string, string>;
  /** `NAME=value` in `env`, by which what it starts is found. */
  mark: string;
  graceMs: number;
}

/** What it tells over IPC: the number of the process, why there is none, or how it ended. */
export type CommandNews = { pid: number } | { failed: string } | { ended: string };

const order = JSON.parse(process.argv[2] ?? '{}') as CommandOrder;
const [program, ...parameters] = order.command;
const child = spawn(program, parameters, {
  cwd: order.directory,
  env: order.env,
  stdio: ['ignore', 'inherit', 'inherit'],
  detached: true, // it leads a session and a group of its own
});
let ending: Promise<void> | undefined;

child.once('error', (fault: NodeJS.ErrnoException) => {
  tell({ failed: fault.code ?? fault.message }, leave);
});
child.once('spawn', () => tell({ pid: child.pid ?? 0 }));
child.once('exit', (code, signal) => {
  tell({ ended: endText(code, signal) }, stop);
});
for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(name, stop);
process.once('disconnect', stop);
process.stdin.once('close', stop).on('error', stop).resume();

function stop(): void {
  const { pid } = child;
  ending ??= pid === undefined ? Promise.resolve() : endTree({ root: pid, mark: order.mark }, order.graceMs);
  void ending.then(leave);
}

function leave(): void {
  process.exit(0);
}

function tell(message: CommandNews, then: () => void = () => {}): void {
  if (process.send === undefined || !process.connected) then();
  else process.send(message, undefined, undefined, then);
}
