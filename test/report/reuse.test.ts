import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { renderReleaseNotes, versionChanges, type Published } from '../../src/report/index.ts';
import { lineage } from '../../src/report/lineage.ts';
import { datasetChange } from '../../src/report/version-changes.ts';
import { reuseChecks, spendAlpha } from '../../src/stages/evaluation/holdout.ts';
import { evidence, recorded } from './samples.ts';

function published(name: string, uri: string, reuse: number): Published {
  const datasets = { evaluation: { uri, sha256: 'b'.repeat(64), rows: 2350 } };
  const to = { version: name, artifacts: [] };
  const checks = reuseChecks(reuse, spendAlpha(0.05, undefined, reuse));
  return {
    decision: recorded({ outcome: 'promote', to, datasets }),
    evidence: [{ ...evidence(checks), details: { reuse } }],
  };
}

describe('how often an evaluation set was used', () => {
  it('is one number in evidence, report, diff and release notes', () => {
    const [before, now] = [published('1.0.0', 'old.csv', 0), published('1.0.1', 'e.csv', 3)];
    const said = [
      now.evidence[0]?.checks[0]?.message ?? '',
      JSON.stringify(lineage({ ...now, server: {} } as unknown as Parameters<typeof lineage>[0])),
      versionChanges(before, now).datasets.map(datasetChange).join('\n'),
      renderReleaseNotes(now, before),
    ];
    for (const text of said) assert.match(text, /\b3 decisions (?:before|were made on this evaluation set before)/u);
  });

  it('is not told to be never where only the version before did without it', () => {
    const before = { ...published('1.0.0', 'e.csv', 0), evidence: [] };
    before.decision.datasets = {};
    const [text] = versionChanges(before, published('1.0.1', 'e.csv', 2)).datasets.map(datasetChange);
    assert.equal(
      text,
      'Data (evaluation): e.csv, 2,350 rows, not part of the other decision, used for 2 decisions before',
    );
  });
});
