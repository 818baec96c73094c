import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { openDataset } from '../../src/data/dataset.ts';
import { silentLog } from '../../src/log.ts';
import { localModel } from '../../src/model/artifact.ts';
import { featureBatches, type Feeds } from '../../src/model/batches.ts';
import { planInputs } from '../../src/model/features.ts';
import { HostedModelFault, hostModel, type HostedModel } from '../../src/model/hosted-model.ts';
import { predictModels } from '../../src/model/predict.ts';
import { fixture, inTemporaryFolder } from '../support/project.ts';
import { endlessModel } from './onnx-builder.ts';
import { predictionProcesses } from './processes.ts';

const limits = { memoryBytes: 2 ** 30, timeMs: 60_000 };
const columns = { id: 'id', label: 'label' };
const task = 'binary-classification';
const source = { name: 'evaluation', path: fixture('spam/data/eval.parquet'), uri: 'data/eval.parquet' };

describe('a model in a process of its own', () => {
  it('predicts the rows it was fed as the whole prediction does, and differently when they are changed', async () => {
    const artifact = await localModel(fixture('spam/models/champion.onnx'), 'file:champion.onnx');
    const [expected] = await predictModels({
      models: [{ role: 'champion', artifact }],
      dataset: source,
      columns,
      task,
      limits,
      log: silentLog,
    });
    const host = await hostModel({ role: 'champion', artifact, reading: {}, limits });
    try {
      const { rows, feedable } = await feed(host);
      assert.deepEqual(feedable.unseen, []);
      assert.equal(feedable.missing.length, 60);
      const plain = await host.predict(null);
      assert.ok(plain.ok && expected?.ok === true);
      assert.deepEqual(plain.predictions.scores, expected.predictions.scores?.subarray(0, rows));
      const change = { kind: 'permute', column: 'word_money', seed: 1 } as const;
      const [changed, again] = [await host.predict(change), await host.predict(change)];
      assert.ok(changed.ok && again.ok);
      assert.notDeepEqual(changed.predictions.scores, plain.predictions.scores);
      assert.deepEqual(changed.predictions.scores, again.predictions.scores);
      const times = await host.time(100, 5, 0);
      assert.equal(times.length, 5);
      assert.ok(times.every((ms) => ms > 0));
      assert.ok((await host.peakBytes()) > host.idleBytes);
    } finally {
      host.close();
    }
    assert.deepEqual(await gone(), []);
  });

  it('tells what a model says of rows it cannot take, and can be asked again', async () => {
    const artifact = await localModel(fixture('spam/models/champion.onnx'), 'file:champion.onnx');
    const host = await hostModel({ role: 'champion', artifact, reading: {}, limits });
    try {
      await feed(host);
      const broken = await host.predict({ kind: 'missing', share: 1, columns: ['word_money'], seed: 1 });
      assert.match(broken.ok ? '' : broken.fault.message, /predictions are NaN/u);
      assert.ok((await host.predict(null)).ok);
    } finally {
      host.close();
    }
  });

  it('is at fault when it does not load, hangs, or takes too much memory, and leaves nothing behind', async () => {
    await inTemporaryFolder(async (folder) => {
      const cases = [
        { bytes: endlessModel(60, false), limits: { ...limits, timeMs: 8000 }, code: 'time' },
        { bytes: endlessModel(60, true), limits: { ...limits, memoryBytes: 400 * 2 ** 20 }, code: 'memory' },
      ];
      for (const [index, each] of cases.entries()) {
        const path = join(folder, `${index}.onnx`);
        await writeFile(path, each.bytes);
        const artifact = await localModel(path, `file:${index}.onnx`);
        const host = await hostModel({ role: 'candidate', artifact, reading: {}, limits: each.limits });
        await feed(host);
        const fault = (error: unknown): boolean => error instanceof HostedModelFault && error.fault.code === each.code;
        await assert.rejects(host.predict(null), fault);
        await assert.rejects(host.predict(null), fault, 'and from then on');
        host.close();
      }
      const artifact = await localModel(fixture('onnx-zoo/broken/type-error.onnx'), 'file:broken.onnx');
      await assert.rejects(hostModel({ role: 'candidate', artifact, reading: {}, limits }), HostedModelFault);
    });
    assert.deepEqual(await gone(), []);
  });

  it('ends with the signal of its caller', async () => {
    await inTemporaryFolder(async (folder) => {
      const path = join(folder, 'endless.onnx');
      await writeFile(path, endlessModel(60, false));
      const controller = new AbortController();
      const host = await hostModel({
        role: 'candidate',
        artifact: await localModel(path, 'file:endless.onnx'),
        reading: {},
        limits,
        signal: controller.signal,
      });
      await feed(host);
      const asked = host.predict(null);
      controller.abort(new Error('enough'));
      await assert.rejects(asked, { message: 'enough' });
    });
    assert.deepEqual(await gone(), []);
  });
});

/** Feed the first batch of the evaluation set, 300 rows of it. */
async function feed(host: HostedModel): Promise<{ rows: number; feedable: Awaited<ReturnType<HostedModel['feed']>> }> {
  const rows = 300;
  const dataset = await openDataset(source);
  try {
    const given = host.inspection.featureNames === null ? { ...columns, features: await features(dataset) } : columns;
    const plans = planInputs(host.inspection, given, dataset.columns);
    for await (const batch of featureBatches(dataset, [plans], { start: 0, count: rows })) {
      const feeds = batch.feeds[0] as Feeds;
      return { rows, feedable: await host.feed({ plans, feeds, rows, task, columns: given, settled: null }) };
    }
    throw new Error('no rows');
  } finally {
    dataset.close();
  }
}

async function features(dataset: Awaited<ReturnType<typeof openDataset>>): Promise<string[]> {
  const others = ['id', 'label', 'content_type', 'length_bucket', 'source', 'has_html'];
  return dataset.columns.map(({ name }) => name).filter((name) => !others.includes(name));
}

/** The processes that live a moment later: one that was killed takes a moment to go. */
async function gone(): Promise<number[]> {
  for (let tries = 0; tries < 50 && (await predictionProcesses()).length > 0; tries += 1) {
    await new Promise((done) => setTimeout(done, 20));
  }
  return predictionProcesses();
}
