import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { sha256 } from '../../src/evidence/index.ts';
import { silentLog } from '../../src/log.ts';
import { immutableModelUri } from '../../src/registry/artifact-uri.ts';
import { filesInLfs, requireFetchable } from '../../src/registry/committed-file.ts';
import { fetchArtifact, type FetchOptions } from '../../src/registry/fetch-artifact.ts';
import { openRepository, type Repository } from '../../src/registry/git/repository.ts';
import { withLfsServer, type LfsStandIn } from '../support/lfs-server.ts';
import { withVariables } from '../support/stores/environment.ts';
import { inRepository, type TemporaryRepository } from './temporary-repository.ts';

const champion = Buffer.from(Array.from({ length: 5000 }, (_, index) => index % 251));
const candidate = Buffer.from('The model that takes its place.');
const token = 'ghs_secret';

interface Replaced {
  lfs: LfsStandIn;
  repository: TemporaryRepository;
  /** Fetch the champion, whose file another has replaced. */
  get(options?: Partial<FetchOptions> & { push?: string }): Promise<Buffer>;
}

describe('a champion in Git LFS whose file a candidate has replaced', () => {
  test('is fetched from the LFS server with the token, and kept for the next run outside of the repository', () =>
    replaced(async ({ lfs, repository, get }) => {
      lfs.behaviour.token = token;
      assert.deepEqual(await get(), champion);
      assert.deepEqual(await get(), champion);
      assert.deepEqual(lfs.seen, [
        `POST 127.0.0.1/acme/models.git/info/lfs/objects/batch x-access-token:${token}`,
        `GET 127.0.0.1/objects/${sha256(champion)} none`,
      ]);
      assert.deepEqual((await readdir(join(repository.folder, '.git'))).includes('lfs'), false);
      assert.deepEqual(await get({ fresh: true }), champion);
      assert.equal(lfs.seen.length, 4);
    }));

  for (const remote of ['/acme/models', '/acme/models.git', '/acme/models/', null]) {
    test(`is found where the remote is ${remote ?? 'not named, by the repository of the run'}`, () =>
      replaced(async ({ lfs, repository, get }) => {
        if (remote === null) await repository.git('remote', 'remove', 'origin');
        else await repository.git('remote', 'set-url', 'origin', `${lfs.site}${remote}`);
        assert.deepEqual(await get(), champion);
      }));
  }

  for (const [kind, remote] of [
    ['an address', (folder: string) => `file://${folder}`],
    ['a path from here', () => './remote'],
  ] as const) {
    test(`is taken from the folder that is the remote, named by ${kind}, and is asked of no server`, () =>
      replaced(async ({ lfs, repository, get }) => {
        const { folder } = repository;
        const oid = sha256(champion);
        const place = join(folder, 'remote/lfs/objects', oid.slice(0, 2), oid.slice(2, 4));
        await repository.git('remote', 'set-url', 'origin', remote(join(folder, 'remote')));
        await assert.rejects(get(), /origin, a folder, does not have object .*git lfs push --all origin/su);
        await mkdir(place, { recursive: true });
        await writeFile(join(place, oid), candidate);
        await assert.rejects(get(), /origin, a folder, does not have object/u);
        await writeFile(join(place, oid), champion);
        assert.deepEqual(await get(), champion);
        assert.deepEqual(lfs.seen, []);
      }));
  }

  test('is fetched from the remote that has the registry, where origin is a fork without the bytes', () =>
    replaced(async ({ repository, get }) => {
      await repository.git('remote', 'rename', 'origin', 'upstream');
      await repository.git('remote', 'add', 'origin', './fork');
      await assert.rejects(get(), /origin, a folder, does not have object/u);
      assert.deepEqual(await get({ push: 'upstream' }), champion);
    }));

  test('is fetched without a token where the server lets anybody in, and says what it takes where not', () =>
    replaced(async ({ lfs, get }) => {
      const nobody = { github: undefined };
      lfs.behaviour.token = token;
      await assert.rejects(get(nobody), /kept in Git LFS.*answered 401: Credentials needed.*Pass a token/su);
      delete lfs.behaviour.token;
      assert.deepEqual(await get(nobody), champion);
      lfs.behaviour.token = 'another';
      await assert.rejects(get({ fresh: true }), /answered 401.*permissions: contents: read/su);
    }));

  test('is asked of no other host for what .lfsconfig says, and the token goes to none', () =>
    replaced(async ({ lfs, repository, get }) => {
      await repository.write('.lfsconfig', `[lfs]\n\turl = ${lfs.otherSite}/acme/models.git/info/lfs\n`);
      assert.deepEqual(await get(), champion);
      assert.ok(lfs.seen.every((each) => !each.includes('localhost')));
      lfs.forget(champion);
      await assert.rejects(
        get({ fresh: true }),
        /lfs\.url names another host \(localhost:[0-9]+\), which Contender does not contact/u,
      );
      await repository.write('.lfsconfig', `[lfs]\n\turl = ${lfs.site}/elsewhere\n`);
      await assert.rejects(get({ fresh: true }), /elsewhere\/objects\/batch|elsewhere answered 404: Not found/u);

      lfs.keep(champion);
      lfs.seen.length = 0;
      await repository.git('remote', 'set-url', 'origin', `${lfs.otherSite}/acme/models.git`);
      await repository.write('.lfsconfig', '');
      lfs.behaviour.downloads = lfs.otherSite;
      assert.deepEqual(await get({ fresh: true }), champion);
      assert.ok(
        lfs.seen.every((each) => each.includes(' localhost/') && each.endsWith(' none')),
        lfs.seen.join('\n'),
      );
    }));

  test('is downloaded from another host without the token of this one', () =>
    replaced(async ({ lfs, get }) => {
      lfs.behaviour.downloads = lfs.otherSite;
      assert.deepEqual(await get(), champion);
      assert.match(lfs.seen[0] ?? '', /^POST 127\.0\.0\.1\/.* x-access-token:/u);
      assert.match(lfs.seen[1] ?? '', /^GET localhost\/objects\/[0-9a-f]{64} none$/u);
      lfs.behaviour.downloads = 'http://models.example';
      await assert.rejects(get({ fresh: true }), /leads to an address without encryption/u);
    }));

  test('is asked for again where the address expired', () =>
    replaced(async ({ lfs, get }) => {
      lfs.behaviour.expired = 2;
      assert.deepEqual(await get(), champion);
      lfs.behaviour.expired = 5;
      await assert.rejects(get({ fresh: true }), /answered 403/u);
    }));

  test('goes on where a download broke off', () =>
    replaced(async ({ lfs, get }) => {
      lfs.behaviour.broken = 2;
      assert.deepEqual(await get(), champion);
      assert.deepEqual(
        lfs.seen.slice(1).map((each) => each.split(' ').at(-1)),
        ['none', 'nonebytes=1000-', 'nonebytes=2000-'],
      );
    }));

  test('is refused with other bytes, or another size, than its pointer says', () =>
    replaced(async ({ lfs, get }) => {
      lfs.behaviour.instead = Buffer.concat([champion, champion]);
      await assert.rejects(get(), /more than 5000 bytes/u);
      lfs.behaviour.instead = champion.toReversed();
      await assert.rejects(get(), /sent other bytes than those of object/u);
      delete lfs.behaviour.instead;
      lfs.behaviour.size = 4999;
      await assert.rejects(get(), /has 4999 bytes of object.*5000 bytes, as the repository says/su);
    }));

  test('is recorded, with data beside it, only where the server has the bytes of all', () =>
    replaced(async ({ lfs, repository: { folder, git }, repository }) => {
      await repository.write('data.csv', lfs.keep(champion));
      await repository.write('models/candidate.onnx', lfs.keep(candidate));
      await repository.commit('Data');
      const opened = await openRepository(folder, { github: undefined });
      const files = await filesInLfs(opened, await git('rev-parse', 'HEAD'), ['data.csv', 'models/candidate.onnx']);
      assert.equal(files.length, 2);
      await requireFetchable(opened, 'origin', files, { log: silentLog });
      lfs.forget(candidate);
      await assert.rejects(
        requireFetchable(opened, 'origin', files, { log: silentLog }),
        /models\/candidate\.onnx: this is kept in Git LFS.*(?:was not pushed|does not return object)/su,
      );
    }));

  test('that the server does not have says who can bring it', () =>
    replaced(async ({ lfs, repository, get }) => {
      lfs.forget(champion);
      await assert.rejects(get(), /does not return object .*does not exist on the server.*git lfs push --all/su);
      lfs.behaviour.status = 422;
      await assert.rejects(get(), /answered 422: As you wish/u);
      lfs.behaviour.status = 301;
      await assert.rejects(get(), /answered 301.*git remote set-url origin/su);
      await repository.git('remote', 'remove', 'origin');
      await assert.rejects(get({ github: undefined }), /there is no remote.*git lfs fetch/su);
    }));
});

