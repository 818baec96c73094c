import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { Decision, RegistryView } from '../../src/evidence/index.ts';
import { silentLog } from '../../src/log.ts';
import { canonicalBytes, type Finding } from '../../src/registry/chain.ts';
import { openGitRegistry } from '../../src/registry/git-registry.ts';
import { openBranch } from '../../src/registry/git/branch.ts';
import { openRepository } from '../../src/registry/git/repository.ts';
import type { Registry } from '../../src/registry/registry.ts';
import { verifyChange, changeBetween } from '../../src/registry/verify-change.ts';
import type { DecisionCheck } from '../../src/registry/verify.ts';
import { voidDecision, type Voided } from '../../src/registry/void-decision.ts';
import type { Void } from '../../src/registry/void.ts';
import { evidence, judged, now } from './sample-decision.ts';
import { inRepository, type TemporaryRepository } from './temporary-repository.ts';

const decisions = 'registry/models/m/decisions/000';

/** Contender makes no decision in the name of mallory. */
const judge: DecisionCheck = ({ path, decision }) =>
  decision.actor === 'mallory' ? [{ path, found: 'forged', expected: '', remedy: '' }] : [];

const of =
  (actor: string, candidate: string) =>
  (view: RegistryView): Decision => ({ ...judged('m', candidate, 'promote', [evidence(candidate)])(view), actor });

interface At {
  repository: TemporaryRepository;
  registry: Registry;
  record(decide: (view: RegistryView) => Decision, candidate: string): Promise<void>;
  verify(): Promise<{ findings: string[]; voids: Void[] }>;
  takeOff(seq: number, model?: string, when?: Date): Promise<Voided>;
  /** As a person pushes what was prepared. */
  accept(prepared: Voided): Promise<void>;
}

/** A registry with tags and two sound decisions, the second a promotion to 1.0.1. */
function inRegistry(work: (at: At) => Promise<void>): Promise<void> {
  return inRepository(async (repository) => {
    const registry = await openGitRegistry({
      repository: repository.folder,
      path: 'registry',
      tags: 'gto',
      artifactsYaml: true,
      log: silentLog,
    });
    const at: At = {
      repository,
      registry,
      async record(decide, candidate) {
        const { status } = await registry.record({ model: 'm', decide, evidence: [evidence(candidate)] });
        assert.equal(status, 'recorded');
      },
      async verify() {
        const voids: Void[] = [];
        const findings = await registry.verify({ judge, onVoid: (entry) => voids.push(entry) });
        return { findings: findings.map(({ path, found }) => `${path}: ${found}`), voids };
      },
      async takeOff(seq, model = 'm', when = now) {
        const opened = await openRepository(repository.folder);
        const branch = await openBranch(opened, 'model-registry', undefined, silentLog, '', 'registry');
        const place = { repository: opened, branch, folder: 'registry', artifactsYaml: true, model, seq, judge };
        return voidDecision({ ...place, by: 'grace', reason: 'Mallory pushed it', now: when });
      },
      async accept({ branch }) {
        await repository.git('push', '--quiet', '.', `${branch}:model-registry`);
      },
    };
    await at.record(of('ada', 'one'), 'one');
    await at.record(of('ada', 'two'), 'two');
    await work(at);
  });
}

