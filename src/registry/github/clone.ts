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
 * Work on a clone of one branch, which is gone afterwards. A whole registry, and what it was in every commit, is far beyond what the
 * API gives in an hour: git fetches it at once.
 *
 * @throws RegistryError
 */
export async function withClone<T>(
  input: { github: GitHub; token: string; branch: string },
  work: (repository: Repository, head: string) => Promise<T>,
): Promise<T> {
  const temporary = await mkdtemp(join(tmpdir(), 'contender-registry-'));
  try {
    const { repository, head } = await cloneBranch({ ...input, into: join(temporary, 'clone') });
    return await work(repository, head);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/**
 * Clone one branch with its whole history and the tags, without a work tree. git needs the token, and gets it in its environment
 * alone, bound to this server: no argument, file or address holds it.
 *
 * @throws RegistryError
 */
async function cloneBranch(input: {
  github: GitHub;
  token: string;
  branch: string;
  into: string;
}): Promise<{ repository: Repository; head: string }> {
  const { github, token, branch, into } = input;
  const server = siteOf(github.apiUrl);
  const env = signedIn(server, token);
  const args = [
    'clone',
    '--quiet',
    '--bare',
    '--single-branch',
    '--no-tags',
    `--branch=${branch}`,
    `${server}/${github.repository}.git`,
    into,
  ];
  const result = await runGit(process.cwd(), args, { env });
  if (result.code !== 0) throw gitFault(`${server}/${github.repository}`, args, result);
  // With a branch git fetches only the tags on its history, and a tag beside it tells that the history was rewritten.
  const tags = ['fetch', '--quiet', 'origin', '+refs/tags/*:refs/tags/*'];
  const fetched = await runGit(into, tags, { env });
  if (fetched.code !== 0) throw gitFault(`${server}/${github.repository}`, tags, fetched);
  const repository = await openRepository(into);
  const head = await commitAt(repository, `refs/heads/${branch}`);
  if (head === null) throw new RegistryError({ found: `there is no branch ${branch}`, where: github.repository });
  return { repository, head };
}
