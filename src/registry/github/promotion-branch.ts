import { RegistryError } from '../../errors.ts';
import type { GitHub } from '../../github/client.ts';
import { modelFolder } from '../layout.ts';
import type { FileContent } from '../plan-pending.ts';
import { storeCommit } from './commit-files.ts';
import { moveRefs, recorder, repositoryAndLogin } from './refs.ts';
import type { GitHubBranch, Snapshot } from './snapshot.ts';

/** The branch on which decisions about a model wait for their pull request to be merged. */
export function promotionBranch(model: string): string {
  return `contender/promote/${model}`;
}

/**
 * Make the branch one commit on top of the base, if it is still where it was read: compare and swap.
 *
 * @param before the commit the branch is at; null: there is none
 * @returns the commit
 * @throws GitHubError `conflict` when the branch moved; uncertain when nobody knows. RegistryError when GitHub does not sign for this token
 */
export async function movePromotionBranch(
  place: GitHubBranch,
  before: string | null,
  base: Pick<Snapshot, 'head' | 'tree'>,
  files: ReadonlyMap<string, FileContent>,
  message: string,
): Promise<string> {
  const { github, branch } = place;
  const { sha, signed } = await storeCommit(github, base, files, message);
  if (!signed) throw notSigned(github);
  const { id } = await repositoryAndLogin(github);
  await moveRefs(github, id, [{ name: `refs/heads/${branch}`, before, after: sha, force: true }]);
  return sha;
}

/**
 * What waits on the branch is taken over only from a commit that GitHub signed for the bot that records: nobody's edit, and no
 * other bot's, is passed on under Contender's name.
 *
 * @returns the commit that it was put on top of; undefined: none
 * @throws RegistryError when somebody else changed what the branch says about the model
 */
export async function checkOwnWork(place: GitHubBranch, model: string): Promise<string | undefined> {
  const { github, branch, folder } = place;
  const path = `${folder}/${modelFolder(model)}`;
  const [last] = await github.request('GET /repos/{owner}/{repo}/commits', { sha: branch, path, per_page: 1 });
  const login = await recorder(github);
  if (last !== undefined && (await isOwnCommit(github, last, login))) return last.parents[0]?.sha;
  throw new RegistryError({
    found: `commit ${last?.sha.slice(0, 12) ?? 'none'} changed the files of ${model} on ${branch}, but is not a commit of Contender`,
    expected: `commits made by ${login ?? 'a bot'} through the API, signed by GitHub`,
    where: `${github.repository} ${branch}`,
    remedy: `Find out who pushed to it. Then delete the branch, which closes its pull request, and run again`,
  });
}

/** A commit as the API lists it. */
export interface ListedCommit {
  sha: string;
  author: { login?: string; type?: string } | null | Record<string, never>;
  commit: { verification?: { verified: boolean } };
}

/**
 * A commit made through the API with a workflow's or an app's token. Nobody can make GitHub sign one in a bot's name, but for
 * merging a pull request that the bot opened, whose commits anybody may have made: such a merge is none.
 *
 * @param login the bot's; undefined: any bot's
 */
export async function isOwnCommit(
  github: GitHub,
  { sha, author, commit }: ListedCommit,
  login: string | undefined,
): Promise<boolean> {
  if (commit.verification?.verified !== true || !isBot(author, login)) return false;
  const pulls = await github.request('GET /repos/{owner}/{repo}/commits/{commit_sha}/pulls', { commit_sha: sha });
  return pulls.every((pull) => pull.merge_commit_sha !== sha || pull.merged_at === null);
}

/** Whether an account is that bot, or any where its login is not known. */
export function isBot(account: ListedCommit['author'] | undefined, login: string | undefined): boolean {
  return account?.type === 'Bot' && (login === undefined || account.login === login);
}

function notSigned(github: GitHub): RegistryError {
  return new RegistryError({
    found: 'GitHub did not sign the commit, so later edits could not be detected',
    expected: 'the token of a workflow or of a GitHub App, whose commits GitHub signs',
    where: github.repository,
    remedy: 'Pass ${{ github.token }}, or the token of an app, instead of a personal one',
  });
}
