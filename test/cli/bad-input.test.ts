import assert from 'node:assert/strict';
import { cp, mkdir, readFile, symlink, truncate, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { DuckDBInstance } from '@duckdb/node-api';
import { contender, gateRepository, type CommandResult, type GateRepository } from '../support/gate-repository.ts';
import { fixture, inTemporaryFolder } from '../support/project.ts';

/** Each case spoils one thing of a sound repository; the message must name it and the repository must stay as it was. */
interface Case {
  name: string;
  spoil(repository: GateRepository): Promise<void>;
  args?: string[];
  code: number;
  says: RegExp;
}

const cases: Case[] = [
  {
    name: 'an unknown configuration key',
    spoil: (repository) => repository.configure('evaluation: data', 'evaluatoin: data'),
    code: 2,
    says: /contender\.yml:\d+:\d+: .*"evaluatoin".*Did you mean "evaluation"/su,
  },
  {
    name: 'a metric that does not exist, before any long work',
    spoil: (repository) => repository.configure('metric: recall', 'metric: recal'),
    code: 2,
    says: /^contender: contender\.yml:\d+:\d+: models\.spam-filter\.policy\.guardrails\[0\]\.metric: unknown metric "recal"\. .*Did you mean "recall"\?\n$/u,
  },
  {
    name: 'a slice that cannot be made',
    spoil: (repository) => repository.configure('slices: [source', 'slices: [{ column: source, bins: 4 }'),
    code: 2,
    says: /contender\.yml:\d+:\d+: models\.spam-filter\.policy\.guardrails.*"source" does not hold numbers/u,
  },
  {
    name: 'a label that is no column, before the models run',
    spoil: (repository) => repository.configure('label: label', 'label: lable'),
    args: ['evaluate'],
    code: 2,
    says: /^(?!.*Predict).*no column "lable".*Did you mean "label"/su,
  },
  {
    name: 'a missing configuration',
    spoil: async () => undefined,
    args: ['gate', '--config', 'nowhere.yml'],
    code: 2,
    says: /nowhere\.yml: there is no such file/u,
  },
  {
    name: 'a missing dataset',
    spoil: (repository) => repository.configure('data/eval.parquet', 'data/evil.parquet'),
    code: 2,
    says: /data\/evil\.parquet: there is no such file.*Did you mean "data\/eval\.parquet"\?/u,
  },
  {
    name: 'a dataset with another ending than the file has',
    spoil: (repository) => repository.configure('data/eval.parquet', 'data/eval.csv'),
    code: 2,
    says: /Did you mean "data\/eval\.parquet"\?/u,
  },
  {
    name: 'an unknown key in a list, at the place that other messages name',
    spoil: (repository) => repository.configure('metric: recall', 'metric: recall, extra: 1'),
    code: 2,
    says: /models\.spam-filter\.policy\.guardrails\[0\]: unknown key "extra"/u,
  },
  {
    name: 'an empty dataset',
    spoil: (repository) => rewriteData(repository, 'select * from rows where false'),
    code: 2,
    says: /no rows|empty|0 rows/u,
  },
  {
    name: 'a feature of the wrong type',
    spoil: (repository) => rewriteData(repository, "select * replace ('many' as word_free) from rows"),
    code: 2,
    says: /word_free/u,
  },
  {
    name: 'a row id that repeats',
    spoil: (repository) => rewriteData(repository, 'select * from rows union all (select * from rows limit 1)'),
    code: 2,
    says: /spam-1\/00030|duplicate|repeat|more than once/u,
  },
  {
    name: 'a label that is neither 0 nor 1',
    spoil: (repository) =>
      rewriteData(repository, 'select * replace (case when label = 1 then 2 else label end as label) from rows'),
    code: 2,
    says: /label.*2/su,
  },
  {
    name: 'a dataset outside the workspace',
    spoil: (repository) => repository.configure('data/eval.parquet', '../eval.parquet'),
    code: 2,
    says: /outside the workspace/u,
  },
  {
    name: 'a dataset that is a link to the outside',
    async spoil(repository) {
      await symlink(fixture('spam/data/eval.parquet'), join(repository.folder, 'data/link.parquet'));
      await repository.configure('data/eval.parquet', 'data/link.parquet');
    },
    code: 2,
    says: /outside the workspace/u,
  },
  {
    name: 'a truncated candidate',
    async spoil(repository) {
      await truncate(join(repository.folder, 'models/candidate.onnx'), 200_000);
      await repository.commit('Upload half of it');
    },
    code: 2,
    says: /cut off|damaged|truncated/u,
  },
  {
    name: 'a candidate that was never committed',
    async spoil(repository) {
      await cp(fixture('spam/models/candidate-small.onnx'), join(repository.folder, 'models/other.onnx'));
    },
    args: ['gate', '--candidate', 'models/other.onnx'],
    code: 2,
    says: /commit/u,
  },
  {
    name: 'a registry outside the repository',
    spoil: (repository) => repository.configure('path: registry', 'path: ../registry'),
    code: 2,
    says: /\.\.\/registry/u,
  },
  {
    name: 'a model the configuration does not have',
    spoil: async () => undefined,
    args: ['gate', '--model', 'spam-fliter'],
    code: 2,
    says: /Did you mean --model spam-filter/u,
  },
  {
    name: 'an unknown flag',
    spoil: async () => undefined,
    args: ['gate', '--modle', 'spam-filter'],
    code: 2,
    says: /unknown option|--model/u,
  },
];

describe('bad input gives one clear message, the right exit code, and changes nothing', () => {
  for (const each of cases) {
    test(each.name, () =>
      inTemporaryFolder(async (folder) => {
        const repository = await registered(folder);
        await each.spoil(repository);
        const before = await state(repository);
        const result = await contender(folder, each.args ?? ['gate']);
        assert.equal(result.code, each.code, result.stderr + result.stdout);
        assert.match(result.stderr, each.says);
        noStackTrace(result);
        assert.equal(await state(repository), before);
      }),
    );
  }
});

describe('a model that cannot be judged', () => {
  const models: { name: string; file: string; says: RegExp }[] = [
    {
      name: 'expects another number of features',
      file: 'onnx-zoo/broken/wrong-feature-count.onnx',
      says: /expects 59\s+features[^]*there are 64/u,
    },
    { name: 'needs an operator nobody has', file: 'onnx-zoo/broken/unknown-op.onnx', says: /FancyTree/u },
  ];
  for (const { name, file, says } of models) {
    test(`is never promoted when it ${name}`, () =>
      inTemporaryFolder(async (folder) => {
        const repository = await registered(folder);
        await repository.propose(file);
        const head = await repository.recorded();
        const result = await contender(folder, ['gate', '--no-record']);
        assert.ok(result.code === 1 || result.code === 2, `exit ${result.code}`);
        assert.match(result.stdout + result.stderr, says);
        noStackTrace(result);
        assert.equal(await repository.recorded(), head);
      }));
  }

  test('is never promoted when it answers NaN', () =>
    inTemporaryFolder(async (folder) => {
      const repository = await gateRepository(folder);
      await repository.propose('onnx-zoo/broken/outputs-nan.onnx');
      await cp(fixture('onnx-zoo/broken/label-only.onnx'), join(folder, 'models/labels.onnx'));
      await writeFile(join(folder, 'tiny.csv'), 'id,label,x,y\na,0,1,2\nb,1,-1,2\nc,1,3,1\n');
      await writeFile(
        join(folder, 'tiny.yml'),
        `version: 1
models:
  spam-filter:
    task: binary-classification
    candidate: models/candidate.onnx
    champion: models/labels.onnx
    columns: { id: id, label: label, features: [x, y] }
    data: { evaluation: tiny.csv }
    policy: { primary: { metric: accuracy, margin: 0.01 } }
`,
      );
      const result = await contender(folder, ['gate', '--no-record', '--config', 'tiny.yml']);
      assert.equal(result.code, 1, result.stderr);
      assert.match(result.stdout + result.stderr, /1 of 3 predictions is\s+NaN\s+\(first:\s+row 2/u);
      noStackTrace(result);
    }));

  test('holds the candidate when it is the champion that cannot be loaded, and says so', () =>
    inTemporaryFolder(async (folder) => {
      const repository = await gateRepository(folder);
      await cp(fixture('onnx-zoo/broken/unknown-op.onnx'), join(folder, 'models/champion.onnx'));
      await repository.commit('A champion of another age');
      const register = await contender(folder, ['registry', 'register', '--artifact', 'models/champion.onnx']);
      assert.equal(register.code, 0, register.stderr);
      await repository.configure('duration: 4s, warmup: 1s', 'duration: 1s, warmup: 500ms');
      const result = await contender(folder, ['gate']);
      assert.equal(result.code, 3, result.stderr + result.stdout);
      assert.match(result.stdout, /champion/u);
      noStackTrace(result);
    }));
});

describe('a registry that a person edited', () => {
  test('is an error that names the file, and stays as the person left it', () =>
    inTemporaryFolder(async (folder) => {
      const repository = await registered(folder);
      await repository.git('switch', '--quiet', 'model-registry');
      const manifest = join(folder, 'registry/models/spam-filter/manifest.json');
      await writeFile(manifest, (await readFile(manifest, 'utf8')).replace('1.0.0', '9.9.9'));
      await repository.commit('Edit');
      await repository.git('switch', '--quiet', 'main');
      const before = await state(repository);
      const result = await contender(folder, ['gate']);
      assert.equal(result.code, 2, result.stdout);
      assert.match(result.stderr, /manifest\.json/u);
      noStackTrace(result);
      assert.equal(await state(repository), before);
    }));
});

describe('serving on a port in use', () => {
  test('says which port and what to do', () =>
    inTemporaryFolder(async (folder) => {
      const server = createServer().listen(0, '127.0.0.1');
      await new Promise((listening) => server.once('listening', listening));
      try {
        await mkdir(join(folder, 'models'));
        await cp(fixture('spam/models/champion.onnx'), join(folder, 'models/champion.onnx'));
        const { port } = server.address() as AddressInfo;
        const result = await contender(folder, ['serve', 'models/champion.onnx', '--port', String(port)]);
        assert.equal(result.code, 2);
        assert.match(result.stderr, new RegExp(`${port}.*in use|in use.*${port}`, 'u'));
        noStackTrace(result);
      } finally {
        server.close();
      }
    }));
});

async function registered(folder: string): Promise<GateRepository> {
  const repository = await gateRepository(folder);
  const result = await contender(folder, ['registry', 'register', '--artifact', 'models/champion.onnx']);
  assert.equal(result.code, 0, result.stderr);
  return repository;
}

async function state(repository: GateRepository): Promise<string> {
  return `${await repository.recorded()}\n${await repository.git('status', '--porcelain')}`;
}

function noStackTrace(result: CommandResult): void {
  assert.doesNotMatch(result.stderr, /^ {4}at |node:internal|this is a bug/mu);
}

/** Replace the evaluation set by the rows of `query` over it (the table `rows`), as a CSV file, and commit it. */
async function rewriteData(repository: GateRepository, query: string): Promise<void> {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  await connection.run(`create table rows as from read_parquet('${fixture('spam/data/eval.parquet')}')`);
  await connection.run(`copy (${query}) to '${join(repository.folder, 'data/eval.csv')}' (header, delimiter ',')`);
  connection.closeSync();
  await repository.configure('data/eval.parquet', 'data/eval.csv');
}
