import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import type { Manifest } from '../../src/registry/manifest.ts';
import { gtoShow } from '../registry/gto-reader.ts';
import { contender } from '../support/gate-repository.ts';
import { now, type PullRequest } from '../support/github-api/state.ts';
import { fixture } from '../support/project.ts';
import type { StartedRun } from '../support/runner/service.ts';
import type { RunResult } from '../support/runner/run.ts';
import { unzip } from '../support/runner/zip.ts';
import { downloadContender, repositoryName, workflowHub, type WorkflowHub } from '../support/workflow-hub.ts';

/* The workflows that people copy, whole and unmodified, with the bundled actions, real git and the stand-in of GitHub's API. */
let folder = '';
let tree = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'contender-workflows-'));
  tree = await downloadContender(folder);
});
after(() => rm(folder, { recursive: true, force: true }));

let at: WorkflowHub;
let hubs = 0;
/** A fresh hub for the tests of one workflow. */
function given(workflows: readonly string[], options: { load?: boolean; store?: 'github' } = {}): void {
  before(async () => {
    at = await workflowHub(join(folder, `hub-${++hubs}`), tree, workflows, options);
  });
  after(() => at.close());
}

function only(runs: readonly StartedRun[]): StartedRun {
  assert.equal(runs.length, 1, `started: ${runs.map(({ name }) => name).join(', ')}`);
  return runs[0] as StartedRun;
}

/** A branch with this candidate, and a pull request of it. */
async function propose(candidate: string): Promise<{ number: number; run: StartedRun }> {
  await at.clone.git('switch', '--quiet', '--create', candidate, 'main');
  await at.clone.propose(`spam/models/${candidate}.onnx`);
  await at.push(candidate);
  const number = await openPull(candidate);
  return { number, run: only(await at.actions.pullRequest(number, 'opened')) };
}

/** A pull request of a branch that was pushed. */
const openPull = (head: string): Promise<number> => at.openPull(head);

/** The same from a fork, whose commits GitHub keeps with the repository. */
async function proposeFromFork(candidate: string, from = 'main'): Promise<{ number: number; run: StartedRun }> {
  const { git, pulls } = at.repository;
  await at.clone.git('switch', '--quiet', '--create', 'forked', from);
  await at.clone.propose(`spam/models/${candidate}.onnx`);
  await at.clone.git('push', '--quiet', git.folder, 'HEAD:refs/forks/eve/spam');
  const pull: PullRequest = {
    number: 7,
    title: 'A candidate',
    body: null,
    state: 'open',
    draft: false,
    base: 'main',
    head: 'main',
    headRepository: 'eve/spam',
    headSha: await git.git('rev-parse', 'refs/forks/eve/spam'),
    user: { login: 'eve', id: 3, type: 'User' },
    labels: [],
    merged: false,
    mergeSha: null,
    created: now(),
    updated: now(),
    reviews: [],
  };
  pulls.set(pull.number, pull);
  return { number: pull.number, run: only(await at.actions.pullRequest(pull.number, 'opened')) };
}

/** Put a candidate on main, as a merge does. */
async function merge(candidate: string): Promise<StartedRun[]> {
  await at.clone.git('switch', '--quiet', 'main');
  await at.clone.git('pull', '--quiet', '--ff-only', at.repository.git.folder, 'main');
  await at.clone.propose(`spam/models/${candidate}.onnx`);
  return at.actions.push('refs/heads/main', await at.push());
}

async function manifest(): Promise<Manifest> {
  return JSON.parse(
    await at.repository.git.git('show', `${at.registryBranch}:registry/models/spam-filter/manifest.json`),
  ) as Manifest;
}

async function verified(): Promise<void> {
  await at.clone.git('switch', '--quiet', 'main');
  await at.clone.git('pull', '--quiet', '--ff-only', at.repository.git.folder, 'main');
  // What was recorded, not what the clone registered.
  await at.clone.git(
    'fetch',
    '--quiet',
    at.repository.git.folder,
    '+refs/heads/model-registry:refs/heads/model-registry',
  );
  const { code, stdout, stderr } = await contender(at.clone.folder, ['registry', 'verify']);
  assert.equal(code, 0, stdout + stderr);
}

/** Files of the artifact of a run. */
function artifact(name: string, run: StartedRun): string[] {
  const found = [...at.repository.artifacts.values()].find((each) => each.name === name && each.run === run.id);
  return found === undefined ? [] : [...unzip(found.bytes).keys()].toSorted();
}

/** Evidence in it. */
function evidence(name: string, run: StartedRun): string[] {
  return artifact(name, run).filter((path) => path.includes('/evidence/'));
}

/** Tags of what is released, and of nothing that is still a draft. */
const releases = (): string[] =>
  [...at.repository.releases.values()].flatMap(({ tag_name: tag, draft }) => (draft ? [] : [tag])).toSorted();

const comments = (): string[] => [...at.repository.comments.values()].map(({ body }) => body);

function failedSteps(result: RunResult): string[] {
  return result.jobs.flatMap(({ steps }) => steps.filter((step) => step.conclusion === 'failure').map(({ id }) => id));
}

