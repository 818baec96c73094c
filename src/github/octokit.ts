import type { Log } from '../log.ts';
import { version } from '../version.ts';
import { connect } from './proxy.ts';
import { readEvent } from './run-place.ts';

export interface OctokitAnswer {
  status: number;
  headers: Partial<Record<string, string>>;
  /** The body of a success, not yet read; what Octokit made of the body of a refusal. */
  data: unknown;
}

/** Send one request, once. Gives whatever the server answers; throws what fetch does where there is no answer. */
export type Request = (
  route: string,
  parameters: { headers?: object; [name: string]: unknown },
) => Promise<OctokitAnswer>;

/** More than any refusal has to say. */
const maximumRefusalBytes = 1024 * 1024;

/**
 * The client of @actions/github (`getOctokit`) for one token, loaded by the first request. It repeats nothing, and leaves the body
 * of a success to be read by who knows how large it may be.
 */
export function requestWithOctokit(input: { token: string; apiUrl: string; log: Log }): Request {
  let loading: Promise<Request> | undefined;
  return async (route, parameters) => (await (loading ??= load(input)))(route, parameters);
}

async function load({ token, apiUrl, log }: Parameters<typeof requestWithOctokit>[0]): Promise<Request> {
  await hideUnreadableEvent();
  const { getOctokit } = await import('@actions/github');
  const debug = (message: string): void => log.debug(message);
  const octokit = getOctokit(token === '' ? 'none' : token, {
    baseUrl: apiUrl,
    userAgent: `contender/${version}`,
    log: { debug, info: debug, warn: debug, error: debug },
    request: { fetch: withLimitedRefusals(connect(apiUrl)), parseSuccessResponseBody: false },
    ...(token === '' ? { authStrategy: anonymous } : {}),
  });
  return async (route, parameters) => {
    const headers = { ...parameters.headers, 'x-github-api-version': '2022-11-28' };
    try {
      return (await octokit.request(route, { ...parameters, headers })) as OctokitAnswer;
    } catch (error) {
      const { response, cause } = error as Error & { response?: OctokitAnswer };
      if (response !== undefined) return response;
      throw cause ?? error;
    }
  };
}

/** Octokit reads a refusal whole. */
function withLimitedRefusals(fetch: ReturnType<typeof connect>): ReturnType<typeof connect> {
  return async (url, init) => {
    const response = await fetch(url, init);
    if (response.ok || response.body === null) return response;
    const { status, statusText, headers } = response;
    return new Response(await beginningOf(response.body), { status, statusText, headers });
  };
}

/** A connection that is lost on the way takes nothing from what the status says. */
async function beginningOf(body: ReadableStream<Uint8Array>): Promise<Buffer<ArrayBuffer>> {
  const parts: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const part of body) {
      parts.push(part);
      size += part.length;
      if (size > maximumRefusalBytes) break;
    }
  } catch {
    parts.length = 0;
  }
  return Buffer.concat(parts);
}

/** For `getOctokit`, which insists on a token. */
function anonymous(): { hook: (request: (options: object) => unknown, options: object) => unknown } {
  return { hook: (request, options) => request(options) };
}

/**
 * @actions/github reads the event that started the run as it is imported: of a file that is not there it prints a line among
 * what we print, and of one that is not JSON it throws.
 */
async function hideUnreadableEvent(): Promise<void> {
  if ((await readEvent(process.env)) === undefined) delete process.env['GITHUB_EVENT_PATH'];
}
