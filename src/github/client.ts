import { endpoint } from '@octokit/endpoint';
import type { Endpoints } from '@octokit/types';
import { GitHubError } from '../errors.ts';
import type { Log } from '../log.ts';
import { version } from '../version.ts';
import { kindOf, oneLine, refusalError, type Refusal } from './fault.ts';
import { connect } from './proxy.ts';
import { patiently, type Attempt, type Patience } from './retry.ts';

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

export interface CallOptions {
  /**
   * Carrying the request out twice is as good as once, so it may be repeated when nobody knows whether it was carried out.
   * Default: all but POST, and GraphQL queries.
   */
  repeatable?: boolean;
  timeoutMs?: number;
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

/** GitHub's API for one repository: patient with faults that pass, and honest about those that do not. */
export interface GitHub {
  owner: string;
  repo: string;
  /** `owner/name`. */
  repository: string;
  apiUrl: string;
  /** A REST call, such as `request('GET /repos/{owner}/{repo}/git/ref/{ref}', { ref })`. @throws GitHubError */
  request<R extends keyof Endpoints>(route: R, parameters: Parameters<R>, options?: CallOptions): Promise<Data<R>>;
  /** The same, or null when what was asked for is not there. */
  find<R extends keyof Endpoints>(route: R, parameters: Parameters<R>): Promise<Data<R> | null>;
  /** Every item of a listing, page by page, at most `limit`. @throws GitHubError */
  list<R extends keyof Endpoints>(route: R, parameters: Parameters<R>, limit?: number): Promise<Item<Data<R>>[]>;
  /** The answer as it comes, for bodies that are not JSON. The caller reads or cancels it. @throws GitHubError */
  open<R extends keyof Endpoints>(route: R, parameters: Parameters<R>, options?: CallOptions): Promise<Response>;
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
    options?: CallOptions,
  ): Promise<Data<'GET /repos/{owner}/{repo}/releases/assets/{asset_id}'>>;
  /** A GraphQL query or mutation. @throws GitHubError */
  graphql<T>(query: string, variables: Record<string, unknown>, options?: CallOptions): Promise<T>;
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
  const fetchFrom = connect(apiUrl);

  /** Send and read until there is an answer that is final. */
  async function send<T>(
    request: PreparedRequest,
    options: CallOptions | undefined,
    read: (response: Response) => Promise<Attempt<T>>,
  ): Promise<T> {
    const attempt = async (): Promise<Attempt<T>> => {
      const timeout = AbortSignal.timeout(options?.timeoutMs ?? input.timeoutMs ?? defaultTimeoutMs);
      const signal = input.signal === undefined ? timeout : AbortSignal.any([input.signal, timeout]);
      try {
        const { url, method, headers, body } = request;
        const response = await fetchFrom(url, { method, headers, signal, ...(body === undefined ? {} : { body }) });
        return response.ok ? await read(response) : await refused(response, request, input.repository);
      } catch (error) {
        if (input.signal?.aborted === true) throw error;
        return { fault: connectionError(error, request.name), pause: null };
      }
    };
    return patiently(attempt, {
      repeatable: options?.repeatable ?? request.repeatable,
      patience: input.patience ?? {},
      onPause: (fault, ms) => input.log.debug(`${request.name}: ${fault.fault.found}; again in ${Math.round(ms)} ms`),
      signal: input.signal,
    });
  }

  function prepare(route: keyof Endpoints, parameters: object): PreparedRequest {
    const { url, method, headers, body } = endpoint(route as string, {
      baseUrl: apiUrl,
      owner,
      repo,
      ...parameters,
      headers: { ...(parameters as { headers?: object }).headers, ...standing(input.token) },
    });
    return {
      name: route,
      url,
      method,
      headers,
      body: body === undefined ? undefined : isBytes(body) ? body : JSON.stringify(body),
      repeatable: method !== 'POST',
    };
  }

  async function request<R extends keyof Endpoints>(
    route: R,
    parameters: Parameters<R>,
    options?: CallOptions,
  ): Promise<Data<R>> {
    return send(prepare(route, parameters), options, async (response) => ({
      done: await readJson<Data<R>>(response, route),
    }));
  }

  return {
    owner,
    repo,
    repository: input.repository,
    apiUrl,
    request,
    open: (route, parameters, options) =>
      send(prepare(route, parameters), options, (response) => Promise.resolve({ done: response })),
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
      let next: PreparedRequest | null = prepare(route, { per_page: 100, ...parameters });
      while (next !== null && items.length < limit) {
        const current: PreparedRequest = next;
        const page = await send(current, undefined, async (response) => ({
          done: { answer: await readJson<unknown>(response, route), url: nextPage(response, apiUrl) },
        }));
        items.push(...itemsOf<Item<Data<R>>>(page.answer));
        next = page.url === null ? null : { ...current, url: page.url };
      }
      return items.slice(0, limit);
    },
    upload(uploadUrl, { name, label, type, bytes }, options) {
      const url = new URL(uploadUrl.replace(/\{.*$/u, ''));
      const home = new URL(apiUrl);
      if (url.origin !== home.origin && url.host !== home.host.replace(/^api\./u, 'uploads.')) {
        throw new GitHubError('refused', { found: `an upload address at ${url.host}`, expected: home.host });
      }
      url.search = new URLSearchParams({ name, ...(label === undefined ? {} : { label }) }).toString();
      const prepared: PreparedRequest = {
        name: 'POST /repos/{owner}/{repo}/releases/{release_id}/assets',
        url: url.href,
        method: 'POST',
        headers: { ...standing(input.token), 'content-type': type },
        body: bytes,
        repeatable: false,
      };
      return send(prepared, { timeoutMs: uploadTimeoutMs, ...options }, async (response) => ({
        done: await readJson(response, prepared.name),
      }));
    },
    async graphql<T>(query: string, variables: Record<string, unknown>, options?: CallOptions) {
      const name = /(?:query|mutation)\s+\w+/u.exec(query)?.[0] ?? 'query';
      const prepared: PreparedRequest = {
        name,
        url: graphqlUrl(apiUrl),
        method: 'POST',
        headers: { ...standing(input.token), 'content-type': 'application/json' },
        body: JSON.stringify({ query, variables }),
        repeatable: !name.startsWith('mutation'),
      };
      // A rate limit or a passing fault may come as an error in an answer of status 200.
      return send<T>(prepared, options, async (response) => {
        const answer = await readJson<{ data?: T; errors?: { type?: string; message?: string }[] }>(response, name);
        const [error] = answer.errors ?? [];
        if (error === undefined && answer.data !== undefined && answer.data !== null) return { done: answer.data };
        const said = { status: response.status, message: error?.message ?? 'no data', type: error?.type };
        return {
          fault: refusalError({ request: name, ...said }, input.repository),
          pause: retryAfter(response.headers),
        };
      });
    },
  };
}

