import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { Decision } from '../../src/evidence/index.ts';
import { contender, gateRepository, type GateRepository } from '../support/gate-repository.ts';
import { inTemporaryFolder } from '../support/project.ts';

/** 400 rows whose scores know the label; a smaller `noise` knows it better. */
function scores(noise: number): string {
  const lines = Array.from({ length: 400 }, (_, row) => {
    const wobble = (((row * 7919) % 997) / 997 - 0.5) * noise;
    return `r${row},${Math.min(1, Math.max(0, (row % 2) * 0.5 + 0.25 + wobble)).toFixed(6)}`;
  });
  return `id,score\n${lines.join('\n')}\n`;
}

async function predictionRepository(folder: string): Promise<GateRepository> {
  const repository = await gateRepository(folder);
  const rows = Array.from({ length: 400 }, (_, row) => `r${row},${row % 2 === 1 ? 'yes' : 'no'}`);
  await writeFile(join(folder, 'data/answers.csv'), `id,answer\n${rows.join('\n')}\n`);
  await writeFile(join(folder, 'scores.csv'), scores(1));
  await writeFile(
    join(folder, 'contender.yml'),
    `version: 1
models:
  survey:
    task: binary-classification
    candidate: { predictions: scores.csv }
    columns: { id: id, label: answer, positive: "yes" }
    data: { evaluation: data/answers.csv }
    policy: { allow_first: true, primary: { metric: roc_auc, margin: 0.01, min: 0.6 } }
  other:
    task: binary-classification
    candidate: { predictions: scores.csv }
    columns: { id: id, label: answer, positive: "yes" }
    data: { evaluation: data/answers.csv }
    policy: { primary: { metric: roc_auc, margin: 0.01 } }
`,
  );
  await repository.commit('Score the survey elsewhere');
  return repository;
}

const gate = async (folder: string): Promise<{ code: number | null; decision: Decision; stderr: string }> => {
  const { code, stdout, stderr } = await contender(folder, ['gate', '--model', 'survey', '--json']);
  return { code, stderr, decision: (JSON.parse(stdout || '{}') as { decision: Decision }).decision };
};

describe('a team that has only files of predictions', () => {
  test('registers what serves today, read as its candidates are', () =>
    inTemporaryFolder(async (folder) => {
      const repository = await predictionRepository(folder);
      await repository.configure(
        'predictions: scores.csv }',
        'predictions: scores.csv, score: score, threshold: 0.4 }',
      );
      await writeFile(join(folder, 'today.csv'), scores(0.9));
      await repository.commit('What serves today');
      const register = ['registry', 'register', '--artifact', 'today.csv', '--json', '--model'];
      const registered = await contender(folder, [...register, 'survey']);
      assert.equal(registered.code, 0, registered.stderr);
      const { to } = (JSON.parse(registered.stdout) as { decision: Decision }).decision;
      const [artifact] = to?.artifacts ?? [];
      assert.equal(artifact?.role, 'predictions');
      assert.match(artifact.uri, /^git:[0-9a-f]{40}:today\.csv$/u);
      assert.deepEqual(artifact.reading, { score: 'score', threshold: 0.4 });

      await writeFile(join(folder, 'scores.csv'), scores(0.5));
      await repository.commit('Better');
      const better = await gate(folder);
      assert.equal(better.decision.outcome, 'promote', JSON.stringify(better.decision.reasons) + better.stderr);
      assert.equal(better.decision.from?.version, '1.0.0');

      await repository.configure('candidate: { predictions: scores.csv }', 'candidate: models/candidate.onnx');
      const other = await contender(folder, [...register, 'other']);
      assert.equal(other.code, 2, other.stdout);
      assert.match(other.stderr, /today\.csv is a file of predictions.*Set candidate: \{ predictions: FILE \}/u);
    }));

  test('promotes a first champion, then a better one against it, and keeps a worse one out', () =>
    inTemporaryFolder(async (folder) => {
      const repository = await predictionRepository(folder);
      const first = await gate(folder);
      assert.equal(first.decision.outcome, 'promote', JSON.stringify(first.decision.reasons));

      await writeFile(join(folder, 'scores.csv'), scores(0.8));
      await repository.commit('Better');
      const better = await gate(folder);
      assert.equal(better.decision.outcome, 'promote', JSON.stringify(better.decision.reasons));
      assert.equal(better.decision.from?.version, '1.0.0');

      await writeFile(join(folder, 'scores.csv'), scores(3));
      await repository.commit('Worse');
      const worse = await gate(folder);
      assert.equal(worse.decision.outcome, 'reject', JSON.stringify(worse.decision.reasons));
      const verified = await contender(folder, ['registry', 'verify']);
      assert.equal(verified.code, 0, 'several models, and none need be chosen');
    }));

  test('cannot record bytes under the digest of others', () =>
    inTemporaryFolder(async (folder) => {
      const repository = await predictionRepository(folder);
      await repository.configure(
        '{ predictions: scores.csv }',
        `{ predictions: scores.csv, sha256: ${'ab'.repeat(32)} }`,
      );
      const head = await repository.recorded();
      const refused = await contender(folder, ['gate', '--model', 'survey']);
      assert.equal(refused.code, 2);
      assert.match(refused.stderr, /scores\.csv has sha256 [0-9a-f]{64}\. Expected sha256 abab/u);
      assert.equal(await repository.recorded(), head);
    }));
});