describe('pull-request.yml', () => {
  given(['pull-request.yml']);

  it('lets a better candidate pass, says so in one comment, and records nothing', async () => {
    const before = await at.repository.git.git('rev-parse', 'main');
    const { run } = await propose('candidate');
    const result = await run.done;
    assert.equal(result.conclusion, 'success', result.log);
    assert.match(result.jobs[0]?.steps.map(({ summary }) => summary).join('') ?? '', /ROC AUC/u);
    assert.equal(comments().length, 1, result.log);
    assert.match(comments()[0] ?? '', /spam-filter/u);
    assert.ok(
      artifact('model-gate-spam-filter', run).includes('spam-filter/decision.json'),
      artifact('model-gate-spam-filter', run).join(),
    );
    assert.equal(await at.repository.git.git('rev-parse', 'main'), before);
  });

  it('fails on a worse candidate, with the number that decided it', async () => {
    const { run } = await propose('candidate-worse');
    const result = await run.done;
    assert.equal(result.conclusion, 'failure', result.log);
    assert.deepEqual(failedSteps(result), ['gate']);
    assert.match(result.annotations.map(({ message }) => message).join('\n'), /hard_ham/u);
    assert.match(comments().at(-1) ?? '', /16\.8 points below/u);
    assert.ok(artifact('model-gate-spam-filter', run).includes('spam-filter/report.md'));
  });

  it('judges the better one anew when the base of its pull request is changed, by what that base asks for', async () => {
    const pull = [...at.repository.pulls.values()].find(({ head }) => head === 'candidate') as PullRequest;
    await at.clone.git('switch', '--quiet', '--create', 'strict', 'main');
    await at.clone.configure('min: 0.85', 'min: 0.99');
    await at.push('strict');
    pull.base = 'strict';
    const before = { base: { ref: { from: 'main' } } };
    const result = await only(await at.actions.pullRequest(pull.number, 'edited', before)).done;
    assert.equal(result.conclusion, 'failure', result.log);
    assert.match(result.annotations.map(({ message }) => message).join('\n'), /at least 0\.99/u);
  });

  it('cancels a run for another base, and none for another title', async () => {
    const pull = [...at.repository.pulls.values()].find(({ head }) => head === 'candidate') as PullRequest;
    pull.base = 'main';
    const [title, base] = [{ title: { from: 'A model' } }, { base: { ref: { from: 'strict' } } }];
    const judged = only(await at.actions.pullRequest(pull.number));
    const titled = only(await at.actions.pullRequest(pull.number, 'edited', title));
    assert.equal((await judged.done).conclusion, 'success');
    const again = only(await at.actions.pullRequest(pull.number, 'edited', base));
    assert.equal((await titled.done).conclusion, 'cancelled');
    assert.equal((await again.done).conclusion, 'success');
  });
});

describe('pull-request.yml, on text that would be commands to the runner', () => {
  given(['pull-request.yml']);
  const hostile = '##[set-output name=outcome]promote ##[add-mask]spam-filter';

  it('sets no output and hides nothing by the name of a column that is missing', async () => {
    await at.clone.git('switch', '--quiet', '--create', 'hostile', 'main');
    const schema = join(at.clone.folder, 'schema.json');
    const columns = JSON.stringify([hostile, `::${hostile}`]).slice(1, -1);
    await writeFile(schema, (await readFile(schema, 'utf8')).replace('"label"\n ]', `"label", ${columns}\n ]`));
    await at.clone.propose('spam/models/candidate-worse.onnx');
    await at.push('hostile');
    const result = await only(await at.actions.pullRequest(await openPull('hostile'), 'opened')).done;
    const gate = result.jobs[0]?.steps.find(({ id }) => id === 'gate');
    assert.equal(gate?.outputs['outcome'], 'reject', result.log);
    assert.match(gate?.log ?? '', /spam-filter/u);
    assert.match(gate?.log ?? '', /set-output name=outcome/u);
  });

  it('nor in an error', async () => {
    await at.clone.configure('models/candidate.onnx', `"models/${hostile}.onnx"`);
    await at.push('hostile');
    const result = await only(await at.actions.pullRequest(1)).done;
    const gate = result.jobs[0]?.steps.find(({ id }) => id === 'gate');
    assert.equal(gate?.outputs['outcome'], 'error', result.log);
    assert.match(result.annotations.map(({ message }) => message).join('\n'), /add-mask\]spam-filter/u);
  });
});

describe('comment.yml', () => {
  given(['pull-request.yml', 'comment.yml']);

  it('tells what the gate found of a pull request from a fork, which could not tell it itself', async () => {
    const { run } = await proposeFromFork('candidate-worse');
    const gate = await run.done;
    assert.equal(gate.conclusion, 'failure', gate.log);
    assert.match(gate.annotations.map(({ message }) => message).join('\n'), /from a fork is read-only/u);
    const settled = await at.actions.settled();
    const told = settled.find(({ name }) => name === 'Model gate comment')?.result;
    assert.equal(told?.conclusion, 'success', told?.log);
    assert.deepEqual(
      [...at.repository.comments.values()].map(({ issue }) => issue),
      [7],
      told?.log,
    );
    assert.match(comments()[0] ?? '', /16\.8 points below/u);
  });

  it('says what a second attempt of the gate found, and never again what the first one did', async () => {
    const [gate, told] = await at.actions.settled();
    await at.actions.rerun(gate?.id ?? 0).done;
    await at.actions.settled();
    const marker = (): string => /run=\S+/u.exec(comments()[0] ?? '')?.[0] ?? '';
    assert.equal(marker(), `run=${gate?.id}.2`);
    const late = await at.actions.rerun(told?.id ?? 0).done;
    assert.equal(late.conclusion, 'success', late.log);
    assert.match(late.log, /superseded/u);
    assert.equal(marker(), `run=${gate?.id}.2`);
    assert.equal(comments().length, 1);
  });

  it('says nothing of a gate that left nothing, and does not fail', async () => {
    await at.clone.git('switch', '--quiet', 'forked');
    await at.clone.configure('guardrails:', 'guardrail:');
    await at.clone.git('push', '--quiet', at.repository.git.folder, 'HEAD:refs/forks/eve/spam');
    const pull = at.repository.pulls.get(7) as PullRequest;
    pull.headSha = await at.clone.git('rev-parse', 'HEAD');
    assert.equal((await only(await at.actions.pullRequest(7)).done).conclusion, 'failure');
    const told = (await at.actions.settled()).at(-1);
    assert.equal(told?.name, 'Model gate comment');
    assert.equal(told?.result.conclusion, 'success', told?.result.log);
    assert.equal(comments().length, 1);
  });
});

