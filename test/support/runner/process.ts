import { spawn } from 'node:child_process';

export interface ProcessRequest {
  command: string;
  args: readonly string[];
  cwd: string;
  env: Record<string, string>;
  /** Aborted when the step is cancelled. */
  signal: AbortSignal;
  onLine(line: string): void;
  patience: Patience;
  /** What it leaves running ends with the job: the kill is put here. */
  orphans: (() => void)[];
}

/** How long a cancelled process has after SIGINT, and then after SIGTERM, in ms. */
export interface Patience {
  interruptMs: number;
  terminateMs: number;
}

/** The runner's: "SIGINT, 7500 ms, SIGTERM, 2500 ms, kill" ("Workflow cancellation reference", GitHub docs). */
export const runnerPatience: Patience = { interruptMs: 7500, terminateMs: 2500 };

/**
 * Run a process as the runner does: in a group of its own, both its streams read by lines, signalled alone when cancelled and
 * at last killed with everything it started. Gives its exit code, null when a signal ended it.
 */
export function runProcess(request: ProcessRequest): Promise<number | null> {
  const { command, args, cwd, env, signal, onLine, patience, orphans } = request;
  return new Promise((done, failed) => {
    const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    const timers: NodeJS.Timeout[] = [];
    const killAll = (): void => {
      try {
        process.kill(-(child.pid ?? 0), 'SIGKILL');
      } catch {
        // All of the group have ended.
      }
    };
    const cancel = (): void => {
      child.kill('SIGINT');
      timers.push(
        setTimeout(() => child.kill('SIGTERM'), patience.interruptMs),
        setTimeout(killAll, patience.interruptMs + patience.terminateMs),
      );
    };
    for (const stream of [child.stdout, child.stderr]) {
      let rest = '';
      stream.setEncoding('utf8').on('data', (text: string) => {
        const lines = (rest + text).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) onLine(line.replace(/\r$/u, ''));
      });
      stream.on('end', () => {
        if (rest !== '') onLine(rest);
      });
    }
    if (signal.aborted) cancel();
    else signal.addEventListener('abort', cancel, { once: true });
    child.on('error', failed);
    orphans.push(killAll);
    const end = (code: number | null): void => {
      for (const timer of timers) clearTimeout(timer);
      signal.removeEventListener('abort', cancel);
      done(code);
    };
    child.on('close', end);
    // Something it left in the background may hold its streams open: the runner waits five seconds for them.
    child.on('exit', (code) => timers.push(setTimeout(() => end(code), 5000)));
  });
}
