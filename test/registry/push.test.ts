import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { RegistryError } from '../../src/errors.ts';
import type { Decision, RegistryView } from '../../src/evidence/index.ts';
import { silentLog } from '../../src/log.ts';
import { filesInLfs, findCommit, requireFetchable } from '../../src/registry/committed-file.ts';
import { openGitRegistry } from '../../src/registry/git-registry.ts';
import { broke, openRemote, pushTogether, refusedPush, type Remote } from '../../src/registry/git/remote.ts';
import { openRepository } from '../../src/registry/git/repository.ts';
import type { RecordResult, Registry } from '../../src/registry/registry.ts';
import { inTemporaryFolder } from '../support/project.ts';
import { judged } from './sample-decision.ts';
import { inRepository, repositoryAt, type TemporaryRepository } from './temporary-repository.ts';

/** Of n writers at once the last may need n attempts. */
const writers = 8;
const hasLfs = spawnSync('git', ['lfs', 'version']).status === 0;

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

const registryOf = (
  clone: TemporaryRepository,
  push: string | null = 'origin',
  warning: (message: string) => void = () => {},
): Promise<Registry> =>
  openGitRegistry({
    repository: clone.folder,
    path: 'registry',
    tags: 'gto',
    artifactsYaml: true,
    ...(push === null ? {} : { push }),
    log: { ...silentLog, warning },
  });

async function promote(
  registry: Registry,
  candidate: string,
  decide = judged('m', candidate, 'promote'),
): Promise<RecordResult> {
  return registry.record({ model: 'm', decide, evidence: [] });
}

