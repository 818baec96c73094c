import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { silentLog } from '../../src/log.ts';
import { localModel } from '../../src/model/artifact.ts';
import { predictModels } from '../../src/model/predict.ts';
import { isClose, type PredictionResult, type Tolerance } from '../../src/model/predictions.ts';
import { inTemporaryFolder } from '../support/project.ts';
import { floats, graph, int64s, intAttribute, message, model, node, tensor, valueInfo } from './onnx-builder.ts';

/** Binary scores of two features. */
const scorer = (nodes: readonly Uint8Array[], initializers: readonly Uint8Array[] = []): Uint8Array =>
  model(
    graph({
      nodes: [node('ReduceMean', ['x'], ['m'], [message([1, 'axes'], [8, 1], [20, 7])]), ...nodes],
      inputs: [valueInfo('x', 'float', ['N', 2])],
      outputs: [valueInfo('p', 'float', ['N', 1])],
      initializers,
    }),
  );

const models: Record<string, { bytes: Uint8Array; differs: 'random' | 'order' | 'batch' | null }> = {
  'that answers each row for itself': { bytes: scorer([node('Sigmoid', ['m'], ['p'])]), differs: null },
  'that draws at random': {
    bytes: scorer([
      node('RandomUniformLike', ['m'], ['noise']),
      node('Mul', ['m', 'noise'], ['s']),
      node('Sigmoid', ['s'], ['p']),
    ]),
    differs: 'random',
  },
  'with dropout left in training mode': {
    bytes: model(
      graph({
        nodes: [
          node('Dropout', ['x', 'ratio', 'training'], ['d']),
          node('MatMul', ['d', 'w'], ['s']),
          node('Sigmoid', ['s'], ['p']),
        ],
        inputs: [valueInfo('x', 'float', ['N', 2])],
        outputs: [valueInfo('p', 'float', ['N', 1])],
        initializers: [
          tensor('ratio', 'float', [], floats(0.5)),
          tensor('training', 'bool', [], Uint8Array.of(1)),
          tensor('w', 'float', [2, 1], floats(1, 1)),
        ],
      }),
    ),
    differs: 'random',
  },
  'with a softmax over the rows': {
    bytes: scorer([node('Softmax', ['m'], ['p'], [intAttribute('axis', 0)])]),
    differs: 'batch',
  },
  'with a cumulative sum over the rows': {
    bytes: scorer(
      [node('CumSum', ['m', 'axis'], ['s']), node('Sigmoid', ['s'], ['p'])],
      [tensor('axis', 'int64', [], int64s(0))],
    ),
    differs: 'order',
  },
  'whose last bits move with the other rows': {
    bytes: scorer(
      [
        node('ReduceMean', ['m'], ['all'], [message([1, 'axes'], [8, 0], [20, 7])]),
        node('Mul', ['all', 'little'], ['shift']),
        node('Add', ['m', 'shift'], ['s']),
        node('Sigmoid', ['s'], ['p']),
      ],
      [tensor('little', 'float', [], floats(1e-7))],
    ),
    differs: null,
  },
};

async function predicted(
  bytes: Uint8Array,
  tolerance?: Tolerance,
  rows = 50,
  gaps: number[] = [],
  reading: { transform?: 'sigmoid' } = {},
): Promise<PredictionResult> {
  let result: PredictionResult | undefined;
  await inTemporaryFolder(async (folder) => {
    const path = join(folder, 'm.onnx');
    await writeFile(path, bytes);
    const lines = Array.from(
      { length: rows },
      (_, row) => `${row},${gaps.includes(row) ? '' : Math.sin(row)},${Math.cos(row)},${row % 2}`,
    );
    await writeFile(join(folder, 'e.csv'), ['id,a,b,label', ...lines].join('\n'));
    [result] = await predictModels({
      models: [{ role: 'candidate', artifact: await localModel(path, 'm.onnx'), ...reading }],
      dataset: { name: 'evaluation', path: join(folder, 'e.csv'), uri: 'e.csv' },
      columns: { id: 'id', label: 'label', features: ['a', 'b'] },
      task: 'binary-classification',
      ...(tolerance === undefined ? {} : { tolerance }),
      limits: { memoryBytes: 2 ** 30, timeMs: 120_000 },
      log: silentLog,
    });
  });
  return result ?? assert.fail('no result');
}

function stabilityIn(result: PredictionResult) {
  assert.ok(result.ok, JSON.stringify(result));
  return result.stability ?? assert.fail('nothing is said of it');
}

