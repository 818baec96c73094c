import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { sha256, type Artifact } from '../../src/evidence/index.ts';
import { makeRelease } from '../../src/github/release.ts';
import { silentLog } from '../../src/log.ts';
import { localModel } from '../../src/model/artifact.ts';
import { fetchArtifact, fetchNamed, type FetchOptions } from '../../src/registry/fetch-artifact.ts';
import { siteOf } from '../../src/github/access.ts';
import { sampleRelease } from '../github/sample-release.ts';
import { clientOf, repositoryName, withGitHub } from '../github/with-github.ts';
import type { Fault, GitHubStandIn } from '../support/github-api/server.ts';
import { inDays, newId, type WorkflowArtifact } from '../support/github-api/state.ts';
import { fixture } from '../support/project.ts';
import { withVariables } from '../support/stores/environment.ts';
import { zip } from '../support/runner/zip.ts';

/** No compression makes them fewer. */
const bytes = Buffer.concat(Array.from({ length: 150 }, (_, index) => Buffer.from(sha256(String(index)), 'hex')));

describe('a file in an artifact of a workflow run', () => {
  test('is fetched byte for byte by its path; alone, or the only model, it need not be named', () =>
    withArtifacts(async ({ store, named, recorded }) => {
      const { uri } = store({ 'out/a model.onnx': bytes, 'out/log.txt': Buffer.from('fine') });
      assert.deepEqual(await readFile(await recorded(`${uri}#out/a%20model.onnx`)), bytes);
      const only = await named(uri);
      assert.deepEqual(await readFile(only.path), bytes);
      assert.equal(only.uri, `${uri}#out/a%20model.onnx`);
      const single = store({ 'weights.bin': bytes });
      assert.equal((await named(`${single.uri}#`)).uri, `${single.uri}#weights.bin`);
    }));

  test('that is not there, or not the only one, is an error that lists what is', () =>
    withArtifacts(async ({ store, named }) => {
      const { uri } = store({ 'a.onnx': bytes, 'b.onnx': bytes });
      await assert.rejects(
        named(uri),
        /which file of the archive is meant: it holds "a\.onnx", "b\.onnx".*Name the file after #/u,
      );
      await assert.rejects(named(`${uri}#c.onnx`), /no file "c\.onnx": it holds "a\.onnx", "b\.onnx"/u);
      await assert.rejects(named(store({}).uri), /it is empty/u);
    }));

  test('of another digest than stated is refused, and so is another archive than GitHub states', () =>
    withArtifacts(async ({ server, store, named, recorded }) => {
      const { uri } = store({ 'm.onnx': bytes });
      await assert.rejects(named(uri, sha256('other')), /Expected .*not the recorded model/u);
      await assert.rejects(recorded(`${uri}#m.onnx`, Buffer.alloc(bytes.length)), /not the recorded model/u);
      const other = store({ 'n.onnx': bytes });
      server.fail(answering(200, zip(new Map([['m.onnx', Buffer.from('other')]]))), { when: /zip$/u, times: 9 });
      await assert.rejects(named(other.uri), /not the archive that was uploaded/u);
    }));

  test('comes with the external data of the model beside it', () =>
    withArtifacts(async ({ store, named, recorded }) => {
      const [name, data] = ['external-data.onnx', 'external-data.onnx.data'];
      const [model, weights] = await Promise.all([name, data].map((each) => readFile(fixture(`onnx-zoo/${each}`))));
      assert.ok(model !== undefined && weights !== undefined);
      const { sha256: digest, size } = await localModel(fixture(`onnx-zoo/${name}`), 'm');
      const whole = store({ [`m/${name}`]: model, [`m/${data}`]: weights, 'm/other.txt': bytes });
      const { path, uri } = await named(whole.uri);
      assert.equal((await localModel(path, uri)).sha256, digest);
      const again = await recorded(uri, { role: 'model', uri, sha256: digest, size });
      assert.equal((await localModel(again, uri)).sha256, digest);
      const half = store({ [name]: model });
      await assert.rejects(named(half.uri), /no file "external-data\.onnx\.data"/u);
    }));

  test('is downloaded once, and again by who must know that it is still there', () =>
    withArtifacts(async ({ server, store, named, recorded }) => {
      const { uri } = store({ 'm.onnx': bytes });
      const downloads = (): number => server.requests.filter(({ name }) => name.endsWith('/zip')).length;
      await named(uri);
      assert.deepEqual(await readFile((await named(uri)).path), bytes);
      await recorded(`${uri}#m.onnx`);
      assert.equal(downloads(), 1);
      await recorded(`${uri}#m.onnx`, undefined, { fresh: true });
      assert.equal(downloads(), 2);
    }));

  test('needs its digest where the server states none of the archive', () =>
    withArtifacts(async ({ server, store, named }) => {
      const { uri, id } = store({ 'm.onnx': bytes });
      const old = answering(200, { id, expired: false, expires_at: null });
      server.fail(old, { when: new RegExp(`/artifacts/${id}$`, 'u'), times: 2 });
      await assert.rejects(named(uri), /states no digest.*Add the sha256/u);
      assert.deepEqual(await readFile((await named(uri, sha256(bytes))).path), bytes);
    }));
});

