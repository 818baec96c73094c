import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * A store that speaks S3 ("GET Object" of its API Reference) with path-style addresses: buckets with and without versions, in a region,
 * private or public. A signature is computed again from the request as it came over the wire ("Signature Version 4", "Authenticating
 * Requests: Using the Authorization Header"), by code that shares nothing with what signed it.
 */
export interface S3StandIn {
  endpoint: string;
  /** Key to bytes. Of a bucket with versions every put keeps those before it. */
  put(bucket: string, key: string, bytes: Uint8Array): string | null;
  bucket(name: string, options?: Partial<Bucket>): void;
  /** Each request: path, who signed it, and its range. */
  seen: string[];
  keys: Map<string, { secret: string; token?: string; expired?: boolean }>;
  behaviour: {
    /** So many of the next bodies end in the middle. */
    truncated?: number;
    /** So many of the next requests are answered so. */
    passing?: { times: number; status: number };
    /** Where a refusal of the region leads, as an old address of a bucket does. */
    redirect?: string;
  };
}

interface Bucket {
  region: string;
  versioned: boolean;
  public: boolean;
  objects: Map<string, { version: string; bytes: Buffer; archived?: boolean }[]>;
}

export async function withS3<T>(work: (store: S3StandIn) => Promise<T>): Promise<T> {
  const buckets = new Map<string, Bucket>();
  const seen: string[] = [];
  const keys: S3StandIn['keys'] = new Map();
  const behaviour: S3StandIn['behaviour'] = {};
  let versions = 0;
  const server = createServer(answer);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;

  function answer(request: IncomingMessage, response: ServerResponse): void {
    const { url = '', headers } = request;
    const [path = '', query = ''] = url.split('?');
    const identity = /Credential=([^/]+)\//u.exec(headers.authorization ?? '')?.[1] ?? 'nobody';
    seen.push(`${path}${query === '' ? '' : `?${query}`} ${identity} ${headers.range ?? ''}`.trimEnd());
    const fail = (status: number, code: string, more: Record<string, string> = {}, body = ''): void => {
      response.writeHead(status, { 'content-type': 'application/xml', ...more });
      response.end(`<?xml version="1.0"?>\n<Error><Code>${code}</Code><Message>no</Message>${body}</Error>`);
    };
    const { passing } = behaviour;
    if (passing !== undefined && passing.times > 0) {
      passing.times -= 1;
      return fail(passing.status, 'SlowDown');
    }
    const [, name = '', ...rest] = path.split('/').map(decodeURIComponent);
    const bucket = buckets.get(name);
    if (bucket === undefined) return fail(404, 'NoSuchBucket');
    if (identity !== 'nobody') {
      const fault = faultOf(request, bucket.region, keys);
      if (fault !== null) {
        const region = `<Region>${bucket.region}</Region>`;
        if (fault !== 'AuthorizationHeaderMalformed') return fail(fault === 'ExpiredToken' ? 400 : 403, fault);
        if (behaviour.redirect === undefined) return fail(400, fault, {}, region);
        return fail(301, 'PermanentRedirect', {
          location: `${behaviour.redirect}${url}`,
          'x-amz-bucket-region': bucket.region,
        });
      }
    } else if (!bucket.public) return fail(403, 'AccessDenied');
    const all = bucket.objects.get(rest.join('/'));
    const version = new URLSearchParams(query).get('versionId');
    const found = version === null ? all?.at(-1) : all?.find((each) => each.version === version);
    if (found === undefined) return fail(404, version === null ? 'NoSuchKey' : 'NoSuchVersion');
    if (found.archived === true) return fail(403, 'InvalidObjectState');
    serve(found.bytes, bucket.versioned ? { 'x-amz-version-id': found.version } : {}, request, response, behaviour);
  }

  try {
    return await work({
      endpoint: `http://127.0.0.1:${port}`,
      seen,
      keys,
      behaviour,
      bucket(name, options = {}) {
        buckets.set(name, { region: 'eu-central-1', versioned: true, public: false, objects: new Map(), ...options });
      },
      put(name, key, bytes) {
        const { objects, versioned } = buckets.get(name) as Bucket;
        const version = versioned ? `v.${(versions += 1)}/${Buffer.from(key).toString('base64url')}` : 'null';
        objects.set(key, [...(versioned ? (objects.get(key) ?? []) : []), { version, bytes: Buffer.from(bytes) }]);
        return versioned ? version : null;
      },
    });
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

/** Bytes, or the part of them that is asked for (RFC 9110, 14). */
export function serve(
  bytes: Buffer,
  headers: Record<string, string>,
  { headers: { range } }: IncomingMessage,
  response: ServerResponse,
  behaviour: { truncated?: number },
): void {
  const [, from, to] = /^bytes=(\d+)-(\d*)$/u.exec(range ?? '') ?? [];
  const etag = `"${createHash('md5').update(bytes).digest('hex')}"`;
  if (from !== undefined && Number(from) >= bytes.length) {
    response.writeHead(416, { 'content-range': `bytes */${bytes.length}` }).end();
    return;
  }
  const end = to === undefined || to === '' ? bytes.length - 1 : Math.min(Number(to), bytes.length - 1);
  const body = from === undefined ? bytes : bytes.subarray(Number(from), end + 1);
  response.writeHead(from === undefined ? 200 : 206, {
    etag,
    'content-length': body.length,
    ...(from === undefined ? {} : { 'content-range': `bytes ${from}-${end}/${bytes.length}` }),
    ...headers,
  });
  if ((behaviour.truncated ?? 0) > 0 && body.length > 1) {
    behaviour.truncated = (behaviour.truncated ?? 0) - 1;
    response.write(body.subarray(0, Math.floor(body.length / 2)), () => response.socket?.end());
    return;
  }
  response.end(body);
}

/** The code of what is wrong with a signed request; null where nothing is. */
function faultOf(request: IncomingMessage, region: string, keys: S3StandIn['keys']): string | null {
  const { headers } = request;
  const { id, date, zone, signed, signature } =
    /^AWS4-HMAC-SHA256 Credential=(?<id>[^/]+)\/(?<date>\d{8})\/(?<zone>[^/]+)\/s3\/aws4_request, SignedHeaders=(?<signed>[a-z0-9;-]+), Signature=(?<signature>[0-9a-f]{64})$/u.exec(
      headers.authorization ?? '',
    )?.groups ?? {};
  if (id === undefined || date === undefined || zone === undefined || signed === undefined || signature === undefined) {
    return 'AuthorizationHeaderInvalid';
  }
  const key = keys.get(id);
  if (key === undefined) return 'InvalidAccessKeyId';
  if (zone !== region) return 'AuthorizationHeaderMalformed';
  const time = String(headers['x-amz-date']);
  const seconds = Date.parse(time.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/u, '$1-$2-$3T$4:$5:$6Z')) / 1000;
  if (!(Math.abs(seconds - Date.now() / 1000) < 900) || !time.startsWith(date)) return 'RequestTimeTooSkewed';
  const names = signed.split(';');
  if (!['host', 'x-amz-content-sha256', 'x-amz-date'].every((name) => names.includes(name))) return 'AccessDenied';
  if (headers['x-amz-security-token'] !== undefined && !names.includes('x-amz-security-token')) return 'AccessDenied';
  const expected = signatureOf({
    method: request.method ?? '',
    target: request.url ?? '',
    headers: names.map((name) => [name, String(headers[name] ?? '')]),
    payload: String(headers['x-amz-content-sha256']),
    time,
    scope: `${date}/${zone}/s3/aws4_request`,
    secret: key.secret,
  });
  if (!timingSafeEqual(Buffer.from(expected), Buffer.from(signature))) return 'SignatureDoesNotMatch';
  if (key.token !== headers['x-amz-security-token']) return 'InvalidToken';
  return key.expired === true ? 'ExpiredToken' : null;
}

/**
 * The signature of a request by what came over the wire ("Create a signed AWS API request").
 *
 * @param headers the signed ones, in their order
 * @param payload what stands for the body in the canonical request: its digest, or UNSIGNED-PAYLOAD
 */
export function signatureOf(request: {
  method: string;
  target: string;
  headers: [name: string, value: string][];
  payload: string;
  time: string;
  scope: string;
  secret: string;
}): string {
  const [path = '', query = ''] = request.target.split('?');
  const pairs = query === '' ? [] : query.split('&').map((pair) => pair.split('='));
  const parameters = pairs
    .map(([name = '', value = '']) => `${strict(decodeURIComponent(name))}=${strict(decodeURIComponent(value))}`)
    .toSorted();
  const canonical = [
    request.method,
    path
      .split('/')
      .map((part) => strict(decodeURIComponent(part)))
      .join('/'),
    parameters.join('&'),
    ...request.headers.map(([name, value]) => `${name}:${value.trim().replace(/ +/gu, ' ')}`),
    '',
    request.headers.map(([name]) => name).join(';'),
    request.payload,
  ].join('\n');
  const digest = createHash('sha256').update(canonical).digest('hex');
  const text = ['AWS4-HMAC-SHA256', request.time, request.scope, digest].join('\n');
  const key = request.scope
    .split('/')
    .reduce<Buffer>(
      (secret, part) => createHmac('sha256', secret).update(part).digest(),
      Buffer.from(`AWS4${request.secret}`),
    );
  return createHmac('sha256', key).update(text).digest('hex');
}

/** Byte by byte: all but the unreserved characters of RFC 3986 ("UriEncode"). */
function strict(text: string): string {
  return [...Buffer.from(text, 'utf8')]
    .map((byte) => {
      const character = String.fromCharCode(byte);
      return /[A-Za-z0-9._~-]/u.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
    })
    .join('');
}
