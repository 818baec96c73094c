import { siteOf } from '../../github/access.ts';
import { askedOnce } from './repository.ts';
import { runGit, textOf } from './run.ts';

/**
 * What git needs in its environment to sign in to a server with a token: bound to that server, in no argument, file or address.
 *
 * @param server as `siteOf` gives it
 */
export function signedIn(server: string, token: string): Record<string, string> {
  const count = Number(process.env['GIT_CONFIG_COUNT'] ?? 0);
  const basic = Buffer.from(`x-access-token:${token}`).toString('base64');
  return {
    GIT_CONFIG_COUNT: String(count + 1),
    [`GIT_CONFIG_KEY_${count}`]: `http.${server}/.extraheader`,
    [`GIT_CONFIG_VALUE_${count}`]: `AUTHORIZATION: basic ${basic}`,
  };
}

/**
 * The same for a remote on GitHub over https, where git is not signed in already: a checkout that keeps no credentials
 * (`persist-credentials: false`) can be read and pushed to with the token of the job. Empty for any other remote.
 */
export const credentialsFor = askedOnce(async (repository, remote): Promise<Record<string, string>> => {
  const { token = '', apiUrl } = repository.reach.github ?? {};
  if (token === '') return {};
  const server = siteOf(apiUrl);
  const named = await runGit(repository.folder, ['remote', 'get-url', '--', remote]);
  const url = named.code === 0 ? textOf(named) : remote;
  if (!url.startsWith(`${server}/`)) return {};
  // Two such headers are refused by GitHub.
  const header = await runGit(repository.folder, ['config', '--get-urlmatch', 'http.extraheader', url]);
  return header.code === 0 ? {} : signedIn(server, token);
});
