import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { simulateUsers, type Users } from '../../scripts/simulated-users.ts';
import type { Decision, RecordedDecision } from '../../src/evidence/index.ts';
import { commandLine, contender, gateRepository, type CommandResult } from './gate-repository.ts';
import { inTemporaryFolder } from './project.ts';

/*
 * Real HTTP traffic against our own server: two ONNX models behind one address, the command line as a process of its own, and the
 * registry in a real repository.
 */
export interface Site {
  folder: string;
  /** Of the server. */
  url: string;
  weight(): Promise<number>;
  run(...args: string[]): Promise<CommandResult>;
  decision(): Promise<Decision>;
  /** Change a text of contender.yml. */
  configure(from: string, to: string): Promise<void>;
}

/** A repository whose gate holds for what production shows alone, made once, for the tests of one file. @param section YAML of the model */
export function trafficSite(section: (url: string) => string): (work: (site: Site) => Promise<void>) => Promise<void> {
  let prepared = '';
  let port = 0;
  before(async () => {
    prepared = await mkdtemp(join(tmpdir(), 'contender-rollout-'));
    port = await freePort();
    const repository = await gateRepository(prepared);
    await repository.withoutLoad();
    await writeFile(join(prepared, '.gitignore'), '/requests.jsonl\n/.contender/\n');
    await repository.configure('registry:', `${section(`http://127.0.0.1:${port}`)}registry:`);
    const registered = await contender(prepared, ['registry', 'register', '--artifact', 'models/champion.onnx']);
    assert.equal(registered.code, 0, registered.stderr);
    const gate = await contender(prepared, ['gate']);
    assert.equal(gate.code, 3, gate.stdout + gate.stderr);
  });
  after(() => rm(prepared, { recursive: true, force: true }));

  // That repository, and a server with both versions in a process of its own.
  return async (work) => {
    await inTemporaryFolder(async (folder) => {
      await cp(prepared, folder, { recursive: true });
      const url = `http://127.0.0.1:${port}`;
      const server = await serveBoth(folder, 'spam-filter', port);
      try {
        await work({
          folder,
          url,
          run: (...args) => contender(folder, args),
          configure: async (from, to) => {
            const path = join(folder, 'contender.yml');
            await writeFile(path, (await readFile(path, 'utf8')).replace(from, to));
          },
          weight: async () => ((await (await fetch(`${url}/contender/weight`)).json()) as { weight: number }).weight,
          decision: async () =>
            JSON.parse(await readFile(join(folder, '.contender/spam-filter/decision.json'), 'utf8')) as Decision,
        });
      } finally {
        await server.close();
      }
    });
  };
}

/** Our server with both versions of a folder, in a process of its own. */
export async function serveBoth(folder: string, name: string, port: number): Promise<{ close(): Promise<void> }> {
  const models = ['models/champion.onnx', '--candidate', 'models/candidate.onnx'];
  const server = spawn(process.execPath, [commandLine, 'serve', ...models, '--name', name, '--port', `${port}`], {
    cwd: folder,
    env: { PATH: process.env['PATH'] ?? '', HOME: folder },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await new Promise<void>((ready, failed) => {
    server.stdout.once('data', () => ready());
    server.once('exit', (code) => failed(new Error(`the server ended with ${code}`)));
  });
  return {
    close: async () => {
      server.kill('SIGTERM');
      await ended(server);
    },
  };
}

export function freePort(): Promise<number> {
  return new Promise((found) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port: free } = probe.address() as AddressInfo;
      probe.close(() => found(free));
    });
  });
}

export async function decisionsOf({ run }: Site): Promise<RecordedDecision[]> {
  const { stdout } = await run('registry', 'log', '--json');
  return JSON.parse(stdout) as RecordedDecision[];
}

export async function withUsers(
  site: Pick<Site, 'url'>,
  users: Partial<Users>,
  work: () => Promise<void>,
): Promise<void> {
  const stop = new AbortController();
  const traffic = simulateUsers({ url: site.url, model: 'spam-filter', perSecond: 60, signal: stop.signal, ...users });
  try {
    await work();
  } finally {
    stop.abort();
    await traffic;
  }
}

export function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((done) => child.once('exit', () => done()));
}
