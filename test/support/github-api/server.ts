import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createBareRepository, type BareRepository } from './bare-repository.ts';
import { gitRoutes } from './git-routes.ts';
import { answerGraphQl } from './graphql.ts';
import { hubRoutes, storedBytes } from './hub-routes.ts';
import { issueRoutes } from './issue-routes.ts';
import {
  ApiError,
  newId,
  type Permissions,
  type Protection,
  type RepositoryState,
  type Scope,
  type Token,
} from './state.ts';
import { notFound, ok, person, type Answer, type Call, type Route } from './route.ts';

const run = promisify(execFile);

/** What goes wrong with one request. */
export type Fault =
  /** Answered so, without being carried out. */
  | { answer: Answer }
  /** The connection is lost before (or after) the request is carried out. */
  | 'reset'
  | 'reset-after'
  /** Never answered; after being carried out, or without. */
  | 'hang'
  | 'hang-after'
  /** Carried out and answered, and then undone: refs are where they were. */
  | 'lost'
  /** Refs are read as they were before their last move. */
  | 'stale';

/** Faults as the real API shows them. */
export const faults = {
  serverError: { answer: { status: 500, body: { message: 'Server Error' } } },
  badGateway: {
    answer: {
      status: 502,
      body: Buffer.from('<!DOCTYPE html><html><body><h1>502 Bad Gateway</h1></body></html>'),
      headers: { 'content-type': 'text/html' },
    },
  },
  unavailable: { answer: { status: 503, body: { message: 'Service Unavailable' } } },
  tooMany: (seconds: number): Fault => ({
    answer: {
      status: 429,
      body: { message: 'API rate limit exceeded for installation.' },
      headers: { 'retry-after': String(seconds) },
    },
  }),
  secondaryLimit: (seconds?: number): Fault => ({
    answer: {
      status: 403,
      body: {
        message: 'You have exceeded a secondary rate limit. Please wait a few minutes before you try again.',
        documentation_url:
          'https://docs.github.com/rest/overview/rate-limits-for-the-rest-api#about-secondary-rate-limits',
      },
      headers: seconds === undefined ? {} : { 'retry-after': String(seconds) },
    },
  }),
} satisfies Record<string, Fault | ((...args: never[]) => Fault)>;

export interface SeenRequest {
  method: string;
  /** The path without the base, such as `/repos/o/r/git/refs`. */
  path: string;
  /** `POST /repos/{owner}/{repo}/git/refs`-like text: method and path, and for GraphQL the operation: `graphql mutation Name`. */
  name: string;
  login: string | null;
  /** 0 while there is no answer, or when there never was one. */
  status: number;
}

export interface RepositoryInput {
  private?: boolean;
  defaultBranch?: string;
  /** Files of the first commit; none: the repository is empty. Default: a README. */
  files?: Record<string, string | Uint8Array>;
}

export interface TokenInput {
  login?: string;
  type?: 'Bot' | 'User';
  permissions?: Permissions | null;
  /** Requests until the primary limit. */
  remaining?: number;
  resetInSeconds?: number;
}

/** GitHub's API over real bare repositories in a folder. */
export interface GitHubStandIn {
  /** GITHUB_API_URL. */
  url: string;
  /** GITHUB_SERVER_URL: `git clone` works below it. */
  site: string;
  /** Variables a runner would set. */
  environment(repository: string): Record<string, string>;
  create(name: string, input?: RepositoryInput): Promise<RepositoryState>;
  repository(name: string): RepositoryState;
  /** A new token. By default of github-actions[bot] with every permission. */
  token(input?: TokenInput): string;
  /** The end of a token, such as that of a job which has ended. */
  revoke(token: string): void;
  /** Make an environment: which branches it takes jobs from, and who must approve them. */
  guard(repository: string, environment: { name: string; reviewers?: string[]; branches?: string[] }): void;
  protect(repository: string, protection: Partial<Protection> & { ref: string }): void;
  /** Let the next requests go wrong: `times` of those that match, after `skip` of them. */
  fail(
    fault: Fault,
    options?: { when?: RegExp | ((request: SeenRequest) => boolean); times?: number; skip?: number },
  ): void;
  /** Choose a fault for every request, at once or later; null: none. */
  failBy(choose: ((request: SeenRequest) => Fault | null | Promise<null>) | null): void;
  requests: SeenRequest[];
  close(): Promise<void>;
}