interface PreparedRequest {
  name: string;
  url: string;
  method: string;
  headers: Record<string, string>;
  body: string | Uint8Array<ArrayBuffer> | Blob | undefined;
  repeatable: boolean;
}

function standing(token: string): Record<string, string> {
  return {
    ...(token === '' ? {} : { authorization: `Bearer ${token}` }),
    'user-agent': `contender/${version}`,
    'x-github-api-version': '2022-11-28',
  };
}

/** A GitHub Enterprise server has GraphQL beside /api/v3 ("GraphQL API", GitHub Enterprise Server docs). */
function graphqlUrl(apiUrl: string): string {
  return apiUrl.endsWith('/api/v3') ? `${apiUrl.slice(0, -'/v3'.length)}/graphql` : `${apiUrl}/graphql`;
}

async function refused(response: Response, request: PreparedRequest, repository: string): Promise<Attempt<never>> {
  const text = await readText(response, request.name).catch(() => '');
  const body = parsed(text);
  const refusal: Refusal = {
    request: request.name,
    status: response.status,
    message: messageOf(body) ?? (text.trimStart().startsWith('<') ? 'a page instead of an answer' : text),
    accepted: response.headers.get('x-accepted-github-permissions'),
    documentation: typeof body?.['documentation_url'] === 'string' ? oneLine(body['documentation_url']) : undefined,
  };
  // Any answer may be the last that the limit allows: only these say that it was reached.
  const spent = response.headers.get('x-ratelimit-remaining') === '0' && [403, 429].includes(response.status);
  const limited = kindOf(refusal) === 'limited' || spent;
  const error = refusalError(limited ? { ...refusal, status: 429 } : refusal, repository);
  return { fault: error, pause: retryAfter(response.headers) };
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
function retryAfter(headers: Headers): number | null {
  const seconds = Number(headers.get('retry-after') ?? Number.NaN);
  if (Number.isFinite(seconds) && seconds >= 0) return seconds * 1000;
  const reset = Number(headers.get('x-ratelimit-reset') ?? Number.NaN);
  if (headers.get('x-ratelimit-remaining') !== '0' || !Number.isFinite(reset)) return null;
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

async function readJson<T>(response: Response, name: string): Promise<T> {
  const text = await readText(response, name);
  if (text === '') return undefined as T;
  try {
    return JSON.parse(text) as T;
  } catch (cause) {
    throw new GitHubError('unavailable', { found: 'the answer is not JSON', where: name, cause }, true);
  }
}

/** The body of an answer as text. @throws GitHubError `refused` when it is larger than any that is meant to be read whole */
export async function readText(response: Response, name: string): Promise<string> {
  const parts: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const part of response.body ?? []) {
      size += part.length;
      if (size > maximumBytes) {
        throw new GitHubError('refused', { found: `an answer of more than ${maximumBytes} bytes`, where: name });
      }
      parts.push(part);
    }
  } catch (error) {
    throw connectionError(error, name);
  }
  return Buffer.concat(parts).toString('utf8');
}

/** The next page, if it is on the same server: the token goes nowhere else. */
function nextPage(response: Response, apiUrl: string): string | null {
  const link = /<([^>]+)>;\s*rel="next"/u.exec(response.headers.get('link') ?? '')?.[1];
  return link !== undefined && link.startsWith(`${apiUrl}/`) ? link : null;
}

/** A listing is an array, or an object with one. */
function itemsOf<T>(answer: unknown): T[] {
  if (Array.isArray(answer)) return answer as T[];
  return (Object.values(answer ?? {}).find((value) => Array.isArray(value)) ?? []) as T[];
}

function parsed(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

function isBytes(body: unknown): body is string | Uint8Array<ArrayBuffer> | Blob {
  return typeof body === 'string' || body instanceof Uint8Array || body instanceof Blob;
}

function ownerAndName(repository: string): [string, string] {
  const [, owner, repo] = /^([A-Za-z0-9](?:[A-Za-z0-9_-]*))\/([A-Za-z0-9._-]+)$/u.exec(repository) ?? [];
  if (owner !== undefined && repo !== undefined && !/^\.+$/u.test(repo)) return [owner, repo];
  throw new GitHubError('refused', {
    found: `repository ${JSON.stringify(repository)}`,
    expected: 'owner/name',
    remedy: 'Set registry.repository, or run in a workflow, where GITHUB_REPOSITORY says it',
  });
}
