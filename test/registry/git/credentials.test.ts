import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { silentLog } from '../../../src/log.ts';
import { openGitRegistry } from '../../../src/registry/git-registry.ts';
import { repositoryName, withGitHub } from '../../github/with-github.ts';
import { inTemporaryFolder } from '../../support/project.ts';
import { judged } from '../sample-decision.ts';
import { repositoryAt, type TemporaryRepository } from '../temporary-repository.ts';

/** A clone that keeps no credentials, of a repository on GitHub, and a token that may write there. */
function inClone(work: (clone: TemporaryRepository, site: string, token: string) => Promise<void>): Promise<void> {
  return withGitHub((server) =>
    inTemporaryFolder(async (folder) => {
      const token = server.token({ login: 'github-actions[bot]' });
      const basic = Buffer.from(`x-access-token:${token}`).toString('base64');
      const clone = repositoryAt(join(folder, 'clone'));
      const header = `http.extraheader=AUTHORIZATION: basic ${basic}`;
      const site = new URL(server.url).origin;
      await repositoryAt(folder).git('-c', header, 'clone', '--quiet', `${site}/${repositoryName}.git`, clone.folder);
      await work(clone, site, token);
    }),
  );
}

describe('a clone that keeps no credentials', () => {
  for (const pushed of ['url', 'pushurl'] as const) {
    test(`is pushed with the token of the job, where remote.origin.${pushed} is on its server`, () =>
      inClone(async (clone, site, token) => {
        if (pushed === 'pushurl') await clone.git('config', 'remote.origin.pushurl', `${site}/${repositoryName}`);
        const record = async (github: { token: string; apiUrl: string }): Promise<string> => {
          const registry = await openGitRegistry({
            repository: clone.folder,
            path: 'registry',
            tags: 'gto',
            push: 'origin',
            github,
            log: silentLog,
          });
          return (await registry.record({ model: 'm', decide: judged('m', 'one', 'promote'), evidence: [] })).status;
        };
        await assert.rejects(record({ token, apiUrl: 'https://elsewhere.example/api/v3' }), /cannot be reached/u);
        assert.equal(await record({ token, apiUrl: `${site}/api/v3` }), 'recorded');
        assert.equal(await clone.git('tag', '--list'), 'm#champion#1\nm@v1.0.0');
      }));
  }

  test('is signed in once, where git has a header for the server already', () =>
    inClone(async (clone, site, token) => {
      const basic = Buffer.from(`x-access-token:${token}`).toString('base64');
      await clone.git('config', `http.${site}/.extraheader`, `AUTHORIZATION: basic ${basic}`);
      const github = { token: 'another', apiUrl: `${site}/api/v3` };
      const input = { repository: clone.folder, path: 'registry', push: 'origin', github, log: silentLog };
      const registry = await openGitRegistry(input);
      await registry.ensureWritable();
      assert.equal(
        (await registry.record({ model: 'm', decide: judged('m', 'one', 'promote'), evidence: [] })).status,
        'recorded',
      );
    }));
});
