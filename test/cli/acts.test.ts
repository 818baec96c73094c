import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { PromoteResult } from '../../src/pipeline/gate/promote.ts';
import { contender, gateRepository, type CommandResult, type GateRepository } from '../support/gate-repository.ts';
import { inTemporaryFolder } from '../support/project.ts';

test('a hold is overridden by a named person, rolled back, and the version deprecated; everything is in the log', () =>
  inTemporaryFolder(async (folder) => {
    const repository = await spam(folder);
    await repository.propose('spam/models/candidate-worse.onnx');
    assert.equal((await contender(folder, ['gate', '--quiet'])).code, 1);
    const refused = await contender(folder, ['registry', 'override', '--reason', 'ship it']);
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, /a rejection cannot be overridden.*policy change/isu);

    await repository.propose('spam/models/candidate-small.onnx');
    assert.equal((await contender(folder, ['gate', '--quiet'])).code, 3);
    const head = await repository.recorded();
    const rehearsal = await contender(folder, ['registry', 'override', '--no-record', '--reason', 'half the size']);
    assert.match(rehearsal.stdout, /1\.0\.1 would be champion instead of 1\.0\.0\. Not recorded\./u);
    assert.match((await contender(folder, ['registry', 'override', '--reason', ' '])).stderr, /no reason/u);
    assert.equal((await contender(folder, ['registry', 'override'])).code, 2);
    assert.equal(await repository.recorded(), head);
    // Left behind by a run about another candidate.
    const old = join(folder, '.contender/spam-filter/evidence/behaviour.json');
    await writeFile(old, '{}');
    const overridden = await json(folder, 'registry', 'override', '--reason', 'half the size', '--by', 'Grace Hopper');
    assert.equal(overridden.status, 'recorded');
    assert.equal(existsSync(old), false);
    assert.equal(overridden.decision.overrides, 3);
    assert.equal(overridden.decision.approvals[0]?.by, 'Grace Hopper');
    assert.deepEqual(overridden.evidence.map((each) => each.kind).toSorted(), ['data', 'evaluation']);
    assert.equal(
      await repository.git('log', '-1', '--format=%s', 'model-registry'),
      'contender: promote spam-filter v1.0.1 by override',
    );
    const again = await json(folder, 'registry', 'override', '--reason', 'half the size', '--by', 'Grace Hopper');
    assert.equal(again.status, 'already-recorded');

    const tried = await contender(folder, ['rollback', '--no-record', '--reason', 'mail is lost']);
    assert.match(tried.stdout, /1\.0\.0 would be champion instead of 1\.0\.1\. Not recorded\./u);
    const back = await json(folder, 'rollback', '--reason', 'mail is lost');
    assert.deepEqual([back.status, back.decision.to?.version], ['recorded', '1.0.0']);
    assert.equal((await json(folder, 'rollback', '--reason', 'mail is lost')).status, 'already-recorded');

    await repository.configure(
      '  path: registry',
      '  path: registry\n  environments: { staging: {}, live: { after: staging, evidence: [evaluation, data] } }',
    );
    const early = await contender(folder, ['registry', 'assign', '--environment', 'live', '--version', '1.0.1']);
    assert.match(early.stderr, /1\.0\.1 was never in staging/u);
    const assigned = await contender(folder, ['registry', 'assign', '--environment', 'staging', '--version', '1.0.1']);
    assert.match(assigned.stdout, /1\.0\.1 is in staging\. Recorded/u);
    assert.match(
      assigned.stderr,
      /warning: Version 1\.0\.1, now in staging, was rolled back by decision \d+: mail is lost/u,
    );
    assert.equal(assigned.stderr.split('was rolled back by').length, 2, assigned.stderr);
    const held = await contender(folder, ['registry', 'assign', '--environment', 'live', '--version', '1.0.1']);
    assert.match(held.stderr, /evaluation evidence on version 1\.0\.1 did not pass/u);
    const inUse = await contender(folder, ['registry', 'deprecate', '--version', '1.0.1', '--reason', 'x']);
    assert.match(inUse.stderr, /in environment staging.*registry unassign --environment staging/su);
    const emptied = await contender(folder, [
      'registry',
      'unassign',
      '--environment',
      'staging',
      '--reason',
      'loses mail',
    ]);
    assert.match(emptied.stdout, /1\.0\.1 is removed from staging\. Recorded in commit/u);

    const deprecated = await contender(folder, [
      'registry',
      'deprecate',
      '--version',
      '1.0.1',
      '--reason',
      'loses mail',
    ]);
    assert.match(deprecated.stdout, /1\.0\.1 is deprecated\. Recorded in commit/u);
    const gone = await contender(folder, ['rollback', '--to', 'v1.0.1', '--reason', 'no']);
    assert.match(gone.stderr, /1\.0\.1 is deprecated.*There is nothing to roll back to/su);
    // The file of a deprecated version is rejected without evidence; the checks are those of the gate before.
    assert.equal((await contender(folder, ['gate', '--quiet'])).code, 1);
    const check = ['--check', 'evaluation/roc_auc', '--until', '30d', '--reason', 'known', '--no-record'];
    const waived = await contender(folder, ['registry', 'waive', ...check]);
    assert.equal(waived.code, 0, waived.stderr);
    const log = await contender(folder, ['registry', 'log']);
    assert.match(
      log.stdout,
      /deprecated 1\.0\.1.*took 1\.0\.1 out of staging, by.*rolled back from 1\.0\.1 to 1\.0\.0.*mail is lost.*promoted by override .* as 1\.0\.1/su,
    );
    assert.equal((await contender(folder, ['registry', 'verify'])).code, 0);
    assert.equal(await repository.git('status', '--porcelain'), '');
  }));

