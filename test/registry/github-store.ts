import { carryOver } from '../../src/decide/carry-over.ts';
import { describeReplaced } from '../../src/report/promotion.ts';
import type { PullRequestSettings } from '../../src/registry/github/record-pending.ts';
import { silentLog } from '../../src/log.ts';
import { openGitHub } from '../../src/github/client.ts';
import { openGitHubRegistry, type GitHubRegistryInput } from '../../src/registry/github-registry.ts';
import type { Registry } from '../../src/registry/registry.ts';
import { hasty, repositoryName } from '../github/with-github.ts';
import type { GitHubStandIn, TokenInput } from '../support/github-api/server.ts';
import { describePromotion } from '../support/report.ts';

/** The registry on `main` of acme/models, with a token and a client of its own and pauses short enough for a test. */
export function registryOn(
  server: GitHubStandIn,
  input: Partial<GitHubRegistryInput> & { permissions?: TokenInput; timeoutMs?: number } = {},
): Registry {
  const token = server.token(input.permissions ?? {});
  const github = openGitHub({
    repository: repositoryName,
    apiUrl: server.url,
    token,
    log: silentLog,
    patience: hasty,
    ...(input.timeoutMs === undefined ? {} : { timeoutMs: input.timeoutMs }),
  });
  return openGitHubRegistry({
    github,
    token,
    path: 'registry',
    branch: 'main',
    log: silentLog,
    pace: { attempts: 60, baseMs: 20, capMs: 2000 },
    ...input,
  });
}

/** What the command line and the actions hand to the registry for pull requests. */
export function throughPullRequests(when: PullRequestSettings['when'] = 'when-protected'): PullRequestSettings {
  return { when, carryOver, describe: describePromotion, describeReplaced };
}
