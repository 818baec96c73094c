import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, existsSync, openSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { Agent, createServer, request, type Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { observeLog } from '../../src/pipeline/rollout/observe-log.ts';
import type { ObserverInput } from '../../src/pipeline/rollout/observer.ts';
import { openWeights } from '../../src/pipeline/rollout/weights.ts';
import type { Guardrail } from '../../src/stages/traffic.ts';
import { inTemporaryFolder, projectRoot } from '../support/project.ts';

/*
 * Weights of the real proxies, with real requests on the loopback: their share is the one that was set, users stay where they are, and
 * going back takes effect within seconds.
 */
const users = 1500;

interface Proxy {
  name: 'nginx' | 'haproxy';
  binary: string;
  /** Its configuration, which routes by the file that is written. */
  text(folder: string, ports: { proxy: number; champion: number; candidate: number }): string;
  start(folder: string): string[];
  reload(folder: string): string[];
}

const nginx: Proxy = {
  name: 'nginx',
  binary: '/usr/sbin/nginx',
  text: (folder, { proxy, champion, candidate }) => `daemon off;
worker_processes 1;
pid ${folder}/pid;
error_log ${folder}/error.log;
events {}
http {
  access_log off;
  client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxied; fastcgi_temp_path ${folder}/f; uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
  map $http_x_user_id $contender_key { default $http_x_user_id; }
  include ${folder}/weight;
  upstream champion { server 127.0.0.1:${champion}; }
  upstream candidate { server 127.0.0.1:${candidate}; }
  server { listen 127.0.0.1:${proxy}; location / { proxy_pass http://$contender_arm; } }
}
`,
  start: (folder) => ['-c', `${folder}/conf`, '-p', folder],
  reload: (folder) => ['/usr/sbin/nginx', '-c', `${folder}/conf`, '-p', folder, '-s', 'reload'],
};

const haproxy: Proxy = {
  name: 'haproxy',
  binary: '/usr/sbin/haproxy',
  text: (folder, { proxy, champion, candidate }) => `global
  stats socket ${folder}/admin level admin
  maxconn 200
defaults
  mode http
  timeout connect 2s
  timeout client 10s
  timeout server 10s
frontend all
  bind 127.0.0.1:${proxy}
  http-request set-var(txn.weight) str(weight),map(${folder}/weight,0)
  http-request set-var(txn.bucket) req.hdr(x-user-id),crc32c,mod(10000)
  use_backend candidate if { var(txn.bucket),sub(txn.weight) lt 0 }
  default_backend champion
backend champion
  server one 127.0.0.1:${champion}
backend candidate
  server one 127.0.0.1:${candidate}
`,
  start: (folder) => ['-W', '-db', '-f', `${folder}/conf`, '-p', `${folder}/pid`],
  // The master reads its configuration and the map again.
  reload: (folder) => ['sh', '-c', `kill -USR2 "$(cat ${folder}/master)"`],
};

for (const proxy of [nginx, haproxy]) {
  const skip = existsSync(proxy.binary) ? false : `${proxy.binary} is not installed`;
  describe(`a weight of the real ${proxy.name}`, { skip }, () => {
    it('is in force within 2 points, keeps users where they are as it grows, and is gone within 5 s', () =>
      inTemporaryFolder(async (folder) => {
        const [champion, candidate] = [await upstream('champion'), await upstream('candidate')];
        const [one, two] = [portOf(champion), portOf(candidate)];
        const port = await freePort();
        const weights = openWeights({ proxy: proxy.name, file: 'weight', reload: proxy.reload(folder) }, folder, {});
        await mkdir(join(folder, 'body'));
        await writeFile(join(folder, 'weight'), (await initial(proxy.name, folder)) ?? '');
        await writeFile(join(folder, 'conf'), proxy.text(folder, { proxy: port, champion: one, candidate: two }));
        const child = spawn(proxy.binary, proxy.start(folder), { stdio: 'ignore' });
        await writeFile(join(folder, 'master'), String(child.pid));
        try {
          await reachable(port);
          assert.deepEqual([...(await usersOf(port, 'candidate'))], []);
          await weights.write({ weight: 25, from: 0, expires: null });
          const quarter = await inForce(port, [0.23, 0.27]);
          await weights.write({ weight: 50, from: 25, expires: null });
          const half = await inForce(port, [0.48, 0.52]);
          assert.ok([...quarter].every((user) => half.has(user)));
          await weights.write({ weight: 100, from: 50, expires: null });
          await inForce(port, [1, 1]);
          const back = Date.now();
          await weights.write({ weight: 0, expires: null });
          // Beside the new worker of the proxy the old one may take connections for a moment.
          while ((await usersOf(port, 'candidate')).size > 0) await sleep(20);
          assert.ok(Date.now() - back < 5000, `${Date.now() - back} ms`);
        } finally {
          child.kill('SIGTERM');
          await ended(child);
          for (const server of [champion, candidate]) {
            server.close();
            server.closeAllConnections();
          }
        }
      }));
  });
}

/** Blocks of code of a page, by their language, in their order. */
async function blocksOf(page: string, language: string): Promise<string[]> {
  const text = await readFile(join(projectRoot, page), 'utf8');
  return [...text.matchAll(/^```(?<language>\w+)\n(?<code>.*?)^```$/gmsu)].flatMap(({ groups }) =>
    groups?.['language'] === language ? [groups['code'] ?? ''] : [],
  );
}

/** A proxy as its page says, with addresses and folders of the test. @returns first the file of the weight, then the configuration */
async function documented(name: 'nginx' | 'haproxy', folder: string, ports: readonly number[]): Promise<string[]> {
  const here = (text: string): string =>
    text
      .replaceAll(/127\.0\.0\.1:808(?<at>[012])/gu, (_, at: string) => `127.0.0.1:${ports[Number(at)]}`)
      .replaceAll(/\/etc\/\w+\/contender\.\w+/gu, join(folder, 'weight'))
      .replaceAll('/srv/models/logs/requests.jsonl', join(folder, 'requests.jsonl'));
  const blocks = (await blocksOf('docs/rollout.md', name)).map(here);
  if (name === 'haproxy') return ['', blocks[0] ?? ''];
  const [weight = '', http = ''] = blocks;
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (of) => `${of}_temp_path ${folder}/${of};`,
  );
  const main = `daemon off; worker_processes 1; pid ${folder}/pid; error_log ${folder}/error.log; events {}`;
  return [weight, `${main} http { ${temporary.join(' ')}\n${http}}`];
}

