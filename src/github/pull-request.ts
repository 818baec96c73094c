import { GitHubError } from '../errors.ts';
import type { GitHub } from './client.ts';

/** A pull request from a branch of this repository. */
export interface PullRequest {
  number: number;
  url: string;
  open: boolean;
}

/** The most characters GitHub takes for the text of a pull request, and for its title. */
export const pullRequestCharacters = 65_536;
const titleCharacters = 256;

export interface PullRequestText {
  title: string;
  body: string;
}

/**
 * The one open pull request of a branch, with this text: made if it is not there, updated if it says something else. One that a
 * person closed without merging it, at the very commit the branch is at, is not opened again: it is given as it is.
 *
 * @param headSha the commit of the branch
 * @throws GitHubError `permission` also where a setting keeps workflows from making pull requests
 */
export async function ensurePullRequest(
  github: GitHub,
  ends: { branch: string; headSha: string; base: string },
  said: PullRequestText,
): Promise<PullRequest & { made: boolean }> {
  const title = said.title.slice(0, titleCharacters);
  const open = await openPullRequest(github, ends);
  if (open !== null) {
    const same = open.title === title && (open.body ?? '').replaceAll('\r\n', '\n') === said.body;
    if (!same) {
      await github.request('PATCH /repos/{owner}/{repo}/pulls/{pull_number}', {
        pull_number: open.number,
        title,
        body: said.body,
      });
    }
    return { number: open.number, url: open.html_url, open: true, made: false };
  }
  const declined = (await listed(github, ends, 'closed')).find(
    ({ merged_at: merged, head }) => merged === null && head.sha === ends.headSha,
  );
  if (declined !== undefined) return { number: declined.number, url: declined.html_url, open: false, made: false };
  try {
    const { number, html_url: url } = await github.request('POST /repos/{owner}/{repo}/pulls', {
      title,
      body: said.body,
      head: ends.branch,
      base: ends.base,
    });
    return { number, url, open: true, made: true };
  } catch (error) {
    // Another run made it a moment before, or nobody told that this one did.
    if (!(error instanceof GitHubError) || !(error.kind === 'exists' || error.uncertain)) throw error;
    const made = await openPullRequest(github, ends);
    if (made === null) throw error;
    return { number: made.number, url: made.html_url, open: true, made: true };
  }
}

/** The open pull request of a branch; null when there is none. Forks may have a branch of the same name. */
export async function openPullRequest(github: GitHub, ends: { branch: string; base: string }) {
  return (await listed(github, ends, 'open'))[0] ?? null;
}

/**
 * Ask whether the token may make pull requests, without making one: from a branch to itself there can be none, and who may not make
 * any is told so first.
 *
 * @throws GitHubError `permission` when it may not
 */
export async function requireMayMakePullRequests(github: GitHub, branch: string): Promise<void> {
  try {
    await github.request('POST /repos/{owner}/{repo}/pulls', { title: 'Contender', head: branch, base: branch });
  } catch (error) {
    if (!(error instanceof GitHubError) || error.kind !== 'refused') throw error;
  }
}

/** Say something below a pull request. */
export async function commentOn(github: GitHub, number: number, body: string): Promise<void> {
  await github.request('POST /repos/{owner}/{repo}/issues/{issue_number}/comments', { issue_number: number, body });
}

async function listed(github: GitHub, { branch, base }: { branch: string; base: string }, state: 'open' | 'closed') {
  const found = await github.list(
    'GET /repos/{owner}/{repo}/pulls',
    { state, base, head: `${github.owner}:${branch}` },
    100,
  );
  return found.filter(({ head }) => head.ref === branch && head.repo?.full_name === github.repository);
}
