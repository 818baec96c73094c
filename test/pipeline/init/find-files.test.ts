import assert from 'node:assert/strict';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { findFiles, ofRole } from '../../../src/pipeline/init/find-files.ts';
import { inTemporaryFolder } from '../../support/project.ts';

test('models, tables and predictions are told apart by name, and what is no part of the project is not looked at', () =>
  inTemporaryFolder(async (folder) => {
    for (const path of ['data', 'preds', 'node_modules/x', '.venv', 'models'])
      await mkdir(join(folder, path), { recursive: true });
    const files = [
      'data/eval.csv',
      'data/eval.jsonl.zst',
      'data/scoreboard.parquet',
      'preds/new.csv',
      'test_predictions.jsonl.gz',
      'models/a.ONNX',
      'models/b.pkl',
    ];
    for (const path of [...files, 'node_modules/x/m.onnx', '.venv/e.csv', 'notes.txt'])
      await writeFile(join(folder, path), '');
    await symlink('/', join(folder, 'everything'));
    assert.deepEqual(await findFiles(folder), {
      models: ['models/a.ONNX'],
      data: ['data/eval.csv', 'data/eval.jsonl.zst', 'data/scoreboard.parquet'],
      predictions: ['preds/new.csv', 'test_predictions.jsonl.gz'],
      others: ['models/b.pkl'],
    });
  }));

test('the file that is named as its part alone comes before others that have the word', () => {
  const paths = ['models/candidate-worse.onnx', 'models/candidate.onnx', 'models/newer.onnx'];
  assert.deepEqual(ofRole(paths, 'candidate'), ['models/candidate.onnx']);
  assert.deepEqual(ofRole(['eval_new/rows.csv', 'train/rows.csv'], 'evaluation'), ['eval_new/rows.csv']);
  assert.deepEqual(ofRole(['a.onnx', 'candidates.onnx'], 'candidate'), []);
});
