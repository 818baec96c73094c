import { createHash } from 'node:crypto';
import { json, withServer } from './serve.ts';
import { serve } from './s3.ts';

/**
 * A registry ("Pulling", OCI Distribution Specification 1.1) with the Token Authentication Specification: manifests by tag and digest,
 * blobs that are served by another host. What it gives out is what was put into it.
 */
export interface OciStandIn {
  /** host:port */
  host: string;
  /** As `oras push` makes it: a layer a file. Returns the digest of the manifest. */
  push(repository: string, tag: string, files: Readonly<Record<string, Uint8Array>>, changes?: object): string;
  blobs: Map<string, Buffer>;
  /** Each request: host, path and what was authorised with. */
  seen: string[];
  /** Of who may read: absent: anybody may. */
  account?: string;
  behaviour: { truncated?: number; seconds?: number; challenge?: string; instead?: Buffer };
}

export function withRegistry<T>(work: (registry: OciStandIn) => Promise<T>): Promise<T> {
  const tags = new Map<string, string>();
  const blobs = new Map<string, Buffer>();
  const tokens = new Map<string, { scope: string; until: number }>();
  const keep = (bytes: Buffer): string => {
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
    blobs.set(digest, bytes);
    return digest;
  };
  const registry: OciStandIn = {
    host: '',
    blobs,
    seen: [],
    behaviour: {},
    push(repository, tag, files, changes = {}) {
      const layers = Object.entries(files).map(([title, bytes]) => ({
        mediaType: 'application/vnd.oci.image.layer.v1.tar',
        digest: keep(Buffer.from(bytes)),
        size: bytes.length,
        annotations: { 'org.opencontainers.image.title': title },
      }));
      const empty = { mediaType: 'application/vnd.oci.empty.v1+json', digest: keep(Buffer.from('{}')), size: 2 };
      const manifest = {
        schemaVersion: 2,
        mediaType: 'application/vnd.oci.image.manifest.v1+json',
        artifactType: 'application/vnd.contender.model',
        config: empty,
        layers,
        ...changes,
      };
      const digest = keep(Buffer.from(JSON.stringify(manifest)));
      tags.set(`${repository}:${tag}`, digest);
      return digest;
    },
  };
  return withServer(
    (request, response, [site, other]) => {
      const { url = '', headers } = request;
      const { pathname, searchParams } = new URL(url, site);
      const authorization = headers.authorization ?? 'none';
      registry.seen.push(`${headers.host?.split(':')[0]} ${pathname} ${authorization.split(' ')[0]}`);
      const { account, behaviour } = registry;
      if (pathname === '/token') {
        const isKnown = authorization === `Basic ${Buffer.from(account ?? '').toString('base64')}`;
        if (account !== undefined && !isKnown) return json(response, 401, { errors: [{ code: 'UNAUTHORIZED' }] });
        const token = createHash('sha256').update(String(Math.random())).digest('hex');
        const seconds = behaviour.seconds ?? 300;
        // One that holds for a millisecond is over before it is shown, however soon that is.
        tokens.set(token, { scope: searchParams.get('scope') ?? '', until: Date.now() + 1000 * seconds - 2 });
        return json(response, 200, { token, expires_in: seconds });
      }
      if (pathname.startsWith('/cdn/')) {
        // Signed by its address: what comes with another authorisation is refused, as S3 does.
        if (authorization !== 'none') return json(response, 400, {});
        const bytes = behaviour.instead ?? blobs.get(pathname.slice('/cdn/'.length));
        return serve(bytes ?? Buffer.alloc(0), {}, request, response, behaviour);
      }
      const [, name = '', kind, reference = ''] =
        /^\/v2\/(.+)\/(manifests|blobs)\/([^/]+)$/u.exec(decodeURIComponent(pathname)) ?? [];
      if (account !== undefined) {
        const token = tokens.get(/^Bearer (\w+)$/u.exec(authorization)?.[1] ?? '');
        if (token === undefined || token.until < Date.now() || token.scope !== `repository:${name}:pull`) {
          const challenge =
            behaviour.challenge ??
            `Bearer realm="${other}/token",service="registry",scope="repository:${name}:pull,push"`;
          return json(response, 401, { errors: [{ code: 'UNAUTHORIZED' }] }, { 'www-authenticate': challenge });
        }
      }
      if (kind === 'blobs') {
        if (!blobs.has(reference)) return json(response, 404, { errors: [{ code: 'BLOB_UNKNOWN' }] });
        response.writeHead(307, { location: `${other}/cdn/${reference}` }).end();
        return;
      }
      const manifest = blobs.get(reference.includes(':') ? reference : (tags.get(`${name}:${reference}`) ?? ''));
      if (manifest === undefined) return json(response, 404, { errors: [{ code: 'MANIFEST_UNKNOWN' }] });
      response.writeHead(200, { 'content-type': 'application/vnd.oci.image.manifest.v1+json' });
      response.end(manifest);
    },
    ([site]) => {
      registry.host = new URL(site).host;
      return work(registry);
    },
  );
}
