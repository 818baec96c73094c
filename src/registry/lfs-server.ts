import { join } from 'node:path';
import { RegistryError } from '../errors.ts';
import type { Repository } from './git/repository.ts';
import { runGit, textOf } from './git/run.ts';
import { siteOf } from '../github/access.ts';

export interface LfsServer {
  /** Without a slash at the end. */
  url: URL;
  /** Left out where no token is for this server. */
  headers?: Record<string, string>;
  /** What a person should know when it does not help: empty, or after a blank. */
  note: string;
}

/**
 * The LFS server of a repository: what `lfs.url` says (of git's configuration, or of .lfsconfig), if it is on the host of the remote;
 * else what follows from the remote, or from the repository on GitHub ("Server Discovery", docs/api/server-discovery.md of git-lfs).
 * Anybody may propose a .lfsconfig, so that no other host is asked in its name, and the token is for GitHub's own server alone.
 *
 * @throws RegistryError where nothing says which server it is
 */
export async function lfsServer(repository: Repository, remote: string | undefined, uri: string): Promise<LfsServer> {
  const { token = '', apiUrl, repository: name } = repository.reach.github ?? {};
  const site = siteOf(apiUrl);
  const home =
    remoteUrl(remote === undefined ? '' : await addressOf(repository, remote)) ??
    (name === undefined ? null : new URL(`${site}/${name}`));
  if (home === null) {
    throw new RegistryError({
      found: 'the model is kept in Git LFS, its bytes are not here, and there is no remote to fetch them from',
      where: uri,
      remedy: 'Add the remote (git remote add origin <address>), or fetch them: git lfs fetch --all',
    });
  }
  const named = await configured(repository);
  const isNear = named?.host === home.host && named.protocol === home.protocol;
  const url = isNear ? named : new URL(`${home.origin}${home.pathname.replace(/(?:\.git)?\/*$/u, '')}.git/info/lfs`);
  const basic = Buffer.from(`x-access-token:${token}`).toString('base64');
  return {
    url: new URL(`${url.origin}${url.pathname.replace(/\/+$/u, '')}`),
    ...(token !== '' && url.origin === site ? { headers: { authorization: `Basic ${basic}` } } : {}),
    note:
      named === null || isNear
        ? ''
        : `. lfs.url names another host (${named.host}), which Contender does not contact: fetch from there with git lfs fetch --all`,
  };
}

async function addressOf(repository: Repository, remote: string): Promise<string> {
  return textOf(await runGit(repository.folder, ['remote', 'get-url', '--', remote]));
}

/** The address of a remote over https, whatever git uses; null for a folder. What git signs in with is not ours to use. */
function remoteUrl(remote: string): URL | null {
  const [, host, path] =
    /^ssh:\/\/(?:[^@/]+@)?([^:/]+)(?::[0-9]+)?\/(.+)$/u.exec(remote) ??
    /^(?:[^@/:]+@)([^:/]+):(?!\/\/)(.+)$/u.exec(remote) ??
    [];
  const address = host === undefined ? remote : `https://${host}/${path?.replace(/^\/+/u, '') ?? ''}`;
  if (!/^https?:\/\//u.test(address) || !URL.canParse(address)) return null;
  const { origin, pathname } = new URL(address);
  return new URL(origin + pathname);
}

async function configured(repository: Repository): Promise<URL | null> {
  const places = [[], ...(repository.bare ? [] : [['--file', join(repository.folder, '.lfsconfig')]])];
  for (const place of places) {
    const found = await runGit(repository.folder, ['config', ...place, '--get', 'lfs.url']);
    const text = textOf(found);
    if (found.code === 0 && /^https?:\/\//u.test(text) && URL.canParse(text)) return new URL(text);
  }
  return null;
}