/** Start the stand-in with its repositories in `folder`. */
export async function startGitHub(folder: string): Promise<GitHubStandIn> {
  const repositories = new Map<string, RepositoryState>();
  const tokens = new Map<string, Token>();
  const requests: SeenRequest[] = [];
  const planned: { fault: Fault; when: (request: SeenRequest) => boolean; times: number; skip: number }[] = [];
  let chooser: ((request: SeenRequest) => Fault | null | Promise<null>) | null = null;
  let site = '';

  const server = createServer((incoming, outgoing) => {
    handle(incoming, outgoing).catch((error: unknown) => {
      if (!outgoing.headersSent)
        send(
          outgoing,
          {
            status: 500,
            body: { message: `stand-in: ${error instanceof Error ? (error.stack ?? '') : String(error)}` },
          },
          {},
        );
    });
  });
  // A runner's connection is kept open longer than a test runs.
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  site = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const api = `${site}/api/v3`;

  async function handle(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const url = new URL(incoming.url ?? '/', site);
    if (/\/(?:info\/refs|git-(?:upload|receive)-pack)$/u.test(url.pathname)) return smartHttp(incoming, outgoing, url);
    const raw = await bytesOf(incoming);
    const graph = url.pathname === '/api/graphql';
    const body = parsed(raw, incoming.headers['content-type'] ?? '');
    const token = tokens.get((incoming.headers.authorization ?? '').replace(/^(?:bearer|token) /iu, '')) ?? null;
    const path = url.pathname.replace(/^\/api\/v3|^\/_uploads/u, '') || '/';
    const operation = /(?:query|mutation)\s+\w+/u.exec(typeof body['query'] === 'string' ? body['query'] : '')?.[0];
    const seen: SeenRequest = {
      method: incoming.method ?? 'GET',
      path,
      name: graph ? `graphql ${operation ?? 'query'}` : `${incoming.method ?? 'GET'} ${path}`,
      login: token?.login ?? null,
      status: 0,
    };
    requests.push(seen);
    const fault = await faultFor(seen);
    if (fault === 'reset') return void incoming.socket.destroy();
    if (fault === 'hang') return;
    let answer: Answer;
    if (fault !== null && typeof fault === 'object') answer = fault.answer;
    else {
      const authorized = incoming.headers.authorization !== undefined;
      answer = await limited(token, authorized, () =>
        graph
          ? graphqlAnswer(body, token, fault === 'stale')
          : restAnswer({ seen, url, body, raw, token, incoming, stale: fault === 'stale' }),
      );
    }
    if (fault === 'lost') await Promise.all([...repositories.values()].map(undoLastMove));
    if (fault === 'reset-after') return void incoming.socket.destroy();
    if (fault === 'hang-after') return;
    seen.status = answer.status;
    send(outgoing, answer, limitHeaders(token));
  }

  function faultFor(seen: SeenRequest): Fault | null | Promise<null> {
    const plan = planned.find(({ when, times }) => times > 0 && when(seen));
    if (plan === undefined) return chooser?.(seen) ?? null;
    if (plan.skip > 0) {
      plan.skip--;
      return null;
    }
    plan.times--;
    return plan.fault;
  }

  async function limited(token: Token | null, authorized: boolean, work: () => Promise<Answer>): Promise<Answer> {
    try {
      if (authorized && token === null) throw new ApiError(401, 'Bad credentials');
      if (token !== null && token.remaining !== null) {
        if (token.reset * 1000 <= Date.now()) token.remaining = 1000;
        if (token.remaining <= 0) throw new ApiError(403, 'API rate limit exceeded for installation ID 1.');
        token.remaining--;
      }
      return await work();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      return {
        status: error.status,
        body: {
          message: error.message,
          ...error.extra,
          documentation_url: 'https://docs.github.com/rest',
          status: String(error.status),
        },
      };
    }
  }

  async function graphqlAnswer(body: Record<string, unknown>, token: Token | null, stale: boolean): Promise<Answer> {
    if (token === null) throw new ApiError(401, 'This endpoint requires you to be authenticated.');
    const answer = await answerGraphQl(body, {
      token,
      stale,
      find: (owner, name) => {
        const found = repositories.get(`${owner}/${name}`);
        return found !== undefined && visible(found, token) ? found : null;
      },
      may: (repository, access, scope = 'contents') => may(repository, token, [scope], access),
    });
    return ok(answer);
  }

  interface RestRequest {
    seen: SeenRequest;
    url: URL;
    body: Record<string, unknown>;
    raw: Buffer;
    token: Token | null;
    incoming: IncomingMessage;
    stale: boolean;
  }

  async function restAnswer(request: RestRequest): Promise<Answer> {
    const { seen, url, token } = request;
    if (seen.path === '/rate_limit')
      return ok({
        resources: { core: { limit: 1000, remaining: token?.remaining ?? 1000, reset: token?.reset ?? 0 } },
      });
    if (seen.path === '/user') {
      if (token === null) throw new ApiError(401, 'Requires authentication');
      if (token.type === 'Bot') throw new ApiError(403, 'Resource not accessible by integration');
      return ok(person(token));
    }
    const stored = /^\/(_assets|_artifacts)\/([^/]+\/[^/]+)\/([0-9]+)$/u.exec(seen.path);
    if (stored !== null) {
      const found = repositories.get(stored[2] ?? '');
      const bytes = found === undefined ? null : storedBytes(found, stored[1] ?? '', Number(stored[3]));
      if (bytes === null) throw notFound();
      return { status: 200, body: bytes, headers: { 'content-type': 'application/octet-stream' } };
    }
    const [, name = '', rest = ''] = /^\/repos\/([^/]+\/[^/]+)(.*)$/u.exec(decodeURIComponent(seen.path)) ?? [];
    const repository = repositories.get(name);
    if (repository === undefined || !visible(repository, token)) throw notFound();
    const found = routeFor(seen.method, rest);
    if (found === null) throw notFound();
    authorize(repository, token, found.route, seen.method);
    const call: Call = {
      repository,
      parameters: { ...found.parameters, path: seen.path },
      query: url.searchParams,
      body: request.body,
      raw: request.raw,
      accept: request.incoming.headers.accept ?? '',
      contentType: request.incoming.headers['content-type'] ?? '',
      token,
      stale: request.stale,
      api,
      site,
    };
    return found.route.handle(call);
  }

  function authorize(repository: RepositoryState, token: Token | null, { scopes }: Route, method: string): void {
    const access = method === 'GET' || method === 'HEAD' ? 'read' : 'write';
    if (access === 'write' && repository.archived) throw new ApiError(403, 'Repository was archived so is read-only.');
    if (may(repository, token, scopes, access)) return;
    if (token === null) throw new ApiError(401, 'Requires authentication');
    const message =
      token.type === 'Bot'
        ? 'Resource not accessible by integration'
        : 'Resource not accessible by personal access token';
    throw new ApiError(403, message, {
      accepted: scopes.map((scope) => `${scope.replaceAll('-', '_')}=${access}`).join('; '),
    });
  }

  /** `git clone`, `fetch` and `push` through git's own http-backend. */
  async function smartHttp(incoming: IncomingMessage, outgoing: ServerResponse, url: URL): Promise<void> {
    const [, name = '', rest = ''] = /^\/([^/]+\/[^/]+?)(?:\.git)?(\/.*)$/u.exec(url.pathname) ?? [];
    const [, password = ''] = Buffer.from((incoming.headers.authorization ?? '').replace(/^basic /iu, ''), 'base64')
      .toString('utf8')
      .split(':');
    const token = tokens.get(password) ?? null;
    const repository = repositories.get(name);
    const pushing = /receive-pack/u.test(url.pathname + url.search);
    requests.push({
      method: incoming.method ?? '',
      path: url.pathname,
      name: `git ${pushing ? 'push' : 'fetch'} ${name}`,
      login: token?.login ?? null,
      status: 0,
    });
    const refuse = (status: number): void => {
      outgoing.writeHead(status, status === 401 ? { 'www-authenticate': 'Basic realm="GitHub"' } : {});
      outgoing.end();
    };
    if (token === null && (repository === undefined || repository.private || pushing)) return refuse(401);
    if (repository === undefined || !visible(repository, token)) return refuse(404);
    if (!may(repository, token, ['contents'], pushing ? 'write' : 'read')) return refuse(403);
    const protectedRefs = repository.protections.filter(
      (each) => !each.bypass.includes(token?.login ?? '') && each.violations.length > 0,
    );
    const backend = spawn('git', ['http-backend'], {
      env: {
        PATH: process.env['PATH'] ?? '',
        GIT_PROJECT_ROOT: folder,
        GIT_HTTP_EXPORT_ALL: '1',
        PATH_INFO: `/${name}.git${rest}`,
        REQUEST_METHOD: incoming.method ?? 'GET',
        QUERY_STRING: url.search.slice(1),
        CONTENT_TYPE: incoming.headers['content-type'] ?? '',
        HTTP_CONTENT_ENCODING: incoming.headers['content-encoding'] ?? '',
        GIT_PROTOCOL: String(incoming.headers['git-protocol'] ?? ''),
        REMOTE_USER: token?.login ?? '',
        STANDIN_PROTECTED: protectedRefs.map(({ ref, violations }) => `${ref}\t${violations.join('; ')}`).join('\n'),
      },
    });
    incoming.pipe(backend.stdin);
    backend.stdin.on('error', () => undefined);
    const output: Buffer[] = [];
    for await (const chunk of backend.stdout) output.push(chunk as Buffer);
    const whole = Buffer.concat(output);
    const end = whole.indexOf('\r\n\r\n');
    const headers = Object.fromEntries(
      whole
        .toString('latin1', 0, end)
        .split('\r\n')
        .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]),
    );
    const { Status: status, ...others } = headers;
    outgoing.writeHead(status === undefined ? 200 : Number.parseInt(status, 10), others);
    outgoing.end(whole.subarray(end + 4));
  }

  const routes = [...gitRoutes, ...hubRoutes, ...issueRoutes].sort((a, b) => rank(a) - rank(b));
  function routeFor(method: string, path: string): { route: Route; parameters: Record<string, string> } | null {
    for (const route of routes) {
      const match = route.method === method ? route.pattern.exec(path) : null;
      if (match !== null) return { route, parameters: { ...match.groups } };
    }
    return null;
  }

  function repositoryOf(name: string): RepositoryState {
    const found = repositories.get(name);
    if (found === undefined) throw new Error(`no repository ${name}`);
    return found;
  }

  return {
    url: api,
    site,
    environment: (repository) => ({
      GITHUB_API_URL: api,
      GITHUB_SERVER_URL: site,
      GITHUB_GRAPHQL_URL: `${site}/api/graphql`,
      GITHUB_REPOSITORY: repository,
      GITHUB_REPOSITORY_OWNER: repository.split('/')[0] ?? '',
    }),
    async create(name, input = {}) {
      const [owner = '', repo = ''] = name.split('/');
      const branch = input.defaultBranch ?? 'main';
      const git = await createBareRepository(join(folder, owner, `${repo}.git`), branch);
      await guard(git);
      const repository: RepositoryState = {
        owner,
        name: repo,
        git,
        private: input.private ?? true,
        archived: false,
        defaultBranch: branch,
        protections: [],
        workflowsMakePulls: true,
        pulls: new Map(),
        issues: new Map(),
        workflows: new Map(),
        dispatches: [],
        comments: new Map(),
        checks: new Map(),
        releases: new Map(),
        artifacts: new Map(),
        runs: new Map(),
        environments: new Map(),
        waiting: new Set(),
        statuses: [],
        deployments: new Map(),
        before: new Map(),
        lastMove: [],
        queue: Promise.resolve(),
      };
      repositories.set(name, repository);
      const files = Object.entries(input.files ?? { 'README.md': 'A model.\n' });
      if (files.length > 0) {
        const changes = new Map<string, { mode: string; oid: string }>();
        for (const [path, content] of files)
          changes.set(path, { mode: '100644', oid: await git.write('blob', Buffer.from(content)) });
        const commit = await git.commit({
          tree: await git.treeWith(null, changes),
          parents: [],
          message: 'Start',
          author: { name: 'Ada', email: 'ada@example.invalid' },
          signed: false,
        });
        await git.updateRefs([{ ref: `refs/heads/${branch}`, before: null, after: commit }]);
      }
      return repository;
    },
    repository: repositoryOf,
    token(input = {}) {
      const type = input.type ?? 'Bot';
      const secret = `${type === 'Bot' ? 'ghs' : 'ghp'}_${randomBytes(18).toString('hex')}`;
      tokens.set(secret, {
        login: input.login ?? (type === 'Bot' ? 'github-actions[bot]' : 'ada'),
        type,
        permissions: input.permissions === undefined ? null : input.permissions,
        remaining: input.remaining ?? null,
        reset: Math.ceil(Date.now() / 1000) + (input.resetInSeconds ?? 3600),
      });
      return secret;
    },
    revoke: (token) => void tokens.delete(token),
    guard(repository, { name, reviewers = [], branches = null }) {
      repositoryOf(repository).environments.set(name, { id: newId(), name, reviewers, branches });
    },
    protect(repository, protection) {
      repositoryOf(repository).protections.push({
        kind: 'ruleset',
        violations: ['Changes must be made through a pull request.'],
        bypass: [],
        approvals: 0,
        ...protection,
      });
    },
    fail(fault, { when = () => true, times = 1, skip = 0 } = {}) {
      planned.push({ fault, times, skip, when: typeof when === 'function' ? when : ({ name }) => when.test(name) });
    },
    failBy(choose) {
      chooser = choose;
    },
    requests,
    async close() {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
      for (const { git, queue } of repositories.values()) {
        await queue.catch(() => undefined);
        git.close();
      }
    },
  };
}

