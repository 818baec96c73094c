import type { Endpoints } from '@octokit/types';
import { GitHubError } from '../errors.ts';
import type { Log } from '../log.ts';
import { kindOf, oneLine, githubError, type FailedResponse } from './error.ts';
import { requestWithOctokit, type OctokitAnswer } from './octokit.ts';
import { patiently, type Outcome, type Patience } from './retry.ts';
import { isObject } from '../json.ts';

export interface GitHubInput {
  /** `owner/name` of the repository that is asked. */
  repository: string;
  token: string;
  /** GITHUB_API_URL: of github.com or a GitHub Enterprise server. */
  apiUrl?: string | undefined;
  log: Log;
  signal?: AbortSignal | undefined;
  /** Time limit of one request. */
  timeoutMs?: number;
  patience?: Partial<Patience>;
}

type Parameters<R extends keyof Endpoints> = Omit<Endpoints[R]['parameters'], 'owner' | 'repo'> & {
  owner?: string;
  repo?: string;
  headers?: Record<string, string>;
};
type Data<R extends keyof Endpoints> = Endpoints[R]['response'] extends { data: infer D } ? D : never;
type Item<D> = D extends readonly (infer I)[]
  ? I
  : D extends object
    ? Item<Extract<D[keyof D], readonly unknown[]>>
    : never;

/** GitHub's API for one repository: retries passing errors and reports the others. */
export interface GitHub {
  owner: string;
  repo: string;
  /** `owner/name`. */
  repository: string;
  apiUrl: string;
  /** A REST call, such as `request('GET /repos/{owner}/{repo}/git/ref/{ref}', { ref })`. @throws GitHubError */
  request<R extends keyof Endpoints>(
    route: R,
    parameters: Parameters<R>,
    options?: Partial<Pick<Call, 'repeatable'>>,
  ): Promise<Data<R>>;
  /** The same, or null when what was asked for is not there. */
  find<R extends keyof Endpoints>(route: R, parameters: Parameters<R>): Promise<Data<R> | null>;
  /** Every item of a listing, page by page, at most `limit`. @throws GitHubError */
  list<R extends keyof Endpoints>(route: R, parameters: Parameters<R>, limit?: number): Promise<Item<Data<R>>[]>;
  /** The bytes of an answer that is not JSON. @throws GitHubError */
  bytes<R extends keyof Endpoints>(route: R, parameters: Parameters<R>): Promise<Buffer>;
  /**
   * Upload a file to a release.
   *
   * @param uploadUrl the release's `upload_url`
   * @param bytes a Blob of a file (`fs.openAsBlob`) is streamed
   * @throws GitHubError also when the address is not one of GitHub's own
   */
  upload(
    uploadUrl: string,
    file: { name: string; label?: string; type: string; bytes: Uint8Array<ArrayBuffer> | Blob },
  ): Promise<Data<'GET /repos/{owner}/{repo}/releases/assets/{asset_id}'>>;
  /** A GraphQL query or mutation. @throws GitHubError */
  graphql<T>(query: string, variables: Record<string, unknown>): Promise<T>;
}

const defaultTimeoutMs = 30_000;
const uploadTimeoutMs = 15 * 60_000;
/** No answer that is read whole is near this. */
const maximumBytes = 100 * 1024 * 1024;

/** Never-sent requests are known by how the connection failed (Node's and undici's codes). */
const neverSent = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
]);

/**
 * Ask GitHub about one repository.
 *
 * Faults that pass (5xx, lost connections, time limits, rate limits) are waited out with jittered, growing pauses; what the
 * server says in retry-after is obeyed. A request that may have been carried out is repeated only where that is harmless.
 *
 * @throws GitHubError for a repository that is not owner/name
 */
