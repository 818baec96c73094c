import assert from 'node:assert/strict';
import { readFile, symlink } from 'node:fs/promises';
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
import { overriding, proof, policy } from './acts-in-memory.ts';
import { act, artifact, config, evidence, judged } from './sample-decision.ts';
import { registryOn, throughPullRequests } from './github-store.ts';
import { branch, commit, headOf, merge, model, protectedHub, waiting } from './promotion-hub.ts';
import { inRepository, repositoryAt, type TemporaryRepository } from './temporary-repository.ts';

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
        const write = (text: string): Promise<unknown> => onTheBranch(repository, (at) => at.write(file, text));
        await work({ registry: await registryIn(repository), git: repository.git.bind(repository), write });
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
        const tip = (await git('for-each-ref', '--format=%(refname)', 'refs/heads/model-registry')) || 'main';
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

describe('artifacts.yaml of the branch of the registry', () => {
  test('is not that of the work tree, which stays as it is', () =>
    inRepository(async (repository) => {
      await repository.write(file, people);
      await promote(await registryIn(repository), 'a');
      assert.equal(await readFile(join(repository.folder, file), 'utf8'), people);
      assert.equal(await repository.status(), '?? artifacts.yaml');
    }));

  const strange: [string, (at: TemporaryRepository) => Promise<unknown>, RegExp][] = [
    ['a symbolic link', (at) => symlink('README.md', join(at.folder, file)), /a symbolic link.*a plain file/u],
    ['a folder', (at) => at.write(`${file}/a`, 'x'), /a folder.*a plain file/u],
    [
      'a submodule',
      (at) => at.git('update-index', '--add', '--cacheinfo', `160000,${'1'.repeat(40)},${file}`),
      /a submodule.*a plain file/u,
    ],
    ['of line endings of Windows', (at) => at.write(file, people.replaceAll('\n', '\r\n')), /CRLF.*eol=lf/u],
  ];
  for (const [name, prepare, message] of strange) {
    test(`is refused as ${name} before anything is recorded`, () =>
      inRepository(async (repository) => {
        await onTheBranch(repository, prepare);
        const before = await repository.git('rev-parse', 'model-registry');
        const registry = await registryIn(repository);
        await assert.rejects(registry.ensureWritable(), message);
        await assert.rejects(promote(registry, 'a'), message);
        assert.equal(await repository.git('rev-parse', 'model-registry'), before);
      }));
  }
});

/** A person commits to the branch of the registry, in a work tree of its own. */
async function onTheBranch(
  { git, folder }: TemporaryRepository,
  work: (at: TemporaryRepository) => Promise<unknown>,
): Promise<void> {
  const side = `${folder}-side`;
  const made = (await git('branch', '--list', 'model-registry')) !== '';
  await git('worktree', 'add', '--quiet', ...(made ? [side, 'model-registry'] : ['-b', 'model-registry', side]));
  const at = repositoryAt(side);
  await work(at);
  // A submodule is in the index alone.
  if ((await at.git('diff', '--cached', '--name-only')) === '') await at.git('add', '--all');
  await at.git('commit', '--quiet', '-m', 'Describe');
  await git('worktree', 'remove', '--force', side);
}

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
      const place = { github: clientOf(server), branch: 'main', folder: 'registry', cache: new Map() };
      const merged = await checkMerged(place, { before, after: await headOf(server) });
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

function registryIn({ folder }: TemporaryRepository): Promise<Registry> {
  return openGitRegistry({ repository: folder, path: 'registry', ...kept, log: silentLog });
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
