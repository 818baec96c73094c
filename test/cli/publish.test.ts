import assert from 'node:assert/strict';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { sha256 } from '../../src/evidence/index.ts';
import type { Statement } from '../../src/report/index.ts';
import { contender, gateRepository, type GateRepository } from '../support/gate-repository.ts';
import { fixture } from '../support/project.ts';

describe('what is published of a registry', () => {
  let folder = '';
  let repository: GateRepository;
  const run = (...args: string[]): ReturnType<typeof contender> => contender(folder, args);

  before(async () => {
    folder = join(await mkdtemp(join(tmpdir(), 'contender-publish-')), 'repository');
    repository = await gateRepository(folder);
    const path = join(folder, 'contender.yml');
    const config = await readFile(path, 'utf8');
    await writeFile(path, config.replace(/ {4}staging:.*(?=registry:)/su, ''));
    await repository.commit('No load test');
    assert.equal((await run('registry', 'register', '--artifact', 'models/champion.onnx')).code, 0);
    assert.equal((await run('gate', '--quiet')).code, 0);
  });
  after(() => rm(join(folder, '..'), { recursive: true, force: true }));

  it('export writes card, notes, statements, report and evidence of the champion', async () => {
    const { code, stdout, stderr } = await run('export', '--json');
    assert.equal(code, 0, stderr);
    const files = JSON.parse(stdout) as string[];
    const names = files.map((file) => file.slice(join(folder, '.contender/spam-filter/export/1.0.1/').length));
    assert.deepEqual(names.toSorted(), [
      'decision.json',
      'evidence/data.json',
      'evidence/evaluation.json',
      'in-toto/data.json',
      'in-toto/data.predicate.json',
      'in-toto/evaluation.json',
      'in-toto/evaluation.predicate.json',
      'model-card.md',
      'release-notes.md',
      'report.html',
      'report.md',
    ]);
    const statement = JSON.parse(
      await readFile(join(folder, '.contender/spam-filter/export/1.0.1/in-toto/evaluation.json'), 'utf8'),
    ) as Statement;
    assert.equal(statement.predicate.result, 'PASSED');
  });

  it('export writes what is asked for of a version that is asked for, and says which versions there are', async () => {
    const card = await run('export', 'model-card', '--of', '1.0.0', '--json');
    assert.deepEqual(JSON.parse(card.stdout), [join(folder, '.contender/spam-filter/export/1.0.0/model-card.md')]);
    const unknown = await run('export', '--of', '9.9.9');
    assert.equal(unknown.code, 2);
    assert.match(unknown.stderr, /no version 9\.9\.9.*1\.0\.0, 1\.0\.1/u);
  });

  it('export writes the statements of a decision that promoted nothing, and they say so', async () => {
    await repository.propose('spam/models/candidate-small.onnx');
    assert.equal((await run('gate', '--quiet')).code, 1);
    const rejected = await run('export', '--decision', '3', '--json');
    assert.equal(rejected.code, 0, rejected.stderr);
    const files = JSON.parse(rejected.stdout) as string[];
    assert.ok(files.every((file) => file.includes('/export/decision-3/')));
    assert.ok(!files.some((file) => /model-card|release-notes/u.test(file)), 'it is no version');
    const path = join(folder, '.contender/spam-filter/export/decision-3/in-toto/evaluation.json');
    const { subject, predicate } = JSON.parse(await readFile(path, 'utf8')) as Statement;
    assert.equal(predicate.result, 'FAILED');
    assert.ok(predicate.failedTests.includes('evaluation/roc_auc'));
    assert.equal(subject[0]?.digest['sha256'], sha256(await readFile(fixture('spam/models/candidate-small.onnx'))));
    const card = await run('export', 'model-card', '--decision', '3');
    assert.equal(card.code, 2, card.stdout);
    assert.match(card.stderr, /decision 3 of spam-filter \(gate, reject\) has no model-card.*one of: in-toto, report/u);
    assert.match((await run('export', '--decision', '99')).stderr, /no decision 99.*one of 1 to 3/u);
    assert.match((await run('export', '--decision', 'x')).stderr, /--decision: "x"/u);
    await repository.propose('spam/models/candidate.onnx');
  });

  it('verify knows a version by its bytes, wherever they lie', async () => {
    await cp(fixture('spam/models/candidate.onnx'), join(folder, 'elsewhere.bin'));
    const found = await run('verify', 'elsewhere.bin', '--json');
    assert.equal(found.code, 0, found.stderr);
    const { version, aliases, verified } = JSON.parse(found.stdout) as Record<string, unknown>;
    assert.deepEqual({ version, aliases, verified }, { version: '1.0.1', aliases: ['champion'], verified: true });
  });

  it('verify refuses strangers, former champions where the champion is asked for, and tags that claim another version', async () => {
    await cp(fixture('spam/models/candidate-worse.onnx'), join(folder, 'stranger.onnx'));
    const refused: [string[], RegExp][] = [
      [['stranger.onnx'], /is not a recorded version of spam-filter/u],
      [['models/champion.onnx', '--is-champion'], /is spam-filter 1\.0\.0, but the champion is 1\.0\.1/u],
      [['models/candidate.onnx', '--tag', 'spam-filter@v1.0.0'], /claims version 1\.0\.0/u],
    ];
    for (const [args, says] of refused) {
      const { code, stdout } = await run('verify', ...args);
      assert.equal(code, 1, stdout);
      assert.match(stdout, says);
    }
    await writeFile(
      join(folder, 'pointer.onnx'),
      `version https://git-lfs.github.com/spec/v1\noid sha256:${sha256(await readFile(fixture('spam/models/candidate.onnx')))}\nsize 379931\n`,
    );
    const pointer = await run('verify', 'pointer.onnx');
    assert.equal(pointer.code, 2, 'nobody looked at the bytes that it stands for');
    assert.match(pointer.stderr, /pointer\.onnx: this is a Git LFS pointer, not the model.*git lfs pull/u);
    assert.equal((await run('verify', 'models/champion.onnx')).code, 0);
    const tagged = await run(
      'verify',
      'models/candidate.onnx',
      '--is-champion',
      '--tag',
      'refs/tags/spam-filter@v1.0.1',
    );
    assert.equal(tagged.code, 0, tagged.stdout);
  });

  it('release says which repository it lacks, in words of the command line', async () => {
    const { code, stderr } = await contender(folder, ['release'], { GITHUB_TOKEN: 'x' });
    assert.equal(code, 2);
    assert.match(stderr, /no repository.*Pass --repository owner\/name/u);
  });

  it('says of a version that was taken out of use that it was, wherever it is shown', async () => {
    assert.equal((await run('rollback', '--reason', 'it loses mail')).code, 0);
    assert.match((await run('registry', 'show', 'spam-filter')).stdout, /1\.0\.1 +rolled back \(#4\)/u);
    assert.equal((await run('export', 'model-card', 'release-notes', '--of', '1.0.1')).code, 0);
    const exported = (name: string): Promise<string> =>
      readFile(join(folder, `.contender/spam-filter/export/1.0.1/${name}`), 'utf8');
    for (const name of ['model-card.md', 'release-notes.md']) {
      assert.match(
        await exported(name),
        /^> \*\*Do not use this version: rolled back by decision 4: it loses mail\*\*$/mu,
      );
    }
    assert.match(await exported('model-card.md'), /^\| Status \| rolled back by decision 4: it loses mail \|$/mu);

    assert.equal((await run('registry', 'deprecate', '--version', '1.0.1', '--reason', 'for good')).code, 0);
    assert.match((await run('registry', 'show', 'spam-filter')).stdout, /1\.0\.1 +deprecated \(#5\)/u);
    const env = { GITHUB_TOKEN: 'x', GITHUB_REPOSITORY: 'acme/models', GITHUB_API_URL: 'http://127.0.0.1:9' };
    const released = await contender(folder, ['release', '--of', '1.0.1'], env);
    assert.equal(released.code, 2);
    assert.match(released.stderr, /spam-filter 1\.0\.1 was deprecated by decision 5: for good\. Expected a version/u);
  });

  it('verify tells a mistake from a refusal', async () => {
    for (const [args, says] of [
      [['none.onnx'], /no such file/u],
      [['models'], /this is a folder/u],
      [['../../x'], /outside the workspace/u],
      [['models/candidate.onnx', '--tag', 'other@v1.0.1'], /no model "other"/u],
      [['models/candidate.onnx', '--model', 'spam-filter', '--tag', 'other@v1.0.1'], /spam-filter@v1\.2\.3/u],
      [['models/candidate.onnx', '--tag', 'spam-filter#champion#1'], /Only tags of versions/u],
    ] as const) {
      const { code, stderr } = await run('verify', ...args);
      assert.equal(code, 2, stderr);
      assert.match(stderr, says);
    }
  });
});