/** Delete the tags that verify finds fault with, and go on: what is sound then, with an entry for each of these. */
async function isSoundWith({ repository, registry, record, verify }: At, seqs: readonly number[]): Promise<void> {
  for (const { path } of await registry.verify({ judge })) {
    assert.match(path, /^refs\/tags\//u);
    await repository.git('update-ref', '-d', path);
  }
  const before = (await registry.view('m')).champion?.version ?? '';
  await record(of('ada', 'next'), 'next');
  const after = (await registry.view('m')).champion?.version ?? '';
  assert.notEqual(after, before);
  const tagged = await repository.git('rev-parse', `m@v${after}^{commit}`);
  assert.equal(tagged, await repository.git('rev-parse', 'model-registry'));
  const { findings, voids } = await verify();
  assert.deepEqual(findings, []);
  assert.deepEqual(
    voids.map(({ seq, by, reason }) => `${seq} ${by} ${reason}`).toSorted((a, b) => (a < b ? -1 : 1)),
    seqs.map((seq) => `${seq} grace Mallory pushed it`),
  );
}

/** Record a forged decision 3, and revert it as git does. */
async function revertForged({ record, repository }: At): Promise<void> {
  await record(of('mallory', 'evil'), 'evil');
  await repository.visit();
  await repository.git('revert', '--no-edit', 'HEAD');
  await repository.git('switch', '--quiet', 'main');
  for (const tag of ['m@v1.0.2', 'm#champion#5', 'm#champion!#4']) await repository.git('tag', '--delete', tag);
}

describe('a decision that Contender did not make', () => {
  test('is made void with those after it, on a branch that follows, and is told for ever', () =>
    inRegistry(async (at) => {
      await at.record(of('mallory', 'evil'), 'evil');
      await at.record(of('ada', 'three'), 'three');
      const [before] = [await at.repository.tree(), await at.repository.git('rev-parse', 'model-registry')];
      const prepared = await at.takeOff(3);
      assert.equal(await at.repository.tree(), before);
      await at.repository.git('switch', '--quiet', prepared.branch);
      await assert.rejects(at.takeOff(3, 'm', new Date(now.getTime() + 1000)), /contender\/void\/m-3/u);
      assert.equal(await at.repository.git('rev-parse', prepared.branch), prepared.commit);
      await at.repository.git('switch', '--quiet', 'main');
      await at.accept(prepared);
      const { champion, decisions: log } = await at.registry.view('m');
      assert.equal(champion?.version, '1.0.1');
      assert.equal(log.length, 2);
      assert.match(await at.repository.git('show', 'model-registry:artifacts.yaml'), /version: 1\.0\.1/u);
      const found = (await at.verify()).findings;
      assert.ok(found.length > 0);
      for (const each of found) assert.match(each, /^refs\/tags\/.*: made from decision [34] of m, which is void$/u);
      await isSoundWith(at, [3, 4]);
    }));

  test('is made void where it was reverted, and what was recorded since under its number stays', () =>
    inRegistry(async (at) => {
      await revertForged(at);
      await at.record(of('ada', 'three'), 'three');
      assert.match((await at.verify()).findings.join(), /000003\.json: the file differs from the recorded one/u);
      await at.accept(await at.takeOff(3));
      assert.equal((await at.registry.view('m')).champion?.artifacts[0]?.uri.endsWith('three.onnx'), true);
      await isSoundWith(at, [3]);
    }));

  test('is made void with every edit of it, and what is recorded in its place stays for good', () =>
    inRegistry(async (at) => {
      await at.record(of('mallory', 'evil'), 'evil');
      await at.repository.visit();
      const path = `${decisions}/000003.json`;
      const text = await readFile(join(at.repository.folder, path), 'utf8');
      await at.repository.write(path, text.replace('"actor":"mallory"', '"actor":"mallory","x":1'));
      await at.repository.commit('Edit what was forged');
      await at.repository.git('switch', '--quiet', 'main');
      const { entries, ...prepared } = await at.takeOff(3);
      assert.deepEqual(
        entries.map(({ seq }) => seq),
        [3, 3],
      );
      await at.accept({ entries, ...prepared });
      await isSoundWith(at, [3, 3]);
      // In one commit, as where a pull request is squashed.
      await at.repository.git('switch', '--quiet', '--detach', 'model-registry~2');
      await at.repository.git('read-tree', '--reset', '-u', 'model-registry');
      await at.repository.commit('Squashed');
      await at.repository.git('branch', '--quiet', '--force', 'model-registry', 'HEAD');
      assert.deepEqual(
        (await at.verify()).findings.filter((each) => !each.startsWith('refs/tags/')),
        [],
      );
      await at.repository.git('rm', '--quiet', path);
      await at.repository.commit('Lose it');
      await at.repository.git('branch', '--quiet', '--force', 'model-registry', 'HEAD');
      assert.match(
        (await at.verify()).findings.join('\n'),
        /000003\.json: the file was deleted after it was recorded/u,
      );
    }));

  test('is made void where it was reverted, though another one stands after what was recorded since', () =>
    inRegistry(async (at) => {
      await revertForged(at);
      await at.record(of('ada', 'three'), 'three');
      await at.record(of('mallory', 'worse'), 'worse');
      await at.accept(await at.takeOff(3));
      await at.accept(await at.takeOff(4));
      await isSoundWith(at, [3, 4]);
    }));

  test('is made void with what is left of it, where its file alone was deleted', () =>
    inRegistry(async (at) => {
      await at.record(of('mallory', 'evil'), 'evil');
      await at.repository.visit();
      await at.repository.git('rm', '--quiet', `${decisions}/000003.json`);
      await at.repository.commit('Delete what was forged');
      await at.repository.git('switch', '--quiet', 'main');
      await at.accept(await at.takeOff(3));
      assert.match(await at.repository.git('show', 'model-registry:artifacts.yaml'), /version: 1\.0\.1/u);
      await isSoundWith(at, [3]);
    }));

  test('is none where a submodule has its place, which goes by reverting the commit that brought it', () =>
    inRegistry(async (at) => {
      await at.record(of('mallory', 'evil'), 'evil');
      await at.accept(await at.takeOff(3));
      for (const tag of ['m@v1.0.2', 'm#champion#5', 'm#champion!#4']) await at.repository.git('tag', '--delete', tag);
      await at.repository.visit();
      const commit = await at.repository.git('rev-parse', 'main');
      await at.repository.git('update-index', '--add', '--cacheinfo', `160000,${commit},${decisions}/000003.json`);
      await at.repository.git('commit', '--quiet', '--message', 'A submodule');
      assert.deepEqual((await at.verify()).findings, [`${decisions}/000003.json: a submodule`]);
      await assert.rejects(at.takeOff(3), /no decision 3 of m that is not void/u);
      await at.repository.git('revert', '--no-edit', 'HEAD');
      await at.repository.git('switch', '--quiet', 'main');
      await isSoundWith(at, [3]);
    }));

  test('is made void where it is no decision at all, or the first of all', () =>
    inRegistry(async (at) => {
      await at.repository.visit();
      await at.repository.write(`${decisions}/000003.json`, 'Nothing to see here.\n');
      await at.repository.commit('Forge');
      await at.repository.git('switch', '--quiet', 'main');
      await at.accept(await at.takeOff(3));
      await isSoundWith(at, [3]);
      const other = {
        model: 'other',
        decide: (view: RegistryView) => ({ ...of('mallory', 'x')(view), model: 'other' }),
      };
      await at.registry.record({ ...other, evidence: [evidence('x')] });
      await at.accept(await at.takeOff(1, 'other'));
      assert.deepEqual((await at.registry.view('other')).decisions, []);
    }));

  test('leaves what Contender made: a sound decision is not made void, whoever writes an entry for it', () =>
    inRegistry(async (at) => {
      const before = await at.repository.git('for-each-ref');
      await assert.rejects(at.takeOff(2), /decision 2 is void, but Contender makes the same decision.*rollback/su);
      await assert.rejects(at.takeOff(3), /no decision 3 of m/u);
      // Whoever takes it off says when.
      await assert.rejects(
        at.takeOff(2, 'm', new Date('2000-01-01')),
        /decision 2 is void, but Contender makes the same decision/u,
      );
      assert.equal(await at.repository.git('for-each-ref'), before);
      // By hand.
      await at.record(of('mallory', 'evil'), 'evil');
      const { entries } = await at.takeOff(3);
      const [entry] = entries as [Void];
      await at.repository.visit();
      const manifest = await at.repository.git('show', 'HEAD~2:registry/models/m/manifest.json');
      const { sha256 } = (
        JSON.parse(await at.repository.git('show', 'HEAD~1:registry/models/m/manifest.json')) as {
          head: { sha256: string };
        }
      ).head;
      await at.repository.git('rm', '--quiet', `${decisions}/000002.json`, `${decisions}/000003.json`);
      await writeFile(join(at.repository.folder, 'registry/models/m/manifest.json'), `${manifest}\n`);
      for (const each of [entry, { ...entry, seq: 2, sha256 }]) {
        await at.repository.write(`registry/models/m/void/${each.sha256}.json`, canonicalBytes(each));
      }
      await at.repository.commit('Take them off');
      assert.match(
        (await at.verify()).findings.join('\n'),
        /void\/.*: decision 2 is void, but Contender makes the same decision/u,
      );
    }));

  test('is no decision whose evidence came a commit later, or what it follows: such a one is sound', () =>
    inRegistry(async ({ repository, record, takeOff }) => {
      const base = await repository.git('rev-parse', 'model-registry');
      await record(of('ada', 'three'), 'three');
      const made = await repository.git('rev-parse', 'model-registry');
      for (const path of ['registry/models/m/evidence', `${decisions}/000002.json`]) {
        // As in a pull request to which somebody pushes before it is merged.
        await repository.git('switch', '--quiet', '--detach', base);
        await repository.git('checkout', '--quiet', made, '--', '.');
        await repository.git('rm', '-r', '--force', '--quiet', path);
        await repository.git('commit', '--quiet', '--message', 'A part');
        await repository.git('checkout', '--quiet', made, '--', '.');
        await repository.git('commit', '--quiet', '--message', 'The rest');
        await repository.git('update-ref', 'refs/heads/model-registry', 'HEAD');
        await assert.rejects(takeOff(3), /decision 3 is void, but Contender makes the same decision/u, path);
      }
    }));

  test('gives its number to a decision that is new, in the same change too', () =>
    inRegistry(async ({ repository, record, takeOff, accept }) => {
      await record(of('mallory', 'evil'), 'evil');
      const base = await repository.git('rev-parse', 'model-registry');
      await accept(await takeOff(3));
      for (const tag of ['m@v1.0.2', 'm#champion#5', 'm#champion!#4']) await repository.git('tag', '--delete', tag);
      await record(of('ada', 'three'), 'three');
      const opened = await openRepository(repository.folder);
      const change = await changeBetween(opened, base, 'model-registry');
      const { appended } = await verifyChange(opened, change, 'registry', { tags: 'ignored', judge });
      assert.deepEqual(
        appended.map(({ decision }) => `${decision.seq} ${decision.actor}`),
        ['3 ada'],
      );
    }));

  test('may go in a pull request, which may take away nothing else, nor an entry', () =>
    inRegistry(async ({ repository, record, takeOff, accept }) => {
      await record(of('mallory', 'evil'), 'evil');
      const prepared = await takeOff(3);
      const opened = await openRepository(repository.folder);
      const between = async (base: string, head: string): Promise<Finding[]> => {
        const change = await changeBetween(opened, base, head);
        return (await verifyChange(opened, change, 'registry', { tags: 'ignored', artifactsYaml: true, judge }))
          .findings;
      };
      assert.deepEqual(await between('model-registry', prepared.branch), []);
      await accept(prepared);
      await repository.visit();
      const path = `registry/models/m/void/${prepared.entries[0]?.sha256}.json`;
      const text = await readFile(join(repository.folder, path), 'utf8');
      for (const change of ['', text.replace('grace', 'linus')]) {
        if (change === '') await repository.git('rm', '--quiet', path);
        else await repository.write(path, change);
        await repository.commit('Nobody signed it');
        const found = await between(prepared.branch, 'HEAD');
        assert.ok(
          found.some((each) => each.path === path),
          JSON.stringify(found),
        );
      }
    }));
});
