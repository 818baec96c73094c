import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { openDataset } from '../../../src/data/dataset.ts';
import { digest, type Check } from '../../../src/evidence/index.ts';
import { silentLog } from '../../../src/log.ts';
import type { PredictionResult } from '../../../src/model/predictions.ts';
import { sections } from '../../../src/stages/evaluation/sections.ts';
import { evaluate } from '../../support/stage-context.ts';
import { inTemporaryFolder } from '../../support/project.ts';

const rows = 4000;

/** A model that is wrong on the rows of the set. */
function wrongOn(from: number, to: number): PredictionResult {
  const scores = Float64Array.from({ length: rows }, (_, row) =>
    (row % 2 === 1) === (row < from || row >= to) ? 0.9 : 0.1,
  );
  return {
    ok: true,
    predictions: { rows, scores, labels: null, classes: null, kind: 'probability', threshold: 0.5 },
  };
}

const contestant = (name: string, result: PredictionResult) => ({
  artifact: { role: 'model' as const, uri: `file:${name}`, sha256: digest(name), size: 1 },
  result,
});

type Anchored = ReturnType<typeof contestant> & { version: string };

async function judged(anchor: Anchored | null, margin: number | string = 0.015): Promise<Check & { text: string }> {
  return inTemporaryFolder(async (folder) => {
    const path = join(folder, 'eval.csv');
    await writeFile(path, `id,label\n${Array.from({ length: rows }, (_, row) => `${row},${row % 2}`).join('\n')}\n`);
    const dataset = await openDataset({ name: 'evaluation', path, uri: 'eval.csv' });
    try {
      const evidence = await evaluate({
        task: 'binary-classification',
        columns: { id: 'id', label: 'label' },
        policy: {
          primary: { metric: 'accuracy', margin: 0.01, require: 'non-inferior' },
          anchor: { version: 'best', margin },
        },
        dataset,
        candidate: contestant('candidate', wrongOn(0, 240)),
        champion: contestant('champion', wrongOn(0, 220)),
        anchor,
        reuse: 0,
        log: silentLog,
      });
      const check = evidence.checks.find(({ id }) => id === 'evaluation/accuracy@anchor');
      assert.ok(check !== undefined);
      const shown = sections(evidence).find(({ title }) => title === 'Candidate against the anchor');
      return { ...check, text: JSON.stringify(shown?.rows) };
    } finally {
      dataset.close();
    }
  });
}

describe('the comparison with the anchor', () => {
  test('passes within the total margin, fails beyond it, and is shown with the version', async () => {
    const near = await judged({ version: '1.2.0', ...contestant('anchor', wrongOn(0, 200)) });
    assert.equal(near.verdict, 'pass');
    assert.equal(near.severity, 'block');
    assert.match(near.message, /1\.0 points below the anchor's 0\.9500 .*; the anchor is version 1\.2\.0\.$/u);
    assert.match(near.text, /1\.2\.0.*0\.9500.*0\.9400.*at most 1\.5 points worse/u);
    const far = await judged({ version: '1.2.0', ...contestant('anchor', wrongOn(0, 80)) });
    assert.equal(far.verdict, 'fail');
    assert.match(far.message, /4\.0 points below the anchor's 0\.9800/u);
  });

  test('of an anchor that cannot be read is inconclusive, and says what to do', async () => {
    const fault = { code: 'registry', message: 'git:0000:old.csv is not in this repository' };
    const check = await judged({ version: '1.2.0', ...contestant('anchor', { ok: false, fault }) });
    assert.equal(check.verdict, 'inconclusive');
    assert.equal(check.severity, 'block');
    assert.match(check.message, /version 1\.2\.0, cannot be evaluated.*git:0000:old\.csv.*policy\.anchor\.version/u);
  });

  test('of an anchor that is the champion is made once, under the margin of the anchor', async () => {
    const champion = contestant('champion', wrongOn(0, 220));
    const wide = await judged({ version: '1.2.0', ...champion });
    assert.equal(wide.verdict, 'pass');
    assert.match(wide.message, /version 1\.2\.0, the champion: compared once\.$/u);
    assert.equal((await judged({ version: '1.2.0', ...champion }, '0.6pp')).verdict, 'inconclusive');
  });

  test('of a candidate that is the anchor loses nothing, and without a version there is none', async () => {
    const own = await judged({ version: '1.2.0', ...contestant('candidate', wrongOn(0, 240)) });
    assert.deepEqual([own.verdict, own.severity], ['pass', 'block']);
    const none = await judged(null);
    assert.deepEqual([none.verdict, none.severity], ['skipped', 'info']);
  });
});
