import assert from 'node:assert/strict';
import { cp, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { carryOver } from '../../../src/decide/carry-over.ts';
import { decide } from '../../../src/decide/decide.ts';
import { deprecate } from '../../../src/decide/deprecate.ts';
import { rollback } from '../../../src/decide/rollback.ts';
import type { Decision, Evidence, RegistryHistory } from '../../../src/evidence/index.ts';
import { silentLog } from '../../../src/log.ts';
import { verifyAgainst, type VerifiedChange } from '../../../src/pipeline/auditing/verify-change.ts';
import { openGitRegistry } from '../../../src/registry/git-registry.ts';
import { artifact } from '../../registry/sample-decision.ts';
import { inRepository, repositoryAt, type TemporaryRepository } from '../../registry/temporary-repository.ts';
import { clientOf, repositoryName, withGitHub } from '../../github/with-github.ts';
import { inTemporaryFolder } from '../../support/project.ts';
import {
  assigned,
  by,
  decisions,
  evidenceOn,
  gate,
  modelOf,
  subjectOf,
  now,
  overridden,
  record,
  registered,
  subject,
  text,
  type Made,
} from '../decided.ts';

/** A base with a champion that the gate let in after a first one. */
let base = '';
before(async () => {
  base = await mkdtemp(join(tmpdir(), 'contender-base-'));
  await inRepository(async (at) => {
    await at.write('contender.yml', text);
    await at.commit('Configure');
    await record(at, registered('a'), gate('b', 'pass'));
    await cp(at.folder, base, { recursive: true });
  });
});
after(() => rm(base, { recursive: true, force: true }));

/** A branch of it. */
function inProposal(work: (at: TemporaryRepository) => Promise<void>): Promise<void> {
  return inTemporaryFolder(async (folder) => {
    await cp(base, folder, { recursive: true });
    const at = repositoryAt(folder);
    await at.git('switch', '--quiet', '--create', 'proposal');
    await work(at);
  });
}

/** What is said of a change, besides that the models of these decisions are of a commit that nobody has. */
async function verify(at: TemporaryRepository, base = 'main'): Promise<VerifiedChange> {
  const verified = await verifyAgainst({ root: at.folder, config: 'contender.yml', base });
  return { ...verified, notes: verified.notes.filter((note) => note !== notLookedUp) };
}

const notLookedUp = 'Models in 1 commit that this clone does not have were not looked up: 111111111111.';

async function configure(at: TemporaryRepository, from: string, to: string): Promise<string> {
  const changed = text.replace(from, to);
  assert.notEqual(changed, text);
  await at.write('contender.yml', changed);
  await at.commit('Configure');
  return changed;
}

describe('a change of the registry held against its base', () => {
  it('passes where it adds what Contender decides, by gate or on the word of a person', () =>
    inProposal(async (at) => {
      await at.write('README.md', 'Other words.\n');
      await at.commit('Write');
      assert.deepEqual(await verify(at), { findings: [], appended: 0, held: true, notes: [] });
      await record(at, gate('c', 'fail'), gate('d', 'inconclusive'), overridden('d'), gate('e', 'pass'));
      await record(at, [(view) => rollback(subject, '1.0.1', view, by)], assigned('staging'), assigned('live'));
      await record(at, [(view) => deprecate(subject, '1.0.3', view, by)]);
      assert.deepEqual(await verify(at), { findings: [], appended: 8, held: true, notes: [] });
    }));

  it('lets the policy change, which is reviewed as such', () =>
    inProposal(async (at) => {
      await configure(at, 'margin: 0.01', 'margin: 0.2');
      assert.deepEqual((await verify(at)).findings, []);
    }));

  it('passes what waited for a pull request, and let nobody in when another came first', () =>
    inProposal(async (at) => {
      const waited = (seq: number, since: number, [made, evidence]: Required<Made>, superseded: boolean): Made => [
        (view) => carryOver({ ...made(view), seq, prev: null }, view, since, superseded) as Decision,
        evidence,
      ];
      await record(at, waited(3, 2, gate('c', 'pass'), true), gate('d', 'pass'));
      const [stale, evidence] = gate('e', 'pass');
      // Judged when the first was champion, recorded when the third is.
      const then = (await (await at.registry('registry', 'proposal')).log('m')).slice(0, 1);
      const first = then[0]?.to ?? null;
      await record(at, [
        (view) => {
          const made = stale({ ...view, champion: first, championSeq: 1 });
          return carryOver({ ...made, seq: 2, prev: null }, view, 1, false) as Decision;
        },
        evidence,
      ]);
      const log = await (await at.registry('registry', 'proposal')).log('m');
      assert.deepEqual(
        log.slice(2).map(({ outcome, reasons }) => [outcome, reasons[0]?.code]),
        [
          ['hold', 'superseded'],
          ['promote', 'all-passed'],
          ['hold', 'stale'],
        ],
      );
      assert.deepEqual(await verify(at), { findings: [], appended: 3, held: true, notes: [] });
    }));

  it('holds approvals against the policy of the base', () =>
    inProposal(async (at) => {
      await at.git('switch', '--quiet', 'main');
      const asking = await configure(at, 'policy: { ', 'policy: { approvals: { from: [grace] }, ');
      await at.git('switch', '--quiet', '--create', 'approved');
      const approvals = [{ by: 'grace', at: now.toISOString(), source: 'review of pull request 1' }];
      const evidence: Evidence[] = [];
      await record(at, [
        (view) => {
          evidence.push(evidenceOn('c', 'pass', modelOf(asking), view.champion?.artifacts[0]));
          const context = { now, actor: 'ada', source: {}, approvals };
          return decide(subjectOf('c', asking), evidence, view, context);
        },
        evidence,
      ]);
      assert.deepEqual((await verify(at)).findings, []);
      await at.git('switch', '--quiet', '--create', 'unapproved', 'main');
      const granted = { outcome: 'promote' as const, reasons: [] };
      await record(
        at,
        gate('c', 'pass', asking, (made) => {
          const to = { ...made.candidate!, version: '1.0.2' };
          return { ...made, ...granted, to, candidate: to };
        }),
      );
      const [finding] = (await verify(at)).findings;
      assert.match(finding?.found ?? '', /a promotion where the outcome is hold: .*May approve: grace/u);
    }));

  it('looks up the approvals of decisions that are added, where there is a token, and says where there is none', () =>
    withGitHub((server) =>
      inProposal(async (at) => {
        await at.git('switch', '--quiet', 'main');
        const asking = await configure(at, 'policy: { ', 'policy: { approvals: { from: [grace] }, ');
        await at.git('switch', '--quiet', '--create', 'approved');
        const { git } = server.repository(repositoryName);
        await git.git(
          'update-ref',
          'refs/heads/work',
          await git.commit({
            tree: await git.git('rev-parse', 'main^{tree}'),
            parents: [await git.git('rev-parse', 'main')],
            message: 'Work',
            signed: false,
          }),
        );
        const [ada, grace] = ['ada', 'grace'].map((login) => clientOf(server, { login, type: 'User' }));
        await ada!.request('POST /repos/{owner}/{repo}/pulls', { title: 'A model', head: 'work', base: 'main' });
        const route = 'POST /repos/{owner}/{repo}/pulls/{pull_number}/reviews';
        const review = await grace!.request(route, { pull_number: 1, event: 'APPROVE' });
        const approved = (source?: string) => [
          { by: 'grace', at: review.submitted_at ?? '', ...(source === undefined ? {} : { source }) },
        ];
        const found = async (token?: string): Promise<[string[], string[]]> => {
          const github = { repository: repositoryName, apiUrl: server.url, token };
          const input = { root: at.folder, config: 'contender.yml', base: 'main', github };
          const { findings, notes } = await verifyAgainst(input);
          return [findings.map((each) => each.found), notes];
        };
        await record(at, gate('c', 'pass', asking, undefined, { approvals: approved('review of pull request 1') }));
        assert.deepEqual(await found(server.token({})), [[], [notLookedUp]]);
        assert.deepEqual(await found(), [[], ['Approvals were not looked up (no token).', notLookedUp]]);
        const blind = server.token({ permissions: { contents: 'read' } });
        assert.match((await found(blind))[1].join(), /not looked up: .*pull-requests: read and actions: read/su);
        await record(
          at,
          gate('d', 'pass', asking, undefined, { approvals: approved('environment production of run 7') }),
        );
        await record(at, gate('e', 'pass', asking, undefined, { approvals: approved('review of pull request 99') }));
        await record(at, gate('f', 'pass', asking, undefined, { approvals: approved() }));
        const [findings] = await found(server.token({}));
        assert.deepEqual(
          findings.map((each) => /^an approval of grace, (.*?), (?:of|which)|does not say where/u.exec(each)?.[1]),
          [undefined, 'environment production of run 7', 'review of pull request 99'],
        );
      }),
    ));

  it('tells of acts that one person made on the word of another', () =>
    inProposal(async (at) => {
      await record(at, [(view) => rollback(subject, '1.0.0', view, { ...by, actor: 'mallory' })]);
      const { findings, notes } = await verify(at);
      assert.deepEqual(findings, []);
      assert.deepEqual(notes, ['Decision 3 of m (rollback) names Ada as the responsible person, but mallory made it.']);
    }));

  it('holds the version against what changed of inputs and outputs, where the base asks for it', () =>
    inProposal(async (at) => {
      await at.git('switch', '--quiet', 'main');
      const asking = await configure(at, 'policy: { ', 'policy: { version: signature, ');
      const propose = async (branch: string, version: string | null): Promise<void> => {
        await at.git('switch', '--quiet', '--create', branch, 'main');
        const output = (name: string) => ({ inputs: [], outputs: [{ name, type: 'float', shape: ['N'] }] });
        const evidence: Evidence[] = [];
        await record(at, [
          (view) => {
            const model = modelOf(asking);
            const signatures = { candidate: output('q'), champion: output('p') };
            evidence.push({ ...evidenceOn('c', 'pass', model, view.champion?.artifacts[0]), signatures });
            const context = { now, actor: 'ada', source: {}, approvals: [] };
            const made = decide(subjectOf('c', asking), evidence, view, context);
            const to = { ...made.candidate!, version: version ?? made.candidate!.version };
            const chosen = { code: 'version-chosen', message: `Version ${to.version} was chosen, not derived.` };
            return { ...made, to, candidate: to, reasons: version === null ? made.reasons : [...made.reasons, chosen] };
          },
          evidence,
        ]);
      };
      await propose('as-it-is', null);
      assert.deepEqual((await verify(at)).findings, []);
      await propose('too-low', '1.0.2');
      const [finding] = (await verify(at)).findings;
      assert.match(
        finding?.found ?? '',
        /a promotion that is refused: version 1\.0\.2, but since version 1\.0\.1 output "p" is gone/u,
      );
    }));

  it('holds artifacts.yaml against the champion, where the base keeps it', () =>
    inProposal(async (at) => {
      await at.git('switch', '--quiet', 'main');
      const record = async (candidate: string): Promise<void> => {
        const [made, evidence] = gate(candidate, 'pass');
        await at.onHead((registry) => registry.record({ model: 'm', decide: made, evidence }), {
          tags: 'gto',
          artifactsYaml: true,
        });
      };
      await configure(at, 'registry:\n', 'registry:\n  tags: gto\n  artifacts_yaml: true\n');
      await record('c');
      await at.git('switch', '--quiet', '--create', 'next');
      await record('d');
      assert.deepEqual(await verify(at), { findings: [], appended: 1, held: true, notes: [] });
      const text = await readFile(join(at.folder, 'artifacts.yaml'), 'utf8');
      await at.write('artifacts.yaml', text.replace('1.0.3', '1.0.2'));
      await at.commit('Edit');
      assert.match((await verify(at)).findings[0]?.found ?? '', /m\.custom names version 1\.0\.2/u);
    }));

  const promoted = gate('c', 'pass')[0];
  const forged: [string, (at: TemporaryRepository) => Promise<unknown>, path: string, found: RegExp][] = [
    [
      'a promotion that nobody evaluated',
      (at) => record(at, [(view) => ({ ...promoted(view), evidence: [], datasets: {} })]),
      `${decisions}/000003.json`,
      /a promotion where the outcome is hold: The policy requires evaluation evidence/u,
    ],
    [
      'a promotion of what failed',
      (at) =>
        record(
          at,
          gate('c', 'fail', text, (made) => {
            const to = { ...made.candidate!, version: '1.0.2' };
            return { ...made, outcome: 'promote', to, candidate: to, reasons: [] };
          }),
        ),
      `${decisions}/000003.json`,
      /a promotion where the outcome is reject: Recall: fail/u,
    ],
    [
      'a promotion on evidence of another candidate',
      (at) =>
        record(
          at,
          gate('c', 'pass', text, (made) => {
            const to = { version: '1.0.2', artifacts: [artifact('other')] };
            return { ...made, to, candidate: to };
          }),
        ),
      `${decisions}/000003.json`,
      /where the outcome is hold: The evaluation evidence is about another candidate/u,
    ],
    [
      'a promotion under a policy that the change brings along',
      async (at) => record(at, gate('c', 'pass', await configure(at, 'margin: 0.01', 'margin: 0.2'))),
      `${decisions}/000003.json`,
      /a decision under policy [0-9a-f]{12}/u,
    ],
    [
      'a promotion whose text of the policy is another than its digest',
      (at) =>
        record(
          at,
          gate('c', 'pass', text, (made) => ({ ...made, policy: { ...made.policy, text: '{}' } })),
        ),
      `${decisions}/000003.json`,
      /a policy whose digest does not match its text/u,
    ],
    [
      'a rejection that is dressed up as replaced by a newer candidate, to be overridden',
      (at) =>
        record(
          at,
          gate('c', 'fail', text, (made) => {
            const reasons = [{ code: 'superseded', message: 'It waited.' }];
            return { ...made, outcome: 'hold', reasons };
          }),
          overridden('c'),
        ),
      `${decisions}/000003.json`,
      /a decision to hold where the outcome is reject/u,
    ],
    [
      'a hold where the gate rejects, to be overridden',
      (at) =>
        record(
          at,
          gate('c', 'fail', text, (made) => ({ ...made, outcome: 'hold' })),
          overridden('c'),
        ),
      `${decisions}/000003.json`,
      /a decision to hold where the outcome is reject/u,
    ],
    [
      'a registration over the head of the champion',
      (at) => record(at, registered('c')),
      `${decisions}/000003.json`,
      /refused: m has a champion, version 1\.0\.1/u,
    ],
    [
      'an assignment under a rule that the change brings along',
      async (at) =>
        record(at, assigned('live', await configure(at, '{ after: staging, evidence: [evaluation] }', '{}'))),
      `${decisions}/000003.json`,
      /a decision to assign that is refused: version 1\.0\.1 was never in staging/u,
    ],
    [
      'a decision about a model that the base does not have',
      async (at) => {
        const other = text.replace('  m:', '  other:');
        await at.write('contender.yml', other);
        await at.commit('Another model');
        const made = registered('x')[0];
        const decide = (view: RegistryHistory): Decision => ({ ...made(view), model: 'other' });
        await at.onHead((registry) => registry.record({ model: 'other', decide, evidence: [] }));
      },
      'registry/models/other/decisions/000/000001.json',
      /which contender\.yml of the base does not contain/u,
    ],
    [
      'an edited decision',
      async (at) => {
        const path = join(at.folder, decisions, '000002.json');
        await at.write(`${decisions}/000002.json`, (await readFile(path, 'utf8')).replace('"ada"', '"eve"'));
        await at.commit('Edit');
      },
      `${decisions}/000002.json`,
      /decision that the change edits/u,
    ],
    [
      'a renumbered decision',
      async (at) => {
        await rename(join(at.folder, decisions, '000002.json'), join(at.folder, decisions, '000003.json'));
        await at.commit('Renumber');
      },
      `${decisions}/000002.json`,
      /decision that the change removes or renames/u,
    ],
    [
      'a chain that was made anew, sound in itself',
      async (at) => {
        await at.git('reset', '--quiet', '--hard', 'main~2');
        await record(at, registered('a'), gate('z', 'pass'));
        await at.git('merge', '--quiet', '--strategy=ours', '--message=Merge', 'main');
      },
      `${decisions}/000002.json`,
      /decision that the change edits/u,
    ],
    [
      'a registry that is taken away',
      async (at) => {
        await rm(join(at.folder, 'registry'), { recursive: true });
        await at.commit('Tidy');
      },
      `${decisions}/000001.json`,
      /removes or renames/u,
    ],
    [
      'a configuration that leads to another registry',
      (at) => configure(at, 'registry:\n', 'registry:\n  path: elsewhere\n'),
      'contender.yml',
      /registry\.path: elsewhere/u,
    ],
    [
      'a configuration that leads to another branch',
      (at) => configure(at, 'branch: main', 'branch: mine'),
      'contender.yml',
      /registry\.branch: mine/u,
    ],
    ['a configuration that cannot be read', (at) => configure(at, 'task:', 'tusk:'), 'contender.yml', /tusk/u],
    [
      'a configuration that is gone',
      async (at) => {
        await rm(join(at.folder, 'contender.yml'));
        await at.commit('Tidy');
      },
      'contender.yml',
      /no such file any more/u,
    ],
  ];
  for (const [name, tamper, path, found] of forged) {
    it(`finds ${name}`, () =>
      inProposal(async (at) => {
        await tamper(at);
        const { findings } = await verify(at);
        assert.ok(
          findings.some((each) => each.path === path && found.test(each.found)),
          JSON.stringify(findings, null, 1),
        );
      }));
  }

  it('looks at what merging makes of the two, where the base has gone on', () =>
    inProposal(async (at) => {
      await at.write('NOTES.md', 'Mine\n');
      await at.commit('Note');
      await at.git('switch', '--quiet', 'main');
      await record(at, gate('c', 'pass'));
      await at.git('switch', '--quiet', 'proposal');
      const head = await at.git('rev-parse', 'HEAD');
      assert.deepEqual(await verify(at), { findings: [], appended: 0, held: true, notes: [] });
      assert.equal(await at.git('rev-parse', 'HEAD'), head);
      await record(at, gate('d', 'pass'));
      await assert.rejects(verify(at), /conflicts with main in registry.*must be made again/su);
    }));

  it('finds that a push left out what the branch had', () =>
    inProposal(async (at) => {
      await at.git('reset', '--quiet', '--hard', 'main~1');
      const input = { root: at.folder, config: 'contender.yml', base: 'main' };
      const { findings } = await verifyAgainst({ ...input, pushed: true });
      assert.match(findings[0]?.found ?? '', /^commit [0-9a-f]{12} is not a descendant of [0-9a-f]{12}$/u);
      assert.deepEqual((await verifyAgainst(input)).findings, [], 'of a branch that is merged that is no harm');
    }));

  it('holds tags against the branch that holds the registry, and against no other', () =>
    inRepository(async (at) => {
      await at.write('contender.yml', text.replace('branch: main', 'branch: decisions\n  tags: gto'));
      await at.commit('Configure');
      await at.git('branch', 'decisions');
      const input = {
        repository: at.folder,
        path: 'registry',
        branch: 'decisions',
        tags: 'gto',
        log: silentLog,
      } as const;
      await (await openGitRegistry(input)).record({ model: 'm', decide: registered('a')[0], evidence: [] });
      await at.git('switch', '--quiet', '--create', 'proposal');
      await at.write('README.md', 'Other words.\n');
      await at.commit('Write');
      assert.deepEqual((await verify(at)).findings, []);
      await at.git('tag', '--force', '--annotate', 'm@v1.0.0', '--message=By hand', 'decisions');
      assert.deepEqual((await verify(at)).findings, []);
      await at.git('switch', '--quiet', '--create', 'more', 'decisions');
      const findings = (await verify(at, 'decisions')).findings;
      assert.deepEqual(
        findings.map(({ path }) => path),
        ['refs/tags/m@v1.0.0'],
      );
    }));

  it('is told by a commit that is not here, and by a clone that is too shallow', () =>
    inProposal(async (at) => {
      await assert.rejects(verify(at, 'origin/none'), /no commit "origin\/none" here.*fetch-depth: 0/u);
      await assert.rejects(verify(at, '--output=x'), /no commit/u);
      await at.write('NOTES.md', 'Mine\n');
      await at.commit('Note');
      await at.git('branch', 'other', 'main');
      await at.git('switch', '--quiet', 'other');
      await at.write('OTHER.md', 'Theirs\n');
      await at.commit('Note');
      await at.git(
        'clone',
        '--quiet',
        '--depth=1',
        '--no-single-branch',
        `file://${at.folder}`,
        join(at.folder, 'clone'),
      );
      const shallow = { root: join(at.folder, 'clone'), config: 'contender.yml', base: 'origin/proposal' };
      await assert.rejects(verifyAgainst(shallow), /shallow.*fetch-depth: 0/u);
    }));

  it('holds a beginning against nothing, and says so', () =>
    inRepository(async (at) => {
      await at.git('switch', '--quiet', '--create', 'proposal');
      await assert.rejects(verify(at), /neither the base nor the change has this file/u);
      await at.write('contender.yml', text);
      await at.commit('Configure');
      await record(at, registered('a'));
      assert.deepEqual(await verify(at), { findings: [], appended: 1, held: false, notes: [] });
    }));
});
