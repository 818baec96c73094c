import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { RegistryError } from '../../src/errors.ts';
import { silentLog } from '../../src/log.ts';
import { openBranch } from '../../src/registry/git/branch.ts';
import { openRepository } from '../../src/registry/git/repository.ts';
import { checkMerged, type MergedModel } from '../../src/registry/github/merged-promotions.ts';
import { closeOvertaken } from '../../src/registry/github/record-pending.ts';
import type { DecisionCheck } from '../../src/registry/verify.ts';
import { voidDecision } from '../../src/registry/void-decision.ts';
import { clientOf, repositoryName } from '../github/with-github.ts';
import { addressOf } from '../support/github-api/route.ts';
import type { GitHubStandIn, TokenInput } from '../support/github-api/server.ts';
import { registryOn } from './github-store.ts';
import {
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
} from './promotion-hub.ts';
import { judged } from './sample-decision.ts';

const eve = { login: 'eve', type: 'User' } as const;
const administrator = { login: 'admin[bot]' };
const methods = ['merge', 'squash', 'rebase'] as const;

for (const method of methods) {
  describe(`a promotion pull request that was merged (${method})`, () => {
    test('as Contender wrote it is what was decided', () =>
      protectedHub(async (server) => {
        const before = await headOf(server);
        await record(server, 'worse', 'reject');
        await record(server, 'b');
        await merge(server, method);
        const [merged, ...others] = await check(server, before);
        assert.deepEqual([merged?.findings, others], [[], []]);
        assert.deepEqual(
          merged?.decisions.map(({ outcome }) => outcome),
          ['reject', 'promote'],
        );
      }));

    test('after the base moved for other reasons is what was decided', () =>
      protectedHub(async (server) => {
        await record(server, 'b');
        await commit(server, 'README.md', 'Other work.\n');
        const before = await headOf(server);
        await merge(server, method);
        assert.deepEqual(findings(await check(server, before)), []);
      }));

    test('after somebody put another decision in its place under the name of the bot is refused: GitHub signed no such commit', () =>
      protectedHub(async (server) => {
        const before = await headOf(server);
        await record(server, 'b');
        await forge(server, 'evil', { author: addressOf({ login: bot, type: 'Bot' }), signed: false });
        await merge(server, method);
        assert.match(findings(await check(server, before)).join(), /edited before the merge/u);
      }));

    test('that another bot made is refused', () =>
      protectedHub(async (server) => {
        const before = await headOf(server);
        const other = { login: 'some-other-app[bot]' };
        const { git } = server.repository(repositoryName);
        await git.git('update-ref', `refs/heads/${branch}`, 'refs/heads/main');
        await recordDirectly(server, branch, other);
        const client = clientOf(server, other);
        await client.request('POST /repos/{owner}/{repo}/pulls', { title: 'Promote', head: branch, base: 'main' });
        await merge(server, method);
        assert.match(findings(await check(server, before)).join(), /neither a commit of Contender nor the merge/u);
      }));

    test('after somebody put another decision in its place is refused, sound as it may be', () =>
      protectedHub(async (server) => {
        const before = await headOf(server);
        await record(server, 'b');
        await forge(server, 'evil');
        await merge(server, method);
        // A merge of another kind leaves what was there before in the history, where it is found too.
        if (method === 'squash') assert.deepEqual(await registryOn(server).verify(), []);
        assert.match(findings(await check(server, before)).join(), /edited before the merge/u);
      }));

    test('after somebody added a decision of their own is refused', () =>
      protectedHub(async (server) => {
        const before = await headOf(server);
        await record(server, 'b');
        await recordDirectly(server, branch, eve);
        await merge(server, method);
        assert.match(findings(await check(server, before)).join(), /neither a commit of Contender nor the merge/u);
      }));
  });
}

test('an edit that leaves the chain broken is an error', () =>
  protectedHub(async (server) => {
    const before = await headOf(server);
    await record(server, 'b');
    await commit(server, 'registry/models/spam-filter/decisions/000/000002.json', '{}\n', branch);
    await merge(server, 'squash');
    await assert.rejects(check(server, before), RegistryError);
  }));

