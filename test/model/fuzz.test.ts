import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { ContenderError } from '../../src/errors.ts';
import { silentLog } from '../../src/log.ts';
import { localModel, type LocalArtifact } from '../../src/model/artifact.ts';
import { predictModels } from '../../src/model/predict.ts';
import type { PredictionResult } from '../../src/model/predictions.ts';
import { fixture, inTemporaryFolder } from '../support/project.ts';
import { predictionProcesses } from './processes.ts';

/** Mutants in all; CONTENDER_FUZZ=1000 for the long run. */
const count = Number(process.env['CONTENDER_FUZZ'] ?? 100);
/** Mutants that share a process. One that takes it down has all of them run again alone, as any two models would. */
const together = 20;
const seed = 20_240_501;

describe(`${count} damaged models`, () => {
  it('are each either predicted with or refused with a message; none crashes the caller, hangs, or leaves a process', async (test) => {
    const random = generator(seed);
    const originals = await Promise.all(
      ['champion', 'candidate-small', 'champion-int8'].map((name) => readFile(fixture(`spam/models/${name}.onnx`))),
    );
    const tally = { predicted: 0, refused: 0, unreadable: 0 };
    await inTemporaryFolder(async (folder) => {
      let waiting: LocalArtifact[] = [];
      for (let index = 0; index < count; index += 1) {
        const path = join(folder, `${index}.onnx`);
        await writeFile(path, mutant(originals[index % originals.length] as Buffer, random));
        try {
          waiting.push(await localModel(path, `mutant ${index}`));
        } catch (error) {
          assert.ok(error instanceof ContenderError, `mutant ${index}: ${String(error)}`);
          assert.ok(error.message.length > 20, error.message);
          tally.unreadable += 1;
        }
        if (waiting.length < together && index < count - 1) continue;
        for (const result of await predictAll(waiting)) {
          tally[result.ok ? 'predicted' : 'refused'] += 1;
          if (result.ok) assert.equal(result.predictions.rows, 2350);
          else assert.ok(result.fault.message.length > 20, result.fault.message);
        }
        waiting = [];
      }
    });
    assert.equal(tally.predicted + tally.refused + tally.unreadable, count);
    // What has answered is given five seconds to end.
    const until = Date.now() + 10_000;
    while ((await predictionProcesses()).length > 0 && Date.now() < until) await setTimeout(50);
    assert.deepEqual(await predictionProcesses(), []);
    test.diagnostic(JSON.stringify(tally));
  });
});

/** A model that does not fit the data ends the run with a message: the others are then predicted alone. */
async function predictAll(artifacts: readonly LocalArtifact[]): Promise<PredictionResult[]> {
  try {
    return await predict(artifacts);
  } catch (error) {
    if (!(error instanceof ContenderError)) throw error;
    if (artifacts.length === 1) return [{ ok: false, fault: { code: error.code, message: error.message } }];
    const each: PredictionResult[] = [];
    for (const artifact of artifacts) each.push(...(await predictAll([artifact])));
    return each;
  }
}

function predict(artifacts: readonly LocalArtifact[]): Promise<PredictionResult[]> {
  return predictModels({
    models: artifacts.map((artifact) => ({ role: 'candidate' as const, artifact })),
    dataset: { name: 'evaluation', path: fixture('spam/data/eval.parquet'), uri: 'eval.parquet' },
    columns: { id: 'id', label: 'label' },
    task: 'binary-classification',
    limits: { memoryBytes: 2 ** 30, timeMs: 60_000 },
    log: silentLog,
  });
}

/** A copy with a few bits or bytes changed, a piece cut out, doubled or overwritten. */
function mutant(original: Buffer, random: () => number): Buffer {
  let bytes = Buffer.from(original);
  const below = (limit: number): number => Math.floor(random() * limit);
  for (let changes = 1 + below(4); changes > 0; changes -= 1) {
    const at = below(bytes.length);
    const length = 1 + below(16);
    // Mostly in place: what shifts the bytes behind it seldom gets past the parser.
    const kind = below(20);
    if (kind < 10) bytes[at] = (bytes[at] as number) ^ (1 << below(8));
    else if (kind < 14) bytes[at] = [0, 1, 0x7f, 0x80, 0xff][below(5)] as number;
    else if (kind < 18) bytes.subarray(at, at + length).fill(below(256));
    else if (kind < 19) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]);
    else bytes = Buffer.concat([bytes.subarray(0, at + length), bytes.subarray(at)]);
  }
  return bytes;
}

/** Numbers in [0, 1): mulberry32. */
function generator(start: number): () => number {
  let state = start;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
