import assert from 'node:assert/strict';
import { readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { canonicalJson, evidenceDigest, type RecordedDecision } from '../../src/evidence/index.ts';
import { packEvidence } from '../../src/registry/evidence-file.ts';
import { evidence, judged } from './sample-decision.ts';
import { inRepository, type TemporaryRepository } from './temporary-repository.ts';

const model = 'm';
const decisions = 'registry/models/m/decisions/000';
const proof = (candidate: string): string =>
  `registry/models/m/evidence/${evidenceDigest(evidence(candidate))}.json.gz`;

const tampering: {
  name: string;
  tamper: (repository: TemporaryRepository) => Promise<unknown>;
  /** The file a finding must name, and what it must say. */
  path: string;
  found: RegExp;
  /** Whether reading the model refuses too: damage to chain or manifest, not to evidence. */
  refuses: boolean;
}[] = [
  {
    name: 'an edited decision',
    tamper: (at) => change(at, 2, (decision) => ({ ...decision, actor: 'mallory' })),
    path: `${decisions}/000003.json`,
    found: /prev is/u,
    refuses: true,
  },
  {
    name: 'an edited last decision',
    tamper: (at) => change(at, 3, (decision) => ({ ...decision, actor: 'mallory' })),
    path: 'registry/models/m/manifest.json',
    found: /does not match the decisions/u,
    refuses: true,
  },
  {
    name: 'a decision missing in the middle',
    tamper: (at) => rm(join(at.folder, decisions, '000002.json')),
    path: `${decisions}/000003.json`,
    found: /decision 2 is missing/u,
    refuses: true,
  },
  {
    name: 'two decisions with one number',
    tamper: async (at) =>
      at.write('registry/models/m/decisions/001/000002.json', await read(at, `${decisions}/000002.json`)),
    path: 'registry/models/m/decisions/001/000002.json',
    found: /a second decision 2/u,
    refuses: true,
  },
  {
    name: 'a decision under another number',
    tamper: (at) => rename(join(at.folder, decisions, '000003.json'), join(at.folder, decisions, '000004.json')),
    path: `${decisions}/000004.json`,
    found: /decision number 3/u,
    refuses: true,
  },
  {
    name: 'JSON that is not canonical',
    tamper: async (at) => {
      const value = JSON.parse(await read(at, `${decisions}/000003.json`)) as unknown;
      await at.write(`${decisions}/000003.json`, JSON.stringify(value, null, 2));
    },
    path: `${decisions}/000003.json`,
    found: /not canonical/u,
    refuses: true,
  },
  {
    name: 'a file that is no decision',
    tamper: (at) => at.write(`${decisions}/000003.json`, '{"seq":3}\n'),
    path: `${decisions}/000003.json`,
    found: /not a recorded decision/u,
    refuses: true,
  },
  {
    name: 'a manifest that names another champion',
    tamper: async (at) =>
      at.write(
        'registry/models/m/manifest.json',
        (await read(at, 'registry/models/m/manifest.json')).replaceAll('1.0.1', '9.9.9'),
      ),
    path: 'registry/models/m/manifest.json',
    found: /does not match the decisions/u,
    refuses: true,
  },
  {
    name: 'a missing manifest',
    tamper: (at) => rm(join(at.folder, 'registry/models/m/manifest.json')),
    path: 'registry/models/m/manifest.json',
    found: /no manifest/u,
    refuses: true,
  },
  {
    name: 'missing evidence',
    tamper: (at) => rm(join(at.folder, proof('a'))),
    path: proof('a'),
    found: /no such file|deleted/u,
    refuses: false,
  },
  {
    name: 'evidence of another digest',
    tamper: (at) => at.write(proof('a'), packEvidence(evidence('b'))),
    path: proof('a'),
    found: /evidence with digest|the file differs from the recorded one/u,
    refuses: false,
  },
  {
    name: 'evidence that is not compressed',
    tamper: (at) => at.write(proof('a'), canonicalJson(evidence('a'))),
    path: proof('a'),
    found: /not compressed|the file differs from the recorded one/u,
    refuses: false,
  },
  {
    name: 'a foreign file',
    tamper: (at) => at.write('registry/models/m/notes.txt', 'x'),
    path: 'registry/models/m/notes.txt',
    found: /unexpected file/u,
    refuses: true,
  },
  {
    name: 'attributes that convert bytes',
    tamper: (at) => at.write('registry/.gitattributes', '*.json text eol=crlf\n'),
    path: 'registry/.gitattributes',
    found: /other text/u,
    refuses: false,
  },
  {
    name: 'a decision that is recorded twice',
    tamper: async (at) => {
      const { idempotencyKey } = JSON.parse(await read(at, `${decisions}/000002.json`)) as RecordedDecision;
      await change(at, 3, (decision) => ({ ...decision, idempotencyKey }));
    },
    path: `${decisions}/000003.json`,
    found: /decision 2 a second time/u,
    refuses: true,
  },
  {
    name: 'a decision far too large to be read, among other damage,',
    tamper: async (at) => {
      await at.write(`${decisions}/000004.json`, Buffer.alloc(64 * 1024 * 1024 + 1, ' '));
      await at.write('registry/models/m/notes.txt', 'x');
    },
    path: `${decisions}/000004.json`,
    found: /a file of 67108865 bytes/u,
    refuses: true,
  },
  {
    name: 'evidence far too large to be read',
    tamper: (at) => at.write(proof('a'), Buffer.alloc(64 * 1024 * 1024 + 1)),
    path: proof('a'),
    found: /a file of 67108865 bytes/u,
    refuses: false,
  },
  {
    name: 'a link in place of the registry',
    tamper: async (at) => {
      await rename(join(at.folder, 'registry'), join(at.folder, 'elsewhere'));
      await symlink('elsewhere', join(at.folder, 'registry'));
    },
    path: 'registry',
    found: /a symbolic link/u,
    refuses: true,
  },
  {
    name: 'a tail cut off, with a manifest to match',
    tamper: async (at) => {
      await rm(join(at.folder, decisions, '000003.json'));
      await at.git('checkout', '--quiet', 'HEAD~1', '--', 'registry/models/m/manifest.json');
    },
    path: `${decisions}/000003.json`,
    found: /deleted after/u,
    refuses: false,
  },
];

describe('verify', () => {
  for (const { name, tamper, path, found, refuses } of tampering) {
    test(`finds ${name}, committed`, () =>
      withThreeDecisions(async (repository) => {
        const registry = await repository.registry();
        assert.deepEqual(await registry.verify(), []);
        await repository.visit();
        await tamper(repository);
        await repository.commit('Tamper');
        await repository.git('switch', '--quiet', 'main');
        const findings = await registry.verify();
        assert.ok(
          findings.some((each) => each.path === path && found.test(each.found)),
          JSON.stringify(findings, null, 2),
        );
        assert.ok(findings.every((each) => each.expected !== '' && each.remedy !== ''));
        const attempt = registry.record({ model, decide: judged(model, 'd', 'reject'), evidence: [] });
        await (refuses ? assert.rejects(attempt, /registry verify|a symbolic link/u) : attempt);
      }));
  }

  test('finds two models that are one where file names know no case', () =>
    withThreeDecisions(async (repository) => {
      await record(repository, 'x', 'promote', 'M', 'side');
      await repository.visit();
      await repository.git('merge', '--quiet', '--no-edit', '--allow-unrelated-histories', 'side');
      const [finding, ...others] = await (await repository.registry()).verify();
      assert.deepEqual(
        [finding?.path, finding?.found, others],
        ['registry/models/m', 'a model named m and another one named M', []],
      );
    }));

  test('finds a whole chain rewritten by a later commit, hashes and manifest in order', () =>
    withThreeDecisions(async (repository) => {
      await record(repository, 'mallory', 'promote', model, 'forged');
      await record(repository, 'b', 'promote', model, 'forged');
      await record(repository, 'c', 'reject', model, 'forged');
      const tidy = ['commit-tree', 'forged^{tree}', '-p', 'model-registry', '-m', 'Tidy'];
      await repository.git('update-ref', 'refs/heads/model-registry', await repository.git(...tidy));
      const findings = await (await repository.registry()).verify();
      assert.ok(
        findings.some(
          (each) =>
            each.path === `${decisions}/000001.json` && /the file differs from the recorded one/u.test(each.found),
        ),
      );
    }));

  test('is content again after what was tampered with is restored', () =>
    withThreeDecisions(async (repository) => {
      await repository.visit();
      await change(repository, 2, (decision) => ({ ...decision, actor: 'mallory' }));
      await repository.commit('Tamper');
      await repository.git('revert', '--no-edit', 'HEAD');
      assert.deepEqual(await (await repository.registry()).verify(), []);
    }));

  test('is content with decisions about two models that two branches recorded and a merge brought together', () =>
    withThreeDecisions(async (repository) => {
      await repository.git('branch', 'side', 'model-registry');
      await record(repository, 'x', 'promote', 'other', 'side');
      await record(repository, 'd', 'promote');
      await repository.visit();
      await repository.git('merge', '--quiet', '--no-edit', 'side');
      const registry = await repository.registry();
      assert.deepEqual(await registry.models(), [model, 'other']);
      assert.deepEqual(await registry.verify(), []);
    }));

  test('finds a decision that a merge dropped', () =>
    withThreeDecisions(async (repository) => {
      await repository.git('branch', 'side', 'model-registry');
      await record(repository, 'lost', 'promote', model, 'side');
      await record(repository, 'kept', 'promote');
      await repository.visit();
      await repository.git('merge', '--quiet', '--no-edit', '-s', 'ours', 'side');
      const findings = await (await repository.registry()).verify();
      assert.ok(
        findings.some((each) => each.path === `${decisions}/000004.json`),
        JSON.stringify(findings),
      );
    }));
});

function withThreeDecisions(work: (repository: TemporaryRepository) => Promise<void>): Promise<void> {
  return inRepository(work, {
    name: 'three-decisions',
    async make(repository) {
      await record(repository, 'a', 'promote');
      await record(repository, 'b', 'promote');
      await record(repository, 'c', 'reject');
    },
  });
}

async function record(
  repository: TemporaryRepository,
  candidate: string,
  outcome: 'promote' | 'reject',
  of = model,
  branch?: string,
): Promise<void> {
  const given = [evidence(candidate)];
  const registry = await repository.registry('registry', branch);
  await registry.record({ model: of, decide: judged(of, candidate, outcome, given), evidence: given });
}

async function change(
  repository: TemporaryRepository,
  seq: number,
  edit: (decision: RecordedDecision) => RecordedDecision,
): Promise<void> {
  const path = `${decisions}/${String(seq).padStart(6, '0')}.json`;
  const decision = JSON.parse(await read(repository, path)) as RecordedDecision;
  await writeFile(join(repository.folder, path), `${canonicalJson(edit(decision))}\n`);
}

function read(repository: TemporaryRepository, path: string): Promise<string> {
  return readFile(join(repository.folder, path), 'utf8');
}
