import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { rollback } from '../../src/decide/rollback.ts';
import { RegistryError } from '../../src/errors.ts';
import type { RecordResult, Registry } from '../../src/registry/registry.ts';
import { repositoryName, withGitHub } from '../github/with-github.ts';
import { faults, type Fault, type GitHubStandIn } from '../support/github-api/server.ts';
import { act, config, evidence, judged } from './sample-decision.ts';
import { registryOn, throughPullRequests } from './github-store.ts';
import { gtoShow } from './gto-reader.ts';
import { merge } from './promotion-hub.ts';

const firstTags = ['m@v1.0.0', 'm#champion#1'];
const secondTags = ['m@v1.0.1', 'm#champion!#2', 'm#champion#3'];

test('two promotions, a rollback and a third promotion are tagged as GTO would tag them', () =>
  withGitHub(async (server) => {
    const registry = tagged(server);
    const { git } = server.repository(repositoryName);
    const shown = () => gtoShow('m', git.git.bind(git));
    assert.deepEqual((await promote(registry, 'a')).tags, firstTags);
    assert.deepEqual((await promote(registry, 'b')).tags, secondTags);
    const decide = (view: Parameters<typeof rollback>[2]) => rollback({ model: 'm', config }, 'previous', view, act);
    assert.deepEqual((await registry.record({ model: 'm', decide, evidence: [] })).tags, [
      'm#champion!#4',
      'm#champion#5',
    ]);
    assert.deepEqual(await shown(), { versions: ['1.0.1', '1.0.0'], stages: { champion: '1.0.0' } });
    await promote(registry, 'c');
    assert.deepEqual(await shown(), { versions: ['1.0.2', '1.0.1', '1.0.0'], stages: { champion: '1.0.2' } });
    // Versions and assignments point at the commit that first promoted the version.
    const at = (ref: string): Promise<string> => git.git('rev-parse', `${ref}^{commit}`);
    assert.equal(await at('m@v1.0.0'), await at('main~3'));
    assert.equal(await at('m#champion#5'), await at('m@v1.0.0'));
    assert.match(
      await git.git('cat-file', 'tag', 'm#champion#5'),
      /\ntagger github-actions\[bot\] <github-actions\[bot\]@users\.noreply\.github\.com> \d+ \+0000\n\nPut m v1\.0\.0 into champion\n\nContender-Decision: m#3\nContender-Sha256: [0-9a-f]{64}/u,
    );
    await git.git('fsck', '--strict', '--full');
    assert.deepEqual(await registry.verify(), []);
  }));

test('branch and tags move in one request, to a commit that GitHub signed', () =>
  withGitHub(async (server) => {
    await promote(tagged(server), 'a');
    const moves = server.requests.filter(({ method, name }) => name.includes('mutation') || method === 'PATCH');
    assert.deepEqual(
      moves.map(({ name }) => name),
      ['graphql mutation MoveRefs'],
    );
    assert.match(await server.repository(repositoryName).git.git('cat-file', 'commit', 'main'), /^gpgsig /mu);
  }));

test('a decision that calls for no tag is recorded as it would be without them', () =>
  withGitHub(async (server) => {
    const registry = tagged(server);
    await promote(registry, 'a');
    server.requests.length = 0;
    const result = await registry.record({ model: 'm', decide: judged('m', 'b', 'reject'), evidence: [] });
    assert.deepEqual([result.status, result.tags], ['recorded', []]);
    assert.deepEqual(
      server.requests.filter(({ name }) => name.includes('mutation')).map(({ name }) => name),
      ['graphql mutation Commit'],
    );
  }));

