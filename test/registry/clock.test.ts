import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Decision, RegistryView } from '../../src/evidence/index.ts';
import { silentLog } from '../../src/log.ts';
import { openGitRegistry } from '../../src/registry/git-registry.ts';
import type { Registry } from '../../src/registry/registry.ts';
import { repositoryName, withGitHub } from '../github/with-github.ts';
import { registryOn } from './github-store.ts';
import { gtoShow } from './gto-reader.ts';
import { judged } from './sample-decision.ts';
import { inRepository } from './temporary-repository.ts';

type Git = (...args: string[]) => Promise<string>;

const stores: { name: string; open(work: (registry: Registry, git: Git) => Promise<void>): Promise<void> }[] = [
  {
    name: 'in git',
    open: (work) =>
      inRepository(async (repository) => {
        const { folder, git } = repository;
        await work(
          await openGitRegistry({ repository: folder, path: 'registry', tags: 'gto', log: silentLog }),
          git.bind(repository),
        );
      }),
  },
  {
    name: 'on GitHub',
    open: (work) =>
      withGitHub((server) => {
        const { git } = server.repository(repositoryName);
        return work(registryOn(server, { tags: 'gto' }), git.git.bind(git));
      }),
  },
];

for (const { name, open } of stores) {
  test(`a clock that goes back changes neither the order of decisions nor the champion, and no time goes back in the chain, ${name}`, () =>
    open(async (registry, git) => {
      const times = ['2026-03-02T10:00:00.000Z', '2026-03-01T10:00:00.000Z', '1999-12-31T23:59:59.000Z'];
      for (const [index, time] of times.entries()) {
        await registry.record({ model: 'm', decide: at(time, `candidate-${index}`), evidence: [] });
      }
      const log = await registry.log('m');
      assert.deepEqual(
        log.map(({ seq, time }) => [seq, time]),
        times.map((_, index) => [index + 1, times[0]]),
      );
      assert.equal((await registry.view('m')).champion?.version, '1.0.2');
      assert.deepEqual(await registry.verify(), []);
      // GTO goes by the times of the tags, which go on rising.
      assert.deepEqual(await gtoShow('m', git), {
        versions: ['1.0.2', '1.0.1', '1.0.0'],
        stages: { champion: '1.0.2' },
      });
    }));
}

function at(time: string, candidate: string): (view: RegistryView) => Decision {
  return (view) => ({ ...judged('m', candidate, 'promote')(view), time });
}