test('a pull request of a person with decisions of their own is refused', () =>
  protectedHub(async (server) => {
    const before = await headOf(server);
    await forge(server, 'evil');
    const ada = clientOf(server, { type: 'User', login: 'eve' });
    await ada.request('POST /repos/{owner}/{repo}/pulls', { title: 'Mine', head: branch, base: 'main' });
    await merge(server, 'squash');
    assert.match(findings(await check(server, before)).join(), /neither a commit of Contender nor the merge/u);
  }));

describe('decisions on the branch itself', () => {
  test('that the bot may commit there are what was decided', () =>
    protectedHub(async (server) => {
      const before = await headOf(server);
      await byAdministrator(server, 'b');
      assert.deepEqual(findings(await check(server, before, administrator)), []);
      // Who reads with a token of their own cannot tell which bot records.
      assert.deepEqual(findings(await check(server, before, eve)), []);
    }));

  test('that another bot committed are refused', () =>
    protectedHub(async (server) => {
      const before = await headOf(server);
      await byAdministrator(server, 'b');
      assert.match(findings(await check(server, before)).join(), /neither a commit of Contender nor the merge/u);
    }));

  test('in a commit under the name of the bot that GitHub did not sign are refused', () =>
    protectedHub(async (server) => {
      const before = await headOf(server);
      await forge(server, 'evil', { author: addressOf({ login: bot, type: 'Bot' }), signed: false }, 'main');
      assert.match(findings(await check(server, before)).join(), /neither a commit of Contender nor the merge/u);
    }));
});

test('what was refused once is looked at again with the next push, where versions are tagged', () =>
  protectedHub(async (server) => {
    const { git } = server.repository(repositoryName);
    await git.git('tag', 'spam-filter@v1.0.0', 'main');
    await record(server, 'b');
    await forge(server, 'evil');
    await merge(server, 'squash');
    const before = await headOf(server);
    await byAdministrator(server, 'c');
    assert.equal(findings(await check(server, before, administrator)).length, 1);
  }));

test('a push that takes recorded decisions away is refused', () =>
  protectedHub(async (server) => {
    await byAdministrator(server, 'b');
    const before = await headOf(server);
    const { git } = server.repository(repositoryName);
    await git.git('update-ref', 'refs/heads/main', `${before}^`);
    assert.match(findings(await check(server, before)).join(), /removed or changed/u);
  }));

test('a push that takes a decision off is no loss, and what is recorded in its place is tagged where it was', () =>
  protectedHub(async (server) => {
    await byAdministrator(server, 'b');
    const before = await headOf(server);
    const { git } = server.repository(repositoryName);
    const repository = await openRepository(git.folder);
    const opened = await openBranch(repository, 'main', undefined, silentLog, '', 'registry');
    const judge: DecisionCheck = ({ path }) =>
      path.endsWith('000002.json') ? [{ path, found: 'forged', expected: '', remedy: '' }] : [];
    const place = { repository, branch: opened, folder: 'registry', artifactsYaml: false, model, seq: 2, judge };
    const { commit: off } = await voidDecision({ ...place, by: 'grace', reason: 'Forged', now: new Date() });
    await git.updateRefs([{ ref: 'refs/heads/main', after: off }]);
    assert.deepEqual(findings(await check(server, before)), []);
    await byAdministrator(server, 'c');
    // In one push with what was made void it is looked at all the same.
    assert.match(findings(await check(server, before)).join(), /000002\.json: .*neither a commit of Contender/u);
    const head = await headOf(server);
    const registry = registryOn(server, { tags: 'gto', permissions: administrator });
    assert.ok((await registry.tag(model)).includes(`${model}@v1.0.1`));
    assert.equal(await git.git('rev-parse', `${model}@v1.0.1^{commit}`), head);
    assert.deepEqual(await registry.verify(), []);
  }));

test('a push that brings no decision has nothing to finish', () =>
  protectedHub(async (server) => {
    const before = await headOf(server);
    await commit(server, 'README.md', 'Other work.\n');
    assert.deepEqual(await check(server, before), []);
  }));

