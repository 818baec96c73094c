import type { Outcome } from '../../src/evidence/index.ts';
import type { RecordResult, Registry } from '../../src/registry/registry.ts';
import { clientOf, repositoryName, withGitHub } from '../github/with-github.ts';
import type { GitHubStandIn, TokenInput } from '../support/github-api/server.ts';
import type { PullRequest } from '../support/github-api/state.ts';
import { registryOn, throughPullRequests } from './github-store.ts';
import { artifact, evidence, judged } from './sample-decision.ts';

export const model = 'spam-filter';
export const branch = 'contender/promote/spam-filter';
export const bot = 'github-actions[bot]';

/** With a champion `a`, after which people must go through pull requests. */
export function protectedHub(work: (server: GitHubStandIn) => Promise<void>): Promise<void> {
  return withGitHub(async (server) => {
    await record(server, 'a');
    server.protect(repositoryName, { ref: 'refs/heads/main', bypass: ['admin[bot]'] });
    await work(server);
  });
}

export function store(server: GitHubStandIn, permissions: TokenInput = {}): Registry {
  return registryOn(server, { pullRequests: throughPullRequests(), permissions: { login: bot, ...permissions } });
}

export function record(server: GitHubStandIn, candidate: string, outcome: Outcome = 'promote'): Promise<RecordResult> {
  const proof = [evidence(candidate)];
  return store(server).record({ model, decide: judged(model, candidate, outcome, proof), evidence: proof });
}

/** Past the protection, as an administrator's app may. */
export function byAdministrator(
  server: GitHubStandIn,
  candidate: string,
  outcome: Outcome = 'promote',
): Promise<RecordResult> {
  return store(server, { login: 'admin[bot]' }).record({
    model,
    decide: judged(model, candidate, outcome),
    evidence: [],
  });
}

export async function merge(server: GitHubStandIn, method: 'merge' | 'squash' | 'rebase'): Promise<void> {
  await clientOf(server, { type: 'User', login: 'ada' }).request(
    'PUT /repos/{owner}/{repo}/pulls/{pull_number}/merge',
    {
      pull_number: 1,
      merge_method: method,
    },
  );
}

/** Candidates and outcomes that wait, in order. */
export async function waiting(server: GitHubStandIn): Promise<[string, string][]> {
  const names = ['a', 'b', 'c', 'd', 'x', 'worse'];
  const pending = await store(server).pending(model);
  return (pending?.decisions ?? []).map(({ candidate, outcome }) => [
    names.find((name) => artifact(name).sha256 === candidate?.artifacts[0]?.sha256) ?? '',
    outcome,
  ]);
}

export async function commit(server: GitHubStandIn, path: string, content: string, onto = 'main'): Promise<void> {
  const { git } = server.repository(repositoryName);
  const oid = await git.write('blob', Buffer.from(content));
  const tree = await git.treeWith(
    await git.git('rev-parse', `${onto}^{tree}`),
    new Map([[path, { mode: '100644', oid }]]),
  );
  const made = await git.commit({ tree, parents: [await headOf(server, onto)], message: 'Work', signed: false });
  await git.updateRefs([{ ref: `refs/heads/${onto}`, after: made }]);
}

export function pulls(server: GitHubStandIn): PullRequest[] {
  return [...server.repository(repositoryName).pulls.values()];
}

export function headOf(server: GitHubStandIn, name = 'main'): Promise<string> {
  return server.repository(repositoryName).git.git('rev-parse', name);
}

export function ahead(server: GitHubStandIn): Promise<string> {
  return server.repository(repositoryName).git.git('rev-list', '--count', `main..${branch}`);
}
