import type { GitHub, GitHubInput } from './client.ts';

export interface GitHubAccess {
  /** owner/name */
  repository?: string | undefined;
  token?: string | undefined;
  /** Address of the API (default: github.com's). */
  apiUrl?: string | undefined;
  /** Who started the run, or ran it again. */
  triggeredBy?: string | undefined;
}

/** What the environment of a workflow step, or of a person who set it so, says of GitHub. */
export function gitHubAccess(env: NodeJS.ProcessEnv, token = env['GITHUB_TOKEN']): GitHubAccess {
  return {
    repository: env['GITHUB_REPOSITORY'],
    token,
    apiUrl: env['GITHUB_API_URL'],
    triggeredBy: env['GITHUB_TRIGGERING_ACTOR'],
  };
}

/** The pages, and the repositories, of github.com (or a tenant of ghe.com) for its API, or of an Enterprise server, whose API lies below /api/v3. */
export function siteOf(apiUrl = 'https://api.github.com'): string {
  const { origin, pathname } = new URL(apiUrl);
  return pathname === '/' ? origin.replace('://api.', '://') : origin;
}

/** Null where no repository or no token is given. */
export async function gitHubOf(
  { repository = '', token = '', apiUrl }: GitHubAccess = {},
  { log, signal }: Pick<GitHubInput, 'log' | 'signal'>,
): Promise<GitHub | null> {
  if (repository === '' || token === '') return null;
  const { openGitHub } = await import('./client.ts');
  return openGitHub({ repository, token, apiUrl, log, signal });
}
