import { GitHubError } from '../src/errors.ts';
import type { GitHub } from '../src/github/client.ts';

/** What `plainGitHub` can do of the client that the actions use. */
type Method = 'request' | 'find' | 'list' | 'upload';

/**
 * As much of GitHub's API as a release takes, with nothing but Node: where the token is that publishes, no code of a package runs.
 * It has no patience: whoever runs a release again completes it.
 */
export function plainGitHub(apiUrl: string, repository: string, token: string): GitHub {
  const [owner = '', repo = ''] = repository.split('/');

  async function send(method: string, url: URL, body?: { type: string; bytes: string | Blob }): Promise<Response> {
    const response = await fetch(url, {
      method,
      headers: {
        accept: 'application/vnd.github+json',
        authorization: `Bearer ${token}`,
        'user-agent': 'contender-release',
        'x-github-api-version': '2022-11-28',
        ...(body === undefined ? {} : { 'content-type': body.type }),
      },
      ...(body === undefined ? {} : { body: body.bytes }),
    });
    if (response.ok) return response;
    throw new GitHubError(response.status === 404 ? 'absent' : 'refused', {
      found: `GitHub answered ${response.status} to ${method} ${url.pathname}: ${await response.text()}`,
      remedy: 'Run the workflow again: what is there already is left as it is',
    });
  }

  /** `GET /repos/{owner}/{repo}/releases`: what the path does not take goes into the query, or the body. */
  async function call(route: string, parameters: Record<string, unknown>): Promise<unknown> {
    const [method = '', template = ''] = route.split(' ');
    const rest: Record<string, unknown> = { owner, repo, ...parameters };
    const path = template.replace(/\{(\w+)\}/gu, (_, name: string) => {
      const value = String(rest[name]);
      delete rest[name];
      return name === 'owner' || name === 'repo' ? value : encodeURIComponent(value);
    });
    for (const name of ['owner', 'repo']) delete rest[name];
    const url = new URL(`${apiUrl}${path}`);
    if (method === 'GET') for (const [name, value] of Object.entries(rest)) url.searchParams.set(name, String(value));
    const body =
      method === 'GET' || method === 'DELETE' ? undefined : { type: 'application/json', bytes: JSON.stringify(rest) };
    const text = await (await send(method, url, body)).text();
    return text === '' ? null : (JSON.parse(text) as unknown);
  }

  const methods: Record<Method, (...parameters: never[]) => Promise<unknown>> = {
    request: call,
    find: (route: string, parameters: Record<string, unknown>) =>
      call(route, parameters).catch((error: unknown) => {
        if (error instanceof GitHubError && error.kind === 'absent') return null;
        throw error;
      }),
    async list(route: string, parameters: Record<string, unknown>) {
      const items: unknown[] = [];
      for (let page = 1; ; page++) {
        const answer = (await call(route, { ...parameters, per_page: 100, page })) as object;
        // Some listings are in an object, beside their count.
        const found = [answer, ...Object.values(answer)].find((each) => Array.isArray(each)) as unknown[] | undefined;
        items.push(...(found ?? []));
        if ((found?.length ?? 0) < 100) return items;
      }
    },
    async upload(uploadUrl: string, { name, type, bytes }: { name: string; type: string; bytes: Blob }) {
      const url = new URL(uploadUrl.replace(/\{.*\}$/u, ''));
      url.searchParams.set('name', name);
      return (await send('POST', url, { type, bytes })).json();
    },
  };
  return methods as unknown as GitHub;
}