describe('release.yml', () => {
  given(['release.yml']);

  async function tag(name: string): Promise<RunResult> {
    await at.clone.git('tag', '--annotate', '--force', name, '--message', name);
    await at.clone.git('push', '--quiet', '--force', at.repository.git.folder, `refs/tags/${name}`);
    return only(await at.actions.push(`refs/tags/${name}`, null)).done;
  }

  it('releases the champion', async () => {
    const result = await tag('spam-filter@v1.0.0');
    assert.equal(result.conclusion, 'success', result.log);
    assert.deepEqual(
      [...at.repository.releases.values()].map((release) => [release.tag_name, release.draft]),
      [['spam-filter@v1.0.0', false]],
    );
  });

  it('refuses a tag on anything else', async () => {
    await at.clone.propose('spam/models/candidate-worse.onnx');
    const result = await tag('spam-filter@v2.0.0');
    assert.equal(result.conclusion, 'failure');
    assert.match(result.annotations[0]?.message ?? '', /spam-filter|registry/u, result.log);
    assert.equal(at.repository.releases.size, 1);
  });
});

describe('promote.yml', () => {
  given(['promote.yml'], { load: true });

  it('promotes a better candidate, pushes the decision, and does not start itself again', async () => {
    const run = only(await merge('candidate'));
    const result = await run.done;
    assert.equal(result.conclusion, 'success', result.log);
    assert.match(await at.repository.git.git('log', '-1', '--format=%s', 'model-registry'), /promote/iu);
    assert.equal((await manifest()).head.seq, 2);
    await verified();
    assert.deepEqual(
      [...at.repository.releases.values()].map((release) => [release.tag_name, release.draft]),
      [['spam-filter@v1.0.1', false]],
    );
    assert.ok(artifact('promotion-spam-filter', run).includes('spam-filter/evidence/load.json'));
    assert.equal((await at.actions.settled()).length, 1);
    // Had a person pushed it, the branch would not have matched either.
    assert.deepEqual(await at.actions.push('refs/heads/model-registry'), []);
  });

  it('records a rejection too, and fails, though somebody pushed to main meanwhile', async () => {
    const from = at.hub.requests.length;
    const run = only(await merge('candidate-worse'));
    // Advertisement, refs, objects: then the checkout has what it judges.
    while (at.hub.requests.slice(from).filter(({ name }) => name.startsWith('git fetch')).length < 3)
      await setTimeout(10);
    await writeFile(join(at.clone.folder, 'NOTES.md'), 'Meanwhile\n');
    const meanwhile = await at.clone.commit('Write notes');
    await at.push();
    const result = await run.done;
    assert.equal(result.conclusion, 'failure', result.log);
    assert.deepEqual(failedSteps(result), ['gate']);
    assert.match(await at.repository.git.git('log', '-1', '--format=%s', 'model-registry'), /reject/iu);
    assert.equal(await at.repository.git.git('rev-parse', 'main'), meanwhile);
    assert.equal((await manifest()).head.seq, 3);
    await verified();
  });
});

