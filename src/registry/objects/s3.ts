import { RegistryError, UsageError } from '../../errors.ts';
import { objectUri, type ObjectAddress } from '../../object-address.ts';
import type { Address } from '../hops.ts';
import { ask, type Reply } from './ask.ts';
import { credential, encoded, encodedPath, endpoint, variable, type OpenedObject } from './opened.ts';
import { refusal } from './refusal.ts';

type S3Address = Extract<ObjectAddress, { store: 's3' }>;

interface Credentials {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
}

/**
 * Open an object of Amazon S3, or of a store that speaks its protocol (AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL): the version that it
 * has now, where its bucket keeps versions. Credentials are those of the environment; without them it is asked for as anybody.
 * @throws RegistryError, UsageError
 */
export async function openS3(object: S3Address, signal?: AbortSignal): Promise<OpenedObject> {
  const uri = objectUri(object);
  const credentials = credentialsOf(uri);
  const signedIn = credentials !== null;
  let region = variable('AWS_REGION', 'AWS_DEFAULT_REGION') ?? 'us-east-1';
  for (let isSecond = false; ; isSecond = true) {
    const place = await addressOf(object, region, credentials);
    // Not HEAD, whose answer has no body to say what is wrong; not the redirect, behind which nothing would be signed.
    const reply = await ask(place, { headers: { range: 'bytes=0-0' }, stay: true, discard: true, signal });
    // An empty object has no first byte.
    if ([200, 206, 416].includes(reply.status)) {
      const version = reply.headers.get('x-amz-version-id');
      // "null" is what a bucket without versions calls the one there is.
      const isKept = version !== null && version !== 'null' && object.version === undefined;
      const pinned = isKept ? { ...object, version } : object;
      return { address: await addressOf(pinned, region, credentials), object: pinned, signedIn };
    }
    const other = regionOf(reply);
    if (isSecond || other === undefined || other === region) {
      throw refusal('s3', uri, { status: reply.status, code: tagOf(reply, 'Code'), signedIn });
    }
    region = other;
  }
}

/** Where the object is, and its headers, signed when they are asked for: a signature holds for a quarter of an hour. */
async function addressOf(object: S3Address, region: string, credentials: Credentials | null): Promise<Address> {
  const url = urlOf(object, region);
  if (credentials === null) return { url };
  const { AwsV4Signer } = await import('aws4fetch');
  const headers = async (): Promise<Record<string, string>> => {
    const signed = await new AwsV4Signer({
      ...credentials,
      url: url.href,
      method: 'GET',
      service: 's3',
      region,
    }).sign();
    return Object.fromEntries(signed.headers as unknown as Iterable<[string, string]>);
  };
  return { url, headers };
}

/** The bucket is part of the host at Amazon, where the certificate has that host, and part of the path everywhere else. */
function urlOf({ bucket, key, version }: S3Address, region: string): URL {
  const setting = ['AWS_ENDPOINT_URL_S3', 'AWS_ENDPOINT_URL'].find((name) => variable(name) !== null);
  const domain = region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com';
  const isHost = setting === undefined && /^[a-z0-9-]+$/u.test(bucket);
  if (!/^[a-z0-9-]{2,40}$/u.test(region)) {
    throw new UsageError({
      found: `AWS_REGION ${JSON.stringify(region.slice(0, 60))}`,
      expected: 'a region such as eu-central-1',
      where: 'the environment',
    });
  }
  const url =
    setting === undefined
      ? new URL(`https://${isHost ? `${bucket}.` : ''}s3.${region}.${domain}`)
      : endpoint(variable(setting) ?? '', setting);
  url.pathname = `${url.pathname.replace(/\/+$/u, '')}/${isHost ? '' : `${bucket}/`}${encodedPath(key)}`;
  url.search = version === undefined ? '' : `versionId=${encoded(version)}`;
  return url;
}

function credentialsOf(uri: string): Credentials | null {
  const [accessKeyId, secretAccessKey] = [credential('AWS_ACCESS_KEY_ID'), credential('AWS_SECRET_ACCESS_KEY')];
  if (accessKeyId === null && secretAccessKey === null) return null;
  if (accessKeyId === null || secretAccessKey === null) {
    throw new RegistryError({
      found:
        accessKeyId === null
          ? 'AWS_SECRET_ACCESS_KEY without AWS_ACCESS_KEY_ID'
          : 'AWS_ACCESS_KEY_ID without AWS_SECRET_ACCESS_KEY',
      expected: 'both, or neither for a public object',
      where: uri,
    });
  }
  const sessionToken = credential('AWS_SESSION_TOKEN');
  return { accessKeyId, secretAccessKey, ...(sessionToken === null ? {} : { sessionToken }) };
}

/** The region that a refusal names ("301 PermanentRedirect", "400 AuthorizationHeaderMalformed"). */
function regionOf(reply: Reply): string | undefined {
  const named = reply.headers.get('x-amz-bucket-region') ?? tagOf(reply, 'Region');
  return named !== undefined && /^[a-z0-9-]{2,40}$/u.test(named) ? named : undefined;
}

/** The text of an element of an error ("Error responses", API Reference of Amazon S3). */
function tagOf({ body }: Reply, tag: string): string | undefined {
  return new RegExp(`<${tag}>([^<]{1,100})</${tag}>`, 'u').exec(body.toString('utf8'))?.[1];
}
