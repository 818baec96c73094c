import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { openDataset } from '../../../src/data/dataset.ts';
import { digest, type Evidence } from '../../../src/evidence/index.ts';
import { silentLog } from '../../../src/log.ts';
import type { ChangedRow } from '../../../src/stages/evaluation/agreement.ts';
import type { Policy } from '../../../src/stages/evaluation/schema.ts';
import { evaluate } from '../../support/stage-context.ts';
import { inTemporaryFolder } from '../../support/project.ts';

interface Row {
  label: string;
  weight: number;
  side: string;
  champion: number;
  candidate: number;
}

const policy: Policy = {
  primary: { metric: 'accuracy', margin: 0.02, require: 'superior' },
  guardrails: [{ metric: 'accuracy', margin: 0.5, slices: ['side', { name: 'left', sql: "side = 'a'" }], min_rows: 5 }],
  fairness: { columns: ['side'], gates: [{ metric: 'accuracy_difference', max: 0.9 }], min_rows: 5 },
  discover: { columns: ['side'], min_rows: 5 },
  metrics: [{ name: 'right', sql: 'sum(w * (label = prediction)::int) / sum(w)', higher_is_better: true }],
};

async function judged(rows: readonly Row[]): Promise<{ evidence: Evidence; changed: readonly ChangedRow[] }> {
  return inTemporaryFolder(async (folder) => {
    const path = join(folder, 'eval.csv');
    const lines = rows.map(({ label, weight, side }, index) => `${index},${label},${weight},${side}`);
    await writeFile(path, `id,label,w,side\n${lines.join('\n')}\n`);
    const dataset = await openDataset({ name: 'evaluation', path, uri: 'eval.csv' });
    const contestant = (name: 'champion' | 'candidate') => ({
      artifact: { role: 'model' as const, uri: `file:${name}`, sha256: digest(name), size: 1 },
      result: {
        ok: true as const,
        predictions: {
          rows: rows.length,
          scores: Float64Array.from(rows, (row) => row[name]),
          labels: null,
          classes: null,
          kind: 'probability' as const,
          threshold: 0.5,
        },
      },
    });
    let changed: readonly ChangedRow[] = [];
    try {
      const evidence = await evaluate({
        task: 'binary-classification',
        columns: { id: 'id', label: 'label', weight: 'w' },
        policy,
        dataset,
        candidate: contestant('candidate'),
        champion: contestant('champion'),
        reuse: 0,
        log: silentLog,
        onChanged: (found) => (changed = found),
      });
      return { evidence, changed };
    } finally {
      dataset.close();
    }
  });
}

describe('rows of weight 0', () => {
  test('are no rows: for n, min_rows, slices, groups, metrics in SQL, classes and changed rows', async () => {
    const counting = Array.from({ length: 24 }, (_, index): Row => {
      const right = index % 2 === 1 ? 0.9 : 0.2;
      const champion = index < 12 ? 1 - right : right;
      return { label: String(index % 2), weight: 1, side: index % 3 === 0 ? 'a' : 'b', champion, candidate: right };
    });
    // On these the champion is right and the candidate wrong; some have no label, and a group of their own.
    const empty = Array.from({ length: 76 }, (_, index): Row => ({
      label: index % 5 === 0 ? '' : '1',
      weight: 0,
      side: index % 4 === 0 ? 'c' : 'a',
      champion: 0.9,
      candidate: 0.1,
    }));
    const mixed = counting.flatMap((row, index) => [...empty.slice(3 * index, 3 * index + 3), row]);
    const alone = await judged(counting);
    const both = await judged([...mixed, ...empty.slice(72)]);
    assert.deepEqual(both.evidence.checks, alone.evidence.checks);
    const { profiles: ofBoth, ...details } = both.evidence.details;
    const { profiles: ofAlone, ...expected } = alone.evidence.details;
    assert.deepEqual(details, expected);
    // The profile of the scores says also how many rows the file has.
    const columnsOf = (profiles: unknown): unknown => (profiles as { scores: { columns: unknown } }).scores.columns;
    assert.deepEqual(columnsOf(ofBoth), columnsOf(ofAlone));
    const accuracy = both.evidence.checks.find(({ id }) => id === 'evaluation/accuracy');
    assert.equal(accuracy?.verdict, 'inconclusive');
    assert.equal(accuracy?.comparison?.n, 24);
    assert.match(accuracy?.message ?? '', /24 rows, fewer than min_rows 30/u);
    // Changed rows have their places in the data.
    assert.deepEqual(
      both.changed.map(({ row }) => row),
      alone.changed.map(({ row }) => 4 * row + 3),
    );
  });

  test('weights whose squares are no numbers are refused with their row', async () => {
    for (const weight of [1e-320, 1e308]) {
      const row: Row = { label: '1', weight, side: 'a', champion: 0.9, candidate: 0.9 };
      await assert.rejects(judged([{ ...row, weight: 1 }, row]), {
        name: 'DataError',
        message: /row 2 has the weight .* in column "w"\. Expected 0, or weights from 1e-100 to 1e\+100/u,
      });
    }
  });
});