describe('two models in one contender.yml, and a line for the second in each workflow', () => {
  const workflows = ['pull-request.yml', 'comment.yml', 'promote.yml', 'release.yml'];
  given(workflows);

  /** A second model, with the policy of the first and the same champion. */
  before(async () => {
    const read = (path: string): Promise<string> => readFile(join(at.clone.folder, path), 'utf8');
    const config = await read('contender.yml');
    const first = /^ {2}spam-filter:\n(?: {4}.*\n)+/mu.exec(config)?.[0] ?? '';
    const second = first.replace('spam-filter', 'phishing').replace('candidate.onnx', 'phishing.onnx');
    await writeFile(join(at.clone.folder, 'contender.yml'), config.replace(first, first + second));
    for (const workflow of workflows) {
      const path = `.github/workflows/${workflow}`;
      const text = await read(path);
      const changed = text
        .replace(/^( +- )spam-filter #.*$/mu, '$1spam-filter\n$1phishing')
        .replace(/^( +)spam-filter\) .*$/mu, '$&\n$1phishing) file=models/phishing.onnx ;;');
      await writeFile(join(at.clone.folder, path), changed);
    }
    await cp(fixture('spam/models/champion.onnx'), join(at.clone.folder, 'models/phishing.onnx'));
    await at.clone.commit('Judge a second model');
    const register = ['registry', 'register', '--model', 'phishing', '--artifact', 'models/phishing.onnx'];
    await at.push();
    const { code, stderr } = await contender(at.clone.folder, register);
    assert.equal(code, 0, stderr);
  });

  const results = (result: RunResult): string[] => result.jobs.map((each) => `${each.name}: ${each.result}`);

  it('are judged each for itself on a pull request', async () => {
    await at.clone.git('switch', '--quiet', '--create', 'both');
    await cp(fixture('spam/models/candidate-worse.onnx'), join(at.clone.folder, 'models/phishing.onnx'));
    await at.clone.propose('spam/models/candidate.onnx');
    await at.push('both');
    const run = only(await at.actions.pullRequest(await openPull('both'), 'opened'));
    const result = await run.done;
    assert.deepEqual(results(result), ['gate (spam-filter): success', 'gate (phishing): failure'], result.log);
    assert.ok(artifact('model-gate-spam-filter', run).includes('spam-filter/decision.json'));
    assert.ok(artifact('model-gate-phishing', run).includes('phishing/decision.json'));
    const [worse, better] = comments().toSorted();
    assert.match(worse ?? '', /model=phishing .*Rejected/su);
    assert.match(better ?? '', /model=spam-filter .*ready to promote/su);
  });

  it('have a comment each on a pull request from a fork', async () => {
    at.repository.comments.clear();
    const { run } = await proposeFromFork('candidate', 'both');
    assert.equal((await run.done).conclusion, 'failure');
    const told = (await at.actions.settled()).findLast(({ name }) => name === 'Model gate comment')?.result;
    assert.equal(told?.conclusion, 'success', told?.log);
    const markers = comments().map((body) => /model=(?<model>\S+)/u.exec(body)?.groups?.['model']);
    assert.deepEqual(new Set(markers), new Set(['phishing', 'spam-filter']));
    assert.equal(markers.length, 2);
  });

  it('are decided each for itself when they are merged: one promoted and released, the other rejected', async () => {
    await at.clone.git('switch', '--quiet', 'main');
    await at.clone.git('merge', '--quiet', '--ff-only', 'both');
    const result = await only(await at.actions.push('refs/heads/main', await at.push())).done;
    assert.deepEqual(results(result), ['promote (spam-filter): success', 'promote (phishing): failure'], result.log);
    const log = await at.repository.git.git('log', '-2', '--format=%s', 'model-registry');
    assert.match(log, /promote/iu);
    assert.match(log, /reject/iu);
    assert.deepEqual(releases(), ['spam-filter@v1.0.1']);
    await verified();
  });

  it('are released by the tag of either, and by that of no other', async () => {
    const tag = async (name: string, commit: string): Promise<RunResult> => {
      await at.repository.git.git('update-ref', `refs/tags/${name}`, commit);
      return only(await at.actions.push(`refs/tags/${name}`, null)).done;
    };
    // Where its file still is the champion.
    const before = await at.repository.git.git('rev-parse', 'main~1');
    const result = await tag('phishing@v1.0.0', before);
    assert.equal(result.conclusion, 'success', result.log);
    assert.deepEqual(releases(), ['phishing@v1.0.0', 'spam-filter@v1.0.1']);
    const other = await tag('nobody@v1.0.0', before);
    assert.deepEqual([other.conclusion, failedSteps(other)], ['failure', ['tagged']]);
    assert.equal(at.repository.releases.size, 2);
  });
});

describe('promote.yml with an environment, where the policy asks for approval', () => {
  given(['promote.yml']);
  before(async () => {
    at.hub.guard(repositoryName, { name: 'production', reviewers: ['grace'], branches: ['main'] });
    const path = join(at.clone.folder, '.github/workflows/promote.yml');
    const text = await readFile(path, 'utf8');
    const reading = '      actions: read\n      pull-requests: read\n';
    const changed = text
      .replace('    runs-on:', '    environment: production\n    runs-on:')
      .replace(/ {6}contents: write.*\n/u, `$&${reading}`);
    await writeFile(path, changed);
    await at.clone.configure('      alpha: 0.05\n', '      alpha: 0.05\n      approvals: { from: [grace] }\n');
    await at.push();
  });

  it('records nothing when the reviewer rejects the run', async () => {
    const run = only(await merge('candidate'));
    const before = await at.repository.git.git('for-each-ref');
    await at.actions.review(run, 'grace', 'rejected');
    assert.equal((await run.done).conclusion, 'failure');
    assert.equal(await at.repository.git.git('for-each-ref'), before);
  });

  it('promotes when the reviewer has approved it, and the decision says who did', async () => {
    const run = only(await at.actions.dispatch('promote.yml'));
    await at.actions.review(run, 'grace');
    const result = await run.done;
    assert.equal(result.conclusion, 'success', result.log);
    const decision = await at.repository.git.git(
      'show',
      'model-registry:registry/models/spam-filter/decisions/000/000002.json',
    );
    assert.match(decision, new RegExp(`"source":\\s*"environment production of run ${run.id}"`, 'u'));
    assert.deepEqual(releases(), ['spam-filter@v1.0.1']);
  });
});