describe('contender promote', () => {
  test('without any evidence is a mistake, not a decision', () =>
    inTemporaryFolder(async (folder) => {
      const repository = await predictionRepository(folder);
      const head = await repository.recorded();
      const result = await contender(folder, ['promote', '--model', 'survey']);
      assert.equal(result.code, 2);
      assert.match(result.stderr, /no evidence.*contender gate/su);
      assert.equal(await repository.recorded(), head);
    }));

  test("shows today's reasons beside today's evidence, and records a hold for another reason as another decision", () =>
    inTemporaryFolder(async (folder) => {
      const repository = await predictionRepository(folder);
      await repository.configure('allow_first: true, ', 'required_evidence: [evaluation, load], ');
      assert.equal((await contender(folder, ['evaluate', '--model', 'survey'])).code, 0);
      const first = await contender(folder, ['promote', '--model', 'survey', '--json']);
      assert.equal(first.code, 3, first.stderr);
      await repository.configure('required_evidence: [evaluation, load], ', 'required_evidence: [evaluation], ');
      const stale = JSON.parse((await contender(folder, ['promote', '--model', 'survey', '--json'])).stdout) as {
        decision: Decision;
      };
      assert.equal(stale.decision.reasons[0]?.code, 'stale');
      assert.equal((await contender(folder, ['evaluate', '--model', 'survey'])).code, 0);
      const fresh = JSON.parse((await contender(folder, ['promote', '--model', 'survey', '--json'])).stdout) as {
        decision: Decision;
        status: string;
      };
      assert.equal(fresh.status, 'recorded', 'the same outcome for another reason');
      assert.deepEqual(
        fresh.decision.reasons.map((reason) => reason.code),
        ['first-model'],
      );
      const written = await readFile(join(folder, '.contender/survey/decision.json'), 'utf8');
      assert.deepEqual((JSON.parse(written) as Decision).reasons, fresh.decision.reasons);
    }));
});

test('a version that is taken or is none is refused before the long work', () =>
  inTemporaryFolder(async (folder) => {
    await predictionRepository(folder);
    const result = await contender(folder, ['gate', '--model', 'survey', '--set-version', 'latest']);
    assert.equal(result.code, 2);
    assert.match(result.stderr, /"latest".*semantic version/su);
    assert.doesNotMatch(result.stderr, /Predict|Evaluate/u);
  }));