for (const { name, binary, start, reload } of [nginx, haproxy]) {
  const skip = existsSync(binary) ? false : `${binary} is not installed`;
  describe(`the configuration of ${name} in docs/rollout.md`, { skip }, () => {
    it('shares users as set, and writes a log that a rollout reads through reloads, requests that are none, and users without a name', () =>
      inTemporaryFolder(async (folder) => {
        const [champion, candidate] = [await upstream('champion'), await upstream('candidate')];
        const port = await freePort();
        const [weight = '', conf = ''] = await documented(name, folder, [port, portOf(champion), portOf(candidate)]);
        await writeFile(join(folder, 'weight'), weight);
        await writeFile(join(folder, 'conf'), conf);
        const log = join(folder, 'requests.jsonl');
        const output = openSync(name === 'haproxy' ? log : join(folder, 'output'), 'a');
        const child = spawn(binary, start(folder), { stdio: ['ignore', output, 'ignore'] });
        await writeFile(join(folder, 'master'), String(child.pid));
        const weights = openWeights({ proxy: name, file: 'weight', reload: reload(folder) }, folder, {});
        const guardrails: Guardrail[] = [
          { name: 'errors', failure: 'error' },
          { name: 'slow', failure: 'slow', over_ms: 5000 },
        ];
        const settings = { observe: { log, unit: name === 'nginx' ? 's' : 'ms' }, weights: { server: '' }, guardrails };
        const digest = (of: string) => ({ role: 'model' as const, uri: '', sha256: of.repeat(64), size: 1 });
        const observer = await observeLog({
          settings: settings as unknown as ObserverInput['settings'],
          pathOf: (file) => Promise.resolve(file),
          env: {},
          artifacts: { champion: digest('a'), candidate: digest('b') },
        });
        try {
          await reachable(port);
          assert.equal(await weights.read(), 0);
          await weights.write({ weight: 25, from: 0, expires: null });
          await inForce(port, [0.23, 0.27]);
          await sleep(1100);
          const from = Math.floor(Date.now() / 1000) * 1000;
          const asked = await usersOf(port, 'candidate');
          await strangers(port);
          await sleep(200);
          const {
            steps,
            fault,
            void: other,
          } = await observer.look([{ weight: 25, from, to: null }], Date.now() + 1000);
          assert.deepEqual([fault, other], [null, null]);
          // The two that have no name are somebody each, in either arm.
          const { champion: before = 0, candidate: after = 0 } = steps[0]?.users ?? {};
          assert.ok(after >= asked.size && after <= asked.size + 2, `${after}, not ${asked.size}`);
          assert.ok(
            before >= users - asked.size && before + after <= users + 2,
            `${before}, not ${users - asked.size}`,
          );
          await weights.write({ weight: 0, expires: null });
          await inForce(port, [0, 0]);
        } finally {
          await observer.close();
          child.kill('SIGTERM');
          await ended(child);
          closeSync(output);
          for (const server of [champion, candidate]) {
            server.close();
            server.closeAllConnections();
          }
        }
      }));
  });
}

