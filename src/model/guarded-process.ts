import { spawn, type ChildProcess } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { temporaryFolder } from '../data/temporary.ts';
import { entryPath, type EntryName } from '../entries.ts';
import { ModelError } from '../errors.ts';
import { residentBytes, environmentOf } from '../processes.ts';
import { memoryNotice } from './watchdog.ts';

/** Why a process that ran models ended. Codes: `crash`, `time`, `memory`. */
export interface ProcessFault {
  code: string;
  message: string;
}

export interface GuardedProcessInput {
  entry: EntryName;
  /** What it does, for messages: "Predicting with the candidate (model.onnx)". */
  doing: string;
  /** `memoryBytes` of resident memory and `timeMs` from start to end. */
  limits: { memoryBytes: number; timeMs: number };
  signal?: AbortSignal | undefined;
}

/** A program of ours in a process of its own, which speaks over IPC, under a memory and a time limit. */
export interface GuardedProcess {
  child: ChildProcess;
  /** Settles when the process has ended. @throws the reason of the abort; ModelError when it does not start */
  ended: Promise<ProcessFault>;
  /** End it; of one that has ended nothing more is done. */
  end(): void;
}

/** Start it. It must be told to `end`, whatever happens. Its temporary files are in a folder that goes with it. */
export async function startGuarded({ entry, doing, limits, signal }: GuardedProcessInput): Promise<GuardedProcess> {
  signal?.throwIfAborted();
  const folder = await temporaryFolder('process');
  const child = spawn(process.execPath, [entryPath(entry)], {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    serialization: 'advanced',
    env: { ...environmentOf(needed), TMPDIR: folder, TEMP: folder, TMP: folder },
  });
  const tidy = (): Promise<void> => rm(folder, { recursive: true, force: true }).catch(() => {});
  let stopped: ProcessFault | null = null;
  const stop = (code: string, message: string): void => {
    stopped ??= { code, message };
    child.kill('SIGKILL');
  };
  const outOfMemory = `${doing} used more memory than the limit of ${Math.round(limits.memoryBytes / 2 ** 20)} MiB and was stopped. Raise limits.memory if that is expected.`;
  const timer = setTimeout(() => {
    stop(
      'time',
      `${doing} took longer than ${limits.timeMs / 1000} s and was stopped. Raise limits.time if that is expected.`,
    );
  }, limits.timeMs);
  const watch = watchMemory(child, limits.memoryBytes, () => stop('memory', outOfMemory));
  const end = (): void => {
    clearTimeout(timer);
    clearInterval(watch);
    signal?.removeEventListener('abort', end);
    child.kill('SIGKILL');
  };
  signal?.addEventListener('abort', end, { once: true });
  let stderr = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr = `${stderr}${text}`.slice(-4000)));
  const ended = new Promise<ProcessFault>((done, failed) => {
    child.on('error', (cause) => {
      end();
      failed(new ModelError({ found: `the process that runs models does not start: ${cause.message}`, cause }));
      void tidy();
    });
    child.on('close', (code, by) => {
      end();
      const settle = (): void => {
        if (signal?.aborted === true) failed(signal.reason as Error);
        else if (stopped === null && stderr.includes(memoryNotice)) done({ code: 'memory', message: outOfMemory });
        else done(stopped ?? { code: 'crash', message: crash(doing, code, by, stderr) });
      };
      void tidy().then(settle);
    });
  });
  if (signal?.aborted === true) end();
  // Told to whoever waits for it.
  ended.catch(() => {});
  return { child, ended, end };
}

/** All that a model's process needs: no tokens, no options for Node. */
const needed = ['PATH', 'HOME', 'LANG', 'LC_ALL', 'SYSTEMROOT', 'LD_LIBRARY_PATH'];

/**
 * Resident memory is watched, since a limit on address space breaks the runtimes. Where there is no /proc the process
 * watches itself.
 */
function watchMemory(child: ChildProcess, limit: number, exceeded: () => void): NodeJS.Timeout {
  return setInterval(() => {
    void residentBytes(child.pid ?? 0).then((used) => (used ?? 0) > limit && exceeded());
  }, 50);
}

function crash(doing: string, code: number | null, signal: string | null, stderr: string): string {
  const line = stderr.trim().split('\n').at(-1) ?? '';
  const end = signal === null ? `ended with code ${code}` : `was ended by ${signal}`;
  const guess = signal === 'SIGKILL' ? ' Most likely the machine ran out of memory.' : '';
  return `${doing} crashed: it ${end}.${guess}${line === '' ? '' : ` It said: ${line.slice(0, 300)}`}`;
}
