import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Evidence } from '../../src/evidence/index.ts';
import { contender, gateRepository } from '../support/gate-repository.ts';
import { inTemporaryFolder } from '../support/project.ts';

/** An entry of metadata_props (field 14 of ModelProto), to be put behind a model. */
function metadata(key: string, value: string): Buffer {
  const text = (field: number, of: string): Buffer => Buffer.from([(field << 3) | 2, of.length, ...Buffer.from(of)]);
  const entry = Buffer.concat([text(1, key), text(2, value)]);
  return Buffer.concat([Buffer.from([(14 << 3) | 2, entry.length]), entry]);
}

test('a policy that asks how a candidate was trained holds one of which it is not told, and evidence keeps what is', () =>
  inTemporaryFolder(async (folder) => {
    const repository = await gateRepository(folder);
    await repository.withoutLoad();
    await repository.configure('    policy:\n', '    policy:\n      training: [code, framework]\n');
    const evaluate = async (...args: string[]): Promise<{ code: number | null; evidence: Evidence }> => {
      const champion = ['--champion', 'models/champion.onnx'];
      const { code, stdout, stderr } = await contender(folder, ['evaluate', '--json', ...champion, ...args]);
      assert.notEqual(stdout, '', stderr);
      return { code, evidence: JSON.parse(stdout) as Evidence };
    };
    const verdictOf = ({ checks }: Evidence, id: string) => checks.find((check) => check.id === id)?.verdict;
    const untold = await evaluate();
    assert.deepEqual([untold.code, verdictOf(untold.evidence, 'evaluation/training')], [3, 'inconclusive']);

    const model = join(folder, 'models/candidate.onnx');
    const told = [metadata('training.commit', 'c0ffee'), metadata('training.framework', 'sklearn 1.5')];
    await writeFile(model, Buffer.concat([await readFile(model), ...told]));
    const inModel = await evaluate();
    assert.deepEqual([inModel.code, verdictOf(inModel.evidence, 'evaluation/training')], [0, 'pass']);
    assert.deepEqual(inModel.evidence.details['training'], {
      framework: 'sklearn 1.5',
      code: { commit: 'c0ffee' },
      from: 'metadata of the model',
    });

    const { sha256 } = inModel.evidence.subjects.datasets['evaluation'] ?? { sha256: '' };
    const data = { train: { digest: sha256 } };
    await writeFile(join(folder, 'training.json'), JSON.stringify({ code: { commit: 'c' }, framework: 'x', data }));
    await repository.configure('    policy:\n', '    training: training.json\n    policy:\n');
    const leaked = await evaluate();
    assert.deepEqual([leaked.code, verdictOf(leaked.evidence, 'evaluation/training-data')], [1, 'fail']);
  }));
