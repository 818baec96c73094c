import assert from 'node:assert/strict';
import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { PromoteResult } from '../../src/pipeline/gate/promote.ts';
import type { Reproduction } from '../../src/pipeline/reproduce/reproduce.ts';
import type { Selection } from '../../src/stages/stage.ts';
import { contender, gateRepository } from '../support/gate-repository.ts';
import { fixture, inTemporaryFolder } from '../support/project.ts';

test('of the models that a pattern names the best goes on, at a divided level, and those passed over are recorded', () =>
  inTemporaryFolder(async (folder) => {
    const repository = await gateRepository(folder);
    await repository.withoutLoad();
    for (const name of ['candidate', 'candidate-small', 'candidate-worse']) {
      await cp(fixture(`spam/models/${name}.onnx`), join(folder, `models/new-${name}.onnx`));
    }
    await repository.configure('candidate: models/candidate.onnx', 'candidate: models/new-*.onnx');
    assert.equal((await contender(folder, ['registry', 'register', '--artifact', 'models/champion.onnx'])).code, 0);

    const alone = await contender(folder, ['promote', '--no-record']);
    assert.match(alone.stderr, /3 candidates, but no evaluation has chosen one/u);
    const gate = await contender(folder, ['gate', '--json']);
    assert.equal(gate.code, 0, gate.stderr);
    const { decision, evidence } = JSON.parse(gate.stdout) as PromoteResult;
    assert.match(decision.to?.artifacts[0]?.uri ?? '', /:models\/new-candidate\.onnx$/u);
    const details = evidence.find(({ kind }) => kind === 'evaluation')?.details ?? {};
    const selection = details['selection'] as Selection;
    assert.equal(details['alpha'], 0.05 / 3);
    assert.deepEqual(
      selection.places.map(({ uri, chosen, value }) => [uri, chosen, value === null]),
      [
        ['file:models/new-candidate-small.onnx', false, false],
        ['file:models/new-candidate-worse.onnx', false, false],
        ['file:models/new-candidate.onnx', true, false],
      ],
    );
    assert.match(await readFile(join(folder, '.contender/spam-filter/report.html'), 'utf8'), /Leaderboard/u);
    assert.equal((await contender(folder, ['registry', 'verify'])).code, 0);
    const again = await contender(folder, ['reproduce', 'spam-filter', '2', '--json']);
    assert.equal((JSON.parse(again.stdout) as Reproduction).agrees, true, again.stdout);

    await writeFile(join(folder, 'models/new-broken.onnx'), 'no model');
    for (const [candidate, says] of [
      ['models/new-?*.onnx', /new-broken\.onnx: this is not an ONNX file/u],
      ['models/none-*.onnx', /no file matches "models\/none-\*\.onnx"/u],
      ['[models/new-candidate.onnx]', /candidate/u],
    ] as const) {
      await repository.configure(
        /candidate: .*/u.exec(await readFile(join(folder, 'contender.yml'), 'utf8'))?.[0] ?? '',
        `candidate: ${candidate}`,
      );
      const refused = await contender(folder, ['evaluate']);
      assert.equal(refused.code, 2);
      assert.match(refused.stderr, says);
    }
  }));