describe('workflows that record, started on a branch that was not merged', () => {
  const workflows = ['promote.yml', 'rollback.yml'];
  given(workflows);

  it('record nothing, tag nothing and release nothing', async () => {
    await at.clone.git('switch', '--quiet', '--create', 'loosened', 'main');
    await at.clone.configure('margin: 0.005, require: superior, min_gain: 0.002', 'margin: 0.5, require: non-inferior');
    await at.clone.configure('min: 0.85, margin: 0.01', 'min: 0.01, margin: 0.9');
    await at.clone.configure('margin: 0.02, slices', 'margin: 0.9, slices');
    await at.clone.propose('spam/models/candidate-worse.onnx');
    await at.push('loosened');
    const refs = await at.repository.git.git('for-each-ref');
    for (const workflow of workflows) {
      const inputs = workflow === 'rollback.yml' ? { model: 'spam-filter', reason: 'Why not' } : {};
      const result = await only(await at.actions.dispatch(workflow, inputs, 'refs/heads/loosened')).done;
      assert.equal(result.conclusion, 'skipped', result.log);
    }
    assert.equal(await at.repository.git.git('for-each-ref'), refs);
    assert.equal(at.repository.releases.size, 0);
  });
});

describe('promote.yml, where GitHub refuses the release', () => {
  given(['promote.yml']);
  let run: StartedRun;

  it('records and pushes the decision all the same, fails, and says so', async () => {
    const refusal = { status: 403, body: { message: 'Resource not accessible by integration' } };
    at.hub.fail({ answer: refusal }, { when: /^POST .*\/releases$/u });
    run = only(await merge('candidate'));
    const result = await run.done;
    assert.equal(result.conclusion, 'failure', result.log);
    assert.deepEqual(failedSteps(result), ['gate']);
    const said = result.annotations.map(({ message }) => message).join('\n');
    assert.match(
      said,
      /^The decision is recorded, but its release is not complete; run the job again .*\n\npermissions:\n {2}contents: write$/msu,
    );
    assert.deepEqual([await champion(), at.repository.releases.size], ['1.0.1', 0]);
  });

  it('completes it when the failed job is run again', async () => {
    const result = await at.actions.rerun(run.id, { failedOnly: true }).done;
    assert.equal(result.conclusion, 'success', result.log);
    const [release] = [...at.repository.releases.values()];
    assert.deepEqual([release?.tag_name, release?.draft], ['spam-filter@v1.0.1', false]);
    assert.equal((await manifest()).head.seq, 2);
  });
});

describe('train-and-gate.yml', () => {
  given(['train-and-gate.yml']);

  /** Push a training that makes this model. */
  async function train(model: string): Promise<RunResult> {
    await at.clone.git('switch', '--quiet', 'main');
    await at.clone.git('pull', '--quiet', '--ff-only', at.repository.git.folder, 'main');
    await cp(fixture(`spam/models/${model}.onnx`), join(at.clone.folder, 'data/weights'));
    await writeFile(join(at.clone.folder, 'train.sh'), '#!/bin/sh\ncp data/weights model.onnx\n', { mode: 0o755 });
    await at.clone.commit(`Train ${model}`);
    return only(await at.actions.push('refs/heads/main', await at.push())).done;
  }
  const models = () => [...at.repository.artifacts.values()].filter(({ name }) => name === 'model');

  it('promotes what was trained, from its artifact, and releases it byte for byte', async () => {
    const result = await train('candidate');
    assert.equal(result.conclusion, 'success', result.log);
    const [{ id, run } = { id: 0, run: 0 }] = models();
    assert.deepEqual(
      (await manifest()).versions.at(-1)?.artifacts.map(({ uri }) => uri),
      [`${at.hub.site}/${repositoryName}/actions/runs/${run}/artifacts/${id}#model.onnx`],
    );
    const assets = [...at.repository.releases.values()].flatMap((release) => release.assets);
    assert.deepEqual(
      assets.find(({ name }) => name === 'model.onnx')?.bytes,
      await readFile(fixture('spam/models/candidate.onnx')),
    );
    assert.doesNotMatch(result.annotations.map(({ message }) => message).join('\n'), /GitHub deletes/u);
    await verified();
  });

  it('rejects a worse one, against the champion in its release once the artifact expired', async () => {
    for (const each of models()) each.expired = true;
    const result = await train('candidate-worse');
    assert.equal(result.conclusion, 'failure', result.log);
    assert.deepEqual(failedSteps(result), ['gate']);
    assert.match(result.log, /taken from \S+\/releases\/download\/spam-filter%40v1\.0\.1\/model\.onnx/u);
    assert.match(await at.repository.git.git('log', '-1', '--format=%s', 'model-registry'), /reject/iu);
    await verified();
  });

  it('decides nothing where training leaves no model', async () => {
    const before = (await manifest()).head.seq;
    await writeFile(join(at.clone.folder, 'train.sh'), '#!/bin/sh\n', { mode: 0o755 });
    await at.clone.git('pull', '--quiet', '--ff-only', at.repository.git.folder, 'main');
    await at.clone.commit('Train nothing');
    const result = await only(await at.actions.push('refs/heads/main', await at.push())).done;
    assert.equal(result.conclusion, 'failure');
    assert.equal(result.jobs.at(-1)?.result, 'skipped');
    assert.equal((await manifest()).head.seq, before);
  });
});