describe('an artifact of a workflow run that cannot be had', () => {
  test('says that it expired, or is not there, and what to do', () =>
    withArtifacts(async ({ server, store, named }) => {
      const { uri, artifact } = store({ 'm.onnx': bytes });
      server.fail(answering(410, { message: 'Artifact has expired' }), { when: /zip$/u });
      await assert.rejects(named(uri), /expired, and GitHub deleted it.*Run the job that uploads it again/u);
      artifact.expired = true;
      await assert.rejects(named(uri), /expired on \d{4}-\d\d-\d\d, .*retention-days/u);
      await assert.rejects(named(uri.replace(/\d+$/u, '999999')), /no such artifact.*deleted.*uploads it again/u);
      await assert.rejects(
        named(uri.replace(/runs\/7/u, 'runs/8').replace(/\d+$/u, String(store({}).id))),
        /belongs to run 7/u,
      );
    }));

  test('without a token, or with one that may not read it, names the permission', () =>
    withArtifacts(async ({ server, store, named }) => {
      const { uri } = store({ 'm.onnx': bytes });
      const needs = /\npermissions:\n {2}contents: read # .*\n {2}actions: read # to fetch the artifact$/u;
      const refused = async (token: string, why: RegExp): Promise<void> => {
        const get = named(uri, undefined, { github: { token, apiUrl: server.url } });
        await assert.rejects(get, why);
        await assert.rejects(get, needs);
      };
      await refused('', /cannot be downloaded from GitHub without a token.*Pass a token/u);
      await refused(server.token({ permissions: { contents: 'read' } }), /token may not read/u);
      // Everybody sees that it is there, and nobody gets it without a token.
      server.repository(repositoryName).private = false;
      await refused('', /cannot be downloaded from GitHub without a token/u);
    }));

  test('since it is of another server is not asked for: no token leaves for there', () =>
    withArtifacts(async ({ server, store, named }) => {
      const { uri } = store({ 'm.onnx': bytes });
      const elsewhere = uri.replace(/^http:\/\/[^/]+/u, 'https://github.example');
      await assert.rejects(named(elsewhere), /at https:\/\/github\.example, .*GITHUB_API_URL/u);
      assert.deepEqual(server.requests, []);
      assert.equal(siteOf('https://api.tenant.ghe.com'), 'https://tenant.ghe.com');
      assert.equal(siteOf('https://github.acme.example/api/v3'), 'https://github.acme.example');
      assert.equal(siteOf('https://api.acme.example/api/v3'), 'https://api.acme.example');
      assert.equal(siteOf(), 'https://github.com');
    }));
});

