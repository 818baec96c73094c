import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { GitHubError } from '../../src/errors.ts';
import { postCheckRun, type CheckRunInput } from '../../src/github/check-run.ts';
import type { GitHubStandIn } from '../support/github-api/server.ts';
import type { CheckRun } from '../support/github-api/state.ts';
import { clientOf, repositoryName, withGitHub } from './with-github.ts';

const annotation = (index: number) => ({
  path: 'contender.yml',
  start_line: index + 1,
  end_line: index + 1,
  annotation_level: 'warning' as const,
  title: 'Recall',
  message: `Number ${index}`,
});

async function check(server: GitHubStandIn, annotations: number): Promise<CheckRunInput> {
  const all = Array.from({ length: annotations }, (_, index) => annotation(index));
  return {
    name: 'contender / spam-filter',
    headSha: await server.repository(repositoryName).git.git('rev-parse', 'refs/heads/main'),
    conclusion: 'neutral',
    output: { title: 'Held', summary: 'Held: recall is 0.91' },
    annotations: Array.from({ length: Math.ceil(annotations / 50) }, (_, batch) =>
      all.slice(batch * 50, batch * 50 + 50),
    ),
    detailsUrl: 'https://github.com/acme/models/actions/runs/7',
  };
}

const runs = (server: GitHubStandIn): CheckRun[] => [...server.repository(repositoryName).checks.values()];

describe('a check run', () => {
  test('is made in one request where its annotations fit into it', () =>
    withGitHub(async (server) => {
      await postCheckRun(clientOf(server), await check(server, 3));
      assert.equal(server.requests.length, 1);
      const [run] = runs(server);
      assert.deepEqual(
        [run?.name, run?.status, run?.conclusion, run?.annotations.length],
        ['contender / spam-filter', 'completed', 'neutral', 3],
      );
      assert.equal(run?.details_url, 'https://github.com/acme/models/actions/runs/7');
    }));

  test('is in progress until the last of many annotations is there, and each is there once', () =>
    withGitHub(async (server) => {
      const seen: (string | undefined)[] = [];
      server.failBy(() => {
        seen.push(runs(server)[0]?.status);
        return null;
      });
      await postCheckRun(clientOf(server), await check(server, 120));
      assert.deepEqual(seen, [undefined, 'in_progress', 'in_progress']);
      const [run] = runs(server);
      assert.equal(run?.status, 'completed');
      assert.deepEqual(
        run?.annotations.map(({ message }) => message),
        Array.from({ length: 120 }, (_, index) => `Number ${index}`),
      );
    }));

  test('of a run that is repeated is the one that GitHub shows', () =>
    withGitHub(async (server) => {
      const input = await check(server, 0);
      await postCheckRun(clientOf(server), input);
      await postCheckRun(clientOf(server), { ...input, conclusion: 'success' });
      const { check_runs: shown } = await clientOf(server).request(
        'GET /repos/{owner}/{repo}/commits/{ref}/check-runs',
        { ref: input.headSha },
      );
      assert.deepEqual(
        shown.map(({ conclusion }) => conclusion),
        ['success'],
      );
    }));

  test('is refused to a token without the permission, with the YAML to add', () =>
    withGitHub(async (server) => {
      await assert.rejects(
        postCheckRun(clientOf(server, { permissions: { contents: 'write' } }), await check(server, 1)),
        (error) =>
          error instanceof GitHubError &&
          error.kind === 'permission' &&
          /permissions:\n {2}checks: write/u.test(error.message),
      );
    }));
});
