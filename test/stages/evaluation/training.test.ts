import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { DataError } from '../../../src/errors.ts';
import { readTraining, trainingChecks, trainingInMetadata } from '../../../src/stages/evaluation/training.ts';
import { trainingSection } from '../../../src/report/training.ts';
import type { Evidence } from '../../../src/evidence/index.ts';
import { inTemporaryFolder } from '../../support/project.ts';

const model = 'a'.repeat(64);
const digest = 'b'.repeat(64);

const read = (text: string) =>
  inTemporaryFolder(async (folder) => {
    await writeFile(join(folder, 'training.json'), text);
    return readTraining(join(folder, 'training.json'), 'training.json', model);
  });

describe('what is known of a training', () => {
  test('is read from a file in our own form', async () => {
    const training = {
      model,
      data: { train: { digest, uri: 'data/train.parquet' } },
      parameters: { depth: 6, eta: 0.1, booster: 'gbtree', early: true, seed: null },
      code: { commit: 'c0ffee', repository: 'https://example.org/r.git' },
      framework: 'xgboost 2.1',
      run: 'https://example.org/runs/7',
      time: '2026-05-01T12:00:00Z',
    };
    assert.deepEqual(await read(JSON.stringify(training)), { ...training, from: 'training.json' });
  });

  test('is read from a run as MLflow describes it, on its command line and through its API', async () => {
    const sets = [
      { dataset: { name: 'train', digest: '1a2b3c4d', source: 's3://b/train', source_type: 's3' }, tags: [] },
    ];
    const wanted = {
      run: 'mlflow:0123abcd',
      parameters: { depth: '6' },
      data: { train: { digest: '1a2b3c4d', uri: 's3://b/train' } },
      code: { commit: 'c0ffee' },
      framework: 'sklearn',
      from: 'training.json',
    };
    const history = '[{"run_id": "0", "flavors": {"sklearn": {}, "python_function": {}}}]';
    const tags = { 'mlflow.source.git.commit': 'c0ffee', 'mlflow.log-model.history': history };
    const described = {
      info: { run_id: '0123abcd', status: 'FINISHED' },
      data: { metrics: {}, params: { depth: '6' }, tags },
      inputs: { dataset_inputs: sets },
    };
    assert.deepEqual(await read(JSON.stringify(described)), wanted);
    const listed = (pairs: object) => Object.entries(pairs).map(([key, value]) => ({ key, value }));
    const answered = { run: { ...described, data: { params: listed({ depth: '6' }), tags: listed(tags) } } };
    assert.deepEqual(await read(JSON.stringify(answered)), wanted);
  });

  test('is read from the metadata of an ONNX model, as one text or key by key', () => {
    assert.deepEqual(trainingInMetadata({ 'contender.training': '{"framework":"lightgbm 4"}' }, 'm.onnx'), {
      framework: 'lightgbm 4',
      from: 'metadata of the model',
    });
    const flat = {
      author: 'somebody',
      'training.commit': 'c0ffee',
      'training.framework': 'torch 2.4',
      'training.data.train': digest,
      'training.parameters.lr': '0.01',
    };
    assert.deepEqual(trainingInMetadata(flat, 'm.onnx'), {
      framework: 'torch 2.4',
      code: { commit: 'c0ffee' },
      data: { train: { digest } },
      parameters: { lr: '0.01' },
      from: 'metadata of the model',
    });
    assert.equal(trainingInMetadata({ author: 'somebody' }, 'm.onnx'), null);
  });

  for (const [text, says] of [
    ['{', /training\.json: not JSON/u],
    ['[]', /must be object/u],
    ['{"code": {}}', /\/code .*commit/u],
    ['{"framwork": "x"}', /framwork/u],
    ['{"parameters": {"a": {"b": 1}}}', /\/parameters\/a/u],
    [JSON.stringify({ model: digest }), /it describes the model with sha256 bbb/u],
    [JSON.stringify({ framework: 'x'.repeat(3000) }), /\/framework/u],
    [JSON.stringify({ run: 'x', info: { run_id: 7 } }), /info/u],
    [' '.repeat(1024 * 1024 + 1), /more than 1 MiB/u],
  ] as const) {
    test(`is refused as ${text.slice(0, 40).trim()}`, async () => {
      await assert.rejects(read(text), (error) => error instanceof DataError && says.test(error.message));
    });
  }

  test('is asked for by the policy, and shows that the candidate was trained on the evaluation set', () => {
    assert.deepEqual(trainingChecks(null, [], [digest]), []);
    const [nothing] = trainingChecks(null, ['code'], []);
    assert.deepEqual([nothing?.verdict, nothing?.severity], ['inconclusive', 'block']);
    const known = { code: { commit: 'c0ffee' }, data: { train: { digest: `sha256:${digest}` } }, from: 'x' };
    assert.match(trainingChecks(known, ['code', 'run'], [])[0]?.message ?? '', /these are not told: run\./u);
    assert.deepEqual(
      trainingChecks(known, ['code', 'data'], [model, digest]).map(({ id, verdict }) => [id, verdict]),
      [
        ['evaluation/training', 'pass'],
        ['evaluation/training-data', 'fail'],
      ],
    );
  });

  test('is a table of the report, whatever its details hold', () => {
    const of = (training: unknown) => trainingSection([{ details: { training } } as unknown as Evidence]);
    const known = {
      framework: 'x',
      code: { commit: 'c' },
      data: { train: { digest, uri: 'u' } },
      parameters: { lr: 0.1 },
    };
    assert.deepEqual(
      of({ ...known, from: 'f' }).rows.map((row) => row.map(({ text }) => text)),
      [
        ['Framework', 'x'],
        ['Code', 'c'],
        ['Data train', `u ${digest}`],
        ['lr', '0.1'],
      ],
    );
    for (const odd of [null, 7, [], { code: 1, data: [], parameters: 'x', framework: {} }])
      assert.deepEqual(of(odd).rows, []);
  });
});