describe('promote.yml where main is protected', () => {
  given(['promote.yml']);

  it('records on the branch of the registry and leaves main, which it may not push, as it is', async () => {
    at.hub.protect(repositoryName, { ref: 'refs/heads/main' });
    const result = await only(await merge('candidate')).done;
    assert.equal(result.conclusion, 'success', result.log);
    const merged = await at.clone.git('rev-parse', 'HEAD');
    assert.equal(await at.repository.git.git('rev-parse', 'main'), merged);
    assert.match(await at.repository.git.git('log', '-1', '--format=%s', 'model-registry'), /promote/iu);
    await verified();
  });

  it('records a rejection too, after the decision before it', async () => {
    const result = await only(await merge('candidate-worse')).done;
    assert.equal(result.conclusion, 'failure', result.log);
    assert.deepEqual(failedSteps(result), ['gate']);
    const log = await at.repository.git.git('log', '-2', '--format=%s', 'model-registry');
    assert.match(log, /reject.*\n.*promote/iu);
  });

  it('decides for every merge of those that come at once, one after the other', async () => {
    const runs = [only(await merge('candidate-small')), only(await merge('candidate-worse-global'))];
    const results = await Promise.all(runs.map(({ done }) => done));
    // The last one was judged, by whichever run came to it first; no run was dropped, and nothing recorded twice.
    assert.ok(results.every(({ conclusion }) => conclusion === 'failure'));
    const sha256 = createHash('sha256')
      .update(await readFile(fixture('spam/models/candidate-worse-global.onnx')))
      .digest('hex');
    const recorded = await at.repository.git.git('grep', '-l', sha256, 'model-registry', '--', '*/decisions/*');
    assert.equal(recorded.split('\n').length, 1, recorded);
    await verified();
  });
});

const byPullRequest = ['promote-by-pull-request.yml', 'promotion-finish.yml'];

/** A person merges the promotion pull request. */
async function mergePromotion(number: number, method: 'merge' | 'squash' | 'rebase'): Promise<StartedRun> {
  const before = await at.repository.git.git('rev-parse', 'main');
  const answer = await fetch(`${at.hub.url}/repos/${repositoryName}/pulls/${number}/merge`, {
    method: 'PUT',
    headers: {
      authorization: `Bearer ${at.hub.token({ login: 'ada', type: 'User' })}`,
      'content-type': 'application/json',
    },
    body: JSON.stringify({ merge_method: method }),
  });
  assert.equal(answer.status, 200, await answer.text());
  return only(await at.actions.push('refs/heads/main', before));
}

async function champion(): Promise<string | undefined> {
  return (await manifest()).aliases['champion']?.version;
}

describe('promote-by-pull-request.yml and promotion-finish.yml', () => {
  given(byPullRequest, { store: 'github' });
  before(() => at.hub.protect(repositoryName, { ref: 'refs/heads/main' }));

  it('asks people to merge the promotion, shows that it waits, and leaves main as it is', async () => {
    const result = await only(await merge('candidate')).done;
    assert.equal(result.conclusion, 'success', result.log);
    assert.equal(await at.repository.git.git('rev-parse', 'main'), await at.clone.git('rev-parse', 'HEAD'));
    assert.equal(await champion(), '1.0.0');
    const pull = at.repository.pulls.get(1);
    assert.equal(pull?.title, 'Promote spam-filter 1.0.1');
    assert.match(pull?.body ?? '', /ROC AUC/u);
    const [check] = [...at.repository.checks.values()];
    assert.equal(check?.conclusion, 'action_required');
    assert.match(check?.output.title ?? '', /^Promotion pending: .*not active until pull request 1 is merged$/u);
    assert.match(check?.details_url ?? '', /\/pull\/1$/u);
  });

  it('writes nothing twice when the job runs again', async () => {
    const before = await at.repository.git.git('rev-parse', 'contender/promote/spam-filter');
    const result = await only(await at.actions.dispatch('promote-by-pull-request.yml')).done;
    assert.equal(result.conclusion, 'success', result.log);
    assert.equal(await at.repository.git.git('rev-parse', 'contender/promote/spam-filter'), before);
    assert.equal(at.repository.pulls.size, 1);
  });

  it('tags and releases what was merged, as it was decided', async () => {
    const result = await (await mergePromotion(1, 'squash')).done;
    assert.equal(result.conclusion, 'success', result.log);
    assert.equal(await champion(), '1.0.1');
    const [release, ...others] = [...at.repository.releases.values()];
    assert.deepEqual([release?.tag_name, release?.draft, others], ['spam-filter@v1.0.1', false, []]);
    const { git } = at.repository;
    assert.deepEqual((await gtoShow('spam-filter', git.git.bind(git))).stages, { champion: '1.0.1' });
    assert.equal(await git.git('rev-parse', 'spam-filter@v1.0.1^{commit}'), await git.git('rev-parse', 'main'));
  });

  it('merges a rejection without a release', async () => {
    const rejected = await only(await merge('candidate-worse')).done;
    assert.deepEqual([rejected.conclusion, failedSteps(rejected)], ['failure', ['gate']]);
    assert.equal(at.repository.pulls.get(2)?.title, 'Record that a candidate for spam-filter was rejected');
    const result = await (await mergePromotion(2, 'rebase')).done;
    assert.equal(result.conclusion, 'success', result.log);
    assert.equal((await manifest()).head.seq, 3);
    assert.equal(at.repository.releases.size, 1);
  });
});