describe('the download of an artifact of a workflow run', () => {
  test('goes on where it broke off, each time from the API, and shows the token to nobody else', () =>
    withArtifacts(async ({ server, store, named, token }) => {
      const { uri, artifact } = store({ 'm.onnx': bytes });
      const seen: IncomingHttpHeaders[] = [];
      const half = Math.floor(artifact.bytes.length / 2);
      await serving(
        (request, response) => {
          seen.push(request.headers);
          const start = Number(/^bytes=(\d+)-$/u.exec(request.headers.range ?? '')?.[1] ?? 0);
          response.writeHead(start > 0 ? 206 : 200, {
            'content-length': artifact.bytes.length - start,
            ...(start > 0 ? { 'content-range': `bytes ${start}-/${artifact.bytes.length}` } : {}),
          });
          if (start > 0) return void response.end(artifact.bytes.subarray(start));
          response.write(artifact.bytes.subarray(0, half));
          // Not before the client has what was written.
          setTimeout(() => response.destroy(), 100);
        },
        async (blobs) => {
          const signed = { answer: { status: 302, headers: { location: `${blobs}/signed` } } };
          server.fail(signed, { when: /zip$/u, times: 9 });
          assert.deepEqual(await readFile((await named(uri)).path), bytes);
        },
      );
      assert.deepEqual(
        seen.map(({ range }) => range),
        [undefined, `bytes=${half}-`],
      );
      assert.ok(seen.every(({ authorization }) => authorization === undefined));
      assert.ok(!JSON.stringify(seen).includes(token));
      const asked = server.requests.filter(({ name }) => name.endsWith('/zip'));
      assert.deepEqual(
        asked.map(({ login }) => login),
        Array.from({ length: 2 }, () => 'github-actions[bot]'),
      );
    }));
});