describe('where branch and tags cannot be moved in one request, the branch moves first and the tags follow', () => {
  test('for a person, whose commits GitHub signs in one kind of request only', () =>
    withGitHub(async (server) => {
      const registry = tagged(server, { type: 'User', login: 'ada' });
      assert.deepEqual((await promote(registry, 'a')).tags, firstTags);
      assert.match(await server.repository(repositoryName).git.git('cat-file', 'commit', 'main'), /^gpgsig /mu);
      assert.deepEqual(await registry.verify(), []);
    }));

  const refusals: [string, string, string][] = [
    ['for want of a permission', 'FORBIDDEN', 'Resource not accessible by integration'],
    ['as if something had moved', 'UNPROCESSABLE', 'Reference cannot be updated'],
  ];
  for (const [how, type, message] of refusals) {
    test(`for a token to which that request is refused ${how}: refs are made one by one`, () =>
      withGitHub(async (server) => {
        const body = { data: null, errors: [{ type, message }] };
        server.failBy(({ name }) => (name === 'graphql mutation MoveRefs' ? { answer: { status: 200, body } } : null));
        const registry = tagged(server);
        assert.deepEqual((await promote(registry, 'a')).tags, firstTags);
        assert.deepEqual((await promote(registry, 'b')).tags, secondTags);
        assert.deepEqual(await registry.verify(), []);
        assert.equal((await registry.log('m')).length, 2);
      }));
  }
});

describe('a move whose fate nobody told', () => {
  const doubts: [string, Fault][] = [
    ['a connection lost after it', 'reset-after'],
    ['no answer after it', 'hang-after'],
    ['a connection lost before it', 'reset'],
    ['500 without it', faults.serverError],
    ['a page of HTML without it', faults.badGateway],
    ['success that was none', 'lost'],
  ];
  for (const [name, fault] of doubts) {
    test(`${name}: decision and tags are there once`, () =>
      withGitHub(async (server) => {
        await promote(tagged(server), 'a');
        server.fail(fault, { when: /mutation MoveRefs/u });
        const result = await promote(tagged(server, {}, 1000), 'b');
        assert.deepEqual([result.status, result.tags], ['recorded', secondTags]);
        assert.equal((await tagged(server).log('m')).length, 2);
        assert.deepEqual(await tagged(server).verify(), []);
      }));
  }
});

test('tags that are missing are made by the next record or on request, for a registry that had none as well', () =>
  withGitHub(async (server) => {
    const plain = registryOn(server);
    await promote(plain, 'a');
    await promote(plain, 'b');
    await assert.rejects(plain.tag('m'), /has no tags.*registry\.tags/su);
    const registry = tagged(server);
    const all = [...firstTags, ...secondTags];
    assert.equal((await registry.verify()).length, all.length);
    assert.deepEqual(await registry.verify({ missingTags: false }), []);
    assert.deepEqual(await registry.tag('m'), all);
    assert.deepEqual(await registry.tag('m'), []);
    await removeTags(server, all);
    assert.deepEqual((await promote(registry, 'b')).tags, all, 'although there was nothing to decide');
    assert.deepEqual(await registry.verify(), []);
  }));

test('what a killed writer left untagged, its re-run tags', () =>
  withGitHub(async (server) => {
    await promote(tagged(server), 'a');
    const reject = judged('m', 'b', 'reject');
    await tagged(server).record({ model: 'm', decide: reject, evidence: [] });
    await removeTags(server, ['m#champion#1']);
    const again = await tagged(server).record({ model: 'm', decide: reject, evidence: [] });
    assert.deepEqual([again.status, again.tags], ['already-recorded', ['m#champion#1']]);
  }));

test('a decision whose tag is taken by somebody else is not recorded', () =>
  withGitHub(async (server) => {
    const { git } = server.repository(repositoryName);
    const head = await git.git('rev-parse', 'main');
    const ada = ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.invalid'];
    for (const how of [[], ['--annotate', '--message=']]) {
      await git.git(...ada, 'tag', '--force', ...how, 'm@v1.0.0', 'main');
      await assert.rejects(promote(tagged(server), 'a'), /the tag m@v1\.0\.0 already exists/u);
      assert.equal(await git.git('rev-parse', 'main'), head);
    }
  }));

test('tags of a decision that came after the branch was read are no reason to refuse: it is read again', () =>
  withGitHub(async (server) => {
    await promote(tagged(server), 'a');
    server.fail('stale', { when: /query Snapshot/u, times: 2 });
    assert.equal((await promote(tagged(server), 'b')).status, 'recorded');
    assert.equal((await tagged(server).log('m')).length, 2);
    assert.deepEqual(await tagged(server).verify(), []);
  }));