/** Whoever moved a branch last finds it where it was. */
async function undoLastMove({ git, lastMove }: RepositoryState): Promise<void> {
  if (lastMove.length > 0) await git.updateRefs(lastMove.map(({ ref, before }) => ({ ref, after: before })));
}

/** Pushes over git are held against the same protections, by a hook. */
async function guard(git: BareRepository): Promise<void> {
  await run('git', ['-C', git.folder, 'config', 'http.receivepack', 'true']);
  await run('git', ['-C', git.folder, 'config', 'uploadpack.allowFilter', 'true']);
  await run('git', ['-C', git.folder, 'config', 'uploadpack.allowAnySHA1InWant', 'true']);
  const hook = join(git.folder, 'hooks/update');
  await mkdir(join(git.folder, 'hooks'), { recursive: true });
  await writeFile(
    hook,
    [
      '#!/bin/sh',
      'echo "$STANDIN_PROTECTED" | while IFS="\t" read -r pattern why; do',
      '  [ -n "$pattern" ] || continue',
      '  case "$1" in $pattern)',
      '    echo "error: GH013: Repository rule violations found for $1." >&2',
      '    echo "- $why" >&2; exit 1;;',
      '  esac',
      'done',
      '',
    ].join('\n'),
  );
  await chmod(hook, 0o755);
}

