import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { ContenderError, EvidenceError, GitHubError, RegistryError } from '../../src/errors.ts';
import { digest, evidenceDigest, sha256, type Evidence } from '../../src/evidence/index.ts';
import { verifyRegistry } from '../../src/registry/verify.ts';
import { openRepository } from '../../src/registry/git/repository.ts';
import { repositoryName, withGitHub } from '../github/with-github.ts';
import { silentLog } from '../../src/log.ts';
import type { Registry } from '../../src/registry/registry.ts';
import { faults, type Fault, type GitHubStandIn, type TokenInput } from '../support/github-api/server.ts';
import { registryOn, throughPullRequests } from './github-store.ts';
import { artifact, evidence, judged } from './sample-decision.ts';

const model = 'spam-filter';

describe('recording through the API', () => {
  test('adds one signed commit with decision, manifest and evidence, whose bytes git finds sound', () =>
    withGitHub(async (server) => {
      const registry = registryOn(server);
      const proof = evidence('a');
      const result = await registry.record({
        model,
        decide: judged(model, 'a', 'promote', [proof]),
        evidence: [proof],
      });
      assert.equal(result.status, 'recorded');
      const { git } = server.repository(repositoryName);
      assert.equal(await git.git('rev-parse', 'main'), result.commit);
      assert.match(
        await git.git('log', '-1', '--format=%B', 'main'),
        /^contender: promote spam-filter v1\.0\.0\n\n[\s\S]*Contender-Outcome: promote/u,
      );
      assert.match(await git.git('cat-file', 'commit', 'main'), /^gpgsig /mu);
      assert.deepEqual((await git.git('show', '--name-only', '--format=', 'main')).split('\n'), [
        'registry/.gitattributes',
        'registry/models/spam-filter/decisions/000/000001.json',
        `registry/models/spam-filter/evidence/${evidenceDigest(proof)}.json.gz`,
        'registry/models/spam-filter/manifest.json',
      ]);
      await git.git('fsck', '--strict', '--full');
      assert.deepEqual(await registry.verify(), []);
      assert.deepEqual(await registry.models(), [model]);
      assert.deepEqual(await registry.evidence(model, evidenceDigest(proof)), proof);
      const view = await registry.view(model);
      assert.deepEqual(
        [view.champion, view.championSeq, view.decisionsByDataset],
        [{ version: '1.0.0', artifacts: [artifact('a')] }, 1, { [digest('eval')]: 1 }],
      );
    }));

  test('links each decision to the bytes of the one before, and reads only what is new', () =>
    withGitHub(async (server) => {
      const registry = registryOn(server);
      for (const candidate of ['a', 'b', 'c']) await promote(registry, candidate);
      const log = await registry.log(model);
      const first = await server
        .repository(repositoryName)
        .git.read('main:registry/models/spam-filter/decisions/000/000001.json');
      assert.equal(log[1]?.prev, sha256(first?.bytes ?? ''));
      assert.deepEqual((await registry.manifest(model))?.aliases, {
        champion: { version: '1.0.2', seq: 3 },
        previous: { version: '1.0.1', seq: 2 },
      });
      server.requests.length = 0;
      await promote(registry, 'd');
      assert.deepEqual(operations(server), ['query Snapshot', 'mutation Commit', 'query Snapshot']);
    }));

  test('costs four requests, however many other models there are', () =>
    withGitHub(async (server) => {
      for (let other = 0; other < 5; other++) {
        const name = `model-${other}`;
        await registryOn(server).record({ model: name, decide: judged(name, 'a', 'promote'), evidence: [] });
      }
      await promote(registryOn(server), 'a');
      server.requests.length = 0;
      await promote(registryOn(server), 'b');
      assert.deepEqual(operations(server), ['query Snapshot', 'query Objects', 'mutation Commit', 'query Snapshot']);
    }));

  test('records the same decision once, and says so the second time', () =>
    withGitHub(async (server) => {
      await promote(registryOn(server), 'a');
      const proof = evidence('worse');
      const input = { model, decide: judged(model, 'worse', 'reject', [proof]), evidence: [proof] };
      const first = await registryOn(server).record(input);
      const second = await registryOn(server).record(input);
      assert.deepEqual([first.status, second.status], ['recorded', 'already-recorded']);
      assert.equal(second.commit, first.commit);
      assert.equal((await registryOn(server).log(model)).length, 2);
    }));

  test('writes nothing when nothing changes', () =>
    withGitHub(async (server) => {
      await promote(registryOn(server), 'a');
      const head = await headOf(server);
      const result = await registryOn(server).record({ model, decide: judged(model, 'a', 'promote'), evidence: [] });
      assert.deepEqual([result.status, result.commit], ['no-change', null]);
      assert.equal(await headOf(server), head);
    }));

  test('takes evidence that is too large for one request', () =>
    withGitHub(async (server) => {
      const proof = largeEvidence('a');
      const registry = registryOn(server);
      const result = await registry.record({
        model,
        decide: judged(model, 'a', 'promote', [proof]),
        evidence: [proof],
      });
      assert.equal(result.status, 'recorded');
      assert.ok(operations(server).includes('PATCH'), 'the parts went up one by one');
      assert.deepEqual(await registry.evidence(model, evidenceDigest(proof)), proof);
      assert.deepEqual(await registry.verify(), []);
    }));

  test('refuses a decision that refers to evidence it was not given', () =>
    withGitHub(async (server) => {
      const head = await headOf(server);
      const input = { model, decide: judged(model, 'a', 'promote', [evidence('a')]), evidence: [] };
      await assert.rejects(registryOn(server).record(input), EvidenceError);
      assert.equal(await headOf(server), head);
    }));

  test('is refused about a model whose name differs from that of another in case alone', () =>
    withGitHub(async (server) => {
      await promote(registryOn(server), 'a');
      const [twin, head] = [model.toUpperCase(), await headOf(server)];
      const decide = judged(twin, 'a', 'promote');
      await assert.rejects(
        registryOn(server).record({ model: twin, decide, evidence: [] }),
        /and another one named .*Rename/su,
      );
      assert.equal(await headOf(server), head);
    }));

  test('can be taken up by the store of a clone, and the other way round', () =>
    withGitHub(async (server) => {
      await promote(registryOn(server), 'a');
      const repository = await openRepository(server.repository(repositoryName).git.folder);
      assert.deepEqual(await verifyRegistry(repository, await headOf(server), 'registry', { tags: 'held' }), []);
    }));
});

