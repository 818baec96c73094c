import { ApiError, type Person, type RepositoryState, type Scope, type Token } from './state.ts';

/** A request as a handler sees it: of a caller who may make it. */
export interface Call {
  repository: RepositoryState;
  parameters: Record<string, string>;
  query: URLSearchParams;
  body: Record<string, unknown>;
  raw: Buffer;
  accept: string;
  contentType: string;
  token: Token | null;
  /** The answer is to be from before the last change. */
  stale: boolean;
  /** Base of the API and of the site, without a slash at the end. */
  api: string;
  site: string;
}

export interface Answer {
  status: number;
  /** JSON, or bytes as they are. */
  body?: unknown;
  headers?: Record<string, string>;
}

export interface Route {
  method: string;
  pattern: RegExp;
  /** Any of them is enough. */
  scopes: readonly Scope[];
  handle: (call: Call) => Promise<Answer> | Answer;
}

/**
 * Declare a route of the REST API: `route('GET /git/ref/*ref', 'contents', handle)`. The path is below the repository.
 * `:name` is one segment, `*name` the rest.
 */
export function route(text: string, scopes: Scope | readonly Scope[], handle: Route['handle']): Route {
  const [method = '', path = ''] = text.split(' ');
  const source = path.replace(/[:*]([a-z_]+)/gu, (part, name: string) =>
    part.startsWith('*') ? `(?<${name}>.+)` : `(?<${name}>[^/]+)`,
  );
  return {
    method,
    pattern: new RegExp(`^${source}$`, 'u'),
    scopes: typeof scopes === 'string' ? [scopes] : scopes,
    handle,
  };
}

export function ok(body: unknown, headers?: Record<string, string>): Answer {
  return { status: 200, body, ...(headers === undefined ? {} : { headers }) };
}

export function created(body: unknown): Answer {
  return { status: 201, body };
}

export function notFound(): ApiError {
  return new ApiError(404, 'Not Found', {}, 'NOT_FOUND');
}

export function invalid(message: string, errors: unknown[] = []): ApiError {
  return new ApiError(422, message, errors.length === 0 ? {} : { errors });
}

/** One page of a listing, with the Link header that leads to the next. */
export function page(call: Call, items: readonly unknown[], key?: string): Answer {
  const size = Math.min(100, Math.max(1, Number(call.query.get('per_page') ?? 30) || 30));
  const number = Math.max(1, Number(call.query.get('page') ?? 1) || 1);
  const shown = items.slice((number - 1) * size, number * size);
  const last = Math.max(1, Math.ceil(items.length / size));
  const link = (to: number, rel: string): string => {
    const query = new URLSearchParams(call.query);
    query.set('page', String(to));
    return `<${call.api}${call.parameters['path'] ?? ''}?${query.toString()}>; rel="${rel}"`;
  };
  const links = [
    ...(number < last ? [link(number + 1, 'next'), link(last, 'last')] : []),
    ...(number > 1 ? [link(number - 1, 'prev'), link(1, 'first')] : []),
  ];
  return ok(
    key === undefined ? shown : { total_count: items.length, [key]: shown },
    links.length === 0 ? {} : { link: links.join(', ') },
  );
}

export function person(token: Token | null): Person {
  const login = token?.login ?? 'ghost';
  return {
    login,
    id: [...login].reduce((sum, each) => sum * 31 + each.charCodeAt(0), 7) % 1e6,
    type: token?.type ?? 'User',
  };
}

/** The author of commits that are made with a token, or for an account, and name none. */
export function addressOf(account: Pick<Token, 'login' | 'type'> | null): { name: string; email: string } {
  const login = account?.login ?? 'ghost';
  return { name: login, email: `${account?.type === 'Bot' ? '41898282+' : ''}${login}@users.noreply.github.com` };
}

export function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

export function optionalText(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

export function fullName({ owner, name }: RepositoryState): string {
  return `${owner}/${name}`;
}
