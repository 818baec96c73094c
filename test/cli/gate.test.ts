import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { Decision, Evidence } from '../../src/evidence/index.ts';
import { contender, gateRepository } from '../support/gate-repository.ts';
import { inTemporaryFolder } from '../support/project.ts';

// The tests share the machine with each other: what is asserted here is the decision, not the latency.
const short = [
  'profile: { kind: constant, rate: 200, duration: 4s, warmup: 1s }\n      slo: { p95_ms: 100,',
  'profile: { kind: constant, rate: 50, duration: 2s, warmup: 500ms }\n      slo: { p95_ms: 2000,',
] as const;

describe('contender gate', () => {
  test('rejects the candidate that ruins one slice, holds the one that cannot be told apart, promotes the better one', () =>
    inTemporaryFolder(async (folder) => {
      const repository = await gateRepository(folder);
      await repository.configure(...short);
      const registered = await contender(folder, ['registry', 'register', '--artifact', 'models/champion.onnx']);
      assert.equal(registered.code, 0, registered.stderr);

      await repository.propose('spam/models/candidate-worse.onnx');
      const worse = await contender(folder, ['gate', '--json']);
      assert.equal(worse.code, 1, worse.stderr);
      const rejected = JSON.parse(worse.stdout) as { decision: Decision; evidence: Evidence[] };
      assert.equal(rejected.decision.outcome, 'reject');
      assert.deepEqual(
        rejected.decision.reasons.filter((reason) => reason.code === 'check-failed').map((reason) => reason.check),
        ['evaluation/accuracy@source=hard_ham'],
      );

      await repository.propose('spam/models/candidate-small.onnx');
      const small = await contender(folder, ['gate', '--json']);
      assert.equal(small.code, 3, small.stderr);
      const held = JSON.parse(small.stdout) as { decision: Decision; evidence: Evidence[] };
      assert.equal(held.decision.outcome, 'hold');
      const recall = held.evidence.flatMap((each) => each.checks).find((check) => check.id === 'evaluation/recall');
      assert.equal(recall?.verdict, 'inconclusive');
      assert.ok((recall?.comparison?.rowsNeeded ?? 0) > 2350, 'says how many rows would settle it');

      await repository.propose('spam/models/candidate.onnx');
      const better = await contender(folder, ['gate', '--json']);
      assert.equal(better.code, 0, better.stderr);
      const promoted = JSON.parse(better.stdout) as { decision: Decision; commit: string };
      assert.equal(promoted.decision.outcome, 'promote');
      assert.equal(promoted.decision.to?.version, '1.0.1');
      assert.equal(await repository.recorded(), promoted.commit);

      const changed = await readFile(join(folder, '.contender/spam-filter/changed-rows.csv'), 'utf8');
      assert.match(
        changed,
        /^id,label,champion,candidate\n(?:[\w/-]+,(?:0,0,1|1,1,0)\n){13}(?:[\w/-]+,(?:0,1,0|1,0,1)\n){35}$/u,
      );

      const again = await contender(folder, ['gate', '--json']);
      assert.equal(again.code, 0);
      assert.equal((JSON.parse(again.stdout) as { decision: Decision }).decision.outcome, 'no-change');
      assert.equal(await repository.recorded(), promoted.commit, 'nothing was added');

      assert.equal(await repository.git('status', '--porcelain'), '');
      assert.equal((await contender(folder, ['registry', 'verify'])).code, 0);
      const written = JSON.parse(
        await readFile(join(folder, '.contender/spam-filter/decision.json'), 'utf8'),
      ) as Decision;
      assert.equal(written.outcome, 'no-change');
    }));

  test('records the same rejection once', () =>
    inTemporaryFolder(async (folder) => {
      const repository = await gateRepository(folder);
      await repository.configure(...short);
      await contender(folder, ['registry', 'register', '--artifact', 'models/champion.onnx']);
      await repository.propose('spam/models/candidate-worse.onnx');
      assert.equal((await contender(folder, ['gate', '--quiet'])).code, 1);
      const head = await repository.recorded();
      const second = await contender(folder, ['gate', '--quiet']);
      assert.equal(second.code, 1);
      assert.match(second.stdout, /already/u);
      assert.equal(await repository.recorded(), head);
    }));

  test('in separate steps gives the decision of the whole gate', () =>
    inTemporaryFolder(async (folder) => {
      const repository = await gateRepository(folder);
      await repository.configure(...short);
      await contender(folder, ['registry', 'register', '--artifact', 'models/champion.onnx']);
      assert.equal((await contender(folder, ['validate'])).code, 0);
      assert.equal((await contender(folder, ['evaluate'])).code, 0);
      const early = await contender(folder, ['promote', '--no-record']);
      assert.equal(early.code, 3, 'without the load test nothing is promoted');
      assert.match(early.stdout, /load evidence/u);
      assert.equal((await contender(folder, ['load-test'])).code, 0);
      const promoted = await contender(folder, ['promote']);
      assert.equal(promoted.code, 0, promoted.stderr);
      assert.match(await repository.git('log', '-1', '--format=%s', 'model-registry'), /promote/u);
    }));

  test('opens the repository once', () =>
    inTemporaryFolder(async (folder) => {
      const repository = await gateRepository(folder);
      await repository.withoutLoad();
      assert.equal((await contender(folder, ['registry', 'register', '--artifact', 'models/champion.onnx'])).code, 0);
      const trace = join(folder, '.git/trace');
      const gate = await contender(folder, ['gate'], { GIT_TRACE: trace });
      assert.equal(gate.code, 0, gate.stderr);
      assert.equal((await readFile(trace, 'utf8')).match(/built-in: git rev-parse --path-format/gu)?.length, 1);
    }));

  test('on a pull request shows the decision and leaves the registry as it is', () =>
    inTemporaryFolder(async (folder) => {
      const repository = await gateRepository(folder);
      await repository.configure(...short);
      await contender(folder, ['registry', 'register', '--artifact', 'models/champion.onnx']);
      const head = await repository.recorded();
      const result = await contender(folder, ['gate'], {
        GITHUB_EVENT_NAME: 'pull_request',
        GITHUB_REF: 'refs/pull/7/merge',
      });
      assert.equal(result.code, 0, result.stderr);
      assert.equal(await repository.recorded(), head);
    }));
});