/** The remote holds these candidates, each once, in one sound chain. */
async function holds({ remote }: Shared, clone: TemporaryRepository, candidates: readonly string[]): Promise<void> {
  await clone.git('fetch', '--quiet', '--tags');
  const registry = await registryOf(clone);
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

/** While another decides, which no await may part. */
function pushRegistry(folder: string): void {
  execFileSync('git', ['-C', folder, 'push', '--quiet', '--atomic', 'origin', 'model-registry', '--tags']);
}

describe('a registry that is pushed as it is recorded', () => {
  test('is on the remote with its tags when the decision is told, and no branch here moves', () =>
    inClones(async (shared) => {
      const clone = await shared.clone('ada');
      const before = [await clone.tree(), await clone.git('for-each-ref', 'refs/heads')];
      assert.equal((await promote(await registryOf(clone), 'one')).status, 'recorded');
      await holds(shared, clone, ['one']);
      assert.equal((await promote(await registryOf(clone), 'one')).status, 'no-change');
      assert.deepEqual([await clone.tree(), await clone.git('for-each-ref', 'refs/heads')], before);
    }));

  test('is read by several at once in one clone, of which one moves the tracking branch', () =>
    inClones(async (shared) => {
      const [ada, bob] = [await shared.clone('ada'), await shared.clone('bob')];
      const readers = await Promise.all(Array.from({ length: 8 }, () => registryOf(bob)));
      for (const candidate of ['one', 'two', 'three']) {
        await promote(await registryOf(ada), candidate);
        const views = await Promise.all(readers.map((registry) => registry.view('m')));
        for (const { champion } of views)
          assert.match(champion?.artifacts[0]?.uri ?? '', new RegExp(`:${candidate}\\.onnx$`, 'u'));
      }
    }));

  test('is fetched by whoever finds its commit here and not yet the files of it, which another fetch is writing', () =>
    inClones(async (shared) => {
      const [ada, bob] = [await shared.clone('ada'), await shared.clone('bob')];
      await promote(await registryOf(ada), 'one');
      const commit = execFileSync('git', ['-C', shared.remote.folder, 'cat-file', 'commit', 'model-registry']);
      execFileSync('git', ['-C', bob.folder, 'hash-object', '-t', 'commit', '-w', '--stdin'], { input: commit });
      assert.equal((await (await registryOf(bob)).view('m')).champion?.version, '1.0.0');
    }));

  test('is read from the remote by a clone of one branch and one commit, without being told to', () =>
    inClones(async (shared) => {
      const ada = await shared.clone('ada');
      await promote(await registryOf(ada), 'one');
      await promote(await registryOf(ada), 'two');
      await ada.write('README.md', 'Another.\n');
      await ada.commit('Another');
      await ada.git('push', '--quiet', 'origin', 'main');
      const reader = repositoryAt(`${ada.folder}-reader`);
      await ada.git('clone', '--quiet', '--depth=1', `file://${shared.remote.folder}`, reader.folder);
      for (const push of ['origin', null]) {
        const registry = await registryOf(reader, push);
        assert.equal((await registry.view('m')).champion?.version, '1.0.1');
        assert.deepEqual(await registry.verify({ missingTags: push !== null }), []);
      }
      await promote(await registryOf(reader), 'three');
      await holds(shared, ada, ['one', 'two', 'three']);
    }));

  test('on the branch that is checked out is pushed there, and no commit of a person with it', () =>
    inClones(async (shared) => {
      const ada = await shared.clone('ada');
      await ada.write('train.py', 'print()\n');
      await ada.commit('Work that is not pushed');
      const before = [await ada.tree(), await ada.git('rev-parse', 'HEAD')];
      const registry = await openGitRegistry({
        repository: ada.folder,
        path: 'registry',
        branch: 'main',
        push: 'origin',
        log: silentLog,
      });
      await promote(registry, 'one');
      assert.deepEqual([await ada.tree(), await ada.git('rev-parse', 'HEAD')], before);
      assert.equal((await registry.view('m')).champion?.version, '1.0.0');
      assert.deepEqual((await shared.remote.git('ls-tree', '--name-only', 'main')).split('\n'), [
        'README.md',
        'registry',
      ]);
    }));

  test('takes along what was recorded before there was a remote to push to', () =>
    inClones(async (shared) => {
      const ada = await shared.clone('ada');
      await promote(await registryOf(ada, null), 'one');
      await promote(await registryOf(ada), 'two');
      await holds(shared, ada, ['one', 'two']);
    }));

  test('goes on from what was fetched of a remote, where the branch here is behind', () =>
    inClones(async (shared) => {
      const [ada, bob] = [await shared.clone('ada'), await shared.clone('bob')];
      await promote(await registryOf(ada, null), 'one');
      await ada.git('push', '--quiet', 'origin', 'model-registry', '--tags');
      await bob.git('fetch', '--quiet', 'origin');
      await promote(await registryOf(bob, null), 'two');
      await bob.git('push', '--quiet', 'origin', 'model-registry', '--tags');
      await ada.git('fetch', '--quiet', 'origin');
      assert.equal((await (await registryOf(ada, null)).view('m')).champion?.version, '1.0.1');
      await promote(await registryOf(ada, null), 'three');
      assert.equal(await ada.git('rev-list', '--count', 'model-registry'), '3');
      await ada.git('push', '--quiet', 'origin', 'model-registry', '--tags');
    }));

  test('is not begun a second time where a remote that is not asked has it', () =>
    inClones(async (shared) => {
      const ada = await shared.clone('ada');
      await promote(await registryOf(ada), 'one');
      const bob = repositoryAt(`${ada.folder}-of-bob`);
      await ada.git('init', '--quiet', '--bare', `${ada.folder}-fork`);
      await ada.git('clone', '--quiet', '--origin=upstream', shared.remote.folder, bob.folder);
      await bob.git('remote', 'add', 'origin', `${ada.folder}-fork`);
      const says = /branch model-registry is on a remote, but not here, nor on origin.*registry\.push/su;
      await assert.rejects(promote(await registryOf(bob, null), 'two'), says);
      // Without an origin every remote is asked.
      await bob.git('remote', 'rename', 'origin', 'fork');
      await promote(await registryOf(bob, null), 'two');
      assert.equal(await bob.git('rev-list', '--count', 'model-registry'), '2');
    }));

  test('is looked for on the remotes that can be asked, and refused only where none can', () =>
    inClones(async (shared) => {
      const [ada, bob] = [await shared.clone('ada'), await shared.clone('bob')];
      for (const clone of [ada, bob]) {
        await clone.git('remote', 'rename', 'origin', 'work');
        await clone.git('remote', 'add', 'heroku', '/nowhere/x.git');
      }
      const warnings: string[] = [];
      const registry = await registryOf(ada, null, (message) => warnings.push(message));
      assert.equal((await registry.view('m')).champion, null);
      await promote(registry, 'one');
      assert.match(warnings.join('\n'), /^heroku cannot be reached: .*\. The registry is treated as empty\.$/u);
      await ada.git('push', '--quiet', 'work', 'model-registry', '--tags');
      assert.equal((await (await registryOf(bob, null)).view('m')).champion?.version, '1.0.0');
      await bob.git('remote', 'remove', 'work');
      await assert.rejects((await registryOf(bob, null)).view('m'), /remote heroku: heroku cannot be reached/u);
    }));

  test('is not begun anew, nor revived, where it was deleted on the remote since it was fetched', () =>
    inClones(async (shared) => {
      const ada = await shared.clone('ada');
      await promote(await registryOf(ada), 'one');
      await ada.git('fetch', '--quiet', 'origin');
      await ada.git('push', '--quiet', '--delete', 'origin', 'model-registry', 'm@v1.0.0', 'm#champion#1');
      await ada.git('update-ref', 'refs/remotes/origin/model-registry', 'refs/tags/m@v1.0.0^{commit}');
      await ada.git('tag', '--delete', 'm@v1.0.0', 'm#champion#1');
      const says =
        /was on origin when it was last fetched.*no longer exists there.*: git branch --delete --remotes origin\/model-reg/su;
      await assert.rejects(promote(await registryOf(ada, null), 'two'), says);
      await ada.git('branch', '--delete', '--remotes', 'origin/model-registry');
      assert.equal((await promote(await registryOf(ada, null), 'two')).decision.from, null);
    }));

  test('is not recorded to where decisions were cut off on the remote, and is where its commits were only rewritten', () =>
    inClones(async (shared) => {
      const [ada, bob] = [await shared.clone('ada'), await shared.clone('bob')];
      await promote(await registryOf(ada), 'one');
      await promote(await registryOf(ada), 'two');
      await bob.git('fetch', '--quiet', '--no-tags', 'origin');
      const whole = await shared.remote.git('rev-parse', 'model-registry');
      await shared.remote.git('config', 'user.name', 'carol');
      await shared.remote.git('config', 'user.email', 'carol@example.org');
      const other = ['commit-tree', `${whole}~1^{tree}`, '-m', 'Overwrite'];
      for (const tip of [`${whole}~1`, await shared.remote.git(...other)]) {
        await shared.remote.git('update-ref', 'refs/heads/model-registry', tip);
        const warnings: string[] = [];
        const reader = await registryOf(bob, 'origin', (message) => warnings.push(message));
        assert.equal((await reader.view('m')).champion?.version, '1.0.0');
        assert.match(warnings.join('\n'), /reset or overwritten.*git log .*git push --force-with-lease/u);
        await assert.rejects(promote(await registryOf(bob), 'three'), /reset or overwritten/u);
      }
      const parent = await shared.remote.git('rev-parse', `${whole}~1`);
      const signed = await shared.remote.git('commit-tree', `${whole}^{tree}`, '-p', parent, '-m', 'Rewrite');
      await shared.remote.git('update-ref', 'refs/heads/model-registry', signed);
      assert.equal((await promote(await registryOf(bob), 'three')).decision.from?.version, '1.0.1');
    }));

  test('is not recorded to after a cut that was first seen by another question', () =>
    inClones(async (shared) => {
      const [ada, bob] = [await shared.clone('ada'), await shared.clone('bob')];
      await promote(await registryOf(ada), 'one');
      await promote(await registryOf(ada), 'two');
      await bob.git('fetch', '--quiet', '--no-tags', 'origin');
      const whole = await shared.remote.git('rev-parse', 'model-registry');
      await shared.remote.git('config', 'user.name', 'carol');
      await shared.remote.git('config', 'user.email', 'carol@example.org');
      const cut = await shared.remote.git('commit-tree', `${whole}~1^{tree}`, '-m', 'Overwrite');
      await shared.remote.git('update-ref', 'refs/heads/model-registry', cut);
      const registry = await registryOf(bob);
      await assert.rejects(registry.requireKept(whole), /not in the history/u);
      assert.equal(await bob.git('rev-parse', 'origin/model-registry'), whole);
      for (const each of [registry, await registryOf(bob, null)]) {
        await assert.rejects(promote(each, 'three'), /reset or overwritten/u);
      }
      // As the message says what to do.
      await bob.git('fetch', '--quiet', 'origin', '+refs/heads/model-registry:refs/remotes/origin/model-registry');
      await assert.rejects(promote(registry, 'three'), /the tag m#champion!#2 was made from decision 2/u);
    }));

  test('is recorded to where a branch with other files was rewritten, and every decision kept', () =>
    inClones(async (shared) => {
      const [ada, bob] = [await shared.clone('ada'), await shared.clone('bob')];
      await promote(await registryOf(ada), 'one');
      await bob.git('fetch', '--quiet', '--no-tags', 'origin');
      await shared.remote.git('config', 'user.name', 'carol');
      await shared.remote.git('config', 'user.email', 'carol@example.org');
      const whole = await shared.remote.git('rev-parse', 'model-registry');
      const registryTree = await shared.remote.git('rev-parse', `${whole}:registry`);
      await shared.remote.git('--work-tree=.', 'read-tree', '--prefix=registry/', registryTree);
      const tree = await shared.remote.git('write-tree');
      const cleaned = await shared.remote.git('commit-tree', tree, '-m', 'Without large files');
      await shared.remote.git('update-ref', 'refs/heads/model-registry', cleaned);
      assert.equal((await promote(await registryOf(bob), 'two')).decision.from?.version, '1.0.0');
    }));

  test('is not begun anew where it was deleted on the remote it is pushed to', () =>
    inClones(async (shared) => {
      const [ada, bob] = [await shared.clone('ada'), await shared.clone('bob')];
      await promote(await registryOf(ada), 'one');
      await bob.git('fetch', '--quiet', '--no-tags', 'origin');
      await shared.remote.git('branch', '-D', 'model-registry');
      await assert.rejects((await registryOf(bob)).view('m'), /was on origin when it was last fetched/u);
      // Nor from a branch of here that is behind it.
      await bob.git('branch', 'model-registry', 'HEAD');
      await assert.rejects(
        (await registryOf(bob)).view('m'),
        /last fetched.* git push origin origin\/model-registry:/su,
      );
      await bob.git('branch', '-D', 'model-registry');
      // Another clone never saw it: its tags alone tell, of a rejection too, which calls for none.
      const carol = await shared.clone('carol');
      const says = /made from decision 1 of m, which is not in the registry: its branch was deleted.*Nothing was rec/su;
      for (const outcome of ['promote', 'reject'] as const) {
        await assert.rejects(promote(await registryOf(carol), 'two', judged('m', 'two', outcome)), says);
      }
      const findings = await (await registryOf(carol)).verify();
      assert.deepEqual(
        findings.map(({ path }) => path),
        ['refs/tags/m#champion#1', 'refs/tags/m@v1.0.0'],
      );
      assert.equal(await shared.remote.git('branch', '--list', 'model-registry'), '');
      await carol.git('push', '--quiet', '--delete', 'origin', 'm@v1.0.0', 'm#champion#1');
      assert.equal((await promote(await registryOf(carol), 'two')).decision.from, null);
    }));

  test("leaves a person's tags where they are, whatever fetch.prune says, and pushes none of them", () =>
    inClones(async (shared) => {
      const ada = await shared.clone('ada');
      await ada.git('config', 'fetch.prune', 'true');
      await ada.git('config', 'fetch.pruneTags', 'true');
      await ada.git('config', 'push.followTags', 'true');
      await ada.git('tag', '-a', 'experiment-7', '-m', 'my own notes');
      await ada.git('tag', 'm@wip');
      await ada.git('tag', 'wip');
      await promote(await registryOf(ada), 'one');
      const tags = (await ada.git('tag', '--list')).split('\n');
      assert.deepEqual(tags, ['experiment-7', 'm#champion#1', 'm@v1.0.0', 'm@wip', 'wip']);
      assert.equal(await shared.remote.git('tag', '--list'), 'm#champion#1\nm@v1.0.0');
    }));

  // actions/checkout#290: a run on a tag has it as a tag without an object of its own.
  test('is sound where a tag is plain here and as it was made on the remote', () =>
    inClones(async (shared) => {
      const [ada, bob] = [await shared.clone('ada'), await shared.clone('bob')];
      await promote(await registryOf(ada), 'one');
      const commit = await ada.git('rev-parse', 'm@v1.0.0^{commit}');
      await bob.git('fetch', '--quiet', '--no-tags', 'origin', `+${commit}:refs/tags/m@v1.0.0`);
      assert.deepEqual(await (await registryOf(bob)).verify(), []);
      assert.equal(await bob.git('cat-file', '-t', 'm@v1.0.0'), 'commit');
      // What is wrong on the remote is found all the same.
      await shared.remote.git('tag', '--force', 'm@v1.0.0', 'main');
      assert.match(
        (await (await registryOf(await shared.clone('eve'))).verify())[0]?.found ?? '',
        /a lightweight tag/u,
      );
    }));

  test('is not sound where a tag was moved or deleted on the remote, though the good one is here', () =>
    inClones(async (shared) => {
      const [ada, bob] = [await shared.clone('ada'), await shared.clone('bob')];
      await promote(await registryOf(ada, null), 'one');
      // Nothing is on the remote before the first push.
      assert.deepEqual(await (await registryOf(ada)).verify(), []);
      await promote(await registryOf(ada), 'two');
      assert.deepEqual(await (await registryOf(ada)).verify(), []);
      const good = await shared.remote.git('rev-parse', 'refs/tags/m@v1.0.0');
      const found = async (): Promise<string[]> =>
        (await (await registryOf(ada)).verify()).map((finding) => `${finding.path}: ${finding.found}`);
      const other = await bob.commit('Not known to Ada');
      await bob.git('push', '--quiet', '--force', 'origin', `${other}:refs/tags/m@v1.0.0`);
      assert.deepEqual(await found(), ['refs/tags/m@v1.0.0: a lightweight tag, which GTO ignores']);
      const person = ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.org'];
      await shared.remote.git(...person, 'tag', '--force', '-a', '-m', 'Mine', 'm@v1.0.0', 'main');
      assert.deepEqual(await found(), ['refs/tags/m@v1.0.0: another tag']);
      await shared.remote.git('tag', '--delete', 'm@v1.0.0');
      assert.deepEqual(await found(), ['refs/tags/m@v1.0.0: no such tag']);
      await (await registryOf(ada)).tag('m');
      assert.equal(await shared.remote.git('rev-parse', 'refs/tags/m@v1.0.0'), good);
      assert.deepEqual(await found(), []);
    }));

  // activepieces/activepieces#15361, conventional-changelog/conventional-changelog#619: names that a tag and a branch share.
  test('is not led astray by a tag named as its branch, nor by a branch named as its tag', () =>
    inClones(async (shared) => {
      const ada = await shared.clone('ada');
      await ada.git('tag', 'model-registry');
      await ada.git('push', '--quiet', 'origin', 'refs/tags/model-registry', 'main:refs/heads/m@v1.0.0');
      await promote(await registryOf(ada), 'one');
      await promote(await registryOf(ada), 'two');
      assert.equal((await (await registryOf(ada)).log('m')).length, 2);
      assert.deepEqual(await (await registryOf(ada)).verify(), []);
    }));

  test('decides against what others pushed meanwhile', () =>
    inClones(async (shared) => {
      const [ada, bob] = [await shared.clone('ada'), await shared.clone('bob')];
      await promote(await registryOf(ada), 'one');
      const { decision } = await promote(await registryOf(bob), 'two');
      assert.equal(decision.from?.version, '1.0.0');
      await holds(shared, bob, ['one', 'two']);
    }));

  test('decides again where another was first at the last moment', () =>
    inClones(async (shared) => {
      const [ada, bob] = [await shared.clone('ada'), await shared.clone('bob')];
      await promote(await registryOf(ada, null), 'one');
      const before = await bob.tree();
      let asked = 0;
      const decide = (view: RegistryView): Decision => {
        asked += 1;
        // While Bob decides, Ada pushes.
        if (asked === 1) pushRegistry(ada.folder);
        return judged('m', 'two', 'promote')(view);
      };
      const { status, decision } = await promote(await registryOf(bob), 'two', decide);
      assert.equal(status, 'recorded');
      assert.equal(asked, 2);
      assert.equal(decision.from?.version, '1.0.0');
      assert.equal(await bob.tree(), before);
      await holds(shared, bob, ['one', 'two']);
    }));

  test('decides again where another was first, whose tags are here before the branch is read again', () =>
    inClones(async (shared) => {
      const [ada, bob] = [await shared.clone('ada'), await shared.clone('bob')];
      await promote(await registryOf(ada, null), 'one');
      let asked = 0;
      const decide = (view: RegistryView): Decision => {
        asked += 1;
        if (asked === 1) {
          pushRegistry(ada.folder);
          execFileSync('git', ['-C', bob.folder, 'fetch', '--quiet', '--tags']);
        }
        return judged('m', 'two', 'promote')(view);
      };
      assert.equal((await promote(await registryOf(bob), 'two', decide)).status, 'recorded');
      assert.equal(asked, 2);
      await holds(shared, bob, ['one', 'two']);
    }));

  test('has each tag once where two make those that are missing, under their own names', () =>
    inClones(async (shared) => {
      const [ada, bob] = [await shared.clone('ada'), await shared.clone('bob')];
      await promote(await registryOf(ada), 'one');
      for (const tag of (await shared.remote.git('tag', '--list')).split('\n')) {
        await shared.remote.git('tag', '-d', tag);
        await ada.git('tag', '-d', tag);
      }
      const made = await Promise.all([ada, bob].map(async (clone) => (await registryOf(clone)).tag('m')));
      assert.deepEqual(made.flat().toSorted(), ['m#champion#1', 'm@v1.0.0']);
      await holds(shared, bob, ['one']);
    }));

  test('has made no tag that another writer made between looking and pushing', () =>
    inClones(async (shared) => {
      const ada = await shared.clone('ada');
      await promote(await registryOf(ada), 'one');
      const remote = await openRemote(await openRepository(ada.folder), 'origin');
      const head = await shared.remote.git('rev-parse', 'model-registry');
      const oid = await shared.remote.git('rev-parse', 'refs/tags/m@v1.0.0');
      const tags = [
        { name: 'm@v1.0.0', oid },
        { name: 'm@v9.0.0', oid },
      ];
      const { pushed, already } = await pushTogether(remote, 'refs/heads/model-registry', head, head, tags);
      assert.deepEqual([pushed, already], [true, ['m@v1.0.0']]);
    }));

  test('says in the words of the remote why it was refused, and is pushed once it is let in', () =>
    inClones(async (shared) => {
      const clone = await shared.clone('ada');
      const hook = join(shared.remote.folder, 'hooks', 'pre-receive');
      await writeFile(hook, '#!/bin/sh\necho "Only on Mondays" >&2\nexit 1\n');
      await chmod(hook, 0o755);
      await assert.rejects(
        promote(await registryOf(clone), 'one'),
        /origin refused the push: Only on Mondays; pre-receive hook declined.*Nothing was recorded/u,
      );
      assert.equal(await shared.remote.git('for-each-ref', '--format=%(refname)'), 'refs/heads/main');
      await rm(hook);
      await promote(await registryOf(clone), 'one');
      await holds(shared, clone, ['one']);
    }));

  for (const [what, words, remedy] of [
    ['a full disk', 'fatal: write error: No space left on device', 'Make room on the disk of origin'],
    [
      'a rule',
      'error: GH013: Repository rule violations found for refs/heads/model-registry.',
      'A rule protects the branch or a tag\\. .*registry\\.store: github.*registry\\.branch',
    ],
    [
      'a rule that knows nothing of pull requests',
      'GitLab: You are not allowed to push code to protected branches on this project.',
      'A rule protects the branch or a tag\\. Allow the user or app of this run to bypass it, or set',
    ],
    [
      'a secret that it will not take',
      'error: GH013: Repository rule violations found. - Push cannot contain secrets',
      'GitHub found a possible secret in the decision',
    ],
  ] as const) {
    test(`says what to do about ${what} of the remote, and asks for no permission of a job`, () =>
      inClones(async (shared) => {
        const clone = await shared.clone('ada');
        const hook = join(shared.remote.folder, 'hooks', 'pre-receive');
        await writeFile(hook, `#!/bin/sh\necho "${words}" >&2\nexit 1\n`);
        await chmod(hook, 0o755);
        await assert.rejects(promote(await registryOf(clone), 'one'), (error) => {
          assert.ok(error instanceof RegistryError);
          assert.match(error.message, new RegExp(`${words}.*Nothing was recorded\\. ${remedy}`, 'su'));
          assert.doesNotMatch(error.message, /permissions:/u);
          return true;
        });
      }));
  }

  for (const [what, side, setting, remedy] of [
    ['cannot move several refs together', 'server', ['receive.advertiseAtomic', 'false'], 'receive\\.advertiseAtomic'],
    ['takes no signed push', 'clone', ['push.gpgSign', 'true'], 'git config push\\.gpgSign if-asked'],
    ['takes no more than so many bytes', 'server', ['receive.maxInputSize', '200'], 'receive\\.maxInputSize'],
    ['hides the branch', 'server', ['receive.hideRefs', 'refs/heads/model-registry'], 'receive\\.hideRefs'],
  ] as const) {
    test(`says what to do about a remote that ${what}, and asks for no permission of a job`, () =>
      inClones(async (shared) => {
        const clone = await shared.clone('ada');
        await (side === 'server' ? shared.remote : clone).git('config', ...setting);
        await assert.rejects(promote(await registryOf(clone), 'one'), (error) => {
          assert.ok(error instanceof RegistryError);
          assert.match(
            error.message,
            new RegExp(`origin refused the push: .*Nothing was recorded\\. .*${remedy}`, 'su'),
          );
          assert.doesNotMatch(error.message, /permissions:/u);
          return true;
        });
        assert.equal(await shared.remote.git('for-each-ref', '--format=%(refname)'), 'refs/heads/main');
      }));
  }

  test('is read and pushed again where the connection broke off, with pauses of seconds, and says so where it goes on to', (t) =>
    inClones(async (shared) => {
      const clone = await shared.clone('ada');
      const failing = 'echo "error: RPC failed; HTTP 503 curl 22 The requested URL returned error: 503" >&2; exit 1';
      const program = async (service: string, faults: number): Promise<void> => {
        const path = join(clone.folder, '.git', service);
        const counted = `n=$(cat "$0.count" 2>/dev/null || echo 0); echo $((n + 1)) > "$0.count"`;
        await writeFile(
          path,
          `#!/bin/sh\n${counted}\nif [ $n -lt ${faults} ]; then ${failing}; fi\nexec git-${service} "$@"\n`,
        );
        await chmod(path, 0o755);
        await clone.git('config', `remote.origin.${service.replace('-', '')}`, path);
      };
      await program('receive-pack', 2);
      await program('upload-pack', 1);
      const begun = Date.now();
      await promote(await registryOf(clone), 'one');
      assert.ok(Date.now() - begun > 1500);
      await holds(shared, clone, ['one']);
      await program('receive-pack', 1000);
      // Time flies: half of the patience with each look at the clock.
      let late = 0;
      t.mock.method(Date, 'now', () => begun + (late += 16_000));
      await assert.rejects(promote(await registryOf(clone), 'two'), (error) => {
        assert.ok(error instanceof RegistryError);
        assert.match(error.message, /HTTP 503.*Nothing was recorded\. The connection to origin was lost: run again/su);
        assert.doesNotMatch(error.message, /permissions:/u);
        return true;
      });
    }));

  test('a refusal over HTTP is no connection that broke off, though git says so of both', () => {
    const said = (status: number): string =>
      `error: RPC failed; HTTP ${status} curl 22 The requested URL returned error: ${status}\nsend-pack: unexpected disconnect while reading sideband packet\nfatal: the remote end hung up unexpectedly`;
    assert.deepEqual(
      [401, 403, 413, 408, 429, 502, 503].map((status) => broke(said(status))),
      [false, false, false, true, true, true, true],
    );
  });

  test('names the setting of the branch that was pushed, and none of another', () => {
    for (const said of [
      'remote: error: GH006: Protected branch update failed',
      'fatal: no',
      "'refs/heads/a' exists; cannot create",
    ]) {
      const { message } = refusedPush({ name: 'origin' } as Remote, 'refs/heads/monitor', said, 'monitor.branch');
      assert.match(message, /monitor\.branch/u);
      assert.doesNotMatch(message, /registry\./u);
    }
  });

  test('moves nothing where the remote has another tag of that name', () =>
    inClones(async (shared) => {
      const clone = await shared.clone('ada');
      await shared.remote.git('tag', 'm@v1.0.0', 'main');
      await assert.rejects(promote(await registryOf(clone), 'one'), /the tag m@v1\.0\.0 already exists/u);
      assert.equal(await shared.remote.git('branch', '--list', 'model-registry'), '');
    }));

  test('says which other branch or tag of the remote is in its way, and not that others were faster', () =>
    inClones(async (shared) => {
      const ada = await shared.clone('ada');
      for (const [there, remedy] of [
        ['refs/heads/model-registry/old', 'Rename or delete the branch model-registry/old of origin'],
        ['refs/tags/m@v1.0.0/old', 'Delete the tag m@v1.0.0/old of origin'],
      ] as const) {
        await ada.git('push', '--quiet', 'origin', `main:${there}`);
        const says = new RegExp(
          `origin refused the push: .*'${there}' exists; cannot create.*recorded\\. ${remedy}`,
          'su',
        );
        await assert.rejects(promote(await registryOf(ada), 'one'), says);
        await ada.git('push', '--quiet', '--delete', 'origin', there);
      }
    }));

  test('says what a lock on the remote takes, without the advice that git gives to whoever is at the keyboard', () =>
    inClones(async (shared) => {
      const ada = await shared.clone('ada');
      await writeFile(join(shared.remote.folder, 'refs', 'heads', 'model-registry.lock'), '');
      await assert.rejects(promote(await registryOf(ada), 'one'), (error: Error) => {
        assert.match(
          error.message,
          /model-registry\.lock': File exists.*If no git is at work in origin, remove the lock/su,
        );
        assert.doesNotMatch(error.message, /editor|permissions: contents/u);
        return true;
      });
    }));

  // release-it/release-it#428: what was pushed went to another address than was looked at.
  test('is read where it is pushed, when that is another repository than the one fetched from', () =>
    inClones(async (shared) => {
      const ada = await shared.clone('ada');
      const fork = repositoryAt(`${shared.remote.folder}-fork`);
      await ada.git('clone', '--quiet', '--bare', shared.remote.folder, fork.folder);
      await ada.git('config', 'remote.origin.pushurl', fork.folder);
      assert.equal((await promote(await registryOf(ada), 'one')).status, 'recorded');
      assert.equal((await promote(await registryOf(ada), 'two')).status, 'recorded');
      assert.equal((await (await registryOf(ada)).view('m')).champion?.version, '1.0.1');
      assert.equal(await fork.git('rev-list', '--count', 'model-registry'), '2');
      assert.equal(await shared.remote.git('branch', '--list', 'model-registry'), '');

      await ada.git('config', '--add', 'remote.origin.pushurl', shared.remote.folder);
      await assert.rejects(registryOf(ada), /origin is pushed to 2 addresses.*git remote add/su);
    }));

  test('is read and begun in a clone that pushes to two addresses, where it is not pushed', () =>
    inClones(async (shared) => {
      const [ada, bob] = [await shared.clone('ada'), await shared.clone('bob')];
      const mirror = repositoryAt(`${shared.remote.folder}-mirror`);
      await ada.git('clone', '--quiet', '--bare', shared.remote.folder, mirror.folder);
      for (const clone of [ada, bob]) {
        for (const { folder } of [shared.remote, mirror]) {
          await clone.git('remote', 'set-url', '--add', '--push', 'origin', folder);
        }
      }
      const commit = await ada.commit('A model');
      await ada.git('push', '--quiet', mirror.folder, 'main');
      const repository = await openRepository(bob.folder);
      assert.equal(await findCommit(repository, 'a'.repeat(40)), 'nowhere');
      assert.equal(await findCommit(repository, commit), 'here');
      await promote(await registryOf(ada, null), 'one');
      // On the mirror alone it is the registry all the same: no second one is begun beside it.
      await ada.git('push', '--quiet', mirror.folder, 'model-registry');
      await promote(await registryOf(bob, null), 'two');
      assert.equal(await bob.git('rev-list', '--count', 'model-registry'), '2');
    }));

  test('is read where it is fetched from by a clone that is kept from pushing', () =>
    inClones(async (shared) => {
      const [ada, bob] = [await shared.clone('ada'), await shared.clone('bob')];
      await bob.git('remote', 'set-url', '--push', 'origin', 'no-push');
      const says = /origin cannot be reached at its push address: .*git remote get-url --push origin/su;
      // What is not there may be where it is pushed.
      await assert.rejects((await registryOf(bob)).view('m'), says);
      assert.equal((await (await registryOf(bob, null)).view('m')).champion, null);
      await promote(await registryOf(ada), 'one');
      const warnings: string[] = [];
      const registry = await registryOf(bob, 'origin', (message) => warnings.push(message));
      assert.equal((await registry.view('m')).champion?.version, '1.0.0');
      assert.deepEqual(await registry.verify(), []);
      assert.match(
        warnings.join('\n'),
        /^origin cannot be reached at its push address.*\. The registry is read from the fetch address of origin.*$/u,
      );
      await assert.rejects(promote(registry, 'two'), says);
    }));

  test('is pushed alone by a clone that mirrors its remote', () =>
    inClones(async (shared) => {
      const ada = await shared.clone('ada');
      await ada.git('config', 'remote.origin.mirror', 'true');
      await ada.git('branch', 'of-mine');
      await promote(await registryOf(ada), 'one');
      assert.equal(
        await shared.remote.git('for-each-ref', '--format=%(refname)', 'refs/heads'),
        'refs/heads/main\nrefs/heads/model-registry',
      );
    }));

  test('says of a remote whose HEAD names no branch that it has no default branch', () =>
    inClones(async (shared) => {
      const ada = await shared.clone('ada');
      await shared.remote.git('symbolic-ref', 'HEAD', 'refs/heads/master');
      const commit = await ada.git('rev-parse', 'HEAD');
      await assert.rejects(
        (await registryOf(ada)).requireKept(commit),
        /origin has no default branch.*Push that branch \(git push origin main\).*git symbolic-ref HEAD refs\/heads\/main/su,
      );
    }));

  test('takes a page that answers in place of the remote for no empty repository', (t) =>
    inClones(async (shared) => {
      const ada = await shared.clone('ada');
      const server = createServer((_request, response) => response.end('<html>Sign in</html>')).listen(0, '127.0.0.1');
      t.after(() => (server.closeAllConnections(), server.close()));
      await once(server, 'listening');
      await ada.git('remote', 'set-url', 'origin', `http://127.0.0.1:${(server.address() as AddressInfo).port}/m.git`);
      await assert.rejects((await registryOf(ada)).view('m'), /origin lists no branch.*a sign-in page/su);
    }));

  test('takes a model only from a commit that the remote has', () =>
    inClones(async (shared) => {
      const [ada, bob] = [await shared.clone('ada'), await shared.clone('bob')];
      const mine = await ada.commit('On main');
      await assert.rejects((await registryOf(ada)).requireKept(mine), /only in this clone.*Push it first/su);
      await ada.git('push', '--quiet', 'origin', 'main');
      await (await registryOf(ada)).requireKept(mine);
      await bob.git('switch', '--quiet', '--create', 'proposal');
      const proposed = await bob.commit('Proposal');
      const registry = await registryOf(bob);
      await assert.rejects(registry.requireKept(proposed), /only in this clone.*Push it first/su);
      await bob.git('push', '--quiet', 'origin', 'proposal');
      await assert.rejects(
        registry.requireKept(proposed),
        /not in the history of model-registry or the default.*Merge it/su,
      );
      // Grafts say who follows whom on this machine alone.
      const tip = await shared.remote.git('rev-parse', 'main');
      await bob.write('.git/info/grafts', `${tip} ${proposed}\n`);
      await assert.rejects(registry.requireKept(proposed), /not in the history/u);
      await ada.git('pull', '--quiet', '--no-rebase', 'origin', 'proposal');
      await ada.git('push', '--quiet', 'origin', 'main');
      await registry.requireKept(proposed);
      await (await registryOf(bob, null)).requireKept(await bob.commit('Of a registry that stays here'));
    }));

  test(
    'takes a model of Git LFS only where the remote has its bytes',
    { skip: hasLfs && 'git-lfs, which pushes them itself, is installed' },
    () =>
      inClones(async ({ clone: cloneOf, remote }) => {
        const ada = await cloneOf('ada');
        const oid = 'ab'.repeat(32);
        await ada.write('m.onnx', `version https://git-lfs.github.com/spec/v1\noid sha256:${oid}\nsize 5\n`);
        const commit = await ada.commit('A model');
        const repository = await openRepository(ada.folder);
        const files = await filesInLfs(repository, commit, ['m.onnx']);
        const required = (): Promise<void> => requireFetchable(repository, 'origin', files, { log: silentLog });
        await assert.rejects(required(), /object abababababab was not pushed.*Nothing was recorded.*git lfs push/su);
        await repositoryAt(remote.folder).write(`lfs/objects/ab/ab/${oid}`, 'bytes');
        await required();
      }),
  );

  test('says that a remote cannot be reached before anything is recorded', () =>
    inClones(async ({ clone: cloneOf, remote }) => {
      const clone = await cloneOf('ada');
      await rm(remote.folder, { recursive: true });
      const registry = await registryOf(clone);
      await assert.rejects(registry.ensureWritable(), /origin cannot be reached/u);
      await assert.rejects(promote(registry, 'one'), /origin cannot be reached/u);
      assert.equal(await clone.git('branch', '--list', 'model-registry'), '');
    }));

  test('says what ssh said, or the server behind it, and tries again where that closed the connection', () =>
    inClones(async ({ clone: cloneOf }) => {
      const clone = await cloneOf('ada');
      await clone.git('remote', 'set-url', 'origin', 'ssh://git@git.example.org/models.git');
      const says = async (...lines: string[]): Promise<string> => {
        await clone.write(
          '.git/ssh',
          `#!/bin/sh\nprintf '%s\\r\\n' ${lines.map((line) => `'${line}'`).join(' ')} >&2\nexit 255\n`,
        );
        await chmod(join(clone.folder, '.git/ssh'), 0o755);
        await clone.git('config', 'core.sshCommand', join(clone.folder, '.git/ssh'));
        return promote(await registryOf(clone), 'one').then(
          () => '',
          (error: unknown) => (error as RegistryError).fault.found,
        );
      };
      const denied = 'git@git.example.org: Permission denied (publickey).';
      assert.equal(await says('Warning: Permanently added it.', denied), `origin cannot be reached: ${denied}`);
      assert.match(await says('ERROR: Repository not found.'), /: ERROR: Repository not found\.$/u);
      assert.match(await says('@@@@', 'Host key verification failed.'), /: Host key verification failed\.$/u);
      for (const warning of [[], ['** WARNING: connection is not using a post-quantum key exchange algorithm.']]) {
        assert.match(await says(...warning), /: fatal: Could not read from remote repository\.$/u);
      }
      assert.equal(broke('kex_exchange_identification: Connection closed by remote host'), true);
      const { message } = refusedPush(
        { name: 'origin' } as Remote,
        'refs/heads/model-registry',
        `${denied}\r\nfatal: Could not read from remote repository.\n\nPlease make sure you have the correct access rights`,
        'registry.branch',
      );
      assert.match(message, /origin refused the push: git@git\.example\.org: Permission denied/u);
    }));

  test('loses none of many who record at once, and records none twice', () =>
    inClones(async (shared) => {
      const names = Array.from({ length: writers }, (_, index) => `writer-${index}`);
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
      const log = await (await registryOf(last)).log('m');
      assert.deepEqual(
        log.map(({ reasons }) => (reasons[0]?.message ?? '').replace(/:.*/u, '')).toSorted(),
        names.map((_, index) => `model-${index}`),
      );
      assert.deepEqual(await (await registryOf(last)).verify(), []);
    }));
});