describe('a pull request that cannot be merged any more', () => {
  const cases: [string, string, RegExp][] = [
    ['another champion came', 'x', /champion is 1\.0\.1 since decision 2[\s\S]*Run the gate again/u],
    ['what it holds was recorded by another way', 'b', /Everything in it is already recorded|Run the gate again/u],
  ];
  for (const [name, candidate, says] of cases) {
    test(`since ${name} is closed once, with a comment`, () =>
      protectedHub(async (server) => {
        await record(server, 'b');
        await byAdministrator(server, candidate);
        const place = { github: clientOf(server), branch: 'main', folder: 'registry', cache: new Map() };
        assert.equal(await closeOvertaken(place, model), 1);
        assert.equal(await closeOvertaken(place, model), null);
        assert.equal(pulls(server)[0]?.state, 'closed');
        const comments = [...server.repository(repositoryName).comments.values()];
        assert.equal(comments.length, 1);
        assert.match(comments[0]?.body ?? '', says);
      }));
  }

  test('since another decision has its number is closed, and written anew by the next run of the gate', () =>
    protectedHub(async (server) => {
      await record(server, 'b');
      await byAdministrator(server, 'x', 'hold');
      const place = { github: clientOf(server), branch: 'main', folder: 'registry', cache: new Map() };
      assert.equal(await closeOvertaken(place, model), 1);
      const [comment] = server.repository(repositoryName).comments.values();
      assert.match(comment?.body ?? '', /Decision 2 was recorded in the meantime.*Run the gate again/su);
      assert.equal((await record(server, 'b')).pullRequest?.number, 2);
      const github = clientOf(server, { type: 'User', login: 'ada' });
      await github.request('PUT /repos/{owner}/{repo}/pulls/{pull_number}/merge', { pull_number: 2 });
      assert.deepEqual(await store(server).verify(), []);
    }));

  test('and one that can stays open', () =>
    protectedHub(async (server) => {
      await record(server, 'b');
      await commit(server, 'README.md', 'Other work.\n');
      const place = { github: clientOf(server), branch: 'main', folder: 'registry', cache: new Map() };
      assert.equal(await closeOvertaken(place, model), null);
      assert.equal((await store(server).pending(model))?.pullRequest?.open, true);
    }));
});

/** What is on main, against what it was, as the bot that records sees it. */
async function check(
  server: GitHubStandIn,
  before: string,
  token: TokenInput = { login: bot },
): Promise<MergedModel[]> {
  const place = { github: clientOf(server, token), branch: 'main', folder: 'registry', cache: new Map() };
  return checkMerged(place, { before, after: await headOf(server) });
}

function findings(merged: readonly MergedModel[]): string[] {
  return merged.flatMap((each) => each.findings.map(({ path, found }) => `${path}: ${found}`));
}

/** With a token of its own, and no pull request. */
async function recordDirectly(server: GitHubStandIn, onto: string, permissions: TokenInput): Promise<void> {
  await registryOn(server, { branch: onto, permissions }).record({
    model,
    decide: judged(model, 'evil', 'promote'),
    evidence: [],
  });
}

/** Put a registry of a person's own on a branch: sound, one commit, and not what Contender decided. */
async function forge(
  server: GitHubStandIn,
  candidate: string,
  by: { author: { name: string; email: string }; signed: boolean } = {
    author: addressOf({ login: 'eve', type: 'User' }),
    signed: true,
  },
  onto = branch,
): Promise<void> {
  const { git } = server.repository(repositoryName);
  await git.git('update-ref', 'refs/heads/forged', 'refs/heads/main');
  await registryOn(server, { branch: 'forged', permissions: eve }).record({
    model,
    decide: judged(model, candidate, 'promote'),
    evidence: [],
  });
  const parents = [await git.git('rev-parse', `refs/heads/${onto}`).catch(() => headOf(server))];
  const tree = await git.git('rev-parse', 'refs/heads/forged^{tree}');
  const made = await git.commit({ tree, parents, message: 'Better', ...by });
  await git.updateRefs([{ ref: `refs/heads/${onto}`, after: made }]);
}
