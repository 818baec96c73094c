import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { UsageError } from '../../errors.ts';
import { isHeaderValue } from '../hops.ts';
import { variable } from './opened.ts';
import { jsonIn, objectOf } from '../../json.ts';

/** As HTTP's Basic scheme has it: `user:password`, in base64. */
export type BasicCredentials = string;

/**
 * The credentials for one registry: OCI_USERNAME and OCI_PASSWORD where OCI_REGISTRY is its host, so that no address of another's
 * choice is given them; else what `docker login` and `oras login` keep in config.json. Null where there are none.
 *
 * @param host with its port, if it has one
 * @throws UsageError, which does not repeat it, for what no header may hold
 */
export async function dockerCredentials(host: string): Promise<BasicCredentials | null> {
  const [registry, user, password] = ['OCI_REGISTRY', 'OCI_USERNAME', 'OCI_PASSWORD'].map((name) => variable(name));
  if (registry === host && typeof user === 'string' && typeof password === 'string') {
    return Buffer.from(`${user}:${password}`).toString('base64');
  }
  const folder = variable('DOCKER_CONFIG') ?? join(homedir(), '.docker');
  const text = await readFile(join(folder, 'config.json'), 'utf8').catch(() => '{}');
  const auths = objectOf(objectOf(jsonIn(text))['auths']) as Record<string, { auth?: unknown } | undefined>;
  const keys = /^(?:index\.)?docker\.io$/u.test(host)
    ? ['https://index.docker.io/v1/', 'docker.io', 'index.docker.io']
    : [host, `https://${host}`, `https://${host}/`];
  const kept = keys.map((key) => auths[key]).find((entry) => typeof entry?.auth === 'string' && entry.auth !== '');
  const auth = (kept?.auth as string | undefined)?.trim() ?? null;
  if (auth === null || isHeaderValue(auth)) return auth;
  throw new UsageError({
    found: `the stored credentials (auth) for ${host} are not base64`,
    where: 'config.json of Docker',
    remedy: `Sign in again: docker login ${host}`,
  });
}
