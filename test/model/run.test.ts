import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { localModel } from '../../src/model/artifact.ts';
import { loadModel } from '../../src/model/run.ts';
import { fixture, inTemporaryFolder } from '../support/project.ts';
import { floats, graph, message, model, node, valueInfo } from './onnx-builder.ts';
import { flatOutputs, tensorOf, zoo, zooModel } from './zoo.ts';

const models = await zoo();

describe('a loaded model', () => {
  for (const model of models.filter((each) => each.valid)) {
    it(`answers as Python onnxruntime: ${model.file}`, async () => {
      const loaded = await loadModel(fixture(`onnx-zoo/${model.file}`), model.file);
      try {
        const golden = model.golden;
        assert.ok(golden);
        const feeds = Object.fromEntries(
          Object.entries(golden.inputs).map(([name, tensor]) => [name, tensorOf(tensor)]),
        );
        const outputs = await loaded.run(feeds);
        for (const [name, expected] of Object.entries(golden.outputs)) {
          const actual = Array.from<unknown>((outputs[name] ?? assert.fail(name)).data);
          const wanted = flatOutputs(expected);
          assert.equal(actual.length, wanted.length, name);
          for (const [index, value] of wanted.entries()) {
            if (typeof value === 'string') assert.equal(actual[index], value);
            else
              assert.ok(
                Math.abs(Number(actual[index]) - Number(value)) <= tolerance(Number(value)),
                `${name}[${index}]: ${String(actual[index])} for ${String(value)}`,
              );
          }
        }
      } finally {
        await loaded.close();
      }
    });
  }

  it('takes any number of rows where the model fixes one, and gives each the answer it has alone', async () => {
    const loaded = await loadModel(fixture('onnx-zoo/fixed-batch-1.onnx'), 'fixed-batch-1.onnx');
    try {
      const { data } = tensorOf(zooModel(models, 'no-shape-dims.onnx').golden?.inputs['x'] ?? assert.fail('no input'));
      const outputs = await loaded.run({ x: { type: 'float', dims: [5, 6], data } });
      assert.deepEqual(outputs['p']?.dims, [5, 1]);
      const golden = flatOutputs(zooModel(models, 'no-shape-dims.onnx').golden?.outputs['p'] ?? []);
      for (const [row, value] of golden.entries()) {
        assert.ok(Math.abs(Number(outputs['p']?.data[row]) - Number(value)) < 1e-6);
      }
    } finally {
      await loaded.close();
    }
  });

  it('says which input expects what when it is fed something else', async () => {
    const loaded = await loadModel(fixture('onnx-zoo/float64.onnx'), 'float64.onnx');
    try {
      await assert.rejects(loaded.run({ x: { type: 'float', dims: [1, 6], data: new Float32Array(6) } }), {
        name: 'ModelError',
        message: /input x is given float\. Expected double/u,
      });
      await assert.rejects(loaded.run({ x: { type: 'double', dims: [1, 5], data: new Float64Array(5) } }), {
        name: 'ModelError',
        message: /input x expects 6 but gets 5/u,
      });
      await assert.rejects(loaded.run({}), { message: /nothing for input x/u });
    } finally {
      await loaded.close();
    }
  });
});

describe('the first dimension of a model', () => {
  const times = (rows: number): Uint8Array =>
    model(
      graph({
        nodes: [node('Add', ['x', 'x'], ['y'])],
        inputs: [valueInfo('x', 'float', [rows, 2])],
        outputs: [valueInfo('y', 'float', [rows, 2])],
      }),
    );

  it('may be -1, which leaves it open', async () => {
    await inTemporaryFolder(async (folder) => {
      await writeFile(join(folder, 'm.onnx'), times(-1));
      const loaded = await loadModel(join(folder, 'm.onnx'), 'm.onnx');
      assert.deepEqual(loaded.inspection.inputs[0]?.shape, [null, 2]);
      const { y } = await loaded.run({ x: { type: 'float', dims: [3, 2], data: Float32Array.of(1, 2, 3, 4, 5, 6) } });
      assert.deepEqual(Array.from(y?.data as Float32Array), [2, 4, 6, 8, 10, 12]);
      await loaded.close();
    });
  });

  it('may not be 0', async () => {
    await inTemporaryFolder(async (folder) => {
      await writeFile(join(folder, 'm.onnx'), times(0));
      await assert.rejects(loadModel(join(folder, 'm.onnx'), 'm.onnx'), /first dimension of input x is 0/u);
    });
  });
});