test('the first decision makes the branch, of one signed commit that holds nothing else, with its tags', () =>
  withGitHub(async (server) => {
    const { git } = server.repository(repositoryName);
    const open = (): Registry => registryOn(server, { branch: 'model-registry', tags: 'gto' });
    await open().ensureWritable();
    assert.deepEqual([await open().models(), await open().verify(), await open().log(model)], [[], [], []]);
    const given = [evidence('a')];
    const result = await open().record({ model, decide: judged(model, 'a', 'promote', given), evidence: given });
    assert.equal(result.commit, await git.git('rev-parse', 'model-registry'));
    assert.equal(await git.git('rev-list', '--count', 'model-registry'), '1');
    assert.match(await git.git('cat-file', 'commit', 'model-registry'), /^gpgsig /mu);
    assert.equal(await git.git('ls-tree', '--name-only', 'model-registry'), 'registry');
    assert.deepEqual(result.tags, [`${model}@v1.0.0`, `${model}#champion#1`]);
    assert.deepEqual(await open().verify(), []);
  }));

test('many first decisions at once make one branch', () =>
  withGitHub(async (server) => {
    const { git } = server.repository(repositoryName);
    const other = (): Registry => registryOn(server, { branch: 'another' });
    const names = ['m', 'n', 'o'];
    await Promise.all(
      names.map((name) => other().record({ model: name, decide: judged(name, 'a', 'promote'), evidence: [] })),
    );
    assert.deepEqual(await other().models(), names);
    assert.equal(await git.git('rev-list', '--count', 'another'), '3');
    assert.deepEqual(await other().verify(), []);
  }));

