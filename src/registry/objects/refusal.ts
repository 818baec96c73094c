import { RegistryError } from '../../errors.ts';
import type { ObjectAddress } from '../../object-address.ts';

/** A store said no. */
export interface Refusal {
  status: number;
  /** The store's own word for it, such as NoSuchKey. */
  code?: string | undefined;
  /** Whether credentials were sent. */
  signedIn: boolean;
}

interface Words {
  name: string;
  credentials: string;
  /** What they must allow. */
  permission: string;
}

const words: Readonly<Record<ObjectAddress['store'], Words>> = {
  s3: {
    name: 'S3',
    credentials:
      'Set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN in this step (aws-actions/configure-aws-credentials does so)',
    permission: 's3:GetObject, of a bucket with versions s3:GetObjectVersion too',
  },
  gs: {
    name: 'Google Cloud Storage',
    credentials:
      'Sign in in a step before (google-github-actions/auth), or set GOOGLE_APPLICATION_CREDENTIALS or GOOGLE_OAUTH_ACCESS_TOKEN in this step',
    permission: 'storage.objects.get (the role Storage Object Viewer)',
  },
  hf: {
    name: 'the Hugging Face Hub',
    credentials: 'Set HF_TOKEN in this step',
    permission: 'read access to the repository; for a gated one, its terms must be accepted',
  },
  oci: {
    name: 'the registry',
    credentials:
      'Sign in first (docker/login-action, oras login), or set OCI_REGISTRY to its host, OCI_USERNAME and OCI_PASSWORD in this step',
    permission: 'pull of the repository (packages: read at ghcr.io)',
  },
};

/** The store's own words for credentials that were good once. */
const expired = ['ExpiredToken', 'TokenRefreshRequired', 'ExpiredTokenException'];
const absent = ['NoSuchBucket', 'NoSuchKey', 'NoSuchVersion', 'NAME_UNKNOWN', 'MANIFEST_UNKNOWN', 'BLOB_UNKNOWN'];

/** What a refusal means for who wants the object. @param uri its address */
export function refusal(
  store: ObjectAddress['store'],
  uri: string,
  { status, code, signedIn }: Refusal,
): RegistryError {
  const { name, credentials, permission } = words[store];
  // Anybody may have written what a server says.
  const known = /^[A-Za-z_]{1,60}$/u.test(code ?? '') ? code : undefined;
  const answered = `${name} answered ${status}${known === undefined ? '' : ` ${known}`}`;
  const told = (fault: { found: string; remedy: string }): RegistryError => new RegistryError({ ...fault, where: uri });
  if (known !== undefined && expired.includes(known)) {
    return told({
      found: `the credentials have expired (${answered})`,
      remedy: `Get new ones shortly before this step. ${credentials}`,
    });
  }
  if (known === 'RequestTimeTooSkewed') {
    return told({
      found: `the clock of this machine is wrong (${answered})`,
      remedy: 'Correct the clock: signed requests are valid only for minutes',
    });
  }
  if (known === 'InvalidObjectState') {
    return told({
      found: `the object is archived (${answered})`,
      remedy: 'Restore it first: aws s3api restore-object',
    });
  }
  if (status === 404 || status === 410 || (known !== undefined && absent.includes(known))) {
    const hidden = signedIn ? '' : `. If it is private: ${credentials}`;
    return told({
      found: `there is no such object (${answered})`,
      remedy: `Check the address: every part of it${hidden}`,
    });
  }
  const isRefused = status === 401 || status === 403 || known === 'InvalidToken';
  if (isRefused && !signedIn)
    return told({ found: `the object cannot be read without credentials (${answered})`, remedy: credentials });
  const wrong = ['InvalidAccessKeyId', 'SignatureDoesNotMatch', 'InvalidToken'];
  if (isRefused && (status === 401 || wrong.includes(known ?? ''))) {
    return told({
      found: `the credentials are not accepted (${answered})`,
      remedy: `They are wrong or have expired. ${credentials}`,
    });
  }
  if (isRefused) {
    return told({
      found: `the credentials may not read this object (${answered})`,
      remedy: `They need ${permission}; and check the address`,
    });
  }
  return told({ found: answered, remedy: 'Check the address and that the store can be reached from here' });
}
