import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Decision, RecordedDecision } from '../../src/evidence/index.ts';
import { commandLine, contender, gateRepository, type CommandResult } from '../support/gate-repository.ts';
import { fixture, inTemporaryFolder } from '../support/project.ts';
import { simulateUsers, type Users } from '../../scripts/simulated-users.ts';

/*
 * Whole rollouts with real HTTP traffic against our own server: two ONNX models behind one address, the command line as a process of
 * its own, and the registry in a real repository.
 */
interface Site {
  folder: string;
  /** Of the server. */
  url: string;
  weight(): Promise<number>;
  run(...args: string[]): Promise<CommandResult>;
  decision(): Promise<Decision>;
}

const settings = (url: string): string => `    rollout:
      steps: [10, 50]
      step_time: 2s
      max_step_time: 120s
      min_requests: 20
      poll: 0.5s
      no_data: 8s
      expires: 15s
      weights: { server: ${url} }
      observe: { server: true }
      guardrails:
        - { name: errors, failure: error }
        - { name: false_positives, failure: feedback, feedback: false-positive }
`;

let prepared = '';
let port = 0;

/** A repository whose gate holds for the rollout alone, made once. */
before(async () => {
  prepared = await mkdtemp(join(tmpdir(), 'contender-rollout-'));
  port = await freePort();
  const repository = await gateRepository(prepared);
  await repository.withoutLoad();
  await writeFile(join(prepared, '.gitignore'), '/requests.jsonl\n/.contender/\n');
  await repository.configure('registry:', `${settings(`http://127.0.0.1:${port}`)}registry:`);
  const registered = await contender(prepared, ['registry', 'register', '--artifact', 'models/champion.onnx']);
  assert.equal(registered.code, 0, registered.stderr);
  const gate = await contender(prepared, ['gate']);
  assert.equal(gate.code, 3, gate.stdout + gate.stderr);
});
after(() => rm(prepared, { recursive: true, force: true }));

/** That repository, and a server with both versions in a process of its own. */
async function atSite(work: (site: Site) => Promise<void>): Promise<void> {
  await inTemporaryFolder(async (folder) => {
    await cp(prepared, folder, { recursive: true });
    const url = `http://127.0.0.1:${port}`;
    const server = spawn(
      process.execPath,
      [
        commandLine,
        'serve',
        'models/champion.onnx',
        '--candidate',
        'models/candidate.onnx',
        '--name',
        'spam',
        '--port',
        `${port}`,
      ],
      { cwd: folder, env: { PATH: process.env['PATH'] ?? '', HOME: folder }, stdio: ['ignore', 'pipe', 'inherit'] },
    );
    try {
      await new Promise<void>((ready, failed) => {
        server.stdout.once('data', () => ready());
        server.once('exit', (code) => failed(new Error(`the server ended with ${code}`)));
      });
      await work({
        folder,
        url,
        run: (...args) => contender(folder, args),
        weight: async () => ((await (await fetch(`${url}/contender/weight`)).json()) as { weight: number }).weight,
        decision: async () =>
          JSON.parse(await readFile(join(folder, '.contender/spam-filter/decision.json'), 'utf8')) as Decision,
      });
    } finally {
      server.kill('SIGTERM');
      await ended(server);
    }
  });
}

function freePort(): Promise<number> {
  return new Promise((found) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port: free } = probe.address() as AddressInfo;
      probe.close(() => found(free));
    });
  });
}

async function decisionsOf({ run }: Site): Promise<RecordedDecision[]> {
  const { stdout } = await run('registry', 'log', '--json');
  return JSON.parse(stdout) as RecordedDecision[];
}

async function withUsers(site: Site, users: Partial<Users>, work: () => Promise<void>): Promise<void> {
  const stop = new AbortController();
  const traffic = simulateUsers({ url: site.url, model: 'spam', perSecond: 60, signal: stop.signal, ...users });
  try {
    await work();
  } finally {
    stop.abort();
    await traffic;
  }
}