/** Routes of fixed words before those with parameters, and one segment before the rest of the path. */
function rank({ pattern }: Route): number {
  const { source } = pattern;
  const rest = /\(\?<\w+>\.\+\)$/u.test(source) ? 100 : /\.\+/u.test(source) ? 50 : 0;
  return rest + (source.match(/\(\?</gu)?.length ?? 0) - source.length / 1000;
}

function visible(repository: RepositoryState, token: Token | null): boolean {
  return !repository.private || token !== null;
}

function may(
  repository: RepositoryState,
  token: Token | null,
  scopes: readonly Scope[],
  access: 'read' | 'write',
): boolean {
  if (access === 'read' && (!repository.private || scopes.includes('metadata'))) return true;
  if (token === null) return false;
  const { permissions } = token;
  return (
    permissions === null ||
    scopes.some((scope) => permissions[scope] === 'write' || (access === 'read' && permissions[scope] === 'read'))
  );
}

function limitHeaders(token: Token | null): Record<string, string> {
  if (token === null || token.remaining === null) return {};
  return {
    'x-ratelimit-limit': '1000',
    'x-ratelimit-remaining': String(token.remaining),
    'x-ratelimit-reset': String(token.reset),
    'x-ratelimit-resource': 'core',
  };
}

function send(outgoing: ServerResponse, { status, body, headers = {} }: Answer, limits: Record<string, string>): void {
  const bytes = body === undefined ? Buffer.alloc(0) : Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body));
  const accepted =
    typeof body === 'object' && body !== null && 'accepted' in body
      ? { 'x-accepted-github-permissions': String(body.accepted) }
      : {};
  outgoing.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': String(bytes.length),
    'x-github-request-id': randomBytes(6).toString('hex'),
    ...limits,
    ...accepted,
    ...headers,
  });
  outgoing.end(status === 204 || status === 304 ? undefined : bytes);
}

async function bytesOf(incoming: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function parsed(raw: Buffer, type: string): Record<string, unknown> {
  if (raw.length === 0 || !/json/u.test(type)) return {};
  try {
    return JSON.parse(raw.toString('utf8')) as Record<string, unknown>;
  } catch {
    return {};
  }
}
