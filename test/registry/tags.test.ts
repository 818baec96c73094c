import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { assign } from '../../src/decide/assign.ts';
import { deprecate } from '../../src/decide/deprecate.ts';
import { rollback } from '../../src/decide/rollback.ts';
import { unassign } from '../../src/decide/unassign.ts';
import { RegistryError } from '../../src/errors.ts';
import type { Decision, RegistryHistory } from '../../src/evidence/index.ts';
import { silentLog } from '../../src/log.ts';
import { openGitRegistry } from '../../src/registry/git-registry.ts';
import type { RecordResult, Registry } from '../../src/registry/registry.ts';
import { gtoTags, tagFindings } from '../../src/registry/tags.ts';
import { inTemporaryFolder } from '../support/project.ts';
import { anyStep, chain, performing, recordable } from './acts-in-memory.ts';
import { act, config, evidence, judged } from './sample-decision.ts';
import { counterOf, gtoShow, readAsGto } from './gto-reader.ts';
import { inRepository, type TemporaryRepository } from './temporary-repository.ts';
import fc from '../support/properties.ts';

const run = promisify(execFile);

test('the tags of any chain, read as GTO reads them, say what the manifest says', () => {
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 30 }), (steps) => {
      const registry = chain();
      for (const [index, step] of steps.entries()) {
        const decision = recordable(registry, performing(step, index));
        if (decision !== null) registry.add(() => decision);
      }
      const tags = gtoTags('m', registry.links);
      const state = readAsGto(
        'm',
        tags.map(({ name, target, time }) => ({ name, time, commit: `commit-${target}` })),
      );
      const { registered, aliases } = registry.view();
      const active = registered.filter(({ status }) => status === 'active').map(({ version }) => version);
      assert.deepEqual(state.versions, active.toReversed());
      const stages = Object.entries(aliases).filter(([alias]) => alias !== 'previous');
      assert.deepEqual(state.stages, Object.fromEntries(stages.map(([alias, { version }]) => [alias, version])));
      const names = tags.map(({ name }) => name);
      assert.equal(new Set(names).size, names.length);
      const counted = names.filter((name) => name.includes('#'));
      assert.equal(counterOf('m', names), counted.length);
      assert.ok(tags.every((tag, index) => tag.time > (tags[index - 1]?.time ?? 0)));
      const found = tags.map(({ name, message, target }) => ({ name, message, commit: `commit-${target}` }));
      const input = { required: true, commitOf: (_: string, seq: number) => `commit-${seq}` };
      assert.deepEqual(tagFindings({ ...input, chains: new Map([['m', registry.links]]), found }), []);
      // The chain as it was before any of its decisions is not the one that was tagged.
      for (let length = 0; length < registry.links.length; length++) {
        const cut = tagFindings({ ...input, chains: new Map([['m', registry.links.slice(0, length)]]), found });
        const later = tags.filter(({ seq }) => seq > length).length;
        assert.equal(cut.filter((each) => /rewritten or cut off/u.test(each.remedy)).length, later);
      }
    }),
    { numRuns: 100 },
  );
});

