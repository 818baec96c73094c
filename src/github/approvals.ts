import { GitHubError } from '../errors.ts';
import type { Approval } from '../evidence/index.ts';
import type { GitHub } from './client.ts';

/** What a run is about, as far as people approve it. */
export interface ApprovedRun {
  /** The commit that brought what is judged. */
  commit: string;
  /** Of a run on a pull request: its number. */
  pullRequest?: number | undefined;
  /** Id of the workflow run, if it is about that commit. */
  run?: number | undefined;
  /** The only environment whose approval counts. Default: any. */
  environment?: string | undefined;
  /** Logins of those who started the run, or ran it again. */
  startedBy: readonly string[];
}

/** No commit, pull request or run is near so many. */
const most = { pullRequests: 100, reviews: 1000 };

interface PullRequest {
  number: number;
  user: { login: string } | null;
  head: { sha: string };
}

/**
 * Who approved what is judged: reviewers of the pull request (the merged one that brought the commit, or the one that the run is
 * on) whose last review of its **last commit** approves it, and reviewers of the environments that the workflow run waited for.
 * Whoever wrote the pull request does not count, and where there is none nobody who started the run.
 *
 * GitHub does not say when an environment was approved: it is told with the time it was read, `now`.
 *
 * @throws GitHubError also when the token may not read them: nobody's word is taken for missing because it was not looked at
 */
export async function approvalsOf(github: GitHub, about: ApprovedRun, now: Date): Promise<Approval[]> {
  const pulls = await pullRequestsOf(github, about);
  const authors = new Set(
    (pulls.length === 0 ? about.startedBy : pulls.map(({ user }) => user?.login ?? '')).map(lowerCase),
  );
  const given: Approval[] = [];
  for (const { number, head } of pulls) given.push(...(await reviewApprovals(github, number, head.sha)));
  if (about.run !== undefined) given.push(...(await environmentApprovals(github, about.run, about.environment, now)));
  return given.filter(({ by }) => !authors.has(lowerCase(by)));
}

/** None where the commit came another way. */
async function pullRequestsOf(github: GitHub, { commit, pullRequest }: ApprovedRun): Promise<PullRequest[]> {
  if (pullRequest !== undefined) {
    return [await github.request('GET /repos/{owner}/{repo}/pulls/{pull_number}', { pull_number: pullRequest })];
  }
  const route = 'GET /repos/{owner}/{repo}/commits/{commit_sha}/pulls';
  const found = await github.list(route, { commit_sha: commit }, most.pullRequests);
  return found.filter((pull) => pull.merged_at !== null);
}

/** One of each reviewer: the last that says yes or no (a comment says neither), if it is a yes to this very commit. */
async function reviewApprovals(github: GitHub, number: number, head: string): Promise<Approval[]> {
  const reviews = await github.list(
    'GET /repos/{owner}/{repo}/pulls/{pull_number}/reviews',
    { pull_number: number },
    most.reviews,
  );
  const last = new Map<string, Approval | null>();
  // Oldest first, as GitHub lists them.
  for (const { user, state, commit_id: commit, submitted_at: at } of reviews) {
    if (user === null || state === 'COMMENTED' || state === 'PENDING') continue;
    const approves = state === 'APPROVED' && commit === head;
    last.set(lowerCase(user.login), approves ? { by: user.login, at: at ?? '', source: reviewSource(number) } : null);
  }
  return [...last.values()].filter((each) => each !== null);
}

async function environmentApprovals(
  github: GitHub,
  run: number,
  only: string | undefined,
  now: Date,
): Promise<Approval[]> {
  const given = await github.request('GET /repos/{owner}/{repo}/actions/runs/{run_id}/approvals', { run_id: run });
  // GitHub tells names of environments apart whatever their case.
  const isWanted = (name = ''): boolean => only === undefined || lowerCase(name) === lowerCase(only);
  return given.flatMap(({ state, user, environments }) =>
    state === 'approved' && user !== null && environments.some(({ name }) => isWanted(name))
      ? [{ by: user.login, at: now.toISOString(), source: environmentSource(environments, run) }]
      : [],
  );
}

/**
 * Whether an approval that a decision keeps was given where it says. A review counts also where it was dismissed since.
 *
 * @throws GitHubError also when the token may not read it
 */
export async function wasGiven(github: GitHub, { by, at, source = '' }: Approval): Promise<boolean> {
  const ofThem = (user: { login: string } | null): boolean => lowerCase(user?.login ?? '') === lowerCase(by);
  const pull = Number(/ ([1-9][0-9]{0,8})$/u.exec(source)?.[1]);
  if (source === reviewSource(pull)) {
    const route = 'GET /repos/{owner}/{repo}/pulls/{pull_number}/reviews';
    const reviews = await orNone(github.list(route, { pull_number: pull }, most.reviews));
    return reviews.some(
      ({ user, state, submitted_at: time }) =>
        ofThem(user) && time === at && (state === 'APPROVED' || state === 'DISMISSED'),
    );
  }
  const run = Number(/ of run ([1-9][0-9]{0,15})$/u.exec(source)?.[1]);
  if (Number.isNaN(run)) return false;
  const route = 'GET /repos/{owner}/{repo}/actions/runs/{run_id}/approvals';
  const given = await orNone(github.request(route, { run_id: run }));
  return given.some(
    ({ user, state, environments }) =>
      ofThem(user) && state === 'approved' && source === environmentSource(environments, run),
  );
}

/** What is not there has none. */
async function orNone<T>(asking: Promise<T[]>): Promise<T[]> {
  return asking.catch((error: unknown) => {
    if (error instanceof GitHubError && error.kind === 'absent') return [];
    throw error;
  });
}

function reviewSource(pullRequest: number): string {
  return `review of pull request ${pullRequest}`;
}

function environmentSource(environments: readonly { name?: string }[], run: number): string {
  return `environment ${environments.map(({ name }) => name ?? '').join(', ')} of run ${run}`;
}

function lowerCase(login: string): string {
  return login.toLowerCase();
}
