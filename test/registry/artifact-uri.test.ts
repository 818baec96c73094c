import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { sha256, type Artifact } from '../../src/evidence/index.ts';
import { silentLog } from '../../src/log.ts';
import { immutableModelUri } from '../../src/registry/artifact-uri.ts';
import { fetchArtifact, type FetchOptions } from '../../src/registry/fetch-artifact.ts';
import { localModel } from '../../src/model/artifact.ts';
import { makeRelease } from '../../src/github/release.ts';
import { sampleRelease, textAsset } from '../github/sample-release.ts';
import { clientOf, repositoryName, withGitHub } from '../github/with-github.ts';
import { fixture, inTemporaryFolder } from '../support/project.ts';
import { withVariables } from '../support/stores/environment.ts';
import { inRepository, type TemporaryRepository } from './temporary-repository.ts';

const bytes = Buffer.from(Array.from({ length: 5000 }, (_, index) => index % 251));
const model = (uri: string, of: Uint8Array = bytes): Artifact => ({
  role: 'model',
  uri,
  sha256: sha256(of),
  size: of.length,
});

describe('the address of a committed model', () => {
  test('names commit and path, and gives the same bytes after the file has changed', () =>
    inRepository(async (repository) => {
      const path = await commitModel(repository, 'models/a model.onnx', bytes);
      const uri = await immutableModelUri(repository.folder, path);
      assert.equal(uri, `git:${await repository.git('rev-parse', 'HEAD')}:models/a model.onnx`);
      await commitModel(repository, 'models/a model.onnx', Buffer.from('another'));
      await inTemporaryFolder(async (folder) => {
        const fetched = await fetchArtifact(repository.folder, model(uri), join(folder, 'new'), { log: silentLog });
        assert.deepEqual(await readFile(fetched), bytes);
        assert.deepEqual(await readdir(join(folder, 'new')), ['a_model.onnx']);
      });
    }));

  // treeverse/dvc#4658, treeverse/dvc#619: digests of one file that differ from machine to machine.
  test('is none where git converts the file: what is measured here is not what others would fetch', () =>
    inRepository(async (repository) => {
      await repository.git('config', 'core.autocrlf', 'true');
      const path = await commitModel(repository, 'some predictions.csv', Buffer.from('id,score\n1,0.5\n'));
      await rm(path);
      await repository.git('checkout', '--', '.');
      assert.equal(await repository.status(), '');
      const said = await immutableModelUri(repository.folder, path).catch((error: unknown) => String(error));
      assert.match(said, /git converts this file.*line endings/su);
      // What it says helps.
      await repository.write('.gitattributes', `${/Add the line '(.*?)' to/u.exec(said)?.[1]}\n`);
      await repository.git('add', '--renormalize', '.gitattributes', 'some predictions.csv');
      await repository.git('commit', '--quiet', '-m', 'Convert nothing');
      assert.match(await immutableModelUri(repository.folder, path), /^git:[0-9a-f]{40}:some predictions\.csv$/u);
    }));

  test('is fetched from the remote where the clone has one commit only', () =>
    inRepository((repository) =>
      inTemporaryFolder(async (folder) => {
        const path = await commitModel(repository, 'm.onnx', bytes);
        const uri = await immutableModelUri(repository.folder, path);
        await commitModel(repository, 'm.onnx', Buffer.from('another'));
        const clone = join(folder, 'clone');
        await repository.git('clone', '--quiet', '--depth=1', `file://${repository.folder}`, clone);
        const fetched = await fetchArtifact(clone, model(uri), join(folder, 'new'), { log: silentLog });
        assert.deepEqual(await readFile(fetched), bytes);
      }),
    ));

  test('of a file in a submodule is refused, and what can be done is said', () =>
    inRepository(async (repository) => {
      const head = await repository.git('rev-parse', 'HEAD');
      await repository.git('update-index', '--add', '--cacheinfo', `160000,${head},vendor/models`);
      await repository.git('commit', '--quiet', '-m', 'Submodule');
      await repository.write('vendor/models/m.onnx', bytes);
      await assert.rejects(
        immutableModelUri(repository.folder, join(repository.folder, 'vendor/models/m.onnx')),
        /in the submodule vendor\/models.*in the repository of the submodule/su,
      );
    }));

  test('is refused for a file that is not committed, differs from the committed one, or lies elsewhere', () =>
    inRepository(async (repository) => {
      await repository.write('models/new.onnx', bytes);
      const inside = (path: string): string => join(repository.folder, path);
      await assert.rejects(
        immutableModelUri(repository.folder, inside('models/new.onnx')),
        /models\/new\.onnx: this file is not committed.*git add/u,
      );
      await repository.git('add', '--all');
      await assert.rejects(immutableModelUri(repository.folder, inside('models/new.onnx')), /not committed/u);
      await repository.commit('Model');
      await repository.write('models/new.onnx', 'changed');
      await assert.rejects(
        immutableModelUri(repository.folder, inside('models/new.onnx')),
        /differs from the committed one/u,
      );
      await inTemporaryFolder(async (other) => {
        await writeFile(join(other, 'x.onnx'), bytes);
        await symlink(join(other, 'x.onnx'), inside('link.onnx'));
        await repository.commit('Link');
        await assert.rejects(immutableModelUri(repository.folder, inside('link.onnx')), /outside the repository/u);
      });
    }));

  test('holds for a model kept in Git LFS, whose bytes come from the local store or the work tree', () =>
    inRepository(async (repository) => {
      const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${sha256(bytes)}\nsize ${bytes.length}\n`;
      const path = await commitModel(repository, 'm.onnx', Buffer.from(pointer));
      await writeFile(path, bytes);
      const uri = await immutableModelUri(repository.folder, path);
      const fetched = (): Promise<Buffer> =>
        inTemporaryFolder(async (folder) =>
          readFile(await fetchArtifact(repository.folder, model(uri), folder, { log: silentLog })),
        );
      assert.deepEqual(await fetched(), bytes);
      await rm(path);
      await assert.rejects(fetched(), /Git LFS.*git lfs fetch/u);
      const store = join(repository.folder, '.git/lfs/objects', sha256(bytes).slice(0, 2), sha256(bytes).slice(2, 4));
      await mkdir(store, { recursive: true });
      await writeFile(join(store, sha256(bytes)), bytes);
      assert.deepEqual(await fetched(), bytes);
    }));

  test('brings the external data of a model along, and needs it committed too', () =>
    inRepository(async (repository) => {
      const [name, data] = ['external-data.onnx', 'external-data.onnx.data'];
      const path = await commitModel(repository, `m/${name}`, await readFile(fixture(`onnx-zoo/${name}`)));
      const weights = await readFile(fixture(`onnx-zoo/${data}`));
      await repository.write(`m/${data}`, weights);
      const { files, ...artifact } = await localModel(path, 'm');
      const others = files.slice(1).map((file) => file.path);
      await assert.rejects(
        immutableModelUri(repository.folder, path, others),
        /m\/external-data\.onnx\.data: this file/u,
      );
      await repository.commit('Weights');
      const recorded = { ...artifact, uri: await immutableModelUri(repository.folder, path, others) };
      await commitModel(repository, `m/${data}`, Buffer.from('others'));
      await inTemporaryFolder(async (folder) => {
        const fetched = await fetchArtifact(repository.folder, recorded, folder, { log: silentLog });
        assert.equal((await localModel(fetched, 'm')).sha256, recorded.sha256);
        assert.deepEqual((await readdir(folder)).toSorted(), [name, data]);
      });
      await inTemporaryFolder(async (folder) => {
        const changed = {
          ...recorded,
          uri: recorded.uri.replace(/[0-9a-f]{40}/u, await repository.git('rev-parse', 'HEAD')),
        };
        await assert.rejects(
          fetchArtifact(repository.folder, changed, folder, { log: silentLog }),
          /not the recorded model|external data/u,
        );
        assert.deepEqual(await readdir(folder), []);
      });
    }));
});

describe('an artifact that cannot be trusted', () => {
  test('with other bytes than recorded is refused and not left behind', () =>
    inRepository(async (repository) => {
      const uri = await immutableModelUri(repository.folder, await commitModel(repository, 'm.onnx', bytes));
      await inTemporaryFolder(async (folder) => {
        const other = { ...model(uri), sha256: sha256('other') };
        await assert.rejects(
          fetchArtifact(repository.folder, other, folder, { log: silentLog }),
          /not the recorded model/u,
        );
        assert.deepEqual(await readdir(folder), []);
      });
    }));

  test('in a commit that this clone does not have, and cannot get from its remote, says how to get it', () =>
    inRepository(async (repository) => {
      const uri = await immutableModelUri(repository.folder, await commitModel(repository, 'm.onnx', bytes));
      await repository.commit('Later');
      await inTemporaryFolder(async (folder) => {
        const clone = join(folder, 'clone');
        await promisify(execFile)('git', ['clone', '--quiet', '--depth', '1', `file://${repository.folder}`, clone]);
        await promisify(execFile)('git', ['-C', clone, 'remote', 'set-url', 'origin', join(folder, 'gone')]);
        await assert.rejects(
          fetchArtifact(clone, model(uri), folder, { log: silentLog }),
          /not in this clone.*fetch-depth: 0/u,
        );
        await assert.rejects(
          fetchArtifact(clone, model('file:m.onnx'), folder, { log: silentLog }),
          /cannot be fetched/u,
        );
      });
    }));
});

