import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { identityOf, type Check } from '../../src/evidence/index.ts';
import { silentLog } from '../../src/log.ts';
import { runGate } from '../../src/pipeline/gate/promote.ts';
import { openWorkspace } from '../../src/pipeline/workspace.ts';
import { contender, gateRepository } from '../support/gate-repository.ts';
import { inTemporaryFolder } from '../support/project.ts';

const rows = 4000;

type Judged = Awaited<ReturnType<typeof runGate>>;

/** Scores of a model that is wrong on the first `wrong` rows and right on the others. */
function answers(wrong: number): string {
  const lines = Array.from({ length: rows }, (_, row) => {
    const positive = row % 2 === 1;
    return `${row},${positive === row >= wrong ? 0.9 : 0.1}`;
  });
  return `id,score\n${lines.join('\n')}\n`;
}

function configuration(anchor: string): string {
  return `version: 1
models:
  m:
    task: binary-classification
    candidate: { predictions: candidate.csv }
    columns: { id: id, label: label }
    data: { evaluation: eval.csv }
    policy:
      primary: { metric: accuracy, margin: 0.01, require: non-inferior }
      allow_first: true
${anchor}`;
}

describe('a policy with an anchor', () => {
  test('stops losses that no single promotion shows, and follows the best version', () =>
    inTemporaryFolder(async (folder) => {
      const { commit } = await gateRepository(folder);
      const labels = Array.from({ length: rows }, (_, row) => `${row},${row % 2}`);
      await writeFile(join(folder, 'eval.csv'), `id,label\n${labels.join('\n')}\n`);
      const configure = (anchor: string): Promise<void> =>
        writeFile(join(folder, 'contender.yml'), configuration(anchor));
      const gate = async (record: boolean): Promise<Judged> => {
        const workspace = await openWorkspace({ root: folder, config: 'contender.yml', out: 'out', log: silentLog });
        return runGate(workspace, { record, actor: 'ada', source: {} });
      };
      const best = '      anchor: { version: best, margin: 1.5pp }\n';
      await configure(best);
      const propose = async (wrong: number, record = true): Promise<Judged> => {
        await writeFile(join(folder, 'candidate.csv'), answers(wrong));
        await commit(`Propose a model that is wrong on ${wrong} rows`);
        return gate(record);
      };
      const anchorIn = ({ evidence }: Judged): Check | undefined =>
        evidence.flatMap(({ checks }) => checks).find(({ id }) => id === 'evaluation/accuracy@anchor');

      const first = await propose(200);
      assert.equal(first.decision.to?.version, '1.0.0');
      assert.equal(anchorIn(first)?.verdict, 'skipped');
      const second = await propose(220);
      assert.equal(second.decision.outcome, 'promote');
      assert.match(anchorIn(second)?.message ?? '', /0\.50 points below .* version 1\.0\.0, the champion/u);
      const third = await propose(240);
      assert.equal(third.decision.outcome, 'promote');
      // Each is half a point below its champion; the fourth would be one and a half below the best.
      const fourth = await propose(260);
      assert.equal(fourth.decision.outcome, 'hold');
      assert.deepEqual(
        fourth.decision.reasons.map(({ check }) => check),
        ['evaluation/accuracy@anchor'],
      );
      assert.equal(anchorIn(fourth)?.comparison?.anchor, '1.0.0');
      const anchored = fourth.evidence[0]?.subjects.anchor;
      assert.ok(anchored !== undefined && first.decision.to !== null);
      assert.equal(identityOf(anchored), identityOf(first.decision.to.artifacts[0]!));
      await configure('');
      assert.equal((await propose(260, false)).decision.outcome, 'promote');

      await configure(best);
      const better = await propose(150);
      assert.equal(better.decision.outcome, 'promote');
      const after = await propose(170);
      assert.equal(after.decision.outcome, 'promote');
      assert.equal(anchorIn(after)?.comparison?.anchor, better.decision.to?.version);

      // A version that is not there is a mistake of the person.
      await configure('      anchor: { version: 7.0.0, margin: 1.5pp }\n');
      await assert.rejects(
        propose(165, false),
        /contender\.yml:\d+:\d+: .*policy\.anchor\.version.* version 7\.0\.0, which is not in the registry/u,
      );

      const verified = await contender(folder, ['registry', 'verify']);
      assert.equal(verified.code, 0, verified.stdout + verified.stderr);
    }));
});
