import type { Source } from '../evidence/index.ts';

/*
 * Addresses of pages on GitHub. Parts of them come from a decision, which may be anybody's: what has not the form of a
 * repository, a commit or a run has no address.
 */

/** Address of a GitHub server; absent: https://github.com, null: nothing is to be linked. */
export type Server = string | null | undefined;

/** The page of the commit that was judged. */
export function commitAddress({ repository, sha }: Source, server: Server): string | undefined {
  return /^[0-9a-f]{40}$/u.test(sha ?? '') ? pageOf(server, repository, `commit/${sha}`) : undefined;
}

/** The page of the workflow run that judged it. */
export function runAddress({ repository, run }: Source, server: Server): string | undefined {
  return /^\d+$/u.test(run ?? '') ? pageOf(server, repository, `actions/runs/${run}`) : undefined;
}

function pageOf(server: Server, repository: string | undefined, path: string): string | undefined {
  if (server === null || repository === undefined || !/^[\w-]+\/[\w.-]+$/u.test(repository)) return undefined;
  return `${server ?? 'https://github.com'}/${repository}/${path}`;
}
