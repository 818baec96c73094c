import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { access, chmod, rm, symlink, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { EvidenceError, RegistryError } from '../../src/errors.ts';
import {
  digest,
  evidenceDigest,
  sha256,
  type Decision,
  type RegistryView,
  type Version,
} from '../../src/evidence/index.ts';
import { openGitRegistry } from '../../src/registry/git-registry.ts';
import { silentLog } from '../../src/log.ts';
import { inTemporaryFolder } from '../support/project.ts';
import { artifact, evidence, judged } from './sample-decision.ts';
import { inRepository, repositoryAt, type TemporaryRepository } from './temporary-repository.ts';

const model = 'spam-filter';

describe('recording a decision', () => {
  test('makes the branch with one commit of decision, manifest and evidence, and touches nothing that is checked out', () =>
    inRepository(async (repository) => {
      const before = await repository.tree();
      const registry = await repository.registry();
      const proof = evidence('a');
      const result = await registry.record({
        model,
        decide: judged(model, 'a', 'promote', [proof]),
        evidence: [proof],
      });
      assert.equal(result.status, 'recorded');
      assert.equal(await repository.git('rev-parse', 'model-registry'), result.commit);
      assert.equal(await repository.git('rev-list', '--count', 'model-registry'), '1');
      assert.equal(
        await repository.git('log', '-1', '--format=%s', 'model-registry'),
        'contender: promote spam-filter v1.0.0',
      );
      assert.deepEqual((await repository.git('ls-tree', '-r', '--name-only', 'model-registry')).split('\n'), [
        'registry/.gitattributes',
        'registry/models/spam-filter/decisions/000/000001.json',
        `registry/models/spam-filter/evidence/${evidenceDigest(proof)}.json.gz`,
        'registry/models/spam-filter/manifest.json',
      ]);
      assert.equal(await repository.tree(), before);
      assert.deepEqual(await registry.verify(), []);
      assert.deepEqual(await registry.models(), [model]);
      const version = { version: '1.0.0', artifacts: [artifact('a')] };
      assert.deepEqual(await registry.view(model), {
        champion: version,
        championSeq: 1,
        versions: ['1.0.0'],
        decisionsByDataset: { [digest('eval')]: 1 },
        registered: [{ ...version, seq: 1, replaced: null, status: 'active' }],
        aliases: { champion: { version: '1.0.0', seq: 1 } },
        decisions: [result.decision],
      });
      assert.deepEqual(await registry.evidence(model, evidenceDigest(proof)), proof);
      await assert.rejects(registry.evidence(model, sha256('other')), RegistryError);
    }));

  test('links each decision to the bytes of the one before', () =>
    inRepository(async (repository) => {
      const registry = await repository.registry();
      await promote(repository, 'a');
      await promote(repository, 'b');
      const [first, second] = await registry.log(model);
      assert.equal(first?.prev, null);
      const text = await repository.git('show', 'model-registry:registry/models/spam-filter/decisions/000/000001.json');
      assert.equal(second?.prev, sha256(`${text}\n`));
      const manifest = await registry.manifest(model);
      assert.deepEqual(manifest?.aliases, {
        champion: { version: '1.0.1', seq: 2 },
        previous: { version: '1.0.0', seq: 1 },
      });
    }));

  test('records a rejection too, once, and counts the use of its evaluation set', () =>
    inRepository(async (repository) => {
      await promote(repository, 'a');
      const registry = await repository.registry();
      const proof = evidence('worse');
      const input = { model, decide: judged(model, 'worse', 'reject', [proof]), evidence: [proof] };
      const first = await registry.record(input);
      const second = await registry.record(input);
      assert.deepEqual([first.status, second.status], ['recorded', 'already-recorded']);
      assert.equal(second.commit, first.commit);
      assert.equal((await registry.view(model)).champion?.version, '1.0.0');
      assert.equal(
        (await registry.view(model)).decisionsByDataset[digest('eval')],
        2,
        'the promotion and the rejection',
      );
    }));

  test('writes nothing when nothing changes', () =>
    inRepository(async (repository) => {
      await promote(repository, 'a');
      const head = await repository.git('rev-parse', 'model-registry');
      const result = await (
        await repository.registry()
      ).record({ model, decide: judged(model, 'a', 'promote'), evidence: [] });
      assert.deepEqual([result.status, result.commit], ['no-change', null]);
      assert.equal(await repository.git('rev-parse', 'model-registry'), head);
    }));

  test('after a rollback the same promotion is a new decision', () =>
    inRepository(async (repository) => {
      await promote(repository, 'a');
      await promote(repository, 'b');
      const registry = await repository.registry();
      const [first] = (await registry.manifest(model))?.versions ?? [];
      const back = await registry.record({ model, decide: rollbackTo(first as Version), evidence: [] });
      assert.equal(back.status, 'recorded');
      const manifest = await registry.manifest(model);
      assert.deepEqual(manifest?.aliases, {
        champion: { version: '1.0.0', seq: 3 },
      });
      assert.equal(manifest.versions.length, 2);
      const again = await registry.record({ model, decide: judged(model, 'c', 'promote'), evidence: [] });
      assert.equal(again.status, 'recorded');
      assert.deepEqual(await registry.verify(), []);
    }));

  test('keeps what the person staged and changed elsewhere exactly as it was', () =>
    inRepository(async (repository) => {
      await repository.write('staged.txt', 'staged\n');
      await repository.git('add', 'staged.txt');
      await repository.write('README.md', 'Half an edit');
      await repository.write('new.txt', 'untracked');
      const before = await repository.tree();
      await promote(repository, 'a');
      await promote(repository, 'b');
      assert.equal(await repository.tree(), before);
      const files = await repository.git('ls-tree', '-r', '--name-only', 'model-registry');
      assert.doesNotMatch(files, /staged|README|new/u);
    }));

  test('works in a sparse checkout, and in a work tree that nobody may write to', () =>
    inRepository(async (repository) => {
      await repository.write('models/a.onnx', 'x');
      await repository.write('registry/notes.txt', 'of the code, not of the registry');
      await repository.commit('Files');
      await repository.git('sparse-checkout', 'set', 'models');
      const before = await repository.tree();
      await chmod(join(repository.folder, 'models'), 0o555);
      try {
        await promote(repository, 'a');
        await promote(repository, 'b');
      } finally {
        await chmod(join(repository.folder, 'models'), 0o755);
      }
      assert.equal(await repository.tree(), before);
      assert.deepEqual(await (await repository.registry()).verify(), []);
    }));

  test('is of no interest to the locks of a git at work in the index', () =>
    inRepository(async (repository) => {
      await repository.write('.git/index.lock', '');
      await promote(repository, 'a');
    }));

  test('is refused beforehand for no lock that passes', () =>
    inRepository(async (repository) => {
      const lock = '.git/refs/heads/model-registry.lock';
      await repository.write(lock, '');
      const released = sleep(2000).then(() => rm(join(repository.folder, lock)));
      await (await repository.registry()).ensureWritable();
      await released;
    }));

  test('keeps bytes as they are where the repository converts files', () =>
    inRepository(async (repository) => {
      await repository.write('.gitattributes', '*.gz filter=shout\n*.json text eol=crlf\n');
      await repository.git('config', 'filter.shout.clean', 'tr a-z A-Z');
      await repository.git('config', 'core.autocrlf', 'true');
      await repository.commit('Convert');
      await promote(repository, 'a');
      await promote(repository, 'b');
      await repository.visit();
      assert.equal(await repository.status(), '');
      await repository.git('switch', '--quiet', 'main');
      assert.deepEqual(await (await repository.registry()).verify(), []);
    }));

  test('lies at the top from any subfolder, works in a linked work tree, in a bare repository and with objects named by SHA-256', () =>
    inTemporaryFolder(async (folder) => {
      const run = promisify(execFile);
      const top = join(folder, 'top');
      await run('git', ['init', '--quiet', '--object-format=sha256', '--initial-branch=main', top]);
      const repository = repositoryAt(top);
      await repository.git('config', 'user.name', 'Ada');
      await repository.git('config', 'user.email', 'ada@example.invalid');
      await repository.write('ml/README.md', 'x');
      await repository.commit('Start');
      await promote(repositoryAt(join(top, 'ml')), 'a');
      assert.match(await repository.git('ls-tree', '-r', '--name-only', 'model-registry'), /^registry\/models/mu);
      assert.equal((await (await repositoryAt(top).registry()).view(model)).champion?.version, '1.0.0');
      await repository.git('worktree', 'add', '--quiet', '-b', 'side', join(folder, 'side'));
      const side = repositoryAt(join(folder, 'side'));
      await promote(repositoryAt(join(folder, 'side/ml')), 'b');
      assert.equal(await side.status(), '');
      assert.equal(await repository.status(), '');
      const registry = await repositoryAt(join(top, 'ml')).registry();
      assert.deepEqual(
        (await registry.log(model)).map(({ seq }) => seq),
        [1, 2],
      );
      assert.deepEqual(await registry.verify(), []);
      await run('git', ['clone', '--quiet', '--bare', top, join(folder, 'bare.git')]);
      const bare = await openGitRegistry({ repository: join(folder, 'bare.git'), path: 'registry', log: silentLog });
      const recorded = await bare.record({ model, decide: judged(model, 'd', 'promote'), evidence: [] });
      assert.equal(recorded.status, 'recorded');
      assert.deepEqual(await bare.verify(), []);
    }));

  test('records and reads in a detached head, and beside a branch without a commit', () =>
    inRepository(async (repository) => {
      await repository.git('checkout', '--quiet', '--detach');
      await promote(repository, 'a');
      await repository.git('checkout', '--quiet', '--orphan', 'new');
      await promote(repository, 'b');
      assert.equal((await (await repository.registry()).view(model)).champion?.version, '1.0.1');
    }));

  test('refuses a decision that refers to evidence it was not given', () =>
    inRepository(async (repository) => {
      const registry = await repository.registry();
      const input = { model, decide: judged(model, 'a', 'promote', [evidence('a')]), evidence: [] };
      await assert.rejects(registry.record(input), EvidenceError);
      assert.equal(await repository.git('branch', '--list', 'model-registry'), '');
    }));
});

describe('a place where nothing can be recorded is an error with a remedy', () => {
  const places: {
    name: string;
    spoil: (repository: TemporaryRepository) => Promise<unknown>;
    path?: string;
    branch?: string;
    /** Seen only once something is written. */
    late?: true;
    says: RegExp;
  }[] = [
    {
      name: 'a branch that is checked out',
      spoil: async () => undefined,
      branch: 'main',
      says: /branch main is checked out in .*registry\.branch.*registry\.push: origin.*store: github/su,
    },
    {
      name: 'a branch that another work tree has checked out',
      spoil: (at) => at.git('worktree', 'add', '--quiet', '-b', 'side', `${at.folder}/side`),
      branch: 'side',
      says: /branch side is checked out in .*\/side/u,
    },
    {
      name: 'the usual branch in another work tree, which leaving registry.branch out would not change',
      spoil: (at) => at.git('worktree', 'add', '--quiet', '-b', 'model-registry', `${at.folder}/side`),
      says: /checked out in .*\/side.*Check out another branch in that folder, or record/su,
    },
    {
      name: 'a branch in whose way another is',
      spoil: (at) => at.git('branch', 'registry/old'),
      branch: 'registry',
      says: /git update-ref: .*'refs\/heads\/registry\/old' exists; cannot create.*Rename or delete the branch registry\/old/u,
    },
    {
      name: 'the lock of a git that was killed while it moved the branch',
      spoil: (at) => at.write('.git/refs/heads/model-registry.lock', ''),
      says: /git update-ref: .*model-registry\.lock': File exists\.? Nothing was recorded\. If no git is at work in this repository, remove the lock/u,
    },
    {
      name: 'a branch with an impossible name',
      spoil: async () => undefined,
      branch: '--upload-pack=x',
      says: /not a valid branch name/u,
    },
    {
      name: 'a branch that a crash left empty',
      spoil: (at) => at.write('.git/refs/heads/model-registry', ''),
      says: /the branch model-registry cannot be read: .*broken ref.*git reflog show model-registry/su,
    },
    {
      name: 'a branch that is at no commit',
      spoil: async (at) =>
        at.write('.git/refs/heads/model-registry', `${await at.git('rev-parse', 'HEAD:README.md')}\n`),
      says: /the branch model-registry cannot be read: it is at a blob/u,
    },
    {
      name: 'a branch that stands for the one that is checked out',
      spoil: (at) => at.git('symbolic-ref', 'refs/heads/model-registry', 'refs/heads/main'),
      says: /is an alias \(symbolic ref\) of refs\/heads\/main.*Set registry\.branch to main/su,
    },
    {
      name: 'a branch named as git names none',
      spoil: async () => undefined,
      branch: 'HEAD',
      says: /"HEAD" is not a valid branch name/u,
    },
    {
      name: 'a branch named in full',
      spoil: async () => undefined,
      branch: 'refs/heads/registry',
      says: /not a valid branch name.*without refs\/heads/u,
    },
    {
      name: 'a path outside the repository',
      spoil: async () => undefined,
      path: '../registry',
      says: /\.\.\/registry.*inside the repository/u,
    },
    { name: 'an absolute path', spoil: async () => undefined, path: '/tmp/registry', says: /inside the repository/u },
    { name: 'the git folder', spoil: async () => undefined, path: 'a/.GIT/registry', says: /inside the repository/u },
    { name: 'the repository itself', spoil: async () => undefined, path: './', says: /a separate folder/u },
    {
      name: 'a committed symbolic link',
      spoil: async (at) => {
        await symlink('/tmp', join(at.folder, 'registry'));
        await at.commit('Link');
        await at.git('branch', 'model-registry');
      },
      late: true,
      says: /symbolic link/u,
    },
  ];
  for (const { name, spoil, path, branch, late, says } of places) {
    test(name, () =>
      inRepository(async (repository) => {
        await spoil(repository);
        const before = await repository.status();
        const isTold = (error: unknown): boolean => {
          assert.ok(error instanceof RegistryError, String(error));
          assert.match(error.message, says);
          return true;
        };
        const request = { model, decide: judged(model, 'a', 'promote'), evidence: [] };
        const open = () => repository.registry(path, branch);
        if (late === undefined) await assert.rejects(async () => (await open()).ensureWritable(), isTold);
        await assert.rejects(async () => (await open()).record(request), isTold);
        assert.equal(await repository.status(), before);
      }),
    );
  }

  test('a decision that the repository lost, rather than to go on without it', () =>
    inRepository(async (repository) => {
      await promote(repository, 'a');
      const oid = await repository.git(
        'rev-parse',
        `model-registry:registry/models/${model}/decisions/000/000001.json`,
      );
      await rm(join(repository.folder, '.git', 'objects', oid.slice(0, 2), oid.slice(2)), { force: true });
      const says = /object [0-9a-f]{40} cannot be read .*000001\.json.*git fsck/su;
      const registry = await repository.registry();
      await assert.rejects(registry.view(model), says);
      await assert.rejects(registry.verify(), says);
    }));

  test('a folder without a repository', () =>
    inTemporaryFolder(async (folder) => {
      await assert.rejects(repositoryAt(folder).registry(), /not in a git repository.*git init/u);
    }));

  test('a model whose name differs from that of another in case alone', () =>
    inRepository(async (repository) => {
      await promote(repository, 'a');
      const registry = await repository.registry();
      const decide = judged('Spam-Filter', 'a', 'promote');
      await assert.rejects(
        registry.record({ model: 'Spam-Filter', decide, evidence: [] }),
        /a model named Spam-Filter and another one named spam-filter.*Rename/su,
      );
      assert.deepEqual(await registry.models(), [model]);
    }));

  test('a branch that another program rewrites in the instant after it moved', () =>
    inRepository(async (repository) => {
      await inTemporaryFolder(async (folder) => {
        const { PATH = '' } = process.env;
        await promote(repository, 'first');
        const [before, git] = [await repository.git('rev-parse', 'model-registry'), await which('git')];
        // A git that takes the branch back as soon as it was moved, and says that all is well.
        const script = `#!/bin/sh\n"${git}" "$@"; code=$?\ncase " $* " in\n  *" update-ref --no-deref "*) "${git}" update-ref refs/heads/model-registry ${before} ;;\nesac\nexit $code\n`;
        await writeFile(join(folder, 'git'), script, { mode: 0o755 });
        process.env['PATH'] = `${folder}${delimiter}${PATH}`;
        try {
          const registry = await repository.registry();
          const decide = judged(model, 'a', 'promote');
          await assert.rejects(registry.record({ model, decide, evidence: [] }), /does not contain it.*Run again/su);
        } finally {
          process.env['PATH'] = PATH;
        }
      });
    }));

  test('a model name that could become a path', () =>
    inRepository(async (repository) => {
      const registry = await repository.registry();
      for (const name of ['../x', 'a/b', '-x', '', 'a\nb', '$(x)', 'a.b', 'é']) {
        await assert.rejects(
          registry.record({ model: name, decide: judged(name, 'a', 'promote'), evidence: [] }),
          RegistryError,
        );
        await assert.rejects(registry.view(name), RegistryError);
      }
    }));
});

async function promote(repository: TemporaryRepository, candidate: string): Promise<void> {
  const proof = [evidence(candidate)];
  const registry = await repository.registry();
  const result = await registry.record({ model, decide: judged(model, candidate, 'promote', proof), evidence: proof });
  assert.equal(result.status, 'recorded');
}

function rollbackTo(version: Version): (view: RegistryView) => Decision {
  return (view) => ({
    ...judged(model, 'unused', 'promote')(view),
    action: 'rollback',
    to: { version: version.version, artifacts: version.artifacts },
    candidate: { version: version.version, artifacts: version.artifacts },
    idempotencyKey: digest({ rollback: version.version, since: view.championSeq }),
  });
}

/** Where a program is found. */
async function which(name: string): Promise<string> {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const path = join(folder, name);
    if (
      await access(path).then(
        () => true,
        () => false,
      )
    )
      return path;
  }
  throw new Error(`no ${name}`);
}
