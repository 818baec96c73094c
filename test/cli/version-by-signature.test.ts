import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import protobuf from 'protobufjs/minimal.js';
import type { PromoteResult } from '../../src/pipeline/gate/promote.ts';
import { message, node, valueInfo } from '../model/onnx-builder.ts';
import { contender, gateRepository, type GateRepository } from '../support/gate-repository.ts';
import { fixture, inTemporaryFolder } from '../support/project.ts';

test('policy.version: signature raises what the change of inputs and outputs asks for, by gate and by override', () =>
  inTemporaryFolder(async (folder) => {
    const repository = await gateRepository(folder);
    await withoutLoad(repository);
    await repository.configure('on_inconclusive: hold', 'on_inconclusive: hold\n      version: signature');
    await repository.configure('require: superior', 'require: non-inferior');
    await repository.configure('models/candidate.onnx', '{ uri: models/candidate.onnx, output: probabilities }');
    const registered = await json(folder, 'registry', 'register', '--artifact', 'models/champion.onnx');
    assert.equal(registered.decision.to?.version, '1.0.0');

    // One more output than the champion has, and not shown to be as good: a person lets it in.
    const small = await readFile(fixture('spam/models/candidate-small.onnx'));
    await writeFile(join(folder, 'models/candidate.onnx'), withOutput(small, 'logarithms'));
    await repository.commit('Propose a model that gives more');
    assert.equal((await contender(folder, ['gate', '--quiet'])).code, 3);
    const more = await json(folder, 'registry', 'override', '--reason', 'half the size', '--by', 'Grace Hopper');
    assert.equal(more.decision.to?.version, '1.1.0');
    assert.match(more.decision.reasons.at(-1)?.message ?? '', /a minor step from 1\.0\.0: output "logarithms" is new/u);

    await repository.propose('spam/models/candidate.onnx');
    const low = await contender(folder, ['gate', '--set-version', '1.2.0']);
    assert.equal(low.code, 2, low.stdout);
    assert.match(low.stderr, /1\.2\.0, but since version 1\.1\.0 output "logarithms" is gone.*2\.0\.0 or higher/su);
    const fewer = await contender(folder, ['gate', '--quiet']);
    assert.equal(fewer.code, 0, fewer.stderr);
    assert.match(
      await readFile(join(folder, '.contender/spam-filter/report.md'), 'utf8'),
      /This is version 2\.0\.0, a major step from 1\.1\.0: output "logarithms" is gone/u,
    );

    const verified = await contender(folder, ['registry', 'verify']);
    assert.equal(verified.code, 0, verified.stdout + verified.stderr);
  }));

/** What is asserted here is the version; the load test has tests of its own. */
async function withoutLoad(repository: GateRepository): Promise<void> {
  const text = await readFile(join(repository.folder, 'contender.yml'), 'utf8');
  const staging = /^ {4}staging:\n.*?(?=^registry:)/msu.exec(text)?.[0] ?? '';
  await repository.configure(staging, '');
}

async function json(folder: string, ...args: string[]): Promise<PromoteResult> {
  const { code, stdout, stderr } = await contender(folder, [...args, '--json']);
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout) as PromoteResult;
}

/** The same model with one more output, made of its probabilities. */
function withOutput(model: Uint8Array, name: string): Uint8Array {
  const reader = protobuf.Reader.create(model);
  const parts: Uint8Array[] = [];
  while (reader.pos < reader.len) {
    const start = reader.pos;
    const tag = reader.uint32();
    if (tag >>> 3 !== 7) {
      reader.skipType(tag & 7);
      parts.push(model.subarray(start, reader.pos));
      continue;
    }
    // Fields that repeat may stand anywhere in a message.
    const added = message([1, node('Log', ['probabilities'], [name])], [12, valueInfo(name, 'float', ['N', 2])]);
    parts.push(message([7, Buffer.concat([reader.bytes(), added])]));
  }
  return Buffer.concat(parts);
}
