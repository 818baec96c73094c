import type { GitHub } from '../../github/client.ts';
import { notKept } from '../kept-commit.ts';

const repositoryQuery = `query Repository($owner: String!, $name: String!) {
  viewer { login }
  repository(owner: $owner, name: $name) { id }
}`;
const moveMutation = `mutation MoveRefs($input: UpdateRefsInput!) { updateRefs(input: $input) { clientMutationId } }`;
/** Where a ref is that is not there, in GitHub's words. */
export const nothing = '0'.repeat(40);

export interface RefMove {
  /** In full, such as `refs/heads/main`. */
  name: string;
  /** The object it must be at; null: it must not be there. */
  before: string | null;
  after: string;
  /** Also to a commit that does not follow the one it is at. */
  force?: boolean;
}

/** What GitHub calls the repository, and who asks. */
export async function repositoryAndLogin(github: GitHub): Promise<{ id: string; login: string }> {
  const { repository, viewer } = await github.graphql<{ repository: { id: string }; viewer: { login: string } }>(
    repositoryQuery,
    { owner: github.owner, name: github.repo },
  );
  return { id: repository.id, login: viewer.login };
}

/**
 * Who records with this token: the login of its commits. Undefined for a person's, who reads what a bot records, and whose token
 * does not tell which one.
 */
export async function recorder(github: GitHub): Promise<string | undefined> {
  const { login } = await repositoryAndLogin(github);
  return login.endsWith('[bot]') ? login : undefined;
}

/**
 * Move every ref, if each is still where it must be, or none: compare and swap over all of them (GraphQL `updateRefs`).
 *
 * @param id the repository's, of `repositoryAndLogin`
 * @throws GitHubError `conflict` or `exists` when one was elsewhere; uncertain when nobody knows
 */
export async function moveRefs(github: GitHub, id: string, moves: readonly RefMove[]): Promise<void> {
  const refUpdates = moves.map(({ name, before, after, force = false }) => ({
    name,
    beforeOid: before ?? nothing,
    afterOid: after,
    force,
  }));
  await github.graphql(moveMutation, { input: { repositoryId: id, refUpdates } });
}

/**
 * Say whether GitHub keeps a commit: in the history of the registry's branch or of the default branch.
 *
 * @param registry the branch of the registry
 * @throws RegistryError when it is not there, or on no such branch
 */
export async function requireKept(github: GitHub, registry: string, commit: string): Promise<void> {
  const main = (await github.request('GET /repos/{owner}/{repo}', {})).default_branch;
  const branches = [...new Set([registry, main])];
  for (const each of branches) if (await isIn(github, each, commit)) return;
  const found = await github.find('GET /repos/{owner}/{repo}/git/commits/{commit_sha}', { commit_sha: commit });
  throw notKept({ commit, there: found !== null, branches, where: github.repository });
}

/** Whether GitHub has a commit in the history of a branch or of another commit. */
export async function isIn(github: GitHub, head: string, commit: string): Promise<boolean> {
  if (commit === head) return true;
  // Absent: the commit is unknown there, or the two have no common history.
  const basehead = `${head}...${commit}`;
  const compared = await github.find('GET /repos/{owner}/{repo}/compare/{basehead}', { basehead, per_page: 1 });
  return compared?.status === 'behind' || compared?.status === 'identical';
}
