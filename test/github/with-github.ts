import { silentLog } from '../../src/log.ts';
import { openGitHub, type GitHub, type GitHubInput } from '../../src/github/client.ts';
import { startGitHub, type GitHubStandIn, type TokenInput } from '../support/github-api/server.ts';
import { inTemporaryFolder } from '../support/project.ts';
import { repositoryName } from './repository-name.ts';

export { repositoryName };

/** Pauses short enough for a test. */
export const hasty = { baseMs: 2, capMs: 20, limitedMs: 5 };

/** Run `work` against a stand-in for GitHub with one private repository, `acme/models`. */
export function withGitHub<T>(work: (server: GitHubStandIn) => Promise<T>): Promise<T> {
  return inTemporaryFolder(async (folder) => {
    const server = await startGitHub(folder);
    try {
      await server.create(repositoryName);
      return await work(server);
    } finally {
      await server.close();
    }
  });
}

/** A client with a token of its own. */
export function clientOf(server: GitHubStandIn, token: TokenInput = {}, input: Partial<GitHubInput> = {}): GitHub {
  return openGitHub({
    repository: repositoryName,
    apiUrl: server.url,
    token: server.token(token),
    log: silentLog,
    patience: hasty,
    ...input,
  });
}