describe('a branch that moves between reading and writing', () => {
  test('is read again, and the decision made anew against the champion found', () =>
    withGitHub(async (server) => {
      await promote(registryOn(server), 'a');
      const champions: (string | undefined)[] = [];
      const decide = judged(model, 'c', 'promote');
      let other: Promise<unknown> | undefined;
      server.failBy(({ name, login }) => {
        // Somebody else promotes while this writer is about to commit.
        if (name !== 'graphql mutation Commit' || login !== 'writer' || other !== undefined) return null;
        other = promote(registryOn(server, { permissions: { login: 'other' } }), 'b');
        return { answer: { status: 502 } };
      });
      const result = await registryOn(server, { permissions: { login: 'writer' } }).record({
        model,
        decide: (view) => {
          champions.push(view.champion?.artifacts[0]?.sha256);
          return decide(view);
        },
        evidence: [],
      });
      await other;
      assert.equal(result.status, 'recorded');
      const log = await registryOn(server).log(model);
      for (const [index, decision] of log.entries()) assert.deepEqual(decision.from, log[index - 1]?.to ?? null);
      assert.equal(log.length, 3);
      assert.deepEqual(await registryOn(server).verify(), []);
    }));

  test('is not moved back by a commit that is too large for one request', () =>
    withGitHub(async (server) => {
      await promote(registryOn(server), 'a');
      const { folder } = server.repository(repositoryName).git;
      const git = (...args: string[]): string =>
        execFileSync('git', ['-C', folder, '-c', 'user.name=Ada', '-c', 'user.email=ada@example.invalid', ...args], {
          encoding: 'utf8',
        }).trim();
      const foreign = git('commit-tree', 'main^{tree}', '-p', 'main', '-m', 'Foreign');
      const proof = largeEvidence('b');
      const decide = judged(model, 'b', 'promote', [proof]);
      let calls = 0;
      const result = await registryOn(server).record({
        model,
        decide: (view) => {
          // Somebody else pushes after the branch was read and before it is written.
          if (calls++ === 0) git('update-ref', 'refs/heads/main', foreign);
          return decide(view);
        },
        evidence: [proof],
      });
      assert.deepEqual([result.status, calls], ['recorded', 2]);
      assert.equal(git('rev-parse', 'main^'), foreign);
    }));

  test('is never written to on a stale answer', () =>
    withGitHub(async (server) => {
      await promote(registryOn(server), 'a');
      server.fail('stale', { when: /query Snapshot/u, times: 3 });
      const result = await promote(registryOn(server), 'b');
      assert.equal(result.status, 'recorded');
      assert.equal((await registryOn(server).log(model)).length, 2);
      assert.deepEqual(await registryOn(server).verify(), []);
    }));
});

describe('a write whose fate nobody told', () => {
  const doubts: [string, Fault][] = [
    ['a connection lost after the commit', 'reset-after'],
    ['no answer after the commit', 'hang-after'],
    ['a connection lost before the commit', 'reset'],
    ['500 without a commit', faults.serverError],
    ['a page of HTML without a commit', faults.badGateway],
    ['success that was none', 'lost'],
  ];
  for (const [name, fault] of doubts) {
    for (const outcome of ['promote', 'reject'] as const) {
      test(`${name}: a decision to ${outcome} is there once, and reported as recorded`, () =>
        withGitHub(async (server) => {
          await promote(registryOn(server), 'a');
          server.fail(fault, { when: /mutation Commit/u });
          const registry = registryOn(server, { timeoutMs: 1000 });
          const result = await registry.record({ model, decide: judged(model, 'b', outcome), evidence: [] });
          assert.equal(result.status, 'recorded');
          const log = await registryOn(server).log(model);
          assert.deepEqual(
            log.map(({ outcome: each }) => each),
            ['promote', outcome],
          );
          const { git } = server.repository(repositoryName);
          assert.equal(
            await git.git(
              'log',
              '-1',
              '--format=%H',
              'main',
              '--',
              'registry/models/spam-filter/decisions/000/000002.json',
            ),
            result.commit,
          );
          assert.equal(await git.git('rev-list', '--count', 'main'), '3');
        }));
    }
  }

  for (const [name, fault] of [...doubts.slice(0, 2), ['an answer', null] as const]) {
    test(`${name}, and then readings that lag: the refused second attempt says nothing of the first`, () =>
      withGitHub(async (server) => {
        await promote(registryOn(server), 'a');
        if (fault !== null) server.fail(fault, { when: /mutation Commit/u });
        server.fail('stale', { when: /query Snapshot/u, skip: 1 });
        const registry = registryOn(server, { timeoutMs: 1000 });
        const result = await registry.record({ model, decide: judged(model, 'b', 'reject'), evidence: [] });
        const log = await registryOn(server).log(model);
        assert.deepEqual([result.status, log.length], ['recorded', 2]);
        assert.deepEqual(await registryOn(server).verify(), []);
      }));
  }

  test('when GitHub stays away afterwards, the message says that the decision may be there', () =>
    withGitHub(async (server) => {
      await promote(registryOn(server), 'a');
      let gone = false;
      server.failBy(({ name }) => {
        if (gone) return 'reset';
        if (name !== 'graphql mutation Commit') return null;
        gone = true;
        return 'reset-after';
      });
      await assert.rejects(
        promote(registryOn(server), 'b'),
        /may have been recorded\. Run again: it is never recorded twice/u,
      );
      server.failBy(null);
      const again = await promote(registryOn(server), 'b');
      assert.equal(again.status, 'no-change', 'the candidate is champion by now');
      assert.equal((await registryOn(server).log(model)).length, 2);
    }));

  test('when no write is ever answered, the message says so, and nothing of others who were faster', () =>
    withGitHub(async (server) => {
      await promote(registryOn(server), 'a');
      server.fail(faults.badGateway, { when: /mutation Commit/u, times: 9 });
      const registry = registryOn(server, { pace: { attempts: 3, baseMs: 1, capMs: 2 } });
      await assert.rejects(promote(registry, 'b'), /GitHub answered 502.*may have been recorded\. Run again/su);
    }));
});