test('a branch that is read behind its tags again and again, and moves on meanwhile, was not set back', () =>
  withGitHub(async (server) => {
    for (const candidate of 'abcdefgh') await promote(tagged(server), candidate);
    const repository = server.repository(repositoryName);
    const heads = (await repository.git.git('rev-list', '--reverse', 'main~1')).split('\n');
    server.failBy(({ name }) => {
      const head = name.includes('query Snapshot') ? heads.shift() : undefined;
      if (head === undefined) return null;
      repository.before.set('refs/heads/main', head);
      return 'stale';
    });
    assert.equal((await promote(tagged(server), 'i')).status, 'recorded');
    assert.deepEqual(await tagged(server).verify(), []);
  }));

test('where the history was cut off, its tags are in the way of a new decision', () =>
  withGitHub(async (server) => {
    await promote(tagged(server), 'a');
    await promote(tagged(server), 'b');
    const { git } = server.repository(repositoryName);
    await git.updateRefs([{ ref: 'refs/heads/main', after: await git.git('rev-parse', 'main~1') }]);
    const reject = { model: 'm', decide: judged('m', 'c', 'reject'), evidence: [] };
    const lost = /made from decision 2 of m, which is not in the registry.*Nothing was recorded/su;
    await assert.rejects(promote(tagged(server), 'c'), lost);
    await assert.rejects(tagged(server).record(reject), lost);
    server.protect(repositoryName, { ref: 'refs/heads/main' });
    const waiting = registryOn(server, { tags: 'gto', pullRequests: throughPullRequests() });
    await assert.rejects(waiting.record(reject), lost);
    assert.equal(server.repository(repositoryName).pulls.size, 0);
  }));

test('where the branch was deleted, its tags are in the way of a decision that calls for none, and verify finds them', () =>
  withGitHub(async (server) => {
    const registry = (): Registry => registryOn(server, { tags: 'gto', branch: 'records' });
    await promote(registry(), 'a');
    const { git } = server.repository(repositoryName);
    await git.git('tag', 'me@home', 'main');
    await git.git('update-ref', '-d', 'refs/heads/records');
    const rejected = registry().record({ model: 'm', decide: judged('m', 'c', 'reject'), evidence: [] });
    await assert.rejects(rejected, /its branch was deleted or reset.*Nothing was recorded/su);
    assert.equal(await git.git('branch', '--list', 'records'), '');
    assert.deepEqual(
      (await registry().verify()).map(({ path }) => path),
      ['refs/tags/m#champion#1', 'refs/tags/m@v1.0.0'],
    );
  }));

test('tags of others beside those of the model are no reason to refuse', () =>
  withGitHub(async (server) => {
    const registry = tagged(server);
    await promote(registry, 'a');
    const { git } = server.repository(repositoryName);
    const ada = ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.invalid'];
    await git.git('tag', 'm@v9.0.0', 'main');
    await git.git(...ada, 'tag', '--annotate', '--message=ours', 'm#staging#9', 'main^{tree}');
    await git.git(...ada, 'tag', '--annotate', '--message=again', 'm#staging#10', 'm#staging#9');
    assert.equal((await promote(registry, 'b')).status, 'recorded');
  }));

test('where rules forbid to make tags, the decision is recorded and the message says what is missing', () =>
  withGitHub(async (server) => {
    server.protect(repositoryName, { ref: 'refs/tags/*', kind: 'ruleset', violations: ['Cannot create ref.'] });
    const registry = tagged(server);
    await assert.rejects(
      promote(registry, 'a'),
      (error) =>
        error instanceof RegistryError &&
        /m@v1\.0\.0, m#champion#1 could not be created/u.test(error.message) &&
        /The decision is recorded.*registry tag/su.test(error.message),
    );
    assert.equal((await registry.log('m')).length, 1);
    server.repository(repositoryName).protections.length = 0;
    assert.deepEqual((await promote(tagged(server), 'a')).tags, firstTags);
  }));