export function openGitHub(input: GitHubInput): GitHub {
  const [owner, repo] = ownerAndName(input.repository);
  const apiUrl = (input.apiUrl ?? 'https://api.github.com').replace(/\/+$/u, '');
  const sendOnce = requestWithOctokit({ token: input.token, apiUrl, log: input.log });

  /** Send and read until there is an answer that is final. */
  async function send<T>(
    { name, route, parameters, repeatable, timeoutMs = input.timeoutMs ?? defaultTimeoutMs }: Call,
    read: (answer: OctokitAnswer) => Promise<Outcome<T>>,
  ): Promise<T> {
    const attempt = async (): Promise<Outcome<T>> => {
      const timeout = AbortSignal.timeout(timeoutMs);
      const signal = input.signal === undefined ? timeout : AbortSignal.any([input.signal, timeout]);
      try {
        const answer = await sendOnce(route, { owner, repo, ...parameters, request: { signal } });
        return answer.status < 300 ? await read(answer) : refused(answer, name, input.repository);
      } catch (error) {
        if (input.signal?.aborted === true) throw error;
        return { error: connectionError(error, name), pause: null };
      }
    };
    return patiently(attempt, {
      repeatable,
      patience: input.patience ?? {},
      onPause: (error, ms) => input.log.debug(`${name}: ${error.fault.found}; again in ${Math.round(ms)} ms`),
      signal: input.signal,
    });
  }

  const request: GitHub['request'] = (route, parameters, options) =>
    send({ ...callOf(route, parameters), ...options }, async (answer) => ({ done: await readJson(answer, route) }));

  return {
    owner,
    repo,
    repository: input.repository,
    apiUrl,
    request,
    bytes: (route, parameters) =>
      send(callOf(route, parameters), async ({ data }) => ({ done: await readBytes(data, route) })),
    async find(route, parameters) {
      try {
        return await request(route, parameters);
      } catch (error) {
        if (error instanceof GitHubError && error.kind === 'absent') return null;
        throw error;
      }
    },
    async list<R extends keyof Endpoints>(route: R, parameters: Parameters<R>, limit = 10_000) {
      const items: Item<Data<R>>[] = [];
      let next: Call | null = callOf(route, { per_page: 100, ...parameters });
      while (next !== null && items.length < limit) {
        const page: { answer: unknown; url: string | null } = await send(next, async (answer) => ({
          done: { answer: await readJson(answer, route), url: nextPage(answer.headers.link, apiUrl) },
        }));
        items.push(...itemsOf<Item<Data<R>>>(page.answer));
        next = page.url === null ? null : { ...callOf(route, {}), route: `GET ${page.url}` };
      }
      return items.slice(0, limit);
    },
    async upload(uploadUrl, { name, label, type, bytes }) {
      const url = new URL(uploadUrl.replace(/\{.*$/u, ''));
      const home = new URL(apiUrl);
      if (url.origin !== home.origin && url.host !== home.host.replace(/^api\./u, 'uploads.')) {
        throw new GitHubError('refused', {
          found: `GitHub returned an upload address at another host: ${url.host}`,
          expected: home.host,
        });
      }
      const parameters = { name, ...(label === undefined ? {} : { label }), headers: { 'content-type': type } };
      const call: Call = {
        name: 'POST /repos/{owner}/{repo}/releases/{release_id}/assets',
        route: `POST ${url.href}{?name,label}`,
        // All other parameters would be the body.
        parameters: { ...parameters, data: bytes },
        repeatable: false,
        timeoutMs: uploadTimeoutMs,
      };
      return send(call, async (answer) => ({ done: await readJson(answer, call.name) }));
    },
    async graphql<T>(query: string, variables: Record<string, unknown>) {
      const name = /(?:query|mutation)\s+\w+/u.exec(query)?.[0] ?? 'query';
      const call: Call = {
        name,
        route: `POST ${graphqlUrl(apiUrl)}`,
        parameters: { data: { query, variables } },
        repeatable: !name.startsWith('mutation'),
      };
      // A rate limit or a passing fault may come as an error in an answer of status 200.
      return send<T>(call, async (whole) => {
        const { status, headers } = whole;
        const answer = await readJson<{ data?: T; errors?: { type?: string; message?: string }[] }>(whole, name);
        const [error] = answer.errors ?? [];
        if (error === undefined && answer.data !== undefined && answer.data !== null) return { done: answer.data };
        const said = { status, message: error?.message ?? 'no data', type: error?.type };
        return { error: githubError({ request: name, ...said }, input.repository), pause: retryAfter(headers) };
      });
    },
  };
}

interface Call {
  /** What messages call it. */
  name: string;
  route: string;
  parameters: object;
  /**
   * Carrying the request out twice is as good as once, so it may be repeated when nobody knows whether it was carried out.
   * Default: all but POST, and GraphQL queries.
   */
  repeatable: boolean;
  timeoutMs?: number;
}

function callOf(route: keyof Endpoints, parameters: object): Call {
  return { name: route, route, parameters, repeatable: !route.startsWith('POST ') };
}

/** A GitHub Enterprise server has GraphQL beside /api/v3 ("GraphQL API", GitHub Enterprise Server docs). */
function graphqlUrl(apiUrl: string): string {
  return apiUrl.endsWith('/api/v3') ? `${apiUrl.slice(0, -'/v3'.length)}/graphql` : `${apiUrl}/graphql`;
}

function refused({ status, headers, data }: OctokitAnswer, name: string, repository: string): Outcome<never> {
  const body = isObject(data) ? data : null;
  const text = typeof data === 'string' ? data : '';
  const failed: FailedResponse = {
    request: name,
    status,
    message: messageOf(body) ?? (text.trimStart().startsWith('<') ? 'a page instead of an answer' : text),
    accepted: headers['x-accepted-github-permissions'],
    documentation: typeof body?.['documentation_url'] === 'string' ? oneLine(body['documentation_url']) : undefined,
  };
  // Any answer may be the last that the limit allows: only these say that it was reached.
  const spent = headers['x-ratelimit-remaining'] === '0' && [403, 429].includes(status);
  const limited = kindOf(failed) === 'limited' || spent;
  const error = githubError(limited ? { ...failed, status: 429 } : failed, repository);
  return { error, pause: retryAfter(headers) };
}

/** The message, with the details of the errors below it: a 422 often says only there what it is about. */
function messageOf(body: Record<string, unknown> | null): string | undefined {
  if (typeof body?.['message'] !== 'string') return undefined;
  const errors = Array.isArray(body['errors']) ? (body['errors'] as unknown[]) : [];
  const details = errors.map((each) => {
    if (typeof each === 'string') return each;
    const { message, code, resource, field } = (each ?? {}) as Record<string, unknown>;
    return message ?? [resource, field, code].filter((part) => typeof part === 'string').join(' ');
  });
  return [body['message'], ...details.filter((each): each is string => typeof each === 'string' && each !== '')].join(
    '. ',
  );
}

/** How long the server wants to be left alone, in milliseconds ("Best practices for using the REST API", GitHub docs). */
function retryAfter(headers: OctokitAnswer['headers']): number | null {
  const seconds = Number(headers['retry-after'] ?? Number.NaN);
  if (Number.isFinite(seconds) && seconds >= 0) return seconds * 1000;
  const reset = Number(headers['x-ratelimit-reset'] ?? Number.NaN);
  if (headers['x-ratelimit-remaining'] !== '0' || !Number.isFinite(reset)) return null;
  return Math.max(0, reset * 1000 - Date.now());
}

function connectionError(error: unknown, name: string): GitHubError {
  if (error instanceof GitHubError) return error;
  const { cause, message, name: kind } = error as Error & { cause?: { code?: string; message?: string } };
  const found =
    kind === 'TimeoutError'
      ? 'GitHub did not answer in time'
      : `GitHub cannot be reached (${oneLine(cause?.code ?? cause?.message ?? message)})`;
  return new GitHubError(
    'unavailable',
    {
      found,
      where: name,
      remedy: 'Check the network, the proxy and https://www.githubstatus.com, and run again',
      cause: error,
    },
    !neverSent.has(cause?.code ?? ''),
  );
}

async function readJson<T>({ status, data }: OctokitAnswer, name: string): Promise<T> {
  const text = (await readBytes(data, name)).toString('utf8');
  // No content.
  if (status === 204) return undefined as T;
  try {
    return JSON.parse(text) as T;
  } catch (cause) {
    throw new GitHubError(
      'unavailable',
      {
        found: `the answer is ${text === '' ? 'empty' : 'not JSON'}`,
        where: name,
        remedy: 'Check the network, the proxy and https://www.githubstatus.com, and run again',
        cause,
      },
      true,
    );
  }
}

/** @param body a stream of bytes; anything else is an answer without a body */
async function readBytes(body: unknown, name: string): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const part of body instanceof ReadableStream ? (body as ReadableStream<Uint8Array>) : []) {
      size += part.length;
      if (size > maximumBytes) {
        throw new GitHubError('refused', { found: `an answer of more than ${maximumBytes} bytes`, where: name });
      }
      parts.push(part);
    }
  } catch (error) {
    throw connectionError(error, name);
  }
  return Buffer.concat(parts);
}

/** The next page, if it is on the same server: the token goes nowhere else. */
function nextPage(link: string | undefined, apiUrl: string): string | null {
  const next = /<([^>]+)>;\s*rel="next"/u.exec(link ?? '')?.[1];
  return next !== undefined && next.startsWith(`${apiUrl}/`) ? next : null;
}

/** A listing is an array, or an object with one. */
function itemsOf<T>(answer: unknown): T[] {
  if (Array.isArray(answer)) return answer as T[];
  return (Object.values(answer ?? {}).find((value) => Array.isArray(value)) ?? []) as T[];
}

function ownerAndName(repository: string): [string, string] {
  const [, owner, repo] = /^([A-Za-z0-9](?:[A-Za-z0-9_-]*))\/([A-Za-z0-9._-]+)$/u.exec(repository) ?? [];
  if (owner !== undefined && repo !== undefined && !/^\.+$/u.test(repo)) return [owner, repo];
  throw new GitHubError('refused', {
    found: `invalid repository name ${JSON.stringify(repository)}`,
    expected: 'owner/name',
    remedy: 'Set registry.repository, or run in a workflow, where GITHUB_REPOSITORY is set',
  });
}