describe('what cannot be recorded', () => {
  test('for want of a permission says which YAML to add, before long work', () =>
    withGitHub(async (server) => {
      const registry = registryOn(server, { permissions: { permissions: { contents: 'read' } } });
      const yaml = (error: unknown): boolean =>
        error instanceof GitHubError &&
        error.kind === 'permission' &&
        error.message.includes('permissions:\n  contents: write');
      await assert.rejects(registry.ensureWritable(), yaml);
      await assert.rejects(promote(registry, 'a'), yaml);
      assert.deepEqual(await registry.log(model), []);
    }));

  test('is a model in a commit that GitHub does not have, or has on no branch that stays', () =>
    withGitHub(async (server) => {
      const { git } = server.repository(repositoryName);
      await git.git('branch', 'registry', 'main');
      const [main = '', tree = ''] = (await git.git('rev-parse', 'main', 'main^{tree}')).split('\n');
      const after = async (ref: string): Promise<string> => {
        const oid = await git.commit({ tree, parents: [main], message: ref, signed: false });
        await git.updateRefs([{ ref, after: oid }]);
        return oid;
      };
      const onMain = await after('refs/heads/main');
      for (const branch of ['main', 'registry', undefined]) {
        await registryOn(server, { branch }).requireKept(onMain);
        await registryOn(server, { branch }).requireKept(main);
      }
      const registry = registryOn(server, { branch: 'registry' });
      await registry.requireKept(await after('refs/heads/registry'));
      for (const ref of ['refs/heads/proposal', 'refs/pull/1/merge']) {
        const there = /exists but is not in the history of registry or main.*Merge it first/su;
        await assert.rejects(registry.requireKept(await after(ref)), there);
      }
      await assert.rejects(
        registry.requireKept('0123456789'.repeat(4)),
        /only in this clone.*Push it first: git push/su,
      );
    }));

  test('since decisions wait in pull requests that the token may not make is told before long work', () =>
    withGitHub(async (server) => {
      const [writer, warnings] = [{ permissions: { contents: 'write' as const } }, [] as string[]];
      const of = (when: 'always' | 'when-protected', permissions: TokenInput = writer): Registry =>
        registryOn(server, {
          permissions,
          pullRequests: throughPullRequests(when),
          log: { ...silentLog, warning: (text) => void warnings.push(text) },
        });
      await assert.rejects(of('always').ensureWritable(), /pull-requests: write/u);
      await of('when-protected').ensureWritable();
      assert.deepEqual(warnings, []);
      server.protect(repositoryName, { ref: 'refs/heads/main' });
      await of('when-protected').ensureWritable();
      assert.match(warnings.join(), /main is protected.*pull-requests: write/su);
      await of('always', {}).ensureWritable();
      server.repository(repositoryName).workflowsMakePulls = false;
      await assert.rejects(of('always', {}).ensureWritable(), /Allow GitHub Actions to create/u);
      assert.equal(server.repository(repositoryName).pulls.size, 0);
    }));

  test('since the branch is deleted between reading and writing leaves nothing behind', () =>
    withGitHub(async (server) => {
      const { git } = server.repository(repositoryName);
      await git.git('branch', 'registry', 'main');
      server.failBy(({ name }) => {
        if (name === 'graphql mutation Commit') void git.updateRefs([{ ref: 'refs/heads/registry', after: null }]);
        return name === 'graphql mutation Commit' ? { answer: { status: 502 } } : null;
      });
      await assert.rejects(promote(registryOn(server, { branch: 'registry' }), 'a'), /there is no branch registry/u);
    }));

  test('in a repository without a commit is an error', () =>
    withGitHub(async (server) => {
      await server.create('acme/empty', { files: {} });
      const { openGitHub } = await import('../../src/github/client.ts');
      const { silentLog } = await import('../../src/log.ts');
      const token = server.token();
      const github = openGitHub({ repository: 'acme/empty', apiUrl: server.url, token, log: silentLog });
      await assert.rejects(promote(registryOn(server, { github, token }), 'a'), /repository is empty/iu);
    }));

  test('since the repository is archived says so', () =>
    withGitHub(async (server) => {
      server.repository(repositoryName).archived = true;
      await assert.rejects(promote(registryOn(server), 'a'), /archived/u);
    }));

  for (const name of ['../x', 'a/b', '-x', '$(id)', 'a\nb', '|', '<img>', 'ü', '']) {
    test(`under the name ${JSON.stringify(name)} asks GitHub nothing`, () =>
      withGitHub(async (server) => {
        const registry = registryOn(server);
        await assert.rejects(
          registry.record({ model: name, decide: judged(name, 'a', 'promote'), evidence: [] }),
          RegistryError,
        );
        await assert.rejects(registry.view(name), RegistryError);
        assert.equal(server.requests.length, 0);
      }));
  }

  for (const path of ['.', '/registry', '.git', '', 'a/../../b']) {
    test(`at the path ${JSON.stringify(path)} is refused`, () =>
      withGitHub((server) => {
        assert.throws(() => registryOn(server, { path }), ContenderError);
        return Promise.resolve();
      }));
  }
});

