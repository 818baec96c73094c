import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { sha256 } from '../../../src/evidence/index.ts';
import { silentLog } from '../../../src/log.ts';
import { fetchNamed, type FetchedModel } from '../../../src/registry/fetch-artifact.ts';
import { withVariables } from '../../support/stores/environment.ts';
import { withRegistry, type OciStandIn } from '../../support/stores/oci.ts';

const password = 'pass:word/1';
const bytes = randomBytes(50_000);

type Fetch = (uri: string, digest?: string) => Promise<FetchedModel>;

function inRegistry<T>(
  work: (registry: OciStandIn, fetch: Fetch, folder: string) => Promise<T>,
  signIn: (registry: OciStandIn) => Record<string, string> = ({ host }) => ({
    OCI_REGISTRY: host,
    OCI_USERNAME: 'ada',
    OCI_PASSWORD: password,
  }),
): Promise<T> {
  return withRegistry((registry) => {
    registry.account = `ada:${password}`;
    return withVariables(signIn(registry), (folder) => work(registry, fetchInto(folder), folder));
  });
}

function fetchInto(folder: string): Fetch {
  return (uri, digest) => fetchNamed('.', { uri, sha256: digest }, join(folder, 'models'), { log: silentLog });
}

describe('an artifact of an OCI registry', () => {
  it('is fetched by its tag with a digest, and recorded by the digest of its manifest', () =>
    inRegistry(async (registry, fetch) => {
      const digest = registry.push('acme/spam', 'v1', { 'model.onnx': bytes });
      const { path, uri } = await fetch(`oci://${registry.host}/acme/spam:v1`, sha256(bytes));
      assert.deepEqual(await readFile(path), bytes);
      assert.equal(uri, `oci://${registry.host}/acme/spam@${digest}#model.onnx`);
    }));

  it('needs no other digest than that of its manifest, which vouches for its layers', () =>
    inRegistry(async (registry, fetch) => {
      const digest = registry.push('acme/spam', 'v1', { 'model.onnx': bytes });
      const uri = `oci://${registry.host}/acme/spam@${digest}`;
      assert.deepEqual(await readFile((await fetch(uri)).path), bytes);
      registry.behaviour.instead = randomBytes(50_000);
      await assert.rejects(
        fetch(`${uri}#model.onnx`, sha256(bytes.subarray(1))),
        /not the layer that the manifest names/u,
      );
      const manifest = registry.blobs.get(digest) as Buffer;
      registry.blobs.set(
        digest,
        Buffer.from(manifest.toString('utf8').replace('"schemaVersion":2', '"schemaVersion":3')),
      );
      await assert.rejects(fetch(`${uri}#model.onnx`, sha256('x')), /the registry sent a manifest with sha256:/u);
    }));

  it('may have several files, of which one is named by its title', () =>
    inRegistry(async (registry, fetch) => {
      registry.push('acme/spam', 'v1', { 'model.onnx': bytes, 'onnx/other.onnx': Buffer.from('other') });
      const uri = `oci://${registry.host}/acme/spam:v1`;
      assert.match((await fetch(`${uri}#onnx/other.onnx`, sha256('other'))).uri, /#onnx\/other\.onnx$/u);
      await assert.rejects(
        fetch(uri, sha256(bytes)),
        /2 layers: "model\.onnx", "onnx\/other\.onnx"\. Expected one layer/u,
      );
      await assert.rejects(fetch(`${uri}#x`, sha256(bytes)), /Expected one with the title "x"/u);
    }));

  it('is read as the one who is in the configuration of Docker, or as anybody', () =>
    inRegistry(
      async (registry, fetch, folder) => {
        registry.push('acme/spam', 'v1', { 'model.onnx': bytes });
        const uri = `oci://${registry.host}/acme/spam:v1`;
        await assert.rejects(
          fetch(uri, sha256(bytes)),
          /cannot be read without credentials[\s\S]*docker\/login-action/u,
        );
        const auth = Buffer.from(`ada:${password}`).toString('base64');
        await writeFile(join(folder, 'config.json'), JSON.stringify({ auths: { [registry.host]: { auth } } }));
        await fetch(uri, sha256(bytes));
        delete registry.account;
        await writeFile(join(folder, 'config.json'), '{"auths": []}');
        registry.push('acme/spam', 'v2', { 'model.onnx': Buffer.from('new') });
        await fetch(`oci://${registry.host}/acme/spam:v2`, sha256('new'));
      },
      () => ({}),
    ));

  it('is not asked for with what Docker keeps in several lines, and none of it is shown', () =>
    inRegistry(
      async (registry, fetch, folder) => {
        const auths = { [registry.host]: { auth: 'SECRET1\nSECRET2' } };
        await writeFile(join(folder, 'config.json'), JSON.stringify({ auths }));
        await assert.rejects(
          fetch(`oci://${registry.host}/acme/spam:v1`, sha256(bytes)),
          (error: Error) =>
            /are not base64[\s\S]*docker login/u.test(error.message) && !error.message.includes('SECRET'),
        );
        assert.deepEqual(registry.seen, []);
      },
      () => ({}),
    ));

  it('takes the password to where tokens are given, and nothing to where the bytes are', () =>
    inRegistry(async (registry, fetch) => {
      registry.push('acme/spam', 'v1', { 'model.onnx': bytes });
      await fetch(`oci://${registry.host}/acme/spam:v1`, sha256(bytes));
      assert.deepEqual(
        registry.seen.map((each) => each.replace(/sha256:\w+/u, '*')),
        [
          '127.0.0.1 /v2/acme/spam/manifests/v1 none',
          'localhost /token Basic',
          '127.0.0.1 /v2/acme/spam/manifests/v1 Bearer',
          '127.0.0.1 /v2/acme/spam/blobs/* Bearer',
          'localhost /cdn/* none',
        ],
      );
    }));

  it('does not take the password of one registry to another', () =>
    inRegistry(
      async (registry, fetch) => {
        registry.push('acme/spam', 'v1', { 'model.onnx': bytes });
        await assert.rejects(fetch(`oci://${registry.host}/acme/spam:v1`, sha256(bytes)), /without credentials/u);
        assert.ok(registry.seen.every((each) => !each.endsWith('Basic')));
      },
      () => ({ OCI_REGISTRY: 'ghcr.io', OCI_USERNAME: 'ada', OCI_PASSWORD: password }),
    ));

  it('asks for a new token where one holds for less time than the download takes', () =>
    inRegistry(async (registry, fetch) => {
      registry.push('acme/spam', 'v1', { 'model.onnx': bytes });
      registry.behaviour.seconds = 0.001;
      registry.behaviour.truncated = 1;
      await assert.rejects(
        fetch(`oci://${registry.host}/acme/spam:v1`, sha256(bytes)),
        /credentials are not accepted/u,
      );
      registry.behaviour.seconds = 1;
      await fetch(`oci://${registry.host}/acme/spam:v1`, sha256(bytes));
    }));

  const faults: [string, (registry: OciStandIn) => void, RegExp][] = [
    ['is absent', () => {}, /there is no such object \(the registry answered 404 MANIFEST_UNKNOWN\)/u],
    [
      'is kept with another password',
      (registry) => {
        registry.account = 'ada:other';
      },
      /credentials are not accepted \(the registry answered 401 UNAUTHORIZED\)/u,
    ],
    [
      'is an index',
      (registry) => registry.push('acme/spam', 'v1', {}, { layers: undefined, manifests: [] }),
      /an index of several manifests/u,
    ],
    [
      'is a folder',
      (registry) => {
        const digest = `sha256:${sha256('')}`;
        const annotations = { 'io.deis.oras.content.unpack': 'true', 'org.opencontainers.image.title': 'model' };
        registry.push('acme/spam', 'v1', {}, { layers: [{ digest, annotations }] });
      },
      /a layer that is an archive of a folder/u,
    ],
    ['has no layers', (registry) => registry.push('acme/spam', 'v1', {}), /an artifact with 0 layers/u],
    [
      'is behind a server of tokens without encryption',
      (registry) => {
        registry.push('acme/spam', 'v1', { 'model.onnx': bytes });
        registry.behaviour.challenge = 'Bearer realm="http://tokens.example/token",service="x"';
      },
      /an address without encryption/u,
    ],
  ];
  for (const [what, before, message] of faults) {
    it(`that ${what} is a fault that says so, and shows no password`, () =>
      inRegistry(async (registry, fetch) => {
        before(registry);
        await assert.rejects(
          fetch(`oci://${registry.host}/acme/spam:v1`, sha256(bytes)),
          (error: Error) => message.test(error.message) && !error.message.includes(password),
        );
      }));
  }
});

const program = '/usr/bin/docker-registry';

describe(
  'an artifact of the Distribution registry itself',
  { skip: !existsSync(program) && 'it is not installed' },
  () => {
    it('is fetched by tag and by digest, with a password', () =>
      withVariables({}, async (folder) => {
        const port = await freePort();
        const host = `127.0.0.1:${port}`;
        await mkdir(join(folder, 'data'));
        const passwords = join(folder, 'htpasswd');
        // ada with the password "secret", as htpasswd -nbB writes it
        await writeFile(passwords, 'ada:$2b$10$v94//RVh4lijGbTSO6HWQ.BsuUTr1f1rlkAYLfxL6S9VzL1SHbaOO\n');
        const config = {
          version: 0.1,
          log: { level: 'error' },
          storage: { filesystem: { rootdirectory: join(folder, 'data') } },
          http: { addr: host },
          auth: { htpasswd: { realm: 'models', path: passwords } },
        };
        await writeFile(join(folder, 'registry.yml'), JSON.stringify(config));
        const registry = spawn(program, ['serve', join(folder, 'registry.yml')], { stdio: 'ignore' });
        try {
          await answering(`http://${host}/v2/`);
          const layer = await putBlob(host, bytes);
          const config = await putBlob(host, Buffer.from('{}'));
          const mediaType = 'application/vnd.oci.image.manifest.v1+json';
          const manifest = JSON.stringify({
            schemaVersion: 2,
            mediaType,
            config: { mediaType: 'application/vnd.oci.empty.v1+json', ...config },
            layers: [
              {
                mediaType: 'application/octet-stream',
                ...layer,
                annotations: { 'org.opencontainers.image.title': 'model.onnx' },
              },
            ],
          });
          const put = await fetch(`http://${host}/v2/acme/spam/manifests/v1`, {
            method: 'PUT',
            headers: { 'content-type': mediaType, authorization },
            body: manifest,
          });
          assert.equal(put.status, 201);
          await assert.rejects(
            fetchInto(folder)(`oci://${host}/acme/spam:v1`, sha256(bytes)),
            /cannot be read without credentials \(the registry answered 401 UNAUTHORIZED\)/u,
          );
          await writeFile(join(folder, 'config.json'), JSON.stringify({ auths: { [host]: { auth } } }));
          const byTag = await fetchInto(folder)(`oci://${host}/acme/spam:v1`, sha256(bytes));
          assert.equal(byTag.uri, `oci://${host}/acme/spam@${put.headers.get('docker-content-digest')}#model.onnx`);
          assert.deepEqual(await readFile(byTag.path), bytes);
          const byDigest = await fetchInto(join(folder, 'again'))(byTag.uri);
          assert.deepEqual(await readFile(byDigest.path), bytes);
          await assert.rejects(
            fetchInto(folder)(`oci://${host}/acme/spam:v2`, sha256(bytes)),
            /no such object \(the registry answered 404 MANIFEST_UNKNOWN\)/u,
          );
        } finally {
          registry.kill();
        }
      }));
  },
);

const auth = Buffer.from('ada:secret').toString('base64');
const authorization = `Basic ${auth}`;

async function putBlob(host: string, blob: Buffer): Promise<{ digest: string; size: number }> {
  const begun = await fetch(`http://${host}/v2/acme/spam/blobs/uploads/`, {
    method: 'POST',
    headers: { authorization },
  });
  const place = new URL(begun.headers.get('location') ?? '', `http://${host}`);
  const digest = `sha256:${createHash('sha256').update(blob).digest('hex')}`;
  place.searchParams.set('digest', digest);
  const put = await fetch(place, {
    method: 'PUT',
    body: new Uint8Array(blob),
    headers: { 'content-type': 'application/octet-stream', authorization },
  });
  assert.equal(put.status, 201);
  return { digest, size: blob.length };
}

async function answering(url: string): Promise<void> {
  for (let count = 0; count < 200; count += 1) {
    const status = await fetch(url).then(
      (response) => response.status,
      () => 0,
    );
    if (status !== 0) return;
    await sleep(50);
  }
  throw new Error(`${url} does not answer`);
}

function freePort(): Promise<number> {
  return new Promise((done) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => done(port));
    });
  });
}
