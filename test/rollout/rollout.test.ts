import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { randomFrom } from '../../src/statistics/random.ts';
import { commandLine } from '../support/gate-repository.ts';
import { fixture } from '../support/project.ts';
import { decisionsOf, ended, trafficSite, withUsers } from '../support/traffic-site.ts';

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

/** Moments at which a rollout is killed, within the time that it takes; and the expiry meanwhile. */
const kills = Number(process.env['CONTENDER_KILLS'] ?? 2);
const longestMs = 9000;
const expiryMs = 5000;

const atSite = trafficSite(settings);
const atBriefSite = trafficSite((url) =>
  settings(url)
    .replace('poll: 0.5s', 'poll: 0.3s')
    .replace('expires: 15s', `expires: ${expiryMs / 1000}s`),
);

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
      // The next candidate finds the champion in the place of candidates: nobody takes its traffic away.
      const promoted = await readFile(join(site.folder, 'models/candidate.onnx'));
      await cp(fixture('spam/models/candidate-small.onnx'), join(site.folder, 'models/candidate.onnx'));
      for (const more of [[], ['--if-expired']]) {
        const kept = await site.run('rollout', '--put-back', ...more);
        assert.match(kept.stdout, /100% since decision 5 made 1\.0\.1 champion, which keeps all of the traffic/u);
      }
      assert.equal(await site.weight(), 100);
      await writeFile(join(site.folder, 'models/candidate.onnx'), promoted);
      // A person goes back: in the registry, then with the traffic; and what was withdrawn is not let out again.
      const back = await site.run('rollback', '--reason', 'complaints');
      assert.match(back.stderr, /not the traffic: contender rollout --put-back --model spam-filter/u);
      assert.match((await site.run('rollout', '--put-back')).stdout, /reset from 100% to 0/u);
      assert.equal(await site.weight(), 0);
      await site.run('gate');
      const again = await site.run('rollout');
      assert.equal(again.code, 2, again.stdout);
      assert.match(again.stderr, /which decision 6 rolled back to 1\.0\.0 \(complaints\)/u);
      assert.equal(await site.weight(), 0);
    }));

  it('is rolled back at once when false positives rise, and the rejection says why', () =>
    atSite(async (site) => {
      await withUsers(site, { reports: { champion: 0.02, candidate: 0.4 } }, async () => {
        const { code, stdout, stderr } = await site.run('rollout');
        assert.equal(code, 1, stdout + stderr);
        assert.match(
          stdout.replaceAll(/\s+/gu, ' '),
          /rolled back from 10% of the traffic\. The candidate is shown to have more false positives/u,
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
        /Held: the candidate was rolled back from 10% of the traffic\. The log is empty/u,
      );
      assert.equal(await site.weight(), 0);
    }));

  it('is taken back where the traffic stops midway, however good it was until then', () =>
    atSite(async (site) => {
      const started: ReturnType<typeof site.run>[] = [];
      await withUsers(site, {}, async () => {
        started.push(site.run('rollout'));
        while ((await site.weight()) !== 10) await sleep(50);
        await sleep(300);
      });
      const [result] = await Promise.all(started);
      assert.equal(result?.code, 3, result?.stdout);
      assert.match(
        result?.stdout.replaceAll(/\s+/gu, ' ') ?? '',
        /rolled back from \d+% of the traffic\. There was no recent request/u,
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
        assert.match(stdout.replaceAll(/\s+/gu, ' '), /another client set it/u);
      });
      assert.equal(await site.weight(), 0);
      await set(20);
      const second = await site.run('rollout');
      assert.equal(second.code, 2);
      assert.match(second.stderr, /already gets 20% of the traffic.*--put-back/su);
      const back = await site.run('rollout', '--put-back');
      assert.equal(back.code, 0, back.stderr);
      assert.match(back.stdout, /reset from 20% to 0/u);
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

  it('has no weight once the expiry is over, at whatever moment it was killed, and ends well when it runs again', async (t) => {
    const random = randomFrom(Number(process.env['CONTENDER_SEED'] ?? Date.now()));
    const told: string[] = [];
    for (let kill = 0; kill < kills; kill += 1) {
      await atBriefSite(async (site) => {
        await withUsers(site, { seed: kill }, async () => {
          const child = spawnRollout(site.folder);
          const moment = Math.round(random.uniform() * longestMs);
          await Promise.race([sleep(moment), ended(child)]);
          child.kill('SIGKILL');
          await ended(child);
          const killed = Date.now();
          const at = await site.weight();
          // A candidate that was promoted keeps what it has, and gets the rest when the rollout runs again.
          const isChampion = (await decisionsOf(site)).at(-1)?.outcome === 'promote' && at !== 0;
          const rests = isChampion ? at : 0;
          while ((await site.weight()) !== rests) {
            assert.ok(Date.now() - killed < expiryMs + 500, `killed after ${moment} ms: the weight is still there`);
            await sleep(50);
          }
          told.push(`${moment} ms: ${at}% ${isChampion ? 'kept' : `gone after ${Date.now() - killed} ms`}`);
        });
        assert.equal((await site.run('registry', 'verify')).code, 0, told.at(-1));
        if (kill > 0) return;
        await withUsers(site, {}, async () => {
          const again = await site.run('rollout');
          assert.equal(again.code, 0, again.stdout + again.stderr);
        });
        assert.equal(await site.weight(), 100);
      });
    }
    if (process.env['CONTENDER_KILLS'] === undefined) return;
    for (const each of told) t.diagnostic(each);
    assert.ok(told.some((each) => !each.includes(': 0%')));
  });

  it('that is killed where no weight lapses is put back by the scheduled run, once its time is over and not before', () =>
    atSite(async (site) => {
      const log = (arm: string): string =>
        `${JSON.stringify({ time: new Date().toISOString(), id: arm, arm, status: 200, feedback: null })}\n`;
      await writeFile(join(site.folder, 'events.jsonl'), log('champion') + log('candidate'));
      await site.configure(
        `weights: { server: ${site.url} }`,
        'weights: { proxy: nginx, file: split.conf, reload: ["true"] }',
      );
      await site.configure('observe: { server: true }', 'observe: { log: events.jsonl }');
      await site.configure('max_step_time: 120s', 'max_step_time: 4s');
      await site.configure('expires: 15s', 'expires: 2s');
      await site.run('gate');
      const weight = async (): Promise<string> => readFile(join(site.folder, 'split.conf'), 'utf8').catch(() => '');
      const child = spawnRollout(site.folder);
      while (!(await weight()).includes('10% candidate')) await sleep(20);
      child.kill('SIGKILL');
      await ended(child);
      const raised = Date.parse((await decisionsOf(site)).at(-1)?.time ?? '');
      let told = '';
      while (!told.includes('reset from 10% to 0')) {
        if (told !== '') assert.match(told, /The weight is 10%, and expires in \d+ s/u);
        assert.match(await weight(), /10% candidate/u);
        await sleep(200);
        const { stdout, stderr } = await site.run('rollout', '--put-back', '--if-expired');
        told = stdout + stderr;
      }
      // Of the step and of the expiry, less what it took to record the raise.
      assert.ok(Date.now() - raised > 4000, `put back after ${Date.now() - raised} ms`);
      assert.doesNotMatch(await weight(), /% candidate/u);
      assert.equal((await decisionsOf(site)).at(-1)?.outcome, 'hold');
    }));

  it('refuses a candidate that the gate has not judged', () =>
    atSite(async (site) => {
      await cp(fixture('spam/models/candidate-small.onnx'), join(site.folder, 'models/candidate.onnx'));
      const { code, stderr } = await site.run('rollout');
      assert.equal(code, 2);
      assert.match(stderr, /the gate has not evaluated this candidate.*contender gate/su);
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
