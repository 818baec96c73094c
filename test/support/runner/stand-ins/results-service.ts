import { createHash, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

/** An artifact that was uploaded whole. */
export interface UploadedArtifact {
  id: number;
  name: string;
  contentType: string;
  bytes: Buffer;
}

/**
 * The service that keeps artifacts, as @actions/artifact speaks to it: Twirp in JSON (github.actions.results.api.v1.ArtifactService), and
 * blocks put to a signed address (Azure Blob Storage, "Put Block" and "Put Block List"). A name is taken once in a run.
 */
export async function resultsService(): Promise<{
  env: Record<string, string>;
  artifacts: UploadedArtifact[];
  /** From now on every call is refused with this status. */
  refuse(status: number): void;
  stop(): Promise<void>;
}> {
  const run = randomUUID();
  const begun = new Map<string, { contentType: string; blocks: Map<string, Buffer>; bytes: Buffer | null }>();
  const artifacts: UploadedArtifact[] = [];
  let refusal: number | null = null;
  const server = createServer((request, response) => {
    void (async () => {
      const url = new URL(request.url ?? '/', base);
      const body = await bodyOf(request);
      const answer = (status: number, value: object): void => {
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
      };
      if (refusal !== null) return answer(refusal, { msg: 'refused' });
      const method = /^\/twirp\/github\.actions\.results\.api\.v1\.ArtifactService\/(\w+)$/u.exec(url.pathname)?.[1];
      if (method === undefined) return put(url, request, body, () => response.writeHead(201).end());
      if (request.headers.authorization !== `Bearer ${token}`) return answer(401, { msg: 'unauthenticated' });
      const { name, size, hash, workflow_run_backend_id: of } = JSON.parse(body.toString()) as Record<string, string>;
      if (of !== run || name === undefined) return answer(400, { msg: 'not of this run' });
      if (method === 'CreateArtifact') {
        if (begun.has(name))
          return answer(409, { msg: 'an artifact with this name already exists on the workflow run' });
        begun.set(name, { contentType: '', blocks: new Map(), bytes: null });
        return answer(200, { ok: true, signed_upload_url: `${base}/blob/${encodeURIComponent(name)}?sig=signed` });
      }
      const bytes = begun.get(name)?.bytes;
      const isWhole =
        bytes?.length === Number(size) && hash === `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
      if (!bytes || !isWhole) return answer(400, { msg: 'the upload is not complete' });
      const id = 100 + artifacts.length;
      artifacts.push({ id, name, contentType: begun.get(name)?.contentType ?? '', bytes });
      return answer(200, { ok: true, artifact_id: String(id) });
    })();
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const claims = { scp: `Actions.GenericRead:x Actions.Results:${run}:${randomUUID()}` };
  const token = `${part({ alg: 'none' })}.${part(claims)}.unsigned`;
  return {
    env: { ACTIONS_RUNTIME_TOKEN: token, ACTIONS_RESULTS_URL: base },
    artifacts,
    refuse: (status) => (refusal = status),
    stop: () =>
      new Promise((stopped) => {
        server.close(() => stopped());
        server.closeAllConnections();
      }),
  };

  function put(url: URL, request: IncomingMessage, body: Buffer, done: () => void): void {
    const blob = begun.get(decodeURIComponent(url.pathname.replace('/blob/', '')));
    if (blob === undefined || url.searchParams.get('sig') !== 'signed') throw new Error(`no upload at ${url.pathname}`);
    if (url.searchParams.get('comp') === 'block') blob.blocks.set(url.searchParams.get('blockid') ?? '', body);
    else {
      const listed = [...body.toString().matchAll(/<(?:Latest|Uncommitted)>([^<]+)</gu)].map(([, block = '']) => block);
      const blocks = listed.map((block) => blob.blocks.get(block) ?? Buffer.alloc(0));
      blob.bytes = url.searchParams.get('comp') === 'blocklist' ? Buffer.concat(blocks) : body;
      blob.contentType = String(request.headers['x-ms-blob-content-type']);
    }
    done();
  }
}

const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
