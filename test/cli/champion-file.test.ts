import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { Decision } from '../../src/evidence/index.ts';
import { contender, gateRepository } from '../support/gate-repository.ts';
import { graph, intAttribute, model as onnxModel, node, valueInfo } from '../model/onnx-builder.ts';
import { inTemporaryFolder } from '../support/project.ts';

const rows = Array.from({ length: 200 }, (_, row) => row);

describe('a champion that is a file of predictions', () => {
  test('and lacks rows of a refreshed evaluation set cannot be evaluated, which holds and aborts nothing', () =>
    inTemporaryFolder(async (folder) => {
      const { commit } = await gateRepository(folder);
      const write = (name: string, lines: readonly string[]): Promise<void> =>
        writeFile(join(folder, name), `${lines.join('\n')}\n`);
      const scores = (noise: number, from: number): string[] => [
        'id,score',
        ...rows.map((row) => `${row + from},${row % 2 === 1 ? 1 - noise : noise}`),
      ];
      await write('data/answers.csv', ['id,answer', ...rows.map((row) => `${row + 50},${row % 2}`)]);
      await write('candidate.csv', scores(0.1, 50));
      await write('champion.csv', scores(0.2, 0));
      await write('contender.yml', [
        'version: 1',
        'models:',
        '  survey:',
        '    task: binary-classification',
        '    candidate: { predictions: candidate.csv }',
        '    champion: { predictions: champion.csv }',
        '    columns: { id: id, label: answer }',
        '    data: { evaluation: data/answers.csv }',
        '    policy: { primary: { metric: accuracy, margin: 0.1, require: non-inferior } }',
      ]);
      await commit('Refresh the evaluation set');
      const { code, stdout, stderr } = await contender(folder, ['gate', '--no-record', '--json']);
      assert.equal(code, 3, stderr);
      const { decision } = JSON.parse(stdout) as { decision: Decision };
      assert.equal(decision.outcome, 'hold');
      assert.match(JSON.stringify(decision.reasons), /cannot be evaluated.*50 of 200 rows .* have no prediction/u);
    }));
});

describe('a candidate that answers NaN where a feature has no value', () => {
  const repositoryOf = async (folder: string, champion: string): Promise<void> => {
    const { commit } = await gateRepository(folder);
    const exported = (nodes: Uint8Array[]): Uint8Array =>
      onnxModel(
        graph({
          nodes,
          inputs: [valueInfo('f0', 'float', ['N', 1])],
          outputs: [valueInfo('p', 'float', ['N', 1])],
        }),
      );
    const strict = [node('Sigmoid', ['f0'], ['p'])];
    const robust = [node('IsNaN', ['f0'], ['gap']), node('Cast', ['gap'], ['p'], [intAttribute('to', 1)])];
    await writeFile(join(folder, 'models/strict.onnx'), exported(strict));
    await writeFile(join(folder, 'models/robust.onnx'), exported(robust));
    const data = rows.map((row) => `${row},${row === 6 || row === 10 ? '' : (row % 2) * 6 - 3},${row % 2}`);
    await writeFile(join(folder, 'data/gaps.csv'), `${['id,f0,y', ...data].join('\n')}\n`);
    await writeFile(join(folder, 'p.csv'), `${['id,score', ...rows.map((row) => `${row},0.${row % 2}`)].join('\n')}\n`);
    await writeFile(
      join(folder, 'contender.yml'),
      [
        'version: 1',
        'models:',
        '  survey:',
        '    task: binary-classification',
        '    candidate: models/strict.onnx',
        champion,
        '    columns: { id: id, label: y, features: [f0] }',
        '    data: { evaluation: data/gaps.csv }',
        '    policy: { primary: { metric: accuracy, margin: 0.1, require: non-inferior } }',
      ].join('\n'),
    );
    await commit('Leave two gaps');
  };

  for (const champion of ['models/robust.onnx', '{ predictions: p.csv }']) {
    test(`is rejected where the champion answers these rows: ${champion}`, () =>
      inTemporaryFolder(async (folder) => {
        await repositoryOf(folder, `    champion: ${champion}`);
        const { code, stdout, stderr } = await contender(folder, ['gate', '--no-record', '--json']);
        assert.equal(code, 1, stderr);
        assert.match(
          JSON.stringify((JSON.parse(stdout) as { decision: Decision }).decision.reasons),
          /2 of 200 .* NaN/u,
        );
      }));
  }

  test('is a question for a person where nobody answers them', () =>
    inTemporaryFolder(async (folder) => {
      await repositoryOf(folder, '    champion: { predictions: data/gaps.csv }');
      const { code, stderr } = await contender(folder, ['gate', '--no-record']);
      assert.equal(code, 2);
      assert.match(stderr, /row 7 has no value in column "f0", .* Fill the missing values as in training/u);
    }));
});

describe('a champion that is named on the command line', () => {
  test('stands in the command that the report suggests, and a run without one says that nothing was compared', () =>
    inTemporaryFolder(async (folder) => {
      const repository = await gateRepository(folder);
      await repository.propose('spam/models/candidate-worse.onnx');
      const { stdout } = await contender(folder, ['evaluate', '--champion', 'models/champion.onnx']);
      const again = 'contender evaluate --model spam-filter --champion models/champion.onnx';
      assert.ok(stdout.replace(/\s+/gu, ' ').includes(`Check again: ${again}`), stdout);
      const gate = await contender(folder, ['gate', '--no-record', '--champion', 'models/champion.onnx']);
      assert.equal(gate.code, 1, gate.stderr);
      const page = await readFile(join(folder, '.contender/spam-filter/report.html'), 'utf8');
      assert.ok(page.replace(/\s+/gu, ' ').includes(again));
      const alone = await contender(folder, ['evaluate']);
      assert.match(alone.stdout.replace(/\s+/gu, ' '), /and there was no champion to compare with/u);
    }));
});
