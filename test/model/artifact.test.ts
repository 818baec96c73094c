import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFile, mkdir, readFile, rename, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { canonicalJson, sha256 } from '../../src/evidence/canonical.ts';
import { localModel } from '../../src/model/artifact.ts';
import { inspectModel } from '../../src/model/inspect.ts';
import { fixture, inTemporaryFolder } from '../support/project.ts';
import { zoo } from './zoo.ts';

const models = await zoo();

describe('the identity of a model', () => {
  it('is the digest of its file when it has no other', async () => {
    for (const model of models.filter((each) => each.valid && each.extra_files.length === 0)) {
      const artifact = await localModel(fixture(`onnx-zoo/${model.file}`), `file:${model.file}`);
      assert.equal(artifact.sha256, model.sha256);
      assert.equal(artifact.size, model.bytes);
      assert.equal(artifact.role, 'model');
    }
  });

  it('covers its external data', async () => {
    await inTemporaryFolder(async (folder) => {
      const original = await localModel(fixture('onnx-zoo/external-data.onnx'), 'm');
      const named = original.files.map(({ sha256: own, size }, index) => ({
        name: index === 0 ? 'model' : 'external-data.onnx.data',
        sha256: own,
        size,
      }));
      assert.equal(original.sha256, sha256(canonicalJson(named)));
      const copy = join(folder, 'renamed.onnx');
      const weights = join(folder, 'external-data.onnx.data');
      await copyFile(fixture('onnx-zoo/external-data.onnx'), copy);
      await copyFile(fixture('onnx-zoo/external-data.onnx.data'), weights);
      assert.equal((await localModel(copy, 'm')).sha256, original.sha256);
      const bytes = await readFile(weights);
      bytes[0] = (bytes[0] as number) ^ 1;
      await writeFile(weights, bytes);
      assert.notEqual((await localModel(copy, 'm')).sha256, original.sha256);
      await writeFile(weights, bytes.subarray(0, 100));
      await assert.rejects(localModel(copy, 'm'), /external data "external-data\.onnx\.data" has 100 bytes/u);
    });
  });

  it('is refused when the external data is a link out of the folder', async () => {
    await inTemporaryFolder(async (folder) => {
      const inner = join(folder, 'inner');
      await mkdir(inner);
      await copyFile(fixture('onnx-zoo/external-data.onnx'), join(inner, 'model.onnx'));
      await copyFile(fixture('onnx-zoo/external-data.onnx.data'), join(folder, 'secret'));
      await symlink(join(folder, 'secret'), join(inner, 'external-data.onnx.data'));
      await assert.rejects(localModel(join(inner, 'model.onnx'), 'm'), /refused: .* is a link to a file outside/u);
    });
  });

  it('needs a file', async () => {
    await assert.rejects(localModel(fixture('no-such-model.onnx'), 'no-such-model.onnx'), {
      name: 'ModelError',
      message: /^no-such-model\.onnx: there is no such file/u,
    });
    await assert.rejects(
      localModel(fixture('spam'), 'file:spam'),
      /^ModelError: spam: this is a folder.*Name the file/u,
    );
  });

  it('names the model beside a path that was misspelt, as the person wrote it', async () => {
    await assert.rejects(localModel(fixture('spam/models/candidat.onnx'), 'file:models/candidat.onnx'), {
      message: /^models\/candidat\.onnx: there is no such file.*Did you mean "models\/candidate\.onnx"\?/u,
    });
    await assert.rejects(localModel(fixture('spam/model/candidate.pkl'), 'file:spam/model/candidate.pkl'), {
      message: /Did you mean "spam\/models\/candidate\.onnx"\?/u,
    });
    for (const start of ['./', '../', fixture('spam/')]) {
      await assert.rejects(
        localModel(fixture('spam/models/candidat.onnx'), `file:${start}models/candidat.onnx`),
        ({ message }: Error) => message.includes(`Did you mean "${start}models/candidate.onnx"?`),
      );
    }
  });

  it('is refused when the external data is a folder', async () => {
    await inTemporaryFolder(async (folder) => {
      await copyFile(fixture('onnx-zoo/external-data.onnx'), join(folder, 'model.onnx'));
      await mkdir(join(folder, 'external-data.onnx.data'));
      await assert.rejects(localModel(join(folder, 'model.onnx'), 'm'), {
        name: 'ModelError',
        message: /the external data "external-data\.onnx\.data" is a folder/u,
      });
    });
  });

  it('needs a file that is no pipe and no device', async () => {
    await inTemporaryFolder(async (folder) => {
      await promisify(execFile)('mkfifo', [join(folder, 'model.onnx')]);
      for (const path of [join(folder, 'model.onnx'), '/dev/zero']) {
        await assert.rejects(localModel(path, 'm'), { name: 'ModelError', message: /this is not a file/u });
      }
    });
  });

  it('is told from a cut-off file at any length', async () => {
    const bytes = await readFile(fixture('onnx-zoo/sklearn-binary-matrix.onnx'));
    await inTemporaryFolder(async (folder) => {
      const path = join(folder, 'part.onnx');
      for (let length = 1; length < bytes.length; length += 1) {
        await writeFile(`${path}.new`, bytes.subarray(0, length));
        await rename(`${path}.new`, path);
        // Where it happens to end between two fields of the model it may still be a model: one without operator sets.
        const result = await localModel(path, 'part.onnx').then(
          (artifact) => artifact.sha256,
          (error: Error) => error.name,
        );
        assert.ok(
          result === 'ModelError' || result === createHash('sha256').update(bytes.subarray(0, length)).digest('hex'),
        );
      }
    });
  });
});

describe('inspection', () => {
  for (const model of models.filter((each) => each.valid)) {
    it(`shows inputs, outputs and versions of ${model.file}`, async () => {
      const inspection = await inspectModel(fixture(`onnx-zoo/${model.file}`));
      const typed = (type: string): string => /^tensor\((.*)\)$/u.exec(type)?.[1] ?? type;
      assert.deepEqual(
        inspection.inputs.map(({ name, type, shape }) => ({ name, type, shape })),
        model.inputs.map(({ name, type, shape }) => ({ name, type: typed(type), shape })),
      );
      assert.equal(inspection.irVersion, model.ir_version);
      assert.deepEqual(inspection.opset, model.opset);
      assert.equal(inspection.producer, model.producer);
      assert.equal(inspection.size, model.bytes);
      assert.deepEqual(inspection.externalData, model.extra_files);
      assert.deepEqual(inspection.problems, []);
    });
  }

  it('reads feature names, classes and the number of parameters', async () => {
    const spam = await inspectModel(fixture('spam/models/champion.onnx'));
    assert.equal(spam.featureNames?.length, 60);
    assert.equal(spam.featureNames?.[0], 'word_free');
    assert.ok(spam.parameters >= 61 && spam.parameters < 1000, String(spam.parameters));
    const { origins } = await inspectModel(fixture('onnx-zoo/sklearn-zipmap-strings.onnx'));
    assert.deepEqual(origins['output_probability'], {
      source: 'raw',
      classes: ['setosa', 'versicolor', 'virginica'],
    });
    assert.deepEqual(origins['output_label'], origins['output_probability']);
    assert.deepEqual((await inspectModel(fixture('onnx-zoo/no-shape-dims.onnx'))).featureCounts, { x: 6 });
  });
});
