import { spawn } from 'node:child_process';
import { RegistryError } from '../../errors.ts';
import { refuseHuge, type TreeEntry } from './objects.ts';
import type { Repository } from './repository.ts';
import { gitEnvironment, gitSettings } from './run.ts';

/** Reads blobs through one git process for as long as it is open: for who reads many, few at a time. */
export interface BlobStream {
  /** The bytes of blobs, by object name. @throws RegistryError when one is absent or far too large */
  read(entries: readonly TreeEntry[]): Promise<Map<string, Buffer>>;
  close(): void;
}

interface Request {
  names: string[];
  contents: Map<string, Buffer>;
  done(contents: Map<string, Buffer>): void;
  failed(error: RegistryError): void;
}

/** Start the process. It must be closed. */
export function openBlobStream(repository: Repository): BlobStream {
  const child = spawn('git', [...gitSettings(repository.folder), 'cat-file', '--batch'], {
    cwd: repository.folder,
    env: gitEnvironment(),
    stdio: ['pipe', 'pipe', 'ignore'],
    windowsHide: true,
  });
  let ended: RegistryError | null = null;
  let waiting: Request | null = null;
  let chunks: Buffer[] = [];
  let received = 0;
  /** Bytes without which there is nothing to do. */
  let needed = 1;

  const end = (found: string, cause?: unknown): void => {
    ended ??= new RegistryError({ found, where: repository.folder, remedy: 'Run git fsck', cause });
    waiting?.failed(ended);
    waiting = null;
  };
  child.on('error', (cause) => end(`git cannot be started (${cause.message})`, cause));
  child.on('close', () => end('git cat-file ended before it had answered'));
  child.stdin.on('error', () => undefined);
  child.stdout.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    received += chunk.length;
    if (received >= needed && waiting !== null) take(waiting);
  });

  /** Take every whole answer from what was received. */
  function take(request: Request): void {
    const output = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, received);
    let at = 0;
    needed = 0;
    while (needed === 0 && request.contents.size < request.names.length) {
      const line = output.indexOf(0x0a, at);
      if (line === -1) needed = received + 1;
      else {
        const [name = '', type, size] = output.toString('latin1', at, line).split(' ');
        if (type !== 'blob') return refuse(request, name, type);
        const last = line + 1 + Number(size);
        if (output.length <= last) needed = last + 1;
        else {
          // A copy: the chunk it lies in may be far larger and would stay for as long as it.
          request.contents.set(name, Buffer.from(output.subarray(line + 1, last)));
          at = last + 1;
        }
      }
    }
    chunks = at < output.length ? [output.subarray(at)] : [];
    received -= at;
    needed = Math.max(1, needed - at);
    if (request.contents.size < request.names.length) return;
    waiting = null;
    request.done(request.contents);
  }

  function refuse(request: Request, name: string, type: string | undefined): void {
    waiting = null;
    request.failed(
      new RegistryError({
        found: `object ${name} cannot be read (${type ?? 'no answer'})`,
        remedy: 'The repository is damaged or a partial clone: run git fsck, or clone it in full',
      }),
    );
    child.kill();
  }

  function ask(names: string[]): Promise<Map<string, Buffer>> {
    if (ended !== null) throw ended;
    if (names.length === 0) return Promise.resolve(new Map());
    return new Promise((done, failed) => {
      waiting = { names, contents: new Map(), done, failed };
      child.stdin.write(`${names.join('\n')}\n`);
    });
  }

  let last: Promise<unknown> = Promise.resolve();
  return {
    read(entries) {
      refuseHuge(entries);
      const names = [...new Set(entries.map(({ oid }) => oid))];
      const result = last.then(() => ask(names));
      last = result.catch(() => undefined);
      return result;
    },
    close() {
      child.stdin.end();
      child.kill();
    },
  };
}