describe('registry-act-by-pull-request.yml and promotion-finish.yml', () => {
  const act = 'registry-act-by-pull-request.yml';
  given([act, ...byPullRequest], { store: 'github' });
  const inputs = { model: 'spam-filter', reason: 'It misses "invoices"; $(id)' };
  before(async () => {
    at.hub.protect(repositoryName, { ref: 'refs/heads/main' });
    await only(await merge('candidate')).done;
    await (
      await mergePromotion(1, 'squash')
    ).done;
    assert.equal(await champion(), '1.0.1');
  });

  it('rolls back once people have merged it, on the word of who started it', async () => {
    const result = await only(await at.actions.dispatch(act, { ...inputs, act: 'rollback' })).done;
    assert.deepEqual(
      result.jobs[0]?.steps.find(({ id }) => id === 'rollback')?.outputs['status'],
      'pending',
      result.log,
    );
    assert.equal(await champion(), '1.0.1');
    const merged = await (await mergePromotion(2, 'squash')).done;
    assert.equal(merged.conclusion, 'success', merged.log);
    assert.equal(await champion(), '1.0.0');
    const { git } = at.repository;
    assert.deepEqual((await gtoShow('spam-filter', git.git.bind(git))).stages, { champion: '1.0.0' });
    const log = await git.git('show', 'main:registry/models/spam-filter/decisions/000/000003.json');
    assert.match(log, /"actor": ?"ada"/u);
  });

  it('deprecates a version, and refuses to without a version', async () => {
    const deprecate = { ...inputs, act: 'deprecate' };
    const result = await only(await at.actions.dispatch(act, { ...deprecate, version: '1.0.1' })).done;
    assert.deepEqual(result.jobs[0]?.steps.find(({ id }) => id === 'act')?.outputs['status'], 'pending', result.log);
    const refused = await only(await at.actions.dispatch(act, deprecate)).done;
    assert.deepEqual([refused.conclusion, failedSteps(refused)], ['failure', ['act']]);
  });
});

describe('promotion-finish.yml, after an edit of the promotion pull request', () => {
  given(byPullRequest, { store: 'github' });

  it('refuses what was merged: nothing is tagged or released', async () => {
    at.hub.protect(repositoryName, { ref: 'refs/heads/main' });
    await only(await merge('candidate')).done;
    const tags = (): Promise<string> => at.repository.git.git('for-each-ref', 'refs/tags');
    const before = await tags();
    const branch = 'contender/promote/spam-filter';
    await at.clone.git('fetch', '--quiet', at.repository.git.folder, branch);
    await at.clone.git('switch', '--quiet', '--create', 'edited', 'FETCH_HEAD');
    const file = join(at.clone.folder, 'registry/models/spam-filter/decisions/000/000002.json');
    await writeFile(file, (await readFile(file, 'utf8')).replace('"actor":"ada"', '"actor":"eve"'));
    await at.clone.commit('Improve');
    await at.push(branch);
    const result = await (await mergePromotion(1, 'squash')).done;
    assert.equal(result.conclusion, 'failure', result.log);
    assert.deepEqual(failedSteps(result), ['finish']);
    assert.equal(result.jobs.find(({ id }) => id === 'release')?.result ?? 'skipped', 'skipped');
    assert.equal(at.repository.releases.size, 0);
    assert.equal(await tags(), before);
  });
});

describe('registry.yml', () => {
  given(['registry.yml'], { store: 'github' });

  it('lets a pull request pass that leaves the registry as its decisions make it', async () => {
    const { run } = await propose('candidate');
    const result = await run.done;
    assert.equal(result.conclusion, 'success', result.log);
  });

  it('refuses one that edits a decision, or takes one away, and names the file', async () => {
    const decision = 'registry/models/spam-filter/decisions/000/000001.json';
    await at.clone.git('switch', '--quiet', 'candidate');
    const path = join(at.clone.folder, decision);
    const edited = (await readFile(path, 'utf8')).replace('"actor":', '"actor" :');
    for (const change of [() => writeFile(path, edited), () => rm(path)]) {
      await change();
      await at.clone.commit('Nothing to see here');
      await at.push('candidate');
      const result = await only(await at.actions.pullRequest(1)).done;
      assert.equal(result.conclusion, 'failure', result.log);
      assert.ok(
        result.annotations.some(({ file }) => file === decision),
        result.log,
      );
    }
  });

  it('refuses a champion that another policy let in, and a way round by a configuration that leads elsewhere', async () => {
    await at.clone.git('switch', '--quiet', '--create', 'by-hand', 'main');
    await at.clone.propose('spam/models/candidate-small.onnx');
    await at.clone.configure('require: superior', 'require: non-inferior');
    await at.clone.configure('min: 0.85, margin: 0.01', 'min: 0.01, margin: 0.9');
    await at.clone.git('branch', 'loose');
    const config = await readFile(join(at.clone.folder, 'contender.yml'), 'utf8');
    const loose = config.replace('store: github\n  branch: main', 'branch: loose');
    await writeFile(join(at.clone.folder, 'loose.yml'), loose);
    const gate = await contender(at.clone.folder, ['gate', '--config', 'loose.yml']);
    assert.equal(gate.code, 0, gate.stdout + gate.stderr);
    // All that Contender asks of a registry by itself is in order.
    assert.equal((await contender(at.clone.folder, ['registry', 'verify', '--config', 'loose.yml'])).code, 0);
    await rm(join(at.clone.folder, 'loose.yml'));
    await at.clone.git('merge', '--quiet', '--ff-only', 'loose');
    await at.push('by-hand');
    const number = await openPull('by-hand');
    const second = 'registry/models/spam-filter/decisions/000/000002.json';
    const refused = await only(await at.actions.pullRequest(number, 'opened')).done;
    assert.equal(refused.conclusion, 'failure', refused.log);
    assert.ok(
      refused.annotations.some(({ file, message }) => file === second && /under policy/u.test(message)),
      refused.log,
    );
    await at.clone.configure('path: registry', 'path: elsewhere');
    await at.push('by-hand');
    const again = await only(await at.actions.pullRequest(number)).done;
    assert.equal(again.conclusion, 'failure', again.log);
    const files = again.annotations.flatMap(({ file }) => file ?? []);
    assert.deepEqual(new Set(files), new Set(['contender.yml', second]), again.log);
  });
});

