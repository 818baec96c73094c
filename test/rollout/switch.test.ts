import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { decisionsOf, trafficSite, withUsers } from '../support/traffic-site.ts';

/** Blue has users while green is checked, which takes longer than its watch. */
const atSite = trafficSite(
  (url) => `    switch:
      green: { url: ${url}/candidate, rate: 20, duration: 1s }
      watch_time: 8s
      min_requests: 40
      keep_blue: 1h
      poll: 1s
      no_data: 6s
      expires: 10s
      weights: { server: ${url} }
      observe: { server: true }
      guardrails:
        - { name: errors, failure: error }
        - { name: false_positives, failure: feedback, feedback: false-positive }
`,
);

describe('a switch', () => {
  it('checks green, gives it everything, watches it, promotes it, and goes back on demand while blue is kept', () =>
    atSite(async (site) => {
      await withUsers(site, { perSecond: 20, reports: { champion: 0.02, candidate: 0.02 } }, async () => {
        const { code, stdout, stderr } = await site.run('switch');
        assert.equal(code, 0, stdout + stderr);
        assert.match(stderr, /gets 100% of the traffic[^]*Blue must stay up until/u);
      });
      assert.equal(await site.weight(), 100);
      const decisions = await decisionsOf(site);
      const told = decisions.map(({ action, outcome, reasons }) =>
        outcome === 'hold' ? `hold ${reasons[0]?.check ?? reasons[0]?.code ?? ''}` : `${action} ${outcome}`,
      );
      assert.deepEqual(told.toSorted(), [
        'gate promote',
        'hold evidence-missing',
        'hold switch/step@100%',
        'register promote',
      ]);
      const { evidence } = await site.decision();
      assert.ok(evidence.some(({ kind }) => kind === 'switch'));
      const back = await site.run('switch', '--back', '--reason', 'complaints');
      assert.equal(back.code, 0, back.stdout + back.stderr);
      assert.equal(await site.weight(), 0);
      assert.equal((await decisionsOf(site)).at(-1)?.action, 'rollback');
      assert.equal((await site.run('registry', 'verify')).code, 0);
    }));

  it('goes back within seconds where false positives rise, and the rejection says why', () =>
    atSite(async (site) => {
      await withUsers(site, { perSecond: 20, reports: { champion: 0.02, candidate: 0.5 } }, async () => {
        const running = site.run('switch');
        const over = new AbortController();
        void running.then(() => over.abort());
        while (!over.signal.aborted && (await site.weight()) !== 100) await sleep(50);
        const switched = Date.now();
        while (!over.signal.aborted && (await site.weight()) !== 0) await sleep(50);
        assert.ok(Date.now() - switched < 10_000, `${Date.now() - switched} ms`);
        const { code, stdout, stderr } = await running;
        assert.equal(code, 1, stdout + stderr);
        assert.match(stdout.replaceAll(/\s+/gu, ' '), /rolled back from 100% of the traffic\. .*more false positives/u);
      });
      assert.equal((await site.decision()).outcome, 'reject');
    }));

  it('does not happen where green answers otherwise than was predicted, or nothing is known of blue', () =>
    atSite(async (site) => {
      const unknown = await site.run('switch');
      assert.equal(unknown.code, 3, unknown.stdout + unknown.stderr);
      assert.match(unknown.stdout.replaceAll(/\s+/gu, ' '), /blue cannot be measured: the log is empty/iu);
      await site.configure('/candidate, rate', '/champion, rate');
      const other = await site.run('switch');
      assert.equal(other.code, 3, other.stdout + other.stderr);
      assert.match(other.stdout.replaceAll(/\s+/gu, ' '), /green failed its checks and got no traffic/iu);
      assert.equal(await site.weight(), 0);
    }));
});
