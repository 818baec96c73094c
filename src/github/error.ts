import { GitHubError, type GitHubErrorKind } from '../errors.ts';

/** An answer that is not a success, as far as it matters. */
export interface FailedResponse {
  /** Such as `POST /repos/{owner}/{repo}/git/refs` or `mutation createCommitOnBranch`. */
  request: string;
  status: number;
  /** What GitHub says, or the beginning of whatever came instead. */
  message: string;
  /** The type of a GraphQL error. */
  type?: string | undefined;
  /** Header x-accepted-github-permissions: what would have been enough. */
  accepted?: string | null | undefined;
  documentation?: string | undefined;
}

const archived = /repository was archived/iu;
const locked = /issue is locked/iu;
/** No permission of a job helps against these. */
const barred =
  /SAML enforcement|IP allow list|locked for migration|access blocked|(?:was|has been) suspended|administrative rules/iu;

/*
 * What GitHub's words mean. 409 and 422 each stand for "something moved, read again" and for "never allowed", so the status
 * alone decides nothing that a message can decide. First match wins.
 */
const meanings: readonly [RegExp, GitHubErrorKind][] = [
  [/secondary rate limit|api rate limit exceeded|abuse detection|rate limit|submitted too quickly/iu, 'limited'],
  [archived, 'refused'],
  [locked, 'refused'],
  [barred, 'refused'],
  [/bad credentials|requires authentication|must be authenticated/iu, 'credentials'],
  [
    /rule violations? found|being restricted|protected branch|protected ref|branch protection|cannot (?:force-push|update) .*protected/iu,
    'rules',
  ],
  [/must be made through a pull request|approving reviews? (?:is|are) required|required status check/iu, 'rules'],
  [/must have verified signatures|merge queue|branch is locked|not authorized to push to this branch/iu, 'rules'],
  [/not permitted to create or approve pull requests/iu, 'permission'],
  [
    /resource not accessible|must have (?:push|write|admin)|permission to .* denied|insufficient.*scope|write access/iu,
    'permission',
  ],
  [/expected branch to point to|is at [0-9a-f]+ but expected|does not match [0-9a-f]{40}/iu, 'conflict'],
  [
    /not a fast.?forward|reference cannot be updated|base branch was modified|head (?:branch|sha) was modified/iu,
    'conflict',
  ],
  [/reference already exists|already_exists|pull request already exists/iu, 'exists'],
  [/reference update failed/iu, 'rules'],
  [/not found|does not exist|could not resolve to/iu, 'absent'],
  [/something went wrong|timeout|timed out/iu, 'unavailable'],
];

const kindOfType: Record<string, GitHubErrorKind> = {
  STALE_DATA: 'conflict',
  FORBIDDEN: 'permission',
  INSUFFICIENT_SCOPES: 'permission',
  NOT_FOUND: 'absent',
  RATE_LIMITED: 'limited',
  BRANCH_PROTECTION_RULE_VIOLATION: 'rules',
  REPOSITORY_RULE_VIOLATION: 'rules',
};

const kindOfStatus: Record<number, GitHubErrorKind> = {
  401: 'credentials',
  403: 'permission',
  404: 'absent',
  410: 'absent',
  429: 'limited',
};

export function kindOf({ status, message, type }: FailedResponse): GitHubErrorKind {
  if (status >= 500) return 'unavailable';
  const said = meanings.find(([pattern]) => pattern.test(message))?.[1];
  return said ?? kindOfType[type ?? ''] ?? kindOfStatus[status] ?? 'refused';
}

/** The error a person reads: what was asked, what GitHub said, and what to do. */
export function githubError(failed: FailedResponse, repository: string): GitHubError {
  const kind = kindOf(failed);
  const said = oneLine(failed.message);
  return new GitHubError(
    kind,
    {
      found: said === '' ? `GitHub answered ${failed.status}` : `GitHub answered ${failed.status}: ${said}`,
      where: failed.request.replace('{owner}/{repo}', repository),
      remedy: remedies[kind](failed),
    },
    kind === 'unavailable',
  );
}

/** Text from outside as one short line. */
export function oneLine(text: string): string {
  // eslint-disable-next-line no-control-regex
  const line = text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+|\s+/gu, ' ').trim();
  return line.length > 400 ? `${line.slice(0, 400)}...` : line;
}

const remedies: Record<GitHubErrorKind, (failed: FailedResponse) => string | undefined> = {
  conflict: () => 'Another process changed it at the same time. Run again',
  exists: () => undefined,
  rules: () =>
    'A branch protection rule or ruleset forbids it. Record on a separate branch (registry.branch), or through a pull request (registry.pull_request: when-protected)',
  permission: (failed) => permissionRemedy(failed),
  credentials: () =>
    'Pass a token that is valid: in a workflow, token: ${{ github.token }}; on a machine, GITHUB_TOKEN in the environment. The token of a GitHub App expires after an hour',
  absent: () => 'It is not there, or the token may not see it',
  limited: () => 'Wait for the limit to reset and run again',
  unavailable: () => 'Check https://www.githubstatus.com and run again',
  refused: ({ message, documentation }) =>
    archived.test(message)
      ? 'Unarchive the repository (Settings > General > Danger Zone), or keep the registry in another'
      : locked.test(message)
        ? 'Unlock the conversation (the link at the side of the pull request or issue)'
        : documentation === undefined
          ? undefined
          : `See ${documentation}`,
};

/** A setting of the repository, and no permission of the token, keeps workflows from making pull requests. */
export function isForbiddenBySetting(message: string): boolean {
  return /not permitted to create or approve pull requests/iu.test(message);
}

function permissionRemedy({ request, message, accepted }: FailedResponse): string {
  if (isForbiddenBySetting(message)) {
    return 'Allow it: Settings > Actions > General > Workflow permissions > Allow GitHub Actions to create and approve pull requests (an organisation has the same setting), or pass the token of a GitHub App';
  }
  const wanted = grants(accepted ?? '') ?? permissionOf(request);
  if (/by personal access token/iu.test(message)) {
    return `Give the personal access token access to the repository with the permission ${wanted.join(', ')} (a classic token: the scope repo)`;
  }
  const yaml = `permissions:\n  ${wanted.join('\n  ')}\n`;
  return `Give the job the permission (unlisted permissions default to none):\n\n${yaml}`;
}

/** `contents=write; pull_requests=write,issues=read`: alternatives, each a list. The first is enough. */
function grants(accepted: string): string[] | undefined {
  const first = accepted.split(';')[0] ?? '';
  const found = [...first.matchAll(/([a-z_]+)=(read|write)/gu)].map(
    ([, scope = '', access = '']) => `${scope.replaceAll('_', '-')}: ${access}`,
  );
  return found.length === 0 ? undefined : found;
}

function permissionOf(request: string): string[] {
  const access = /^(?:GET|HEAD|query)\b/u.test(request) ? 'read' : 'write';
  const scope = scopes.find(([pattern]) => pattern.test(request))?.[1] ?? 'contents';
  return [`${scope}: ${access}`];
}

const scopes: readonly [RegExp, string][] = [
  [/\/pulls\b|PullRequest/u, 'pull-requests'],
  // A comment on a pull request is one on an issue to the API; this permission covers it.
  [/\/issues\/.*\bcomments\b/u, 'pull-requests'],
  [/\/issues\b/u, 'issues'],
  [/\/deployments\b/u, 'deployments'],
  [/\/check-(?:runs|suites)\b/u, 'checks'],
  [/\/statuses\b/u, 'statuses'],
  [/\/actions\b/u, 'actions'],
  [/\/attestations\b/u, 'attestations'],
];