test('a rejected candidate is let in once a person waives the check, and no longer when the waiver is over', () =>
  inTemporaryFolder(async (folder) => {
    const repository = await spam(folder);
    await repository.propose('spam/models/candidate-worse.onnx');
    const waive = (check: string, until: string): string[] => [
      'registry',
      'waive',
      '--check',
      check,
      '--until',
      until,
      '--reason',
      'this source is retired',
    ];
    // Before a gate was recorded, a check is known by the evidence in the output folder.
    const validated = await contender(folder, ['validate', '--json', '--out', 'tried']);
    const [first] = (JSON.parse(validated.stdout) as { checks: { id: string }[] }).checks;
    const rehearse = [...waive(first?.id ?? '', '30d'), '--no-record'];
    assert.equal((await contender(folder, rehearse)).code, 2);
    assert.equal((await contender(folder, [...rehearse, '--out', 'tried'])).code, 0);

    const rejected = await contender(folder, ['gate', '--quiet', '--json']);
    assert.equal(rejected.code, 1);
    const { decision } = JSON.parse(rejected.stdout) as PromoteResult;
    const slice = decision.reasons.find(({ check }) => check?.includes('@source=hard_ham') === true)?.check ?? '';
    const head = await repository.recorded();
    const unknown = await contender(folder, waive(slice.replace('hard_ham', 'hard_hem'), '30d'));
    assert.deepEqual([unknown.code, unknown.stderr.includes(`Did you mean ${slice}?`)], [2, true], unknown.stderr);
    for (const until of ['tomorrow', '2026-13-45', '9999d', '2001-01-01']) {
      assert.equal((await contender(folder, waive(slice, until))).code, 2, until);
    }
    for (const until of ['9999-02-29', '9999-02-29T12:00:00Z']) {
      const noDay = await contender(folder, waive(slice, until));
      assert.ok(noDay.stderr.includes(`until "${until}"`), noDay.stderr);
    }
    assert.equal(await repository.recorded(), head);

    for (const { check = '' } of decision.reasons) {
      const waived = await contender(folder, waive(check, '30d'));
      assert.match(waived.stdout, /is waived until \d{4}-\d\d-\d\d \d\d:\d\d UTC\. Recorded in commit/u, waived.stderr);
    }
    assert.match((await contender(folder, ['registry', 'show', 'spam-filter'])).stdout, /Active waivers/u);
    const promoted = await contender(folder, ['gate', '--no-record']);
    assert.equal(promoted.code, 0, promoted.stdout);
    assert.match(promoted.stdout, /fail \(waived\).*this source is retired/su);
    const page = await readFile(join(folder, '.contender/spam-filter/report.html'), 'utf8');
    assert.match(page, /fail \(waived\).*this source is retired/su);

    assert.equal((await contender(folder, waive(slice, 'now'))).code, 0);
    assert.equal((await contender(folder, ['gate', '--no-record', '--quiet'])).code, 1);
    assert.equal((await contender(folder, ['registry', 'verify'])).code, 0);
  }));

test('a rollback to a version whose artifact is gone or changed is refused, and nothing is written', () =>
  inTemporaryFolder(async (folder) => {
    const repository = await spam(folder);
    await repository.propose('spam/models/candidate.onnx');
    assert.equal((await contender(folder, ['gate', '--quiet'])).code, 0);
    const head = await repository.recorded();
    const blob = await repository.git('rev-parse', 'HEAD:models/champion.onnx');
    await rm(join(folder, '.git/objects', blob.slice(0, 2), blob.slice(2)), { force: true });
    const refused = await contender(folder, ['rollback', '--reason', 'back']);
    assert.equal(refused.code, 2, refused.stdout);
    assert.match(refused.stderr, /git (?:could not read object|ls-tree failed)|cannot be read/u);
    assert.equal(await repository.recorded(), head);
  }));

/** The spam case with its champion registered, gated on data and evaluation alone. */
async function spam(folder: string): Promise<GateRepository> {
  const repository = await gateRepository(folder);
  await repository.configure(
    `    load:
      profile: { kind: constant, rate: 200, duration: 4s, warmup: 1s }
      slo: { p95_ms: 100, error_rate: 0.001, accuracy: parity }
`,
    '',
  );
  const registered = await contender(folder, ['registry', 'register', '--artifact', 'models/champion.onnx']);
  assert.equal(registered.code, 0, registered.stderr);
  return repository;
}

async function json(folder: string, ...args: string[]): Promise<PromoteResult> {
  const result: CommandResult = await contender(folder, [...args, '--json']);
  assert.equal(result.code, 0, result.stderr);
  return JSON.parse(result.stdout) as PromoteResult;
}
