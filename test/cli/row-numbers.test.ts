import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { DuckDBInstance } from '@duckdb/node-api';
import type { Evidence } from '../../src/evidence/index.ts';
import type { PromoteResult } from '../../src/pipeline/gate/promote.ts';
import { contender, gateRepository, type GateRepository } from '../support/gate-repository.ts';
import { fixture, inTemporaryFolder } from '../support/project.ts';

/** The spam case whose data have no column of ids. */
async function withoutIds(folder: string): Promise<GateRepository> {
  const repository = await gateRepository(folder);
  await repository.withoutLoad();
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  for (const name of ['eval.csv', 'eval.jsonl', 'eval.parquet']) {
    const format = name.endsWith('.jsonl') ? ' (format json)' : '';
    await connection.run(
      `copy (select * exclude (id) from '${fixture('spam/data/eval.parquet')}') to '${join(folder, 'data', name)}'${format}`,
    );
  }
  connection.closeSync();
  instance.closeSync();
  await repository.configure('      id: id\n', '');
  await repository.configure('        - unique: [id]\n', '');
  await repository.configure('      contract: schema.json\n', '');
  return repository;
}

test('data without a column of ids are judged by the numbers of their rows, from every format alike', () =>
  inTemporaryFolder(async (folder) => {
    const repository = await withoutIds(folder);
    assert.equal((await contender(folder, ['registry', 'register', '--artifact', 'models/champion.onnx'])).code, 0);
    const compared: unknown[] = [];
    for (const [from, to] of [
      ['eval.parquet', 'eval.csv'],
      ['eval.csv', 'eval.jsonl'],
    ] as const) {
      await repository.configure(from, to);
      const { code, stdout, stderr } = await contender(folder, ['evaluate', '--json']);
      assert.equal(code, 0, stderr);
      compared.push((JSON.parse(stdout) as Evidence).checks.map(({ comparison }) => comparison));
    }
    assert.deepEqual(compared[0], compared[1]);
    await repository.configure('eval.jsonl', 'eval.parquet');
    const gate = await contender(folder, ['gate', '--json']);
    assert.equal(gate.code, 0, gate.stderr);
    const { evidence } = JSON.parse(gate.stdout) as PromoteResult;
    const evaluation = evidence.find(({ kind }) => kind === 'evaluation');
    assert.deepEqual(
      evaluation?.checks.map(({ comparison }) => comparison),
      compared[0],
    );
    assert.equal((await contender(folder, ['registry', 'verify'])).code, 0);
  }));

test('predictions are joined by the numbers of rows, where they have them, and by nothing else', () =>
  inTemporaryFolder(async (folder) => {
    const repository = await withoutIds(folder);
    const predict = await contender(folder, ['predict', '--file', 'all.parquet']);
    assert.equal(predict.code, 0, predict.stderr);
    const floors = ['evaluate', '--champion', 'models/champion.onnx', '--json'];
    const whole = await contender(folder, floors);
    const joined = await contender(folder, [...floors, '--predictions', 'all.parquet']);
    assert.equal(joined.code, 0, joined.stderr);
    const values = ({ stdout }: { stdout: string }): unknown =>
      (JSON.parse(stdout) as Evidence).checks.map(({ id, observed }) => [id, observed]);
    assert.deepEqual(values(joined), values(whole));

    const lines = Array.from({ length: 2350 }, (_, row) => `${row % 2},0.5`);
    await writeFile(join(folder, 'foreign.csv'), `label,score\n${lines.join('\n')}\n`);
    await repository.configure('candidate: models/candidate.onnx', 'candidate: { predictions: foreign.csv }');
    const foreign = await contender(folder, ['evaluate', '--champion', 'models/champion.onnx']);
    assert.equal(foreign.code, 2);
    assert.match(foreign.stderr, /the rows have no id, because columns\.id is not set/u);
  }));
