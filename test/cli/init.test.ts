import assert from 'node:assert/strict';
import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { parseConfig } from '../../src/pipeline/configuration.ts';
import { contender } from '../support/gate-repository.ts';
import { fixture, inTemporaryFolder } from '../support/project.ts';

describe('contender init', () => {
  test('writes a configuration that works on the data and the model at hand, says what it assumed, and overwrites none', () =>
    inTemporaryFolder(async (folder) => {
      await cp(fixture('spam/data/eval.parquet'), join(folder, 'eval.parquet'));
      await cp(fixture('spam/models/candidate.onnx'), join(folder, 'new.onnx'));
      const args = ['init', '--data', 'eval.parquet', '--candidate', 'new.onnx'];
      const { code, stdout, stderr } = await contender(folder, args);
      assert.equal(code, 0, stderr);
      assert.match(
        stdout,
        /^Wrote contender\.yml\. It assumes:\n {2}task: binary-classification \(the label has 2 values\)/u,
      );
      const validated = await contender(folder, ['predict', '--file', 'p.csv']);
      assert.equal(validated.code, 0, validated.stderr);

      const text = await readFile(join(folder, 'contender.yml'), 'utf8');
      const again = await contender(folder, args);
      assert.equal(again.code, 2);
      assert.match(again.stderr, /contender\.yml: this file already exists.*nothing is overwritten/u);
      assert.equal(await readFile(join(folder, 'contender.yml'), 'utf8'), text);
    }));

  const tables: [string, string, string][] = [
    ['a label of words', 'key,class\na,cat\nb,dog\nc,cow\n', 'multiclass-classification'],
    ['a label of numbers', 'key,target\na,1.5\nb,2.25\nc,0.1\n', 'regression'],
    ['a label of yes and no', 'key,answer\na,yes\nb,no\nc,"yes"\n', 'binary-classification'],
    ['no column that looks like a label', 'a,b\n1,2\n', 'binary-classification'],
  ];
  for (const [name, rows, task] of tables) {
    test(`writes a valid configuration of ${task} for ${name}`, () =>
      inTemporaryFolder(async (folder) => {
        await writeFile(join(folder, 'rows.csv'), rows);
        const args = ['init', '--data', 'rows.csv', '--predictions', 'p.csv'];
        const { code, stderr } = await contender(folder, args);
        assert.equal(code, 0, stderr);
        const { models } = parseConfig(await readFile(join(folder, 'contender.yml'), 'utf8'), 'contender.yml');
        assert.equal(models['my-model']?.task, task);
        assert.deepEqual(models['my-model'].candidate, { predictions: 'p.csv' });
      }));
  }
});