test('a history that was rewritten is found by the tags beside it', () =>
  withGitHub(async (server) => {
    const registry = tagged(server);
    await promote(registry, 'a');
    await promote(registry, 'b');
    const { git } = server.repository(repositoryName);
    await git.updateRefs([{ ref: 'refs/heads/main', after: await git.git('rev-parse', 'main~1') }]);
    const findings = await registry.verify();
    assert.ok(
      findings.some(({ path, found }) => path === 'refs/tags/m@v1.0.1' && /the chain does not have/u.test(found)),
      JSON.stringify(findings),
    );
  }));

test('writers at once through an API that fails now and then leave one chain and its tags', () =>
  withGitHub(async (server) => {
    let count = 0;
    server.failBy(() => (++count % 9 === 0 ? faults.badGateway : count % 13 === 0 ? 'reset-after' : null));
    const candidates = Array.from({ length: 8 }, (_, index) => `candidate-${index}`);
    const results = await Promise.all(candidates.map((each) => promote(tagged(server), each)));
    server.failBy(null);
    assert.ok(results.every(({ status }) => status === 'recorded'));
    const registry = tagged(server);
    assert.equal((await registry.log('m')).length, candidates.length);
    assert.deepEqual(await registry.verify(), []);
    const { git } = server.repository(repositoryName);
    assert.deepEqual((await gtoShow('m', git.git.bind(git))).stages, { champion: '1.0.7' });
  }));

test('a decision that waits in a pull request is tagged once it is merged, on the commit that brought it', () =>
  withGitHub(async (server) => {
    await promote(tagged(server), 'a');
    server.protect(repositoryName, { ref: 'refs/heads/main' });
    const registry = registryOn(server, {
      tags: 'gto',
      pullRequests: throughPullRequests(),
      permissions: { login: 'github-actions[bot]' },
    });
    const waits = await promote(registry, 'b');
    assert.deepEqual([waits.status, waits.tags], ['pending', []]);
    const { git } = server.repository(repositoryName);
    server.repository(repositoryName).protections.length = 0;
    await merge(server, 'squash');
    assert.deepEqual(await registry.tag('m'), secondTags);
    assert.equal(await git.git('rev-parse', 'm@v1.0.1^{commit}'), await git.git('rev-parse', 'main'));
    assert.deepEqual(await registry.verify(), []);
  }));

test('a decision that was deleted and brought back is tagged where it was first added, as verify has it', () =>
  withGitHub(async (server) => {
    const { git } = server.repository(repositoryName);
    const start = await git.git('rev-parse', 'main^{tree}');
    await promote(registryOn(server), 'a');
    const [added = '', whole = ''] = (await git.git('rev-parse', 'main', 'main^{tree}')).split('\n');
    let head = added;
    for (const tree of [start, whole]) {
      head = await git.commit({ tree, parents: [head], message: 'By hand', signed: false });
    }
    await git.updateRefs([{ ref: 'refs/heads/main', after: head }]);
    const registry = tagged(server);
    server.requests.length = 0;
    assert.deepEqual(await registry.tag('m'), firstTags);
    assert.equal(server.requests.filter(({ path }) => path.endsWith('/commits')).length, 1);
    assert.equal(await git.git('rev-parse', 'm@v1.0.0^{commit}'), added);
    assert.deepEqual(await registry.verify(), []);
    const again = await promote(registry, 'a');
    assert.equal(again.status, 'no-change');
  }));

function tagged(server: GitHubStandIn, permissions = {}, timeoutMs?: number): Registry {
  return registryOn(server, { tags: 'gto', permissions, ...(timeoutMs === undefined ? {} : { timeoutMs }) });
}

function promote(registry: Registry, candidate: string): Promise<RecordResult> {
  const proof = [evidence(candidate)];
  return registry.record({ model: 'm', decide: judged('m', candidate, 'promote', proof), evidence: proof });
}

async function removeTags(server: GitHubStandIn, names: readonly string[]): Promise<void> {
  const { git } = server.repository(repositoryName);
  await git.updateRefs(names.map((name) => ({ ref: `refs/tags/${name}`, after: null })));
}
