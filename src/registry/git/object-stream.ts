import { spawn } from 'node:child_process';
import { RegistryError } from '../../errors.ts';
import { firstFault, gitEnvironment, gitSettings } from './run.ts';

export interface GitObject {
  oid: string;
  type: string;
  bytes: Buffer;
}

/** Reads objects through one git process, which starts with the first question and ends when nobody has asked for a moment. */
export interface ObjectStream {
  /**
   * @param names of objects, or refs in full; each may end in `^{commit}` or `^{tree}`. Read anew each time
   * @returns what each stands for, in order; null where it is not here
   * @throws RegistryError where git cannot be asked, and for one that is far too large
   */
  read(names: readonly string[]): Promise<(GitObject | null)[]>;
}

/** No file of a registry is near this. A larger one is not read into memory. */
export const maximumBytes = 64 * 1024 * 1024;

/** How long a process that nobody asks anything is kept, in milliseconds. One that is left behind ends with its standard input. */
const usualIdle = 5000;

interface Reader {
  read(names: readonly string[]): Promise<(GitObject | null)[]>;
  /** Whether this program stays for it. */
  hold(held: boolean): void;
  end(): void;
  hasEnded(): boolean;
}

/** @param most bytes of an object */
export function openObjectStream(
  folder: string,
  { most = maximumBytes, idle = usualIdle }: { most?: number; idle?: number } = {},
): ObjectStream {
  let reader: Reader | null = null;
  let timer: NodeJS.Timeout | undefined;
  let last: Promise<unknown> = Promise.resolve();

  async function ask(names: readonly string[]): Promise<(GitObject | null)[]> {
    if (names.length === 0) return [];
    clearTimeout(timer);
    const kept = reader?.hasEnded() === false ? reader : null;
    const asked = (reader = kept ?? startReader(folder, most));
    asked.hold(true);
    try {
      const found = await asked.read(names);
      asked.hold(false);
      timer = setTimeout(() => asked.end(), idle).unref();
      return found;
    } catch (error) {
      // A signal to the process group may have ended it while it waited for questions.
      if (kept !== null && asked.hasEnded()) return ask(names);
      asked.end();
      throw error;
    }
  }

  return {
    read(names) {
      const result = last.then(() => ask(names));
      last = result.catch(() => undefined);
      return result;
    },
  };
}

interface Question {
  names: readonly string[];
  found: (GitObject | null)[];
  done(found: (GitObject | null)[]): void;
  failed(error: RegistryError): void;
}

function startReader(folder: string, most: number): Reader {
  const child = spawn('git', [...gitSettings(folder), 'cat-file', '--batch'], {
    cwd: folder,
    env: gitEnvironment(),
    windowsHide: true,
  });
  let ended: RegistryError | null = null;
  let waiting: Question | null = null;
  let said = '';
  let chunks: Buffer[] = [];
  let received = 0;
  /** Bytes without which there is nothing to do. */
  let needed = 1;

  const end = (found: string, cause?: unknown): void => {
    ended ??= new RegistryError({ found, where: folder, remedy: 'Run git fsck', cause });
    waiting?.failed(ended);
    waiting = null;
  };
  child.on('error', (cause) => end(`git cannot be started (${cause.message})`, cause));
  child.on('close', () => end(`git cat-file ended before it had answered: ${firstFault(said) || 'it said nothing'}`));
  child.stdin.on('error', () => undefined);
  child.stderr.on('data', (chunk: Buffer) => (said = `${said}${chunk.toString('utf8')}`.slice(-4096)));
  child.stdout.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    received += chunk.length;
    if (received >= needed && waiting !== null) take(waiting);
  });

  /** Take every whole answer from what was received. */
  function take(question: Question): void {
    const output = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, received);
    let at = 0;
    needed = 0;
    while (needed === 0 && question.found.length < question.names.length) {
      const line = output.indexOf(0x0a, at);
      if (line === -1) {
        needed = received + 1;
        break;
      }
      const [, oid, type = '', size] =
        /^([0-9a-f]{40,}) (blob|tree|commit|tag) (\d+)$/u.exec(output.toString('latin1', at, line)) ?? [];
      if (oid === undefined) {
        question.found.push(null);
        at = line + 1;
        continue;
      }
      if (Number(size) > most) {
        waiting = null;
        return question.failed(tooLarge(Number(size), oid, most));
      }
      const end = line + 1 + Number(size);
      if (output.length <= end) needed = end + 1;
      else {
        // A copy: the chunk it lies in may be far larger and would stay for as long as it.
        question.found.push({ oid, type, bytes: Buffer.from(output.subarray(line + 1, end)) });
        at = end + 1;
      }
    }
    chunks = at < output.length ? [output.subarray(at)] : [];
    received -= at;
    needed = Math.max(1, needed - at);
    if (question.found.length < question.names.length) return;
    waiting = null;
    question.done(question.found);
  }

  return {
    read(names) {
      if (ended !== null) return Promise.reject(ended);
      return new Promise((done, failed) => {
        waiting = { names, found: [], done, failed };
        child.stdin.write(`${names.join('\n')}\n`);
      });
    },
    hold(held) {
      for (const each of [child, child.stdin, child.stdout, child.stderr] as { ref(): void; unref(): void }[]) {
        if (held) each.ref();
        else each.unref();
      }
    },
    end() {
      child.stdin.end();
      child.kill();
    },
    hasEnded: () => ended !== null || child.exitCode !== null || child.signalCode !== null || child.killed,
  };
}

export function tooLarge(size: number, where: string, most = maximumBytes): RegistryError {
  return new RegistryError({ found: `a file of ${size} bytes`, where, expected: `at most ${most} bytes` });
}