describe('a model', () => {
  for (const [name, { bytes, differs }] of Object.entries(models)) {
    it(`${name} is told to be so`, async () => {
      const stability = stabilityIn(await predicted(bytes));
      assert.equal(stability.differs, differs);
      assert.equal(stability.rows, 16);
      assert.equal((stability.difference ?? 0) > 1e-6, differs !== null);
    });
  }

  it('that is random for rare rows only is told to be so', async () => {
    const bytes = scorer(
      [
        node('Greater', ['m', 'limit'], ['rare']),
        node('RandomUniformLike', ['m'], ['noise']),
        node('Where', ['rare', 'noise', 'm'], ['s']),
        node('Sigmoid', ['s'], ['p']),
      ],
      [tensor('limit', 'float', [], floats(0.7068))],
    );
    const stability = stabilityIn(await predicted(bytes, undefined, 8000));
    assert.deepEqual([stability.differs, stability.rows], ['random', 400]);
  });

  it('that has no answer to a row alone is told to depend on the others', async () => {
    // By the sample variance of the rows of a batch, which one row does not have.
    const bytes = scorer(
      [
        node('Shape', ['m'], ['shape']),
        node('Gather', ['shape', 'first'], ['rows']),
        node('Cast', ['rows'], ['n'], [intAttribute('to', 1)]),
        node('ReduceSumSquare', ['m'], ['squares'], [message([1, 'axes'], [8, 0], [20, 7])]),
        node('Sub', ['n', 'one'], ['freedom']),
        node('Mul', ['freedom', 'zero'], ['nothing']),
        node('Div', ['nothing', 'freedom'], ['shift']),
        node('Mul', ['squares', 'shift'], ['moved']),
        node('Add', ['m', 'moved'], ['s']),
        node('Sigmoid', ['s'], ['p']),
      ],
      [
        tensor('first', 'int64', [], int64s(0)),
        tensor('one', 'float', [], floats(1)),
        tensor('zero', 'float', [], floats(0)),
      ],
    );
    const { differs, difference } = stabilityIn(await predicted(bytes));
    assert.deepEqual([differs, difference], ['batch', null]);
  });

  it('that fails on a row alone is told to depend on the others', async () => {
    const bytes = scorer(
      [
        node('Reshape', ['m', 'pairs'], ['two']),
        node('Reshape', ['two', 'column'], ['s']),
        node('Sigmoid', ['s'], ['p']),
      ],
      [tensor('pairs', 'int64', [2], int64s(-1, 2)), tensor('column', 'int64', [2], int64s(-1, 1))],
    );
    const { differs, difference } = stabilityIn(await predicted(bytes));
    assert.deepEqual([differs, difference], ['batch', null]);
  });

  it('whose raw scores are those of probabilities in the rows that are asked again is not told to be unsteady', async () => {
    // Of 800 rows a few are above 1, and none of the 40 that are asked again.
    const bytes = scorer(
      [node('Relu', ['m'], ['s']), node('Mul', ['s', 'factor'], ['p'])],
      [tensor('factor', 'float', [], floats(1.41425))],
    );
    const result = await predicted(bytes, undefined, 800, [], { transform: 'sigmoid' });
    assert.ok(result.ok, JSON.stringify(result));
    assert.equal(result.stability, undefined);
  });

  it('that has no answer to fewer rows at all is told to depend on the others', async () => {
    const bytes = scorer(
      [
        node('Reshape', ['m', 'groups'], ['some']),
        node('Reshape', ['some', 'column'], ['s']),
        node('Sigmoid', ['s'], ['p']),
      ],
      [tensor('groups', 'int64', [2], int64s(-1, 25)), tensor('column', 'int64', [2], int64s(-1, 1))],
    );
    const { differs, difference } = stabilityIn(await predicted(bytes));
    assert.deepEqual([differs, difference], ['batch', null]);
  });

  it('that fills gaps from the rows beside them is told to do so, where gaps are rare', async () => {
    const bytes = model(
      graph({
        nodes: [
          node('IsNaN', ['x'], ['gap']),
          node('Where', ['gap', 'zero', 'x'], ['filled']),
          node('ReduceMean', ['filled'], ['mean'], [message([1, 'axes'], [8, 0], [20, 7])]),
          node('Where', ['gap', 'mean', 'x'], ['whole']),
          node('ReduceMean', ['whole'], ['m'], [message([1, 'axes'], [8, 1], [20, 7])]),
          node('Sigmoid', ['m'], ['p']),
        ],
        inputs: [valueInfo('x', 'float', ['N', 2])],
        outputs: [valueInfo('p', 'float', ['N', 1])],
        initializers: [tensor('zero', 'float', [], floats(0))],
      }),
    );
    const gaps = [1237, 5003, 7601];
    const stability = stabilityIn(await predicted(bytes, undefined, 8000, gaps));
    assert.deepEqual([stability.differs, stability.rows], ['batch', 403]);
    assert.equal(stabilityIn(await predicted(bytes, undefined, 8000)).differs, null);
  });

  it('is asked as many rows as there are', async () => {
    assert.equal(
      stabilityIn(await predicted(models['that answers each row for itself']?.bytes as Uint8Array, undefined, 3)).rows,
      3,
    );
  });

  it('without names of classes, which are then read from the labels, is asked for every row', async () => {
    // More than the engine hands over at once.
    const rows = 25_000;
    const result = await predicted(models['that answers each row for itself']?.bytes as Uint8Array, undefined, rows);
    assert.ok(result.ok);
    const { scores } = result.predictions;
    assert.equal(scores?.length, rows);
    const mean = (Math.sin(rows - 1) + Math.cos(rows - 1)) / 2;
    assert.ok(Math.abs((scores.at(-1) ?? 0) - 1 / (1 + Math.exp(-mean))) < 1e-6);
  });

  it('whose last bits move is held to the tolerance that is set', async () => {
    const { bytes } = models['whose last bits move with the other rows'] as { bytes: Uint8Array };
    assert.equal(stabilityIn(await predicted(bytes, { absolute: 0, relative: 0 })).differs, 'batch');
  });
});

describe('two answers', () => {
  it('are one within the absolute or the relative tolerance', () => {
    const tolerance = { absolute: 1e-6, relative: 1e-3 };
    assert.ok(isClose(0, 1e-6, tolerance));
    assert.ok(!isClose(0, 2e-6, tolerance));
    assert.ok(isClose(1000, 1001, tolerance));
    assert.ok(!isClose(1000, 1002, tolerance));
    assert.ok(!isClose(Number.NaN, 0, tolerance));
    assert.ok(isClose(Infinity, Infinity, tolerance));
    assert.ok(!isClose(Infinity, -Infinity, tolerance));
  });
});
