import { notKept } from '../kept-commit.ts';
import { isIn } from './refs.ts';
import type { GitHubBranch } from './snapshot.ts';

/**
 * Say whether GitHub keeps a commit: in the history of the registry's branch or of the default branch.
 *
 * @throws RegistryError when it is not there, or on no such branch
 */
export async function requireKept({ github, branch }: GitHubBranch, main: string, commit: string): Promise<void> {
  const branches = [...new Set([branch, main])];
  for (const each of branches) {
    if (await isIn(github, each, commit)) return;
  }
  const found = await github.find('GET /repos/{owner}/{repo}/git/commits/{commit_sha}', { commit_sha: commit });
  throw notKept({ commit, there: found !== null, branches, where: github.repository });
}
