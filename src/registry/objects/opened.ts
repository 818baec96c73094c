import type { ObjectAddress } from '../../object-address.ts';
import type { Address } from '../hops.ts';

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

/** Variables that hold what opens a store, or MLflow: nothing that is started needs them. */
export const secretVariables: readonly string[] = [
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