describe('an archive that cannot be trusted', () => {
  const refusals: { name: string; archive: Buffer; found: RegExp; size?: number }[] = [
    {
      name: 'a name that leads out of it',
      archive: zip(new Map([['../m.onnx', bytes]])),
      found: /invalid relative path/u,
    },
    { name: 'an absolute name', archive: zip(new Map([['/etc/m.onnx', bytes]])), found: /absolute path/u },
    {
      name: 'more bytes than were recorded',
      archive: zip(new Map([['m.onnx', Buffer.alloc(1e6)]])),
      found: /"m\.onnx" has more than 1000 bytes/u,
      size: 1000,
    },
    {
      name: 'more bytes than it says',
      archive: changed(zip(new Map([['m.onnx', Buffer.alloc(1e6)]])), (entry) => entry.writeUInt32LE(100, 24)),
      found: /cannot be read as a zip archive \(.*100/u,
    },
    {
      name: 'a link',
      archive: changed(zip(new Map([['m.onnx', Buffer.from('/etc/passwd')]])), (entry) =>
        entry.writeUInt32LE((0o120_777 << 16) >>> 0, 38),
      ),
      found: /refused: "m\.onnx" is a link/u,
    },
    {
      name: 'an encrypted file',
      archive: changed(zip(new Map([['m.onnx', bytes]])), (entry) => entry.writeUInt16LE(0x0801, 8)),
      found: /refused: "m\.onnx" is encrypted/u,
    },
    {
      name: 'an end that is missing',
      archive: zip(new Map([['m.onnx', bytes]])).subarray(0, 3000),
      found: /truncated/u,
    },
    { name: 'no archive in it', archive: bytes, found: /cannot be read as a zip archive.*archive: true/u },
    {
      name: 'one file twice',
      archive: twice(zip(new Map([['m.onnx', bytes]]))),
      found: /2 files "m\.onnx"/u,
    },
  ];
  for (const { name, archive, found, size } of refusals) {
    test(`is refused for ${name}, and leaves nothing behind`, () =>
      withArtifacts(async ({ store, folder, get }) => {
        const { uri } = store(archive);
        const artifact: Artifact = { role: 'model', uri: `${uri}#m.onnx`, sha256: sha256('m'), size: size ?? 0 };
        await assert.rejects(get(artifact), found);
        const left = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
        assert.deepEqual(
          left.filter((each) => each.isFile()).map((each) => each.name),
          [],
        );
      }));
  }
});

describe('a recorded artifact of a workflow run that is gone', () => {
  const tag = 'm@v1.0.1';

  test('comes from the release of its version, verified, also for who must know that it is there', () =>
    withArtifacts(async ({ server, store, recorded }) => {
      const { uri, artifact } = store({ 'out/a model.onnx': bytes });
      const address = `${uri}#out/a%20model.onnx`;
      const file = {
        name: 'a_model.onnx',
        type: 'application/octet-stream',
        size: bytes.length,
        sha256: sha256(bytes),
      };
      const path = await recorded(address);
      await makeRelease(
        clientOf(server),
        sampleRelease({ tag, assets: [{ ...file, content: { path }, exact: true }] }),
      );
      artifact.expired = true;
      for (const fresh of [false, true]) {
        assert.deepEqual(await readFile(await recorded(address, undefined, { release: tag, fresh })), bytes);
      }
      server.repository(repositoryName).artifacts.clear();
      assert.deepEqual(await readFile(await recorded(address, undefined, { release: tag })), bytes);
      const [asset] = [...server.repository(repositoryName).releases.values()][0]?.assets ?? [];
      assert.ok(asset !== undefined);
      asset.bytes = Buffer.from('forged');
      await assert.rejects(recorded(address, undefined, { release: tag, fresh: true }), /not the recorded model/u);
    }));

  test('and was never released is an error that says both', () =>
    withArtifacts(async ({ store, recorded }) => {
      const { uri, artifact } = store({ 'm.onnx': bytes });
      artifact.expired = true;
      await assert.rejects(recorded(`${uri}#m.onnx`), /expired/u);
      await assert.rejects(
        recorded(`${uri}#m.onnx`, undefined, { release: tag }),
        /expired .*from the other address: .*.*releases\/download\/m%40v1\.0\.1\/m\.onnx: the server answered 404/u,
      );
    }));
});

interface Given {
  server: GitHubStandIn;
  token: string;
  /** Where what is fetched goes, each time into a folder of its own. */
  folder: string;
  /** Upload an artifact of run 7: files, or an archive as it is. */
  store(content: Record<string, Buffer> | Buffer): { uri: string; id: number; artifact: WorkflowArtifact };
  named(uri: string, digest?: string, options?: Partial<FetchOptions>): Promise<{ path: string; uri: string }>;
  get(artifact: Artifact, options?: Partial<FetchOptions>): Promise<string>;
  recorded(uri: string, of?: Buffer | Artifact, options?: Partial<FetchOptions>): Promise<string>;
}

/** Run `work` beside GitHub, with a cache of its own. */
function withArtifacts(work: (given: Given) => Promise<void>): Promise<void> {
  return withGitHub((server) =>
    withVariables({}, async (temporary) => {
      const token = server.token({ permissions: { actions: 'read', contents: 'read' } });
      const folder = join(temporary, 'new');
      const standing: FetchOptions = { log: silentLog, github: { token, apiUrl: server.url } };
      let count = 0;
      const place = (): string => join(folder, String(++count));
      const get: Given['get'] = (artifact, options) =>
        fetchArtifact(temporary, artifact, place(), { ...standing, ...options });
      await work({
        server,
        token,
        folder,
        store(content) {
          const archive = Buffer.isBuffer(content) ? content : zip(new Map(Object.entries(content)));
          const id = newId();
          const artifact = {
            id,
            name: 'model',
            bytes: archive,
            expired: false,
            expires: inDays(90),
            run: 7,
            attempt: 1,
          };
          server.repository(repositoryName).artifacts.set(id, artifact);
          return { uri: `${server.site}/${repositoryName}/actions/runs/7/artifacts/${id}`, id, artifact };
        },
        named: (uri, digest, options) =>
          fetchNamed(temporary, { uri, sha256: digest }, place(), { ...standing, ...options }),
        get,
        recorded: (uri, of = bytes, options = {}) =>
          get(Buffer.isBuffer(of) ? { role: 'model', uri, sha256: sha256(of), size: of.length } : of, options),
      });
    }),
  );
}

async function serving(listener: RequestListener, work: (base: string) => Promise<void>): Promise<void> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    await work(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

function answering(status: number, body: unknown): Fault {
  return { answer: { status, body } };
}

/** An archive with another entry in its directory. */
function changed(archive: Buffer, change: (entry: Buffer) => void): Buffer {
  const copy = Buffer.from(archive);
  change(copy.subarray(copy.indexOf('PK\u0001\u0002', 0, 'latin1')));
  return copy;
}

/** An archive that names its one file twice. */
function twice(archive: Buffer): Buffer {
  const start = archive.indexOf('PK\u0001\u0002', 0, 'latin1');
  const entry = archive.subarray(start, archive.length - 22);
  const end = Buffer.from(archive.subarray(archive.length - 22));
  end.writeUInt16LE(2, 8);
  end.writeUInt16LE(2, 10);
  end.writeUInt32LE(2 * entry.length, 12);
  return Buffer.concat([archive.subarray(0, start), entry, entry, end]);
}