describe('a download', () => {
  test('gives the verified bytes; a failure, a surplus or another digest is an error', () =>
    downloading(
      (request, response) => {
        if (request.url === '/missing.onnx') response.statusCode = 404;
        response.end(bytes);
      },
      async (get, base) => {
        assert.deepEqual(await readFile(await get(model(`${base}/m.onnx?token=secret`))), bytes);
        await assert.rejects(get(model(`${base}/missing.onnx`), { fresh: true }), /answered 404/u);
        await assert.rejects(get({ ...model(`${base}/m.onnx`), size: 100 }, { fresh: true }), /more than 100 bytes/u);
        await assert.rejects(get({ ...model(`${base}/m.onnx`), sha256: sha256('x') }), /not the recorded model/u);
        await assert.rejects(get({ ...model(`${base}/n.onnx`), size: 0, sha256: sha256('x') }), /not the recorded/u);
        await assert.rejects(get(model('http://models.example/m.onnx'), { fresh: true }), /https/u);
      },
    ));

  test('is kept for the next run, verified there, and asked for again by who must know that it is still there', () => {
    let asked = 0;
    return downloading(
      (_request, response) => {
        asked += 1;
        response.end(bytes);
      },
      async (get, base) => {
        const artifact = model(`${base}/m.onnx`);
        const path = await get(artifact);
        assert.equal(await get(artifact), path);
        assert.equal(asked, 1);
        await writeFile(path, 'edited');
        assert.deepEqual(await readFile(await get(artifact)), bytes);
        assert.equal(asked, 2);
        assert.notEqual(await get(artifact, { fresh: true }), path);
        assert.equal(asked, 3);
      },
    );
  });

  test('goes on where it broke off, within a run and in the next', () => {
    const ranges: (string | undefined)[] = [];
    let up = true;
    return downloading(
      (request, response) => {
        ranges.push(request.headers.range);
        const start = Number(/^bytes=(\d+)-$/u.exec(request.headers.range ?? '')?.[1] ?? 0);
        if (!up) {
          response.statusCode = 503;
          response.end();
          return;
        }
        response.writeHead(start > 0 ? 206 : 200, {
          'content-length': bytes.length - start,
          ...(start > 0 ? { 'content-range': `bytes ${start}-${bytes.length - 1}/${bytes.length}` } : {}),
        });
        const end = Math.min(bytes.length, start + 1000);
        response.write(bytes.subarray(start, end));
        // Not before the client has what was written.
        setTimeout(() => (end < bytes.length ? response.destroy() : response.end()), 100);
        // Once half of it is out the server goes down.
        if (ranges.length === 2) up = false;
      },
      async (get, base) => {
        const artifact = model(`${base}/m.onnx`);
        await assert.rejects(get(artifact), /answered 503/u);
        assert.deepEqual(ranges, [
          undefined,
          ...Array.from({ length: ranges.length - 1 }, (_, at) => `bytes=${at === 0 ? 1000 : 2000}-`),
        ]);
        up = true;
        ranges.length = 2;
        assert.deepEqual(await readFile(await get(artifact)), bytes);
        assert.equal(ranges[2], 'bytes=2000-');
      },
    );
  });

  for (const ranges of [true, false]) {
    test(`gives the right bytes where those begun with are not the server's, which ${ranges ? 'gives' : 'knows no'} parts`, () =>
      downloading(
        (request, response) => {
          const start = Number(/^bytes=(\d+)-$/u.exec(request.headers.range ?? '')?.[1] ?? 0);
          if (!ranges || start === 0) return void response.end(bytes);
          response.writeHead(206, { 'content-range': `bytes ${start}-${bytes.length - 1}/${bytes.length}` });
          response.end(bytes.subarray(start));
        },
        async (get, base, cache) => {
          const artifact = model(`${base}/m.onnx`);
          await mkdir(join(cache, artifact.sha256), { recursive: true });
          await writeFile(join(cache, artifact.sha256, 'm.onnx.part'), 'of another file');
          assert.deepEqual(await readFile(await get(artifact)), bytes);
        },
      ));
  }

  test('of a file of a release of a private repository goes through the API, the token to nobody else', () =>
    withGitHub(async (server) => {
      const text = 'The bytes of a model.';
      const file = textAsset('m.onnx', text);
      await makeRelease(clientOf(server), sampleRelease({ tag: 'm@v1.0.0', assets: [file] }));
      const token = server.token();
      const uri = `${new URL(server.url).origin}/${repositoryName}/releases/download/m%40v1.0.0/m.onnx`;
      await inTemporaryFolder(async (folder) => {
        const get = (options: Partial<FetchOptions>): Promise<string> =>
          fetchArtifact(folder, model(uri, Buffer.from(text)), folder, { fresh: true, log: silentLog, ...options });
        await assert.rejects(get({}), /answered 404/u);
        await assert.rejects(get({ github: { token: '', apiUrl: server.url } }), /answered 404/u);
        assert.equal(await readFile(await get({ github: { token, apiUrl: server.url } }), 'utf8'), text);
      });
    }));
});

/** Run `work` beside a server, with a cache of its own. */
async function downloading(
  listener: RequestListener,
  work: (
    get: (artifact: Artifact, options?: Partial<FetchOptions>) => Promise<string>,
    base: string,
    cache: string,
  ) => Promise<void>,
): Promise<void> {
  await withVariables({}, async (folder) => {
    const server = createServer(listener).listen(0, '127.0.0.1');
    await once(server, 'listening');
    try {
      await work(
        (artifact, options) => fetchArtifact(folder, artifact, join(folder, 'new'), { log: silentLog, ...options }),
        `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
        join(folder, 'cache', 'artifacts'),
      );
    } finally {
      server.close();
      server.closeAllConnections();
    }
  });
}

async function commitModel(repository: TemporaryRepository, path: string, content: Uint8Array): Promise<string> {
  await repository.write(path, content);
  await repository.commit('Model');
  return join(repository.folder, path);
}