/** Run `work` on a repository where the file of the champion, in Git LFS, holds a candidate by now: as a pull request leaves it. */
function replaced(work: (input: Replaced) => Promise<void>): Promise<void> {
  return withLfsServer((lfs) =>
    inRepository((repository) =>
      withVariables({}, async (folder) => {
        const path = join(repository.folder, 'models/candidate.onnx');
        await repository.write('models/candidate.onnx', lfs.keep(champion));
        await repository.commit('Champion');
        await writeFile(path, champion);
        const uri = await immutableModelUri(repository.folder, path);
        await repository.write('models/candidate.onnx', lfs.keep(candidate));
        await repository.commit('Candidate');
        await writeFile(path, candidate);
        await repository.git('remote', 'add', 'origin', `${lfs.site}/acme/models`);
        const github = { repository: 'acme/models', token, apiUrl: `${lfs.site}/api/v3` };
        const artifact = { role: 'model' as const, uri, sha256: sha256(champion), size: champion.length };
        await work({
          lfs,
          repository,
          get: async ({ push, ...options } = {}) => {
            const to = await mkdtemp(join(folder, 'new-'));
            const access = { github, log: silentLog, ...options };
            const opened = (): Promise<Repository> =>
              openRepository(repository.folder, { github: access.github, push });
            return readFile(await fetchArtifact(opened, artifact, to, access));
          },
        });
      }),
    ),
  );
}
