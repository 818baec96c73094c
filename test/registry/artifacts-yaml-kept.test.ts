import assert from 'node:assert/strict';
import { mkdir, readFile, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { parse } from 'yaml';
import { rollback } from '../../src/decide/rollback.ts';
import { RegistryError } from '../../src/errors.ts';
import { silentLog } from '../../src/log.ts';
import { openGitRegistry } from '../../src/registry/git-registry.ts';
import { checkMerged } from '../../src/registry/github/merged-promotions.ts';
import type { RecordResult, Registry } from '../../src/registry/registry.ts';
import { clientOf, repositoryName, withGitHub } from '../github/with-github.ts';
import type { GitHubStandIn } from '../support/github-api/server.ts';
import { act, config, overriding, proof, policy } from './acts-in-memory.ts';
import { registryOn, throughPullRequests } from './github-store.ts';
import { branch, commit, headOf, merge, model, protectedHub, waiting } from './promotion-hub.ts';
import { artifact, evidence, judged } from './sample-decision.ts';
import { inRepository, type TemporaryRepository } from './temporary-repository.ts';

type Git = (...args: string[]) => Promise<string>;

const file = 'artifacts.yaml';
const people = '# Ours\nm:\n  description: Mail\n\n\ndata: { type: dataset } # not a model\n';
const kept = { tags: 'gto', artifactsYaml: true } as const;

const stores: {
  name: string;
  open(
    work: (store: { registry: Registry; git: Git; write(text: string): Promise<unknown> }) => Promise<void>,
  ): Promise<void>;
}[] = [
  {
    name: 'in git',
    open: (work) =>
      inRepository(async (repository) => {
        const write = async (text: string): Promise<unknown> => {
          await repository.write(file, text);
          return repository.commit('Describe');
        };
        await work({ registry: await registryIn(repository), git: repository.git.bind(repository), write });
        assert.equal(await repository.status(), '');
      }),
  },
  {
    name: 'in git, on a branch of its own',
    open: (work) =>
      inRepository(async (repository) => {
        await repository.git('branch', 'registry');
        await repository.git('switch', '--quiet', 'registry');
        const write = async (text: string): Promise<unknown> => {
          await repository.git('switch', '--quiet', 'registry');
          await repository.write(file, text);
          await repository.commit('Describe');
          return repository.git('switch', '--quiet', 'main');
        };
        await repository.git('switch', '--quiet', 'main');
        const registry = await registryIn(repository, { branch: 'registry' });
        await work({ registry, git: repository.git.bind(repository), write });
        assert.equal(await repository.status(), '');
      }),
  },
  {
    name: 'on GitHub',
    open: (work) =>
      withGitHub((server) => {
        const { git } = server.repository(repositoryName);
        const write = (text: string): Promise<unknown> => commit(server, file, text);
        return work({ registry: registryOn(server, kept), git: git.git.bind(git), write });
      }),
  },
];

for (const { name, open } of stores) {
  describe(`artifacts.yaml beside a registry ${name}`, () => {
    test('names in the commit of each decision that changes the champion who it is, for every model', () =>
      open(async ({ registry, git, write }) => {
        await write(people);
        const commits = [
          await promote(registry, 'a'),
          await promote(registry, 'b'),
          await registry.record({
            model: 'm',
            decide: (view) => rollback({ model: 'm', config }, 'previous', view, act),
            evidence: [],
          }),
          await promote(registry, 'x', 'other-1'),
        ].map((result) => String(result.commit));
        const at = async (revision: string): Promise<Record<string, Entry>> =>
          parse(await git('show', `${revision}:${file}`)) as Record<string, Entry>;
        const entries = await Promise.all(commits.map(at));
        assert.deepEqual(
          entries.map(({ m }) => [m?.path, m?.custom.version, m?.custom.sha256, m?.custom.decision]),
          [
            ['a.onnx', '1.0.0', artifact('a').sha256, 1],
            ['b.onnx', '1.0.1', artifact('b').sha256, 2],
            ['a.onnx', '1.0.0', artifact('a').sha256, 3],
            ['a.onnx', '1.0.0', artifact('a').sha256, 3],
          ],
        );
        assert.ok(entries.every(({ m }) => m?.type === 'model' && !m.virtual && m.description === 'Mail'));
        assert.deepEqual(
          entries.map((each) => 'other-1' in each),
          [false, false, false, true],
        );
        // What gto describe m --rev m@v1.0.1 looks at.
        assert.equal((await at('m@v1.0.1'))['m']?.custom.version, '1.0.1');
        assert.equal((await at('other-1@v1.0.0'))['other-1']?.path, 'x.onnx');
        for (const each of commits) {
          const files = (await git('show', '--name-only', '--format=', each)).split('\n');
          assert.ok(files.includes(file) && files.some((path) => path.includes('/decisions/')), files.join());
          const text = await git('show', `${each}:${file}`);
          assert.ok(
            text.startsWith('# Ours\nm:\n') && text.includes('\n\n\ndata: { type: dataset } # not a model'),
            text,
          );
        }
        assert.deepEqual(await registry.verify(), []);
      }));

    test('is left alone by a decision that changes no champion', () =>
      open(async ({ registry, git }) => {
        const { commit: first } = await promote(registry, 'a');
        const { commit: second } = await registry.record({
          model: 'm',
          decide: judged('m', 'b', 'reject'),
          evidence: [],
        });
        assert.equal(await git('rev-parse', `${first}:${file}`), await git('rev-parse', `${second}:${file}`));
      }));

    test('is written on the word of a person as well', () =>
      open(async ({ registry, git }) => {
        await promote(registry, 'a');
        const held = [proof('b')];
        const hold = judged('m', 'b', 'hold', held);
        await registry.record({ model: 'm', decide: (view) => ({ ...hold(view), policy }), evidence: held });
        const { commit: made, decision } = await registry.record({
          model: 'm',
          decide: overriding('b'),
          evidence: held,
        });
        assert.equal(decision.action, 'override');
        const { m } = parse(await git('show', `${made}:${file}`)) as Record<string, Entry>;
        assert.deepEqual([m?.path, m?.custom.decision], ['b.onnx', 3]);
      }));

    test('that cannot be kept is told before long work, and nothing is recorded', () =>
      open(async ({ registry, git, write }) => {
        await write('- m\n');
        const before = await git('rev-parse', '--all');
        await assert.rejects(registry.ensureWritable(), /a list.*artifacts\.yaml|artifacts\.yaml: a list/u);
        await assert.rejects(promote(registry, 'a'), RegistryError);
        assert.equal(await git('rev-parse', '--all'), before);
      }));

    test('that names another champion is found, and so is one that cannot be read', () =>
      open(async ({ registry, git, write }) => {
        await promote(registry, 'a');
        const tip = (await git('for-each-ref', '--format=%(refname)', 'refs/heads/registry')) || 'main';
        const text = await git('show', `${tip}:${file}`);
        await write(text.replace('1.0.0', '9.0.0'));
        const [finding, ...others] = await registry.verify();
        assert.deepEqual([finding?.path, others], [file, []]);
        assert.match(`${finding?.found} ${finding?.expected}`, /version 9\.0\.0 .* version 1\.0\.0/u);
        await write('m: [\n');
        assert.match((await registry.verify())[0]?.found ?? '', /not valid YAML/u);
      }));
  });
}

describe('artifacts.yaml in the work tree', () => {
  const edits: [string, (at: TemporaryRepository) => Promise<unknown>, RegExp][] = [
    [
      'edited',
      (at) => at.write(file, `${people}# mine\n`),
      /artifacts\.yaml is modified.*Commit it first: git add artifacts\.yaml/u,
    ],
    [
      'staged',
      async (at) => {
        await at.write(file, `${people}# mine\n`);
        await at.git('add', file);
      },
      /artifacts\.yaml is staged.*Commit it first/u,
    ],
    ['deleted', (at) => at.git('rm', '--quiet', file), /artifacts\.yaml is deleted.*git restore/u],
  ];
  for (const [name, edit, message] of edits) {
    test(`${name} by a person is refused until it is committed, and the edit stays`, () =>
      inRepository(async (repository) => {
        await repository.write(file, people);
        const before = await repository.commit('Describe');
        const registry = await registryIn(repository);
        await edit(repository);
        const status = await repository.status();
        await assert.rejects(registry.ensureWritable(), message);
        await assert.rejects(promote(registry, 'a'), message);
        assert.deepEqual([await repository.git('rev-parse', 'HEAD'), await repository.status()], [before, status]);
        await repository.commit('Edit');
        await promote(registry, 'a');
        assert.equal((await readFile(join(repository.folder, file), 'utf8')).includes('# mine'), name !== 'deleted');
      }));
  }

  test('may be edited as one likes where it is not kept', () =>
    inRepository(async (repository) => {
      await repository.write(file, people);
      await promote(await repository.registry(), 'a');
      assert.equal(await readFile(join(repository.folder, file), 'utf8'), people);
      assert.equal(await repository.status(), '?? artifacts.yaml');
    }));

  const strange: [string, (at: TemporaryRepository) => Promise<unknown>, RegExp][] = [
    [
      'a symbolic link',
      async (at) => {
        await symlink('README.md', join(at.folder, file));
        await at.commit('Link');
      },
      /a symbolic link.*a plain file/u,
    ],
    [
      'a folder',
      async (at) => {
        await at.write(`${file}/a`, 'x');
        await at.commit('Folder');
      },
      /a folder.*a plain file/u,
    ],
    [
      'a submodule',
      async (at) => {
        await at.git('update-index', '--add', '--cacheinfo', `160000,${'1'.repeat(40)},${file}`);
        await at.git('commit', '--quiet', '-m', 'Submodule');
        await mkdir(join(at.folder, file));
      },
      /a submodule.*a plain file/u,
    ],
    [
      'ignored',
      async (at) => {
        await at.write('.gitignore', `${file}\n`);
        await at.commit('Ignore');
        await at.write(file, people);
      },
      /git ignores it.*git add --force/u,
    ],
    [
      'converted on its way',
      async (at) => {
        await at.write('.gitattributes', `${file} text eol=crlf\n`);
        await at.write(file, people);
        await at.commit('Describe');
        await at.git('rm', '--quiet', '--cached', file);
        await at.git('reset', '--quiet', '--hard');
      },
      /other bytes than the commit.*text eol=lf/u,
    ],
    [
      'of line endings of Windows',
      async (at) => {
        await at.write(file, people.replaceAll('\n', '\r\n'));
        await at.commit('Describe');
      },
      /CRLF.*eol=lf/u,
    ],
  ];
  for (const [name, prepare, message] of strange) {
    test(`${name} is refused before anything is recorded`, () =>
      inRepository(async (repository) => {
        await prepare(repository);
        const before = await repository.git('rev-parse', 'HEAD');
        const registry = await registryIn(repository);
        await assert.rejects(registry.ensureWritable(), message);
        await assert.rejects(promote(registry, 'a'), message);
        assert.equal(await repository.git('rev-parse', 'HEAD'), before);
      }));
  }

  test('converted on its way is kept once the remedy is followed', () =>
    inRepository(async (repository) => {
      await repository.git('config', 'core.autocrlf', 'true');
      await repository.write(file, people);
      await repository.commit('Describe');
      await repository.git('rm', '--quiet', '--cached', file);
      await repository.git('reset', '--quiet', '--hard');
      const registry = await registryIn(repository);
      await assert.rejects(promote(registry, 'a'), /other bytes than the commit/u);
      await repository.write('.gitattributes', 'artifacts.yaml text eol=lf -filter -ident\n');
      await repository.commit('Attributes');
      await repository.git('rm', '--quiet', '--cached', file);
      await repository.git('reset', '--quiet', '--hard');
      await promote(registry, 'a');
      assert.equal(await repository.status(), '');
    }));
});

test('writers of two models at once on GitHub lose neither entry', () =>
  withGitHub(async (server) => {
    const names = ['m', 'n', 'o', 'p'];
    await Promise.all(names.map((each) => promote(registryOn(server, kept), 'a', each)));
    const text = await server.repository(repositoryName).git.git('show', `main:${file}`);
    assert.deepEqual(Object.keys(parse(text) as object).toSorted(), names);
  }));

describe('artifacts.yaml in a promotion pull request', () => {
  test('comes with the promotion, and is in force once that is merged', () =>
    protectedHub(async (server) => {
      assert.equal((await promote(pending(server), 'b', model)).status, 'pending');
      assert.equal((await show(server, branch))[model]?.path, 'b.onnx');
      await assert.rejects(show(server, 'main'));
      const before = await headOf(server);
      await merge(server, 'squash');
      const place = { github: clientOf(server), branch: 'main', folder: 'registry' };
      const merged = await checkMerged(place, { before, after: await headOf(server) }, new Map());
      assert.deepEqual(
        merged.map(({ decisions, findings }) => [decisions.length, findings]),
        [[1, []]],
      );
      assert.equal((await show(server, 'main'))[model]?.custom.version, '1.0.1');
      assert.deepEqual(await registryOn(server, { artifactsYaml: true }).verify(), []);
    }));

  test('is written anew where that of the base went on, so that it merges', () =>
    protectedHub(async (server) => {
      await promote(pending(server), 'b', model);
      const before = await headOf(server, branch);
      await promote(pending(server, 'admin[bot]'), 'x', 'other');
      await assert.rejects(merge(server, 'merge'), /not mergeable/u);
      assert.equal((await promote(pending(server), 'b', model)).status, 'pending');
      assert.notEqual(await headOf(server, branch), before);
      assert.deepEqual(Object.keys(await show(server, branch)), ['other', model]);
      await merge(server, 'merge');
      assert.deepEqual(Object.keys(await show(server, 'main')), ['other', model]);
      assert.deepEqual(await registryOn(server, { artifactsYaml: true }).verify(), []);
    }));

  test('is left alone, with the reviews on it, while the base moves for other reasons', () =>
    protectedHub(async (server) => {
      await promote(pending(server), 'b', model);
      const before = await headOf(server, branch);
      await commit(server, 'README.md', 'Other work.\n');
      await promote(pending(server, 'admin[bot]'), 'x', 'other', 'reject');
      await promote(pending(server), 'b', model);
      assert.equal(await headOf(server, branch), before);
    }));

  test('that a person edited is not taken over', () =>
    protectedHub(async (server) => {
      await promote(pending(server), 'b', model);
      await commit(server, file, 'mine: {}\n', branch);
      await promote(pending(server), 'b', model);
      assert.deepEqual(Object.keys(await show(server, branch)), [model]);
      assert.deepEqual(await waiting(server), [['b', 'promote']]);
    }));

  test('comes with a promotion that waited since before it was kept', () =>
    protectedHub(async (server) => {
      await promote(pending(server, undefined, false), 'b', model);
      await assert.rejects(show(server, branch));
      await promote(pending(server), 'b', model);
      assert.equal((await show(server, branch))[model]?.path, 'b.onnx');
    }));
});

interface Entry {
  type: string;
  path: string;
  virtual: boolean;
  description?: string;
  custom: { version: string; sha256: string; decision: number };
}

function registryIn({ folder }: TemporaryRepository, more: { branch?: string } = {}): Promise<Registry> {
  return openGitRegistry({ repository: folder, path: 'registry', ...kept, ...more, log: silentLog });
}

function promote(
  registry: Registry,
  candidate: string,
  of = 'm',
  outcome: 'promote' | 'reject' = 'promote',
): Promise<RecordResult> {
  const proof = [evidence(candidate)];
  return registry.record({ model: of, decide: judged(of, candidate, outcome, proof), evidence: proof });
}

function pending(server: GitHubStandIn, login = 'github-actions[bot]', artifactsYaml = true): Registry {
  return registryOn(server, { artifactsYaml, pullRequests: throughPullRequests(), permissions: { login } });
}

async function show(server: GitHubStandIn, revision: string): Promise<Record<string, Entry>> {
  return parse(await server.repository(repositoryName).git.git('show', `${revision}:${file}`)) as Record<string, Entry>;
}
