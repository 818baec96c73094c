import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { approvalsOf, type ApprovedRun } from '../../src/github/approvals.ts';
import type { GitHub } from '../../src/github/client.ts';
import type { GitHubStandIn, TokenInput } from '../support/github-api/server.ts';
import { clientOf, repositoryName, withGitHub } from './with-github.ts';

const now = new Date('2026-01-02T03:04:05Z');

/** A pull request of ada's, from a branch with one commit on main. */
async function proposal(server: GitHubStandIn): Promise<number> {
  await commit(server, 'proposal', 'main');
  const made = await as(server, 'ada').request('POST /repos/{owner}/{repo}/pulls', {
    title: 'A model',
    head: 'proposal',
    base: 'main',
  });
  return made.number;
}

async function commit(server: GitHubStandIn, branch: string, parent = branch): Promise<string> {
  const { git } = server.repository(repositoryName);
  const before = await git.git('rev-parse', `refs/heads/${parent}`);
  const blob = await git.git('rev-parse', `${before}:README.md`);
  const tree = await as(server, 'ada').request('POST /repos/{owner}/{repo}/git/trees', {
    base_tree: before,
    tree: [{ path: `${Math.random()}.txt`, mode: '100644', type: 'blob', sha: blob }],
  });
  const sha = await git.commit({ tree: tree.sha, parents: [before], message: 'Work', signed: false });
  await git.updateRefs([{ ref: `refs/heads/${branch}`, after: sha }]);
  return sha;
}

function as(server: GitHubStandIn, login: string): GitHub {
  return clientOf(server, { login, type: 'User' });
}

async function review(
  server: GitHubStandIn,
  number: number,
  login: string,
  event: 'APPROVE' | 'REQUEST_CHANGES' | 'COMMENT' = 'APPROVE',
): Promise<void> {
  const route = 'POST /repos/{owner}/{repo}/pulls/{pull_number}/reviews';
  await as(server, login).request(route, { pull_number: number, event, body: 'Seen' });
}

async function merge(server: GitHubStandIn, number: number, method: 'merge' | 'squash' | 'rebase'): Promise<string> {
  const route = 'PUT /repos/{owner}/{repo}/pulls/{pull_number}/merge';
  return (await as(server, 'linus').request(route, { pull_number: number, merge_method: method })).sha;
}

async function approvers(server: GitHubStandIn, about: Partial<ApprovedRun> & { commit: string }): Promise<string[]> {
  const found = await approvalsOf(clientOf(server), { startedBy: ['linus'], ...about }, now);
  return found.map(({ by, source }) => `${by}: ${source ?? ''}`);
}

describe('who approved what is judged', () => {
  for (const method of ['merge', 'squash', 'rebase'] as const) {
    it(`is whoever reviewed the pull request last, on its last commit, where it was merged by ${method}`, () =>
      withGitHub(async (server) => {
        const number = await proposal(server);
        await review(server, number, 'early');
        await commit(server, 'proposal');
        await review(server, number, 'grace');
        await review(server, number, 'grace', 'COMMENT');
        await review(server, number, 'Doubter');
        await review(server, number, 'doubter', 'REQUEST_CHANGES');
        await review(server, number, 'convinced', 'REQUEST_CHANGES');
        await review(server, number, 'convinced');
        const sha = await merge(server, number, method);
        const source = `review of pull request ${number}`;
        assert.deepEqual(await approvers(server, { commit: sha }), [`grace: ${source}`, `convinced: ${source}`]);
        const [first] = await approvalsOf(clientOf(server), { commit: sha, startedBy: [] }, now);
        assert.equal(new Date(first?.at ?? '').getUTCFullYear(), new Date().getUTCFullYear());
      }));
  }

  it('is nobody for a commit that came another way, or whose pull request is not merged', () =>
    withGitHub(async (server) => {
      const number = await proposal(server);
      await review(server, number, 'grace');
      const { git } = server.repository(repositoryName);
      const head = await git.git('rev-parse', 'refs/heads/proposal');
      assert.deepEqual(await approvers(server, { commit: head }), []);
      assert.deepEqual(await approvers(server, { commit: await git.git('rev-parse', 'refs/heads/main') }), []);
      await merge(server, number, 'merge');
      assert.deepEqual(await approvers(server, { commit: head }), [`grace: review of pull request ${number}`]);
    }));

  it('is asked of the open pull request that a run is on', () =>
    withGitHub(async (server) => {
      const number = await proposal(server);
      const sha = '0'.repeat(40);
      await review(server, number, 'grace');
      assert.deepEqual(await approvers(server, { commit: sha, pullRequest: number }), [
        `grace: review of pull request ${number}`,
      ]);
      await commit(server, 'proposal');
      assert.deepEqual(await approvers(server, { commit: sha, pullRequest: number }), [], 'there is a newer commit');
    }));

  it('counts who let the job into its environment, but not who wrote or started what is approved', () =>
    withGitHub(async (server) => {
      const number = await proposal(server);
      const sha = await merge(server, number, 'squash');
      const approved = (user: string, state: 'approved' | 'rejected' = 'approved') => ({
        state,
        comment: '',
        user,
        environments: ['production'],
      });
      server.repository(repositoryName).runs.set(7, {
        id: 7,
        name: 'Promote',
        head_branch: 'main',
        head_sha: sha,
        event: 'push',
        status: 'in_progress',
        conclusion: null,
        path: '.github/workflows/promote.yml',
        head_repository: repositoryName,
        pull_requests: [],
        approvals: [
          approved('grace'),
          approved('ada'),
          approved('Linus'),
          approved('eve', 'rejected'),
          { ...approved('mallory'), environments: ['sandbox'] },
        ],
      });
      const source = 'environment production of run 7';
      const only = { environment: 'Production' };
      const right = [`grace: ${source}`, `Linus: ${source}`];
      assert.deepEqual(await approvers(server, { commit: sha, run: 7, ...only }), right);
      const sandbox = 'mallory: environment sandbox of run 7';
      assert.deepEqual(await approvers(server, { commit: sha, run: 7 }), [...right, sandbox]);
      const { git } = server.repository(repositoryName);
      const other = await git.git('rev-parse', `${sha}^`);
      assert.deepEqual(await approvers(server, { commit: other, run: 7, ...only }), [
        `grace: ${source}`,
        `ada: ${source}`,
      ]);
    }));

  it('is an error, with the permission to add, where the token may not look', () =>
    withGitHub(async (server) => {
      const sha = await merge(server, await proposal(server), 'squash');
      const asked = (permissions: NonNullable<TokenInput['permissions']>): Promise<unknown> =>
        approvalsOf(clientOf(server, { permissions }), { commit: sha, run: 7, startedBy: [] }, now);
      await assert.rejects(asked({ contents: 'write' }), /permissions:\n +pull-requests: read/u);
      await assert.rejects(asked({ contents: 'write', 'pull-requests': 'read' }), /permissions:\n +actions: read/u);
    }));
});
