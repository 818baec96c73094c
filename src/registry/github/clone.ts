import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RegistryError } from '../../errors.ts';
import { siteOf } from '../../github/access.ts';
import type { GitHub } from '../../github/client.ts';
import { signedIn } from '../git/credentials.ts';
import { commitAt, openRepository, type Repository } from '../git/repository.ts';
import { gitFault, runGit } from '../git/run.ts';

/**
 * Work on a clone of one branch with its whole history and the tags, without a work tree, which is gone afterwards. A whole registry, and
 * what it was in every commit, is far beyond what the API gives in an hour: git fetches it at once. git needs the token, and gets it in its
 * environment alone, bound to this server: no argument, file or address holds it.
 *
 * @throws RegistryError
 */
export async function withClone<T>(
  { github, token, branch }: { github: GitHub; token: string; branch: string },
  work: (repository: Repository, head: string) => Promise<T>,
): Promise<T> {
  const server = siteOf(github.apiUrl);
  const address = `${server}/${github.repository}`;
  const git = async (folder: string, args: readonly string[]): Promise<void> => {
    const result = await runGit(folder, args, { env: signedIn(server, token) });
    if (result.code !== 0) throw gitFault(address, args, result);
  };
  const folder = await mkdtemp(join(tmpdir(), 'contender-registry-'));
  try {
    const clone = join(folder, 'clone');
    const options = ['--quiet', '--bare', '--single-branch', '--no-tags', `--branch=${branch}`];
    await git(folder, ['clone', ...options, `${address}.git`, clone]);
    // With a branch git fetches only the tags on its history, and a tag beside it tells that the history was rewritten.
    await git(clone, ['fetch', '--quiet', 'origin', '+refs/tags/*:refs/tags/*']);
    const repository = await openRepository(clone);
    const head = await commitAt(repository, `refs/heads/${branch}`);
    if (head === null) throw new RegistryError({ found: `there is no branch ${branch}`, where: github.repository });
    return await work(repository, head);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