describe('a registry that somebody edited', () => {
  const copied = Symbol('the bytes of the first decision');
  const edits: [string, string, string | null | typeof copied, RegExp][] = [
    ['the manifest', 'manifest.json', '{}\n', /the manifest does not match the decisions/u],
    ['a decision', 'decisions/000/000001.json', '{}\n', /not a recorded decision/u],
    ['away the first decision', 'decisions/000/000001.json', null, /decision 1 is missing before it/u],
    ['away a decision in the middle', 'decisions/000/000002.json', null, /decision 2 is missing before it/u],
    ['in a foreign file', 'notes.txt', 'x', /an unexpected file in the registry/u],
    ['in a second decision of a number', 'decisions/001/000001.json', copied, /a second decision 1/u],
  ];
  for (const [what, file, content, says] of edits) {
    test(`${what} is not decided on`, () =>
      withGitHub(async (server) => {
        for (const candidate of ['a', 'b', 'd']) await promote(registryOn(server), candidate);
        const { git } = server.repository(repositoryName);
        const head = await headOf(server);
        const bytes =
          content === copied
            ? (await git.read(`main:registry/models/${model}/decisions/000/000001.json`))?.bytes
            : Buffer.from(content ?? '');
        const change = content === null ? null : { mode: '100644', oid: await git.write('blob', bytes as Buffer) };
        const tree = await git.treeWith(
          await git.git('rev-parse', 'main^{tree}'),
          new Map([[`registry/models/${model}/${file}`, change]]),
        );
        const commit = await git.commit({ tree, parents: [head], message: 'Edit', signed: false });
        await git.updateRefs([{ ref: 'refs/heads/main', after: commit }]);
        await assert.rejects(registryOn(server).view(model), says);
        await assert.rejects(promote(registryOn(server), 'c'), says);
        assert.ok((await registryOn(server).verify()).some(({ found }) => says.test(found)));
        assert.equal(await headOf(server), commit);
      }));
  }
});

function promote(registry: ReturnType<typeof registryOn>, candidate: string) {
  const proof = [evidence(candidate)];
  return registry.record({ model, decide: judged(model, candidate, 'promote', proof), evidence: proof });
}

/** Evidence of more than a megabyte, packed as it is. */
function largeEvidence(candidate: string): Evidence {
  const noise = Array.from({ length: 160_000 }, (_, index) => digest(String(index)).slice(0, 16));
  return { ...evidence(candidate), details: { noise } };
}

function headOf(server: GitHubStandIn): Promise<string> {
  return server.repository(repositoryName).git.git('rev-parse', 'main');
}

/** GraphQL operations by name, REST calls by method. */
function operations(server: GitHubStandIn): string[] {
  return server.requests.map(({ name, method }) =>
    name.startsWith('graphql ') ? name.slice('graphql '.length) : method,
  );
}
