import { createPrivateKey, createSign } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { RegistryError, UsageError } from '../../errors.ts';
import { isLoopbackIp } from '../../address-classes.ts';
import { ask, jsonOf, type Reply } from './ask.ts';
import { credential, variable } from './opened.ts';
import { isObject, jsonIn } from '../../json.ts';

/** No more than is needed. */
const scope = 'https://www.googleapis.com/auth/devstorage.read_only';
const file = 'GOOGLE_APPLICATION_CREDENTIALS';

type Credentials = Record<string, unknown>;

/**
 * Where what the file holds may go, by its key: googleapis.com has services that are no place for it, and buckets of anybody. Regional
 * ones as Google's own clients know them (AIP-4117); www is in keys of before 2018.
 */
const hosts = {
  token_uri: /^(?:oauth2|www)\.googleapis\.com$/u,
  token_url: regional('sts'),
  service_account_impersonation_url: regional('iamcredentials'),
};

function regional(service: string): RegExp {
  const region = '[a-z]{2,20}-[a-z]{3,20}[0-9]{1,2}';
  return new RegExp(
    `^(?:${service}|${region}[.-]${service}|${service}\\.${region}(?:\\.rep)?|${service}-${region}\\.p)\\.googleapis\\.com$`,
    'u',
  );
}

/**
 * A token for Google Cloud Storage: GOOGLE_OAUTH_ACCESS_TOKEN or CLOUDSDK_AUTH_ACCESS_TOKEN as it is; else what the file
 * GOOGLE_APPLICATION_CREDENTIALS gives, a key of a service account (RFC 7523) or workload identity federation, which
 * google-github-actions/auth writes (RFC 8693; AIP-4117). Null where there is none.
 *
 * @throws UsageError for a file of another kind; RegistryError where Google gives no token
 */
export async function googleToken(signal?: AbortSignal): Promise<string | null> {
  const token = credential('GOOGLE_OAUTH_ACCESS_TOKEN', 'CLOUDSDK_AUTH_ACCESS_TOKEN');
  const path = variable(file);
  if (token !== null || path === null) return token;
  const credentials = await readCredentials(path);
  switch (credentials['type']) {
    case 'service_account':
      return ofServiceAccount(credentials, signal);
    case 'external_account':
      return ofFederation(credentials, signal);
    default:
      throw unusable(`of type ${JSON.stringify(credentials['type'] ?? null).slice(0, 60)}`);
  }
}

async function readCredentials(path: string): Promise<Credentials> {
  const value = jsonIn(await readFile(path, 'utf8').catch(() => ''));
  if (isObject(value)) return value;
  // Without what is in it.
  throw unusable('that cannot be read as JSON');
}

/** "Using OAuth 2.0 for Server to Server Applications" */
async function ofServiceAccount(credentials: Credentials, signal: AbortSignal | undefined): Promise<string> {
  const url = googleUrl(credentials, 'token_uri');
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: textOf(credentials, 'client_email'), scope, aud: url.href, iat: now, exp: now + 3600 };
  const parts = [{ alg: 'RS256', typ: 'JWT' }, claims];
  const unsigned = parts.map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  const signature = createSign('RSA-SHA256').update(unsigned).sign(keyOf(credentials), 'base64url');
  const form = { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion: `${unsigned}.${signature}` };
  return tokenIn(await ask({ url }, { form, signal }), 'access_token');
}

function keyOf(credentials: Credentials): ReturnType<typeof createPrivateKey> {
  try {
    return createPrivateKey(textOf(credentials, 'private_key'));
  } catch {
    throw unusable('whose private_key is not a private key');
  }
}

/** The identity of the run, in exchange for a token, in exchange for one of the service account where one is named. */
async function ofFederation(credentials: Credentials, signal: AbortSignal | undefined): Promise<string> {
  const url = googleUrl(credentials, 'token_url');
  const impersonated = credentials['service_account_impersonation_url'] !== undefined;
  const form = {
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    audience: textOf(credentials, 'audience'),
    scope: impersonated ? 'https://www.googleapis.com/auth/cloud-platform' : scope,
    requested_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    subject_token_type: textOf(credentials, 'subject_token_type'),
    subject_token: await subjectToken(credentials, signal),
  };
  const token = tokenIn(await ask({ url }, { form, signal }), 'access_token');
  if (!impersonated) return token;
  const place = googleUrl(credentials, 'service_account_impersonation_url');
  const headers = { authorization: `Bearer ${token}` };
  return tokenIn(await ask({ url: place, headers }, { json: { scope: [scope] }, signal }), 'accessToken');
}

/** Who the run is, as its platform says: at an address, or in a file. */
async function subjectToken(credentials: Credentials, signal: AbortSignal | undefined): Promise<string> {
  const source = (credentials['credential_source'] ?? {}) as {
    url?: unknown;
    file?: unknown;
    headers?: Record<string, string>;
    format?: { type?: unknown; subject_token_field_name?: unknown };
  };
  let text: string;
  if (typeof source.file === 'string') {
    text = await readFile(source.file, 'utf8').catch(() => {
      throw unusable('whose credential_source.file cannot be read');
    });
  } else if (typeof source.url === 'string' && URL.canParse(source.url)) {
    const from = { url: new URL(source.url), headers: source.headers ?? {} };
    const reply = await ask(from, { stay: true, signal });
    if (reply.status !== 200) throw refused(reply);
    text = reply.body.toString('utf8');
  } else throw unusable('whose credential_source is neither an address nor a file');
  if (source.format?.type !== 'json') return text.trim();
  const field = String(source.format.subject_token_field_name);
  const found = jsonOf({ status: 200, headers: new Headers(), body: Buffer.from(text) })[field];
  if (typeof found === 'string') return found;
  throw unusable(`whose credential_source has no ${JSON.stringify(field.slice(0, 60))}`);
}

function tokenIn(reply: Reply, key: string): string {
  const token = jsonOf(reply)[key];
  if (reply.status === 200 && typeof token === 'string') return token;
  throw refused(reply);
}

/** What the file holds goes to Google, whatever address it names. */
function googleUrl(credentials: Credentials, key: keyof typeof hosts): URL {
  const text = textOf(credentials, key);
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url !== null && (hosts[key].test(url.hostname) || isLoopbackIp(url.hostname))) return url;
  throw unusable(`whose ${key} is not a token address of Google`);
}

function textOf(credentials: Credentials, key: string): string {
  const value = credentials[key];
  if (typeof value === 'string') return value;
  throw unusable(`without ${key}`);
}

function unusable(why: string): UsageError {
  return new UsageError({
    found: `a file ${why}`,
    expected: 'the key of a service account, or workload identity federation as google-github-actions/auth writes it',
    where: file,
    remedy: 'Sign in again, or set GOOGLE_OAUTH_ACCESS_TOKEN instead',
  });
}

function refused({ status, body }: Reply): RegistryError {
  const code = /"(?:error|status)"\s*:\s*"([A-Za-z_]{1,60})"/u.exec(body.toString('utf8'))?.[1];
  return new RegistryError({
    found: `no token was given for ${file} (answered ${status}${code === undefined ? '' : ` ${code}`})`,
    remedy:
      'The key may be revoked, or this run is not allowed to use the service account; a workflow needs permissions: id-token: write',
  });
}
