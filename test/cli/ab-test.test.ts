import assert from 'node:assert/strict';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { Decision } from '../../src/evidence/index.ts';
import { contender, gateRepository, type CommandResult } from '../support/gate-repository.ts';
import { inTemporaryFolder } from '../support/project.ts';

const section = `    ab_test:
      assignments: logs/exposures.csv
      columns: { user: user, arm: arm }
      arms: { champion: A, candidate: B }
      users: 2000
      users_per_day: 100
      metrics:
        - { name: reports, kind: conversion, column: reported, better: lower, require: non-inferior, margin: 5pp, expected: { value: 0.1, effect: 2pp } }
`;

/** Every tenth user of the champion reports a message, and every `of`th of the candidate. */
async function writeLogs(folder: string, of: number): Promise<void> {
  const lines = ['user,arm,reported'];
  for (let user = 0; user < 4000; user += 1) {
    const candidate = user % 2 === 1;
    const every = candidate ? of : 10;
    lines.push(`u${user},${candidate ? 'B' : 'A'},${(user >> 1) % every === 0 ? 1 : 0}`);
  }
  await mkdir(join(folder, 'logs'), { recursive: true });
  await writeFile(join(folder, 'logs/exposures.csv'), `${lines.join('\n')}\n`);
}

async function decisionIn(folder: string): Promise<Decision> {
  return JSON.parse(await readFile(join(folder, '.contender/spam-filter/decision.json'), 'utf8')) as Decision;
}

function told({ code, stdout, stderr }: CommandResult, expected: number): string {
  assert.equal(code, expected, stdout + stderr);
  return stdout;
}

describe('an experiment after the gate', () => {
  it('lets the gate hold, and promotes or rejects by the same decision, on another machine', () =>
    inTemporaryFolder(async (folder) => {
      const repository = await gateRepository(folder);
      await repository.withoutLoad();
      await repository.configure('registry:', `${section}registry:`);
      const run = (...args: string[]): Promise<CommandResult> => contender(folder, args);
      told(await run('registry', 'register', '--artifact', 'models/champion.onnx'), 0);

      assert.match(told(await run('ab-test', '--plan'), 0), /reports +0\.1 +2pp +[\d,]+ +\d+ +[\d,]+ +\d+/u);
      const missing = await run('ab-test');
      assert.equal(missing.code, 2);
      assert.match(missing.stderr, /logs\/exposures\.csv.*there is no such file/su);

      told(await run('gate'), 3);
      assert.deepEqual(
        (await decisionIn(folder)).reasons.map(({ code, message }) => [
          code,
          /requires ab-test evidence/u.test(message),
        ]),
        [['evidence-missing', true]],
      );

      await rm(join(folder, '.contender'), { recursive: true });
      await writeLogs(folder, 5);
      assert.match(
        told(await run('ab-test'), 1),
        /reports is 0\.2000, 10\.0 points worse than the champion's 0\.1000/u,
      );
      told(await run('promote', '--no-record'), 1);
      assert.equal((await decisionIn(folder)).outcome, 'reject');

      await rm(join(folder, '.contender'), { recursive: true });
      await writeLogs(folder, 10);
      told(await run('ab-test'), 0);
      assert.match(told(await run('promote'), 0), /Recorded in commit/u);
      const promoted = await decisionIn(folder);
      assert.deepEqual(promoted.evidence.map(({ kind }) => kind).toSorted(), ['ab-test', 'data', 'evaluation']);
      assert.equal(promoted.to?.version, '1.0.1');
      told(await run('registry', 'verify'), 0);
    }));
});
