import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { openGitHub } from '../../src/github/client.ts';
import { silentLog } from '../../src/log.ts';
import type { PromoteResult } from '../../src/pipeline/gate/promote.ts';
import { contender, gateRepository, type CommandResult } from '../support/gate-repository.ts';
import { startGitHub } from '../support/github-api/server.ts';
import { inTemporaryFolder } from '../support/project.ts';

const name = 'acme/models';

test('a candidate that passed is held until those who must approve it did, and the decision says who', () =>
  inTemporaryFolder(async (folder) => {
    const hub = await startGitHub(join(folder, 'hub'));
    try {
      const { git, runs } = await hub.create(name, { files: {} });
      const clone = await gateRepository(join(folder, 'clone'));
      const run = (args: readonly string[], variables: Record<string, string> = {}): Promise<CommandResult> =>
        contender(clone.folder, args, variables);
      const load = `    load:
      profile: { kind: constant, rate: 200, duration: 4s, warmup: 1s }
      slo: { p95_ms: 100, error_rate: 0.001, accuracy: parity }
`;
      await clone.configure(load, '');
      await clone.configure('      alpha: 0.05\n', '      alpha: 0.05\n      approvals: { from: [grace, linus] }\n');
      await clone.propose('spam/models/champion.onnx');
      assert.equal((await run(['registry', 'register', '--artifact', 'models/champion.onnx'])).code, 0);
      await clone.git('push', '--quiet', '--force', git.folder, 'HEAD:refs/heads/main');
      await clone.git('switch', '--quiet', '--create', 'proposal');
      await clone.propose('spam/models/candidate.onnx');
      await clone.git('push', '--quiet', git.folder, 'HEAD:refs/heads/proposal');
      const github = (login: string): ReturnType<typeof openGitHub> =>
        openGitHub({
          repository: name,
          apiUrl: hub.url,
          token: hub.token({ login, type: 'User' }),
          log: silentLog,
        });
      /** Merge a branch of ada's through a pull request, and have it in the clone. Gives the commit. */
      const merged = async (head: string, approvedBy?: string): Promise<string> => {
        const pulls = 'POST /repos/{owner}/{repo}/pulls';
        const { number } = await github('ada').request(pulls, { title: head, head, base: 'main' });
        const at = { pull_number: number };
        if (approvedBy !== undefined)
          await github(approvedBy).request(`${pulls}/{pull_number}/reviews`, { ...at, event: 'APPROVE' });
        const merge = { ...at, merge_method: 'squash' as const };
        const made = await github('ada').request('PUT /repos/{owner}/{repo}/pulls/{pull_number}/merge', merge);
        await clone.git('switch', '--quiet', 'main');
        await clone.git('pull', '--quiet', '--ff-only', git.folder, 'main');
        return made.sha;
      };
      const sha = await merged('proposal');
      runs.set(7, {
        id: 7,
        name: 'Promote',
        head_branch: 'main',
        head_sha: sha,
        event: 'push',
        status: 'in_progress',
        conclusion: null,
        path: '.github/workflows/promote.yml',
        head_repository: name,
        pull_requests: [],
        approvals: [],
      });
      const env = {
        ...hub.environment(name),
        GITHUB_REPOSITORY: name,
        GITHUB_API_URL: hub.url,
        GITHUB_EVENT_NAME: 'schedule',
        GITHUB_REF: 'refs/heads/main',
        GITHUB_SHA: sha,
        GITHUB_RUN_ID: '7',
        GITHUB_ACTOR: 'ada',
        GITHUB_TOKEN: hub.token({ permissions: { contents: 'read', 'pull-requests': 'read', actions: 'read' } }),
      };

      const blind = await run(['gate'], { ...env, GITHUB_TOKEN: hub.token({ permissions: { contents: 'read' } }) });
      assert.equal(blind.code, 2);
      assert.match(blind.stderr, /pull-requests: read/u);
      const held = await run(['gate', '--quiet'], env);
      assert.equal(held.code, 3, held.stdout + held.stderr);
      assert.match(held.stdout, /Held: the policy requires 1 approval, but there is none\. May approve: grace, linus/u);
      assert.doesNotMatch(held.stdout + held.stderr, new RegExp(env.GITHUB_TOKEN, 'u'));
      const why = await run(['registry', 'why']);
      assert.match(why.stdout, /run the gate again.*contender gate/su);
      assert.doesNotMatch(why.stdout, /registry override/u);

      const laptop = await run(['promote', '--no-record']);
      assert.equal(laptop.code, 3);
      assert.match(laptop.stderr, /Approvals were not checked/u);

      // What is approved there is something else, though it is what was merged last.
      await clone.git('push', '--quiet', git.folder, 'main');
      await clone.git('switch', '--quiet', '--create', 'notes');
      await writeFile(join(clone.folder, 'NOTES.md'), 'Notes\n');
      await clone.commit('Write notes');
      await clone.git('push', '--quiet', git.folder, 'notes');
      const notes = await merged('notes', 'grace');
      assert.equal((await run(['promote', '--no-record'], { ...env, GITHUB_SHA: notes })).code, 3);

      runs.get(7)?.approvals.push({ state: 'approved', comment: '', user: 'Linus', environments: ['production'] });
      // Let into its environment, and started for a commit that did not have the candidate yet.
      const earlier = { ...env, GITHUB_SHA: await clone.git('rev-parse', `${sha}~1`) };
      assert.equal((await run(['promote', '--no-record'], earlier)).code, 3);
      const promoted = await run(['promote', '--json'], env);
      assert.equal(promoted.code, 0, promoted.stderr);
      const { decision, status } = JSON.parse(promoted.stdout) as PromoteResult;
      assert.equal(status, 'recorded');
      assert.deepEqual(
        decision.approvals.map(({ by, source }) => [by, source]),
        [['Linus', 'environment production of run 7']],
      );
      assert.match(
        (await run(['registry', 'why'])).stdout,
        /Approved +by Linus at .*, environment production of run 7/u,
      );
      const verified = await run(['registry', 'verify']);
      assert.equal(verified.code, 0, verified.stdout + verified.stderr);
    } finally {
      await hub.close();
    }
  }));
