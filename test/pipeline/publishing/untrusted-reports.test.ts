import assert from 'node:assert/strict';
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { EvidenceError } from '../../../src/errors.ts';
import { evidenceDigest, type Decision, type Evidence } from '../../../src/evidence/index.ts';
import { readUntrustedReports } from '../../../src/pipeline/publishing/untrusted-reports.ts';
import { stages } from '../../../src/stages/index.ts';
import { decision, evidence, failedSlice, recorded } from '../../report/samples.ts';
import { inTemporaryFolder } from '../../support/project.ts';

const proof = evidence([failedSlice]);
const reference = (each: Evidence): Decision['evidence'][number] => ({
  kind: each.kind,
  sha256: evidenceDigest(each),
  verdict: each.verdict,
  summary: {},
  finishedAt: each.finishedAt,
});
const honest = decision({ outcome: 'reject', evidence: [reference(proof)] });

/** A downloaded artifact: what `files` says, by path. */
function withArtifact<T>(files: Record<string, unknown>, work: (folder: string) => Promise<T>): Promise<T> {
  return inTemporaryFolder(async (folder) => {
    for (const [path, value] of Object.entries(files)) {
      await mkdir(join(folder, path, '..'), { recursive: true });
      await writeFile(join(folder, path), typeof value === 'string' ? value : JSON.stringify(value));
    }
    return work(folder);
  });
}

const files = (over: Record<string, unknown> = {}): Record<string, unknown> => ({
  'spam-filter/decision.json': honest,
  'spam-filter/evidence/evaluation.json': proof,
  'spam-filter/report.md': '# <img src=x onerror=alert(1)>',
  ...over,
});

describe('what a run of strangers left', () => {
  test('is read as decision and evidence of each model, and nothing else of it', () =>
    withArtifact(
      files({ 'README.md': 'x', '.hidden/decision.json': honest, 'other/notes.txt': 'x' }),
      async (folder) => {
        const reports = await readUntrustedReports(folder);
        assert.deepEqual(reports, [{ model: 'spam-filter', input: { stages, decision: honest, evidence: [proof] } }]);
      },
    ));

  test('is nothing where nothing was decided', () =>
    withArtifact({}, async (folder) => assert.deepEqual(await readUntrustedReports(folder), [])));

  test('never says that something was recorded', () =>
    withArtifact(
      files({ 'spam-filter/decision.json': { ...recorded({ outcome: 'promote' }), evidence: [] } }),
      async (folder) => {
        const [report] = await readUntrustedReports(folder);
        assert.ok(report?.input.decision !== null && report?.input.decision !== undefined);
        assert.ok(!('seq' in report.input.decision));
      },
    ));

  const refusals: Record<string, Record<string, unknown>> = {
    'text that is no JSON': { 'spam-filter/decision.json': '{' },
    'a decision of another form': { 'spam-filter/decision.json': { schema: 'contender/decision/v1' } },
    'a decision on another model': { 'spam-filter/decision.json': { ...honest, model: 'other' } },
    'an act of a person': { 'spam-filter/decision.json': { ...honest, action: 'override' } },
    'evidence that the decision does not name': {
      'spam-filter/evidence/evaluation.json': { ...proof, verdict: 'pass' },
    },
    'evidence that is missing': {
      'spam-filter/decision.json': { ...honest, evidence: [reference(proof), { ...reference(proof), kind: 'load' }] },
    },
    'a kind that leads elsewhere': {
      'spam-filter/decision.json': { ...honest, evidence: [{ ...reference(proof), kind: '../../../evaluation' }] },
    },
    'more checks than anybody has': many(5001),
    'a file of many megabytes': { 'spam-filter/decision.json': ' '.repeat(17 * 1024 * 1024) },
  };
  for (const [what, over] of Object.entries(refusals)) {
    test(`is refused for ${what}`, () =>
      withArtifact(files(over), (folder) => assert.rejects(readUntrustedReports(folder), EvidenceError)));
  }

  test('is refused for a link, wherever it leads', () =>
    withArtifact(files({ 'elsewhere.json': proof }), async (folder) => {
      const path = join(folder, 'spam-filter/evidence/evaluation.json');
      await rm(path);
      await symlink(join(folder, 'elsewhere.json'), path);
      await assert.rejects(readUntrustedReports(folder), /untrusted run/u);
    }));

  test('is refused for hundreds of models', () =>
    withArtifact(Object.fromEntries(Array.from({ length: 30 }, (_, index) => [`m${index}/x`, ''])), (folder) =>
      assert.rejects(readUntrustedReports(folder), /at most 20 models/u),
    ));
});

function many(count: number): Record<string, unknown> {
  const large = evidence(Array.from({ length: count }, (_, index) => ({ ...failedSlice, id: `evaluation/${index}` })));
  return {
    'spam-filter/decision.json': { ...honest, evidence: [reference(large)] },
    'spam-filter/evidence/evaluation.json': large,
  };
}
