import { verify } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { json, withServer } from './serve.ts';
import { serve } from './s3.ts';

/**
 * Google Cloud Storage by its JSON API ("Objects: get"): objects with generations. Beside it what gives tokens: for the assertion of a
 * service account (RFC 7523), for the identity of a run (RFC 8693), and for a service account in whose name another acts.
 */
export interface GcsStandIn {
  endpoint: string;
  /** Returns the generation. */
  put(bucket: string, key: string, bytes: Uint8Array): string;
  seen: string[];
  /** Absent: anybody may read. */
  token?: string;
  behaviour: { truncated?: number };
  /** The public key of models@acme.example. */
  publicKey?: string;
  /** The token that says who the run is, and what opens it. */
  identity: { token: string; bearer: string };
}

export function withGcs<T>(work: (store: GcsStandIn) => Promise<T>): Promise<T> {
  const objects = new Map<string, { generation: string; bytes: Buffer }[]>();
  let generations = 1_716_239_022_000_000;
  const store: GcsStandIn = {
    endpoint: '',
    seen: [],
    behaviour: {},
    identity: { token: 'identity.of.the.run', bearer: 'request-token' },
    put(bucket, key, bytes) {
      const generation = String((generations += 1));
      const place = `${bucket}/${key}`;
      objects.set(place, [...(objects.get(place) ?? []), { generation, bytes: Buffer.from(bytes) }]);
      return generation;
    },
  };
  /** The answer of what gives tokens; null for any other address. */
  async function tokenFor(request: IncomingMessage, site: string): Promise<[status: number, body: object] | null> {
    const { url = '', headers, method } = request;
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const form = new URLSearchParams(Buffer.concat(chunks).toString('utf8'));
    const no: [number, object] = [400, { error: 'invalid_grant' }];
    switch (`${method} ${url}`) {
      case 'POST /token': {
        const [head = '', body = '', signature = ''] = (form.get('assertion') ?? '').split('.');
        const claims = JSON.parse(Buffer.from(body, 'base64url').toString('utf8')) as Record<string, unknown>;
        const signed = Buffer.from(`${head}.${body}`);
        const isSigned = verify('RSA-SHA256', signed, store.publicKey ?? '', Buffer.from(signature, 'base64url'));
        const isFine =
          form.get('grant_type') === 'urn:ietf:params:oauth:grant-type:jwt-bearer' &&
          claims['iss'] === 'models@acme.example' &&
          claims['aud'] === `${site}/token` &&
          Number(claims['exp']) > Date.now() / 1000 &&
          claims['scope'] === 'https://www.googleapis.com/auth/devstorage.read_only';
        return isSigned && isFine ? [200, { access_token: store.token, expires_in: 3599 }] : no;
      }
      case 'GET /identity':
        return headers.authorization === `Bearer ${store.identity.bearer}`
          ? [200, { value: store.identity.token }]
          : [401, {}];
      case 'POST /sts':
        return form.get('subject_token') === store.identity.token && form.get('audience') === '//iam/pool'
          ? [200, { access_token: 'federated', expires_in: 3599 }]
          : no;
      case 'POST /act-as':
        return headers.authorization === 'Bearer federated'
          ? [200, { accessToken: store.token, expireTime: '2100-01-01T00:00:00Z' }]
          : [403, { error: { status: 'PERMISSION_DENIED' } }];
      default:
        return null;
    }
  }

  return withServer(
    async (request, response, [site]) => {
      const given = await tokenFor(request, site);
      if (given !== null) return json(response, ...given);
      const { url = '', headers } = request;
      const { pathname, searchParams } = new URL(url, site);
      store.seen.push(`${pathname} ${(headers.authorization ?? 'none').split(' ')[0]}`);
      const fail = (code: number, message: string): void => json(response, code, { error: { code, message } });
      const isKnown = headers.authorization === `Bearer ${store.token}`;
      if (store.token !== undefined && !isKnown) {
        return headers.authorization === undefined ? fail(401, 'Anonymous caller') : fail(401, 'Invalid Credentials');
      }
      const [, bucket = '', key = ''] = /^\/storage\/v1\/b\/([^/]+)\/o\/([^/]+)$/u.exec(pathname) ?? [];
      const all = objects.get(`${decodeURIComponent(bucket)}/${decodeURIComponent(key)}`);
      const wanted = searchParams.get('generation');
      const found = wanted === null ? all?.at(-1) : all?.find(({ generation }) => generation === wanted);
      if (found === undefined) return fail(404, 'No such object');
      const { generation, bytes } = found;
      if (searchParams.get('alt') !== 'media') return json(response, 200, { generation, size: String(bytes.length) });
      serve(bytes, { 'x-goog-generation': generation }, request, response, store.behaviour);
    },
    ([site]) => {
      store.endpoint = site;
      return work(store);
    },
  );
}
