import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { silentLog } from '../../../src/log.ts';
import { finishPromotions, type Finished } from '../../../src/pipeline/publishing/finish-promotion.ts';
import { openWorkspace } from '../../../src/pipeline/workspace.ts';
import { clientOf, repositoryName, withGitHub } from '../../github/with-github.ts';
import { registryOn, throughPullRequests } from '../../registry/github-store.ts';
import { bot, commit, headOf, merge } from '../../registry/promotion-hub.ts';
import type { GitHubStandIn } from '../../support/github-api/server.ts';
import { inTemporaryFolder } from '../../support/project.ts';
import { gate, registered, text, type Made } from '../decided.ts';

const run = promisify(execFile);
const config = text.replace('registry:\n', 'registry:\n  store: github\n  tags: gto\n');

/** With a champion; from then on decisions wait in pull requests. */
function inHub(work: (server: GitHubStandIn, before: string) => Promise<void>): Promise<void> {
  return withGitHub(async (server) => {
    await commit(server, 'contender.yml', config);
    await record(server, registered('a'), 'never');
    await work(server, await headOf(server));
  });
}

async function record(server: GitHubStandIn, [decide, evidence = []]: Made, when: 'always' | 'never' = 'always') {
  const pullRequests = when === 'never' ? undefined : throughPullRequests(when);
  const registry = registryOn(server, { permissions: { login: bot }, pullRequests });
  return registry.record({ model: 'm', decide, evidence });
}

/** What the workflow does after a push to main, in a checkout of it. */
function finished(server: GitHubStandIn, before: string): Promise<Finished> {
  return inTemporaryFolder(async (root) => {
    await run('git', ['clone', '--quiet', '--depth=1', `file://${server.repository(repositoryName).git.folder}`, root]);
    const token = server.token({ login: bot });
    const github = { repository: repositoryName, token, apiUrl: server.url };
    const input = { root, config: 'contender.yml', out: '.contender', anyModel: true, github, log: silentLog };
    const range = { before, after: await headOf(server) };
    return finishPromotions(await openWorkspace(input), { github: clientOf(server, { login: bot }), range });
  });
}

describe('a promotion that people merged', () => {
  for (const method of ['merge', 'squash', 'rebase'] as const) {
    it(`is tagged where it is what Contender decides (${method})`, () =>
      inHub(async (server, before) => {
        assert.equal((await record(server, gate('b', 'pass'))).status, 'pending');
        await merge(server, method);
        const { findings, promoted, tags } = await finished(server, before);
        assert.deepEqual([findings, promoted], [[], [{ model: 'm', version: '1.0.1' }]]);
        assert.ok(tags.includes('m@v1.0.1'), tags.join());
      }));
  }

  const promoted = gate('b', 'pass')[0];
  const refused: [string, (server: GitHubStandIn) => Promise<unknown>, RegExp][] = [
    [
      'which nobody evaluated, though the bot itself wrote it',
      (server) => record(server, [(view) => ({ ...promoted(view), evidence: [], datasets: {} })]),
      /a promotion where the outcome is hold: The policy requires evaluation evidence/u,
    ],
    [
      'under a policy that came with it',
      async (server) => {
        const other = config.replace('margin: 0.01', 'margin: 0.2');
        await record(server, gate('b', 'pass', other));
        await commit(server, 'contender.yml', other, 'contender/promote/m');
      },
      /a decision under policy [0-9a-f]{12}/u,
    ],
  ];
  for (const [name, forge, found] of refused) {
    it(`is not tagged ${name}`, () =>
      inHub(async (server, before) => {
        await forge(server);
        await merge(server, 'squash');
        const { findings, tags } = await finished(server, before);
        assert.match(findings.map((each) => each.found).join('\n'), found);
        assert.deepEqual(tags, []);
      }));
  }

  it('is not tagged where the push did not go on from what was there', () =>
    inHub(async (server) => {
      await commit(server, 'README.md', 'Lost.\n');
      const before = await headOf(server);
      const { git } = server.repository(repositoryName);
      await git.git('update-ref', 'refs/heads/main', `${before}^`);
      await record(server, gate('b', 'pass'), 'never');
      const { findings, tags } = await finished(server, before);
      assert.match(findings[0]?.found ?? '', /is not a descendant/u);
      assert.deepEqual(tags, []);
    }));
});
