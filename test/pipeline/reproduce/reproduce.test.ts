import assert from 'node:assert/strict';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { silentLog } from '../../../src/log.ts';
import { registerChampion, runGate } from '../../../src/pipeline/gate/promote.ts';
import { reproduce, reproductionHeadline } from '../../../src/pipeline/reproduce/reproduce.ts';
import { openWorkspace, type Workspace } from '../../../src/pipeline/workspace.ts';
import { contender, gateRepository } from '../../support/gate-repository.ts';
import { inTemporaryFolder } from '../../support/project.ts';

const rows = 400;
const configuration = `version: 1
models:
  m:
    task: binary-classification
    candidate: { predictions: candidate.csv, score: p }
    columns: { id: id, label: label }
    data: { evaluation: eval.csv, rules: [{ row_count: { min: 10 } }] }
    policy:
      primary: { metric: accuracy, margin: 0.01, require: superior }
      anchor: { version: best, margin: 0.02 }
`;

/** Scores of a model that is wrong on the first `wrong` rows and right on the others. */
function answers(wrong: number): string {
  const lines = Array.from({ length: rows }, (_, row) => `${row},${(row % 2 === 1) === row >= wrong ? 0.9 : 0.1}`);
  return `id,p\n${lines.join('\n')}\n`;
}

test('a decision is run again from what it names, whatever became of the work tree, and nothing there changes', () =>
  inTemporaryFolder(async (folder) => {
    const { commit, git } = await gateRepository(folder);
    const labels = Array.from({ length: rows }, (_, row) => `${row},${row % 2}`);
    await writeFile(join(folder, 'eval.csv'), `id,label\n${labels.join('\n')}\n`);
    await writeFile(join(folder, 'contender.yml'), configuration);
    await writeFile(join(folder, 'champion.csv'), answers(80));
    await writeFile(join(folder, 'candidate.csv'), answers(20));
    await commit('Propose');
    const open = (): Promise<Workspace> =>
      openWorkspace({ root: folder, config: 'contender.yml', out: 'out', log: silentLog });
    const by = { record: true, actor: 'ada', source: {} };
    await registerChampion(await open(), { ...by, artifact: 'champion.csv', reason: 'first' });
    const { decision } = await runGate(await open(), by);
    assert.equal(decision.outcome, 'promote');

    await writeFile(join(folder, 'eval.csv'), 'id,label\n1,1\n');
    await writeFile(join(folder, 'candidate.csv'), answers(300));
    await writeFile(join(folder, 'contender.yml'), configuration.replace('accuracy', 'f1'));
    const before = await git('status', '--porcelain');
    const said = await reproduce(await open(), { model: 'm', which: undefined });
    assert.equal(
      reproductionHeadline(said).replace(/\d+ checks/u, 'n checks'),
      'Decision 2 of m (gate, promote) agrees: n checks came out as recorded.',
    );
    assert.deepEqual(
      said.inputs.map(({ what, verified }) => [what, verified]),
      [
        ['candidate', true],
        ['champion', true],
        ['evaluation data', true],
      ],
    );
    assert.deepEqual(
      said.stages.map(({ kind, differ }) => [kind, differ]),
      [
        ['data', []],
        ['evaluation', []],
      ],
    );
    assert.equal(await git('status', '--porcelain'), before);

    const { code, stderr } = await contender(folder, ['reproduce', 'm', '1']);
    assert.equal(code, 2);
    assert.match(stderr, /decision 1 of m \(register\) was made without evidence/u);
  }));

test('data that nobody kept is named with its digest, and cannot be had', () =>
  inTemporaryFolder(async (folder) => {
    const { commit } = await gateRepository(folder);
    await writeFile(join(folder, '.gitignore'), 'eval.csv\n');
    const labels = Array.from({ length: rows }, (_, row) => `${row},${row % 2}`);
    await writeFile(join(folder, 'eval.csv'), `id,label\n${labels.join('\n')}\n`);
    await writeFile(
      join(folder, 'contender.yml'),
      configuration.replace('      anchor', '      allow_first: true\n      anchor'),
    );
    await writeFile(join(folder, 'candidate.csv'), answers(20));
    await commit('Propose');
    const open = (): Promise<Workspace> =>
      openWorkspace({ root: folder, config: 'contender.yml', out: 'out', log: silentLog });
    await runGate(await open(), { record: true, actor: 'ada', source: {} });
    const there = await reproduce(await open(), { model: 'm', which: '1', kinds: ['data'] });
    assert.deepEqual([there.agrees, there.inputs.at(-1)?.from], [true, 'the work tree']);
    await writeFile(join(folder, 'eval.csv'), 'id,label\n1,1\n');
    await assert.rejects(
      reproduce(await open(), { model: 'm', which: '1' }),
      /evaluation data is not available: .*the work tree has a different file.* with sha256 [0-9a-f]{64}/u,
    );
  }));

test('data of several files are brought, each of them', () =>
  inTemporaryFolder(async (folder) => {
    const { commit } = await gateRepository(folder);
    await mkdir(join(folder, 'eval'));
    for (const part of [0, 1]) {
      const labels = Array.from({ length: rows / 2 }, (_, row) => `${row + (part * rows) / 2},${row % 2}`);
      await writeFile(join(folder, `eval/${part}.csv`), `id,label\n${labels.join('\n')}\n`);
    }
    const first = configuration.replace('      anchor', '      allow_first: true\n      anchor');
    await writeFile(join(folder, 'contender.yml'), first.replace('eval.csv', 'eval'));
    await writeFile(join(folder, 'candidate.csv'), answers(20));
    await commit('Propose');
    const open = (): Promise<Workspace> =>
      openWorkspace({ root: folder, config: 'contender.yml', out: 'out', log: silentLog });
    await runGate(await open(), { record: true, actor: 'ada', source: {} });
    await rm(join(folder, 'eval'), { recursive: true });
    const { agrees, inputs } = await reproduce(await open(), { model: 'm', which: '1' });
    assert.equal(agrees, true);
    assert.deepEqual(
      inputs.filter(({ what }) => what === 'evaluation data').map(({ name, verified }) => [name, verified]),
      [
        ['eval/0.csv', true],
        ['eval/1.csv', true],
      ],
    );
  }));
