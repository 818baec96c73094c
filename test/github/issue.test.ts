import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { GitHubError } from '../../src/errors.ts';
import { issueLabel, trackFindings, type TrackedFinding } from '../../src/github/issue.ts';
import { randomFrom } from '../../src/statistics/random.ts';
import { faults, type GitHubStandIn } from '../support/github-api/server.ts';
import type { Issue } from '../support/github-api/state.ts';
import { clientOf, repositoryName, withGitHub } from './with-github.ts';

function finding(change: Partial<TrackedFinding> = {}): TrackedFinding {
  return {
    fingerprint: 'credit/kpi%2Fconversion',
    opened: '2026-01-05T00:00:00.000Z',
    open: true,
    title: '[credit] conversion: KPI',
    body: () => 'It fell by 12%.\n',
    assignees: ['ada'],
    ...change,
  };
}

function issuesIn(server: GitHubStandIn): Issue[] {
  return [...server.repository(repositoryName).issues.values()];
}

describe('a finding', () => {
  test('is one issue: made, edited where something changed, closed on recovery, and made anew when it comes back', () =>
    withGitHub(async (server) => {
      const github = clientOf(server);
      const [made] = await trackFindings(github, 'credit', [finding()]);
      assert.equal(made?.did, 'created');
      assert.deepEqual(
        issuesIn(server).map(({ labels, assignees }) => ({ labels, assignees })),
        [{ labels: [issueLabel], assignees: ['ada'] }],
      );
      const before = server.requests.length;
      assert.equal((await trackFindings(github, 'credit', [finding()]))[0]?.did, 'nothing');
      assert.ok(
        server.requests.slice(before).every(({ name }) => !name.startsWith('P')),
        'nothing is written',
      );
      const worse = finding({ body: () => 'It fell by 15%.\n' });
      assert.equal((await trackFindings(github, 'credit', [worse]))[0]?.did, 'updated');
      assert.match(issuesIn(server)[0]?.body ?? '', /15%/u);
      const over = finding({ open: false, body: () => 'Recovered.\n' });
      assert.equal((await trackFindings(github, 'credit', [over]))[0]?.did, 'closed');
      assert.equal((await trackFindings(github, 'credit', [over]))[0]?.did, 'nothing');
      assert.deepEqual(
        issuesIn(server).map(({ state, reason }) => [state, reason]),
        [['closed', 'completed']],
      );
      const again = finding({ opened: '2026-03-01T00:00:00.000Z' });
      assert.equal((await trackFindings(github, 'credit', [again]))[0]?.did, 'created');
      assert.equal(issuesIn(server).length, 2);
    }));

  test('that a person closed is muted until it recovers, and tells its next time', () =>
    withGitHub(async (server) => {
      const github = clientOf(server);
      await trackFindings(github, 'credit', [finding()]);
      const [issue] = issuesIn(server) as [Issue];
      issue.state = 'closed';
      const [muted] = await trackFindings(github, 'credit', [finding({ body: () => 'Worse.\n' })]);
      assert.deepEqual([muted?.muted, muted?.did], [true, 'nothing']);
      await trackFindings(github, 'credit', [finding({ open: false })]);
      assert.equal(issuesIn(server).length, 1);
      await trackFindings(github, 'credit', [finding({ opened: '2026-03-01T00:00:00.000Z' })]);
      assert.deepEqual(
        issuesIn(server).map(({ state }) => state),
        ['closed', 'open'],
      );
    }));

  test('keeps what people wrote below, finds its issue without the marker, and tells again where it was deleted', () =>
    withGitHub(async (server) => {
      const github = clientOf(server);
      const [{ number } = { number: 0 }] = await trackFindings(github, 'credit', [finding()]);
      const [issue] = issuesIn(server) as [Issue];
      issue.body = `${issue.body ?? ''}\nWe look into it. @ada`;
      await trackFindings(github, 'credit', [finding({ body: () => 'It fell by 15%.\n' })]);
      assert.match(issue.body, /15%[\s\S]*We look into it\. @ada/u);
      issue.body = 'I rewrote it all.';
      issue.labels = [];
      issue.locked = true;
      await trackFindings(github, 'credit', [finding({ issue: number })]);
      assert.equal(issuesIn(server).length, 1);
      assert.match(issue.body, /fell by 12%/u);
      server.repository(repositoryName).issues.clear();
      const [fresh] = await trackFindings(github, 'credit', [finding({ issue: number })]);
      assert.equal(fresh?.did, 'created');
    }));

  test('that is watched no more is closed, and issues of other models are left alone', () =>
    withGitHub(async (server) => {
      const github = clientOf(server);
      const other = finding({ fingerprint: 'fraud/harm%2Floss', title: '[fraud] harm' });
      await trackFindings(github, 'credit', [finding()]);
      await trackFindings(github, 'fraud', [other]);
      await trackFindings(github, 'credit', []);
      assert.deepEqual(
        issuesIn(server).map(({ state }) => state),
        ['closed', 'open'],
      );
    }));

  test('has one issue after 200 runs in random order, late, repeated, at once, cut off and with faults; none is lost', () =>
    withGitHub(async (server) => {
      const random = randomFrom(17);
      const names = ['kpi%2Fconversion', 'harm%2Floss', 'drift', 'data%2Fmissing'];
      // Each finding comes and goes; what is wanted at a time follows from the time alone.
      const at = (name: string, time: number): TrackedFinding => {
        const length = 7 + names.indexOf(name);
        const episode = Math.floor(time / (2 * length));
        const open = time % (2 * length) < length;
        const opened = new Date(Date.UTC(2026, 0, 1 + 2 * length * episode)).toISOString();
        return finding({ fingerprint: `credit/${name}`, opened, open, body: () => `Seen at ${time}.\n` });
      };
      const kinds = [faults.serverError, faults.unavailable, 'reset', 'reset-after'] as const;
      server.failBy(() => (random.uniform() < 0.08 ? (kinds[random.integer(kinds.length)] ?? null) : null));
      let time = 0;
      for (let run = 0; run < 200; run++) {
        if (random.uniform() < 0.4) time += 1;
        const wanted = names.map((name) => at(name, time)).sort(() => random.uniform() - 0.5);
        const abort = new AbortController();
        const one = (signal?: AbortSignal): Promise<unknown> =>
          trackFindings(
            clientOf(server, {}, { signal, patience: { attempts: 3, baseMs: 1, capMs: 2 } }),
            'credit',
            wanted,
          ).catch((error: unknown) => {
            if (!(error instanceof GitHubError) && !abort.signal.aborted) throw error;
          });
        const kind = random.uniform();
        if (kind < 0.1) {
          setTimeout(() => abort.abort(new Error('cancelled')), random.integer(8));
          await one(abort.signal);
        } else if (kind < 0.2) await Promise.all([one(), one()]);
        else await one();
      }
      server.failBy(null);
      const last = names.map((name) => at(name, time));
      await trackFindings(clientOf(server), 'credit', last);
      const issues = issuesIn(server);
      for (const wanted of last) {
        const own = issues.filter(({ body }) => body?.includes(`finding=${wanted.fingerprint} `) === true);
        const open = own.filter(({ state }) => state === 'open');
        assert.equal(open.length, wanted.open ? 1 : 0, wanted.fingerprint);
        // Every time of it that lasted has its issue; where two runs made one each, the younger says whose it is.
        const told = own.filter(({ reason }) => reason !== 'not_planned');
        const times = new Set(told.map(({ body }) => /opened=(\S+)/u.exec(body ?? '')?.[1]));
        assert.equal(times.size, told.length, `${wanted.fingerprint}: one issue for each time`);
      }
    }));
});
