import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { silentLog } from '../../src/log.ts';
import {
  describeModel,
  diffVersions,
  explainModel,
  readLog,
  summariseModels,
} from '../../src/pipeline/auditing/registry-reads.ts';
import { stages } from '../../src/stages/index.ts';
import { openWorkspace } from '../../src/pipeline/workspace.ts';
import {
  jsonText,
  renderChanges,
  renderDetail,
  renderLog,
  renderReasons,
  renderSummaries,
  type ModelDetail,
  type ModelSummary,
  type Reasons,
  type VersionChanges,
} from '../../src/report/index.ts';
import { contender, gateRepository, type GateRepository } from '../support/gate-repository.ts';

describe('what the registry says when it is asked', () => {
  let folder = '';
  let repository: GateRepository;
  const run = (...args: string[]): ReturnType<typeof contender> => contender(folder, ['registry', ...args]);

  before(async () => {
    folder = join(await mkdtemp(join(tmpdir(), 'contender-reads-')), 'repository');
    repository = await gateRepository(folder);
    const path = join(folder, 'contender.yml');
    const config = await readFile(path, 'utf8');
    await writeFile(path, config.replace(/ {4}staging:.*(?=registry:)/su, ''));
    await repository.commit('No load test');
  });
  after(() => rm(join(folder, '..'), { recursive: true, force: true }));

  async function json<T>(...args: string[]): Promise<T> {
    const { code, stdout, stderr } = await run(...args, '--json');
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout) as T;
  }

  const opened = (): ReturnType<typeof openWorkspace> =>
    openWorkspace({ root: folder, config: 'contender.yml', out: '.contender', log: silentLog });

  it('says that there is nothing, where there is nothing', async () => {
    const { code, stdout } = await run('show');
    assert.deepEqual([code, stdout], [0, 'Nothing is recorded yet.\n']);
    assert.deepEqual(await explainModel(await opened(), undefined), {
      reasons: { model: 'spam-filter', champion: null, last: null },
      found: [],
    });
    const none = await run('diff');
    assert.equal(none.code, 2);
    assert.match(none.stderr, /no version before champion/u);
  });

  it('shows champions, versions, changes and reasons once there is a past', async () => {
    const register = ['registry', 'register', '--artifact', 'models/champion.onnx'];
    assert.equal((await contender(folder, register, { GITHUB_ACTOR: 'grace' })).code, 0);
    assert.equal((await contender(folder, ['gate', '--quiet'], { GITHUB_ACTOR: 'ada' })).code, 0);
    await repository.configure('recall, min: 0.85, margin: 0.01', 'recall, min: 0.85, margin: 0.02');
    await repository.propose('spam/models/candidate-small.onnx');
    assert.equal((await contender(folder, ['gate', '--quiet'], { GITHUB_ACTOR: 'eve' })).code, 1);

    const [model, ...others] = await json<ModelSummary[]>('show');
    assert.deepEqual(others, []);
    assert.deepEqual(
      [model?.model, model?.champion?.version, model?.champion?.by, model?.decisions, model?.last?.outcome],
      ['spam-filter', '1.0.1', 'ada', 3, 'reject'],
    );
    assert.match((await run('show')).stdout, /spam-filter +1\.0\.1 +\d{4}-\d\d-\d\d \d\d:\d\d UTC +ada +rejected/u);

    const detail = await json<ModelDetail>('show', 'spam-filter');
    assert.deepEqual(
      detail.versions.map(({ version, aliases, replaced, promoted }) => [version, aliases, replaced, promoted.by]),
      [
        ['1.0.0', ['previous'], null, 'grace'],
        ['1.0.1', ['champion'], '1.0.0', 'ada'],
      ],
    );
    assert.match(
      (await run('show', '--model', 'spam-filter')).stdout,
      /champion 1\.0\.1 since .*, by ada \(decision 2, promoted\)/u,
    );
    const log = (await run('log')).stdout;
    assert.match(
      log,
      /^#3 \S+ \S+ UTC rejected candidate\.onnx \([0-9a-f]{12}\) against 1\.0\.1, by eve\n {4}Recall is /u,
    );
    assert.match(log, /\n#2 .* promoted candidate\.onnx \([0-9a-f]{12}\) as 1\.0\.1 instead of 1\.0\.0, by ada\n/u);
    assert.match(log, /\n#1 .* registered champion\.onnx \([0-9a-f]{12}\) as 1\.0\.0, by grace\n/u);
    assert.doesNotMatch(log, /…/u, 'reasons are whole');
  });

  it('compares versions by number or alias, in either direction', async () => {
    const changes = await json<VersionChanges>('diff');
    assert.deepEqual([changes.from.version, changes.to.version, changes.metrics.paired], ['1.0.0', '1.0.1', true]);
    const auc = changes.metrics.rows.find(({ metric }) => metric === 'roc_auc');
    assert.ok(auc !== undefined && auc.lower !== null && auc.gain !== null && auc.gain > auc.lower);
    assert.match((await run('diff')).stdout, /ROC AUC +0\.9941 +0\.9967 +\+0\.26 points +\+0\.13 to \+0\.39/u);
    // The first version has no evaluation of its own: the one against it saw its inputs and outputs.
    assert.deepEqual(changes.signature, []);
    const workspace = await opened();
    const diff = (range: string): Promise<VersionChanges> => diffVersions(workspace, undefined, range);
    for (const range of ['v1.0.0..', '..1.0.1']) assert.deepEqual(await diff(range), changes, range);
    const back = await diff('champion..previous');
    assert.equal(back.metrics.paired, false);
    assert.deepEqual([back.size.from, back.size.to, back.datasets[0]?.to], [changes.size.to, changes.size.from, null]);
    await assert.rejects(diff('1.0.1'), /"1\.0\.1".*two versions or aliases/u);
    await assert.rejects(diff('1.0.0..9.9.9'), /no version 9\.9\.9.*1\.0\.0, 1\.0\.1/u);
    await assert.rejects(diff('..1.0.0'), /no version before 1\.0\.0/u);
  });

  it('says why: the numbers that decided, who, when, on what, and how to go on', async () => {
    const { champion, last } = await json<Reasons>('why', 'spam-filter');
    assert.deepEqual([champion?.version, champion?.decision, champion?.by], ['1.0.1', 2, 'ada']);
    assert.match(champion?.headline ?? '', /^Promoted: .*0\.9967/u);
    assert.deepEqual([last?.outcome, last?.actor], ['reject', 'eve']);
    assert.ok(last?.checks.some(({ id, comparison }) => id === 'evaluation/roc_auc' && comparison !== undefined));
    assert.deepEqual(last?.evidence.map(({ kind }) => kind).toSorted(), ['data', 'evaluation']);
    const { stdout } = await run('why');
    assert.match(stdout, /Why 1\.0\.1 is the champion.*Why the last candidate is not.*3\.8 points below/su);
    assert.match(
      stdout,
      /Candidate +candidate\.onnx [0-9a-f]{64}\n +Data evaluation +data\/eval\.parquet [0-9a-f]{64}\n/u,
    );
    const next = new Set([...(champion?.next ?? []), ...(last?.next ?? [])].map(({ command }) => command));
    for (const command of next) {
      assert.ok(stdout.includes(`\n    ${command}\n`), command);
      if (!command.includes('report')) continue;
      assert.equal((await contender(folder, command.split(' ').slice(1))).code, 0, command);
    }
  });

  it('goes back to what first made a version champion, after a rollback', async () => {
    assert.equal((await contender(folder, ['rollback', '--reason', 'mail is lost', '--by', 'Grace'])).code, 0);
    const { champion, last } = await json<Reasons>('why');
    assert.deepEqual([champion?.action, champion?.by, champion?.first?.decision], ['rollback', 'Grace', 1]);
    assert.match((await run('log')).stdout, /^#4 .* UTC rolled back from 1\.0\.1 to 1\.0\.0, by Grace\n/u);
    assert.equal(last, null, 'that candidate was judged against another champion');
  });

  it('verifies what a branch makes of it, under the configuration of its base', async () => {
    await repository.git('switch', '--quiet', '--create', 'proposal');
    assert.match(
      (await run('verify', '--base', 'main')).stdout,
      /Nothing was compared: .*The registry is on branch model-registry/u,
      'the registry is on a branch of its own',
    );
    await repository.configure('path: registry', 'path: elsewhere');
    const moved = await run('verify', '--base', 'main');
    assert.equal(moved.code, 1);
    assert.match(moved.stdout, /^contender\.yml: registry\.path: elsewhere\. Expected registry, as on the base/mu);
    const none = await run('verify', '--base', 'none');
    assert.equal(none.code, 2);
    assert.match(none.stderr, /no commit "none" here/u);
    await repository.git('switch', '--quiet', 'main');
  });

  it('names the models there are where one is asked for that is not', async () => {
    const { code, stderr } = await run('why', 'spam-fliter');
    assert.equal(code, 2);
    assert.match(stderr, /no model "spam-fliter".*one of: spam-filter.*Did you mean spam-filter/u);
  });

  it('shows nothing that a terminal would obey, whoever wrote it', async () => {
    const hostile =
      'mail\u001b[2J\u001b]0;owned\u0007 \u202egnp\u202c \u009b31m \u{e0041}::error::\n::set-output\u2028end';
    const act = ['registry', 'deprecate', '--version', '1.0.1', '--reason', hostile, '--by', hostile];
    assert.equal((await contender(folder, act, { GITHUB_ACTOR: hostile })).code, 0);
    assert.equal((await contender(folder, ['rollback', '--to', '1.0.0', '--reason', hostile])).code, 0);
    const workspace = await opened();
    const options = { colour: false, width: 100 };
    const [models, detail, { model, decisions }, changes, { reasons, found }] = await Promise.all([
      summariseModels(workspace),
      describeModel(workspace, undefined),
      readLog(workspace, undefined),
      diffVersions(workspace, undefined, '1.0.0..1.0.1'),
      explainModel(workspace, undefined),
    ]);
    const texts = [
      renderSummaries(models, options),
      renderDetail(detail, options),
      renderLog(model, decisions, options),
      renderChanges(changes, options),
      renderReasons(reasons, found, options, stages),
    ];
    for (const text of [...texts, ...[models, detail, decisions, changes, reasons].map(jsonText)]) {
      assert.doesNotMatch(text, /(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
      assert.doesNotMatch(text, /^\s*::/mu);
    }
    for (const text of texts) {
      const longest = Math.max(...text.split('\n').map((line) => line.length));
      assert.ok(longest <= options.width, `${longest} columns: ${text}`);
    }
    assert.doesNotMatch(await repository.git('log', '--format=%B'), /(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
    const log = JSON.parse((await run('log', '--json')).stdout) as { approvals: { reason: string }[] }[];
    assert.equal(log[4]?.approvals[0]?.reason, hostile, 'nothing is lost');
  });
});
