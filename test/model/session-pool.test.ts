import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { openModel } from '../../src/model/artifact.ts';
import type { Feeds } from '../../src/model/batches.ts';
import { planSession } from '../../src/model/run.ts';
import { openSession } from '../../src/model/session.ts';
import { poolSize, startPool } from '../../src/model/session-pool.ts';
import { fixture, inTemporaryFolder } from '../support/project.ts';

describe('sessions side by side', () => {
  it('answer bit for bit as one alone, each batch for itself, and tell which model fails', async () => {
    await inTemporaryFolder(async (folder) => {
      const plan = async (name: string) =>
        planSession(await openModel(fixture(name), name, join(folder, 'files'))).plan;
      const [one, external] = [await plan('spam/models/champion.onnx'), await plan('onnx-zoo/external-data.onnx')];
      const alone = await openSession(one);
      const pool = startPool([one, external, null], 2);
      const batch = (seed: number): Feeds => ({
        features: {
          type: 'float',
          dims: [100, 60],
          data: Float32Array.from({ length: 6000 }, (_, index) => Math.abs(Math.sin(seed * 7919 + index))),
        },
      });
      try {
        const outcomes = await Promise.all(
          Array.from({ length: 8 }, (_, seed) =>
            pool.run([batch(seed), { x: { type: 'float', dims: [1, 2], data: new Float32Array(2) } }, null]),
          ),
        );
        for (const [seed, [first, second, third]] of outcomes.entries()) {
          const expected = await alone.run(batch(seed));
          assert.ok(first?.ok === true);
          assert.deepEqual(first.outputs, expected);
          assert.ok(second?.ok === false);
          assert.match(second.fault.found, /expects 6 but gets 2/u);
          assert.equal(third, null);
        }
      } finally {
        await pool.close();
        await alone.close();
      }
    });
  });

  it(
    'run in the thread that opened them, and in no other',
    { skip: process.platform !== 'linux' && 'threads are counted in /proc' },
    () =>
      inTemporaryFolder(async (folder) => {
        const name = 'spam/models/champion.onnx';
        const { plan } = planSession(await openModel(fixture(name), name, join(folder, 'files')));
        const x = { type: 'float', dims: [1, 60], data: new Float32Array(60) };
        const opened = async (): Promise<() => Promise<void>> => {
          const session = await openSession(plan);
          await session.run({ features: x });
          return session.close;
        };
        // The first starts what the runtime shares.
        const closing = [await opened()];
        const threads = async (): Promise<number> => (await readdir('/proc/self/task')).length;
        const before = await threads();
        for (let more = 0; more < 3; more += 1) closing.push(await opened());
        assert.equal(await threads(), before);
        for (const close of closing) await close();
      }),
  );

  it('are started where they save time, and their memory is there', () => {
    const much = { batches: 1000, batchMs: 100, modelBytes: 1000, memoryBytes: 2 ** 32 };
    assert.ok(poolSize(much) >= 1);
    assert.equal(poolSize({ ...much, batches: 1 }), 0);
    assert.equal(poolSize({ ...much, batchMs: 0.1 }), 0);
    assert.equal(poolSize({ ...much, modelBytes: 2 ** 30 }), 0);
  });
});
