import { siteOf, type GitHubAccess } from '../github/access.ts';
import type { Log } from '../log.ts';
import { openGitHub } from '../github/client.ts';
import type { Address } from './hops.ts';

/** In the path of the address that a person has of a file of a release. */
const releasePath = /^\/([^/]+)\/([^/]+)\/releases\/download\/([^/]+)\/([^/]+)$/u;

/**
 * Where the API serves the file of a release that a person names by its address in the browser, `https://github.com/<owner>/<name>/
 * releases/download/<tag>/<file>`: of a private repository only the API gives it, to who has a token. Null for any other address, and
 * where there is no such file or no token.
 */
export async function releaseAsset(url: URL, { token, apiUrl }: GitHubAccess, log: Log): Promise<Address | null> {
  const path = releasePath.exec(url.pathname);
  if (path === null || token === undefined || token === '' || url.origin !== siteOf(apiUrl)) return null;
  const [owner = '', repo = '', tag = '', name = ''] = path.slice(1).map(decodeURIComponent);
  const github = openGitHub({ repository: `${owner}/${repo}`, token, apiUrl, log });
  const release = await github.find('GET /repos/{owner}/{repo}/releases/tags/{tag}', { tag });
  const asset = release?.assets.find((each) => each.name === name);
  if (asset === undefined) return null;
  return {
    url: new URL(`${github.apiUrl}/repos/${github.owner}/${github.repo}/releases/assets/${asset.id}`),
    headers: { accept: 'application/octet-stream', authorization: `Bearer ${token}` },
  };
}

/** The address of a file of a release, as a person has it. */
export function releaseAddress(site: string, repository: string, tag: string, file: string): string {
  return `${site}/${repository}/releases/download/${encodeURIComponent(tag)}/${assetName(file)}`;
}

export function isReleaseAddress(url: URL): boolean {
  return releasePath.test(url.pathname);
}

/** The name that a file has in a release: GitHub turns other characters into dots. */
export function assetName(name: string): string {
  return name.replace(/[^A-Za-z0-9._-]+/gu, '.');
}