test('two promotions, a rollback and a third promotion are tagged as GTO would tag them', () =>
  inRepository(async (repository) => {
    const registry = await tagged(repository);
    assert.deepEqual((await promote(registry, 'a')).tags, ['m@v1.0.0', 'm#champion#1']);
    assert.deepEqual((await promote(registry, 'b')).tags, ['m@v1.0.1', 'm#champion!#2', 'm#champion#3']);
    const back = await registry.record({ model: 'm', decide: rollingBack, evidence: [] });
    assert.deepEqual(back.tags, ['m#champion!#4', 'm#champion#5']);
    assert.deepEqual(await gtoShow('m', repository.git), {
      versions: ['1.0.1', '1.0.0'],
      stages: { champion: '1.0.0' },
    });
    await promote(registry, 'c');
    assert.deepEqual(await gtoShow('m', repository.git), {
      versions: ['1.0.2', '1.0.1', '1.0.0'],
      stages: { champion: '1.0.2' },
    });
    // Versions and assignments point at the commit that first promoted the version.
    const at = (ref: string): Promise<string> => repository.git('rev-parse', `${ref}^{commit}`);
    assert.equal(await at('m@v1.0.0'), await at('model-registry~3'));
    assert.equal(await at('m#champion#5'), await at('m@v1.0.0'));
    assert.equal(await repository.git('cat-file', '-t', 'm#champion#5'), 'tag');
    const text = await repository.git('cat-file', 'tag', 'm#champion#5');
    assert.match(text, /^tagger Ada <ada@example\.invalid> \d+ \+0000$/mu);
    assert.match(text, /^Put m v1\.0\.0 into champion\n\nContender-Decision: m#3\nContender-Sha256: [0-9a-f]{64}$/mu);
    assert.deepEqual(await registry.verify(), []);
  }));

test('stages and deprecations are tagged too', () =>
  inRepository(async (repository) => {
    const registry = await tagged(repository);
    await promote(registry, 'a');
    await promote(registry, 'b');
    const put = (version: string) => (view: RegistryHistory) =>
      assign({ model: 'm', config, environment: 'live', rule: {}, version }, [], view, act);
    await registry.record({ model: 'm', decide: put('1.0.0'), evidence: [] });
    const moved = await registry.record({ model: 'm', decide: put('1.0.1'), evidence: [] });
    assert.deepEqual(moved.tags, ['m#live!#5', 'm#live#6']);
    const gone = await registry.record({
      model: 'm',
      decide: (view) => deprecate({ model: 'm', config }, '1.0.0', view, act),
      evidence: [],
    });
    assert.deepEqual(gone.tags, ['m@v1.0.0!']);
    assert.deepEqual(await gtoShow('m', repository.git), {
      versions: ['1.0.1'],
      stages: { champion: '1.0.1', live: '1.0.1' },
    });
    const emptied = await registry.record({
      model: 'm',
      decide: (view) => unassign({ model: 'm', environment: 'live' }, view, act),
      evidence: [],
    });
    assert.deepEqual(emptied.tags, ['m#live!#7']);
    assert.match(
      await repository.git('log', '-1', '--format=%s', 'model-registry'),
      /^contender: take m v1\.0\.1 out of live$/u,
    );
    assert.deepEqual((await gtoShow('m', repository.git)).stages, { champion: '1.0.1' });
    assert.deepEqual(await registry.verify(), []);
  }));

test('tags that are missing are made by the next record or on request, for a registry that had none as well', () =>
  inRepository(async (repository) => {
    const plain = await repository.registry();
    await promote(plain, 'a');
    await promote(plain, 'b');
    assert.equal(await repository.git('tag'), '');
    await assert.rejects(plain.tag('m'), /has no tags.*registry\.tags/su);
    const registry = await tagged(repository);
    const all = ['m@v1.0.0', 'm#champion#1', 'm@v1.0.1', 'm#champion!#2', 'm#champion#3'];
    assert.deepEqual(await registry.tag('m'), all);
    assert.deepEqual(await registry.tag('m'), []);
    const objects = await repository.git('for-each-ref', '--format=%(refname) %(objectname)', 'refs/tags');
    for (const name of all) await repository.git('tag', '-d', name);
    assert.equal((await registry.verify()).length, all.length);
    assert.deepEqual((await promote(registry, 'b')).tags, all, 'although there was nothing to decide');
    assert.equal(
      await repository.git('for-each-ref', '--format=%(refname) %(objectname)', 'refs/tags'),
      objects,
      'the same chain gives the same tags, to the byte',
    );
  }));

describe('a decision that could not be tagged is not recorded', () => {
  test('when the name of a tag is taken by somebody else', () =>
    inRepository(async (repository) => {
      await repository.git('tag', '-a', 'm@v1.0.0', '-m', 'By hand');
      const registry = await tagged(repository);
      await assert.rejects(promote(registry, 'a'), /the tag m@v1\.0\.0 already exists.*git show/su);
      assert.equal(await repository.git('branch', '--list', 'model-registry'), '');
    }));

  test('when a git was killed while it made the tag, and left its lock', () =>
    inRepository(async (repository) => {
      const registry = await tagged(repository);
      await repository.write('.git/refs/tags/m@v1.0.0.lock', '');
      await assert.rejects(
        promote(registry, 'a'),
        /git update-ref: .*m@v1\.0\.0\.lock': File exists.*remove the lock/su,
      );
      assert.equal(await repository.git('branch', '--list', 'model-registry'), '');
    }));

  test('in a shallow clone, which does not have the commits to tag', () =>
    inRepository((repository) =>
      inTemporaryFolder(async (folder) => {
        await promote(await tagged(repository), 'a');
        await promote(await tagged(repository), 'b');
        const clone = join(folder, 'clone');
        const from = ['--depth', '1', '--no-single-branch', `file://${repository.folder}`, clone];
        await run('git', ['clone', '--quiet', ...from]);
        await run('git', ['-C', clone, 'branch', 'model-registry', 'origin/model-registry']);
        const registry = await openGitRegistry({ repository: clone, path: 'registry', tags: 'gto', log: silentLog });
        await assert.rejects(registry.ensureWritable(), /shallow.*fetch-depth: 0/su);
        await assert.rejects(promote(registry, 'c'), RegistryError);
      }),
    ));
});

describe('verify holds the chain against its tags and finds', () => {
  const tampering: {
    name: string;
    tamper(repository: TemporaryRepository): Promise<unknown>;
    path: string;
    found: RegExp;
  }[] = [
    {
      name: 'a tag that is gone',
      tamper: (at) => at.git('tag', '-d', 'm@v1.0.1'),
      path: 'refs/tags/m@v1.0.1',
      found: /no such tag/u,
    },
    {
      name: 'a tag that was moved to another commit',
      tamper: async (at) => {
        const text = (await at.git('cat-file', 'tag', 'm#champion#3')).replace(
          /^object .*/u,
          `object ${await at.git('rev-parse', 'model-registry')}`,
        );
        await at.write('moved', `${text}\n`);
        const moved = await at.git('hash-object', '-t', 'tag', '-w', 'moved');
        await rm(join(at.folder, 'moved'));
        await at.git('update-ref', 'refs/tags/m#champion#3', moved);
      },
      path: 'refs/tags/m#champion#3',
      found: /^a tag on [0-9a-f]{40}/u,
    },
    {
      name: 'a tag made anew by hand',
      tamper: (at) => at.git('tag', '-f', '-a', 'm@v1.0.0', '-m', 'Mine'),
      path: 'refs/tags/m@v1.0.0',
      found: /another tag/u,
    },
    {
      name: 'a tag without an object of its own',
      tamper: (at) => at.git('tag', '-f', 'm@v1.0.0', 'm@v1.0.0^{commit}'),
      path: 'refs/tags/m@v1.0.0',
      found: /a lightweight tag/u,
    },
    {
      name: 'a tail cut off by a forced push',
      tamper: (at) => at.git('branch', '--force', 'model-registry', 'model-registry~2'),
      path: 'refs/tags/m@v1.0.1',
      found: /made from decision 2 of m .* which the chain does not have/u,
    },
    {
      name: 'a history that was rewritten whole',
      tamper: async (at) => {
        await at.git('branch', '-D', 'model-registry');
        const forged = await at.registry();
        await promote(forged, 'mallory');
        await promote(forged, 'b');
        await forged.record({ model: 'm', decide: judged('m', 'c', 'reject'), evidence: [] });
      },
      path: 'refs/tags/m@v1.0.0',
      found: /made from decision 1 of m .* but the chain has/u,
    },
    {
      name: 'a registry that was removed whole',
      tamper: async (at) => {
        const nothing = await at.git(
          'commit-tree',
          '-m',
          'Nothing',
          await at.git('hash-object', '-t', 'tree', '-w', '/dev/null'),
        );
        await at.git('update-ref', 'refs/heads/model-registry', nothing);
      },
      path: 'refs/tags/m@v1.0.0',
      found: /made from decision 1 of m .* does not have/u,
    },
  ];
  for (const { name, tamper, path, found } of tampering) {
    test(name, () =>
      inRepository(async (repository) => {
        const registry = await tagged(repository);
        await promote(registry, 'a');
        await promote(registry, 'b');
        await registry.record({ model: 'm', decide: judged('m', 'c', 'reject'), evidence: [] });
        assert.deepEqual(await registry.verify(), []);
        await tamper(repository);
        const findings = await registry.verify();
        assert.ok(
          findings.some((each) => each.path === path && found.test(each.found)),
          JSON.stringify(findings, null, 2),
        );
      }),
    );
  }

  test('nothing in the tags of another registry in the same repository', () =>
    inRepository(async (repository) => {
      const others = await openGitRegistry({
        repository: repository.folder,
        path: 'team/registry',
        tags: 'gto',
        log: silentLog,
      });
      const proof = [evidence('x')];
      await others.record({ model: 'other', decide: judged('other', 'x', 'promote', proof), evidence: proof });
      const registry = await tagged(repository);
      await promote(registry, 'a');
      assert.deepEqual([await registry.verify(), await others.verify()], [[], []]);
      // A history that was cut off is told by the tags of each.
      const nothing = await repository.git(
        'commit-tree',
        '-m',
        'Nothing',
        await repository.git('hash-object', '-t', 'tree', '-w', '/dev/null'),
      );
      await repository.git('update-ref', 'refs/heads/model-registry', nothing);
      const told = async (each: Registry) => (await each.verify()).map(({ path }) => path);
      assert.deepEqual(await told(registry), ['refs/tags/m#champion#1', 'refs/tags/m@v1.0.0']);
      assert.deepEqual(await told(others), ['refs/tags/other#champion#1', 'refs/tags/other@v1.0.0']);
    }));

  test('nothing in the tags of other people', () =>
    inRepository(async (repository) => {
      const registry = await tagged(repository);
      await promote(registry, 'a');
      await repository.git('tag', 'v1.0.0');
      await repository.git('tag', '-a', 'other@v1.0.0', '-m', 'Another artifact');
      await repository.git('tag', '-a', 'm#dev', '-m', 'By hand');
      assert.deepEqual(await registry.verify(), []);
    }));
});

function tagged(repository: TemporaryRepository): Promise<Registry> {
  return openGitRegistry({ repository: repository.folder, path: 'registry', tags: 'gto', log: silentLog });
}

function promote(registry: Registry, candidate: string): Promise<RecordResult> {
  const proof = [evidence(candidate)];
  return registry.record({ model: 'm', decide: judged('m', candidate, 'promote', proof), evidence: proof });
}

function rollingBack(view: RegistryHistory): Decision {
  return rollback({ model: 'm', config }, 'previous', view, act);
}
