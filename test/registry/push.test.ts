import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmod, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { Decision, RegistryView } from '../../src/evidence/index.ts';
import { silentLog } from '../../src/log.ts';
import { openGitRegistry } from '../../src/registry/git-registry.ts';
import type { RecordResult, Registry } from '../../src/registry/registry.ts';
import { inTemporaryFolder } from '../support/project.ts';
import { judged } from './sample-decision.ts';
import { inRepository, repositoryAt, type TemporaryRepository } from './temporary-repository.ts';

interface Shared {
  /** A bare repository that all clones push to. */
  remote: TemporaryRepository;
  clone(name: string): Promise<TemporaryRepository>;
}

/** Run `work` on a remote with one commit, and clones of it. */
function inClones(work: (shared: Shared) => Promise<void>): Promise<void> {
  return inRepository((first) =>
    inTemporaryFolder(async (folder) => {
      const remote = repositoryAt(join(folder, 'remote.git'));
      await first.git('clone', '--quiet', '--bare', first.folder, remote.folder);
      await work({
        remote,
        async clone(name) {
          const clone = repositoryAt(join(folder, name));
          await first.git('clone', '--quiet', remote.folder, clone.folder);
          await clone.git('config', 'user.name', name);
          await clone.git('config', 'user.email', `${name}@example.org`);
          return clone;
        },
      });
    }),
  );
}

const registryOf = (clone: TemporaryRepository, push: string | null = 'origin'): Promise<Registry> =>
  openGitRegistry({
    repository: clone.folder,
    path: 'registry',
    tags: 'gto',
    artifactsYaml: true,
    ...(push === null ? {} : { push }),
    log: silentLog,
  });

async function promote(
  registry: Registry,
  candidate: string,
  decide = judged('m', candidate, 'promote'),
): Promise<RecordResult> {
  return registry.record({ model: 'm', decide, evidence: [] });
}

/** The remote holds these candidates, each once, in one sound chain, and the clone agrees with it. */
async function holds({ remote }: Shared, clone: TemporaryRepository, candidates: readonly string[]): Promise<void> {
  await clone.git('fetch', '--quiet', '--tags');
  assert.equal(await clone.git('rev-parse', 'main'), await remote.git('rev-parse', 'main'));
  const registry = await registryOf(clone, null);
  const log = await registry.log('m');
  assert.deepEqual(
    log.map(({ reasons }) => reasons[0]?.message.replace(/:.*/u, '')),
    candidates,
  );
  assert.deepEqual(await registry.verify(), []);
  const tags = (await remote.git('tag', '--list')).split('\n');
  assert.deepEqual((await clone.git('tag', '--list')).split('\n'), tags);
  assert.equal(tags.filter((tag) => /^m@v[0-9.]+$/u.test(tag)).length, candidates.length);
  for (const [index, candidate] of candidates.entries()) {
    assert.match(
      await remote.git('show', `m@v1.0.${index}:artifacts.yaml`),
      new RegExp(`path: ${candidate}\\.onnx`, 'u'),
    );
  }
}