describe('a rollout', () => {
  it('goes through its steps, records each, promotes, and only then gives the candidate everything', () =>
    atSite(async (site) => {
      await withUsers(site, { reports: { champion: 0.02, candidate: 0.02 } }, async () => {
        const { code, stdout, stderr } = await site.run('rollout');
        assert.equal(code, 0, stdout + stderr);
        assert.match(stderr, /gets 10% of the traffic[^]*gets 50% of the traffic/u);
      });
      assert.equal(await site.weight(), 100);
      const decisions = await decisionsOf(site);
      const told = decisions.map(({ action, outcome, reasons }) =>
        outcome === 'hold' ? `hold ${reasons[0]?.check ?? reasons[0]?.code ?? ''}` : `${action} ${outcome}`,
      );
      assert.deepEqual(told.toSorted(), [
        'gate promote',
        'hold evidence-missing',
        'hold rollout/step@10%',
        'hold rollout/step@50%',
        'register promote',
      ]);
      assert.equal((await site.run('registry', 'verify')).code, 0);
      // Run again, as a job that was cut off before the last raise would be.
      assert.equal((await site.run('rollout')).code, 0);
      assert.equal(await site.weight(), 100);
      assert.equal((await decisionsOf(site)).length, decisions.length);
    }));

  it('is rolled back at once when false positives rise, and the rejection says why', () =>
    atSite(async (site) => {
      await withUsers(site, { reports: { champion: 0.02, candidate: 0.4 } }, async () => {
        const { code, stdout, stderr } = await site.run('rollout');
        assert.equal(code, 1, stdout + stderr);
        assert.match(
          stdout.replaceAll(/\s+/gu, ' '),
          /taken back from 10% of the traffic\. The candidate is shown to have more false positives/u,
        );
      });
      assert.equal(await site.weight(), 0);
      const { outcome, evidence } = await site.decision();
      assert.equal(outcome, 'reject');
      assert.deepEqual(evidence.map(({ kind }) => kind).toSorted(), ['data', 'evaluation', 'rollout']);
      const again = await site.run('rollout');
      assert.equal(again.code, 2);
      assert.match(again.stderr, /is reject: .*false positives/u);
      assert.equal((await site.run('registry', 'verify')).code, 0);
    }));

  it('holds where there is no traffic, and is then taken back: it never passes', () =>
    atSite(async (site) => {
      const { code, stdout, stderr } = await site.run('rollout');
      assert.equal(code, 3, stdout + stderr);
      assert.match(
        stdout.replaceAll(/\s+/gu, ' '),
        /Held: The candidate was taken back from 10% of the traffic\. The log is empty/u,
      );
      assert.equal(await site.weight(), 0);
    }));

  it('ends where somebody else sets the weight, and another cannot begin on what is left', () =>
    atSite(async (site) => {
      const set = (weight: number): Promise<Response> =>
        fetch(`${site.url}/contender/weight`, {
          method: 'PUT',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ weight }),
        });
      await withUsers(site, {}, async () => {
        const running = site.run('rollout');
        while ((await site.weight()) !== 10) await sleep(50);
        await set(30);
        const { code, stdout, stderr } = await running;
        assert.equal(code, 3, stdout + stderr);
        assert.match(stdout.replaceAll(/\s+/gu, ' '), /somebody else set it/u);
      });
      assert.equal(await site.weight(), 0);
      await set(20);
      const second = await site.run('rollout');
      assert.equal(second.code, 2);
      assert.match(second.stderr, /has 20% of the traffic already.*--put-back/su);
      const back = await site.run('rollout', '--put-back');
      assert.equal(back.code, 0, back.stderr);
      assert.match(back.stdout, /put back from 20% to 0/u);
      assert.equal(await site.weight(), 0);
    }));

  it('leaves no weight behind when it is killed or cancelled', () =>
    atSite(async (site) => {
      await withUsers(site, {}, async () => {
        for (const [signal, within] of [
          ['SIGKILL', 17_000],
          ['SIGTERM', 8000],
        ] as const) {
          const child = spawnRollout(site.folder);
          while ((await site.weight()) !== 10) await sleep(50);
          await sleep(300);
          child.kill(signal);
          const killed = Date.now();
          while ((await site.weight()) !== 0) {
            assert.ok(Date.now() - killed < within, `${signal}: the weight is still there`);
            await sleep(50);
          }
          await ended(child);
          await rm(join(site.folder, '.contender'), { recursive: true, force: true });
        }
      });
    }));

  it('refuses a candidate that the gate has not judged', () =>
    atSite(async (site) => {
      await cp(fixture('spam/models/candidate-small.onnx'), join(site.folder, 'models/candidate.onnx'));
      const { code, stderr } = await site.run('rollout');
      assert.equal(code, 2);
      assert.match(stderr, /the gate has not judged this candidate.*contender gate/su);
      assert.equal(await site.weight(), 0);
    }));
});

function spawnRollout(folder: string): ChildProcess {
  return spawn(process.execPath, [commandLine, 'rollout'], {
    cwd: folder,
    env: { PATH: process.env['PATH'] ?? '', HOME: folder },
    stdio: 'ignore',
  });
}

function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((done) => child.once('exit', () => done()));
}
