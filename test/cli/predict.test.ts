import assert from 'node:assert/strict';
import { cp, mkdir, readFile, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { evidenceDigest, type Evidence } from '../../src/evidence/index.ts';
import { floats, graph, model, node, tensor, valueInfo } from '../model/onnx-builder.ts';
import { contender, gateRepository, type GateRepository } from '../support/gate-repository.ts';
import { writeParquet } from '../support/parquet.ts';
import { fixture, inTemporaryFolder } from '../support/project.ts';

/** The spam case with the champion by path, so that no registry is needed. */
async function spamCase(folder: string): Promise<GateRepository> {
  const repository = await gateRepository(folder);
  await repository.configure('champion: registry', 'champion: models/champion.onnx');
  return repository;
}

async function predict(folder: string, ...args: string[]): Promise<void> {
  const { code, stderr } = await contender(folder, ['predict', ...args]);
  assert.equal(code, 0, stderr);
}

async function evaluated(folder: string, ...args: string[]): Promise<Evidence> {
  const { code, stderr } = await contender(folder, ['evaluate', ...args]);
  assert.equal(code, 0, stderr);
  const model = (await readdir(join(folder, '.contender'))).find((name) => !name.startsWith('.'));
  return JSON.parse(
    await readFile(join(folder, '.contender', model as string, 'evidence/evaluation.json'), 'utf8'),
  ) as Evidence;
}

/**
 * What the evaluation found, without what names the files it was found from and when, and without whether a model answers
 * twice alike, which only one that is run can show.
 */
function findings({ verdict, checks, details }: Evidence): unknown {
  return { verdict, checks: checks.filter(({ id }) => !id.endsWith('deterministic')), details };
}

async function predictAll(folder: string, roles: readonly string[], parts = 'parts'): Promise<void> {
  for (const role of roles) {
    for (const shard of [1, 2, 3]) {
      await predict(folder, '--role', role, '--shard', `${shard}/3`, '--file', `${parts}/${role}-${shard}.parquet`);
    }
  }
}

describe('contender predict', () => {
  test('keeps for the files that it writes what the configuration says of a lone score', () =>
    inTemporaryFolder(async (folder) => {
      // Scores that look like the confidence in the predicted label.
      const constant = model(
        graph({
          nodes: [node('Mul', ['x', 'zero'], ['none']), node('Add', ['none', 'high'], ['score'])],
          inputs: [valueInfo('x', 'float', ['N', 1])],
          outputs: [valueInfo('score', 'float', ['N', 1])],
          initializers: [tensor('zero', 'float', [1], floats(0)), tensor('high', 'float', [1], floats(0.9))],
        }),
      );
      await writeFile(join(folder, 'm.onnx'), constant);
      const rows = Array.from({ length: 400 }, (_, row) => `${row},${row % 7},${row % 4 === 0 ? 1 : 0}\n`);
      await writeFile(join(folder, 'rows.csv'), `id,x,label\n${rows.join('')}`);
      const configure = (classes: string): Promise<void> =>
        writeFile(
          join(folder, 'contender.yml'),
          `version: 1\nmodels:\n  m:\n    task: binary-classification\n    candidate: m.onnx\n    champion: m.onnx\n    columns: { id: id, label: label, positive: 1${classes} }\n    data: { evaluation: rows.csv }\n    policy: { primary: { metric: accuracy, margin: 0.01 } }\n`,
        );
      const said = async (...args: string[]): Promise<string> =>
        (await contender(folder, ['evaluate', ...args])).stderr;
      await configure('');
      await predictAll(folder, ['candidate', 'champion']);
      for (const args of [[], ['--predictions', 'parts/*.parquet']]) {
        assert.match(await said(...args), /no score is below 0\.5 .*state so: columns\.classes/u);
      }
      await configure(', classes: [0, 1]');
      await predictAll(folder, ['candidate', 'champion'], 'stated');
      for (const args of [[], ['--predictions', 'stated/*.parquet']]) {
        assert.doesNotMatch(await said(...args), /a statement whether/u);
      }
    }));

  test('in three shards is judged exactly as the models are', () =>
    inTemporaryFolder(async (folder) => {
      const repository = await spamCase(folder);
      const direct = await evaluated(folder);
      await predictAll(folder, ['candidate', 'champion']);
      const sharded = await evaluated(folder, '--predictions', 'parts/*.parquet');
      assert.equal(evidenceDigest(sharded), evidenceDigest(direct));
      // The same files as predictions made elsewhere.
      for (const role of ['candidate', 'champion']) {
        await repository.configure(
          `${role}: models/${role}.onnx`,
          `${role}: { predictions: 'parts/${role}-*.parquet' }`,
        );
      }
      assert.deepEqual(findings(await evaluated(folder)), findings(direct));
    }));

  test('of one model leaves the other to be run where they are compared', () =>
    inTemporaryFolder(async (folder) => {
      await spamCase(folder);
      const direct = await evaluated(folder);
      // A folder whose name would be a pattern to the engine.
      await predictAll(folder, ['champion'], 'parts [1]');
      const mixed = await evaluated(folder, '--predictions', 'parts [1]/*.parquet');
      assert.equal(evidenceDigest(mixed), evidenceDigest(direct));
    }));

  test('of another model, of other data, in part or by another hand is not taken for the model', () =>
    inTemporaryFolder(async (folder) => {
      const repository = await spamCase(folder);
      await predictAll(folder, ['candidate']);
      const refusal = async (...args: string[]): Promise<string> => {
        const { code, stderr } = await contender(folder, ['evaluate', ...args]);
        assert.equal(code, 2, stderr);
        assert.doesNotMatch(stderr, /\n\s+at /u);
        return stderr;
      };
      const all = ['--predictions', 'parts/*.parquet'];
      assert.match(await refusal('--predictions', 'parts/*-1.parquet'), /1,567 of 2,350 rows .* have no prediction/u);
      assert.match(await refusal('--predictions', 'none/*.parquet'), /no file matches/u);
      assert.match(await refusal('--predictions', 'data/*.parquet'), /does not state the model/u);
      assert.match(await refusal('--predictions', '../*.parquet'), /leads outside the workspace/u);
      await writeParquet(join(folder, 'data/other.parquet'), `from '${fixture('spam/data/eval.parquet')}' limit 2000`);
      await repository.configure('data/eval.parquet', 'data/other.parquet');
      assert.match(await refusal(...all), /predictions of the candidate with data of sha256/u);
      await repository.propose('spam/models/candidate-worse.onnx');
      assert.match(
        await refusal(...all),
        /parts\/candidate-1\.parquet: predictions of the candidate with model of sha256 [0-9a-f]{64}/u,
      );
    }));

  test('writes every label of a message, judged exactly as the models are', () =>
    inTemporaryFolder(async (folder) => {
      for (const part of ['contender.yml', 'schema.json', 'data', 'models']) {
        await cp(fixture(`topics/${part}`), join(folder, part), { recursive: true });
      }
      const direct = await evaluated(folder);
      for (const role of ['candidate', 'champion']) await predict(folder, '--role', role, '--file', `${role}.parquet`);
      const config = join(folder, 'contender.yml');
      const text = await readFile(config, 'utf8');
      await writeFile(config, text.replace(/models\/(candidate|champion)\.onnx/gu, '{ predictions: $1.parquet }'));
      assert.deepEqual(findings(await evaluated(folder)), findings(direct));
    }));

  test('says what it wrote, and every row is in one shard', () =>
    inTemporaryFolder(async (folder) => {
      await spamCase(folder);
      let rows = 0;
      for (const shard of [1, 2, 3]) {
        const args = ['predict', '--json', '--shard', `${shard}/3`, '--file', `part-${shard}.csv`];
        const { stdout } = await contender(folder, args);
        const result = JSON.parse(stdout) as { rows: number; of: number };
        const lines = (await readFile(join(folder, `part-${shard}.csv`), 'utf8')).trim().split('\n');
        assert.equal(lines.length, result.rows + 1);
        assert.equal(result.of, 2350);
        rows += result.rows;
      }
      assert.equal(rows, 2350);
    }));

  test('says how its file is judged, which for CSV is by contender.yml', () =>
    inTemporaryFolder(async (folder) => {
      const repository = await spamCase(folder);
      const direct = await evaluated(folder);
      const written = await contender(folder, ['predict', '--file', 'a.csv']);
      const [, reference = ''] =
        /To evaluate, name it in contender\.yml: (candidate: \{.*\})$/mu.exec(written.stdout) ?? [];
      assert.equal(reference, 'candidate: { predictions: "a.csv", threshold: 0.5 }');
      await repository.configure('candidate: models/candidate.onnx', reference);
      assert.deepEqual(findings(await evaluated(folder)), findings(direct));
      const parquet = await contender(folder, ['predict', '--role', 'champion', '--file', 'a.parquet']);
      assert.match(parquet.stdout, /Evaluate with: contender evaluate --predictions/u);
    }));

  const refused: [what: string, args: string[], message: RegExp][] = [
    ['the file is a folder', ['--file', 'data.csv'], /data\.csv: the predictions cannot be written \(EISDIR\)/u],
    ['shards begin at one', ['--shard', '0/3', '--file', 'a.parquet'], /Expected i\/N/u],
    ['there is no such shard', ['--shard', '4/3', '--file', 'a.parquet'], /Expected i\/N/u],
    ['there are more shards than rows', ['--shard', '1/9999', '--file', 'a.parquet'], /9,999 shards of 2,350 rows/u],
    ['the file is outside the workspace', ['--file', '../a.parquet'], /leads outside the workspace/u],
    ['the file lies behind a link that leads out', ['--file', 'out/new/a.parquet'], /leads outside the workspace/u],
    ['the format is not one it writes', ['--file', 'a.json'], /ends in \.parquet or \.csv/u],
  ];
  for (const [what, args, message] of refused) {
    test(`is refused when ${what}`, () =>
      inTemporaryFolder(async (outside) => {
        const folder = join(outside, 'repository');
        await mkdir(folder);
        await spamCase(folder);
        await symlink(outside, join(folder, 'out'));
        await mkdir(join(folder, 'data.csv'));
        const { code, stderr } = await contender(folder, ['predict', ...args]);
        assert.equal(code, 2, stderr);
        assert.match(stderr, message);
      }));
  }
});

describe('a wildcard in the path of predictions', () => {
  test('follows no link out of the workspace, be it a folder or a file', () =>
    inTemporaryFolder(async (outside) => {
      const folder = join(outside, 'repository');
      await mkdir(join(folder, 'parts'), { recursive: true });
      const repository = await spamCase(folder);
      await predict(folder, '--file', 'all.parquet');
      await symlink(outside, join(folder, 'linked'));
      await symlink(join(folder, 'all.parquet'), join(folder, 'parts/1.parquet'));
      await repository.configure('candidate: models/candidate.onnx', "candidate: { predictions: 'linked/*.parquet' }");
      const byFolder = await contender(folder, ['evaluate']);
      assert.equal(byFolder.code, 2);
      assert.match(byFolder.stderr, /leads outside the workspace/u);
      await repository.configure('linked/*.parquet', 'parts/*.parquet');
      const byFile = await contender(folder, ['evaluate']);
      assert.equal(byFile.code, 2);
      assert.match(byFile.stderr, /"1\.parquet" is a link to a file outside the folder/u);
    }));
});
