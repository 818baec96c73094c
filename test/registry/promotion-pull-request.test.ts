import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { GitHubError, RegistryError } from '../../src/errors.ts';
import { evidenceDigest } from '../../src/evidence/index.ts';
import { clientOf, repositoryName, withGitHub } from '../github/with-github.ts';
import { addressOf } from '../support/github-api/route.ts';
import { faults, type Fault } from '../support/github-api/server.ts';
import { registryOn, throughPullRequests } from './github-store.ts';
import {
  ahead,
  bot,
  branch,
  byAdministrator,
  commit,
  headOf,
  merge,
  model,
  protectedHub,
  pulls,
  record,
  store,
  waiting,
} from './promotion-hub.ts';
import { artifact, evidence, judged } from './sample-decision.ts';

const program = fileURLToPath(new URL('./pending-process.js', import.meta.url));

describe('a promotion where the branch is protected', () => {
  test('waits in a pull request of one signed commit on the base, and is not in force', () =>
    protectedHub(async (server) => {
      const before = await headOf(server);
      const result = await record(server, 'b');
      assert.equal(result.status, 'pending');
      assert.equal(result.commit, null);
      assert.equal('seq' in result.decision, false);
      assert.deepEqual(result.pullRequest, { number: 1, url: `${server.site}/acme/models/pull/1`, open: true });
      assert.equal(await headOf(server), before);
      assert.equal((await registryOn(server).view(model)).champion?.artifacts[0]?.sha256, artifact('a').sha256);
      const { git } = server.repository(repositoryName);
      assert.equal(await git.git('rev-parse', `${branch}^`), before);
      assert.match(await git.git('cat-file', 'commit', branch), /^gpgsig /mu);
      assert.deepEqual((await git.git('diff', '--name-only', before, branch)).split('\n'), [
        'registry/models/spam-filter/decisions/000/000002.json',
        `registry/models/spam-filter/evidence/${evidenceDigest(evidence('b'))}.json.gz`,
        'registry/models/spam-filter/manifest.json',
      ]);
      const [pull] = pulls(server);
      assert.equal(pull?.title, 'Promote spam-filter 1.0.1');
      assert.match(pull?.body ?? '', /^## [^\n]*spam-filter: ready to promote\n[\s\S]*What merging does/u);
    }));

  for (const method of ['merge', 'squash', 'rebase'] as const) {
    test(`is in force once people merge it (${method}), and the registry is sound`, () =>
      protectedHub(async (server) => {
        await record(server, 'worse', 'reject');
        await record(server, 'b');
        await merge(server, method);
        const registry = registryOn(server);
        assert.equal((await registry.view(model)).champion?.artifacts[0]?.sha256, artifact('b').sha256);
        assert.deepEqual(await registry.verify(), []);
        assert.equal(await registry.pending(model), null);
        assert.equal((await record(server, 'b')).status, 'no-change');
      }));
  }

  test('costs nothing where the branch is open: it is recorded at once', () =>
    withGitHub(async (server) => {
      assert.equal((await record(server, 'a')).status, 'recorded');
      assert.deepEqual(pulls(server), []);
    }));

  test('waits on an open branch too, where the team wants that always', () =>
    withGitHub(async (server) => {
      const registry = registryOn(server, { pullRequests: throughPullRequests('always') });
      const result = await registry.record({ model, decide: judged(model, 'a', 'promote'), evidence: [] });
      assert.equal(result.status, 'pending');
      assert.equal((await registryOn(server).view(model)).champion, null);
    }));

  test('is an error that names the ways out where pull requests are not wanted', () =>
    protectedHub(async (server) => {
      await assert.rejects(
        registryOn(server).record({ model, decide: judged(model, 'b', 'promote'), evidence: [] }),
        /registry\.pull_request/u,
      );
      assert.deepEqual(pulls(server), []);
    }));

  test('shows as pending to whoever looks', () =>
    protectedHub(async (server) => {
      assert.equal(await store(server).pending(model), null);
      await record(server, 'b');
      const pending = await store(server).pending(model);
      assert.deepEqual(
        [pending?.decisions.map(({ outcome }) => outcome), pending?.pullRequest?.number],
        [['promote'], 1],
      );
    }));
});

describe('a job that runs again', () => {
  test('finds its decision waiting and writes nothing', () =>
    protectedHub(async (server) => {
      await record(server, 'b');
      const before = await headOf(server, branch);
      const again = await record(server, 'b');
      assert.deepEqual([again.status, again.pullRequest?.number], ['pending', 1]);
      assert.equal(await headOf(server, branch), before);
      assert.equal(pulls(server).length, 1);
      assert.equal(server.repository(repositoryName).comments.size, 0);
    }));

  test('leaves the branch, and the reviews on it, alone while the base moves for other reasons', () =>
    protectedHub(async (server) => {
      await record(server, 'b');
      const before = await headOf(server, branch);
      await commit(server, 'README.md', 'Other work.\n');
      assert.equal((await record(server, 'b')).status, 'pending');
      assert.equal(await headOf(server, branch), before);
    }));

  for (const [what, left] of [
    ['lost a commit', 'main~1'],
    ['has another history', ''],
  ] as const) {
    test(`is put on top of a base that ${what} by force, so that merging it brings nothing back`, () =>
      protectedHub(async (server) => {
        const { git } = server.repository(repositoryName);
        await commit(server, 'secret.txt', 'not meant to be here');
        await record(server, 'b');
        const tree = await git.git('rev-parse', 'main~1^{tree}');
        const after = await (left === ''
          ? git.commit({ tree, parents: [], message: 'Begin anew', signed: false })
          : git.git('rev-parse', left));
        await git.updateRefs([{ ref: 'refs/heads/main', after }]);
        assert.deepEqual((await record(server, 'b')).pullRequest?.number, 1);
        assert.deepEqual([await ahead(server), await git.git('rev-parse', `${branch}^`)], ['1', after]);
        assert.equal(await git.git('ls-tree', '--name-only', branch, 'secret.txt'), '');
        assert.deepEqual(await waiting(server), [['b', 'promote']]);
        const head = await headOf(server, branch);
        await record(server, 'b');
        assert.equal(await headOf(server, branch), head);
      }));
  }

  test('does not open again what a person closed, and says so', () =>
    protectedHub(async (server) => {
      await record(server, 'b');
      await clientOf(server).request('PATCH /repos/{owner}/{repo}/pulls/{pull_number}', {
        pull_number: 1,
        state: 'closed',
      });
      const again = await record(server, 'b');
      assert.deepEqual([again.status, again.pullRequest?.open, pulls(server).length], ['pending', false, 1]);
      assert.equal((await record(server, 'c')).pullRequest?.number, 2);
    }));

  const doubts: [string, Fault, RegExp][] = [
    ['the branch moved and nobody said so', 'reset-after', /mutation MoveRefs/u],
    ['the branch did not move and nobody said so', 'reset', /mutation MoveRefs/u],
    ['the pull request was made and nobody said so', 'reset-after', /^POST .*\/pulls$/u],
    ['the server fails between branch and pull request', faults.serverError, /^POST .*\/pulls$/u],
    ['the branch is read as it was before', 'stale', /query Snapshot/u],
  ];
  for (const [name, fault, when] of doubts) {
    test(`has one branch and one pull request when ${name}`, () =>
      protectedHub(async (server) => {
        server.fail(fault, { when });
        const first = await record(server, 'b').catch((error: unknown) => {
          assert.ok(error instanceof GitHubError);
          return null;
        });
        const again = await record(server, 'b');
        assert.equal(again.status, 'pending');
        assert.ok(first === null || first.pullRequest?.number === again.pullRequest?.number);
        assert.equal(pulls(server).length, 1);
        assert.deepEqual(await waiting(server), [['b', 'promote']]);
      }));
  }
});

describe('a job that is killed', () => {
  const moments: [string, RegExp][] = [
    ['before its commit is stored', /^POST .*\/git\/commits$/u],
    ['before the branch moves', /mutation MoveRefs/u],
    ['between branch and pull request', /^POST .*\/pulls$/u],
  ];
  for (const [moment, when] of moments) {
    for (const fault of ['hang', 'hang-after'] as const) {
      test(`${moment}${fault === 'hang' ? '' : ', which happens all the same'}: run again, it has one branch and one pull request`, () =>
        protectedHub(async (server) => {
          server.fail(fault, { when });
          const child = spawn(process.execPath, [program, server.url, server.token()], { stdio: 'ignore' });
          while (!server.requests.some(({ name }) => when.test(name))) await sleep(20);
          // What happens all the same needs a moment to have happened.
          await sleep(fault === 'hang' ? 0 : 100);
          child.kill('SIGKILL');
          await once(child, 'exit');
          assert.equal((await record(server, 'b')).status, 'pending');
          assert.deepEqual(await waiting(server), [['b', 'promote']]);
          assert.equal(pulls(server).length, 1);
          assert.equal(await ahead(server), '1');
        }));
    }
  }
});

describe('decisions that come while a promotion waits', () => {
  test('holds and rejections are written before it, decided against the champion in force', () =>
    protectedHub(async (server) => {
      await record(server, 'b');
      await record(server, 'c', 'reject');
      await record(server, 'd', 'hold');
      assert.deepEqual(await waiting(server), [
        ['c', 'reject'],
        ['d', 'hold'],
        ['b', 'promote'],
      ]);
      assert.equal(pulls(server).length, 1);
      assert.equal(pulls(server)[0]?.title, 'Promote spam-filter 1.0.1');
      assert.equal(await ahead(server), '1');
      await merge(server, 'squash');
      assert.deepEqual(await registryOn(server).verify(), []);
    }));

  test('a hold comes first and the promotion after it: both wait in one pull request', () =>
    protectedHub(async (server) => {
      const held = await record(server, 'b', 'hold');
      assert.deepEqual(
        [held.status, pulls(server)[0]?.title],
        ['pending', 'Record that a candidate for spam-filter was held'],
      );
      await record(server, 'c');
      assert.deepEqual(await waiting(server), [
        ['b', 'hold'],
        ['c', 'promote'],
      ]);
      assert.deepEqual([pulls(server).length, pulls(server)[0]?.title], [1, 'Promote spam-filter 1.0.1']);
    }));

  test('a newer promotion takes its place; what it was judged on stays, as a hold, and a comment says why', () =>
    protectedHub(async (server) => {
      await record(server, 'b');
      const second = await record(server, 'c');
      assert.equal(second.pullRequest?.number, 1);
      assert.deepEqual(await waiting(server), [
        ['b', 'hold'],
        ['c', 'promote'],
      ]);
      const pending = await store(server).pending(model);
      assert.equal(pending?.decisions[0]?.reasons[0]?.code, 'superseded');
      assert.deepEqual(
        pending?.decisions[0]?.evidence.map(({ sha256 }) => sha256),
        [evidenceDigest(evidence('b'))],
      );
      const comments = [...server.repository(repositoryName).comments.values()];
      assert.equal(comments.length, 1);
      assert.match(comments[0]?.body ?? '', /recorded as a hold: [^\n]*newer candidate/u);
      await merge(server, 'merge');
      assert.deepEqual(await registryOn(server).verify(), []);
      assert.equal((await registryOn(server).evidence(model, evidenceDigest(evidence('b')))).kind, 'evaluation');
    }));
});

describe('a base that moves while a promotion waits', () => {
  test('to another champion: the waiting promotion becomes a stale hold, and the newest is decided against that champion', () =>
    protectedHub(async (server) => {
      await record(server, 'b');
      await record(server, 'worse', 'reject');
      await byAdministrator(server, 'x');
      const result = await record(server, 'c');
      assert.equal(result.decision.from?.artifacts[0]?.sha256, artifact('x').sha256);
      assert.deepEqual(await waiting(server), [
        ['worse', 'hold'],
        ['b', 'hold'],
        ['c', 'promote'],
      ]);
      const pending = await store(server).pending(model);
      assert.deepEqual(
        pending?.decisions.slice(0, 2).map(({ reasons }) => reasons[0]?.code),
        ['stale', 'stale'],
      );
      await merge(server, 'squash');
      assert.deepEqual(await registryOn(server).verify(), []);
      assert.equal((await registryOn(server).log(model)).length, 5);
    }));

  test('by a rejection: the waiting promotion keeps its verdict and is written anew behind it', () =>
    protectedHub(async (server) => {
      await record(server, 'b');
      await byAdministrator(server, 'x', 'reject');
      assert.equal((await record(server, 'b')).status, 'pending');
      assert.deepEqual(await waiting(server), [['b', 'promote']]);
      await merge(server, 'merge');
      assert.deepEqual(await registryOn(server).verify(), []);
      assert.equal((await registryOn(server).view(model)).champion?.artifacts[0]?.sha256, artifact('b').sha256);
    }));

  test('to the very candidate that waits: there is nothing left to promote, and nothing waits', () =>
    protectedHub(async (server) => {
      await record(server, 'b');
      await byAdministrator(server, 'b');
      assert.equal((await record(server, 'b')).status, 'no-change');
      assert.equal(await store(server).pending(model), null);
    }));
});

describe('two writers at once', () => {
  test('of two promotions one waits and the other is recorded as a hold: one branch, one pull request', () =>
    protectedHub(async (server) => {
      const results = await Promise.all(['b', 'c', 'd'].map((candidate) => record(server, candidate)));
      assert.deepEqual(new Set(results.map(({ status }) => status)), new Set(['pending']));
      assert.equal(pulls(server).length, 1);
      const outcomes = (await waiting(server)).map(([, outcome]) => outcome);
      assert.deepEqual(outcomes, ['hold', 'hold', 'promote']);
      assert.deepEqual(new Set((await waiting(server)).map(([candidate]) => candidate)), new Set(['b', 'c', 'd']));
      await merge(server, 'squash');
      assert.deepEqual(await registryOn(server).verify(), []);
    }));

  test('that is replaced before it reads its own back finds the hold, and does not replace the other in turn', () =>
    protectedHub(async (server) => {
      let moved = false;
      let other: Promise<unknown> | undefined;
      server.failBy(({ name }) => {
        if (name === 'graphql mutation MoveRefs') moved = true;
        else if (moved && other === undefined) return (other = record(server, 'c')).then(() => null);
        return null;
      });
      const result = await record(server, 'b');
      assert.deepEqual(
        [result.status, result.decision.outcome, result.decision.reasons[0]?.code],
        ['pending', 'hold', 'superseded'],
      );
      assert.deepEqual(await waiting(server), [
        ['b', 'hold'],
        ['c', 'promote'],
      ]);
      // Whoever runs the gate again means it.
      assert.equal((await record(server, 'b')).decision.outcome, 'promote');
    }));

  test('that asks again with the same evidence, and whose request is lost, does not take the hold from before for its answer', (t) =>
    protectedHub(async (server) => {
      t.mock.timers.enable({ apis: ['Date'], now: Date.now() });
      for (const candidate of ['b', 'c']) await record(server, candidate);
      server.fail('reset', { when: /graphql mutation MoveRefs/u });
      assert.equal((await record(server, 'b')).decision.outcome, 'promote');
    }));

  test('of different models have a pull request each', () =>
    protectedHub(async (server) => {
      await Promise.all(
        ['one', 'two'].map((name) =>
          store(server).record({ model: name, decide: judged(name, 'b', 'promote'), evidence: [] }),
        ),
      );
      assert.deepEqual(
        pulls(server)
          .map(({ head }) => head)
          .sort(),
        ['contender/promote/one', 'contender/promote/two'],
      );
    }));

  test('the pull request tells of the last decision, whoever wrote its text last', () =>
    protectedHub(async (server) => {
      await record(server, 'b');
      let other: Promise<unknown> | undefined;
      server.failBy(({ name }) => {
        if (!/^PATCH .*\/pulls\/1$/u.test(name) || other !== undefined) return null;
        other = record(server, 'd');
        return faults.serverError;
      });
      await record(server, 'c');
      await other;
      const last = (await waiting(server)).at(-1)?.[0] ?? '';
      assert.match(pulls(server)[0]?.body ?? '', new RegExp(`${last}: promote`, 'u'));
    }));
});

describe('what cannot wait in a pull request', () => {
  test('for want of a permission says which YAML to add, and keeps the decision on the branch', () =>
    protectedHub(async (server) => {
      const permissions = { permissions: { contents: 'write' } } as const;
      await assert.rejects(
        store(server, permissions).record({ model, decide: judged(model, 'b', 'promote'), evidence: [] }),
        /kept on the branch contender\/promote\/spam-filter[\s\S]*permissions:\n {2}contents: write\n {2}pull-requests: write/u,
      );
      assert.equal((await record(server, 'b')).pullRequest?.number, 1);
    }));

  test('since workflows may not make pull requests says which setting to change', () =>
    protectedHub(async (server) => {
      server.repository(repositoryName).workflowsMakePulls = false;
      await assert.rejects(record(server, 'b'), /Settings > Actions > General > Workflow permissions/u);
    }));

  test('with a token whose commits GitHub does not sign is refused', () =>
    protectedHub(async (server) => {
      await assert.rejects(
        store(server, { type: 'User', login: 'ada' }).record({
          model,
          decide: judged(model, 'b', 'promote'),
          evidence: [],
        }),
        /GitHub did not sign the commit/u,
      );
      assert.deepEqual(pulls(server), []);
    }));

  test('since somebody pushed to the branch is not taken over under our name', () =>
    protectedHub(async (server) => {
      await record(server, 'b');
      await commit(server, 'registry/models/spam-filter/notes.txt', 'mine', branch);
      const before = await headOf(server, branch);
      await assert.rejects(record(server, 'c'), RegistryError);
      assert.equal(await headOf(server, branch), before);
    }));

  const strangers: [string, { login: string; type: 'Bot' | 'User' }, boolean][] = [
    ['a person', { login: 'eve', type: 'User' }, true],
    ['another bot', { login: 'some-other-app[bot]', type: 'Bot' }, true],
    ['somebody under the name of the bot, in a commit that GitHub did not sign,', { login: bot, type: 'Bot' }, false],
  ];
  for (const [who, account, signed] of strangers) {
    test(`since ${who} edited a decision and mended the chain after it is refused all the same`, () =>
      protectedHub(async (server) => {
        await record(server, 'b');
        // A registry of their own, whose files replace those on the branch: sound, and not Contender's.
        const { git } = server.repository(repositoryName);
        const main = await headOf(server);
        await git.git('update-ref', 'refs/heads/forged', main);
        await registryOn(server, { branch: 'forged', permissions: account }).record({
          model,
          decide: judged(model, 'evil', 'promote'),
          evidence: [],
        });
        const tree = await git.git('rev-parse', 'refs/heads/forged^{tree}');
        const author = addressOf(account);
        const made = await git.commit({ tree, parents: [main], message: 'Better', author, signed });
        await git.updateRefs([{ ref: `refs/heads/${branch}`, after: made }]);
        await assert.rejects(record(server, 'c'), /is not a commit of Contender/u);
      }));
  }

  test('since a pull request of a fork has a branch of that name is made all the same', () =>
    protectedHub(async (server) => {
      const { pulls: all } = server.repository(repositoryName);
      const foreign = { number: 1, head: branch, base: 'main', headRepository: 'eve/models', state: 'open' } as const;
      all.set(1, {
        ...foreign,
        title: 'Promote',
        body: '',
        draft: false,
        headSha: await headOf(server),
        user: { login: 'eve', id: 1, type: 'User' },
        labels: [],
        merged: false,
        mergeSha: null,
        created: '',
        updated: '',
        reviews: [],
      });
      assert.equal((await record(server, 'b')).pullRequest?.number, 2);
    }));
});