describe('a model with a ZipMap and external data', () => {
  it('is loaded, as either alone is', async () => {
    const weights = message([1, 2], [2, 1], [8, 'w'], [13, message([1, 'location'], [2, './w.bin'])], [14, 1]);
    const zip = message(
      [1, 'p'],
      [2, 'z'],
      [4, 'ZipMap'],
      [5, message([1, 'classlabels_int64s'], [8, 0], [8, 1], [20, 7])],
      [7, 'ai.onnx.ml'],
    );
    const map = message([4, message([1, message([5, message([1, 7], [2, message([1, message([1, 1])])])])])]);
    const bytes = message(
      [1, 8],
      [
        7,
        graph({
          nodes: [node('Mul', ['x', 'w'], ['p']), zip],
          inputs: [valueInfo('x', 'float', ['N', 2])],
          outputs: [message([1, 'z'], [2, map])],
          initializers: [weights],
        }),
      ],
      [8, message([1, ''], [2, 17])],
      [8, message([1, 'ai.onnx.ml'], [2, 3])],
    );
    await inTemporaryFolder(async (folder) => {
      await writeFile(join(folder, 'm.onnx'), bytes);
      await writeFile(join(folder, 'w.bin'), floats(2, 3));
      const loaded = await loadModel(join(folder, 'm.onnx'), 'm.onnx');
      const { z } = await loaded.run({ x: { type: 'float', dims: [1, 2], data: Float32Array.of(1, 1) } });
      assert.deepEqual(Array.from(z?.data as Float32Array), [2, 3]);
      await loaded.close();
    });
  });
});

/** What a person needs to read about each broken model, at loading or before. */
const broken: Record<string, RegExp> = {
  'broken/truncated.onnx': /truncated or damaged \(protobuf parsing failed.*Upload it again and compare/u,
  'broken/random-bytes.onnx': /this is not an ONNX file/u,
  'broken/empty.onnx': /the file is empty/u,
  'broken/git-lfs-pointer.onnx': /Git LFS pointer, not the model.*git lfs pull/u,
  'broken/html-error-page.onnx': /HTML page, not a model: the download went wrong/u,
  'broken/opset-99.onnx': /needs ONNX opset 99 .*this runtime supports up to \d+.*lower opset/u,
  'broken/missing-ml-domain.onnx': /uses operators of domain ai\.onnx\.ml but does not declare it \(opset_import\)/u,
  'broken/unknown-op.onnx': /needs operator com\.example::FancyTree, which this runtime does not have/u,
  'broken/external-data-missing.onnx': /keeps its weights in "no-such-file\.data", which is not there/u,
  'broken/external-data-escape.onnx': /refused: the model refers to a file outside its own folder/u,
  'broken/type-error.onnx': /graph is not valid: node Add gets float and int64 inputs/u,
  'broken/shape-error.onnx': /contradicts itself: input x has 6 features, its first weights need 5/u,
};

describe('a model that cannot be loaded', () => {
  const others: [string, number[] | string, RegExp][] = [
    ['a pickle', [0x80, 4, 0x95, 0, 0], /^model: this is not an ONNX file, but a Python pickle/u],
    ['a checkpoint of PyTorch', [0x50, 0x4b, 3, 4, 0, 0], /but a zip archive \(such as PyTorch/u],
    ['a model of Keras', [0x89, 0x48, 0x44, 0x46, 13, 10], /but an HDF5 file/u],
    ['data', 'PAR1\u0015', /but a Parquet file/u],
    ['a script', 'import sklearn\n', /but a text file/u],
  ];
  for (const [what, bytes, message] of others) {
    it(`is named where it is ${what}`, () =>
      inTemporaryFolder(async (folder) => {
        await writeFile(join(folder, 'model'), typeof bytes === 'string' ? bytes : Buffer.from(bytes));
        await assert.rejects(localModel(join(folder, 'model'), 'file:model'), { name: 'ModelError', message });
      }));
  }
  for (const [file, message] of Object.entries(broken)) {
    it(`is refused with what its owner needs to know: ${file}`, async () => {
      const path = fixture(`onnx-zoo/${file}`);
      await assert.rejects(
        async () => {
          const artifact = await localModel(path, file);
          await (await loadModel(artifact.path, file)).close();
        },
        (error: Error) => {
          assert.equal(error.name, 'ModelError');
          assert.match(error.message, message);
          assert.ok(error.message.includes(file), error.message);
          return true;
        },
      );
    });
  }
});

/** Kernels of two builds may differ in the last bits of a float32. */
function tolerance(value: number): number {
  return 2e-6 * Math.max(1, Math.abs(value));
}
