import { notKept } from '../kept-commit.ts';
import type { GitHubBranch } from './snapshot.ts';

/**
 * Say whether GitHub keeps a commit: in the history of the registry's branch or of the default branch.
 *
 * @throws RegistryError when it is not there, or on no such branch
 */
export async function requireKept({ github, branch }: GitHubBranch, main: string, commit: string): Promise<void> {
  const branches = [...new Set([branch, main])];
  for (const each of branches) {
    // Absent: the commit is unknown there, or the two have no common history.
    const compared = await github.find('GET /repos/{owner}/{repo}/compare/{basehead}', {
      basehead: `${each}...${commit}`,
      per_page: 1,
    });
    if (compared?.status === 'behind' || compared?.status === 'identical') return;
  }
  const found = await github.find('GET /repos/{owner}/{repo}/git/commits/{commit_sha}', { commit_sha: commit });
  throw notKept({ commit, there: found !== null, branches, where: github.repository });
}
