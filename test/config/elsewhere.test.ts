import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { howToFetch, pulledWith } from '../../src/config/elsewhere.ts';
import { loadConfig, parseConfig } from '../../src/pipeline/configuration.ts';
import { openDataset } from '../../src/data/dataset.ts';
import { localModel } from '../../src/model/artifact.ts';
import { inTemporaryFolder } from '../support/project.ts';

const config = (candidate: string, evaluation: string): string =>
  `version: 1\nmodels:\n  m:\n    task: regression\n    candidate: ${candidate}\n    columns: { id: id, label: y }\n    data: { evaluation: ${evaluation} }\n    policy: { primary: { metric: rmse } }\n`;

describe('what lies elsewhere', () => {
  it('is told with the line that names it and the command that fetches it', () => {
    assert.throws(
      () => parseConfig(config('az://account/m.onnx', 'hdfs://bucket/e.csv'), 'contender.yml'),
      (error: Error) =>
        /contender\.yml:5:.*az storage copy az:\/\/account\/m\.onnx m\.onnx/u.test(error.message) &&
        /contender\.yml:7:.*hdfs dfs -get hdfs:\/\/bucket\/e\.csv e\.csv/u.test(error.message),
    );
    assert.throws(
      () => parseConfig(config('{ predictions: abfs://bucket/p.csv }', 'e.csv'), 'contender.yml'),
      /contender\.yml:5:.*azcopy copy abfs:\/\/bucket\/p\.csv p\.csv/u,
    );
    assert.throws(
      () => parseConfig(config('{ uri: m.onnx.dvc }', 'e.csv'), 'contender.yml'),
      /DVC pointer.*'dvc pull m\.onnx\.dvc' first, then name m\.onnx/u,
    );
    assert.equal(howToFetch('https://example.org/m.onnx'), null);
    assert.equal(howToFetch('data/e.csv'), null);
  });

  it('may be an object of a store, whose address must be one', () => {
    parseConfig(
      config('{ uri: "s3://bucket/m.onnx" }', `"hf://datasets/a/b/e.csv#sha256=${'0a'.repeat(32)}"`),
      'contender.yml',
    );
    assert.throws(
      () => parseConfig(config('{ uri: "oci://ghcr.io/acme/spam" }', 'gs://bucket'), 'contender.yml'),
      (error: Error) =>
        /contender\.yml:5:.*this is not an address of oci. Write it as oci:\/\/<host>/u.test(error.message) &&
        /contender\.yml:7:.*this is not an address of gs/u.test(error.message),
    );
  });

  it('is told where a file is absent and DVC keeps a pointer beside it, of data and of models', async () => {
    await inTemporaryFolder(async (folder) => {
      for (const name of ['e.csv', 'm.onnx']) await writeFile(join(folder, `${name}.dvc`), 'outs: []\n');
      const source = { name: 'evaluation', path: join(folder, 'e.csv'), uri: 'e.csv' };
      await assert.rejects(openDataset(source), /run 'dvc pull e\.csv\.dvc' first/u);
      await assert.rejects(localModel(join(folder, 'm.onnx'), 'file:m.onnx'), /run 'dvc pull m\.onnx\.dvc' first/u);
    });
  });

  it('is told where git has the file and did not check it out', async () => {
    await inTemporaryFolder(async (folder) => {
      const git = (...args: string[]): void => void execFileSync('git', args, { cwd: folder, stdio: 'pipe' });
      git('init', '--quiet');
      await mkdir(join(folder, 'data'));
      for (const name of ['contender.yml', 'm.onnx', 'data/e.csv', 'data/in $x.csv'])
        await writeFile(join(folder, name), '');
      git('add', '.');
      git('update-index', '--add', '--cacheinfo', `160000,${'1'.repeat(40)},sub`);
      git('-c', 'user.name=A', '-c', 'user.email=a@example.org', 'commit', '--quiet', '-m', 'Start');
      git('sparse-checkout', 'set', '--no-cone', '/m.onnx', '/data/in*');
      for (const name of ['m.onnx', 'data/in $x.csv']) await rm(join(folder, name));
      const hint = (path: string): string | undefined => pulledWith(join(folder, path), path);
      assert.match(
        hint('data/e.csv') ?? '',
        /sparse checkout.* leaves it out: at the root .* run 'git sparse-checkout add data'/u,
      );
      assert.match(hint('m.onnx') ?? '', /was deleted here: at the root .* run 'git restore m\.onnx'/u);
      assert.match(hint('sub/models/m.onnx') ?? '', /run 'git submodule update --init sub'/u);
      assert.match(hint('data/in $x.csv') ?? '', /run 'git restore 'data\/in \$x\.csv''/u);
      assert.equal(hint('data/typo.csv'), undefined);
      await assert.rejects(
        loadConfig(join(folder, 'contender.yml'), 'contender.yml'),
        /run 'git sparse-checkout add contender\.yml'/u,
      );
    });
  });
});

describe('a file that is not there, and no fault of git', () => {
  it('is told to be a link that leads nowhere, or in a circle, and a path with backslashes to be one with slashes', async () => {
    await inTemporaryFolder(async (folder) => {
      await symlink('gone.onnx', join(folder, 'dangling.onnx'));
      await symlink('circle.onnx', join(folder, 'circle.onnx'));
      await mkdir(join(folder, 'models'));
      await writeFile(join(folder, 'models/m.onnx'), '');
      const hint = (path: string): string | undefined => pulledWith(join(folder, path), path);
      assert.equal(hint('dangling.onnx'), 'It is a link to "gone.onnx", whose target does not exist: correct the link');
      assert.match(hint('circle.onnx') ?? '', /a link to "circle\.onnx", whose target does not exist/u);
      assert.equal(hint('models\\m.onnx'), 'Write it with slashes: models/m.onnx');
      assert.equal(hint('models\\typo.onnx'), undefined);
      await symlink('models/m.onnx', join(folder, 'link.onnx'));
      assert.equal(hint('link.onnx'), undefined, 'whatever is wrong with it, the link is not');
    });
  });
});

describe('a configuration', () => {
  it('with the other ending is named', async () => {
    await inTemporaryFolder(async (folder) => {
      await writeFile(join(folder, 'contender.yaml'), config('m.onnx', 'e.csv'));
      await assert.rejects(
        loadConfig(join(folder, 'contender.yml'), 'contender.yml'),
        /There is contender\.yaml: rename it to contender\.yml, or name it with --config/u,
      );
    });
  });

  it('may share parts with merge keys', () => {
    const text = `version: 1
models:
  one: &shared
    task: regression
    candidate: a.onnx
    columns: { id: id, label: y }
    data: { evaluation: e.csv }
    policy: { primary: { metric: rmse } }
  two:
    <<: *shared
    candidate: b.onnx
`;
    const { models } = parseConfig(text, 'contender.yml');
    assert.deepEqual(models['two'], { ...models['one'], candidate: 'b.onnx' });
  });
});
