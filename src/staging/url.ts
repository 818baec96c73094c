import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Staging } from '../config/schema.ts';
import { isLinkIp } from '../address-classes.ts';
import { ConfigError, StagingError } from '../errors.ts';
import { askHealth, healthUrl, healthy } from './health.ts';
import type { Service } from './service.ts';
import type { StagingTarget } from './target.ts';

const observeTimeoutMs = 5_000;
/** A server that restarts a worker may refuse for a moment. */
const confirmAfterMs = 300;

/** Use a server that somebody else runs. Its certificate is verified; nothing is started or stopped. */
export async function useUrl(input: {
  staging: Extract<Staging, { url: string }>;
  service: Service;
  signal?: AbortSignal | undefined;
}): Promise<StagingTarget> {
  const { staging, signal } = input;
  const { origin, prefix } = parts(staging.url);
  await refuseLink(new URL(origin));
  // The paths of a protocol follow that of the URL; those of the configuration are from the top of the host.
  const of = (own: string | undefined, path: string): string => (own === undefined ? prefix + path : own);
  const { service: plain } = input;
  const service: Service = {
    ...plain,
    path: of(staging.path, plain.path),
    health: plain.health === null ? (prefix === '' ? null : prefix) : of(staging.health, plain.health),
  };
  const base = origin + prefix;
  const metadata = await healthy({
    what: `The server at ${base}`,
    url: base,
    service,
    staging,
    signal,
    external: true,
    ended: () => Promise.resolve(null),
    logs: () => Promise.resolve(''),
  });
  const health = healthUrl(origin, service);
  return {
    kind: 'url',
    url: origin,
    service,
    metadata,
    startedInMs: null,
    limits: { cpus: null, memoryBytes: null },
    async observe() {
      let answer = await askHealth(health, observeTimeoutMs, service);
      if (/ECONNREFUSED/u.test(answer)) {
        await sleep(confirmAfterMs);
        answer = await askHealth(health, observeTimeoutMs, service);
      }
      const alive = !/ECONNREFUSED/u.test(answer);
      return {
        memoryBytes: null,
        cpuPercent: null,
        alive,
        ...(!alive && { exit: `it refuses connections: ${answer}` }),
      };
    },
    logs: () => Promise.resolve(''),
    stop: () => Promise.resolve(),
  };
}

/** Load, and a token, must not reach what clouds serve the credentials of a machine on. */
async function refuseLink({ hostname }: URL): Promise<void> {
  const host = hostname.replace(/^\[(.*)\]$/u, '$1');
  const found = isIP(host) === 0 ? await lookup(host, { all: true }).catch(() => []) : [{ address: host }];
  const link = found.find(({ address }) => isLinkIp(address));
  if (link === undefined) return;
  throw new ConfigError({
    found: `staging.url names ${host}${link.address === host ? '' : ` (${link.address})`}, where cloud machines get their credentials`,
    expected: 'the address of a server under test',
    where: 'staging.url',
  });
}

/** Origin and path prefix. The messages never repeat a URL that may hold a secret. */
function parts(text: string): { origin: string; prefix: string } {
  if (!URL.canParse(text)) throw new StagingError({ found: 'staging.url is not a URL', expected: 'https://host/path' });
  const url = new URL(text);
  if (url.username !== '' || url.password !== '' || url.search !== '') {
    throw new StagingError({
      found: `staging.url for ${url.host} holds credentials or a query`,
      expected: 'scheme, host and path only',
      remedy: 'A URL is printed in logs and evidence; give a token in CONTENDER_TARGET_TOKEN (input target-token)',
    });
  }
  return { origin: url.origin, prefix: url.pathname.replace(/\/+$/u, '') };
}
