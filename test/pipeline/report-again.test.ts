import assert from 'node:assert/strict';
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { evidenceDigest, type Check, type Evidence } from '../../src/evidence/index.ts';
import { compareKept, readKept, writeAgain } from '../../src/pipeline/report-again.ts';
import { check, decision, evidence, failedSlice, openRecall } from '../report/samples.ts';
import { contender } from '../support/gate-repository.ts';
import { inTemporaryFolder } from '../support/project.ts';

/** An output folder, as a run leaves it. */
async function leave(folder: string, checks: Check[], details: Record<string, unknown> = {}): Promise<Evidence> {
  const made = { ...evidence(checks), details };
  const reference = {
    kind: made.kind,
    sha256: evidenceDigest(made),
    verdict: made.verdict,
    summary: {},
    finishedAt: made.finishedAt,
  };
  await mkdir(join(folder, 'evidence'), { recursive: true });
  await writeFile(join(folder, 'evidence', 'evaluation.json'), JSON.stringify(made));
  await writeFile(join(folder, 'decision.json'), JSON.stringify(decision({ evidence: [reference] })));
  return made;
}

describe('a report that is rendered again', () => {
  test('says what the run said, and that of one stage does not take its place', () =>
    inTemporaryFolder(async (folder) => {
      const out = join(folder, 'spam-filter');
      await leave(out, [openRecall]);
      const whole = await contender(folder, ['report', folder]);
      assert.equal(whole.code, 0, whole.stderr);
      assert.match(whole.stdout, /^HELD {2}spam-filter/u);
      const before = await readFile(join(out, 'report.html'), 'utf8');
      await writeAgain(await readKept(join(out, 'evidence', 'evaluation.json')));
      await writeAgain(await readKept(out, 'evaluation'));
      assert.equal(await readFile(join(out, 'report.html'), 'utf8'), before);
      const files = await readdir(out);
      assert.deepEqual(files.filter((name) => name.startsWith('report')).sort(), [
        'report-evaluation.html',
        'report-evaluation.md',
        'report.html',
        'report.md',
      ]);
    }));

  test('is refused where the evidence is not that of the decision, or is none', () =>
    inTemporaryFolder(async (folder) => {
      const made = await leave(folder, [openRecall]);
      const path = join(folder, 'evidence', 'evaluation.json');
      await writeFile(path, JSON.stringify({ ...made, checks: [{ ...openRecall, verdict: 'pass' }] }));
      await assert.rejects(
        readKept(folder),
        /evidence of evaluation is not the evidence that the decision was made on/u,
      );
      await writeFile(path, '{}');
      await assert.rejects(readKept(folder), /this is not evidence/u);
      await assert.rejects(readKept(join(folder, 'nowhere')), /there is no such folder or file/u);
    }));
});

describe('two evaluations', () => {
  // The loss of the candidate is above that of the champion, and its gain below 0: less is better.
  const details = (value: number): Record<string, unknown> => ({
    metrics: [
      { metric: 'recall', title: 'recall', scale: 'share', candidate: value, champion: 0.5, delta: value - 0.5 },
      { metric: 'log_loss', title: 'log loss', candidate: value, champion: 0.5, delta: 0.5 - value },
      { metric: 'f1', title: 'F1', candidate: 0.75 },
    ],
  });

  test('are compared by verdict, then number, then what went in', () =>
    inTemporaryFolder(async (folder) => {
      const [before, now] = [join(folder, 'before'), join(folder, 'now')];
      await leave(before, [openRecall, check({ id: 'evaluation/f1', title: 'F1' })], details(0.9));
      const changed = [
        check({ id: 'evaluation/f1', title: 'F1', observed: 0.5 }),
        failedSlice,
        { ...openRecall, verdict: 'pass' as const },
      ];
      await leave(now, changed, details(0.95));
      const { changes, contents } = compareKept(await readKept(before), await readKept(now));
      assert.deepEqual(
        changes.verdicts.map(({ id, before: was, now: is }) => [id, was?.verdict, is?.verdict]),
        [
          ['evaluation/accuracy@source=hard_ham', undefined, 'fail'],
          ['evaluation/recall', 'inconclusive', 'pass'],
        ],
      );
      assert.deepEqual(
        changes.numbers.map(({ id }) => id),
        ['evaluation/f1'],
      );
      assert.deepEqual(changes.inputs, []);
      assert.equal(contents.headline, '2 of 3 checks changed their verdict, 1 only their numbers');
      const text = JSON.stringify(contents.sections);
      assert.match(text, /\+5\.00 points/u);
      assert.deepEqual(
        changes.metrics.map(({ metric, better }) => [metric, better]),
        [
          ['log_loss', false],
          ['recall', true],
        ],
      );
      assert.equal(changes.sameMetrics, 1);
      const { code, stdout } = await contender(folder, ['report', 'now', '--compare', 'before', '--json']);
      assert.equal(code, 0);
      assert.equal((JSON.parse(stdout) as { same: number }).same, 0);
    }));

  test('on other rows are said to be so', () =>
    inTemporaryFolder(async (folder) => {
      const [before, now] = [join(folder, 'before'), join(folder, 'now')];
      await leave(before, [openRecall]);
      const made = await leave(now, [openRecall]);
      const other = {
        ...made,
        subjects: { ...made.subjects, datasets: { evaluation: { uri: 'b', sha256: 'd'.repeat(64), rows: 9 } } },
      };
      await writeFile(join(now, 'evidence', 'evaluation.json'), JSON.stringify(other));
      const { contents } = compareKept(await readKept(before), await readKept(now, 'evaluation'));
      assert.match(contents.subject, /evaluation data differ/u);
      assert.equal(contents.headline, 'No verdict changed; numbers changed in 0 of 1 check');
    }));
});
