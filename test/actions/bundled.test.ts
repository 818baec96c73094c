import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { evidenceDigest, type Decision, type Evidence } from '../../src/evidence/index.ts';
import { contender, gateRepository, type GateRepository } from '../support/gate-repository.ts';
import { documentedActions } from '../../scripts/action-tables.ts';
import { downloadActions, nodes, runStep, type Step } from './runner.ts';

/** What evidence says that does not change from run to run; a load test's measurements do. */
function said(evidence: Evidence): unknown {
  if (evidence.kind !== 'load') return evidenceDigest(evidence);
  return { subjects: evidence.subjects, checks: evidence.checks.map(({ id, verdict }) => [id, verdict]) };
}

async function readJson<T>(path: string): Promise<T> {
  return JSON.parse(await readFile(path, 'utf8')) as T;
}

describe('the bundled actions, run as a runner runs them', () => {
  let folder = '';
  let actions = '';
  let repository: GateRepository;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'contender-actions-'));
    actions = await downloadActions(join(folder, 'actions'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  /** The spam case with its champion registered and a candidate proposed, under a short load that any machine stands. */
  async function checkout(candidate: string): Promise<void> {
    await rm(join(folder, 'work'), { recursive: true, force: true });
    repository = await gateRepository(join(folder, 'work'));
    await repository.shortLoad();
    const registered = await contender(repository.folder, [
      'registry',
      'register',
      '--artifact',
      'models/champion.onnx',
    ]);
    assert.equal(registered.code, 0, registered.stderr);
    await repository.propose(`spam/models/${candidate}.onnx`);
  }

  const head = (): Promise<string> => repository.git('rev-parse', 'HEAD');

  const step = async (action: string, inputs: Record<string, string> = {}, event = 'push'): Promise<Step> =>
    runStep(actions, {
      folder: action,
      node: nodes['Node 24'],
      workspace: repository.folder,
      sha: await head(),
      temporary: join(folder, 'runner'),
      event,
      inputs,
    });

  it('reject a candidate on a pull request with the deciding numbers, and leave the repository as it was', async () => {
    await checkout('candidate-worse');
    const before = await head();
    const { exitCode, outputs, summary, annotations, log } = await step('.', {}, 'pull_request');
    assert.equal(exitCode, 1, log);
    assert.equal(outputs['outcome'], 'reject', log);
    assert.equal(outputs['status'], 'not-recorded');
    assert.equal(outputs['commit'], '');
    assert.match(outputs['headline'] ?? '', /^Rejected: accuracy on source=hard_ham is 0\.7\d+, 16\.8 points below/u);
    assert.match(summary, /^## ❌ spam-filter: rejected\n\n\*\*Rejected: accuracy on source=hard/u);
    assert.ok(annotations.some(({ level, message }) => level === 'error' && message.includes('hard_ham')));
    const errors = annotations.filter(({ level }) => level === 'error').map(({ message }) => message);
    assert.ok(!errors.includes(outputs['headline'] ?? ''), 'what a check says is not said again');
    assert.equal(await head(), before);
    const decision = await readJson<Decision>(outputs['decision'] ?? '');
    assert.equal(decision.source.pullRequest, 3);
    assert.equal(decision.candidate?.artifacts[0]?.sha256, outputs['candidate-sha256']);
    const page = await readFile(join(outputs['decision'] ?? '', '..', 'report.html'), 'utf8');
    assert.match(page, /<svg aria-label="ROC curve[^>]*role="img"/u, 'what draws charts is in the bundle');
  });

  it('promote stage by stage on a push, with the evidence that the command line gives', async () => {
    await checkout('candidate');
    // A limit that blocks: without its stage nothing could be promoted.
    const behaviour = 'behaviour: { agreement: { with: champion, min_label_agreement: 0.5 } }';
    await repository.configure('    staging:', `    ${behaviour}\n    staging:`);
    const byHand = join(folder, 'by-hand');
    const evidence: Evidence[] = [];
    for (const [action, name] of [
      ['validate-data', 'validate'],
      ['evaluate-model', 'evaluate'],
      ['behaviour', 'behaviour'],
      ['load-test', 'load-test'],
    ] as const) {
      const { exitCode, outputs, summary, log } = await step(`actions/${action}`);
      assert.equal(exitCode, 0, log);
      assert.equal(outputs['verdict'], 'pass');
      assert.match(summary, /^## ✅ spam-filter: passed/u);
      const fromAction = await readJson<Evidence>(outputs['evidence'] ?? '');
      assert.equal(outputs['evidence-sha256'], evidenceDigest(fromAction));
      const command = await contender(repository.folder, [name, '--out', byHand]);
      assert.equal(command.code, 0, command.stderr);
      const fromCommand = await readJson<Evidence>(join(byHand, `spam-filter/evidence/${fromAction.kind}.json`));
      assert.deepEqual(said(fromAction), said(fromCommand));
      evidence.push(fromAction);
    }
    const { exitCode, outputs, log } = await step('actions/promote', { version: '2.0.0' });
    assert.equal(exitCode, 0, log);
    assert.equal(outputs['outcome'], 'promote');
    assert.equal(outputs['status'], 'recorded');
    assert.equal(outputs['version'], '2.0.0');
    assert.equal(outputs['commit'], await repository.recorded());
    assert.deepEqual(JSON.parse(outputs['evidence'] ?? '').length, 4);
    const decision = await readJson<Decision>(outputs['decision'] ?? '');
    assert.deepEqual(decision.evidence.map(({ sha256 }) => sha256).toSorted(), evidence.map(evidenceDigest).toSorted());
    assert.equal(decision.actor, 'ada');
    assert.equal((await contender(repository.folder, ['registry', 'verify'])).code, 0);

    const again = await step('actions/promote');
    assert.equal(again.outputs['outcome'], 'no-change', again.log);
    assert.equal(again.exitCode, 0);

    const verified = await step('actions/verify-model', { file: 'models/candidate.onnx' });
    assert.equal(verified.exitCode, 0, verified.log);
    const back = await step('actions/rollback', { reason: 'It is slow for long mail' }, 'workflow_dispatch');
    assert.equal(back.exitCode, 0, back.log);
    assert.deepEqual(
      [back.outputs['status'], back.outputs['from'], back.outputs['version'], back.outputs['commit']],
      ['recorded', '2.0.0', '1.0.0', await repository.recorded()],
    );
    assert.equal(back.outputs['sha256'], decision.from?.artifacts[0]?.sha256);
    assert.match(back.outputs['headline'] ?? '', /ada.*It is slow for long mail/u);
    const whole = await step('actions/verify-registry');
    assert.deepEqual(
      [whole.exitCode, whole.outputs['verified'], whole.outputs['findings']],
      [0, 'true', '[]'],
      whole.log,
    );
  });

  it('compare the shards that others predicted as the models themselves', async () => {
    await checkout('candidate');
    for (const shard of ['1/2', '2/2']) {
      const file = `parts/${shard.replace('/', '-')}.parquet`;
      const { exitCode, outputs, log } = await step('actions/predict', { shard, file });
      assert.equal(exitCode, 0, log);
      assert.deepEqual(outputs, {
        outcome: 'predicted',
        headline: 'Predicted 1,175 of 2,350 rows with the candidate.',
        file,
        rows: '1175',
        'model-sha256': outputs['model-sha256'],
      });
    }
    const whole = await step('actions/evaluate-model');
    const sharded = await step('actions/evaluate-model', { predictions: 'parts/*.parquet' });
    assert.equal(sharded.exitCode, 0, sharded.log);
    assert.equal(sharded.outputs['evidence-sha256'], whole.outputs['evidence-sha256']);
    const nothing = await step('actions/predict', { shard: '3/2', file: 'a.parquet' });
    assert.equal(nothing.exitCode, 1);
    assert.equal(nothing.outputs['outcome'], 'error');
    assert.match(nothing.outputs['headline'] ?? '', /input shard: "3\/2"/u);
  });

  it('record a hold on a push and fail the step, unless told that a hold may pass', async () => {
    await checkout('candidate-small');
    const held = await step('.', { model: 'spam-filter' });
    assert.equal(held.exitCode, 1, held.log);
    assert.equal(held.outputs['outcome'], 'hold', held.log);
    assert.equal(held.outputs['status'], 'recorded');
    assert.match(held.outputs['headline'] ?? '', /^Held: /u);
    assert.match(held.summary, /recall is 0\.9\d+, 1\.4 points below the champion/u);
    const passed = await step('.', { 'fail-on-hold': 'false' });
    assert.equal(passed.exitCode, 0, passed.log);
    assert.equal(passed.outputs['status'], 'already-recorded');
  });

  describe('given a mistake', () => {
    before(() => checkout('candidate'));

    const mistakes: Record<string, { inputs: Record<string, string>; event?: string; says: RegExp }> = {
      'a configuration that is not there': { inputs: { config: 'no.yml' }, says: /no\.yml/u },
      'a model that is not configured': { inputs: { model: 'spam' }, says: /spam-filter/u },
      'a boolean that is none': { inputs: { 'fail-on-hold': 'no' }, says: /fail-on-hold.*true or false/u },
      'a folder outside the workspace': { inputs: { 'working-directory': '..' }, says: /working-directory/u },
      'an order to record a pull request': {
        inputs: { record: 'true' },
        event: 'pull_request',
        says: /record.*pull request/u,
      },
      'a candidate that is not there': { inputs: { candidate: 'models/none.onnx' }, says: /none\.onnx/u },
    };
    for (const [what, { inputs, event, says }] of Object.entries(mistakes)) {
      it(`say once what is wrong with ${what}, without a stack, in the outputs and the summary too`, async () => {
        const before = await head();
        const { exitCode, annotations, outputs, summary, log } = await step('.', inputs, event);
        assert.equal(exitCode, 1);
        assert.equal(outputs['outcome'], 'error');
        assert.match(outputs['headline'] ?? '', says);
        assert.equal(outputs['report'], '');
        assert.match(summary, /^## ❌ Contender: error\n\n\S/u);
        assert.deepEqual(
          annotations.map(({ level }) => level),
          ['error'],
          log,
        );
        assert.match(annotations[0]?.message ?? '', says);
        assert.doesNotMatch(log, /^\s+at |This is a bug/mu);
        assert.equal(await head(), before);
      });
    }

    it('say where the configuration is wrong', async () => {
      await repository.configure('guardrails:', 'guardrail:');
      const { exitCode, annotations } = await step('.');
      assert.equal(exitCode, 1);
      assert.match(annotations[0]?.message ?? '', /contender\.yml:\d+:\d+.*guardrails/u);
      assert.match(annotations[0]?.properties ?? '', /^file=contender\.yml,line=\d+,col=\d+$/u);
    });
  });

  it('take a configuration in a folder of the repository, and an output folder of choice', async () => {
    await checkout('candidate');
    await mkdir(join(repository.folder, 'team'));
    for (const file of ['contender.yml', 'schema.json', 'data', 'models']) {
      await rename(join(repository.folder, file), join(repository.folder, 'team', file));
    }
    const junit = 'reports/junit.xml';
    const inputs = { config: 'team/contender.yml', out: 'reports', junit };
    const { outputs, log } = await step('actions/validate-data', inputs);
    assert.match(
      await readFile(join(repository.folder, junit), 'utf8'),
      /<testsuite name="spam-filter\.data" tests="4"/u,
    );
    assert.equal(outputs['verdict'], 'pass', log);
    assert.equal(outputs['evidence'], join(repository.folder, 'reports/spam-filter/evidence/data.json'));
  });
});

for (const [name, node] of Object.entries(nodes)) {
  describe(`the bundled actions on ${name}`, () => {
    let folder = '';
    let actions = '';

    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'contender-actions-'));
      actions = await downloadActions(join(folder, 'actions'));
    });
    after(() => rm(folder, { recursive: true, force: true }));

    for (const { folder: action } of documentedActions) {
      it(`${action} starts where nothing is installed, and says what it lacks in log, outputs and summary`, async () => {
        const workspace = join(folder, 'empty');
        await mkdir(workspace, { recursive: true });
        const temporary = join(folder, 'runner');
        const { exitCode, outputs, summary, annotations, log } = await runStep(actions, {
          folder: action,
          node,
          workspace,
          sha: '0'.repeat(40),
          temporary,
        });
        assert.equal(exitCode, 1, log);
        assert.ok(Object.values(outputs).includes('error'), log);
        assert.match(summary, /^## ❌ Contender: error\n\n\S/u);
        assert.equal(annotations.length, 1, log);
        assert.doesNotMatch(log, /^\s+at |This is a bug/mu);
      });
    }
  });
}
