import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { distanceOfIp, isLoopbackIp } from '../address-classes.ts';
import { RegistryError } from '../errors.ts';
import { connect, isProxied } from '../github/proxy.ts';

export interface Address {
  url: URL;
  /** A function where they hold for a while only: signatures, tokens of minutes. It is asked anew by every request. */
  headers?: Record<string, string> | (() => Promise<Record<string, string>>) | undefined;
}

const mostHops = 10;
/** RFC 9110, 15.4. */
const redirects = new Set([301, 302, 303, 307, 308]);

/**
 * GET, following redirects one by one: each must be encrypted and must not lead further in than the address before it, so that no
 * server on the way makes this machine ask for what only this machine can reach. The headers of the address go to its own origin, and
 * to nobody once that was left.
 *
 * @param init headers for everybody on the way, and how to end it
 * @throws RegistryError for an address that is refused
 */
export async function follow(
  from: Address,
  init: { headers: Record<string, string>; signal: AbortSignal },
): Promise<Response> {
  refuseOpen(from.url);
  let { url } = from;
  let given = await headersOf(from);
  for (let hops = 0; ; hops += 1) {
    const headers = { ...given, ...init.headers };
    const response = await connect(url.href)(url.href, { ...init, headers, redirect: 'manual' });
    const location = response.headers.get('location');
    if (!redirects.has(response.status) || location === null) return response;
    await response.body?.cancel();
    if (hops === mostHops) throw refused(from.url, `more than ${mostHops} redirects`);
    if (!URL.canParse(location, url.href)) throw refused(url, 'a redirect to an invalid address');
    const next = new URL(location, url);
    await refuseHop(url, next);
    if (next.origin !== from.url.origin) given = {};
    url = next;
  }
}

/** One request, GET if nothing else is said, without following a redirect. @throws RegistryError for an address that is refused */
export async function requestOnce(
  from: Address,
  init: { method?: string; body?: string; headers: Record<string, string>; signal: AbortSignal },
): Promise<Response> {
  refuseOpen(from.url);
  const headers = { ...(await headersOf(from)), ...init.headers };
  return connect(from.url.href)(from.url.href, { ...init, headers, redirect: 'manual' });
}

/** @throws RegistryError for what no header may hold, of which fetch's own message repeats the whole value (RFC 9110, 5.5) */
async function headersOf({ url, headers = {} }: Address): Promise<Record<string, string>> {
  const given = typeof headers === 'function' ? await headers() : headers;
  const [wrong] = Object.entries(given).find(([, value]) => !isHeaderValue(value)) ?? [];
  if (wrong === undefined) return given;
  throw new RegistryError({
    found: `the header ${JSON.stringify(wrong.slice(0, 60))} would contain characters that are not allowed in a header`,
    where: withoutQuery(url),
    remedy: 'Look for a line break in the credentials',
  });
}

/** Of ASCII, which every credential is, and without a control character. */
export function isHeaderValue(value: string): boolean {
  return /^[\x20-\x7e]*$/u.test(value);
}

/** What a request failed for. The message of fetch itself, which no network caused, may repeat an address or a header whole. */
export function reasonOf({ cause, name, message }: Error): string {
  if (cause instanceof Error) return cause.message;
  return name === 'TypeError' ? 'the request could not be made' : message;
}

/** @throws RegistryError for an address without encryption, but for one of this machine itself, and for one with a password in it */
export function refuseOpen(url: URL): void {
  refusePassword(url);
  if (url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url))) return;
  throw refused(url, 'an address without encryption', 'https');
}

/** Whether one address may lead to another. @throws RegistryError when not */
export async function refuseHop(from: URL, to: URL): Promise<void> {
  refusePassword(to);
  const open = to.protocol !== 'https:' && !(isLoopback(from) && isLoopback(to));
  if (open) throw refused(to, `${withoutQuery(from)} leads to an address without encryption`, 'https');
  const [before, after] = [await distanceOf(from), await distanceOf(to)];
  if (after >= before) return;
  throw refused(
    to,
    `${withoutQuery(from)} leads to an address inside the network`,
    'an address that others can reach too',
  );
}

/** fetch takes none such, and repeats it whole. */
function refusePassword(url: URL): void {
  if (url.username === '' && url.password === '') return;
  throw new RegistryError({
    found: 'an address that contains a user name or a password',
    expected: 'the address without credentials',
    where: withoutQuery(url),
    remedy: 'Remove them from the address, and set credentials as docs/stores.md and docs/mlflow.md describe',
  });
}

/** How far out an address lies: 0 is this machine, 1 its network, 2 the world. */
async function distanceOf(url: URL): Promise<number> {
  if (isLoopback(url)) return 0;
  const host = hostOf(url);
  if (isIP(host) !== 0) return distanceOfIp(host);
  // A proxy finds the address of a name itself. One that cannot be found says so when it is asked.
  if (await isProxied(url.href)) return 2;
  const found = await lookup(host, { all: true }).catch(() => []);
  return Math.min(2, ...found.map(({ address }) => distanceOfIp(address)));
}

/** By its text alone: no name server can make it so. */
function isLoopback(url: URL): boolean {
  const host = hostOf(url);
  return isIP(host) === 0 ? /^(?:.+\.)?localhost\.?$/u.test(host) : isLoopbackIp(host);
}

function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[(.*)\]$/u, '$1');
}

function refused(url: URL, found: string, expected?: string): RegistryError {
  return new RegistryError({ found, expected, where: withoutQuery(url), remedy: 'Find out who serves this address' });
}

/** What follows the path may be a secret. */
export function withoutQuery(url: URL): string {
  return url.origin + url.pathname;
}
