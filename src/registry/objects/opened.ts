import { UsageError } from '../../errors.ts';
import type { ObjectAddress } from '../../object-address.ts';
import { isHeaderValue, type Address } from '../hops.ts';

/** An object of a store, ready to be downloaded. */
export interface OpenedObject {
  /** Where its bytes are to be had. */
  address: Address;
  /** Its address with what makes it one version, as far as the store keeps versions. */
  object: ObjectAddress;
  /** Of its bytes, where the address vouches for it. */
  sha256?: string;
  /** Whether credentials are sent. */
  signedIn: boolean;
}

/** Every character but those that RFC 3986 reserves nothing for; slashes stay. */
export function encodedPath(path: string): string {
  return path.split('/').map(encoded).join('/');
}

export function encoded(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/gu,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/**
 * Variables that hold what opens a store, or MLflow. git does not get them, nor what it starts, such as hooks and filters. The price is
 * that a credential helper which reads AWS_* (CodeCommit) needs a profile; with half a pair left it would not look for one.
 */
export const secretVariables: readonly string[] = [
  'AWS_ACCESS_KEY_ID',
  'AWS_SECRET_ACCESS_KEY',
  'AWS_SESSION_TOKEN',
  'CLOUDSDK_AUTH_ACCESS_TOKEN',
  'GOOGLE_OAUTH_ACCESS_TOKEN',
  'HF_TOKEN',
  'MLFLOW_TRACKING_PASSWORD',
  'MLFLOW_TRACKING_TOKEN',
  'OCI_PASSWORD',
];

/** A variable of the environment; null where it is not set or empty. */
export function variable(...names: string[]): string | null {
  return names.map((name) => process.env[name] ?? '').find((value) => value !== '') ?? null;
}

/**
 * A credential in a variable, for a header; null where there is none. Space and line breaks around it, as files have them, are left out.
 * @throws UsageError, which names the variable and not the value, for one that no header may hold
 */
export function credential(...names: string[]): string | null {
  const name = names.find((each) => variable(each) !== null);
  const value = name === undefined ? null : (variable(name)?.trim() ?? null);
  if (name === undefined || value === null || isHeaderValue(value)) return value;
  throw new UsageError({
    found: `${name} contains a line break or another character that a credential cannot have`,
    expected: 'one line of printable ASCII',
    where: 'the environment',
    remedy: 'Copy the value again: a GitHub secret keeps the line breaks that were pasted into it',
  });
}

/**
 * The address of a server, from a variable or a setting.
 * @throws UsageError, which does not repeat it: there may be a password in it
 */
export function endpoint(text: string, where: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  const isWeb = url !== null && /^https?:$/u.test(url.protocol);
  if (isWeb && url.username === '' && url.password === '') return url;
  throw new UsageError({
    found: isWeb ? 'an address that contains a user name or a password' : 'this is not the address of a server',
    expected: 'https://<host>',
    where,
    remedy: 'Name only the server: credentials are set in variables of their own (docs/stores.md, docs/mlflow.md)',
  });
}
