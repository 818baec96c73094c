import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A server of Git LFS for one repository, acme/models (git-lfs docs/api/batch.md and basic-transfers.md), with real objects. */
export interface LfsStandIn {
  /** Of the server, as 127.0.0.1 and as localhost: to a client two hosts. */
  site: string;
  otherSite: string;
  /** Keep bytes; returns the text of their pointer. */
  keep(bytes: Uint8Array): string;
  forget(bytes: Uint8Array): void;
  /** Each request: method, path, and who signed in. */
  seen: string[];
  /** What goes wrong, or is different. */
  behaviour: {
    /** Who does not say so is answered 401. Default: anybody is let in. */
    token?: string;
    /** Where downloads are sent to. Default: site. */
    downloads?: string;
    /** So many of the next addresses have expired when they are used. */
    expired?: number;
    /** Bytes that are served in the place of those asked for. */
    instead?: Uint8Array;
    /** The size that is told. */
    size?: number;
    /** So many of the next downloads break off in the middle. */
    broken?: number;
    /** Answer of the batch API. */
    status?: number;
  };
}

export async function withLfsServer<T>(work: (server: LfsStandIn) => Promise<T>): Promise<T> {
  const objects = new Map<string, Buffer>();
  const seen: string[] = [];
  const behaviour: LfsStandIn['behaviour'] = {};
  let site = '';
  const server = createServer((request, response) => void answer(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  site = `http://127.0.0.1:${port}`;

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '', headers } = request;
    const [kind = 'none', secret = ''] = (headers.authorization ?? 'none').split(' ');
    const who = kind === 'Basic' ? Buffer.from(secret, 'base64').toString('utf8') : kind;
    seen.push(`${method} ${headers.host?.split(':')[0] ?? ''}${url} ${who}${headers.range ?? ''}`);
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    if (method === 'POST') return batch(url, headers, who, Buffer.concat(chunks), response);
    download(url, headers, response);
  }

  function batch(
    url: string,
    headers: IncomingMessage['headers'],
    who: string,
    body: Buffer,
    response: ServerResponse,
  ): void {
    const say = (status: number, value: object): void => {
      response.writeHead(status, { 'content-type': 'application/vnd.git-lfs+json' }).end(JSON.stringify(value));
    };
    const form = 'application/vnd.git-lfs+json';
    if (url !== '/acme/models.git/info/lfs/objects/batch') return say(404, { message: 'Not found' });
    if (headers.accept !== form || headers['content-type'] !== form) return say(406, { message: 'Not acceptable' });
    if (behaviour.status !== undefined) return say(behaviour.status, { message: 'As you wish' });
    if (behaviour.token !== undefined && who !== `x-access-token:${behaviour.token}`) {
      return say(401, { message: 'Credentials needed' });
    }
    const asked = JSON.parse(body.toString('utf8')) as {
      operation: string;
      transfers: string[];
      objects: { oid: string; size: number }[];
    };
    if (asked.operation !== 'download' || asked.transfers[0] !== 'basic') return say(422, { message: 'Unprocessable' });
    const expired = (behaviour.expired ?? 0) > 0;
    if (expired) behaviour.expired = (behaviour.expired ?? 0) - 1;
    say(200, {
      transfer: 'basic',
      objects: asked.objects.map(({ oid, size }) =>
        objects.has(oid)
          ? {
              oid,
              size: behaviour.size ?? size,
              authenticated: true,
              actions: {
                download: {
                  href: `${behaviour.downloads ?? site}/objects/${oid}${expired ? '?expired' : ''}`,
                  header: { 'x-lfs-key': 'key' },
                },
              },
            }
          : { oid, size, error: { code: 404, message: 'Object does not exist on the server' } },
      ),
      hash_algo: 'sha256',
    });
  }

  function download(url: string, headers: IncomingMessage['headers'], response: ServerResponse): void {
    const [, oid = '', expired] = /^\/objects\/([0-9a-f]{64})(\?expired)?$/u.exec(url) ?? [];
    const bytes = behaviour.instead ?? objects.get(oid);
    const refusal = expired !== undefined || headers['x-lfs-key'] !== 'key' ? 403 : bytes === undefined ? 404 : null;
    if (refusal !== null || bytes === undefined) return void response.writeHead(refusal ?? 404).end();
    const start = Number(/^bytes=(\d+)-$/u.exec(headers.range ?? '')?.[1] ?? 0);
    response.writeHead(start > 0 ? 206 : 200, {
      'content-length': bytes.length - start,
      ...(start > 0 ? { 'content-range': `bytes ${start}-${bytes.length - 1}/${bytes.length}` } : {}),
    });
    if ((behaviour.broken ?? 0) === 0) return void response.end(bytes.subarray(start));
    behaviour.broken = (behaviour.broken ?? 0) - 1;
    response.write(bytes.subarray(start, start + 1000));
    // Not before the client has what was written.
    setTimeout(() => response.destroy(), 400);
  }

  const oidOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
  try {
    return await work({
      site,
      otherSite: site.replace('127.0.0.1', 'localhost'),
      keep(bytes) {
        objects.set(oidOf(bytes), Buffer.from(bytes));
        return `version https://git-lfs.github.com/spec/v1\noid sha256:${oidOf(bytes)}\nsize ${bytes.length}\n`;
      },
      forget: (bytes) => void objects.delete(oidOf(bytes)),
      seen,
      behaviour,
    });
  } finally {
    server.close();
    server.closeAllConnections();
  }
}
