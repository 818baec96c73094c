import { lookup } from 'node:dns/promises';
import { BlockList, isIP } from 'node:net';
import { RegistryError } from '../errors.ts';
import { connect, isProxied } from '../github/proxy.ts';

/** Where bytes are asked for, and with what. */
export interface Address {
  url: URL;
  headers?: Record<string, string>;
}

const mostHops = 10;
/** RFC 9110, 15.4. */
const redirects = new Set([301, 302, 303, 307, 308]);

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8);
loopback.addAddress('::1', 'ipv6');

/** This machine and its link, where clouds keep the credentials of a machine (RFC 3927, RFC 4291). */
const near = new BlockList();
near.addSubnet('0.0.0.0', 8);
near.addSubnet('169.254.0.0', 16);
near.addAddress('::', 'ipv6');
near.addSubnet('fe80::', 10, 'ipv6');

/** Networks of one's own (RFC 1918, RFC 6598, RFC 4193). */
const own = new BlockList();
own.addSubnet('10.0.0.0', 8);
own.addSubnet('100.64.0.0', 10);
own.addSubnet('172.16.0.0', 12);
own.addSubnet('192.168.0.0', 16);
own.addSubnet('fc00::', 7, 'ipv6');

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
  let { headers: given = {} } = from;
  for (let hops = 0; ; hops += 1) {
    const headers = { ...given, ...init.headers };
    const response = await connect(url.href)(url.href, { ...init, headers, redirect: 'manual' });
    const location = response.headers.get('location');
    if (!redirects.has(response.status) || location === null) return response;
    await response.body?.cancel();
    if (hops === mostHops) throw refused(from.url, `more than ${mostHops} redirects`);
    if (!URL.canParse(location, url.href)) throw refused(url, 'a redirect to what is no address');
    const next = new URL(location, url);
    await refuseHop(url, next);
    if (next.origin !== from.url.origin) given = {};
    url = next;
  }
}

/** @throws RegistryError for an address without encryption, but for one of this machine itself */
export function refuseOpen(url: URL): void {
  if (url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url))) return;
  throw refused(url, 'an address without encryption', 'https');
}

/** Whether one address may lead to another. @throws RegistryError when not */
export async function refuseHop(from: URL, to: URL): Promise<void> {
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

function distanceOfIp(address: string): number {
  const isIn = (list: BlockList): boolean => list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
  return isIn(loopback) || isIn(near) ? 0 : isIn(own) ? 1 : 2;
}

/** By its text alone: no name server can make it so. */
function isLoopback(url: URL): boolean {
  const host = hostOf(url);
  const kind = isIP(host);
  return kind === 0 ? /^(?:.+\.)?localhost\.?$/u.test(host) : loopback.check(host, kind === 6 ? 'ipv6' : 'ipv4');
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