describe('sharded-evaluation.yml', () => {
  given(['sharded-evaluation.yml']);

  it('gives the verdict and the numbers of one runner, from a matrix of them', async () => {
    const { run } = await propose('candidate');
    const result = await run.done;
    assert.equal(result.conclusion, 'success', result.log);
    assert.deepEqual(
      result.jobs.map(({ name }) => name),
      [
        'predict (candidate, 1/2)',
        'predict (candidate, 2/2)',
        'predict (champion, 1/2)',
        'predict (champion, 2/2)',
        'gate',
      ],
    );
    assert.match(result.jobs.at(-1)?.log ?? '', /ROC AUC +0\.9941 +0\.9967 +\+0\.26 points/u);
  });

  it('judges nothing when a shard could not be predicted', async () => {
    await at.clone.git('switch', '--quiet', 'main');
    await at.clone.configure('models/candidate.onnx', 'models/none.onnx');
    const { run } = await propose('candidate-worse');
    const result = await run.done;
    assert.equal(result.conclusion, 'failure');
    assert.equal(result.jobs.at(-1)?.result, 'skipped');
    assert.match(result.annotations.map(({ message }) => message).join('\n'), /none\.onnx/u);
  });
});

describe('rollback.yml', () => {
  given(['rollback.yml']);

  it('makes the earlier version the champion again, on the word of who started it', async () => {
    await at.clone.propose('spam/models/candidate.onnx');
    await at.push();
    const gate = await contender(at.clone.folder, ['gate']);
    assert.equal(gate.code, 0, gate.stderr);
    const result = await only(
      await at.actions.dispatch('rollback.yml', { model: 'spam-filter', reason: 'It misses "invoices"; $(id)' }),
    ).done;
    assert.equal(result.conclusion, 'success', result.log);
    const log = await at.repository.git.git(
      'show',
      'model-registry:registry/models/spam-filter/decisions/000/000003.json',
    );
    assert.match(log, /"actor":"ada"|"actor": "ada"/u);
    assert.match(log, /\$\(id\)/u);
    await verified();
  });

  it('takes no command to the runner from the reason', async () => {
    const reason =
      'It\n::set-output name=version::9.9.9\n::add-mask::champion ##[set-output name=status]none ##[add-mask]champion';
    const result = await only(await at.actions.dispatch('rollback.yml', { model: 'spam-filter', to: '1.0.1', reason }))
      .done;
    const step = result.jobs[0]?.steps.find(({ id }) => id === 'rollback');
    assert.deepEqual([step?.outputs['status'], step?.outputs['version']], ['recorded', '1.0.1'], result.log);
    assert.match(step?.log ?? '', /champion/u);
  });

  it('fails when there is nothing to go back to, and records nothing', async () => {
    const before = await at.repository.git.git('rev-parse', 'model-registry');
    const result = await only(
      await at.actions.dispatch('rollback.yml', { model: 'spam-filter', to: '9.9.9', reason: 'Why not' }),
    ).done;
    assert.equal(result.conclusion, 'failure', result.log);
    assert.match(result.annotations[0]?.message ?? '', /9\.9\.9/u);
    assert.equal(await at.repository.git.git('rev-parse', 'model-registry'), before);
    await assert.rejects(at.actions.dispatch('rollback.yml', { model: 'spam-filter' }), /Required input 'reason'/u);
  });
});

describe('nightly.yml', () => {
  given(['nightly.yml'], { load: true });

  it('puts the model under load, and still does when the data break their contract', async () => {
    const fine = only(await at.actions.event('schedule', { schedule: '17 3 * * *' }));
    const result = await fine.done;
    assert.equal(result.conclusion, 'success', result.log);
    assert.deepEqual(evidence('nightly-model-checks-spam-filter', fine), [
      'spam-filter/evidence/data.json',
      'spam-filter/evidence/load.json',
    ]);
    await at.clone.configure('min: 1000', 'min: 100000');
    await at.push();
    const failing = await only(await at.actions.dispatch('nightly.yml')).done;
    assert.equal(failing.conclusion, 'failure');
    assert.deepEqual(failedSteps(failing), ['data']);
    assert.equal(failing.jobs[0]?.steps.find(({ id }) => id === 'load')?.outputs['verdict'], 'pass', failing.log);
  });
});
