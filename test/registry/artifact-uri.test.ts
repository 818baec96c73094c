import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { RegistryError } from '../../src/errors.ts';
import { sha256, type Artifact } from '../../src/evidence/index.ts';
import { fetchArtifact, immutableModelUri } from '../../src/registry/artifact-uri.ts';
import { localModel } from '../../src/model/artifact.ts';
import { fixture, inTemporaryFolder } from '../support/project.ts';
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
        const fetched = await fetchArtifact(repository.folder, model(uri), join(folder, 'new'));
        assert.deepEqual(await readFile(fetched), bytes);
        assert.deepEqual(await readdir(join(folder, 'new')), ['a_model.onnx']);
      });
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
      await inTemporaryFolder(async (folder) => {
        assert.deepEqual(await readFile(await fetchArtifact(repository.folder, model(uri), folder)), bytes);
        await rm(path);
        await assert.rejects(fetchArtifact(repository.folder, model(uri), folder), /Git LFS.*git lfs fetch/u);
        const store = join(repository.folder, '.git/lfs/objects', sha256(bytes).slice(0, 2), sha256(bytes).slice(2, 4));
        await mkdir(store, { recursive: true });
        await writeFile(join(store, sha256(bytes)), bytes);
        assert.deepEqual(await readFile(await fetchArtifact(repository.folder, model(uri), folder)), bytes);
      });
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
        const fetched = await fetchArtifact(repository.folder, recorded, folder);
        assert.equal((await localModel(fetched, 'm')).sha256, recorded.sha256);
        assert.deepEqual((await readdir(folder)).toSorted(), [name, data]);
      });
      await inTemporaryFolder(async (folder) => {
        const changed = {
          ...recorded,
          uri: recorded.uri.replace(/[0-9a-f]{40}/u, await repository.git('rev-parse', 'HEAD')),
        };
        await assert.rejects(
          fetchArtifact(repository.folder, changed, folder),
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
        await assert.rejects(fetchArtifact(repository.folder, other, folder), /not the recorded model/u);
        assert.deepEqual(await readdir(folder), []);
      });
    }));

  test('in a commit that this clone does not have says how to get it', () =>
    inRepository(async (repository) => {
      const uri = await immutableModelUri(repository.folder, await commitModel(repository, 'm.onnx', bytes));
      await repository.commit('Later');
      await inTemporaryFolder(async (folder) => {
        const clone = join(folder, 'clone');
        await promisify(execFile)('git', ['clone', '--quiet', '--depth', '1', `file://${repository.folder}`, clone]);
        await assert.rejects(fetchArtifact(clone, model(uri), folder), /not in this clone.*fetch-depth: 0/u);
        await assert.rejects(fetchArtifact(clone, model('file:m.onnx'), folder), /cannot be fetched/u);
      });
    }));
});

describe('a download', () => {
  test('gives the verified bytes; a failure, a surplus or another digest is an error', () =>
    inRepository((repository) =>
      inTemporaryFolder(async (folder) => {
        const server = createServer((request, response) => {
          if (request.url === '/missing.onnx') response.statusCode = 404;
          response.end(bytes);
        }).listen(0, '127.0.0.1');
        await new Promise((listening) => server.once('listening', listening));
        const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
        const get = (artifact: Artifact): Promise<string> => fetchArtifact(repository.folder, artifact, folder);
        try {
          assert.deepEqual(await readFile(await get(model(`${base}/m.onnx?token=secret`))), bytes);
          assert.deepEqual(await readFile(await get({ ...model(`${base}/n.onnx`), size: 0 })), bytes);
          await assert.rejects(get(model(`${base}/missing.onnx`)), /answered 404/u);
          await assert.rejects(get({ ...model(`${base}/m.onnx`), size: 100 }), /more than 100 bytes/u);
          await assert.rejects(get({ ...model(`${base}/m.onnx`), sha256: sha256('x') }), /not the recorded model/u);
          await assert.rejects(get(model('http://models.example/m.onnx')), /https/u);
        } finally {
          server.close();
          server.closeAllConnections();
        }
        await assert.rejects(get(model(`${base}/m.onnx`)), RegistryError);
      }),
    ));
});

async function commitModel(repository: TemporaryRepository, path: string, content: Uint8Array): Promise<string> {
  await repository.write(path, content);
  await repository.commit('Model');
  return join(repository.folder, path);
}