/** A request without a header of a user, and bytes that are no request. */
async function strangers(port: number): Promise<void> {
  await fetch(`http://127.0.0.1:${port}/`).then((answer) => answer.text());
  await new Promise<void>((done) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('NONE\r\n\r\n'));
    socket.resume().once('close', () => done());
  });
}

/** What the writer makes of a weight of 0. */
async function initial(proxy: 'nginx' | 'haproxy', folder: string): Promise<string | null> {
  await openWeights({ proxy, file: 'first', reload: ['true'] }, folder, {}).write({ weight: 0, expires: null });
  return readFile(join(folder, 'first'), 'utf8');
}

function upstream(name: string): Promise<Server> {
  return new Promise((ready) => {
    const server = createServer((_request, response) => response.end(name));
    server.listen(0, '127.0.0.1', () => ready(server));
  });
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

function freePort(): Promise<number> {
  return new Promise((found) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const port = portOf(probe);
      probe.close(() => found(port));
    });
  });
}

/** A reload ends connections that are kept open: every client asks again, on a new one. */
async function answerTo(port: number, user: string, agent: Agent): Promise<string> {
  try {
    return await askOnce(port, user, agent);
  } catch {
    return askOnce(port, user, false);
  }
}

function askOnce(port: number, user: string, agent: Agent | false): Promise<string> {
  return new Promise((done, failed) => {
    request({ host: '127.0.0.1', port, agent, headers: { 'x-user-id': user } }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => (text += part));
      response.on('end', () => done(text));
    })
      .on('error', failed)
      .end();
  });
}

/** Users that a version answers, each asked once, on connections of their own look. */
async function usersOf(port: number, arm: string, asked = names()): Promise<Set<string>> {
  const agent = new Agent({ keepAlive: true, maxSockets: 20 });
  try {
    const found = await Promise.all(
      asked.map(async (user) => ((await answerTo(port, user, agent)) === arm ? user : '')),
    );
    return new Set(found.filter((user) => user !== ''));
  } finally {
    agent.destroy();
  }
}

function names(): string[] {
  return Array.from({ length: users }, (_, index) => `user-${index}`);
}

async function inForce(port: number, [least, most]: readonly [number, number]): Promise<Set<string>> {
  let share = 0;
  for (let attempt = 0; attempt < 40; attempt += 1) {
    const found = await usersOf(port, 'candidate');
    share = found.size / users;
    if (share >= least && share <= most) return found;
    await sleep(100);
  }
  throw new Error(`the weight is not in force within 4 s: ${share}`);
}

async function reachable(port: number): Promise<void> {
  const agent = new Agent();
  for (let attempt = 0; attempt < 100; attempt += 1) {
    if (
      await answerTo(port, 'x', agent).then(
        () => true,
        () => false,
      )
    )
      return;
    await sleep(50);
  }
  throw new Error('the proxy did not start');
}

function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((done) => child.once('exit', () => done()));
}