describe('a registry that is pushed as it is recorded', () => {
  test('is on the remote with its tags when the decision is told', () =>
    inClones(async (shared) => {
      const clone = await shared.clone('ada');
      assert.equal((await promote(await registryOf(clone), 'one')).status, 'recorded');
      await holds(shared, clone, ['one']);
      assert.equal((await promote(await registryOf(clone), 'one')).status, 'no-change');
    }));

  test('decides against what others pushed meanwhile', () =>
    inClones(async (shared) => {
      const [ada, bob] = [await shared.clone('ada'), await shared.clone('bob')];
      await promote(await registryOf(ada), 'one');
      const { decision } = await promote(await registryOf(bob), 'two');
      assert.equal(decision.from?.version, '1.0.0');
      await holds(shared, bob, ['one', 'two']);
    }));

  test('takes its own decision back and decides again where another was first at the last moment', () =>
    inClones(async (shared) => {
      const [ada, bob] = [await shared.clone('ada'), await shared.clone('bob')];
      await promote(await registryOf(ada, null), 'one');
      await writeFile(join(bob.folder, 'README.md'), 'A note of mine.\n');
      let asked = 0;
      const decide = (view: RegistryView): Decision => {
        asked += 1;
        // While Bob decides, Ada pushes.
        if (asked === 1)
          execFileSync('git', ['-C', ada.folder, 'push', '--quiet', '--atomic', 'origin', 'main', '--tags']);
        return judged('m', 'two', 'promote')(view);
      };
      const { status, decision } = await promote(await registryOf(bob), 'two', decide);
      assert.equal(status, 'recorded');
      assert.equal(asked, 2);
      assert.equal(decision.from?.version, '1.0.0');
      assert.match(await bob.status(), /M README\.md$/u);
      await bob.git('restore', 'README.md');
      await holds(shared, bob, ['one', 'two']);
    }));

  test('is pushed by the next run where this one ended before it could', () =>
    inClones(async (shared) => {
      const clone = await shared.clone('ada');
      await promote(await registryOf(clone, null), 'one');
      const { status } = await promote(await registryOf(clone), 'one');
      assert.equal(status, 'no-change');
      await holds(shared, clone, ['one']);
    }));

  test('says in the words of the remote why it was refused, and is pushed once it is let in', () =>
    inClones(async (shared) => {
      const clone = await shared.clone('ada');
      const hook = join(shared.remote.folder, 'hooks', 'pre-receive');
      await writeFile(hook, '#!/bin/sh\necho "Only on Mondays" >&2\nexit 1\n');
      await chmod(hook, 0o755);
      await assert.rejects(
        promote(await registryOf(clone), 'one'),
        /origin refused it: Only on Mondays; pre-receive hook declined.*not published.*next run/u,
      );
      assert.equal(await shared.remote.git('rev-list', '--count', 'main'), '1');
      assert.equal(await shared.remote.git('tag', '--list'), '');
      await rm(hook);
      await promote(await registryOf(clone), 'one');
      await holds(shared, clone, ['one']);
    }));

  test('moves nothing where the remote has another tag of that name', () =>
    inClones(async (shared) => {
      const clone = await shared.clone('ada');
      await shared.remote.git('tag', 'm@v1.0.0', 'main');
      await assert.rejects(promote(await registryOf(clone), 'one'), /a tag m@v1\.0\.0 already/u);
      assert.equal(await clone.git('rev-list', '--count', 'main'), '1');
      assert.equal(await shared.remote.git('rev-list', '--count', 'main'), '1');
    }));

  test("takes nobody else's commits back", () =>
    inClones(async (shared) => {
      const [ada, bob] = [await shared.clone('ada'), await shared.clone('bob')];
      await promote(await registryOf(ada), 'one');
      await bob.write('train.py', 'print()\n');
      const mine = await bob.commit('Work of mine');
      await assert.rejects(
        promote(await registryOf(bob), 'two'),
        /both went on, here with train\.py.*git pull --rebase/u,
      );
      assert.equal(await bob.git('rev-parse', 'HEAD'), mine);
    }));

  test("takes nobody else's change of artifacts.yaml back", () =>
    inClones(async (shared) => {
      const [ada, bob] = [await shared.clone('ada'), await shared.clone('bob')];
      await promote(await registryOf(ada), 'one');
      await promote(await registryOf(bob, null), 'two');
      await bob.write('artifacts.yaml', `${await bob.git('show', 'HEAD:artifacts.yaml')}\n# Ours\n`);
      const mine = await bob.commit('Describe');
      await assert.rejects(promote(await registryOf(bob), 'three'), /both went on, here with artifacts\.yaml/u);
      assert.equal(await bob.git('rev-parse', 'HEAD'), mine);
    }));

  test('takes a model only from a commit that the remote has, or will have with the branch', () =>
    inClones(async (shared) => {
      const [ada, bob] = [await shared.clone('ada'), await shared.clone('bob')];
      await (await registryOf(ada)).requireKept(await ada.commit('On the branch that is pushed'));
      await ada.git('push', '--quiet', 'origin', 'main');
      await bob.git('switch', '--quiet', '--create', 'proposal');
      const proposed = await bob.commit('Proposal');
      await bob.git('branch', 'registry', 'main');
      const registry = await openGitRegistry({
        repository: bob.folder,
        path: 'registry',
        branch: 'registry',
        push: 'origin',
        log: silentLog,
      });
      await assert.rejects(registry.requireKept(proposed), /only here.*Push it first/su);
      await bob.git('push', '--quiet', 'origin', 'proposal');
      await assert.rejects(registry.requireKept(proposed), /not in the history of registry or the default.*Merge it/su);
      await ada.git('pull', '--quiet', '--no-rebase', 'origin', 'proposal');
      await ada.git('push', '--quiet', 'origin', 'main');
      await registry.requireKept(proposed);
      await (await registryOf(bob, null)).requireKept(await bob.commit('Of a registry that stays here'));
    }));

  test('says that a remote cannot be reached before anything is recorded', () =>
    inClones(async ({ clone: cloneOf, remote }) => {
      const clone = await cloneOf('ada');
      await rm(remote.folder, { recursive: true });
      const registry = await registryOf(clone);
      await assert.rejects(registry.ensureWritable(), /origin cannot be asked/u);
      await assert.rejects(promote(registry, 'one'), /origin cannot be asked/u);
      assert.equal(await clone.git('rev-list', '--count', 'main'), '1');
    }));

  test('loses none of many who record at once, and records none twice', () =>
    inClones(async (shared) => {
      const names = Array.from({ length: 8 }, (_, index) => `writer-${index}`);
      const clones = [];
      for (const name of names) clones.push(await shared.clone(name));
      const ended = await Promise.allSettled(
        clones.map(async (clone, index) => promote(await registryOf(clone), `model-${index}`)),
      );
      assert.deepEqual(
        ended.filter(({ status }) => status === 'rejected'),
        [],
      );
      const last = await shared.clone('reader');
      const log = await (await registryOf(last, null)).log('m');
      assert.deepEqual(
        log.map(({ reasons }) => (reasons[0]?.message ?? '').replace(/:.*/u, '')).toSorted(),
        names.map((_, index) => `model-${index}`),
      );
      assert.deepEqual(await (await registryOf(last, null)).verify(), []);
    }));
});
